"""Host routes in the kernel: what becomes of them when the agent is away, and when others meddle."""

from __future__ import annotations

import time
from itertools import product

from lab.station import Station
from sroamd.constants import DEMOTED_TIME
from tests.e2e.fleet import APS, SETTLED_WITHIN, Fleet, assert_reaches, eventually, is_of_a_station, prefixes_of, tell

REPAIRED_S = 1.0
HERE, DIRECT, BABEL = "44", "47", "42"


def test_routes_outlive_the_agent_and_are_adopted(fleet: Fleet) -> None:
    """Stopped, it takes no station's route along; started, it keeps what is right and removes what is wrong by now."""
    staying, leaving = fleet.all_joined([(40, "ap1"), (41, "ap1")])
    before = fleet.here("ap1")
    assert before >= prefixes_of(staying) | prefixes_of(leaving)
    fleet.run("ap1", "systemctl", "stop", "sroamd")
    assert fleet.here("ap1") == before
    assert_reaches(staying)
    leaving.roam("ap2")
    assert fleet.here("ap1") == before
    fleet.run("ap1", "systemctl", "start", "sroamd")
    eventually(lambda: fleet.assert_places([(staying, "ap1"), (leaving, "ap2")]), SETTLED_WITHIN)
    assert fleet.here("ap1") == before - prefixes_of(leaving)
    for station in (staying, leaving):
        eventually(lambda station=station: assert_reaches(station), SETTLED_WITHIN)  # type: ignore[misc]


def test_route_that_somebody_deletes_is_back_within_a_second(fleet: Fleet) -> None:
    station = fleet.joined(42, "ap2")
    for prefix in prefixes_of(station):
        family = "-6" if ":" in prefix else "-4"
        fleet.run("ap2", "ip", family, "route", "delete", prefix, "dev", "wlan0", "proto", HERE)
    deleted = time.monotonic()
    eventually(lambda: fleet.assert_at(station, "ap2"), REPAIRED_S)
    tell(f"deleted routes: back after {time.monotonic() - deleted:.2f} s")
    assert_reaches(station)


def test_routes_stand_beside_babels_for_the_same_prefix(fleet: Fleet) -> None:
    """Where it is not, there are Babel's and the direct one; where it comes, these are there already, and go."""
    station = fleet.joined(43, "ap1")
    eventually(lambda: assert_routed_by(fleet, "ap3", station, BABEL, DIRECT), SETTLED_WITHIN)
    station.roam("ap3")
    eventually(lambda: fleet.assert_at(station, "ap3"), SETTLED_WITHIN)
    eventually(lambda: assert_reaches(station), SETTLED_WITHIN)
    eventually(lambda: assert_routed_by(fleet, "ap1", station, BABEL, DIRECT), DEMOTED_TIME + SETTLED_WITHIN)
    eventually(lambda: assert_routed_by(fleet, "ap3", station, HERE), SETTLED_WITHIN)
    for ap in APS:
        for prefix in prefixes_of(station):
            (used,) = fleet.ip(ap, "route", "get", inside_of(prefix))
            assert used["dev"] == ("wlan0" if ap == "ap3" else "bb0"), f"{ap}: {used}"


def assert_routed_by(fleet: Fleet, ap: str, station: Station, *protocols: str) -> None:
    """This access point has one route of each of these protocols for each of the station's prefixes, and no other."""
    own = prefixes_of(station)
    found = sorted((route.prefix, route.protocol) for route in fleet.routes(ap) if route.prefix in own)
    assert found == sorted(product(own, protocols)), f"{ap}: {found}"


def inside_of(prefix: str) -> str:
    """An address in it."""
    assert is_of_a_station(prefix)
    return prefix.removesuffix("/64") + ("1" if prefix.endswith("/64") else "")
