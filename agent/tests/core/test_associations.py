"""Where stations are: arrival, departure and the list of stations (rules A1, A2)."""

from __future__ import annotations

import pytest

from sroamd import constants
from sroamd.addresses import BROADCAST, NO_MAC, Mac
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.wire.datum import association_key
from tests.core.claims import owners, seqno_of
from tests.core.harness import ALICE, BOB, Lab, id_of, mac

# -- A1 and A2


def test_a1_station_appears_and_all_nodes_know() -> None:
    lab = Lab(3)
    lab.join(1, ALICE)
    assert owners(lab) == [id_of(1)] * 3
    datum = lab[1].node.database.get(association_key(ALICE))
    assert datum is not None
    assert datum.remaining(lab.now) == constants.ASSOCIATION_LIFE


def test_a1_return_to_the_same_node_is_a_new_claim() -> None:
    """Defect A1 of the C daemon: there it only extends, and a claim that is crossing wins."""
    lab = Lab()
    lab.join(1, ALICE)
    before = seqno_of(lab, 1)
    lab.join(1, ALICE)
    assert seqno_of(lab, 1) == before + 1


def test_a2_departure_is_withdrawn_everywhere() -> None:
    lab = Lab(3)
    lab.join(1, ALICE)
    lab.leave(1, ALICE)
    assert owners(lab) == [b""] * 3


def test_a2_late_departure_after_a_roam_withdraws_nothing() -> None:
    """Section 2.4 (a): the old node hears of the departure after the new one has claimed."""
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.join(2, ALICE)
    lab.leave(1, ALICE)
    assert owners(lab) == [id_of(2)] * 2


def test_departure_from_another_interface_is_an_old_story() -> None:
    lab = Lab(interfaces=("wlan0", "wlan1"))
    lab.join(1, ALICE, "wlan0")
    lab.join(1, ALICE, "wlan1")
    lab.leave(1, ALICE, "wlan0")
    assert lab[1].node.state.present == {ALICE: "wlan1"}
    assert owners(lab) == [id_of(1)]


def test_departure_of_a_stranger_is_nothing() -> None:
    lab = Lab()
    effects = lab.leave(1, ALICE)
    assert effects == []


@pytest.mark.parametrize("station", [BROADCAST, NO_MAC, Mac(b"\x03\0\0\0\0\x07"), Mac(b"\x02\0\0\xee\0\x01")])
def test_c23_addresses_of_groups_nobody_and_ourselves_are_refused(station: Mac) -> None:
    lab = Lab()
    effects = lab.join(1, station)
    assert lab[1].node.state.present == {}
    assert lab[1].node.database.get(association_key(station)) is None
    assert [type(effect) for effect in effects] == [do.Note]


def test_more_stations_than_a_node_may_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "STATIONS_MAX", 3)
    lab = Lab()
    for number in range(5):
        lab.join(1, mac(number))
    assert set(lab[1].node.state.present) == {mac(0), mac(1), mac(2)}
    lab.join(1, mac(1))  # one that is here may come again
    lab.leave(1, mac(0))
    lab.join(1, mac(4))
    assert set(lab[1].node.state.present) == {mac(1), mac(2), mac(4)}


# -- the list of stations


def test_list_after_reattachment_tells_who_came_and_who_left() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    lab[1].forget()
    lab.do(1, ev.StationsListed("wlan0", frozenset({BOB})))
    assert (lab[1].owner(ALICE, lab.now), lab[1].owner(BOB, lab.now)) == (b"", id_of(1))
    assert {sent.station for sent in lab[1].all(do.SendGratuitousArp)} == {BOB}


def test_list_claims_nobody_again_who_was_here_all_the_time() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    lab[1].forget()
    assert lab.do(1, ev.StationsListed("wlan0", frozenset({ALICE}))) == []


def test_list_of_one_interface_says_nothing_about_the_other() -> None:
    lab = Lab(interfaces=("wlan0", "wlan1"))
    lab.join(1, ALICE, "wlan0")
    lab.join(1, BOB, "wlan1")
    lab.do(1, ev.StationsListed("wlan1", frozenset()))
    assert set(lab[1].node.state.present) == {ALICE}


def test_station_that_moves_between_two_interfaces_of_one_node_stays_ours() -> None:
    lab = Lab(interfaces=("wlan0", "wlan1"))
    lab.join(1, ALICE, "wlan0")
    lab.do(1, ev.StationsListed("wlan1", frozenset({ALICE})))
    lab.do(1, ev.StationsListed("wlan0", frozenset()))
    assert lab[1].node.state.present == {ALICE: "wlan1"}
    assert owners(lab) == [id_of(1)]
