"""Sixty stations that all change their access point in one instant."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from lab.station import roam_all
from lab.walk import addresses
from tests.e2e.fleet import APS, STATIONS, Fleet, assert_reaches, eventually, routes_wanted

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
    expected = routes_wanted(moves)
    eventually(lambda: assert_settled(fleet, expected), SETTLED_S - (time.monotonic() - let_in))
    settled = time.monotonic()
    print(
        f"all let in {let_in - moved:.2f} s after the move, databases and routes right {settled - moved:.2f} s after it"
    )
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda station: eventually(lambda: assert_reaches(station), SETTLED_S), everyone))
    assert [addresses(station) for station in everyone] == before


def assert_settled(fleet: Fleet, expected: Mapping[str, set[str]]) -> None:
    fleet.assert_agreement()
    for ap in APS:
        found = fleet.here(ap)
        assert found == expected[ap], (
            f"{ap}: wrong {sorted(found - expected[ap])}, missing {sorted(expected[ap] - found)}"
        )
