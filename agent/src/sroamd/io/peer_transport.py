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

from sroamd.config import FloodConfig, IpAddress, IpNetwork
from sroamd.constants import DIAL_BACKOFF_MAX, DIAL_BACKOFF_MIN, HANDSHAKE_TIMEOUT, PEERS_MAX
from sroamd.core.events import Event, PeerClosed, PeerId
from sroamd.io.peer_admission import (
    Admission,
    Arrival,
    arrival_interface,
    endpoint_text,
    host_address,
    note_arrivals,
)
from sroamd.io.peer_connection import READ_SIZE, PeerConnection, tune
from sroamd.wire.census import Answer, Question
from sroamd.wire.flood import Hello, Update, encode, encode_hello, encode_updates
from sroamd.wire.summary import Summary, Wanted

log = logging.getLogger(__name__)

Endpoint = tuple[str, int]

HALF_OPEN_MAX = 64  # accepted connections whose handshake is awaited
HALF_OPEN_PER_SOURCE = 8
ACCEPTED_PER_SOURCE = 4  # a node has one; after a crash its old one may stand beside it until it is noticed
BACKLOG = 128
DIAL_JITTER = 0.2
STOP_GRACE = 0.5  # seconds for what was written last


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
        self.read_buffer = bytearray(READ_SIZE)  # shared: asyncio fills it and tells us within one call
        self.loop: asyncio.AbstractEventLoop
        self._flood = flood
        self._admission = Admission.of(flood, station_interfaces, client_prefixes, gateways)
        self._emit = emit
        self._rng = rng or random.Random()
        self._ids = count(1)
        self._server: asyncio.Server | None = None
        self._dialers: dict[Endpoint, asyncio.Task[None]] = {}
        self._connections: dict[PeerId, PeerConnection] = {}  # also those without a handshake, in order of arrival
        self._stopping = False

    # -- the daemon's side

    async def start(self) -> None:
        """Listen and dial. OSError if the address to listen on cannot be had."""
        self.loop = asyncio.get_running_loop()
        if self._flood.listen is not None:
            listener = _listening_socket(*self._flood.listen)
            self._server = await self.loop.create_server(self._accepted, sock=listener, backlog=BACKLOG)
        self._dial_all()

    async def stop(self) -> None:
        """Close everything; what the peers have not taken within STOP_GRACE is dropped."""
        self._stopping = True
        if self._server is not None:
            self._server.close()
        dialers = list(self._dialers.values())
        for task in dialers:
            task.cancel()
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
        removed = set(self._flood.peers) - set(flood.peers)
        self._flood = flood
        self._admission = Admission.of(flood, station_interfaces, client_prefixes, gateways)
        for endpoint in removed:
            self._dialers.pop(endpoint).cancel()
        for connection in list(self._connections.values()):
            if connection.arrival is not None and self._admission.refusal(connection.arrival) is not None:
                connection.abort()
        self._dial_all()

    def send_updates(self, peer: PeerId, updates: tuple[Update, ...], more: bool = False) -> None:
        """With `more` PeerWritable follows as soon as the peer has taken them, never within this call."""
        connection = self._connections.get(peer)
        if connection is not None:
            connection.send(encode_updates(updates), more=more)

    def send_summaries(self, peer: PeerId, summaries: tuple[Summary | Wanted, ...], more: bool = False) -> None:
        connection = self._connections.get(peer)
        if connection is not None:
            connection.send(b"".join(map(encode, summaries)), more=more)

    def send_hello(self, peer: PeerId, hello: Hello) -> None:
        connection = self._connections.get(peer)
        if connection is not None:
            connection.send(encode_hello(hello), more=False)

    def send_census(self, peer: PeerId, messages: tuple[Question | Answer, ...]) -> None:
        connection = self._connections.get(peer)
        if connection is not None:
            connection.send(b"".join(map(encode, messages)), more=False)

    def close(self, peer: PeerId, reason: str) -> None:
        """Cut; PeerClosed follows. A configured peer is dialled again, after the longest back-off."""
        connection = self._connections.get(peer)
        if connection is not None:
            log.info("closing peer %s: %s", connection.name, reason)
            connection.cut_by_us = True
            connection.abort()

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

    def admit(self, connection: PeerConnection, transport: asyncio.BaseTransport) -> bool:
        """Whether a connection that has just been made may go on. Makes room among those that only sit there."""
        sock: socket.socket = transport.get_extra_info("socket")
        remote, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if self._stopping or remote is None or local is None:
            return False
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

    # -- inside

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

    def _dial_all(self) -> None:
        for endpoint in self._flood.peers:
            if endpoint not in self._dialers:
                self._dialers[endpoint] = self.loop.create_task(self._keep_dialled(endpoint))

    async def _keep_dialled(self, endpoint: Endpoint) -> None:
        """For as long as the peer is configured: a connection, or the next attempt within DIAL_BACKOFF_MAX."""
        delay = 0.0
        connection: PeerConnection | None = None
        try:
            while True:
                started = self.loop.time()
                connection = await self._dial(endpoint)
                if connection is not None:
                    await connection.lost
                if connection is not None and connection.cut_by_us:
                    delay = DIAL_BACKOFF_MAX
                elif connection is not None and connection.ready and self.loop.time() - started > DIAL_BACKOFF_MAX:
                    delay = 0.0  # a peer until a moment ago, which may only have restarted
                else:
                    delay = min(max(delay * 2, DIAL_BACKOFF_MIN), DIAL_BACKOFF_MAX)
                await asyncio.sleep(delay * self._rng.uniform(1 - DIAL_JITTER, 1))
        finally:
            if connection is not None and not self._stopping:
                connection.abort()

    async def _dial(self, endpoint: Endpoint) -> PeerConnection | None:
        host, port = endpoint
        try:
            sock, address = _dialling_socket(host, port)
        except OSError as error:  # the zone's interface is not there
            self.counters["peer.dial_failed"] += 1
            log.debug("cannot dial %s: %s", endpoint_text(host, port), error)
            return None
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT):
                await self.loop.sock_connect(sock, address)
            connection = PeerConnection(self, next(self._ids), dialled=True)
            connection.name = endpoint_text(host, port)
            await self.loop.create_connection(lambda: connection, sock=sock)
        except OSError as error:  # TimeoutError is one
            sock.close()
            self.counters["peer.dial_failed"] += 1
            log.debug("cannot dial %s: %s", endpoint_text(host, port), str(error) or "no answer")
            return None
        except asyncio.CancelledError:
            sock.close()
            raise
        return connection


def _listening_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET if host_address(host).version == 4 else socket.AF_INET6
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        note_arrivals(listener)
        listener.bind(_socket_address(host, port))
    except OSError:
        listener.close()
        raise
    return listener


def _dialling_socket(host: str, port: int) -> tuple[socket.socket, tuple[str | int, ...]]:
    address = _socket_address(host, port)
    family = socket.AF_INET if len(address) == 2 else socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    tune(sock)
    return sock, address


def _socket_address(host: str, port: int) -> tuple[str | int, ...]:
    """Numbers only, so that nothing is ever looked up: (host, port) or (host, port, 0, index of the zone)."""
    address, zone = host_address(host), host.partition("%")[2]
    if address.version == 4:
        return str(address), port
    return str(address), port, 0, socket.if_nametoindex(zone) if zone else 0
