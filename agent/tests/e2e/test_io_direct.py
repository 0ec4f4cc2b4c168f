"""Direct routes and their nexthop objects on the real kernel, read back with ip(8)."""

from __future__ import annotations

import errno
import itertools
import json
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address

import pytest

from sroamd.addresses import NodeId
from sroamd.core.effects import InstallRoute, RemoveNextHop, RemoveRoute, SetNextHop
from sroamd.core.values import NextHop, Prefix, Route, RouteKind, Towards
from sroamd.io.direct_routes import NUMBERS, key_of
from sroamd.io.route_socket import RouteSocket
from tests.e2e.kernel import Kernel, opened

V4, V6 = IPv4Network("192.0.2.7/32"), IPv6Network("2001:db8:44:7::/64")
BOTH = pytest.mark.parametrize("prefix", [V4, V6], ids=["v4", "v6"])
AP2, AP3 = NodeId(bytes(7) + b"\2"), NodeId(bytes(7) + b"\3")
FIRST = NUMBERS.start


class Table:
    """What is in the kernel of a namespace, as ip(8) tells it."""

    def __init__(self, kernel: Kernel) -> None:
        self.ns = kernel.ns
        self.routes = kernel.routes
        self.do = kernel.do

    def ways(self, prefix: Prefix) -> dict[int, tuple[str, str, str | None]]:
        """Of every route to the prefix, by metric: protocol, interface, gateway."""
        listed = json.loads(self.ns.ip(f"-j -{prefix.version} route show table all exact {prefix}") or "[]")
        return {route["metric"]: (route["protocol"], route.get("dev"), gateway_of(route)) for route in listed}

    def direct(self) -> list[str]:
        """The prefixes of protocol 47, both families."""
        listed = [json.loads(self.ns.ip(f"-j -{version} route show table all proto 47") or "[]") for version in (4, 6)]
        return sorted(route["dst"] for family in listed for route in family)

    def objects(self) -> dict[int, tuple[str, str | None]]:
        listed = json.loads(self.ns.ip("-j nexthop show") or "[]")
        return {one["id"]: (one["dev"], gateway_of(one)) for one in listed}


def gateway_of(listed: dict[str, object]) -> str | None:
    via = listed.get("via")
    found = via["host"] if isinstance(via, dict) else listed.get("gateway")
    return None if found is None else str(found)


@pytest.fixture(params=[True, False], ids=["objects", "plain"])
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    """With nexthop objects, and as on a kernel without them."""
    with opened(objects=request.param) as made:
        yield Table(made)


@pytest.fixture
def kernel() -> Iterator[Table]:
    with opened() as made:
        yield Table(made)


def hop(prefix: Prefix, last: int = 2, interface: str = "bb0") -> NextHop:
    return NextHop(interface, ip_address(f"10.255.0.{last}" if prefix.version == 4 else f"fe80::{last}"))


def direct(prefix: Prefix, node: NodeId = AP2) -> InstallRoute:
    return InstallRoute(Route(prefix, RouteKind.DIRECT, Towards(node)))


def here(prefix: Prefix) -> InstallRoute:
    return InstallRoute(Route(prefix, RouteKind.HERE, NextHop("wlan0", None)))


def demoted(prefix: Prefix) -> InstallRoute:
    return InstallRoute(Route(prefix, RouteKind.DEMOTED, hop(prefix, 3)))


def expected(prefix: Prefix, kind: str) -> tuple[str, str, str | None]:
    return {
        "here": ("44", "wlan0", None),
        "demoted": ("45", "bb0", str(hop(prefix, 3).gateway)),
        "direct": ("47", "bb0", str(hop(prefix, 2).gateway)),
        "babel": ("babel", "bb1", str(hop(prefix, 9).gateway)),
    }[kind]


@BOTH
@pytest.mark.parametrize("order", list(itertools.permutations(("babel", "here", "demoted", "direct"))), ids="-".join)
def test_direct_replaces_ours_and_is_replaced_and_babels_stays(
    table: Table, prefix: Prefix, order: tuple[str, ...]
) -> None:
    table.do(SetNextHop(AP2, prefix.version, hop(prefix)))
    ours, babel = "", False
    for step in order:
        if step == "babel":
            onlink = "onlink" if prefix.version == 4 else ""
            gateway = hop(prefix, 9).gateway
            table.ns.ip(f"-{prefix.version} route add {prefix} via {gateway} dev bb1 {onlink} proto babel metric 1024")
            babel = True
        else:
            table.do({"here": here, "demoted": demoted, "direct": direct}[step](prefix))
            ours = step
        wanted = {64: expected(prefix, ours)} if ours else {}
        assert table.ways(prefix) == wanted | ({1024: expected(prefix, "babel")} if babel else {})
    table.do(RemoveRoute(prefix))
    assert table.ways(prefix) == {1024: expected(prefix, "babel")}
    assert table.routes.known == {}
    assert len(table.routes.direct) == 0


@BOTH
@pytest.mark.parametrize(
    "gateways",
    [
        {4: ["10.255.0.2", "fe80::2", "10.255.0.3", None], 6: ["fe80::2", "fe80::3", None]},
        {4: ["fd00:255::2", "10.255.0.2"], 6: ["fd00:255::2", "fe80::2", "fd00:255::3"]},
    ],
)
def test_one_change_of_next_hop_moves_all_routes_of_the_node_and_version(
    table: Table, prefix: Prefix, gateways: dict[int, list[str | None]]
) -> None:
    shift = 0 if prefix.version == 4 else 64
    prefixes = [type(prefix)((int(prefix.network_address) + (n << shift), prefix.prefixlen)) for n in range(300)]
    ways = [NextHop("bb0", None if one is None else ip_address(one)) for one in gateways[prefix.version]]
    table.do(SetNextHop(AP3, prefix.version, hop(prefix, 9)), SetNextHop(AP2, prefix.version, ways[0]))
    table.do(direct(prefixes[0], AP3), *(direct(one) for one in prefixes[1:]))
    for way in [*ways, NextHop("bb1", ways[0].gateway), ways[0]]:
        table.do(SetNextHop(AP2, prefix.version, way))
        gateway = None if way.gateway is None else str(way.gateway)
        for one in (prefixes[1], prefixes[150], prefixes[-1]):
            assert table.ways(one) == {64: ("47", way.interface, gateway)}
        assert table.ways(prefixes[0]) == {64: ("47", "bb0", str(hop(prefix, 9).gateway))}, "another node's"
    assert len(table.direct()) == 300


def test_removal_of_a_next_hop_takes_its_routes_of_that_version_along(table: Table) -> None:
    table.do(SetNextHop(AP2, 4, hop(V4)), SetNextHop(AP2, 6, hop(V6)), SetNextHop(AP3, 4, hop(V4, 3)))
    other = IPv4Network("192.0.2.8/32")
    table.do(direct(V4), direct(V6), direct(other, AP3))
    table.do(RemoveNextHop(AP2, 4))
    assert table.direct() == ["192.0.2.8", str(V6)]
    assert len(table.routes.direct) == 2
    table.do(RemoveNextHop(AP2, 4), RemoveNextHop(AP2, 6), RemoveNextHop(AP3, 4))
    assert table.direct() == []
    assert table.objects() == {}
    assert len(table.routes.direct) == 0


def test_node_that_comes_back_gets_a_new_object(table: Table) -> None:
    table.do(SetNextHop(AP2, 4, hop(V4)), direct(V4), RemoveNextHop(AP2, 4))
    table.do(SetNextHop(AP2, 4, hop(V4, 3)))
    assert table.routes.direct.get(key_of(V4)) is None
    table.do(direct(V4))
    assert table.ways(V4) == {64: ("47", "bb0", "10.255.0.3")}


def test_everything_in_one_call_happens_in_order(table: Table) -> None:
    table.do(
        here(V4),
        SetNextHop(AP2, 4, hop(V4)),
        direct(V4),
        SetNextHop(AP2, 4, hop(V4, 3)),
        SetNextHop(AP3, 4, hop(V4, 4)),
        direct(V4, AP3),
        RemoveNextHop(AP2, 4),
    )
    assert table.ways(V4) == {64: ("47", "bb0", "10.255.0.4")}


def test_route_towards_nobody_is_refused_and_not_believed(table: Table) -> None:
    (failure,) = table.routes.apply([direct(V4)])

    assert failure.error.errno == errno.ENOENT
    assert len(table.routes.direct) == 0
    assert table.routes.counters["route.refused"] == 1


def test_next_hop_that_the_kernel_refuses_is_told_with_its_words(kernel: Table) -> None:
    bad = SetNextHop(AP2, 4, NextHop("bb0", IPv4Address("224.0.0.1")))
    missing = SetNextHop(AP2, 4, NextHop("bb9", IPv4Address("10.255.0.2")))
    failures = kernel.routes.apply([bad, missing, direct(V4)])

    assert [failure.change for failure in failures] == [bad, missing, direct(V4)]
    assert "invalid gateway" in str(failures[0].error)
    assert kernel.objects() == {}
    kernel.do(SetNextHop(AP2, 4, hop(V4)), direct(V4))
    assert kernel.routes.apply([bad])[0].change is bad
    assert kernel.ways(V4) == {64: ("47", "bb0", "10.255.0.2")}, "as before"


# -- numbers, and what others have


def test_numbers_of_others_are_left_alone_whether_found_at_the_start_or_later(kernel: Table) -> None:
    kernel.ns.ip(f"nexthop add id {FIRST} via 10.255.0.9 dev bb1 onlink proto static")
    kernel.ns.ip(f"nexthop add id {FIRST + 2} via 10.255.0.9 dev bb1 onlink")
    with kernel.ns.entered():
        kernel.routes.take_over()
    kernel.ns.ip(f"nexthop add id {FIRST + 3} via 10.255.0.9 dev bb1 onlink proto zebra")
    kernel.do(SetNextHop(AP2, 4, hop(V4)), SetNextHop(AP3, 4, hop(V4, 3)), direct(V4, AP3))

    foreign = {FIRST + n: ("bb1", "10.255.0.9") for n in (0, 2, 3)}
    assert kernel.objects() == foreign | {FIRST + 1: ("bb0", "10.255.0.2"), FIRST + 4: ("bb0", "10.255.0.3")}
    assert kernel.ways(V4) == {64: ("47", "bb0", "10.255.0.3")}


def test_start_removes_what_is_left_of_direct_routes_and_nothing_else(table: Table) -> None:
    table.do(SetNextHop(AP2, 4, hop(V4)), SetNextHop(AP2, 6, hop(V6)))
    table.do(direct(V4), direct(V6), here(IPv4Network("192.0.2.8/32")), demoted(IPv6Network("2001:db8:44:8::/64")))
    table.ns.ip("nexthop add id 1 via 10.255.0.9 dev bb1 onlink")
    table.ns.ip("route add 192.0.2.9 via 10.255.0.9 dev bb1 onlink proto 47 metric 64")
    table.ns.ip("-6 route add 2001:db8:44:9::/64 via fe80::9 dev bb1 proto 47 metric 64")
    table.ns.ip("route add 192.0.2.10 nhid 1 proto static")
    with table.ns.entered():
        after = RouteSocket(lambda name: None)
        after.take_over()
    after.close()

    assert table.direct() == []
    assert table.objects() == {1: ("bb1", "10.255.0.9")}
    assert len(table.ns.ip("route show proto 44").splitlines()) == 1
    assert len(table.ns.ip("-6 route show proto 45").splitlines()) == 1
    assert len(table.ns.ip("route show proto static").splitlines()) == 1


# -- the kernel drops an object where its link loses the carrier, and says nothing


@BOTH
def test_object_that_the_kernel_has_dropped_is_not_made_again_in_silence(kernel: Table, prefix: Prefix) -> None:
    """Its routes are gone too: the core has to know, or it would go on believing in them."""
    kernel.do(SetNextHop(AP2, prefix.version, hop(prefix)), direct(prefix))
    kernel.ns.ip("link set bb0 down")
    kernel.ns.ip("link set bb0 up")
    assert kernel.objects() == {}
    changes = [SetNextHop(AP2, prefix.version, hop(prefix)), direct(prefix)]
    assert [failure.change for failure in kernel.routes.apply(changes)] == changes
    assert kernel.objects() == {}
    kernel.do(RemoveNextHop(AP2, prefix.version))
    kernel.do(*changes)
    assert kernel.ways(prefix) == {64: expected(prefix, "direct")}
