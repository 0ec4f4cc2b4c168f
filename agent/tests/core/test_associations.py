"""Where stations are: arrival, departure and the list of stations (rules A1, A2)."""

from __future__ import annotations

from dataclasses import replace

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
@pytest.mark.conformance("c23")
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


def test_stations_of_an_interface_that_is_configured_no_more_have_left() -> None:
    lab = Lab(2, interfaces=("wlan0", "wlan1"))
    lab.join(1, ALICE, "wlan0")
    lab.lease(1, ALICE)
    lab.join(1, BOB, "wlan1")
    lab.do(1, ev.ConfigReloaded(replace(lab[1].config, interfaces=lab[1].config.interfaces[1:])))
    assert lab[1].node.state.present == {BOB: "wlan1"}
    assert [host.owner(ALICE, lab.now) for host in lab.hosts] == [b"", b""]
    assert lab[1].node.associations.all_listed
    lab.wait(11)
    assert {route.next_hop.interface for route in lab[1].kernel.values()} == {"wlan1"}


def test_station_that_moves_between_two_interfaces_of_one_node_stays_ours() -> None:
    lab = Lab(interfaces=("wlan0", "wlan1"))
    lab.join(1, ALICE, "wlan0")
    lab.do(1, ev.StationsListed("wlan1", frozenset({ALICE})))
    lab.do(1, ev.StationsListed("wlan0", frozenset()))
    assert lab[1].node.state.present == {ALICE: "wlan1"}
    assert owners(lab) == [id_of(1)]


# -- found in the list, which says who was authorised once, and not who is here


def found(lab: Lab, number: int, *stations: Mac) -> list[do.Effect]:
    return lab.do(number, ev.StationsListed("wlan0", frozenset(stations)))


def test_station_that_is_found_and_answers_is_claimed() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    lab.leave(1, ALICE)
    lab.wait(20)
    lab.really_at[ALICE] = 2
    assert [type(e) for e in found(lab, 2, ALICE) if isinstance(e, do.SendArpRequest | do.PollStation)] == [
        do.SendArpRequest
    ]
    assert owners(lab) == [id_of(2)] * 2
    assert len(lab[2].here()) == 2


@pytest.mark.parametrize("one_channel", [True, False])
def test_ghost_that_is_found_takes_the_station_from_nobody(one_channel: bool) -> None:
    """The list of an access point that we had lost still has a station that is elsewhere now."""
    lab = Lab(2)
    lab.one_channel = one_channel
    lab.join(2, ALICE)
    lab.lease(2, ALICE)
    before = seqno_of(lab, 1)
    lab[2].forget()
    found(lab, 1, ALICE)
    lab.wait(5)
    assert owners(lab) == [id_of(2)] * 2
    assert seqno_of(lab, 1) == before
    assert lab[1].all(do.Disassociate) == [do.Disassociate("wlan0", ALICE)]
    assert lab[2].all(do.SendArpRequest) == lab[2].all(do.InstallRoute) == lab[2].all(do.RemoveRoute) == []


def test_station_that_is_found_and_has_its_routes_is_claimed_unasked() -> None:
    """A restart: the routes of our former self say that it was here when we stopped."""
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    lab.wait(10)
    lab[1].forget()
    lab.restart(1, stations=[ALICE])
    assert lab[1].all(do.SendArpRequest) == []
    assert lab[1].owner(ALICE, lab.now) == id_of(1)


def test_station_that_is_found_with_its_routes_but_is_anothers_says_the_database_is_asked() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    lab.wait(10)
    lab.cut(1, 2)
    lab.join(2, ALICE)
    lab.restart(1, stations=None)
    lab.connect(1, 2)
    lab[1].forget()
    found(lab, 1, ALICE)
    lab.wait(5)
    assert len(lab[1].all(do.SendArpRequest)) == constants.PING_TRIES
    assert owners(lab) == [id_of(2)] * 2
    assert lab[1].here() == set()


def test_station_that_is_found_and_can_be_asked_nothing_is_claimed() -> None:
    lab = Lab(2)
    found(lab, 1, ALICE)
    assert owners(lab) == [id_of(1)] * 2
