"""A kernel that has what the test says: links, a way to each address, and the socket that tells of events."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections import deque
from collections.abc import Callable, Iterator

from sroamd.addresses import Mac
from sroamd.io import netlink
from sroamd.io.netlink import Address, LinkMessage, RouteMessage
from sroamd.io.netlink_address import AddressMessage
from sroamd.io.netlink_nexthop import NextHopMessage
from sroamd.io.route_places import Place

UP = 0x11043  # IFF_UP and all that comes with it


class FakeKernel:
    """In place of KernelQuery and of the socket for events.

    `room`: so many events are kept. Like the kernel it then drops all others, until the queue has been read empty.
    `cut_off`: what is read of each is its beginning only. `before_read` is called before each attempt.
    `trouble`: why no question is answered now. `asked`: the questions.
    """

    def __init__(self, room: int = 1000) -> None:
        self.trouble: OSError | None = None
        self.asked: list[str] = []
        self.ways: dict[Address, RouteMessage] = {}
        self.routes: list[RouteMessage] = []
        self.own: list[AddressMessage] = []
        self.objects: list[NextHopMessage] = []
        self.cut_off = False
        self.before_read: Callable[[], None] = lambda: None
        self._links: dict[str, LinkMessage] = {}
        self.room = room
        self._queue: deque[bytes] = deque()
        self._congested = self._overrun = False
        self._bell, self._ring = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    @property
    def congested(self) -> bool:
        return self._congested

    def set_link(self, name: str, index: int, mac: Mac) -> None:
        """It is so now, and whoever can hear it is told."""
        self._links[name] = LinkMessage(index, name, mac, True, None)
        attributes = netlink.attribute(3, name.encode() + b"\0") + netlink.attribute(1, mac)
        self.tell(netlink.RTM_NEWLINK, netlink.IFINFO.pack(0, 1, index, UP, 0) + attributes)

    def tell(self, kind: int, body: bytes) -> None:
        if self._congested:
            return
        if len(self._queue) >= self.room:
            self._congested = self._overrun = True
        else:
            self._queue.append(netlink.request(kind, 0, 0, body))
        self._wake()

    def _wake(self) -> None:
        """Readable while there is something to read."""
        with contextlib.suppress(BlockingIOError):
            if self._queue or self._overrun:
                self._ring.send(b"!")
            else:
                while True:
                    self._bell.recv(1)

    # -- the socket

    def fileno(self) -> int:
        return self._bell.fileno()

    def setblocking(self, flag: bool) -> None: ...

    def setsockopt(self, level: int, option: int, value: object) -> None: ...

    def recvmsg(self, size: int) -> tuple[bytes, list[object], int, tuple[int, int]]:
        self.before_read()
        if self._overrun:
            self._overrun = False
            self._wake()
            raise OSError(errno.ENOBUFS, "No buffer space available")
        if not self._queue:
            raise BlockingIOError
        data = self._queue.popleft()
        self._congested = self._congested and bool(self._queue)
        self._wake()
        return (data[:20], [], socket.MSG_TRUNC, (0, 1)) if self.cut_off else (data, [], 0, (0, 1))

    def close(self) -> None:
        self._bell.close()
        self._ring.close()

    # -- the questions

    def links(self) -> list[LinkMessage]:
        self._ask("links")
        return list(self._links.values())

    def addresses(self) -> list[AddressMessage]:
        self._ask("addresses")
        return self.own

    def routes_of(self, family: int, place: Place) -> Iterator[RouteMessage]:
        self._ask("routes")
        version = 4 if family == socket.AF_INET else 6
        return (
            route for route in self.routes if (route.prefix.version, route.protocol, route.table) == (version, *place)
        )

    def routes_behind(self, family: int, place: Place) -> Iterator[tuple[bytes, int, int, int]]:
        for route in self.routes_of(family, place):
            yield route.prefix.network_address.packed, route.prefix.prefixlen, route.metric, route.nexthop

    def nexthops(self) -> list[NextHopMessage] | None:
        self._ask("nexthops")
        return self.objects

    def route_to(self, address: Address) -> RouteMessage | None:
        self._ask(f"way to {address}")
        return self.ways.get(address)

    def _ask(self, question: str) -> None:
        self.asked.append(question)
        if self.trouble is not None:
            raise self.trouble
