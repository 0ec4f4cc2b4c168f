"""How long the core takes on its hot paths, by the number of stations in the database: `make bench`.

Timings of one machine in one run: compare columns and runs of the same day, not absolute figures.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random

from sroamd.addresses import Mac, NodeId
from sroamd.config import Config, InterfaceConfig, NetworkConfig, NodeConfig
from sroamd.core import events
from sroamd.core.effects import StoreLeases
from sroamd.core.node import Node
from sroamd.wire.datum import association_key, ipv4_lease_key, ipv6_lease_key
from sroamd.wire.dhcpv4 import OPTION_REQUESTED_ADDRESS, OPTION_SERVER_ID, DhcpMessage, MessageType
from sroamd.wire.flood import Update

ROUNDS = 500
SIZES = (1_000, 10_000, 30_000)
PEERS = 4
NETWORK = NetworkConfig(
    IPv4Network("172.16.0.0/12"), IPv6Network("2001:db8:40::/44"), IPv4Address("172.16.0.1"), IPv6Address("fe80::1")
)
HERE = NodeId(bytes((2, 0, 0, 0xFF, 0xFE, 0, 0, 1)))
THERE = NodeId(bytes((2, 0, 0, 0xFF, 0xFE, 0, 0, 2)))


def station(number: int) -> Mac:
    return Mac(b"\x02\x00" + number.to_bytes(4, "big"))


def filled(size: int) -> Node:
    """A node with `size` stations, all of them elsewhere, and PEERS peers that take everything."""
    node = Node(Config(NodeConfig("ap1"), NETWORK, (InterfaceConfig("wlan0"),)), HERE, Random(1))
    for event in (
        events.LeasesLoaded(()),
        events.InterfaceChanged("wlan0", Mac(b"\x02\x00\x00\x00\xa0\x01")),
        events.KernelRoutesListed(frozenset()),
        events.StationsListed("wlan0", frozenset()),
        *(events.PeerReady(peer, f"peer {peer}") for peer in range(PEERS)),
    ):
        node.handle(event, 0.0)
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


if __name__ == "__main__":
    main()
