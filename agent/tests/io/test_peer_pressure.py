"""Peers that take too little or say too much: who waits, who is cut, and that nobody else minds."""

from __future__ import annotations

import asyncio

import pytest

from sroamd.constants import PEER_READ_SIZE
from sroamd.core import effects as do
from sroamd.core.events import (
    PeerBlocked,
    PeerClosed,
    PeerReady,
    PeerSaidHello,
    PeerWritable,
    UpdatesReceived,
)
from sroamd.io import peer_connection
from sroamd.wire.flood import (
    HANDSHAKE,
    Update,
    encode_hello,
    encode_update,
    encode_updates,
)
from tests.io.events import until
from tests.io.ports import (
    HELLO,
    OPENING,
    UPDATE,
    Clients,
    listening,
    port_of,
    run,
    transport,
)


def test_a_slow_reader_blocks_is_told_writable_and_loses_nothing() -> None:
    async def body(clients: Clients) -> None:
        async with transport(listening()) as (server, heard):
            reader, writer = await clients.connect(port_of(server))
            writer.write(HANDSHAKE)
            peer = (await heard.first(PeerReady)).peer
            batch = tuple(Update(n, 60, b"\x02abcdef", b"x" * 200) for n in range(100))
            rounds = 0
            while not heard.of(PeerBlocked):
                server.do(do.SendUpdates(peer, batch))
                rounds += 1
                await asyncio.sleep(0)
            assert heard.of(PeerWritable) == []
            expected = OPENING + rounds * len(encode_updates(batch))
            assert len(await reader.readexactly(expected)) == expected
            await heard.first(PeerWritable)
            assert (len(heard.of(PeerBlocked)), len(heard.of(PeerWritable))) == (1, 1)
            assert heard.of(PeerClosed) == []

    run(body)


def test_more_asks_for_writable_but_never_within_the_call() -> None:
    async def body(clients: Clients) -> None:
        async with transport(listening()) as (server, heard):
            _, writer = await clients.connect(port_of(server))
            writer.write(HANDSHAKE)
            peer = (await heard.first(PeerReady)).peer
            server.do(do.SendUpdates(peer, (UPDATE,)))
            await asyncio.sleep(0.05)
            assert heard.of(PeerWritable) == []
            server.do(do.SendUpdates(peer, (UPDATE,), more=True))
            assert heard.of(PeerWritable) == []
            await heard.first(PeerWritable, 0.5)
            await asyncio.sleep(0.05)
            assert len(heard.of(PeerWritable)) == 1
            assert heard.of(PeerBlocked) == []

    run(body)


def test_a_peer_that_takes_nothing_at_all_is_cut() -> None:
    async def body(clients: Clients) -> None:
        async with transport(listening()) as (server, heard):
            _, writer = await clients.connect(port_of(server))
            writer.write(HANDSHAKE)
            peer = (await heard.first(PeerReady)).peer
            batch = tuple(Update(n, 60, b"\x02abcdef", b"x" * 200) for n in range(500))
            for _ in range(100):  # an ill-mannered core: it does not wait for PeerWritable
                server.do(do.SendUpdates(peer, batch))
            await heard.first(PeerClosed)
            assert server.counters["peer.overflow"] == 1
            server.do(do.SendUpdates(peer, batch))  # to nobody

    run(body)


def test_a_peer_that_says_too_much_waits_and_nobody_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Defect M4: C daemons in a ring flood one tie for ever, as fast as they can."""
    burst, rate = 100_000, 400_000
    monkeypatch.setattr(peer_connection, "PEER_RECEIVE_BURST", burst)
    monkeypatch.setattr(peer_connection, "PEER_RECEIVE_RATE", rate)

    async def body(clients: Clients) -> None:
        async with transport(listening()) as (server, heard):
            _, noisy = await clients.connect(port_of(server), source="127.0.0.3")
            _, calm = await clients.connect(port_of(server))
            words = 20_000
            said = encode_update(UPDATE) * words
            start = asyncio.get_running_loop().time()
            noisy.write(HANDSHAKE + said)
            await until(lambda: server.counters["peer.throttled"] > 0)
            calm.write(HANDSHAKE + encode_hello(HELLO))
            assert await until(lambda: bool(heard.of(PeerSaidHello))) < 0.2
            loud = heard.of(PeerReady)[0].peer

            def count() -> int:
                return sum(len(event.updates) for event in heard.of(UpdatesReceived) if event.peer == loud)

            await until(lambda: count() == words)
            took = asyncio.get_running_loop().time() - start
            assert took >= (len(said) - burst - PEER_READ_SIZE) / rate, "it is slowed down"
            assert took < len(said) / rate + 1, "and loses nothing"

    run(body)
