"""A station that cannot make up its mind."""

from __future__ import annotations

import itertools
import time

from lab.station import Station
from lab.traffic import Traffic
from lab.walk import addresses
from tests.e2e.fleet import SETTLED_WITHIN, Fleet, assert_reaches, eventually, tell

BOUNCE_S = 12.0  # five arrivals a second exhaust what a node may claim; a minute of it ends in the same way
EVERY_S = 0.2
REACHABLE_WITHIN_S = 1.0
STEADY_S = 2.0


def test_station_that_bounces_is_reachable_a_second_after_it_stays(fleet: Fleet) -> None:
    station = fleet.joined(22, "ap1")
    eventually(lambda: assert_reaches(station), SETTLED_WITHIN)
    where = addresses(station)
    before = fleet.claims_of(station)
    with Traffic(station, tcp=False) as traffic:
        bounces, stayed = bounce(station, ("ap2", "ap1"))
        time.sleep(REACHABLE_WITHIN_S + STEADY_S)
        steady = traffic.report(stayed + REACHABLE_WITHIN_S)
        resumed = traffic.resumed(stayed)
    claims = fleet.claims_of(station) - before
    after = max(resumed.values())
    tell(f"{bounces} bounces in {BOUNCE_S:.0f} s: {claims} claims; flows again {after:.2f} s after it stays")
    assert after <= REACHABLE_WITHIN_S
    assert steady.lost == 0, steady.flows
    eventually(lambda: fleet.assert_at(station, "ap2"), SETTLED_WITHIN)
    assert addresses(station) == where


def bounce(station: Station, between: tuple[str, str]) -> tuple[int, float]:
    """(how many roams, when the last of them was let in). The last is to the first of the two."""
    began = time.monotonic()
    for number, ap in enumerate(itertools.cycle(between)):
        time.sleep(max(0.0, began + number * EVERY_S - time.monotonic()))
        roam = station.roam(ap, carrier_loss=False)
        if time.monotonic() - began >= BOUNCE_S and ap == between[0]:
            return number + 1, roam.authorized
    raise AssertionError("a cycle has no end")
