"""What the agent's decisions and codecs cost on this machine: `make bench`. No socket, no disk, standard library only.

Every figure is the best of a few rounds, which is the one that a busy machine disturbs least.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random
from time import perf_counter

from sroamd.addresses import Mac, NodeId
from sroamd.config import Config, InterfaceConfig, NetworkConfig, NodeConfig
from sroamd.core.effects import Effect, SendDhcp, SendUpdates, StoreLeases
from sroamd.core.events import (
    DhcpReceived,
    InterfaceChanged,
    LeasesStored,
    PeerReady,
    PeerWritable,
    StationAuthorized,
    UpdatesReceived,
)
from sroamd.core.node import Node
from sroamd.wire import dhcpv4
from sroamd.wire.datum import association_key, ipv4_lease_key, ipv6_lease_key
from sroamd.wire.flood import HANDSHAKE, StreamDecoder, Update, encode_updates

CONFIG = Config(
    NodeConfig("bench"),
    NetworkConfig(
        ipv4_prefix=IPv4Network("198.18.0.0/15"),
        ipv6_prefix=IPv6Network("2001:db8::/32"),
        ipv4_gateway=IPv4Address("198.18.0.1"),
        ipv6_gateway=IPv6Address("fe80::1"),
    ),
    interfaces=(InterfaceConfig("wlan0"),),
)
OWN_ID, OTHER_ID = NodeId(bytes([2, 0, 0, 0, 0, 0, 0, 1])), NodeId(bytes([2, 0, 0, 0, 0, 0, 0, 2]))
ROUNDS = 3
MOVES = 500  # stations that arrive, or renew, in one round
CHUNK = 1 << 16  # octets that a socket gives at once


def station(number: int) -> Mac:
    return Mac(bytes([2, 0]) + number.to_bytes(4, "big"))


def address(number: int) -> IPv4Address:
    return CONFIG.network.ipv4_prefix[number + 2]


def data_of(number: int) -> tuple[Update, Update, Update]:
    """The three data of one station that is at the other node."""
    mac = station(number)
    prefix = IPv6Network((int(CONFIG.network.ipv6_prefix.network_address) + (number << 64), 64))
    return (
        Update(1, 1800, ipv4_lease_key(address(number)), mac),
        Update(1, 7200, ipv6_lease_key(prefix), mac),
        Update(1, 5400, association_key(mac), OTHER_ID),
    )


def stations(count: int) -> list[Update]:
    return [update for number in range(count) for update in data_of(number)]


def node_with(count: int, peers: int = 3) -> Node:
    """A node that serves wlan0, knows `count` stations, all of them elsewhere, and has told its peers."""
    node = Node(CONFIG, OWN_ID, Random(1))
    node.handle(InterfaceChanged("wlan0", station(1 << 24)), 0.0)
    for peer in range(peers):
        node.handle(PeerReady(peer, f"peer{peer}"), 0.0)
    ingest(node, stations(count))
    for peer in range(peers):
        dump(node, peer, [])
    return node


def ingest(node: Node, updates: list[Update]) -> None:
    for at in range(0, len(updates), 500):
        node.handle(UpdatesReceived(0, tuple(updates[at : at + 500])), 1.0)


def dump(node: Node, peer: int, effects: list[Effect]) -> int:
    """Take and encode everything that waits for the peer; octets."""
    octets = 0
    while True:
        octets += told(effects)
        effects = node.handle(PeerWritable(peer), 2.0)
        if not any(isinstance(effect, SendUpdates) and effect.peer == peer for effect in effects):
            return octets


def told(effects: Iterable[Effect]) -> int:
    return sum(len(encode_updates(effect.updates)) for effect in effects if isinstance(effect, SendUpdates))


def decode(stream: bytes) -> None:
    decoder = StreamDecoder()
    for at in range(0, len(stream), CHUNK):
        decoder.feed(stream[at : at + CHUNK])


def arrive(node: Node) -> None:
    """MOVES stations come to this access point: claims, routes, announcements, and what the peers are sent."""
    for number in range(MOVES):
        told(node.handle(StationAuthorized("wlan0", station(number)), 3.0 + number))


def renew(node: Node, requests: list[bytes]) -> None:
    """Each request from octets to octets, the commit to disk counted as done at once."""
    for number, octets in enumerate(requests):
        mac, now = station(number), 600.0 + number / 1000
        event = DhcpReceived("wlan0", mac, address(number), dhcpv4.decode(octets))
        ticket = next(effect.ticket for effect in node.handle(event, now) if isinstance(effect, StoreLeases))
        replies = [effect for effect in node.handle(LeasesStored(ticket or 0), now) if isinstance(effect, SendDhcp)]
        if [reply.message.message_type for reply in replies] != [dhcpv4.MessageType.ACK]:
            raise AssertionError(f"no ACK for {mac}")
        dhcpv4.encode(replies[0].message, max_size=replies[0].max_size)


def renewal(number: int) -> bytes:
    return dhcpv4.encode(
        dhcpv4.DhcpMessage(
            op=dhcpv4.BOOTREQUEST,
            message_type=dhcpv4.MessageType.REQUEST,
            xid=number,
            chaddr=station(number),
            ciaddr=address(number),
            options={dhcpv4.OPTION_PARAMETER_REQUEST_LIST: bytes([1, 3, 6, 51, 58, 59, 121])},
        )
    )


def show(what: str, stations_known: int, times: int, prepare: Callable[[], Callable[[], object]]) -> None:
    """Time what `prepare` returns, prepared anew for each round; the thing happens `times` times in it."""
    best = float("inf")
    for _ in range(ROUNDS):
        work = prepare()
        started_at = perf_counter()
        work()
        best = min(best, perf_counter() - started_at)
    print(f"{what:<44}{stations_known:>9}{best / times * 1e6:>11.1f}{times / best:>12.0f}", flush=True)


def measure(count: int) -> None:
    updates = stations(count)
    stream = HANDSHAKE + encode_updates(updates)
    requests = [renewal(number) for number in range(MOVES)]

    def newcomer() -> Callable[[], object]:
        node = node_with(count)
        return lambda: dump(node, 9, node.handle(PeerReady(9, "new"), 2.0))

    def renewals() -> Callable[[], object]:
        node = node_with(count)
        arrive(node)
        return partial(renew, node, requests)

    show("update: octets to values", count, len(updates), lambda: partial(decode, stream))
    show("update: merge a new one, tell 2 peers", count, len(updates), lambda: partial(ingest, node_with(0), updates))
    show("update: merge a known one", count, len(updates), lambda: partial(ingest, node_with(count), updates))
    show("update: in a dump to a new peer", count, len(updates), newcomer)
    show("station arrives, 3 peers are told", count, MOVES, lambda: partial(arrive, node_with(count)))
    show("DHCP renewal, octets to octets", count, MOVES, renewals)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stations", type=int, nargs="+", default=[1_000, 10_000], help="sizes of the domain")
    sizes = parser.parse_args().stations
    if min(sizes) < MOVES:
        parser.error(f"a domain has {MOVES} stations or more")
    print(f"{'what':<44}{'stations':>9}{'us each':>11}{'per second':>12}")
    for count in sizes:
        measure(count)


if __name__ == "__main__":
    main()
