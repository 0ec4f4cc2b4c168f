"""The flooding port on loopback: connections, and the octets on them, friendly and hostile."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from sroamd.config import FloodConfig
from sroamd.constants import MALFORMED_BURST, PEER_READ_SIZE
from sroamd.core import effects as do
from sroamd.core.events import (
    PeerClosed,
    PeerReady,
    PeerSaidHello,
    UpdatesReceived,
)
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
    UPDATE,
    Clients,
    closed,
    dialling,
    listening,
    port_of,
    run,
    transport,
)


def test_two_nodes_shake_hands_and_exchange_updates_in_order() -> None:
    async def body(clients: Clients) -> None:
        async with transport(listening()) as (server, heard):
            async with dialling(server) as (client, answered):
                ours, theirs = await answered.first(PeerReady), await heard.first(PeerReady)
                assert ours.name == f"127.0.0.1:{port_of(server)}"
                assert theirs.name.startswith("127.0.0.1:")
                client.do(do.SendHello(ours.peer, HELLO))
                client.do(do.SendUpdates(ours.peer, (UPDATE, Update(8, 9, b"\x02abcdef", b""))))
                server.do(do.SendUpdates(theirs.peer, (UPDATE,)))
                await until(lambda: len(heard.events) >= 3 and len(answered.events) >= 2)
                assert heard.events[:2] == [theirs, PeerSaidHello(theirs.peer, HELLO)]
                received = [update for event in heard.of(UpdatesReceived) for update in event.updates]
                assert received == [UPDATE, Update(8, 9, b"\x02abcdef", b"")]
                assert answered.events[1:] == [UpdatesReceived(ours.peer, (UPDATE,))]
            assert (await heard.first(PeerClosed)).peer == theirs.peer
            assert answered.of(PeerClosed) == []  # its own end is no news to a node that stops

    run(body)


@pytest.mark.parametrize("host", ["::", "::1", "0.0.0.0"])
def test_it_listens_where_it_is_told(host: str) -> None:
    async def body(clients: Clients) -> None:
        async with transport(listening(host)) as (server, heard):
            target = "::1" if host == "::1" else "127.0.0.1"
            async with transport(FloodConfig(peers=((target, port_of(server)),))) as (_, answered):
                assert target in (await answered.first(PeerReady)).name
                await heard.first(PeerReady)

    run(body)


@pytest.mark.spec("flooding", "4")
def test_octets_are_those_of_the_c_daemon() -> None:
    async def body(clients: Clients) -> None:
        async with transport(listening()) as (server, heard):
            reader, writer = await clients.connect(port_of(server))
            opening = bytes((44, 1, 0, 0)) + bytes(257)  # who dials is led back into step (defects T1 and T3)
            assert await reader.readexactly(len(opening)) == opening
            writer.write(bytes((44, 1, 0, 0)))
            ready = await heard.first(PeerReady)
            server.do(do.SendUpdates(ready.peer, (UPDATE,)))
            sent = bytes.fromhex("02 12 0007 00000708 05 00c0000207 020000000007")
            assert await reader.readexactly(len(sent)) == sent
            # Padding, the repeated handshake, an unknown type, and an update in the middle of them.
            writer.write(b"\x00\x01\x02??" + HANDSHAKE + b"\x7f\x01!" + sent)
            assert (await heard.first(UpdatesReceived)).updates == (UPDATE,)
            await until(lambda: server.counters["peer.ignored"] == 3)

    run(body)


def test_octets_may_come_one_by_one() -> None:
    async def body(clients: Clients) -> None:
        async with transport(listening()) as (server, heard):
            _, writer = await clients.connect(port_of(server))
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for octet in HANDSHAKE + encode_update(UPDATE) + encode_hello(HELLO):
                writer.write(bytes((octet,)))
                await asyncio.sleep(0.002)
            ready = await heard.first(PeerReady)
            await heard.first(PeerSaidHello)
            assert heard.events == [ready, UpdatesReceived(ready.peer, (UPDATE,)), PeerSaidHello(ready.peer, HELLO)]
            writer.close()
            await heard.first(PeerClosed)

    run(body)


def test_all_updates_of_a_read_are_one_event() -> None:
    async def body(clients: Clients) -> None:
        async with transport(listening()) as (server, heard):
            _, writer = await clients.connect(port_of(server))
            many = tuple(Update(n, 60, b"\x02abcdef", b"12345678") for n in range(1000))
            writer.write(HANDSHAKE + encode_updates(many))
            await until(lambda: sum(len(event.updates) for event in heard.of(UpdatesReceived)) == 1000)
            assert [one for event in heard.of(UpdatesReceived) for one in event.updates] == list(many)
            assert len(heard.of(UpdatesReceived)) < 20

    run(body)


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x2c\x01\x00\x01", b"\x00", b"\xff" * 10000])
def test_who_does_not_shake_hands_is_cut_and_counted(garbage: bytes) -> None:
    async def body(clients: Clients) -> None:
        async with transport(listening()) as (server, heard):
            reader, writer = await clients.connect(port_of(server))
            writer.write(garbage)
            assert await closed(reader)
            assert server.counters["peer.bad_handshake"] == 1
            assert heard.events == []

    run(body)


def test_a_malformed_update_is_counted_and_the_next_one_taken() -> None:
    async def body(clients: Clients) -> None:
        async with transport(listening()) as (server, heard):
            _, writer = await clients.connect(port_of(server))
            writer.write(HANDSHAKE + bytes.fromhex("02 03 000000") + encode_update(UPDATE))
            assert (await heard.first(UpdatesReceived)).updates == (UPDATE,)
            assert server.counters["peer.malformed"] == 1

    run(body)


def test_a_peer_that_says_nothing_but_nonsense_is_cut_and_not_dialled_at_once() -> None:
    async def body(clients: Clients) -> None:
        visits = []

        async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            visits.append(writer)
            writer.write(HANDSHAKE)
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(bytes.fromhex("02 03 000000") * 10 + encode_update(UPDATE))
                    await writer.drain()
            writer.close()

        server = await asyncio.start_server(babble, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with transport(FloodConfig(peers=(("127.0.0.1", port),))) as (client, answered):
            await answered.first(PeerClosed)
            assert client.counters["peer.cut.malformed"] == 1
            assert MALFORMED_BURST < client.counters["peer.malformed"] < MALFORMED_BURST + PEER_READ_SIZE
            await asyncio.sleep(1.5)
            assert len(visits) == 1
        server.close()

    run(body)


def test_a_half_update_dies_with_its_connection() -> None:
    async def body(clients: Clients) -> None:
        async with transport(listening()) as (server, heard):
            whole = encode_update(UPDATE)
            for _ in range(2):
                _, writer = await clients.connect(port_of(server))
                writer.write(HANDSHAKE + whole[:-3])
                await asyncio.sleep(0.05)
                writer.close()
            await until(lambda: len(heard.of(PeerClosed)) == 2)
            assert [event.peer for event in heard.of(PeerReady)] == [event.peer for event in heard.of(PeerClosed)]
            assert len({event.peer for event in heard.of(PeerReady)}) == 2
            assert heard.of(UpdatesReceived) == []

    run(body)
