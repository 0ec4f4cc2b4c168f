"""What the kernel has of our protocols, read afresh for a check: nexthop objects, then all routes.

The kernel gives as many routes at a time as there is room for. Each time is one event, with a pause behind it in which
stations are served, and nothing is kept here, so 60,000 routes take two seconds and no memory.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import closing
from typing import Protocol

from sroamd.constants import ROUTE_PROTOCOL_DIRECT
from sroamd.core.events import Event, KernelRead
from sroamd.core.values import KernelNextHop, Route
from sroamd.io import netlink, netlink_nexthop
from sroamd.io.kernel_query import routes_request
from sroamd.io.netlink import RouteMessage
from sroamd.io.netlink_nexthop import NextHopMessage
from sroamd.io.route_places import Place, Places

log = logging.getLogger(__name__)

RECEIVE_BUFFER = 1 << 18
READ_SIZE = 8192  # octets: about a hundred routes, a millisecond of work
PAUSE = 0.001


class Meaning(Protocol):
    """What the kernel's messages are to the core, and where its routes are to be found."""

    places: Places

    def route_of(self, found: RouteMessage) -> Route | None: ...

    def next_hop_of(self, found: NextHopMessage) -> KernelNextHop: ...


class KernelReader:
    def __init__(self, meaning: Meaning, emit: Callable[[Event], None]) -> None:
        self._meaning = meaning
        self._emit = emit
        self._readings: set[asyncio.Task[None]] = set()

    def read(self, ticket: int) -> None:
        """Emit KernelRead events with this ticket, soon. Needs a running loop."""
        reading = asyncio.create_task(self._read(ticket))
        self._readings.add(reading)
        reading.add_done_callback(self._readings.discard)

    def close(self) -> None:
        for reading in self._readings:
            reading.cancel()

    async def _read(self, ticket: int) -> None:
        try:
            with closing(netlink.open_socket(RECEIVE_BUFFER)) as sock:
                sock.setblocking(False)
                await self._read_next_hops(sock, ticket)
                for family in (socket.AF_INET, socket.AF_INET6):
                    for place in self._meaning.places.values():
                        await self._read_routes(sock, ticket, family, place)
        except OSError as error:
            log.warning("the kernel cannot be read: %s", error)
            self._emit(KernelRead(ticket, error=f"the kernel cannot be read: {error.strerror}"))
        else:
            self._emit(KernelRead(ticket, last=True))

    async def _read_next_hops(self, sock: socket.socket, ticket: int) -> None:
        """All at once: there is one for each node and IP version."""
        found: list[KernelNextHop] = []
        try:
            async for bodies in _dump(sock, netlink_nexthop.RTM_GETNEXTHOP, netlink_nexthop.ALL):
                messages = (netlink_nexthop.parse_nexthop(body) for body in bodies)
                ours = (one for one in messages if one is not None and one.protocol == ROUTE_PROTOCOL_DIRECT)
                found += map(self._meaning.next_hop_of, ours)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            return  # the kernel has none, and direct routes do without
        self._emit(KernelRead(ticket, next_hops=tuple(found)))

    async def _read_routes(self, sock: socket.socket, ticket: int, family: int, place: Place) -> None:
        async for bodies in _dump(sock, netlink.RTM_GETROUTE, routes_request(family, place)):
            messages = (netlink.parse_route(body) for body in bodies)
            found = (
                self._meaning.route_of(one) for one in messages if one is not None and one.protocol == place.protocol
            )
            self._emit(KernelRead(ticket, tuple(route for route in found if route is not None)))


async def _dump(sock: socket.socket, kind: int, body: bytes) -> AsyncGenerator[list[bytes], None]:
    """The answers to a dump request, as many as come at a time. Raises OSError where the kernel refuses."""
    loop = asyncio.get_running_loop()
    sock.send(netlink.request(kind, netlink.NLM_F_DUMP, 0, body))
    while True:
        bodies: list[bytes] = []
        for message in netlink.messages(await loop.sock_recv(sock, READ_SIZE)):
            if message.kind not in (netlink.NLMSG_DONE, netlink.NLMSG_ERROR):
                bodies.append(message.body)
                continue
            done = message.kind == netlink.NLMSG_DONE
            error = netlink.dump_error_of(message) if done else netlink.error_of(message)
            if error is not None and error.errno != errno.ENOENT:  # that one: there is no such table yet
                raise error
            yield bodies
            return
        yield bodies
        await asyncio.sleep(PAUSE)
