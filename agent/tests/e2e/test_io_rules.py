"""The rules by which our own table is looked up, on the real kernel: made once, made again, and what they are for."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest

from sroamd.addresses import NodeId
from sroamd.core.effects import InstallRoute, RemoveRoute, SetNextHop
from sroamd.core.events import KernelRoutesListed
from sroamd.core.values import NextHop, Route, RouteKind, Towards
from sroamd.io import route_rules
from sroamd.io.netlink import OUR_PROTOCOLS
from sroamd.io.route_socket import RouteSocket
from tests.e2e.kernel import QUIET, Kernel, opened
from tests.io.events import until

AP2 = NodeId(bytes(7) + b"\2")
V4, V6 = IPv4Network("192.0.2.7/32"), IPv6Network("2001:db8:44:7::/64")
BOTH = pytest.mark.parametrize("prefix", [V4, V6], ids=["v4", "v6"])
HOP = {4: NextHop("bb0", IPv4Address("10.255.0.2")), 6: NextHop("bb0", IPv6Address("fe80::2"))}
RULE = {"priority": 32765, "src": "all", "table": "47", "protocol": "47"}


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    with opened() as made:
        yield made


@pytest.fixture
def hidden() -> Iterator[Kernel]:
    """Nothing of ours is in `main`."""
    with opened(announced=False) as made:
        yield made


def rules(kernel: Kernel, version: int) -> list[dict[str, object]]:
    listed = json.loads(kernel.ns.ip(f"-j -N -{version} rule show"))
    return [rule for rule in listed if rule["table"] not in ("255", "254", "253")]


def used(kernel: Kernel, prefix: IPv4Network | IPv6Network) -> str:
    """The interface that packets to the station take."""
    address = prefix.network_address + (7 if prefix.version == 6 else 0)
    found: str = json.loads(kernel.ns.ip(f"-j route get {address}"))[0]["dev"]
    return found


def tables(kernel: Kernel, prefix: IPv4Network | IPv6Network) -> set[tuple[str, str]]:
    """(table, protocol) of the routes to it that are ours."""
    listed = json.loads(kernel.ns.ip(f"-j -N -{prefix.version} route show table all exact {prefix}") or "[]")
    ours = {str(protocol) for protocol in OUR_PROTOCOLS}
    return {(route.get("table", "254"), route["protocol"]) for route in listed if route["protocol"] in ours}


def step(prefix: IPv4Network | IPv6Network, kind: RouteKind) -> InstallRoute:
    ways = {
        RouteKind.HERE: NextHop("wlan0", None),
        RouteKind.DEMOTED: NextHop("bb1", HOP[prefix.version].gateway),
        RouteKind.DIRECT: Towards(AP2),
    }
    return InstallRoute(Route(prefix, kind, ways[kind]))


def test_there_is_one_rule_for_each_version_however_often_it_is_made(kernel: Kernel) -> None:
    for _ in range(3):
        kernel.rules.hold()
    for version in (4, 6):
        assert rules(kernel, version) == [RULE]


@pytest.mark.parametrize(
    "deed",
    [
        "rule del priority 32765",
        "-6 rule del priority 32765",
        "rule flush",
        "-6 rule del table 47",
        "rule del proto 47",
    ],
)
def test_rule_that_somebody_removes_is_back(kernel: Kernel, deed: str) -> None:
    async def story() -> None:
        kernel.ns.ip(deed)
        await until(lambda: rules(kernel, 4) == rules(kernel, 6) == [RULE])
        assert kernel.rules.counters["rule.restored"] == 1

    kernel.run(story)


def test_rules_of_others_are_none_of_our_business(kernel: Kernel) -> None:
    async def story() -> None:
        kernel.ns.ip("rule add priority 100 table 100")
        kernel.ns.ip("rule del priority 100 table 100")
        await asyncio.sleep(QUIET)
        assert kernel.rules.counters["rule.restored"] == 0

    kernel.run(story)


def test_whoever_removes_it_again_and_again_does_not_keep_us_busy(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[float] = []
    monkeypatch.setattr(kernel.rules, "_later", lambda delay, what: delays.append(delay))

    async def story() -> None:
        kernel.ns.ip("rule del priority 32765")
        await until(lambda: rules(kernel, 4) == [RULE])
        kernel.ns.ip("rule del priority 32765")
        await until(lambda: len(delays) == 1)
        assert 0 < delays[0] <= route_rules.PAUSE
        kernel.ns.ip("-6 rule del priority 32765")
        await asyncio.sleep(QUIET)
        assert rules(kernel, 4) == []
        kernel.rules._restore()
        assert rules(kernel, 4) == rules(kernel, 6) == [RULE]

    kernel.run(story)


@BOTH
@pytest.mark.parametrize(
    "order", list(itertools.permutations(RouteKind)), ids=lambda order: "-".join(kind.name.lower() for kind in order)
)
def test_whichever_route_was_installed_last_is_used_and_the_only_one_of_ours(
    kernel: Kernel, hidden: Kernel, prefix: IPv4Network | IPv6Network, order: tuple[RouteKind, ...]
) -> None:
    """Direct routes are looked up first: one that stayed behind would win over *here*."""
    ways = {RouteKind.HERE: "wlan0", RouteKind.DEMOTED: "bb1", RouteKind.DIRECT: "bb0"}
    for one in (kernel, hidden):
        one.do(SetNextHop(AP2, prefix.version, HOP[prefix.version]))
        for kind in (*order, *order[::2]):
            one.do(step(prefix, kind))
            seen = "47" if one is hidden or kind is RouteKind.DIRECT else "254"
            assert (used(one, prefix), tables(one, prefix)) == (ways[kind], {(seen, str(int(kind)))})
        one.do(RemoveRoute(prefix))
        assert tables(one, prefix) == set()
        assert (one.routes.known, len(one.routes.direct)) == ({}, 0)


@BOTH
@pytest.mark.parametrize("wanted", list(RouteKind))
def test_prefix_with_routes_in_both_tables_is_listed_as_without_and_mended_by_installing(
    kernel: Kernel, prefix: IPv4Network | IPv6Network, wanted: RouteKind
) -> None:
    async def story() -> None:
        kernel.do(SetNextHop(AP2, prefix.version, HOP[prefix.version]), step(prefix, RouteKind.DIRECT))
        kernel.ns.ip(f"-{prefix.version} route add {prefix} dev wlan0 proto 44 metric 64")
        for direct in (False, True):
            kernel.watch.list_routes(direct=direct)
            assert kernel.heard.of(KernelRoutesListed)[-1] == KernelRoutesListed(frozenset(), direct)
        kernel.do(step(prefix, wanted))
        assert tables(kernel, prefix) == {("47" if wanted is RouteKind.DIRECT else "254", str(int(wanted)))}

    kernel.run(story)


@BOTH
def test_start_brings_the_routes_of_our_stations_where_they_belong(
    kernel: Kernel, hidden: Kernel, prefix: IPv4Network | IPv6Network
) -> None:
    """Other settings than last time; also what has no metric of ours is none of ours."""
    for one, there, wrong in ((kernel, "254", "47"), (hidden, "47", "254")):
        one.ns.ip(f"-{prefix.version} route add {prefix} dev wlan0 proto 44 metric 64 table {wrong}")
        one.ns.ip(f"-{prefix.version} route add {prefix} dev wlan0 proto 44 metric 65 table {wrong}")
        with one.ns.entered():
            after = RouteSocket(lambda name: None, one.watch.meaning.places)
            after.take_over()
        after.close()
        assert tables(one, prefix) == {(there, "44"), (wrong, "44")}
        one.ns.ip(f"-{prefix.version} route del {prefix} metric 65 table {wrong}")
        assert tables(one, prefix) == {(there, "44")}
