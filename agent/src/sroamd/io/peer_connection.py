"""One connection with a peer: octets in and out, and what has to be counted about them. It decides nothing."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, cast

from sroamd.constants import (
    HANDSHAKE_TIMEOUT,
    MALFORMED_BURST,
    MALFORMED_RATE,
    PEER_BUFFER_MAX,
    PEER_RECEIVE_BURST,
    PEER_RECEIVE_RATE,
    REDIAL_LATER,
)
from sroamd.core.events import Event, PeerBlocked, PeerId, PeerReady, PeerWritable, said_by
from sroamd.io.peer_admission import Arrival
from sroamd.rate import TokenBucket
from sroamd.wire.cursor import DecodeError
from sroamd.wire.flood import HANDSHAKE, RESYNCHRONISATION, Message, StreamDecoder

if TYPE_CHECKING:
    from sroamd.io.peer_transport import PeerTransport

# A peer that says nothing, or takes nothing, is noticed within 10 s: an idle connection after 3 + 2 * 2 s of keepalive,
# one with data under way (there is a Hello every 3 s) 3 s after the first octet that is not acknowledged. After
# that the kernel would repeat it too rarely to be back at once when the way is free: a new connection is sooner.
KEEPALIVE_IDLE = 3
KEEPALIVE_INTERVAL = 2
KEEPALIVE_COUNT = 3
USER_TIMEOUT = 3.0

_TCP_NOTSENT_LOWAT = 25  # linux/tcp.h; Python 3.11 has no name for it
HIGH_WATER = 64 * 1024  # octets not yet taken, from which on the core is asked to wait


def tune(connection: socket.socket) -> None:
    """Small messages at once, a silent peer noticed, and what it does not take kept here, where it can be replaced."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_COUNT)
    connection.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, HIGH_WATER)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(USER_TIMEOUT * 1000))


class PeerConnection(asyncio.BufferedProtocol):
    """Born with its socket and dead with it: decoder, buffers and id are never used again.

    `arrival` is how an accepted one came, None if we dialled. `lost` is done when the connection has ended.
    """

    def __init__(self, owner: PeerTransport, peer_id: PeerId, *, dialled: bool) -> None:
        self.peer_id = peer_id
        self.dialled = dialled
        self.ready = False  # handshakes are exchanged; the core has heard of it
        self.redial_after: float | None = None  # s, if it was we who cut it
        self.ends: tuple[object, object] | None = None  # addresses: its own, the peer's
        self.name = ""
        self.arrival: Arrival | None = None
        self.lost: asyncio.Future[None] = owner.loop.create_future()
        self._owner = owner
        self._decoder = StreamDecoder()
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._full = False  # the kernel does not take all that was written
        self._owes_writable = False
        self._octets = TokenBucket(PEER_RECEIVE_RATE, PEER_RECEIVE_BURST, owner.loop.time())
        self._malformed = TokenBucket(MALFORMED_RATE, MALFORMED_BURST, owner.loop.time())

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # Told as soon as anything waits, and again when nothing does: `send` makes of it what the core needs.
        self._transport.set_write_buffer_limits(high=0, low=0)
        if not self._owner.admit(self, transport):
            self.abort()
            return
        self._deadline = self._owner.loop.call_later(HANDSHAKE_TIMEOUT, self._handshake_late)
        self._transport.write(HANDSHAKE if self.dialled else HANDSHAKE + RESYNCHRONISATION)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._owner.read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self.closing:
            return
        decoder, counters = self._decoder, self._owner.counters
        ignored, malformed = decoder.ignored, decoder.malformed
        try:
            messages = decoder.feed(bytes(memoryview(self._owner.read_buffer)[:nbytes]))
        except DecodeError:
            counters["peer.bad_handshake"] += 1
            self.abort()
            return
        counters["peer.ignored"] += decoder.ignored - ignored
        malformed = decoder.malformed - malformed
        counters["peer.malformed"] += malformed
        if decoder.handshaken and not self.ready:
            self._become_ready()
        self._tell(messages)
        self._spend(nbytes, malformed)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._say_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if not self.lost.done():
            self.lost.set_result(None)
        self._owner.forget(self)

    # -- the transport's side

    @property
    def closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def send(self, data: bytes, *, more: bool) -> None:
        """Write. The core hears PeerBlocked when the peer does not take it, PeerWritable when it has (if `more`)."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(data)
        waiting = self._transport.get_write_buffer_size()
        if waiting > PEER_BUFFER_MAX:
            self._owner.counters["peer.overflow"] += 1
            self.abort()
        elif more:
            self._owes_writable = True
            if not waiting:
                # Not at once: the core is in the middle of the turn that sent this.
                self._owner.loop.call_soon(self._say_writable)
        elif waiting > HIGH_WATER and not self._owes_writable:
            self._owes_writable = True
            self._emit(PeerBlocked(self.peer_id))

    def abort(self) -> None:
        """Close at once; what was not taken is forgotten."""
        if self._transport is not None:
            self._transport.abort()

    def finish(self) -> None:
        """Close after what was written has been taken."""
        if self._transport is not None:
            self._transport.close()

    # -- inside

    def _emit(self, event: Event) -> None:
        self._owner.emit(event)

    def _become_ready(self) -> None:
        self.ready = True
        if self._deadline is not None:
            self._deadline.cancel()
        if self._owner.promote(self):
            self._emit(PeerReady(self.peer_id, self.name, self.dialled))
        else:
            self.abort()

    def _tell(self, messages: list[Message]) -> None:
        for event in said_by(self.peer_id, messages):
            if self.closing:  # the core has cut it over what came before
                return
            self._emit(event)

    def _spend(self, octets: int, malformed: int) -> None:
        """Let a peer wait that says too much: its words stay in its kernel and ours. Cut one that talks nonsense."""
        now = self._owner.loop.time()
        left = self._octets.spend(octets, now)
        if malformed and self._malformed.spend(malformed, now) < 0:
            self._owner.counters["peer.cut.malformed"] += 1
            self.redial_after = REDIAL_LATER
            self.abort()
        elif left < 0 and self._transport is not None and not self.closing:
            self._owner.counters["peer.throttled"] += 1
            self._transport.pause_reading()
            self._owner.loop.call_later(-left / PEER_RECEIVE_RATE, self._transport.resume_reading)

    def _say_writable(self) -> None:
        if self._owes_writable and not self._full and not self.closing:
            self._owes_writable = False
            self._emit(PeerWritable(self.peer_id))

    def _handshake_late(self) -> None:
        self._owner.counters["peer.handshake_timeout"] += 1
        self.abort()
