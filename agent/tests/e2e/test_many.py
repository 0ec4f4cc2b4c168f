"""Sixty stations that all change their access point in one instant."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from lab.station import Station, roam_all
from lab.walk import addresses
from tests.e2e.fleet import APS, STATIONS, Fleet, assert_reaches, eventually, tell

SETTLED_S = 5.0


def test_sixty_stations_move_at_once(fleet: Fleet) -> None:
    """Twenty on each access point move on to the next; 5 s after the move all databases and routes are right."""
    home = {number: APS[number % len(APS)] for number in range(1, STATIONS + 1)}
    everyone = fleet.all_joined(home.items())
    before = [addresses(station) for station in everyone]
    assert len(set(before)) == STATIONS
    target = {ap: APS[(APS.index(ap) + 1) % len(APS)] for ap in APS}
    moves = [(station, target[ap]) for station, ap in zip(everyone, home.values(), strict=True)]

    roams = roam_all(moves)

    moved, let_in = roams[0].moved, max(roam.authorized for roam in roams)
    eventually(lambda: assert_settled(fleet, moves), SETTLED_S - (time.monotonic() - let_in))
    settled = time.monotonic()
    tell(f"60 stations at once: let in after {let_in - moved:.2f} s, all is right after {settled - moved:.2f} s")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda station: eventually(lambda: assert_reaches(station), SETTLED_S), everyone))
    assert [addresses(station) for station in everyone] == before


def assert_settled(fleet: Fleet, places: Sequence[tuple[Station, str]]) -> None:
    fleet.assert_agreement()
    fleet.assert_places(places)
