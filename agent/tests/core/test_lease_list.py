"""What `sroamctl leases` lists: the state of each address and prefix, and whose it is."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import Any

import pytest

from sroamd import constants
from sroamd.config import Reservation
from sroamd.core import events as ev
from sroamd.core.status import NotFound, report
from sroamd.wire.datum import hostname_key
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, BOB, CAROL, Lab
from tests.core.messages import decline, discover, release
from tests.core.reloading import kept_for, reload

Row = dict[str, Any]


@pytest.fixture
def lab() -> Lab:
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.join(2, BOB)
    lab.wait(1)
    return lab


def leases(lab: Lab, argument: str | None = None, number: int = 1) -> list[Row]:
    return json.loads(json.dumps(list(report(lab[number].node, "leases", argument, lab.now))))  # type: ignore[arg-type, no-any-return]


def of(lab: Lab, address: object, argument: str = "", number: int = 1) -> Row:
    (row,) = leases(lab, f"{argument} {address}", number)
    return row


def test_a_lease_is_bound_at_all_nodes_and_names_its_station_and_where_that_is(lab: Lab) -> None:
    address = lab.lease(1, ALICE)
    for number in (1, 2):
        name = Update(0, 3600, hostname_key(ALICE), b"phone\x1b[2J")
        lab.do(number, ev.UpdatesReceived(3 - number, (name,)))
        row = of(lab, address, number=number)
        assert row == {
            "address": str(address),
            "station": str(ALICE),
            "hostname": r"phone\x1b[2J",
            "expires": pytest.approx(1800, abs=2),
            "state": "bound",
            "where": "ap1",
        }


def test_what_is_only_offered_is_told_from_a_lease_at_all_nodes(lab: Lab) -> None:
    (offer,) = lab.dhcp(1, discover(ALICE))
    assert [of(lab, offer.message.yiaddr, number=number)["state"] for number in (1, 2)] == ["offered", "offered"]
    address = lab.lease(1, ALICE)
    lab.wait(1800 - constants.OFFER_LIFE + 10)
    assert of(lab, address)["state"] == "bound"  # although it ends as soon


def test_what_is_declined_has_no_station_and_what_is_over_is_shown_if_asked_for(lab: Lab) -> None:
    first = lab.lease(1, ALICE)
    lab.dhcp(1, decline(ALICE, first))
    second = lab.lease(1, ALICE)
    lab.dhcp(1, release(ALICE, second))
    lab.wait(10)
    declined = of(lab, first)
    assert (declined["state"], declined["station"], declined["where"]) == ("declined", None, None)
    assert leases(lab, str(second)) == []
    expired = of(lab, second, "expired")
    assert (expired["state"], expired["station"], expired["expires"]) == ("expired", str(ALICE), -10)


def test_what_is_reserved_is_listed_until_its_station_has_it(lab: Lab) -> None:
    by_id = Reservation(client_id=b"\xff\x01", address=IPv4Address("192.0.2.10"), hostname="printer")
    reload(lab, reservations=(kept_for(ALICE, "192.0.2.9", "2001:db8:44:7::/64"), by_id))
    assert [row["state"] for row in leases(lab, "192.0.2.8/29")] == ["reserved", "reserved"]
    assert of(lab, "192.0.2.9") == {
        "address": "192.0.2.9",
        "station": str(ALICE),
        "hostname": None,
        "expires": None,
        "state": "reserved",
        "where": "ap1",
    }
    assert (of(lab, "192.0.2.10")["station"], of(lab, "192.0.2.10")["hostname"]) == ("client-id ff:01", "printer")
    lab.lease(1, ALICE)
    assert of(lab, "192.0.2.9")["state"] == "bound"
    assert of(lab, "2001:db8:44:7::1")["state"] in ("reserved", "bound")


def test_leases_are_filtered_by_station_address_and_prefix(lab: Lab) -> None:
    address = lab.lease(1, ALICE)
    other = lab.lease(2, BOB)
    mine = leases(lab, str(ALICE))
    assert {row["station"] for row in mine} == {str(ALICE)}
    assert {row["address"] for row in mine if ":" not in row["address"]} == {str(address)}
    (prefix,) = (row["address"] for row in mine if ":" in row["address"])
    assert leases(lab, prefix) == leases(lab, prefix.removesuffix("/64") + "1234")
    assert [row["address"] for row in leases(lab, prefix)] == [prefix]
    assert {row["address"] for row in leases(lab, "192.0.2.0/24")} == {str(address), str(other)}
    assert len(leases(lab)) == 4
    assert leases(lab, str(CAROL)) == leases(lab, "198.51.100.7") == []


@pytest.mark.parametrize("argument", ["nobody", "192.0.2.7 192.0.2.8", "expired x", "192.0.2.1/24"])
def test_what_is_no_filter_is_said(lab: Lab, argument: str) -> None:
    with pytest.raises(NotFound, match=r"is neither a MAC, nor an IP address, nor a prefix|is not \[expired\]"):
        leases(lab, argument)


def test_status_says_that_a_pool_runs_short(lab: Lab) -> None:
    reload(lab, ranges=((IPv4Address("192.0.2.100"), IPv4Address("192.0.2.101")),))
    assert report(lab[1].node, "status", None, lab.now)["problems"] == []  # type: ignore[index, call-overload]
    for number, station in ((1, ALICE), (2, BOB)):
        lab.lease(number, station)
    (problem,) = report(lab[1].node, "status", None, lab.now)["problems"]  # type: ignore[index, call-overload]
    assert problem == "the pool 192.0.2.0/24 is nearly exhausted: 0 of 2 are left"
