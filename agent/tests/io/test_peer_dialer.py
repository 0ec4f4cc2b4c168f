"""Dialling: whom, how soon again, and whom not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from ipaddress import ip_network

from sroamd.config import FloodConfig
from sroamd.core import effects as do
from sroamd.core.events import (
    PeerClosed,
    PeerReady,
)
from sroamd.wire.flood import (
    HANDSHAKE,
)
from tests.io.events import until
from tests.io.ports import (
    LOOPBACK,
    Clients,
    dialling,
    listening,
    port_of,
    run,
    transport,
)


def test_the_core_may_close_a_peer() -> None:
    async def body(clients: Clients) -> None:
        flood = listening("127.0.0.1")
        async with transport(flood) as (server, heard), dialling(server) as (client, answered):
            peer = (await answered.first(PeerReady)).peer
            client.do(do.ClosePeer(peer, "silent"))
            assert (await answered.first(PeerClosed)).peer == peer
            await heard.first(PeerClosed)
            await until(lambda: len(answered.of(PeerReady)) == 2, 1.5)
            assert answered.of(PeerReady)[1].peer > peer

    run(body)


def test_who_is_connected_already_is_dialled_again_when_a_peer_is_lost() -> None:
    async def body(clients: Clients) -> None:
        async with transport(listening("127.0.0.1")) as (one, _), transport(listening("127.0.0.1")) as (two, _):
            flood = FloodConfig(peers=tuple(("127.0.0.1", port_of(server)) for server in (one, two)))
            async with transport(flood) as (client, answered):
                await until(lambda: len(answered.of(PeerReady)) == 2)
                by_one = next(e.peer for e in answered.of(PeerReady) if e.name.endswith(f":{port_of(one)}"))
                client.do(do.ClosePeer(by_one, "connected by another already", 60.0))
                await asyncio.sleep(2)
                assert len(answered.of(PeerReady)) == 2
                await two.stop()
                await until(lambda: len(answered.of(PeerReady)) == 3, 1.0)
                assert answered.of(PeerReady)[2].name.endswith(f":{port_of(one)}")

    run(body)


def test_a_node_that_is_its_own_peer_notices_and_leaves_it() -> None:
    async def body(clients: Clients) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        async with transport(FloodConfig(listen=("127.0.0.1", port), peers=(("127.0.0.1", port),), allow=LOOPBACK)) as (
            itself,
            heard,
        ):
            await until(lambda: itself.counters["peer.oneself"] == 1)
            await asyncio.sleep(2.5)  # longer than the longest back-off
            assert itself.counters["peer.oneself"] == 1
            assert heard.events == []
            _, writer = await clients.connect(port)
            writer.write(HANDSHAKE)
            await heard.first(PeerReady)

    run(body)


def test_a_peer_whose_packets_were_dropped_silently_is_back_within_a_second_and_a_half() -> None:
    """A listener whose queue is full ignores whoever knocks, as a firewall or a dead link does."""

    async def body(clients: Clients) -> None:
        with socket.socket() as mute:
            mute.bind(("127.0.0.1", 0))
            mute.listen(0)
            port = mute.getsockname()[1]
            for _ in range(2):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.3):
                        await clients.connect(port)
            async with transport(FloodConfig(peers=(("127.0.0.1", port),))) as (client, answered):
                await until(lambda: client.counters["peer.dial_failed"] >= 3, 5.0)
                assert answered.events == []
                mute.setblocking(False)
                mute.listen(128)
                heard = asyncio.create_task(shake_hands_with_all(mute))
                took = await until(lambda: bool(answered.of(PeerReady)), 3.0)
                assert took <= 1.5
                heard.cancel()
                await asyncio.gather(heard, return_exceptions=True)

    run(body)


async def shake_hands_with_all(listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as accepted:
        while True:
            connection, _ = await loop.sock_accept(listener)
            accepted.enter_context(connection)
            await loop.sock_sendall(connection, HANDSHAKE)


def test_a_lost_peer_is_back_within_a_second_and_a_half() -> None:
    async def body(clients: Clients) -> None:
        async with transport(listening("127.0.0.1")) as (server, _):
            port = port_of(server)
            async with transport(FloodConfig(peers=(("127.0.0.1", port),))) as (client, answered):
                await answered.first(PeerReady)
                await server.stop()
                await answered.first(PeerClosed)
                await asyncio.sleep(2.2)  # long enough for the back-off to be at its longest
                assert client.counters["peer.dial_failed"] >= 3
                async with transport(FloodConfig(listen=("127.0.0.1", port), allow=LOOPBACK)):
                    assert await until(lambda: len(answered.of(PeerReady)) == 2) <= 1.5

    run(body)


def test_a_peer_that_hangs_up_at_once_is_not_dialled_without_end() -> None:
    async def body(clients: Clients) -> None:
        visits = []

        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            visits.append(reader)
            writer.write(HANDSHAKE)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with transport(FloodConfig(peers=(("127.0.0.1", port),))):
            await asyncio.sleep(2)
            assert 2 <= len(visits) <= 6
        server.close()

    run(body)


def test_a_new_configuration_adds_and_removes_peers() -> None:
    async def body(clients: Clients) -> None:
        async with transport(listening()) as (one, _), transport(listening()) as (two, heard_by_two):
            first, second = ("127.0.0.1", port_of(one)), ("127.0.0.1", port_of(two))
            async with transport(FloodConfig(peers=(first,))) as (client, answered):
                peer = (await answered.first(PeerReady)).peer
                client.reconfigure(FloodConfig(peers=(second,)), ("wlan0",))
                assert (await answered.first(PeerClosed)).peer == peer
                await until(lambda: len(answered.of(PeerReady)) == 2)
                two.reconfigure(listening(allow=(ip_network("10.255.0.0/24"),)), ("wlan0",))
                await heard_by_two.first(PeerClosed)

    run(body)
