"""What holds of direct routes whatever happens, in whatever order: the books are the kernel, and the rule is kept."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from sroamd.addresses import NodeId
from sroamd.config import RoutesConfig
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.database import is_lease
from sroamd.core.node import Node
from sroamd.core.values import NextHop, Prefix, Route, RouteKind, Towards
from sroamd.wire.datum import (
    NodeRecord,
    association_key,
    encode_links,
    ipv4_lease_key,
    ipv6_lease_key,
    lease_prefix,
    links_key,
    node_key,
)
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, BOB, CAROL, config_of, id_of

STATIONS = (ALICE, BOB, CAROL)
NODES = (1, 2, 3, 4)  # the first is the one that is looked at
ROUTERS = {n: (IPv4Address(f"10.255.0.{n}"), IPv6Address(f"fd00:255::{n}")) for n in NODES}
LINKS = {n: IPv6Address(f"fe80::{n}") for n in NODES}
LEASES = (
    ipv4_lease_key(IPv4Address("192.0.2.7")),
    ipv4_lease_key(IPv4Address("192.0.2.8")),
    ipv4_lease_key(IPv4Address("192.0.2.1")),  # the gateway's
    ipv6_lease_key(IPv6Network("2001:db8:44:7::/64")),
    ipv6_lease_key(IPv6Network("2001:db8:45:7::/64")),  # not in the pool
)
SHORT, LONG = 5, 3000


class Machine:
    """A node with a kernel that does what is asked and nothing else."""

    def __init__(self) -> None:
        self.config = config_of(1)
        self.node = Node(self.config, id_of(1), Random(1))
        self.now = 100.0
        self.kernel: dict[Prefix, Route] = {}
        self.objects: dict[tuple[NodeId, int], NextHop] = {}
        self.seqnos: dict[bytes, int] = {}
        for event in (
            ev.LeasesLoaded(()),
            ev.KernelRoutesListed(frozenset()),
            ev.StationsListed("wlan0", frozenset()),
            ev.PeerReady(1, "peer"),
        ):
            self.do(event)

    def do(self, event: ev.Event) -> None:
        for effect in self.node.handle(event, self.now):
            match effect:
                case do.InstallRoute(route):
                    if isinstance(route.next_hop, Towards):
                        assert (route.next_hop.node, route.prefix.version) in self.objects
                    assert self.kernel.get(route.prefix) != route
                    self.kernel[route.prefix] = route
                case do.RemoveRoute(prefix):
                    del self.kernel[prefix]
                case do.SetNextHop(node, version, next_hop):
                    assert self.objects.get((node, version)) != next_hop
                    self.objects[node, version] = next_hop
                case do.RemoveNextHop(node, version):
                    self.lose(node, version)
                case _:
                    pass
        assert {route.prefix: route for route in self.node.routes.installed()} == self.kernel

    def lose(self, node: NodeId, version: int) -> None:
        """The nexthop object goes, and its routes with it."""
        del self.objects[node, version]
        for prefix in [p for p, r in self.kernel.items() if p.version == version and r.next_hop == Towards(node)]:
            del self.kernel[prefix]

    def say(self, *data: tuple[bytes, bytes, int]) -> None:
        updates = []
        for key, value, life in data:
            held = self.node.database.get(key)
            updates.append(Update(0 if held is None else held.seqno + 1, life, key, value))
        self.do(ev.UpdatesReceived(1, tuple(updates)))

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (at := self.node.next_deadline()) is not None and at <= until:
            self.now = max(self.now, at)
            self.do(ev.Tick())
        self.now = until

    def ways(self) -> dict[tuple[int, int], NextHop]:
        """Those that there are, by the rule, from what the database and the kernel say; by node and IP version."""
        database, direct = self.node.database, {}
        records, ours = {}, set()
        for number in NODES[1:]:
            datum = database.live(node_key(id_of(number)), self.now)
            if datum is not None and datum.value:
                records[number] = NodeRecord.decode(datum.value)
                ours |= {records[number].router_ipv4, records[number].router_ipv6}
            links = database.live(links_key(id_of(number)), self.now)
            if links is not None and links.value:
                ours.add(LINKS[number])
        routes = self.node.state.config.routes
        for number, record in records.items():
            for version, address in ((4, record.router_ipv4), (6, record.router_ipv6)):
                hop = None if address is None else self.node.nodes._next_hops.get(address)
                if hop is not None and (hop.gateway in ours or routes.announced):
                    direct[number, version] = hop
        return direct if routes.direct else {}

    def check_quiet(self) -> None:
        """Long after the last event: exactly the routes that the rule gives, by exactly these ways."""
        self.wait(30)
        ways = self.ways()
        assert self.objects == {(id_of(number), version): hop for (number, version), hop in ways.items()}
        desired = {}
        leases = [d for d in self.node.database if is_lease(d.key) and d.key not in self.node.state.offers]
        for lease in [datum for datum in leases if datum.expires_at > self.now]:
            prefix = lease_prefix(lease.key)
            if prefix in (IPv4Network("192.0.2.1/32"), IPv6Network("2001:db8:45:7::/64")):
                continue
            claim = self.node.database.live(bytes((2,)) + lease.value, self.now)
            if claim is None or not claim.value or claim.value == id_of(1):
                continue
            if (claim.value[7], prefix.version) in ways:
                desired[prefix] = Route(prefix, RouteKind.DIRECT, Towards(NodeId(claim.value)))
        assert {prefix: r for prefix, r in self.kernel.items() if r.kind is not RouteKind.HERE} == desired


numbers, stations = st.sampled_from(NODES[1:]), st.sampled_from(STATIONS)
lives = st.sampled_from((SHORT, LONG, LONG, LONG))
owners = st.sampled_from([bytes(id_of(number)) for number in (*NODES, 9)] + [b""])
records = numbers.flatmap(
    lambda n: st.tuples(
        st.just(node_key(id_of(n))),
        st.sampled_from((NodeRecord("", *ROUTERS[n]).encode(), NodeRecord("", None, ROUTERS[n][1]).encode(), b"")),
        lives,
    )
)
links = numbers.flatmap(
    lambda n: st.tuples(st.just(links_key(id_of(n))), st.sampled_from((encode_links([LINKS[n]]), b"")), lives)
)
data = st.one_of(
    st.tuples(stations.map(association_key), owners, lives),
    st.tuples(st.sampled_from(LEASES), stations.map(bytes), lives),
    records,
    links,
)
steps = st.one_of(
    st.lists(data, min_size=1, max_size=4).map(lambda said: ("say", said)),
    st.tuples(numbers, st.sampled_from((0, 1)), st.none() | st.sampled_from(("router", "link", "foreign", "bb1"))).map(
        lambda way: ("way", way)
    ),
    stations.map(lambda station: ("join", station)),
    stations.map(lambda station: ("leave", station)),
    st.just(("lose", None)),
    st.just(("flap", None)),
    st.just(("list", None)),
    st.booleans().map(lambda on: ("direct", on)),
    st.sampled_from((0.0, 0.001, 0.7, 12.0)).map(lambda seconds: ("wait", seconds)),
)
beginning = [("say", [(node_key(id_of(n)), NodeRecord(f"ap{n}", *ROUTERS[n]).encode(), LONG) for n in NODES[1:]])]
beginning += [("way", (n, family, "router")) for n in NODES[1:] for family in (0, 1)]
beginning += [("say", [(key, bytes(STATIONS[n % 3]), LONG) for n, key in enumerate(LEASES)])]
beginning += [("say", [(association_key(one), bytes(id_of(n)), LONG) for n, one in enumerate(STATIONS, 2)])]


def act(machine: Machine, step: str, argument: object) -> None:
    match step, argument:
        case "say", list(said):
            machine.say(*said)
        case "way", (number, family, how):
            address = ROUTERS[number][family]
            gateways = {"link": LINKS[number % 3 + 2], "foreign": IPv6Address("fe80::f")}
            hop = None if how is None else NextHop("bb1" if how == "bb1" else "bb0", gateways.get(how, address))
            machine.do(ev.NextHopChanged(address, hop))
        case "join", station:
            machine.do(ev.StationAuthorized("wlan0", station))  # type: ignore[arg-type]
        case "leave", station:
            machine.do(ev.StationLeft("wlan0", station))  # type: ignore[arg-type]
        case "lose", _:
            # As the kernel does: first it has happened, then we read of it.
            lost = frozenset(list(machine.objects)[:2])
            for node, version in lost:
                machine.lose(node, version)
            machine.do(ev.NextHopObjectsLost(lost))
        case "flap", _:
            for prefix in [p for p, route in machine.kernel.items() if route.kind is RouteKind.DIRECT][:1]:
                machine.do(ev.KernelRouteLost(machine.kernel.pop(prefix)))
        case "list", _:
            for prefix in list(machine.kernel)[::2]:
                del machine.kernel[prefix]
            machine.do(ev.KernelRoutesListed(frozenset(machine.kernel.values())))
        case "direct", bool(on):
            machine.do(ev.ConfigReloaded(replace(machine.config, routes=RoutesConfig(direct=on))))
        case _, float(seconds):
            machine.wait(seconds)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=25))
def test_books_are_the_kernel_and_in_quiet_the_routes_are_those_of_the_rule(story: list[tuple[str, object]]) -> None:
    machine = Machine()
    for step, argument in [*beginning, *story]:
        act(machine, step, argument)
    machine.check_quiet()
