"""Every route that is believed to be in the kernel can be shown: why it is there, since when, and where it leads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.status import NotFound, report
from sroamd.core.values import NextHop
from tests.core.harness import ALICE, BOB, CAROL, Lab, mac
from tests.core.routed import with_both

Row = dict[str, Any]


@pytest.fixture
def lab() -> Lab:
    return with_both(wait=10)


def routes(lab: Lab, argument: str | None = None, number: int = 1) -> list[Row]:
    """In the order of their prefixes, as sroamctl sorts them."""
    rows: list[Row] = json.loads(json.dumps(list(report(lab[number].node, "routes", argument, lab.now))))  # type: ignore[arg-type]
    return sorted(rows, key=lambda row: (":" in row["prefix"], row["prefix"]))


def of(rows: list[Row], station: object) -> Row:
    """The IPv4 route of the station."""
    (found,) = (row for row in rows if row["station"] == str(station) and ":" not in row["prefix"])
    return found


def test_a_station_here_is_authorised_on_an_interface(lab: Lab) -> None:
    row = of(routes(lab), ALICE)
    assert row == {
        "prefix": f"{lab[1].address(ALICE, lab.now)}/32",
        "kind": "here",
        "station": str(ALICE),
        "node": "ap1",
        "interface": "wlan0",
        "gateway": None,
        "why": "authorised on wlan0",
        "since": row["since"],
    }
    assert row["since"] == pytest.approx(10, abs=0.5)


def test_a_direct_route_leads_where_its_nexthop_object_does_now(lab: Lab) -> None:
    row = of(routes(lab), BOB)
    assert (row["kind"], row["node"], row["why"]) == ("direct", "ap2", "at ap2")
    assert (row["interface"], row["gateway"]) == ("bb0", "10.255.0.2")
    assert lab[1].config.node.router_ipv4 is not None
    lab.do(1, ev.NextHopChanged(lab[2].config.node.router_ipv4, NextHop("bb1", None)))  # type: ignore[arg-type]
    row = of(routes(lab), BOB)
    assert (row["interface"], row["gateway"]) == ("bb1", "10.255.0.2")


def test_since_tells_how_long_the_station_has_been_there_whatever_is_renewed(lab: Lab) -> None:
    for _ in range(6):
        lab.wait(constants.ASSOCIATION_REFRESH / 2)
        lab.lease(2, BOB)
        lab.lease(1, ALICE)
    assert of(routes(lab), BOB)["since"] >= 3 * constants.ASSOCIATION_REFRESH
    lab.join(2, ALICE)
    lab.wait(3)
    assert of(routes(lab, number=2), ALICE)["since"] == 3.0
    lab.wait(constants.DEMOTED_TIME)
    assert of(routes(lab), ALICE)["since"] == 3.0 + constants.DEMOTED_TIME


def test_a_demoted_route_says_for_whom_the_station_has_left_and_how_long_it_stays(lab: Lab) -> None:
    lab.join(2, ALICE)
    lab.wait(3)
    row = of(routes(lab), ALICE)
    assert (row["kind"], row["node"], row["gateway"], row["since"]) == ("demoted", "ap2", "10.255.0.2", 3.0)
    assert row["why"] == "left for ap2, 7 s more"


def test_a_station_that_left_for_nowhere_has_a_node_no_more(lab: Lab) -> None:
    lab.leave(1, ALICE)
    lab.wait(1)
    row = of(routes(lab), ALICE)
    assert (row["kind"], row["node"], row["why"]) == ("demoted", None, "left, 9 s more")


def test_a_route_found_at_the_start_says_that_nothing_explains_it(lab: Lab) -> None:
    lab.restart(1, stations=None)
    assert of(routes(lab), ALICE)["why"] == "found at the start, unexplained yet"


@pytest.mark.parametrize(
    ("argument", "stations"),
    [
        (None, [ALICE, BOB, ALICE, BOB]),
        ("here", [ALICE, ALICE]),
        ("direct", [BOB, BOB]),
        ("demoted", []),
        (str(BOB), [BOB, BOB]),
        (f"direct {ALICE}", []),
        ("192.0.2.0/24", [ALICE, BOB]),
        ("direct 2001:db8:44::/48", [BOB]),
        ("198.51.100.0/24", []),
    ],
)
def test_kinds_stations_and_prefixes_narrow_the_list(lab: Lab, argument: str | None, stations: list[object]) -> None:
    assert sorted(row["station"] for row in routes(lab, argument)) == sorted(map(str, stations))


def test_an_address_of_a_station_finds_both_of_its_routes(lab: Lab) -> None:
    address = lab[1].address(ALICE, lab.now)
    (v4, v6) = routes(lab, str(address))
    assert (v4["prefix"], v4["station"]) == (f"{address}/32", v6["station"])
    assert routes(lab, v6["prefix"].replace("/64", "1234")) == [v4, v6]


@pytest.mark.parametrize(
    "argument", [str(CAROL), "192.0.2.250", "192.0.2.0/99", "192.0.2.7/24", "alice", "here there", "here here here"]
)
def test_who_is_not_known_is_not_found(lab: Lab, argument: str) -> None:
    with pytest.raises(NotFound, match=r".+"):
        report(lab[1].node, "routes", argument, lab.now)


def test_rows_are_made_when_they_are_asked_for_and_what_is_gone_by_then_is_left_out(lab: Lab) -> None:
    rows = report(lab[1].node, "routes", "direct", lab.now)
    lab[1].forget()
    lab.cut(1, 2)
    lab.wait(constants.ASSOCIATION_LIFE)
    assert lab[1].all(do.RemoveRoute)
    assert list(rows) == []  # type: ignore[arg-type]


def test_a_thousand_routes_are_a_thousand_rows() -> None:
    lab = Lab(2)
    for number in range(250):
        lab.join(2, mac(number))
        lab.lease(2, mac(number))
    lab.wait(5)
    assert len(routes(lab)) == 500
