"""Asks a Babel neighbour that is heard anew for its whole table, and has the own babeld announce its own.

babeld (seen with Debian 12's 1.12.1) does neither: after a link was repaired, or a daemon restarted, each side tells
the other its routes only in the next periodic update, up to `update-interval` (16 s) later. Until then nodes cannot
reach each other, and no peer can be dialled. Asked, it answers within some 0.2 s. That costs two or three tables for
each neighbour, once; a shorter update interval would cost a table all the time. RFC 8966 section 3.8.2.1 has nodes ask
like this.

It only listens and asks: no route, no cost and no decision is ours, and without it everything still happens, later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from itertools import islice

from sroamd.config import IpAddress
from sroamd.io import bpf
from sroamd.wire import babel
from sroamd.wire.cursor import DecodeError

log = logging.getLogger(__name__)

LOOK_INTERVAL = 0.1  # what has come meanwhile is read in one go: hundreds of neighbours wake us no more than one
READS_MAX = 1000  # in one look
MISSED_HELLOS = 5  # so many running, and the neighbour may have said something that we have not heard
# Before the first request each side must have heard a Hello of the other: babeld 1.12.1 forgets a neighbour of which it
# has heard something else first, and what that has told it.
ASK_AFTER_HELLOS = 1.5
# Seconds after the first request. babeld 1.12.1 ignores one for its whole table where the last is less than two seconds
# old by a clock of whole seconds (three where its hello interval is 0.2 s or longer; hence the role's 0.19 s), so the
# first five lead to two tables at most. The last is for ways that have become longer: they are believed only when their
# source has been asked for a new sequence number (section 3.5.1), and now and then that request is lost.
ASK_AT = (0.0, 0.5, 1.0, 1.5, 2.1, 4.4)
# Router addresses, asked for one by one: those are always answered, so peers are dialled without that wait.
WANTED_MAX = 32
NEIGHBOURS_MAX = 1024  # of one interface
RECEIVE_BUFFER = 1 << 18
DATAGRAM_MAX = 2048

_UDP_CHECKSUM_OFFSET = 6
_TO_BABEL = (
    bpf.Op(bpf.LOAD_HALF, 2),  # a raw socket begins at the UDP header
    bpf.Op(bpf.IF_EQUAL, babel.PORT, otherwise="drop"),
    bpf.Op(bpf.RETURN, DATAGRAM_MAX),
    bpf.Op(bpf.RETURN, 0, label="drop"),
)


@dataclass(slots=True)
class _Neighbour:
    silent_after: float
    ask_at: list[float]
    hears_us: bool = True  # until it says otherwise


@dataclass(slots=True)
class Neighbourhood:
    """Whom we hear on one interface, and whom to ask when. Times are those of any one clock, in seconds."""

    _neighbours: dict[str, _Neighbour] = field(default_factory=dict)

    def heard(self, address: str, interval: float, hears_us: bool | None, now: float) -> bool:
        """A Hello that promises the next after `interval`; whether this neighbour is new, was silent, or has lost us.

        `hears_us` None: it did not say. It says no for a moment where its daemon, or ours, has been restarted.
        """
        known = self._neighbours.pop(address, None)
        anew = known is None or now > known.silent_after or (known.hears_us and hears_us is False)
        if len(self._neighbours) >= NEIGHBOURS_MAX:
            del self._neighbours[next(iter(self._neighbours))]  # unheard for longest
        if known is None or anew:
            first = now + ASK_AFTER_HELLOS * interval
            known = _Neighbour(0.0, [first + after for after in ASK_AT])
        known.silent_after = now + MISSED_HELLOS * interval
        if hears_us is not None:
            known.hears_us = hears_us
        self._neighbours[address] = known
        return anew

    def due(self, now: float) -> list[str]:
        """Whom to ask now; each moment is told once."""
        found = []
        for address, neighbour in self._neighbours.items():
            waiting = [at for at in neighbour.ask_at if at > now]
            if len(waiting) < len(neighbour.ask_at):
                neighbour.ask_at = waiting
                found.append(address)
        return found


@dataclass(frozen=True, slots=True)
class Requests:
    """What is said to a neighbour's daemon, and what to the own one; whole datagrams."""

    theirs: bytes
    ours: bytes

    @classmethod
    def of(cls, own: Iterable[IpAddress], peers: Iterable[IpAddress]) -> Requests:
        theirs, ours = (babel.encode_requests(islice(wanted, WANTED_MAX)) for wanted in (peers, own))
        return cls(babel.encode_datagram(theirs), babel.encode_datagram(ours))


class BabelPrompter:
    """Listens on the backbone interfaces. An interface that is not there (yet) is looked for at every look.

    `own` are the router addresses of this node, `peers` those that it dials.
    """

    def __init__(
        self, interfaces: Iterable[str], own: Iterable[IpAddress] = (), peers: Iterable[IpAddress] = ()
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._requests = Requests.of(own, peers)
        self._links: dict[str, _Link | None] = dict.fromkeys(interfaces)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Call it in a running loop."""
        self._loop = asyncio.get_running_loop()
        if self._links:
            self._look()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for link in self._links.values():
            if link is not None:
                link.close()

    def _look(self) -> None:
        assert self._loop is not None
        self._timer = self._loop.call_later(LOOK_INTERVAL, self._look)
        for name in self._links:
            link = self._open(name)
            if link is not None:
                try:
                    link.look(self._loop.time())
                except OSError as error:  # it went down, or away
                    log.debug("%s: Babel's neighbours: %s", name, error.strerror)

    def _open(self, name: str) -> _Link | None:
        """The link of this interface as it is now: one that was made anew has another index."""
        link = self._links[name]
        try:
            index = socket.if_nametoindex(name)
            if link is None or link.index != index:
                if link is not None:
                    link.close()
                link = self._links[name] = None
                link = self._links[name] = _Link(name, index, self._requests, self.counters)
        except OSError as error:
            log.debug("%s: cannot listen to Babel: %s", name, error.strerror)
        return link


class _Link:
    """A raw socket, which takes nothing away from babeld and sends from Babel's port. OSError where it cannot be."""

    def __init__(self, interface: str, index: int, requests: Requests, counters: Counter[str]) -> None:
        self.index = index
        self._interface = interface
        self._requests = requests
        self._own: str | None = None
        self._counters = counters
        self._neighbourhood = Neighbourhood()
        self._socket = _open_socket(interface, index)

    def close(self) -> None:
        self._socket.close()

    def look(self, now: float) -> None:
        """Take in what has come, and ask whoever is to be asked by now."""
        for _ in range(READS_MAX):
            try:
                datagram, address = self._socket.recvfrom(DATAGRAM_MAX)
            except BlockingIOError:
                break
            self._take(datagram, address[0].partition("%")[0], now)
        for address in self._neighbourhood.due(now):
            self._ask(address)

    def _take(self, datagram: bytes, source: str, now: float) -> None:
        try:
            said = babel.decode_packet(babel.decode_datagram(datagram))
        except DecodeError:
            self._counters["babel.malformed"] += 1
            return
        if said.interval is None:
            return
        hears_us = next((heard for address, heard in said.hears if self._is_own(address, source)), None)
        if self._neighbourhood.heard(source, said.interval, hears_us, now):
            self._counters["babel.heard_anew"] += 1
            log.info("%s: Babel neighbour %s is heard anew; asking for its routes", self._interface, source)

    def _ask(self, neighbour: str) -> None:
        """The neighbour; and the own babeld, which tells all its neighbours, whoever asked."""
        with contextlib.suppress(OSError):  # no route, no address yet: the next time will do
            asked = ((neighbour, self._requests.theirs), (self._own_address(neighbour), self._requests.ours))
            for address, request in asked:
                self._socket.sendto(request, (address, 0, 0, self.index))
                self._counters["babel.asked"] += 1

    def _is_own(self, address: IPv6Address, neighbour: str) -> bool:
        if self._own is None:
            with contextlib.suppress(OSError):
                self._own = self._own_address(neighbour)
        return str(address) == self._own

    def _own_address(self, neighbour: str) -> str:
        """The link-local address that the kernel would send from."""
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as chooser:
            chooser.connect((neighbour, babel.PORT, 0, self.index))
            own: str = chooser.getsockname()[0]
        return own.partition("%")[0]


def _open_socket(interface: str, index: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_UDP)
    try:
        bpf.attach(opened, _TO_BABEL)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_CHECKSUM, _UDP_CHECKSUM_OFFSET)
        group = socket.inet_pton(socket.AF_INET6, babel.GROUP) + struct.pack("@I", index)
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    except OSError:
        opened.close()
        raise
    return opened
