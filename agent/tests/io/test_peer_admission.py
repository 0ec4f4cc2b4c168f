"""Who may be a peer: strangers, stations and crowds at the flooding port."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import pytest

from sroamd.config import FloodConfig
from sroamd.core import effects as do
from sroamd.core.events import (
    PeerClosed,
    PeerReady,
    UpdatesReceived,
)
from sroamd.io import peer_connection
from sroamd.io.peer_transport import HALF_OPEN_MAX, HALF_OPEN_PER_SOURCE, PeerTransport
from sroamd.wire.flood import (
    HANDSHAKE,
    encode_update,
)
from tests.io.events import Collector, until
from tests.io.ports import (
    LOOPBACK,
    OPENING,
    UPDATE,
    Clients,
    closed,
    listening,
    port_of,
    run,
    transport,
)


@pytest.mark.parametrize(
    ("allow", "options", "reason"),
    [
        ((ip_network("10.255.0.0/24"),), {}, "source"),
        (LOOPBACK, {"client_prefixes": (ip_network("127.0.0.2/32"),)}, "station_address"),
        (LOOPBACK, {"gateways": (IPv4Address("127.0.0.1"), IPv6Address("fe80::1"))}, "station_address"),
    ],
)
def test_strangers_and_stations_are_refused_before_anything_is_read(
    allow: tuple[IPv4Network | IPv6Network, ...], options: dict[str, object], reason: str
) -> None:
    async def body(clients: Clients) -> None:
        async with transport(listening(allow=allow), **options) as (server, heard):
            reader, writer = await clients.connect(port_of(server))
            writer.write(HANDSHAKE + encode_update(UPDATE))
            assert await reader.read(100) == b""  # not even our handshake
            assert server.counters == {f"peer.refused.{reason}": 1}
            assert heard.events == []

    run(body)


@pytest.mark.parametrize("target", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("listen", ["::", None])
def test_what_comes_in_over_a_station_interface_is_refused(target: str, listen: str | None) -> None:
    async def body(clients: Clients) -> None:
        flood = listening(listen or target)
        server = PeerTransport(flood, ("wlan0", "lo"), Collector())  # loopback plays the part of a station interface
        await server.start()
        reader, _ = await clients.connect(port_of(server), target=target)
        assert await closed(reader)
        assert server.counters == {"peer.refused.station_interface": 1}
        await server.stop()

    run(body)


def test_a_configured_peer_may_connect_without_being_allowed() -> None:
    async def body(clients: Clients) -> None:
        with socket.create_server(("127.0.0.9", 0)) as quiet:
            flood = FloodConfig(listen=("127.0.0.1", 0), peers=(("127.0.0.9", quiet.getsockname()[1]),))
            async with transport(flood) as (server, heard):
                await clients.connect(port_of(server), "127.0.0.2")
                _, taken = await clients.connect(port_of(server), "127.0.0.9")
                taken.write(HANDSHAKE)
                assert (await heard.first(PeerReady)).name.startswith("127.0.0.9:")
                assert server.counters["peer.refused.source"] == 1

    run(body)


def test_two_thousand_half_open_connections_leave_peers_undisturbed() -> None:
    async def body(clients: Clients) -> None:
        async with transport(listening()) as (server, heard):
            port = port_of(server)
            first_reader, first = await clients.connect(port, "127.0.0.2")
            first.write(HANDSHAKE)
            old = await heard.first(PeerReady)
            for batch in range(20):
                await asyncio.gather(*(clients.connect(port, f"127.0.1.{1 + n}") for n in range(100)))
                assert server.half_open <= HALF_OPEN_MAX
                start = asyncio.get_running_loop().time()
                reader, writer = await clients.connect(port, f"127.0.2.{1 + batch}")
                writer.write(HANDSHAKE)
                await until(lambda want=2 + batch: len(heard.of(PeerReady)) == want, 2.0)  # type: ignore[misc]
                assert asyncio.get_running_loop().time() - start < 1.0
                server.do(do.SendUpdates(heard.of(PeerReady)[-1].peer, (UPDATE,)))
                assert (await reader.readexactly(OPENING + 20))[OPENING:] == encode_update(UPDATE)
                first.write(encode_update(UPDATE))
            await until(lambda: sum(len(event.updates) for event in heard.of(UpdatesReceived)) == 20)
            server.do(do.SendUpdates(old.peer, (UPDATE,)))
            assert (await first_reader.readexactly(OPENING + 20))[OPENING:] == encode_update(UPDATE)
            assert heard.of(PeerClosed) == []
            assert server.counters["peer.refused.half_open"] >= 2000 - HALF_OPEN_MAX

    run(body)


def test_one_source_cannot_hold_all_places() -> None:
    async def body(clients: Clients) -> None:
        async with transport(listening()) as (server, heard):
            port = port_of(server)
            for _ in range(3 * HALF_OPEN_PER_SOURCE):
                await clients.connect(port, "127.0.0.66")
            await until(lambda: server.half_open == HALF_OPEN_PER_SOURCE)
            # Places for peers too: the newest of one address stay, since a crashed node's old ones are silent.
            for number in range(6):
                _, writer = await clients.connect(port, "127.0.0.67")
                writer.write(HANDSHAKE)
                await until(lambda want=number + 1: len(heard.of(PeerReady)) == want)  # type: ignore[misc]
            await until(lambda: len(heard.of(PeerClosed)) == 2)
            assert [event.peer for event in heard.of(PeerClosed)] == [event.peer for event in heard.of(PeerReady)[:2]]

    run(body)


def test_a_connection_that_does_not_shake_hands_in_time_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    assert peer_connection.HANDSHAKE_TIMEOUT == 5.0
    monkeypatch.setattr(peer_connection, "HANDSHAKE_TIMEOUT", 0.4)

    async def body(clients: Clients) -> None:
        async with transport(listening()) as (server, heard):
            start = asyncio.get_running_loop().time()
            reader, writer = await clients.connect(port_of(server))
            writer.write(HANDSHAKE[:3])
            assert await closed(reader)
            assert 0.3 < asyncio.get_running_loop().time() - start < 1.0
            assert server.counters["peer.handshake_timeout"] == 1
            assert heard.events == []

    run(body)
