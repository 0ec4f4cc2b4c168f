"""How long the core takes on its hot paths, by the number of stations in the database: `make bench`.

Timings of one machine in one run: compare columns and runs of the same day, not absolute figures.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random

from sroamd.addresses import Mac, NodeId
from sroamd.config import Config, InterfaceConfig, NetworkConfig, NodeConfig, RoutesConfig
from sroamd.core import events
from sroamd.core.effects import InstallRoute, StoreLeases
from sroamd.core.node import Node
from sroamd.core.values import NextHop
from sroamd.wire.datum import NodeRecord, association_key, ipv4_lease_key, ipv6_lease_key, node_key
from sroamd.wire.dhcpv4 import OPTION_REQUESTED_ADDRESS, OPTION_SERVER_ID, DhcpMessage, MessageType
from sroamd.wire.flood import Update

ROUNDS = 500
SIZES = (1_000, 10_000, 30_000)
PEERS = 4
NETWORK = NetworkConfig(
    IPv4Network("172.16.0.0/12"), IPv6Network("2001:db8:40::/44"), IPv4Address("172.16.0.1"), IPv6Address("fe80::1")
)
HERE = NodeId(bytes((2, 0, 0, 0xFF, 0xFE, 0, 0, 1)))
THERE, ELSEWHERE = (NodeId(bytes((2, 0, 0, 0xFF, 0xFE, 0, 0, number))) for number in (2, 3))
ROUTERS = {
    THERE: (IPv4Address("10.255.0.2"), IPv6Address("fd00:255::2")),
    ELSEWHERE: (IPv4Address("10.255.0.3"), IPv6Address("fd00:255::3")),
}
COMING = 1_000  # stations of a node that comes


def station(number: int) -> Mac:
    return Mac(b"\x02\x00" + number.to_bytes(4, "big"))


def filled(size: int, *, direct: bool = True) -> Node:
    """A node with `size` stations, all of them at another with direct routes, and PEERS peers that take everything."""
    config = Config(NodeConfig("ap1"), NETWORK, (InterfaceConfig("wlan0"),), routes=RoutesConfig(direct=direct))
    node = Node(config, HERE, Random(1))
    for event in (
        events.LeasesLoaded(()),
        events.InterfaceChanged("wlan0", Mac(b"\x02\x00\x00\x00\xa0\x01")),
        events.KernelRoutesListed(frozenset()),
        events.StationsListed("wlan0", frozenset()),
        *(events.PeerReady(peer, f"peer {peer}") for peer in range(PEERS)),
    ):
        node.handle(event, 0.0)
    for other, addresses in ROUTERS.items():
        record = Update(1, 5400, node_key(other), NodeRecord("", *addresses).encode())
        node.handle(events.UpdatesReceived(0, (record,)), 0.0)
        ways(node, other, up=True, now=0.0)
    for number in range(size):
        mac = station(number)
        address = NETWORK.ipv4_prefix[0x100 + number]
        prefix = IPv6Network((int(NETWORK.ipv6_prefix.network_address) + (number << 64), 64))
        updates = (
            Update(1, 5400, association_key(mac), THERE),
            Update(1, 86400, ipv4_lease_key(address), mac),
            Update(1, 86400, ipv6_lease_key(prefix), mac),
        )
        node.handle(events.UpdatesReceived(0, updates), 1.0)
    return node


def ways(node: Node, other: NodeId, *, up: bool, now: float) -> None:
    """The kernel's ways to a node in both IP versions."""
    for address in ROUTERS[other]:
        node.handle(events.NextHopChanged(address, NextHop("eth0", address) if up else None), now)


def microseconds(calls: Iterator[Callable[[], object]]) -> list[float]:
    taken = []
    for call in calls:
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1e6)
    return taken


def roams(node: Node) -> Iterator[Callable[[], object]]:
    for number in range(ROUNDS):
        event = events.StationAuthorized("wlan0", station(number))
        yield lambda event=event: node.handle(event, 2.0)


def losses(node: Node) -> Iterator[Callable[[], object]]:
    for number in range(ROUNDS):
        update = Update(9, 5399, association_key(station(number)), THERE)
        event = events.UpdatesReceived(0, (update,))
        yield lambda event=event: node.handle(event, 3.0)


def passed_on(node: Node) -> Iterator[Callable[[], object]]:
    for number in range(ROUNDS):
        update = Update(9, 5399, association_key(station(number + ROUNDS)), THERE)
        event = events.UpdatesReceived(0, (update,))
        yield lambda event=event: node.handle(event, 4.0)


def moved_elsewhere(node: Node) -> Iterator[Callable[[], object]]:
    """From one other node to another."""
    for number in range(ROUNDS):
        update = Update(19, 5399, association_key(station(number + ROUNDS)), ELSEWHERE)
        event = events.UpdatesReceived(0, (update,))
        yield lambda event=event: node.handle(event, 4.0)


def slices(size: int) -> list[float]:
    """The reactions in which the routes to a node with COMING stations are installed once there is a way to it."""
    node = filled(size)
    ways(node, ELSEWHERE, up=False, now=5.0)
    for number in range(COMING):
        update = Update(29, 5399, association_key(station(number)), ELSEWHERE)
        node.handle(events.UpdatesReceived(0, (update,)), 5.0)
    ways(node, ELSEWHERE, up=True, now=6.0)
    taken, installed, now = [], 0, 6.0
    while installed < 2 * COMING:
        now = max(now, node.next_deadline() or now)
        began = time.perf_counter()
        effects = node.handle(events.Tick(), now)
        taken.append((time.perf_counter() - began) * 1e6)
        installed += sum(isinstance(effect, InstallRoute) for effect in effects)
    return taken


def memory(size: int, *, direct: bool) -> float:
    """Megabytes of a node that knows so many stations."""
    tracemalloc.start()
    node = filled(size, direct=direct)
    octets = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(node.routes) == 2 * size * direct
    return octets / 1e6


def renewals(node: Node) -> Iterator[Callable[[], object]]:
    def renew(event: events.DhcpReceived) -> None:
        for effect in node.handle(event, 5.0):
            if isinstance(effect, StoreLeases) and effect.ticket is not None:
                node.handle(events.LeasesStored(effect.ticket), 5.0)

    for number in range(ROUNDS):
        mac = station(number)
        address = NETWORK.ipv4_prefix[0x100 + number].packed
        options = {OPTION_SERVER_ID: NETWORK.ipv4_gateway.packed, OPTION_REQUESTED_ADDRESS: address}
        message = DhcpMessage(op=1, message_type=MessageType.REQUEST, xid=number, chaddr=mac, options=options)
        event = events.DhcpReceived("wlan0", mac, IPv4Address(0), message)
        yield lambda event=event: renew(event)


def main() -> None:
    paths = {
        "a station arrives (claim, 2 routes, flood, ARP, NA, RA)": roams,
        "a station is claimed elsewhere (demote 2 routes, ping)": losses,
        "an update is merged and passed on": passed_on,
        "a station moves between two others (2 direct routes)": moved_elsewhere,
        "REQUEST to ACK (without the disk)": renewals,
    }
    print(f"median / 99th percentile in microseconds, {ROUNDS} rounds, {PEERS} peers")
    print(f"{'stations in the database':<58}" + "".join(f"{size:>16,}" for size in SIZES))
    nodes = [filled(size) for size in SIZES]
    for name, path in paths.items():
        cells = []
        for node in nodes:
            taken = microseconds(path(node))
            cells.append(f"{statistics.median(taken):.0f} / {statistics.quantiles(taken, n=100)[-1]:.0f}")
        print(f"{name:<58}" + "".join(f"{cell:>16}" for cell in cells))
    taken = slices(SIZES[-1])
    whole, longest = sum(taken) / 1000, max(taken)
    print(
        f"a node with {COMING:,} stations comes: {len(taken)} reactions, {longest:.0f} at most, {whole:.1f} ms in all"
    )
    without, with_routes = (memory(SIZES[-1], direct=direct) for direct in (False, True))
    print(f"memory with {SIZES[-1]:,} stations: {without:.1f} MB, with direct routes {with_routes:.1f} MB")


if __name__ == "__main__":
    main()
