"""The flooding port with the real core behind it: peers that say too much, or take too little."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network

import pytest

from sroamd.addresses import NodeId
from sroamd.config import Config, FloodConfig, NetworkConfig, NodeConfig
from sroamd.core.events import Event, PeerClosed, PeerReady, UpdatesReceived
from sroamd.core.node import Node
from sroamd.io import peer_connection
from sroamd.io.peer_transport import PeerEffect, PeerTransport
from sroamd.wire.flood import HANDSHAKE, StreamDecoder, Update, encode_updates
from tests.io.events import until

OURS = NodeId(bytes(7) + b"\x01")
OWNERS = (bytes(7) + b"\x02", bytes(7) + b"\x03")
FLEET = 999  # the id of a peer that is no connection: everybody else
A_MOMENT = 0.01  # s that a station may have to wait for a peer's words


def claims(seqno: int, count: int) -> tuple[Update, ...]:
    keys = (b"\x02\x02\x00\x00\x01" + number.to_bytes(2, "big") for number in range(count))
    return tuple(Update(seqno, 5000, key, OWNERS[seqno % 2]) for key in keys)


class Agent:
    """A core and a flooding port; nothing else of the daemon."""

    def __init__(self) -> None:
        network = NetworkConfig(
            IPv4Network("192.0.2.0/24"),
            IPv6Network("2001:db8:44::/48"),
            IPv4Network("192.0.2.0/24")[1],
            IPv6Address("fe80::1"),
        )
        flood = FloodConfig(listen=("127.0.0.1", 0), allow=(ip_network("127.0.0.0/8"),))
        self.node = Node(Config(NodeConfig("ap1"), network, flood=flood), OURS, random.Random(1))
        self.port = PeerTransport(flood, ("wlan0",), self.emit)
        self.events: list[Event] = []
        self._waiting: deque[Event] = deque()

    def emit(self, event: Event) -> None:
        """As the daemon does it: effects of one event before the next, and never one within another."""
        self._waiting.append(event)
        if len(self._waiting) > 1:
            return
        while self._waiting:
            if not isinstance(event, UpdatesReceived):
                self.events.append(self._waiting[0])
            for effect in self.node.handle(self._waiting[0], asyncio.get_running_loop().time()):
                if isinstance(effect, PeerEffect):
                    self.port.do(effect)
            self._waiting.popleft()

    def closed(self) -> list[int]:
        return [event.peer for event in self.events if isinstance(event, PeerClosed)]

    def connect(self, room: int | None = None) -> socket.socket:
        """A C daemon, say. `room`: octets that it lets wait unread."""
        peer = socket.socket()
        if room is not None:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        assert self.port.listen_address is not None
        peer.connect(self.port.listen_address)
        peer.sendall(HANDSHAKE)
        return peer


@asynccontextmanager
async def running() -> AsyncIterator[Agent]:
    agent = Agent()
    await agent.port.start()
    agent.emit(PeerReady(FLEET, "everybody else"))
    try:
        async with asyncio.timeout(50):
            yield agent
    finally:
        await agent.port.stop()


def read_until(
    peer: socket.socket, seqno: int, count: int, *, turns: threading.Semaphore | None = None
) -> tuple[list[Update], dict[bytes, int]]:
    """All that it is told, until `count` keys have reached that seqno; 8 kB for each of `turns`, where it is slow."""
    decoder, told, latest = StreamDecoder(), list[Update](), dict[bytes, int]()
    peer.settimeout(10)
    while sum(version == seqno for version in latest.values()) < count:
        if turns is not None:
            turns.acquire()
        data = peer.recv(8192)
        assert data, "cut"
        updates = [message for message in decoder.feed(data) if isinstance(message, Update)]
        told += updates
        latest.update((update.key, update.seqno) for update in updates)
    return told, latest


def test_stations_do_not_wait_for_a_peer_that_floods_without_end() -> None:
    """What counts is the work between two turns of the loop, in time of this thread: the machine may have others."""

    def flood(peer: socket.socket, stop: threading.Event) -> None:
        seqno = 0
        with contextlib.suppress(OSError):
            while not stop.is_set():
                peer.sendall(encode_updates(claims(seqno % 30_000, 2000)))
                seqno += 1

    async def body() -> None:
        async with running() as agent:
            stop = threading.Event()
            with agent.connect() as peer:
                flooder = threading.Thread(target=flood, args=(peer, stop))
                flooder.start()
                turns, at = list[float](), time.thread_time()
                while agent.node.peering.peers.get(FLEET) is None or len(turns) < 1500:
                    await asyncio.sleep(0)
                    now = time.thread_time()
                    turns.append(now - at)
                    at = now
                stop.set()
                peer.shutdown(socket.SHUT_RDWR)
                await asyncio.to_thread(flooder.join)
            busy = sorted(turns)
            assert sum(turns) > 0.5, "it has been kept busy"
            assert busy[len(busy) * 99 // 100] < A_MOMENT

    asyncio.run(body())


def test_a_slow_reader_is_told_the_last_version_of_each_and_not_all_that_there_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # When a peer that takes nothing is cut is the next test's affair, and on a busy machine a slow one comes close.
    monkeypatch.setattr(peer_connection, "USER_TIMEOUT", 30.0)

    async def body() -> None:
        async with running() as agent:
            with agent.connect(room=8192) as slow:
                await until(lambda: len(agent.node.peering.peers) == 2)
                turns = threading.Semaphore(0)
                reading = asyncio.create_task(asyncio.to_thread(read_until, slow, 29, 1400, turns=turns))
                for seqno in range(30):  # more of one datum would not be heard (core.churn)
                    agent.emit(UpdatesReceived(FLEET, claims(seqno, 1400)))
                    turns.release()
                    await asyncio.sleep(0.01)
                turns.release(1_000_000)  # now it is as fast as it can
                told, latest = await reading
            assert len(latest) >= 1400
            assert len(told) < 21_000, "of forty-two thousand"
            assert agent.closed() == []

    asyncio.run(body())


def test_a_peer_that_takes_nothing_is_cut_and_resynchronised_when_it_comes_back() -> None:
    async def body() -> None:
        async with running() as agent:
            with agent.connect(room=8192) as stuck:
                await until(lambda: len(agent.node.peering.peers) == 2)
                began = asyncio.get_running_loop().time()
                for seqno in range(20):
                    agent.emit(UpdatesReceived(FLEET, claims(seqno, 5000)))
                    await asyncio.sleep(0)
                await until(lambda: len(agent.closed()) == 1, 15)
                assert 2 < asyncio.get_running_loop().time() - began < 15
                assert stuck.fileno() >= 0
            with agent.connect() as returned:
                returned.sendall(encode_updates(claims(0, 1)))  # which says that it is a C daemon
                _, latest = await asyncio.to_thread(read_until, returned, 19, 5000)
            assert set(latest.values()) >= {19}

    asyncio.run(body())
