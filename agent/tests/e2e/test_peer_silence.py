"""Peers across a real link: one that falls silent is noticed, and one that sits on a station's link gets nowhere."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import ip_network

import pytest

from lab.errors import execute
from lab.netns import inside
from sroamd.addresses import NodeId
from sroamd.config import FloodConfig
from sroamd.core import effects as do
from sroamd.core.events import PeerClosed, PeerReady
from sroamd.io.peer_transport import PeerTransport
from sroamd.wire.flood import HANDSHAKE, Hello
from tests.io.events import Collector, until

HERE, THERE = "sroamd-t-here", "sroamd-t-there"
HELLO = Hello(NodeId(bytes(7) + b"\x01"), 3, bytes(8), 0, "ap1")
FLOOD = FloodConfig(listen=("::", 4444), allow=(ip_network("10.255.0.0/24"), ip_network("fd00:255::/64")))
ADDRESSES = ["10.255.0.1", "fd00:255::1"]


@pytest.fixture
def link() -> Iterator[None]:
    """bb0 here and bb0 there, with router addresses 1 and 2."""
    remove()
    for namespace in (HERE, THERE):
        execute(["ip", "netns", "add", namespace])
    execute(["ip", "link", "add", "bb0", "netns", HERE, "type", "veth", "peer", "name", "bb0", "netns", THERE])
    for namespace, number in ((HERE, 1), (THERE, 2)):
        execute(["ip", "-n", namespace, "address", "add", f"10.255.0.{number}/24", "dev", "bb0"])
        execute(["ip", "-n", namespace, "address", "add", f"fd00:255::{number}/64", "dev", "bb0", "nodad"])
        execute(["ip", "-n", namespace, "link", "set", "bb0", "up"])
    try:
        yield
    finally:
        remove()


def remove() -> None:
    for namespace in (HERE, THERE):
        execute(["ip", "netns", "del", namespace], check=False)


def fall_silent() -> None:
    """As when the power goes: the addresses there are nobody's any more, and nothing is said about it."""
    execute(["ip", "-n", THERE, "address", "flush", "dev", "bb0"])


def connect(target: str) -> socket.socket:
    """A connection from there."""
    return inside(THERE, lambda: socket.create_connection((target, 4444), timeout=5))


def run_here(body: Callable[[PeerTransport, Collector], Awaitable[None]], *station_interfaces: str) -> None:
    async def whole() -> None:
        seen = Collector()
        transport = PeerTransport(FLOOD, station_interfaces, seen)
        await transport.start()
        try:
            async with asyncio.timeout(30):
                await body(transport, seen)
        finally:
            await transport.stop()

    inside(HERE, lambda: asyncio.run(whole()))


@pytest.mark.usefixtures("link")
def test_peers_that_fall_silent_are_noticed_within_ten_seconds() -> None:
    """Four of them: to whom something is said meanwhile, and to whom nothing is, by IPv4 and by IPv6."""

    async def body(transport: PeerTransport, seen: Collector) -> None:
        sockets = [await asyncio.to_thread(connect, target) for target in (*ADDRESSES, *ADDRESSES)]
        for peer in sockets:
            peer.sendall(HANDSHAKE)
        await until(lambda: len(seen.of(PeerReady)) == len(sockets))
        by_ipv6 = [event.peer for event in seen.of(PeerReady) if "[" in event.name]
        by_ipv4 = [event.peer for event in seen.of(PeerReady) if "[" not in event.name]
        talking = [by_ipv4[0], by_ipv6[0]]

        async def talk() -> None:
            while True:
                for peer in talking:
                    transport.do(do.SendHello(peer, HELLO))
                await asyncio.sleep(3)

        speaker = asyncio.create_task(talk())
        await asyncio.sleep(0.2)
        await asyncio.to_thread(fall_silent)
        took = await until(lambda: len(seen.of(PeerClosed)) == len(sockets), 15)
        speaker.cancel()
        for peer in sockets:
            peer.close()
        assert 2 < took <= 10

    run_here(body)


@pytest.mark.usefixtures("link")
@pytest.mark.parametrize("target", ADDRESSES)
def test_the_same_peer_is_refused_on_a_station_interface_and_taken_elsewhere(target: str) -> None:
    async def refused(transport: PeerTransport, seen: Collector) -> None:
        with await asyncio.to_thread(connect, target) as peer:
            assert await asyncio.to_thread(peer.recv, 100) == b""
        assert transport.counters == {"peer.refused.station_interface": 1}
        assert seen.events == []

    async def taken(transport: PeerTransport, seen: Collector) -> None:
        with await asyncio.to_thread(connect, target) as peer:
            assert (await asyncio.to_thread(peer.recv, 100)).startswith(HANDSHAKE)
            peer.sendall(HANDSHAKE)
            await seen.first(PeerReady)

    run_here(refused, "wlan0", "bb0")
    run_here(taken, "wlan0")
