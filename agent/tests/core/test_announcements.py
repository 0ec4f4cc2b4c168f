"""Telling a station who its gateway is: at 0, 10, 50 and 200 ms, by ARP and by neighbour advertisement."""

from __future__ import annotations

import pytest

from sroamd.core import effects as do
from sroamd.core import events as ev
from tests.core.harness import ALICE, BOB, GATEWAY6, Lab
from tests.core.messages import GATEWAY


def announced(lab: Lab, number: int = 1) -> tuple[int, int]:
    return len(lab[number].all(do.SendGratuitousArp)), len(lab[number].all(do.SendNeighborAdvertisement))


@pytest.mark.spec("RFC 5227", "2.3")
@pytest.mark.conformance("r5227_23_ann")
def test_r5227_23_ann_at_once_and_at_10_50_and_200_ms() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    for until, count in ((0.009, 1), (0.011, 2), (0.049, 2), (0.051, 3), (0.199, 3), (0.201, 4), (10.0, 4)):
        lab.wait(1000 + until - lab.now)
        assert announced(lab) == (count, count)


@pytest.mark.spec("RFC 4861", "7.2.6")
@pytest.mark.conformance("r4861_726_na")
def test_r4861_726_na_and_arp_go_to_the_station_alone_with_the_gateways_addresses() -> None:
    lab = Lab(interfaces=("wlan0", "wlan1"))
    lab.join(1, ALICE, "wlan1")
    assert lab[1].all(do.SendGratuitousArp) == [do.SendGratuitousArp("wlan1", ALICE, GATEWAY)]
    assert lab[1].all(do.SendNeighborAdvertisement) == [do.SendNeighborAdvertisement("wlan1", ALICE, GATEWAY6)]


def test_announcing_stops_when_the_station_has_left() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    lab.wait(0.02)
    lab.leave(1, ALICE)
    lab.wait(1)
    assert announced(lab) == (2, 2)
    assert lab[1].node.announcements._begun == {}


def test_return_begins_anew() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    lab.wait(0.02)
    lab.leave(1, ALICE)
    lab.join(1, ALICE)
    lab.wait(1)
    assert announced(lab) == (2 + 4, 2 + 4)


def test_only_those_are_told_who_came() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    lab.wait(1)
    lab[1].forget()
    lab.join(1, BOB)
    lab.wait(1)
    assert {sent.station for sent in lab[1].all(do.SendGratuitousArp)} == {BOB}


def test_station_on_its_way_between_interfaces_is_told_where_it_is() -> None:
    lab = Lab(interfaces=("wlan0", "wlan1"))
    lab.join(1, ALICE, "wlan0")
    lab.wait(0.02)
    lab[1].forget()
    lab.join(1, ALICE, "wlan1")
    lab.wait(1)
    assert {sent.interface for sent in lab[1].all(do.SendGratuitousArp)} == {"wlan1"}


def test_stations_found_at_the_start_are_told() -> None:
    lab = Lab()
    lab.restart(1, stations=[ALICE])
    assert announced(lab) == (1, 1)


def test_late_timer_makes_up_for_what_it_missed_and_no_more() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    lab.now += 3600
    lab.do(1, ev.Tick())
    lab.wait(1)
    assert announced(lab) == (4, 4)
