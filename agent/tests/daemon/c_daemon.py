"""The C daemon of 2021 at real sockets: `sim.c_node` decides, this is its select loop with defects T1, T3 and T5.

It runs only while `pump` or `until` does, in the test's own thread: an agent in another process does not notice.
"""

from __future__ import annotations

import select
import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from random import Random

from sroamd.addresses import NodeId
from sroamd.config import Config, NetworkConfig, NodeConfig
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.sim.c_node import CNode
from sroamd.wire.flood import HANDSHAKE, Update, encode_update

POOL = IPv4Network("192.0.2.0/24")
READ_BUFFER = 4096
UPDATE_FIELDS = 7


@dataclass(slots=True)
class Neighbour:
    """Outlives its connections where the daemon dials: nothing of it is reset (T3)."""

    number: int
    target: tuple[str, int] | None
    sock: socket.socket | None = None
    received: bytearray = field(default_factory=bytearray)
    lost: int = 0  # T1: octets that the next read will write before the buffer
    out: bytearray = field(default_factory=bytearray)
    handshaken: bool = False
    joined: bool = False


class CDaemon:
    """`skipped` counts TLVs by type, `refused` failed attempts to connect, `closed` ended connections.

    `retry`: seconds until it dials again, 30 in the original (T5).
    """

    def __init__(self, name: str, *, retry: float = 30.0) -> None:
        network = NetworkConfig(POOL, IPv6Network("2001:db8:44::/48"), POOL[1], IPv6Address("fe80::1"))
        self.node = CNode(Config(NodeConfig(name), network), NodeId(name.encode().ljust(8, b".")), Random(1))
        self.skipped: Counter[int] = Counter()
        self.refused = 0
        self.closed = 0
        self._retry = retry
        self._retry_at = 0.0
        self._numbers = iter(range(1, 1 << 30))
        self._neighbours: list[Neighbour] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setblocking(False)

    @property
    def port(self) -> int:
        port: int = self._server.getsockname()[1]
        return port

    @property
    def connected(self) -> int:
        return sum(neighbour.joined for neighbour in self._neighbours)

    def dial(self, port: int) -> None:
        """`-F 127.0.0.1:port`, for ever."""
        self._neighbours.append(Neighbour(0, ("127.0.0.1", port)))

    def learn(self, *updates: Update) -> None:
        """From a neighbour that is not there: what it adopts goes to all the others."""
        self._handle(ev.UpdatesReceived(0, updates))

    def repeat(self, update: Update) -> None:
        """Flood it to everybody, whatever it holds: a copy that goes round among others of its kind (M4)."""
        for one in self._neighbours:
            if one.joined:
                one.out += encode_update(update)

    def version(self, key: bytes) -> tuple[int, bytes] | None:
        record = self.node.database.get(key)
        return None if record is None else (record.seqno, record.value)

    def close(self) -> None:
        for neighbour in self._neighbours:
            if neighbour.sock is not None:
                neighbour.sock.close()
        self._server.close()

    # -- the loop

    def until(self, condition: Callable[[], bool], within: float = 15.0) -> None:
        """Run until it holds. AssertionError if it does not come to hold in time."""
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            self.pump(0.02)

    def pump(self, seconds: float) -> None:
        """One turn of the loop, after at most so long."""
        if time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + self._retry
            for neighbour in self._neighbours:
                if neighbour.sock is None and neighbour.target is not None:
                    self._connect(neighbour)
        open_ones = [one for one in self._neighbours if one.sock is not None]
        reading = [self._server, *(one.sock for one in open_ones)]
        writing = [one.sock for one in open_ones if one.out]
        readable, writable, _ = select.select(reading, writing, [], seconds)
        if self._server in readable:
            self._accept()
        for one in open_ones:
            if one.sock in readable:
                self._read(one)
            if one.sock is not None and one.sock in writable:
                self._write(one)

    def _accept(self) -> None:
        sock, _ = self._server.accept()
        sock.setblocking(False)
        self._neighbours.append(Neighbour(next(self._numbers), None, sock, out=bytearray(HANDSHAKE)))

    def _connect(self, neighbour: Neighbour) -> None:
        assert neighbour.target is not None
        neighbour.number = next(self._numbers)
        neighbour.sock = socket.socket()
        neighbour.sock.setblocking(False)
        with suppress(BlockingIOError):
            neighbour.sock.connect(neighbour.target)
        neighbour.out += HANDSHAKE  # behind whatever was left (T3)
        if neighbour.handshaken:
            self._join(neighbour)

    def _read(self, one: Neighbour) -> None:
        assert one.sock is not None
        try:
            data = one.sock.recv(READ_BUFFER - len(one.received))
        except OSError:
            self.refused += 1
            if one.received:
                del one.received[-1]
            else:
                one.lost += 1
            self._cut(one)
            return
        if not data:
            self._cut(one)
        one.received += data[one.lost :]
        one.lost = max(0, one.lost - len(data))
        while one.received:
            taken = self._parse(one)
            if taken is None:
                self._cut(one)
                return
            if not taken:
                return
            del one.received[:taken]

    def _write(self, one: Neighbour) -> None:
        assert one.sock is not None
        try:
            del one.out[: one.sock.send(one.out)]
        except OSError:
            self._cut(one)

    def _cut(self, one: Neighbour) -> None:
        if one.sock is not None:
            one.sock.close()
            one.sock = None
            self.closed += 1
        if one.joined:
            one.joined = False
            self._handle(ev.PeerClosed(one.number))
        if one.target is None:
            self._neighbours.remove(one)

    # -- what it reads

    def _parse(self, one: Neighbour) -> int | None:
        """Octets taken; 0: wait for more; None: close."""
        data = one.received
        if not one.handshaken:
            if len(data) < len(HANDSHAKE):
                return 0
            if bytes(data[:2]) != HANDSHAKE[:2]:
                return None
            one.handshaken = True
            if not one.joined:
                self._join(one)
            return len(HANDSHAKE)
        if data[0] == 0:
            return 1
        if len(data) < 2 or len(data) < 2 + data[1]:
            return 0
        kind, size = data[0], data[1]
        if kind != 2:
            self.skipped[kind] += 1
        elif not self._update(one, bytes(data[2 : 2 + size])):
            return None
        return 2 + size

    def _update(self, one: Neighbour, body: bytes) -> bool:
        if len(body) < UPDATE_FIELDS or len(body) < UPDATE_FIELDS + body[6]:
            return False
        value_at = UPDATE_FIELDS + body[6]
        seqno, lifetime = int.from_bytes(body[:2], "big"), int.from_bytes(body[2:6], "big")
        update = Update(seqno, lifetime, body[UPDATE_FIELDS:value_at], body[value_at:])
        self._handle(ev.UpdatesReceived(one.number, (update,)))
        return True

    # -- what the node decides

    def _join(self, one: Neighbour) -> None:
        one.joined = True
        self._handle(ev.PeerReady(one.number, ""))

    def _handle(self, event: ev.Event) -> None:
        for effect in self.node.handle(event, time.monotonic()):
            if isinstance(effect, do.SendUpdates):
                for one in self._neighbours:
                    if one.number == effect.peer and one.sock is not None:
                        one.out += b"".join(map(encode_update, effect.updates))
