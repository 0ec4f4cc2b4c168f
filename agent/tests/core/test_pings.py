"""Is the station still here? Rules A3 to A6 of the design, and the ping that decides."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.wire.flood import Update
from sroamd.wire.icmpv6 import RouterSolicitation
from tests.core.claims import claim, hears, owners, seqno_of
from tests.core.harness import ALICE, BOB, GATEWAY6, Lab, id_of, lease_of, mac
from tests.core.messages import GATEWAY, release

LINK_LOCAL = IPv6Address("fe80::107")


def pings(lab: Lab, number: int = 1) -> list[do.PollStation]:
    return lab[number].all(do.PollStation)


# -- A3: another node has it, says the database


def test_a3_foreign_claim_pings_at_once_and_disassociates_nobody() -> None:
    """Defect A2 of the C daemon: any foreign claim disassociates, unverified."""
    lab = Lab(2)
    lab.join(1, ALICE)
    del lab.really_at[ALICE]
    effects = hears(lab, 1, claim(9, 2))
    assert do.PollStation("wlan0", ALICE) in effects
    assert lab[1].all(do.Disassociate) == []


def test_a6_answer_is_a_new_claim_above_the_other() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    hears(lab, 1, claim(1, 2))
    assert owners(lab) == [id_of(1)] * 2
    assert seqno_of(lab, 2) == 2


def test_ping_fails_after_three_tries_and_600_ms() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    del lab.really_at[ALICE]
    hears(lab, 1, claim(9, 2))
    lab.wait(0.59)
    assert len(pings(lab)) == constants.PING_TRIES
    assert lab[1].all(do.Disassociate) == []
    lab.wait(0.02)
    assert lab[1].all(do.Disassociate) == [do.Disassociate("wlan0", ALICE)]
    assert lab[1].node.state.present == {}
    assert lab[1].owner(ALICE, lab.now) == id_of(2)
    lab.wait(10)
    assert len(pings(lab)) == constants.PING_TRIES


def refresh(lab: Lab) -> None:
    """Until Alice, who is at node 1 alone, is asked because her claim is due for renewal."""
    lab.join(1, ALICE)
    lab.do(1, ev.RouterSolicited("wlan0", ALICE, LINK_LOCAL, RouterSolicitation(ALICE)))
    lab.wait(constants.ASSOCIATION_REFRESH * 0.8)
    del lab.really_at[ALICE]
    lab[1].forget()
    while not pings(lab):
        lab.wait(1.0)


def test_phone_that_sleeps_for_a_second_is_not_sent_away_when_nobody_else_claims_it() -> None:
    lab = Lab()
    refresh(lab)
    lab.wait(0.9)
    lab.do(1, ev.ProbeAnswered("wlan0", ALICE, ev.Probe.NEIGHBOR))
    lab.wait(5)
    assert lab[1].all(do.Disassociate) == []
    assert lab[1].owner(ALICE, lab.now) == id_of(1)


def test_station_that_has_left_without_a_word_is_let_go_after_two_seconds() -> None:
    lab = Lab()
    refresh(lab)
    lab.wait(3)
    assert len(pings(lab)) == constants.PING_TRIES_ALONE
    assert lab[1].all(do.Disassociate) == [do.Disassociate("wlan0", ALICE)]


def test_answer_to_the_last_try_counts() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    del lab.really_at[ALICE]
    hears(lab, 1, claim(9, 2))
    lab.wait(0.55)
    lab.do(1, ev.ProbeAnswered("wlan0", ALICE, ev.Probe.POLL))
    assert owners(lab) == [id_of(1)] * 2
    lab.wait(5)
    assert lab[1].all(do.Disassociate) == []


def test_another_foreign_claim_starts_the_ping_again() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    del lab.really_at[ALICE]
    hears(lab, 1, claim(9, 2))
    lab.wait(0.5)
    hears(lab, 1, claim(10, 2))
    lab.wait(0.55)
    assert lab[1].all(do.Disassociate) == []
    lab.wait(0.1)
    assert lab[1].all(do.Disassociate) == [do.Disassociate("wlan0", ALICE)]


def test_authorisation_while_a_ping_is_under_way_settles_it() -> None:
    """A silent return: hostapd says again that the station is authorised."""
    lab = Lab(2)
    lab.join(1, ALICE)
    del lab.really_at[ALICE]
    hears(lab, 1, claim(9, 2))
    lab.wait(0.3)
    lab.do(1, ev.StationAuthorized("wlan0", ALICE))
    lab.wait(5)
    assert lab[1].all(do.Disassociate) == []
    assert owners(lab) == [id_of(1)] * 2


def test_departure_while_a_ping_is_under_way_ends_it() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    hears(lab, 1, claim(9, 2))
    lab.leave(1, ALICE)
    lab.wait(5)
    assert lab[1].all(do.Disassociate) == []


def test_a5_defect_tombstone_for_a_station_that_is_here_is_answered_with_a_claim() -> None:
    """Defect A5 of the C daemon: it stays unclaimed until its next DHCP packet."""
    lab = Lab(2)
    lab.join(1, ALICE)
    hears(lab, 1, claim(1, None))
    assert owners(lab) == [id_of(1)] * 2


def test_answers_without_a_question_change_nothing() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    assert lab.do(1, ev.ProbeAnswered("wlan0", ALICE, ev.Probe.POLL)) == []
    assert lab.do(1, ev.ProbeAnswered("wlan0", BOB, ev.Probe.POLL)) == []


def test_answer_on_another_interface_does_not_count() -> None:
    lab = Lab(2, interfaces=("wlan0", "wlan1"))
    lab.join(1, ALICE)
    del lab.really_at[ALICE]
    hears(lab, 1, claim(9, 2))
    lab.do(1, ev.ProbeAnswered("wlan1", ALICE, ev.Probe.POLL))
    assert lab[1].owner(ALICE, lab.now) == id_of(2)


def test_ping_against_another_claim_asks_what_takes_the_keys_of_this_association() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    lab.do(1, ev.RouterSolicited("wlan0", ALICE, LINK_LOCAL, RouterSolicitation(ALICE)))
    del lab.really_at[ALICE]
    lab[1].forget()
    hears(lab, 1, claim(9, 2))
    assert pings(lab) == []
    assert lab[1].all(do.SendArpRequest) == [do.SendArpRequest("wlan0", ALICE, GATEWAY, address)]
    asked = lab[1].all(do.SendNeighborSolicitation)
    assert asked == [do.SendNeighborSolicitation("wlan0", ALICE, GATEWAY6, LINK_LOCAL)]


def with_leases(lab: Lab, count: int) -> list[IPv4Address]:
    """So many of Alice's, as peers tell of them."""
    addresses = [IPv4Address(f"192.0.2.{70 + number}") for number in range(count)]
    lab.do(1, ev.UpdatesReceived(2, tuple(Update(1, 900, lease_of(each), bytes(ALICE)) for each in addresses)))
    return addresses


def test_ping_asks_at_every_living_address_until_one_answers() -> None:
    """Two nodes may have given it an address each while they were apart, and it uses the one that is not the lowest."""
    lab = Lab(2)
    lab.join(1, ALICE)
    addresses = with_leases(lab, 3)
    lab.dhcp(1, release(ALICE, addresses[1]))
    del lab.really_at[ALICE]
    hears(lab, 1, claim(1, 2))
    asked = [request.target for request in lab[1].all(do.SendArpRequest)]
    assert asked == [addresses[0], addresses[2]]
    lab.do(1, ev.ProbeAnswered("wlan0", ALICE, ev.Probe.ARP))
    assert owners(lab) == [id_of(1)] * 2


def test_ping_asks_at_a_bounded_number_of_addresses() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    addresses = with_leases(lab, 50)
    del lab.really_at[ALICE]
    hears(lab, 1, claim(1, 2))
    asked = [request.target for request in lab[1].all(do.SendArpRequest)]
    assert asked == addresses[: constants.PING_ADDRESSES_MAX]


def test_answer_of_a_kind_that_was_not_asked_for_is_none() -> None:
    """An acknowledgement that was under way when the claim came, from a radio that answers every access point."""
    lab = Lab(2)
    lab.join(1, ALICE)
    with_leases(lab, 1)
    del lab.really_at[ALICE]
    hears(lab, 1, claim(1, 2))
    lab.do(1, ev.ProbeAnswered("wlan0", ALICE, ev.Probe.POLL))
    lab.do(1, ev.ProbeAnswered("wlan0", ALICE, ev.Probe.NEIGHBOR))
    assert lab[1].owner(ALICE, lab.now) == id_of(2)


def test_link_local_address_of_a_station_that_left_is_forgotten() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    lab.do(1, ev.RouterSolicited("wlan0", ALICE, LINK_LOCAL, RouterSolicitation(ALICE)))
    lab.leave(1, ALICE)
    assert lab[1].node.associations.pings._link_local == {}


# -- A4: a tie that was won


def with_a_lease_at_2() -> Lab:
    lab = Lab(2)
    lab.join(2, ALICE)
    lab.lease(2, ALICE)
    lab[2].forget()
    return lab


def test_a4_tie_that_is_won_is_verified_too() -> None:
    lab = with_a_lease_at_2()
    del lab.really_at[ALICE]
    lab.do(2, ev.UpdatesReceived(1, (claim(seqno_of(lab, 2), 1),)))
    assert len(lab[2].all(do.SendArpRequest)) == 1
    lab.wait(1)
    assert lab[2].all(do.Disassociate) == [do.Disassociate("wlan0", ALICE)]
    assert lab[2].owner(ALICE, lab.now) == b""


def test_a4_tie_that_is_won_by_a_live_station_is_a_new_claim() -> None:
    lab = with_a_lease_at_2()
    mine = seqno_of(lab, 2)
    lab.do(2, ev.UpdatesReceived(1, (claim(mine, 1),)))
    assert owners(lab) == [id_of(2)] * 2
    assert seqno_of(lab, 1) == mine + 1


def test_a4_asks_nothing_that_a_radio_answers_by_itself() -> None:
    """Both nodes would get the acknowledgement, claim with one seqno, and tie again for ever (found by spin)."""
    lab = with_a_lease_at_2()
    lab.do(2, ev.UpdatesReceived(1, (claim(seqno_of(lab, 2), 1),)))
    assert pings(lab, 2) == []
    other = Lab(2)
    other.join(2, ALICE)  # without any address
    other[2].forget()
    other.do(2, ev.UpdatesReceived(1, (claim(seqno_of(other, 2), 1),)))
    assert pings(other, 2) == []
    other.wait(5)
    assert other[2].all(do.Disassociate) == []


def tied_in_lockstep(*, address: bool) -> Lab:
    """Two nodes on one channel. The second wins the tie, and the station is at the first."""
    lab = Lab(2)
    lab.one_channel = True
    lab.join(1, ALICE)
    if address:
        lab.lease(1, ALICE)
    lab.wait(10)
    lab.delay, lab.air = 0.05, 0.002
    lab.join(2, ALICE)
    lab.join(1, ALICE)
    return lab


def test_two_nodes_on_one_channel_that_tie_in_lockstep_come_to_rest_where_the_station_is() -> None:
    lab = tied_in_lockstep(address=True)
    before = seqno_of(lab, 1)
    lab.wait(10)
    assert owners(lab) == [id_of(1)] * 2
    assert seqno_of(lab, 1) <= before + 2
    assert lab[1].all(do.Disassociate) == []
    assert lab[2].node.state.present == {}


def test_without_any_address_they_come_to_rest_too_at_the_price_of_one_reassociation() -> None:
    lab = tied_in_lockstep(address=False)
    before = seqno_of(lab, 1)
    lab.wait(10)
    assert seqno_of(lab, 1) <= before + 2
    assert lab[1].all(do.Disassociate) == [do.Disassociate("wlan0", ALICE)]
    lab.join(1, ALICE)
    lab.wait(10)
    assert owners(lab) == [id_of(1)] * 2
    assert lab[2].node.state.present == {}
    assert len(lab[1].all(do.Disassociate)) == 1


def test_tombstone_that_loses_a_tie_contradicts_nothing() -> None:
    """The ordinary roam, with a departure that is noticed late."""
    lab = with_a_lease_at_2()
    mine = seqno_of(lab, 2)
    lab.do(2, ev.UpdatesReceived(1, (claim(mine, None),)))
    lab.wait(5)
    assert lab[2].all(do.SendArpRequest) == []
    assert seqno_of(lab, 2) == mine


def test_older_claim_is_no_reason_to_ask() -> None:
    lab = Lab(2)
    lab.join(2, ALICE)
    lab.join(2, ALICE)
    lab[2].forget()
    lab.do(2, ev.UpdatesReceived(1, (claim(0, 1),)))
    assert pings(lab, 2) == []


# -- A5: the database names us for a station that is not here


def test_a5_claim_in_our_name_for_somebody_who_is_not_here_is_withdrawn() -> None:
    lab = Lab(2)
    hears(lab, 1, claim(9, 1))
    assert owners(lab) == [b""] * 2


def test_a5_waits_until_hostapd_has_told_who_is_here() -> None:
    lab = Lab(2)
    lab.restart(1, stations=None)
    hears_before = lab[1].owner(ALICE, lab.now)
    lab.connect(1, 2)
    hears(lab, 1, claim(9, 1))
    assert hears_before is None
    assert lab[1].owner(ALICE, lab.now) == id_of(1)
    lab.do(1, ev.StationsListed("wlan0", frozenset()))
    assert owners(lab) == [b""] * 2


def test_flood_of_claims_in_our_name_ends() -> None:
    lab = Lab(2)
    hears(lab, 1, *(claim(9, 1, mac(number)) for number in range(500)))
    assert {owners(lab, mac(number))[1] for number in range(500)} == {b""}


# -- refresh


def test_claim_of_a_live_station_is_renewed_in_time() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.do(1, ev.RouterSolicited("wlan0", ALICE, LINK_LOCAL, RouterSolicitation(ALICE)))
    lab.wait(3 * constants.ASSOCIATION_LIFE)
    assert owners(lab) == [id_of(1)] * 2
    assert seqno_of(lab, 2) == len(pings(lab)) >= 8
    assert lab[1].all(do.Disassociate) == []


def test_claim_of_a_station_that_does_not_answer_any_more_is_withdrawn() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.do(1, ev.RouterSolicited("wlan0", ALICE, LINK_LOCAL, RouterSolicitation(ALICE)))
    del lab.really_at[ALICE]
    lab.wait(constants.ASSOCIATION_REFRESH * (1 + constants.REFRESH_SPREAD) + 1)
    assert owners(lab) == [b""] * 2
    assert lab[1].all(do.Disassociate) == [do.Disassociate("wlan0", ALICE)]


def test_station_without_any_address_is_renewed_without_asking() -> None:
    """There is nothing to ask it at; hostapd must know."""
    lab = Lab()
    lab.join(1, ALICE)
    del lab.really_at[ALICE]
    lab.wait(3 * constants.ASSOCIATION_LIFE)
    assert owners(lab) == [id_of(1)]


def test_refresh_of_a_station_that_another_node_has_is_not_ours() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.join(2, ALICE)
    lab.wait(1)
    lab[1].forget()
    lab.wait(constants.ASSOCIATION_REFRESH * 2)
    assert pings(lab) == []


def test_machine_that_slept_gives_a_ping_its_time_all_the_same() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    del lab.really_at[ALICE]
    hears(lab, 1, claim(9, 2))
    lab.now += 7200
    lab[1].forget()
    lab.do(1, ev.Tick())
    assert lab[1].all(do.Disassociate) == []
    assert lab[1].node.state.present == {ALICE: "wlan0"}
    lab.wait(constants.PING_TRIES_ALONE * constants.PING_INTERVAL + 0.1)
    assert lab[1].all(do.Disassociate) == [do.Disassociate("wlan0", ALICE)]
