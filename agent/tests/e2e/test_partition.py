"""Stations cross while access points cannot speak to each other, and what follows when they can again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from lab.station import Station
from lab.traffic import Traffic
from lab.walk import addresses
from tests.e2e.fleet import APS, SETTLED_WITHIN, Fleet, assert_reaches, eventually, tell

APART_S = 30.0
HEALED_WITHIN_S = 3.0  # from the repair of the backbone until packets flow both ways
UNBLOCKED_WITHIN_S = 2.0  # the same, where only flooding was blocked
STEADY_S = 2.0  # of traffic afterwards, of which nothing may be lost

# Both ends of every connection with the flooding port, and nothing else.
BLOCKED = """\
table inet blocked {
  chain in { type filter hook input priority -300; tcp dport 4444 drop; tcp sport 4444 drop; }
  chain out { type filter hook output priority -300; tcp dport 4444 drop; tcp sport 4444 drop; }
}
"""


@pytest.fixture
def walkers(fleet: Fleet) -> list[Station]:
    """Two, at ap1."""
    found = fleet.all_joined([(20, "ap1"), (21, "ap1")])
    for station in found:
        eventually(lambda station=station: assert_reaches(station), SETTLED_WITHIN)  # type: ignore[misc]
    return found


def test_traffic_flows_three_seconds_after_the_backbone_is_healed(fleet: Fleet, walkers: list[Station]) -> None:
    """One access point sees its carrier go; to the other frames are lost without a word. A station crosses to each."""
    places = list(zip(walkers, ("ap2", "ap3"), strict=True))
    with running(walkers) as traffics:
        fleet.lab.cut("ap2", "bb0")
        fleet.lab.cut("ap3", "bb0", silent=True)
        cut = time.monotonic()
        try:
            for station, ap in places:
                station.roam(ap)
            time.sleep(cut + APART_S - time.monotonic())
            assert {fleet.ask(ap, "status")["peers"] for ap in APS} == {0}
            for station, ap in places:
                assert {each: fleet.ask(each, "where", station.mac)["node"] for each in ("ap1", ap)} == {
                    "ap1": "ap1",
                    ap: ap,
                }
        finally:
            fleet.lab.heal("ap2", "bb0")
            fleet.lab.heal("ap3", "bb0")
        healed = time.monotonic()
        for how, traffic in zip(("link down", "silent"), traffics, strict=True):
            assert_resumed(traffic, healed, HEALED_WITHIN_S, f"backbone healed after {APART_S:.0f} s, {how}")
    assert_as_before(fleet, places)


def test_service_is_back_two_seconds_after_flooding_is_unblocked(fleet: Fleet, walkers: list[Station]) -> None:
    """Nobody hears where the station is, while Babel and the traffic go on."""
    station, places = walkers[0], [(walkers[0], "ap2"), (walkers[1], "ap1")]
    with running([station]) as (traffic,):
        with flooding_blocked(fleet):
            blocked = time.monotonic()
            station.roam("ap2")
            time.sleep(blocked + APART_S - time.monotonic())
            assert {fleet.ask(ap, "status")["peers"] for ap in APS} == {0}
        assert_resumed(traffic, time.monotonic(), UNBLOCKED_WITHIN_S, f"flooding unblocked after {APART_S:.0f} s")
    assert_as_before(fleet, places)


@contextmanager
def running(stations: list[Station]) -> Iterator[list[Traffic]]:
    """UDP both ways in both families; TCP itself waits up to twice as long as the outage was before it tries again."""
    with ExitStack() as stack:
        yield [stack.enter_context(Traffic(station, tcp=False)) for station in stations]


@contextmanager
def flooding_blocked(fleet: Fleet) -> Iterator[None]:
    for ap in APS:
        fleet.run(ap, "nft", "-f", "-", stdin=BLOCKED)
    try:
        yield
    finally:
        for ap in APS:
            fleet.run(ap, "nft", "delete", "table", "inet", "blocked")


def assert_resumed(traffic: Traffic, repaired: float, within: float, what: str) -> None:
    """Every flow arrives again within so many seconds, and goes on without a loss."""
    time.sleep(max(0.0, repaired + within + STEADY_S - time.monotonic()))
    steady = traffic.report(repaired + within)
    resumed = traffic.resumed(repaired)
    tell(f"{what}: flows again after (s)")
    for (direction, family), after in resumed.items():
        tell(f"  IPv{family.value} {direction.value:<27}{after:>6.2f}")
    assert max(resumed.values()) <= within
    assert steady.lost == 0, steady.flows


def assert_as_before(fleet: Fleet, places: list[tuple[Station, str]]) -> None:
    """Everybody knows where the stations are, and they have what they had."""
    fleet.wait_until_well()
    eventually(lambda: fleet.assert_places(places), SETTLED_WITHIN)
    for station, _ in places:
        assert None not in addresses(station)
        eventually(lambda station=station: assert_reaches(station), SETTLED_WITHIN)  # type: ignore[misc]
