"""What time does to claims and leases: seqnos wrap, data expire and do not come back, partitions last a week."""

from __future__ import annotations

import pytest

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.seqno import HALF, MODULUS
from sroamd.core.values import RouteKind
from sroamd.wire.datum import association_key
from sroamd.wire.flood import Update
from tests.core.claims import claim, hears, owners, seqno_of
from tests.core.harness import ALICE, BOB, CAROL, Lab, id_of, lease_of
from tests.core.messages import renew

DAY = 86400.0
KEY = association_key(ALICE)


def agreed(lab: Lab) -> bool:
    return len({host.node.database.digest for host in lab.hosts}) == 1


# -- seqnos


@pytest.mark.parametrize("explicit", [True, False])
def test_station_that_roams_while_its_seqno_wraps_is_always_where_it_is(explicit: bool) -> None:
    lab = Lab(3)
    hears(lab, 1, claim(MODULUS - 4, None))
    for number in range(12):
        if explicit and number:
            lab.leave((number - 1) % 3 + 1, ALICE)
        lab.join(number % 3 + 1, ALICE)
        lab.wait(5)
        assert owners(lab) == [id_of(number % 3 + 1)] * 3
        assert agreed(lab)
    assert seqno_of(lab, 1) < 30


@pytest.mark.parametrize("first", [0, 1, 7232, HALF - 1])
@pytest.mark.parametrize("order", [1, -1])
def test_two_nodes_that_are_half_the_ring_apart_agree(first: int, order: int) -> None:
    """Defect M6 of the C daemon: there each side believes itself newer. Here it is the larger number on both."""
    lab = Lab(2)
    lab.cut(1, 2)
    for number, seqno in zip((1, 2), (first, first + HALF)[::order], strict=True):
        lab.do(number, ev.PeerReady(9, "somebody"))
        lab.do(number, ev.UpdatesReceived(9, (claim(seqno, 10 + number),)))
        lab.do(number, ev.PeerClosed(9))
    lab.connect(1, 2)
    lab.wait(5)
    assert [seqno_of(lab, number) for number in (1, 2)] == [first + HALF] * 2
    assert len(set(owners(lab))) == 1


def test_claim_of_a_station_that_is_here_goes_above_one_that_is_half_the_ring_ahead() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.cut(1, 2)
    lab.do(2, ev.PeerReady(9, "somebody"))
    lab.do(2, ev.UpdatesReceived(9, (claim(HALF, 77),)))
    lab.connect(1, 2)
    lab.wait(5)
    assert owners(lab) == [id_of(1)] * 2
    assert [seqno_of(lab, number) for number in (1, 2)] == [HALF + 1] * 2


# -- expiry


def test_claim_of_a_node_that_has_died_runs_out_everywhere_and_does_not_come_back() -> None:
    """From nobody: neither from a peer that heard of it later, nor from one that was away."""
    lab = Lab(4, links=[(1, 2), (2, 3), (2, 4)])
    lab.join(1, ALICE)
    lab.wait(10)
    lab.cut(1, 2)  # for ever
    lab.cut(2, 4)
    lab.wait(constants.ASSOCIATION_LIFE + constants.SLACK)
    for number in (2, 3, 4):
        assert lab[number].owner(ALICE, lab.now) is None
    lab.connect(2, 4)
    lab.wait(constants.ASSOCIATION_HOLD + constants.SLACK)
    for number in (2, 3, 4):
        assert lab[number].owner(ALICE, lab.now) is None
        assert lab[number].node.database.get(KEY) is None
    late = Update(0, 0, KEY, bytes(id_of(1)))
    lab.do(2, ev.UpdatesReceived(3, (late,)))
    assert lab[2].node.database.get(KEY) is None


def test_version_that_has_expired_here_is_still_above_older_ones() -> None:
    lab = Lab(2)
    hears(lab, 1, claim(9, 77, life=100))
    lab.wait(200)
    lab[1].forget()
    hears(lab, 1, claim(8, 77))
    assert lab[1].owner(ALICE, lab.now) is None
    (answer,) = [update for sent in lab[1].all(do.SendUpdates) for update in sent.updates]
    assert (answer.seqno, answer.lifetime) == (9, 0)


def test_claim_that_outlived_its_forgotten_tombstone_is_withdrawn_again() -> None:
    """The other half of the fleet never heard of the departure, and this one has forgotten it."""
    lab = Lab(3)
    lab.join(1, ALICE)
    lab.wait(1)
    lab.cut(1, 2)
    lab.leave(1, ALICE)
    lab.wait(constants.TOMBSTONE_LIFE + constants.ASSOCIATION_HOLD + 60)
    assert lab[1].node.database.get(KEY) is None
    assert lab[2].owner(ALICE, lab.now) == id_of(1)
    lab.connect(1, 2)
    lab.wait(1)
    assert owners(lab) == [b""] * 3


@pytest.mark.parametrize("first", ["the claim", "the tombstone"])
def test_claim_beats_a_tombstone_of_its_seqno_whichever_comes_first(first: str) -> None:
    lab = Lab(3)
    both = [claim(5, 77), claim(5, None)]
    lab.do(1, ev.PeerReady(9, "somebody"))
    for update in both if first == "the claim" else reversed(both):
        lab.do(1, ev.UpdatesReceived(9, (update,)))
    assert owners(lab) == [id_of(77)] * 3


# -- refresh


def test_refresh_in_a_ring_is_carried_once_over_each_link_and_direction_at_most() -> None:
    lab = Lab(4, links=[(1, 2), (2, 3), (3, 4), (4, 1)])
    lab.join(1, ALICE)
    lab.delay = 1.7
    lab.wait(60)
    for host in lab.hosts:
        host.forget()
    lab.wait(constants.ASSOCIATION_REFRESH * (1 + constants.REFRESH_SPREAD))
    sent = [u for host in lab.hosts for e in host.all(do.SendUpdates) for u in e.updates if u.key == KEY]
    assert {update.seqno for update in sent} == {1}
    assert 3 <= len(sent) <= 8


def test_refresh_of_the_c_daemon_that_keeps_its_seqno_ends_too() -> None:
    lab = Lab(4, links=[(1, 2), (2, 3), (3, 4), (4, 1)])
    lab.do(1, ev.PeerReady(9, "C"))
    lab.do(1, ev.UpdatesReceived(9, (claim(5, 77, life=1000),)))
    lab.wait(300)
    for host in lab.hosts:
        host.forget()
    lab.delay = 1.7
    lab.do(1, ev.UpdatesReceived(9, (claim(5, 77, life=1000),)))
    lab.wait(300)
    sent = [u for host in lab.hosts for e in host.all(do.SendUpdates) for u in e.updates if u.key == KEY]
    assert len(sent) <= 8


# -- partitions


def test_partition_of_minutes_with_roams_on_both_sides_heals() -> None:
    lab = Lab(4)
    for number, station in enumerate((ALICE, BOB, CAROL), 1):
        lab.join(number, station)
        lab.lease(number, station)
    lab.wait(10)
    addresses = {station: lab[1].address(station, lab.now) for station in (ALICE, BOB, CAROL)}
    lab.cut(2, 3)
    lab.wait(120)
    lab.join(4, ALICE)  # from one half to the other
    lab.wait(60)
    lab.join(3, BOB)
    lab.wait(60)
    lab.join(2, BOB)  # and back again
    lab.wait(60)
    lab.leave(3, CAROL)
    lab.connect(2, 3)
    lab.wait(3)
    assert owners(lab, ALICE) == [id_of(4)] * 4
    assert owners(lab, BOB) == [id_of(2)] * 4
    assert owners(lab, CAROL) == [b""] * 4
    assert {station: lab[4].address(station, lab.now) for station in addresses} == addresses
    assert agreed(lab)
    lab.wait(30)
    assert [len(host.here()) for host in lab.hosts] == [0, 2, 0, 2]
    assert [len(host.of_kind(RouteKind.DIRECT)) for host in lab.hosts] == [4, 2, 4, 2]


def test_partition_of_eight_days_heals_and_nobody_is_renumbered() -> None:
    """Longer than an expired lease is remembered: the other half knows nothing any more of who stayed here."""
    lab = Lab(2)
    for number, station in ((1, ALICE), (2, BOB), (2, CAROL)):
        lab.join(number, station)
        lab.lease(number, station)
    lab.leave(2, CAROL)
    lab.wait(10)
    addresses = {station: lab[1].address(station, lab.now) for station in (ALICE, BOB)}
    assert None not in addresses.values()
    lab.cut(1, 2)
    began = seqno_of(lab, 1)
    for _ in range(8 * 96):
        lab.wait(900)
        for number, station in ((1, ALICE), (2, BOB)):
            lab.dhcp(number, renew(station, addresses[station]))  # type: ignore[arg-type]
            lab[number].forget()
    assert (seqno_of(lab, 1) - began) % MODULUS < 8 * DAY / constants.ASSOCIATION_REFRESH / (1 - 0.1) + 1
    for number, station, other in ((1, ALICE, BOB), (2, BOB, ALICE)):
        assert lab[number].address(station, lab.now) == addresses[station]
        assert lab[number].node.database.get(lease_of(addresses[other])) is None  # type: ignore[arg-type]
    lab.connect(1, 2)
    lab.wait(3)
    assert agreed(lab)
    assert (owners(lab, ALICE), owners(lab, BOB)) == ([id_of(1)] * 2, [id_of(2)] * 2)
    for host in lab.hosts:
        assert {station: host.address(station, lab.now) for station in addresses} == addresses
        assert host.all(do.Disassociate) == []
    lab.wait(30)
    assert [len(host.here()) for host in lab.hosts] == [2, 2]


def test_station_that_crossed_while_they_were_apart_for_eight_days_is_where_it_is() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    lab.cut(1, 2)
    lab.wait(8 * DAY)
    lab.join(2, ALICE)
    lab.connect(1, 2)
    lab.wait(3)
    assert owners(lab) == [id_of(2)] * 2
    assert lab.lease(2, ALICE) == address
    lab.wait(30)
    assert [bool(host.here()) for host in lab.hosts] == [False, True]
