"""The flooding port: listens, dials, and turns connections into peers with a number.

A peer's number is never used twice, so nothing that is said about an old connection can hit a new one.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import count
from typing import assert_never

from sroamd.config import FloodConfig, IpAddress, IpNetwork
from sroamd.constants import PEER_READ_SIZE, PEERS_MAX, REDIAL_LATER
from sroamd.core import effects
from sroamd.core.events import Event, PeerClosed, PeerId
from sroamd.io.peer_admission import (
    Admission,
    Arrival,
    arrival_interface,
    host_address,
    note_arrivals,
)
from sroamd.io.peer_connection import PeerConnection, tune
from sroamd.io.peer_dialer import Dialer, Endpoint, socket_address
from sroamd.wire.flood import encode, encode_hello, encode_updates

log = logging.getLogger(__name__)

HALF_OPEN_MAX = 64  # accepted connections whose handshake is awaited
HALF_OPEN_PER_SOURCE = 8
ACCEPTED_PER_SOURCE = 4  # a node has one; after a crash its old one may stand beside it until it is noticed
BACKLOG = 128
STOP_GRACE = 0.5  # seconds for what was written last

# What the core wants done to one peer.
PeerEffect = effects.SendUpdates | effects.SendSummaries | effects.SendHello | effects.SendCensus | effects.ClosePeer


class PeerTransport:
    """Emits PeerReady, then what the peer says (`events.said_by`), PeerBlocked and PeerWritable, and PeerClosed.

    `client_prefixes` and `gateways` are the addresses of stations and the anycast ones: nothing with such an address at
    either end is accepted, nor anything that comes in over one of `station_interfaces`. Call `start` in a running loop.
    """

    def __init__(
        self,
        flood: FloodConfig,
        station_interfaces: Iterable[str],
        emit: Callable[[Event], None],
        *,
        client_prefixes: Iterable[IpNetwork] = (),
        gateways: Iterable[IpAddress] = (),
        rng: random.Random | None = None,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.read_buffer = bytearray(PEER_READ_SIZE)  # shared: asyncio fills it and tells us within one call
        self.loop: asyncio.AbstractEventLoop
        self._flood = flood
        self._admission = Admission.of(flood, station_interfaces, client_prefixes, gateways)
        self._emit = emit
        self._ids = count(1)
        self._server: asyncio.Server | None = None
        self._dialer = Dialer(self, rng or random.Random())
        self._connections: dict[PeerId, PeerConnection] = {}  # also those without a handshake, in order of arrival
        self._stopping = False

    # -- the daemon's side

    async def start(self) -> None:
        """Listen and dial. OSError if the address to listen on cannot be had."""
        self.loop = asyncio.get_running_loop()
        if self._flood.listen is not None:
            listener = _listening_socket(*self._flood.listen)
            self._server = await self.loop.create_server(self._accepted, sock=listener, backlog=BACKLOG)
        self._dialer.aim(self._flood.peers)

    async def stop(self) -> None:
        """Close everything; what the peers have not taken within STOP_GRACE is dropped."""
        self._stopping = True
        if self._server is not None:
            self._server.close()
        dialers = self._dialer.stop()
        connections = list(self._connections.values())
        for connection in connections:
            connection.finish()
        if connections:
            await asyncio.wait([connection.lost for connection in connections], timeout=STOP_GRACE)
            for connection in connections:
                connection.abort()
        await asyncio.gather(*dialers, return_exceptions=True)

    def reconfigure(
        self,
        flood: FloodConfig,
        station_interfaces: Iterable[str],
        *,
        client_prefixes: Iterable[IpNetwork] = (),
        gateways: Iterable[IpAddress] = (),
    ) -> None:
        """Take a new configuration: new peers are dialled, whoever may no longer be one is let go. `listen` stays."""
        self._flood = flood
        self._admission = Admission.of(flood, station_interfaces, client_prefixes, gateways)
        for connection in list(self._connections.values()):
            if connection.arrival is not None and self._admission.refusal(connection.arrival) is not None:
                connection.abort()
        self._dialer.aim(flood.peers)

    def do(self, effect: PeerEffect) -> None:
        """Nothing, if the peer is gone. After updates or summaries with `more` PeerWritable follows as soon as the peer
        has taken them, never within this call; after ClosePeer PeerClosed, and what we have dialled is dialled again,
        then or when another peer is lost.
        """
        connection = self._connections.get(effect.peer)
        if connection is None:
            return
        match effect:
            case effects.SendUpdates(_, updates, more):
                connection.send(encode_updates(updates), more=more)
            case effects.SendSummaries(_, summaries, more):
                connection.send(b"".join(map(encode, summaries)), more=more)
            case effects.SendHello(_, hello):
                connection.send(encode_hello(hello), more=False)
            case effects.SendCensus(_, messages):
                connection.send(b"".join(map(encode, messages)), more=False)
            case effects.ClosePeer(_, reason, redial_after):
                log.info("closing peer %s: %s", connection.name, reason)
                connection.redial_after = redial_after
                connection.abort()
            case _:
                assert_never(effect)

    @property
    def listen_address(self) -> Endpoint | None:
        """Where it listens; the port is the real one if 0 was asked for."""
        if self._server is None or not self._server.sockets:
            return None
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    @property
    def half_open(self) -> int:
        """Accepted connections whose handshake is not complete."""
        return len(self._accepted_ones(ready=False))

    # -- the connections' side

    def emit(self, event: Event) -> None:
        if not self._stopping:
            self._emit(event)

    def dialled(self) -> PeerConnection:
        """One that the dialer is about to make."""
        return PeerConnection(self, next(self._ids), dialled=True)

    def admit(self, connection: PeerConnection, transport: asyncio.BaseTransport) -> bool:
        """Whether a connection that has just been made may go on. Makes room among those that only sit there."""
        sock: socket.socket = transport.get_extra_info("socket")
        remote, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if self._stopping or remote is None or local is None:
            return False
        connection.ends = (host_address(local[0]), local[1]), (host_address(remote[0]), remote[1])
        if not connection.dialled:
            arrival = Arrival(host_address(remote[0]), host_address(local[0]), arrival_interface(sock))
            refusal = self._admission.refusal(arrival)
            if refusal is not None:
                self.counters[f"peer.refused.{refusal}"] += 1
                return False
            tune(sock)
            connection.arrival, connection.name = arrival, arrival.text(remote[1])
            self._make_room(arrival.source)
        self._connections[connection.peer_id] = connection
        return True

    def promote(self, connection: PeerConnection) -> bool:
        """Whether a connection that has shaken hands may become a peer."""
        if self._is_oneself(connection):
            connection.ready = False
            return False
        if connection.arrival is None:
            return True
        ready = self._accepted_ones(ready=True)
        same = self._from(connection.arrival.source, ready)
        same.remove(connection)
        if len(same) >= ACCEPTED_PER_SOURCE:
            self.counters["peer.replaced"] += 1
            same[0].abort()
        elif len(ready) > PEERS_MAX:
            self.counters["peer.refused.full"] += 1
            connection.ready = False
            return False
        return True

    def forget(self, connection: PeerConnection) -> None:
        """The connection has ended."""
        if self._connections.pop(connection.peer_id, None) is not None and connection.ready:
            self.emit(PeerClosed(connection.peer_id))
            if not connection.redial_after:
                self._dialer.wake()

    # -- inside

    def _is_oneself(self, connection: PeerConnection) -> bool:
        """Whether both its ends are in this process. Both are cut, and it is not dialled again for long."""
        if connection.ends is None:
            return False
        other = next((one for one in self._connections.values() if one.ends == connection.ends[::-1]), None)
        if other is None:
            return False
        self.counters["peer.oneself"] += 1
        for end in (connection, other):
            end.redial_after = REDIAL_LATER
            if end is not connection:
                end.abort()
        return True

    def _accepted(self) -> PeerConnection:
        return PeerConnection(self, next(self._ids), dialled=False)

    def _accepted_ones(self, *, ready: bool) -> list[PeerConnection]:
        return [one for one in self._connections.values() if not one.dialled and one.ready is ready and not one.closing]

    @staticmethod
    def _from(source: IpAddress, connections: list[PeerConnection]) -> list[PeerConnection]:
        return [one for one in connections if one.arrival is not None and one.arrival.source == source]

    def _make_room(self, source: IpAddress) -> None:
        """A real peer shakes hands within a round trip: when places run out, who has waited longest goes."""
        waiting = self._accepted_ones(ready=False)
        same = self._from(source, waiting)
        crowded = same if len(same) >= HALF_OPEN_PER_SOURCE else waiting if len(waiting) >= HALF_OPEN_MAX else []
        if crowded:
            self.counters["peer.refused.half_open"] += 1
            crowded[0].abort()


def _listening_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET if host_address(host).version == 4 else socket.AF_INET6
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        note_arrivals(listener)
        listener.bind(socket_address(host, port))
    except OSError:
        listener.close()
        raise
    return listener
