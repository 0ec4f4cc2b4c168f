"""Daemons that are restarted, or die, under the traffic of a station that does not move."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from lab.station import Station
from lab.traffic import Report, Traffic
from lab.walk import addresses
from sroamd.constants import ADOPT_TIME
from tests.e2e.fleet import APS, SETTLED_WITHIN, Fleet, assert_reaches, eventually, tell, undisturbed

AP = "ap2"
REATTACHED_S = 2.0
BABEL_BACK_MS = 3000.0  # half a second, and two more where the neighbours have just told their tables (io/babel.py)
A_MOMENT_S = 1.0  # of traffic, in which a route that was taken away too early would show


@pytest.fixture
def station(fleet: Fleet) -> Station:
    joined = fleet.joined(2, AP)
    eventually(lambda: assert_reaches(joined), SETTLED_WITHIN)
    return joined


def test_restart_of_the_agent_loses_nothing(fleet: Fleet, station: Station) -> None:
    """systemctl restart: not a packet, not an address, not a record."""
    report = under_traffic(fleet, station, "restarted", lambda: fleet.run(AP, "systemctl", "restart", "sroamd"))
    assert report.lost == 0, report.flows
    assert report.survived


def test_kill_of_the_agent_loses_nothing(fleet: Fleet, station: Station) -> None:
    """kill -9: the same, and systemd starts it again; also when the time is over in which it keeps what it found."""
    began, pid = time.time(), fleet.pid(AP)
    report = under_traffic(
        fleet, station, "killed", lambda: fleet.run(AP, "kill", "-KILL", str(pid)), ADOPT_TIME + A_MOMENT_S
    )
    assert report.lost == 0, report.flows
    assert report.survived
    assert "status=9/KILL" in fleet.journal(AP, since=began)


def test_restart_beside_a_station_that_left_silently_loses_nothing(fleet: Fleet, station: Station) -> None:
    """hostapd here still lists it, as the air does not tell of departures; listed is not arrived."""
    elsewhere = APS[0]
    station.roam(elsewhere)
    eventually(lambda: fleet.assert_at(station, elsewhere), SETTLED_WITHIN)
    eventually(lambda: assert_reaches(station), SETTLED_WITHIN)
    assert station.mac in fleet.run(AP, "hostapd_cli", "-p", "/run/hostapd", "list_sta").split()
    claims = fleet.claims_of(station)
    report = under_traffic(fleet, station, "beside a ghost", lambda: fleet.run(AP, "systemctl", "restart", "sroamd"))
    assert report.lost == 0, report.flows
    assert report.survived
    assert fleet.claims_of(station) == claims, "asked, and not claimed"
    fleet.assert_at(station, elsewhere)


def under_traffic(
    fleet: Fleet, station: Station, how: str, disturb: Callable[[], object], watch: float = A_MOMENT_S
) -> Report:
    """What the station's traffic went through until the agent was back and knew all again, and `watch` seconds more."""
    addresses_before, pid_before = addresses(station), fleet.pid(AP)
    leases_before, routes_before = leases(fleet, AP), fleet.here(AP)
    with Traffic(station) as traffic:
        disturb()

        def is_back() -> None:
            assert fleet.pid(AP) != pid_before
            fleet.assert_well()
            fleet.assert_agreement()

        eventually(is_back, SETTLED_WITHIN)
        time.sleep(watch)
        report = traffic.report()
    sent = sum(flow.sent for flow in report.flows)
    tell(f"agent {how}: {report.lost} of {sent} packets lost, longest silence {report.silence_ms:.0f} ms")
    assert addresses(station) == addresses_before
    assert leases(fleet, AP) >= leases_before
    assert fleet.here(AP) == routes_before
    return report


def leases(fleet: Fleet, ap: str) -> set[tuple[str, str]]:
    """Address or prefix, and whose it is."""
    return {(key, value) for kind, key, value, _ in fleet.database(ap) if kind in ("ipv4", "ipv6")}


def test_restart_of_hostapd_loses_no_lease(fleet: Fleet, station: Station) -> None:
    """Stations have to log in again; the agent is attached again within 2 s, and they have what they had."""
    addresses_before, pid_before, leases_before = addresses(station), fleet.pid(AP), leases(fleet, AP)
    attached = fleet.counter(AP, "hostapd.lost")
    fleet.run(AP, "systemctl", "restart", "hostapd")
    started = time.monotonic()
    eventually(lambda: assert_reattached(fleet, attached), REATTACHED_S)
    tell(f"hostapd restarted: attached again {time.monotonic() - started:.2f} s later")
    assert fleet.whereabouts(station) is None
    station.login()
    eventually(lambda: fleet.assert_at(station, AP), SETTLED_WITHIN)
    eventually(lambda: assert_reaches(station), SETTLED_WITHIN)
    assert addresses(station) == addresses_before
    for ap in APS:
        assert leases(fleet, ap) >= leases_before
    assert fleet.pid(AP) == pid_before


def assert_reattached(fleet: Fleet, lost_before: int) -> None:
    status = fleet.ask(AP, "status")
    assert status["healthy"], status["problems"]
    assert status["counters"]["hostapd.lost"] == lost_before + 1


def test_restart_of_babeld_gives_all_routes_back(fleet: Fleet, station: Station) -> None:
    """The rest of the network loses the station for as long as babeld needs to find its neighbours, no longer."""
    routes_before = fleet.here(AP)

    def once() -> Report:
        with Traffic(station) as traffic:
            fleet.run(AP, "systemctl", "restart", "babeld")
            eventually(fleet.assert_well, SETTLED_WITHIN)
            eventually(lambda: assert_reaches(station), SETTLED_WITHIN)
            return traffic.report()

    report = undisturbed(once, lambda found: found)
    tell(f"babeld restarted: {report.lost} packets lost, longest silence {report.silence_ms:.0f} ms")
    assert report.silence_ms <= BABEL_BACK_MS
    assert report.survived
    assert fleet.here(AP) == routes_before
