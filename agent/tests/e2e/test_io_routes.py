"""The route socket on the real kernel, beside Babel's routes to the same prefixes; read back with ip(8)."""

from __future__ import annotations

import errno
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest

from sroamd.core.effects import InstallRoute, RemoveRoute
from sroamd.core.values import NextHop, Route, RouteKind
from sroamd.io import netlink
from sroamd.io.route_socket import Change, RouteSocket
from sroamd.io.rtnetlink import KernelWatch
from tests.e2e.netns import Namespace, namespace

V4, V6 = IPv4Network("192.0.2.7/32"), IPv6Network("2001:db8:44:7::/64")
Prefix = IPv4Network | IPv6Network
STEPS = ("babel", "here", "demoted")


@dataclass
class Node:
    """A namespace with a station interface and a backbone, a route socket in it."""

    ns: Namespace
    routes: RouteSocket

    def of(self, prefix: Prefix) -> set[tuple[str, int, str, str | None]]:
        """(protocol, metric, interface, gateway) of every route to the prefix, as ip(8) tells them."""
        listed = json.loads(self.ns.ip(f"-j -{prefix.version} route show table all exact {prefix}") or "[]")
        return {(route["protocol"], route["metric"], route["dev"], gateway(route)) for route in listed}

    def used_for(self, address: str) -> str:
        """The interface that a packet to the address would take."""
        found: str = json.loads(self.ns.ip(f"-j route get {address}"))[0]["dev"]
        return found

    def do(self, *changes: Change) -> None:
        assert self.routes.apply(changes) == []


def gateway(route: dict[str, object]) -> str | None:
    via = route.get("via")
    found = via["host"] if isinstance(via, dict) else route.get("gateway")
    return None if found is None else str(found)


@pytest.fixture
def node() -> Iterator[Node]:
    with namespace() as ns:
        for name in ("wlan0", "bb0"):
            ns.ip(f"link add {name} type veth peer name {name}-peer")
            ns.ip(f"link set {name}-peer up")
            ns.ip(f"link set {name} up")
        ns.ip("addr add 10.255.0.1/32 dev bb0")
        with ns.entered():
            watch = KernelWatch(["wlan0"])
            routes = RouteSocket(watch.index_of)
        yield Node(ns, routes)
        routes.close()
        watch.close()


def here(prefix: Prefix) -> InstallRoute:
    return InstallRoute(Route(prefix, RouteKind.HERE, NextHop("wlan0", None)))


def demoted(prefix: Prefix) -> InstallRoute:
    via = IPv4Address("10.255.0.3") if prefix.version == 4 else IPv6Address("fe80::3")
    return InstallRoute(Route(prefix, RouteKind.DEMOTED, NextHop("bb0", via)))


def babel_route(prefix: Prefix) -> str:
    via = "10.255.0.2 dev bb0 onlink" if prefix.version == 4 else "fe80::2 dev bb0"
    return f"-{prefix.version} route {{}} {prefix} via {via} proto babel metric 1024"


def expected(prefix: Prefix, kind: str) -> tuple[str, int, str, str | None]:
    v4 = prefix.version == 4
    return {
        "babel": ("babel", 1024, "bb0", "10.255.0.2" if v4 else "fe80::2"),
        "here": ("44", 64, "wlan0", None),
        "demoted": ("45", 64, "bb0", "10.255.0.3" if v4 else "fe80::3"),
    }[kind]


def address_in(prefix: Prefix) -> str:
    return str(prefix.network_address + (5 if prefix.version == 6 else 0))


@pytest.mark.parametrize("order", list(itertools.permutations(STEPS)), ids="-".join)
@pytest.mark.parametrize("prefix", [V4, V6], ids=["v4", "v6"])
def test_ours_replaces_ours_and_never_babels_in_any_order(node: Node, prefix: Prefix, order: tuple[str, ...]) -> None:
    ours: set[str] = set()
    babel: set[str] = set()
    for step in order:
        if step == "babel":
            node.ns.ip(babel_route(prefix).format("add"))
            babel = {"babel"}
        else:
            node.do(here(prefix) if step == "here" else demoted(prefix))
            ours = {step}
        assert node.of(prefix) == {expected(prefix, kind) for kind in ours | babel}
        if ours:
            assert node.used_for(address_in(prefix)) == expected(prefix, *ours)[2], "ours wins"
    node.do(RemoveRoute(prefix))
    assert node.of(prefix) == {expected(prefix, "babel")}
    assert node.used_for(address_in(prefix)) == "bb0"


@pytest.mark.parametrize("prefix", [V4, V6], ids=["v4", "v6"])
def test_babel_may_come_and_go_beside_ours(node: Node, prefix: Prefix) -> None:
    node.do(here(prefix))
    node.ns.ip(babel_route(prefix).format("add"))
    node.ns.ip(babel_route(prefix).format("del"))
    assert node.of(prefix) == {expected(prefix, "here")}
    node.do(demoted(prefix))
    node.do(here(prefix))
    assert node.of(prefix) == {expected(prefix, "here")}


@pytest.mark.parametrize("prefix", [V4, V6], ids=["v4", "v6"])
def test_prefix_is_never_without_a_route_while_it_changes_hands(node: Node, prefix: Prefix) -> None:
    """The kernel tells each change: between `dev` and `via` there is no deletion."""
    node.do(here(prefix))
    with node.ns.entered():
        monitor = KernelWatch([])
    for change in (demoted(prefix), here(prefix), demoted(prefix)):
        node.do(change)
    kinds = [message.kind for message in drained(monitor)]
    monitor.close()
    assert kinds == [24, 24, 24], "RTM_NEWROUTE three times, never RTM_DELROUTE (25)"


def drained(watch: KernelWatch) -> list[object]:
    found: list[object] = []
    while True:
        try:
            found += netlink.messages(watch._events.recv(netlink.MESSAGE_MAX))
        except BlockingIOError:
            return found


def test_next_hop_of_the_other_family_and_a_global_one(node: Node) -> None:
    node.do(InstallRoute(Route(V4, RouteKind.DEMOTED, NextHop("bb0", IPv6Address("fe80::3")))))
    node.do(InstallRoute(Route(V6, RouteKind.DEMOTED, NextHop("bb0", IPv6Address("fd00:255::3")))))

    assert node.of(V4) == {("45", 64, "bb0", "fe80::3")}
    assert node.of(V6) == {("45", 64, "bb0", "fd00:255::3")}


def test_removal_leaves_what_others_have_put_at_our_metric(node: Node) -> None:
    node.ns.ip(f"route add {V4} dev wlan0 metric 64 proto static")
    node.ns.ip(f"-6 route add {V6} dev wlan0 metric 64 proto static")
    node.do(RemoveRoute(V4), RemoveRoute(V6))

    assert node.of(V4) == node.of(V6) == {("static", 64, "wlan0", None)}


def test_removal_of_what_is_not_there_is_a_success(node: Node) -> None:
    node.do(RemoveRoute(V4), RemoveRoute(V6))
    node.do(here(V4))
    node.ns.ip(f"route del {V4} proto 44")
    node.do(RemoveRoute(V4))

    assert node.routes.counters["route.removed"] == 0


def test_route_of_an_earlier_process_is_removed_whatever_its_kind(node: Node) -> None:
    node.ns.ip(f"route add {V4} via 10.255.0.3 dev bb0 onlink proto 45 metric 64")
    node.ns.ip(f"-6 route add {V6} dev wlan0 proto 44 metric 64")
    node.do(RemoveRoute(V4), RemoveRoute(V6))

    assert node.of(V4) == node.of(V6) == set()


def test_burst_of_stations_is_one_call_and_each_failure_is_told(node: Node) -> None:
    changes: list[Change] = []
    for number in range(300):
        changes.append(here(IPv4Network((int(IPv4Address("198.18.0.0")) + number, 32))))
        changes.append(here(IPv6Network((int(IPv6Address("2001:db8:44::")) + (number << 64), 64))))
    bad = InstallRoute(Route(V4, RouteKind.DEMOTED, NextHop("bb0", IPv4Address("224.0.0.1"))))
    missing = InstallRoute(Route(V4, RouteKind.HERE, NextHop("wlan9", None)))
    failures = node.routes.apply([*changes[:100], bad, *changes[100:], missing])

    assert [failure.change for failure in failures] == [bad, missing]
    assert [failure.error.errno for failure in failures] == [errno.EINVAL, errno.ENODEV]
    assert "invalid gateway" in failures[0].error.strerror, "the kernel's own words"
    assert len(node.ns.ip("route show proto 44").splitlines()) == 300
    assert len(node.ns.ip("-6 route show proto 44").splitlines()) == 300
    assert len(node.routes.known) == 600
    node.do(*(RemoveRoute(change.route.prefix) for change in changes if isinstance(change, InstallRoute)))
    assert node.ns.ip("route show proto 44") + node.ns.ip("-6 route show proto 44") == ""
    assert node.routes.known == {}


def test_interface_that_is_down_is_a_failure_and_nothing_is_believed(node: Node) -> None:
    node.ns.ip("link set wlan0 down")
    failures = node.routes.apply([here(V4)])

    assert [failure.error.errno for failure in failures] == [errno.ENETDOWN]
    assert node.routes.known == {}
