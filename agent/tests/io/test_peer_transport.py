"""The flooding port on loopback: sockets of the kernel's, hostile and friendly."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import pytest

from sroamd.addresses import NodeId
from sroamd.config import FloodConfig
from sroamd.constants import MALFORMED_BURST, PEER_READ_SIZE
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
from sroamd.io.peer_transport import HALF_OPEN_MAX, HALF_OPEN_PER_SOURCE, PeerTransport
from sroamd.wire.flood import (
    HANDSHAKE,
    RESYNCHRONISATION,
    Hello,
    Update,
    encode_hello,
    encode_update,
    encode_updates,
)
from tests.io.events import Collector, until

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
UPDATE = Update(7, 1800, b"\x00" + bytes((192, 0, 2, 7)), b"\x02\x00\x00\x00\x00\x07")
OPENING = len(HANDSHAKE + RESYNCHRONISATION)
HELLO = Hello(NodeId(bytes(7) + b"\x01"), 3, bytes(8), 0, "ap1")


@asynccontextmanager
async def transport(flood: FloodConfig, **options: object) -> AsyncIterator[tuple[PeerTransport, Collector]]:
    seen = Collector()
    one = PeerTransport(flood, ("wlan0",), seen, rng=random.Random(1), **options)  # type: ignore[arg-type]
    await one.start()
    try:
        yield one, seen
    finally:
        await one.stop()


@asynccontextmanager
async def dialling(server: PeerTransport) -> AsyncIterator[tuple[PeerTransport, Collector]]:
    async with transport(FloodConfig(peers=(("127.0.0.1", port_of(server)),))) as one:
        yield one


def listening(host: str = "::", allow: tuple[IPv4Network | IPv6Network, ...] = LOOPBACK) -> FloodConfig:
    return FloodConfig(listen=(host, 0), allow=allow)


def port_of(one: PeerTransport) -> int:
    assert one.listen_address is not None
    return one.listen_address[1]


class Clients:
    """Plain connections to a port under test; all are cut at the end of the test."""

    def __init__(self) -> None:
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(
        self, port: int, source: str = "127.0.0.2", target: str = "127.0.0.1"
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        local = (source, 0) if target == "127.0.0.1" else None
        reader, writer = await asyncio.open_connection(target, port, local_addr=local)
        self._writers.append(writer)
        return reader, writer

    async def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)
        self._writers.clear()


async def closed(reader: asyncio.StreamReader) -> bool:
    """Whether the other side ends the connection (what it said before is read away)."""
    try:
        while await asyncio.wait_for(reader.read(65536), 5):
            pass
    except ConnectionError:
        return True
    return True


def run(body: Callable[[Clients], Awaitable[None]]) -> None:
    async def whole() -> None:
        clients = Clients()
        try:
            async with asyncio.timeout(50):
                await body(clients)
        finally:
            await clients.cut()

    asyncio.run(whole())


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
