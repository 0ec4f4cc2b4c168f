"""How likely is one address for two stations, when two halves of a fleet that do not hear each other give out new ones?

Two real nodes, one of each side, know the same nodes and hold the same leases when the network breaks. Then each side
gives addresses (or prefixes) to so many stations that nobody has seen before, and all that both sides gave is counted.
Done twice: with a kernel that says which nodes are out of reach, and with one that reaches all of them, where every
station's plain order decides (that is how it would be without flooding's preference for a part of the pool).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random

from sroamd.addresses import Mac, NodeId
from sroamd.config import Config, NetworkConfig, NodeConfig
from sroamd.core.events import NextHopChanged, PeerReady, UpdatesReceived
from sroamd.core.node import Node
from sroamd.core.values import NextHop
from sroamd.wire.datum import NodeRecord, ipv4_lease_key, ipv6_lease_key, node_key
from sroamd.wire.flood import Update

NODES = 20
TRIALS = 200
LIFE = 1800
IPV6 = IPv6Network("2001:db8::/48")
POOLS = (
    IPv4Network("192.0.2.0/24"),
    IPv4Network("198.18.0.0/16"),
    IPv6Network("2001:db8::/56"),
    IPV6,
)
PEER = 1


@dataclass(frozen=True, slots=True)
class Case:
    """`held` places have been given before the break; then `new` stations come to each side, of which one has `small`
    of the NODES nodes."""

    pool: IPv4Network | IPv6Network
    held: int
    new: int
    small: int = NODES // 2


@dataclass(frozen=True, slots=True)
class Row:
    """Of the trials: the share in which a place was given twice, and how many were in the mean."""

    case: Case
    plain: tuple[float, float]
    apart: tuple[float, float]


def cases() -> Iterator[Case]:
    for pool in POOLS:
        for new in (1, 10, 50, 100):
            yield Case(pool, 0, new)
    yield Case(POOLS[0], 120, 50)
    yield Case(POOLS[1], 0, 1000)
    yield Case(IPV6, 0, 1000)
    yield Case(POOLS[0], 0, 20, small=1)
    yield Case(POOLS[1], 0, 100, small=1)


def measure(case: Case, trials: int, seed: int = 1) -> Row:
    return Row(case, _likelihood(case, trials, seed, apart=False), _likelihood(case, trials, seed, apart=True))


def _likelihood(case: Case, trials: int, seed: int, *, apart: bool) -> tuple[float, float]:
    rng = Random(seed)
    twice = [_given_twice(case, rng, apart=apart) for _ in range(trials)]
    return sum(number > 0 for number in twice) / trials, sum(twice) / trials


def _given_twice(case: Case, rng: Random, *, apart: bool) -> int:
    ids = [NodeId(rng.randbytes(8)) for _ in range(NODES)]
    sides = ids[: case.small], ids[case.small :]
    nodes = [_node(case.pool, side[0], ids, side if apart else ids) for side in sides]
    before = _node(case.pool, ids[0], ids, ids)
    for _ in range(case.held):
        station = _new_mac(rng)
        place = _place(before, case.pool, station)
        for node in (before, *nodes):
            _hold(node, place, station)
    given: list[set[bytes]] = [set(), set()]
    for side, node in enumerate(nodes):
        for _ in range(case.new):
            station = _new_mac(rng)
            place = _place(node, case.pool, station)
            _hold(node, place, station)
            given[side].add(place)
    return len(given[0] & given[1])


def _node(pool: IPv4Network | IPv6Network, own: NodeId, ids: list[NodeId], reachable: list[NodeId]) -> Node:
    """A node that knows of all others, and whose kernel has a way to those of its side."""
    ipv4 = pool if isinstance(pool, IPv4Network) else POOLS[0]
    assert isinstance(ipv4, IPv4Network)
    network = NetworkConfig(ipv4, pool if isinstance(pool, IPv6Network) else IPV6, ipv4[1], IPv6Address("fe80::1"))
    node = Node(Config(NodeConfig("one"), network), own, Random(1))
    routers = {each: IPv4Address((10 << 24) + number) for number, each in enumerate(ids)}
    records = [
        Update(0, LIFE, node_key(each), NodeRecord(str(each), routers[each], None).encode())
        for each in ids
        if each != own
    ]
    node.handle(PeerReady(PEER, "peer", dialled=True), 0.0)
    node.handle(UpdatesReceived(PEER, tuple(records)), 0.0)
    for each in reachable:
        node.handle(NextHopChanged(routers[each], NextHop("bb0", routers[each])), 0.0)
    return node


def _new_mac(rng: Random) -> Mac:
    """A randomised one, as phones make them."""
    return Mac(bytes((0x02,)) + rng.randbytes(5))


def _place(node: Node, pool: IPv4Network | IPv6Network, station: Mac) -> bytes:
    """The key of what the node would give to the station."""
    if isinstance(pool, IPv4Network):
        address = node.leases.choose_address(station, None, 0.0)
        assert address is not None
        return ipv4_lease_key(address)
    prefix = node.leases.choose_prefix(station, 0.0)
    assert prefix is not None
    return ipv6_lease_key(prefix)


def _hold(node: Node, place: bytes, station: Mac) -> None:
    node.database.merge(Update(0, LIFE, place, bytes(station)), 0.0)


def show(trials: int, say: Callable[[str], None]) -> None:
    """The table, in Markdown."""
    say("| pool | held before | nodes | new stations, each side | plain order: any / mean | by sides: any / mean |")
    say("|---|---|---|---|---|---|")
    for case in cases():
        row = measure(case, max(1, trials // (1 + case.new // 200)))
        figures = [f"{share:.1%} / {mean:.3g}" for share, mean in (row.plain, row.apart)]
        kind = "IPv4" if row.case.pool.version == 4 else "IPv6"
        length = row.case.pool.prefixlen
        halves = f"{case.small} + {NODES - case.small}"
        say(f"| {kind} /{length} | {case.held} | {halves} | {case.new} | {figures[0]} | {figures[1]} |")
    say("")
    say(f"any: the share of {trials} partitions in which at least one place was given on both sides")
    say("(of fewer where many stations are new); mean: how many places were.")
