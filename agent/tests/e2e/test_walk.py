"""A station walks through the fleet under traffic: how long is the silence of a roam, and what survives it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import pytest

from lab.outage import Direction
from lab.records import Family
from lab.topology import BACKBONE_BRIDGE, spoke_bridge
from lab.traffic import Traffic
from lab.walk import Walk, round_trip, walk
from tests.e2e.fleet import APS, SETTLED_WITHIN, Fleet, assert_reaches, eventually, tell, undisturbed

RATE = 100  # packets per second, direction and family
MEDIAN_MS = 250.0
WORST_MS = 1000.0


def test_walk_keeps_addresses_and_connections(fleet: Fleet) -> None:
    """All access points are neighbours on one backbone."""
    assert_smooth("walk on one backbone", walked(fleet))


def test_walk_behind_a_router_without_the_agent(fleet: Fleet, spokes: None) -> None:
    """Access points reach each other only through a plain Babel router, which hears of a roam by Babel alone."""
    assert_smooth("walk behind a plain Babel router", walked(fleet))


@pytest.fixture
def spokes(fleet: Fleet) -> Iterator[None]:
    """Each access point alone on a link with the router, in place of their common backbone.

    Babel starts anew, as if it had never been otherwise: babeld 1.12.1 needs a minute sometimes until it believes that
    all ways have become longer (the feasibility condition, RFC 8966 section 3.5.1). That is not what a walk is about.
    """
    routers = ("gw", *APS)
    for node in routers:
        fleet.run(node, "systemctl", "stop", "babeld")
    for ap in APS:
        fleet.lab.plug(ap, "bb0", spoke_bridge(fleet.lab.topology.node(ap)))
    for node in routers:
        fleet.run(node, "systemctl", "start", "babeld")
    eventually(lambda: assert_paths(fleet, through_the_router=True), SETTLED_WITHIN)
    fleet.wait_until_well()
    yield
    for ap in APS:
        fleet.lab.plug(ap, "bb0", BACKBONE_BRIDGE)
    eventually(lambda: assert_paths(fleet, through_the_router=False), SETTLED_WITHIN)


def assert_paths(fleet: Fleet, *, through_the_router: bool) -> None:
    """Whether every access point's next hop towards every other one is the router, in both families."""
    router = fleet.lab.topology.node("gw")
    for ap, other in permutations(map(fleet.lab.topology.node, APS), 2):
        for there, gateway in ((other.router_ipv4, router.router_ipv4), (other.router_ipv6, router.router_ipv6)):
            same = next_hop(fleet, ap.name, str(there)) == next_hop(fleet, ap.name, str(gateway))
            assert same == through_the_router, f"{ap.name}, to {there}: by way of the router: {same}"


def next_hop(fleet: Fleet, ap: str, address: str) -> str:
    (route,) = fleet.ip(ap, "route", "get", address)
    found: str = route.get("gateway", address)
    return found


def walked(fleet: Fleet) -> Walk:
    """Six roams, three of them with no more than a moment between them."""
    station = fleet.joined(1, APS[0])
    eventually(lambda: assert_reaches(station), SETTLED_WITHIN)

    def once() -> Walk:
        with Traffic(station, rate=RATE) as traffic:
            found = walk(station, traffic, round_trip(APS))
        assert found.survived, found.whole.connections
        return found

    return undisturbed(once, lambda found: found.whole)


def assert_smooth(title: str, found: Walk) -> None:
    tell(f"{title:<34}{'median':>8}{'worst':>8} ms of silence (of each roam)")
    for direction in Direction:
        for family in Family:
            silences = found.silences(direction, family)
            lost = found.whole.flow(direction, family).lost
            median, worst = found.median_ms(direction, family), max(silences)
            each = " ".join(f"{silence:.0f}" for silence in silences)
            tell(f"  IPv{family.value} {direction.value:<27}{median:>8.0f}{worst:>8.0f} ({each}), {lost} packets lost")
    assert found.kept_addresses
    assert found.whole.survived, found.whole.connections
    assert found.longest_ms <= WORST_MS
    for direction in Direction:
        for family in Family:
            assert found.median_ms(direction, family) <= MEDIAN_MS
