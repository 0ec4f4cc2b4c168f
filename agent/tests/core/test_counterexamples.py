"""Traces that strand stations under the C daemon's rule (flooding, section 2: CE1 to CE9), and their like.

In each: quiet in the end, equal databases, they name the node where the station is, and only that one routes.
"""

from __future__ import annotations

import pytest

from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.values import RouteKind
from sroamd.wire.datum import association_key
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, Lab, id_of


def settle(lab: Lab) -> None:
    for host in lab.hosts:
        for other in host.peers.values():
            lab.release(host.number, other.number)
    lab.wait(15)


def assert_agreed(lab: Lab, at: int) -> None:
    assert [host.owner(ALICE, lab.now) for host in lab.hosts] == [id_of(at)] * len(lab.hosts)
    assert len({host.node.database.digest for host in lab.hosts}) == 1
    routing = [host.number for host in lab.hosts if host.here()]
    assert routing == [at]
    assert all(route.kind is not RouteKind.DEMOTED for host in lab.hosts for route in host.kernel.values())
    assert [host.number for host in lab.hosts if ALICE in host.node.state.present] == [at]


def disassociated(lab: Lab) -> list[int]:
    return [host.number for host in lab.hosts if host.all(do.Disassociate)]


def with_a_lease(count: int, **options: object) -> Lab:
    """Alice has been here, got her addresses, and left."""
    lab = Lab(count, **options)  # type: ignore[arg-type]
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    lab.leave(1, ALICE)
    lab.wait(20)
    for host in lab.hosts:
        host.forget()
    return lab


def test_ce1_two_claims_that_cross_at_a_relay_end_with_one_route() -> None:
    lab = with_a_lease(3)
    lab.hold(2, 3)
    lab.join(1, ALICE)
    lab.join(3, ALICE)
    lab.release(2, 3)
    lab.release(3, 2)
    lab.wait(0.1)
    lab.join(1, ALICE)
    settle(lab)
    assert_agreed(lab, at=1)


def test_ce2_departure_that_crosses_the_new_claim_brings_nothing_back() -> None:
    lab = with_a_lease(2)
    lab.join(1, ALICE)
    lab.hold(1, 2)
    lab.join(2, ALICE)
    lab.leave(1, ALICE)
    settle(lab)
    assert_agreed(lab, at=2)
    assert disassociated(lab) == []


def test_ce3_fast_pingpong_disassociates_nobody_who_is_here() -> None:
    lab = with_a_lease(2)
    lab.join(1, ALICE)
    lab.hold(1, 2)
    lab.join(2, ALICE)
    lab.join(1, ALICE)
    settle(lab)
    assert_agreed(lab, at=1)
    assert disassociated(lab) in ([], [2])


def test_ce4_heal_disassociates_nobody_who_is_here() -> None:
    lab = with_a_lease(2)
    lab.join(1, ALICE)
    lab.cut(1, 2)
    lab.join(2, ALICE)
    lab.wait(30)
    lab.join(1, ALICE)
    lab.wait(30)
    lab.connect(1, 2)
    settle(lab)
    assert_agreed(lab, at=1)
    assert disassociated(lab) in ([], [2])


@pytest.mark.parametrize("keep_disk", [True, False], ids=["with its leases", "without its leases"])
@pytest.mark.parametrize("same_id", [True, False], ids=["same id", "new id"])
def test_ce5_restart_disassociates_nobody_who_is_here(keep_disk: bool, same_id: bool) -> None:
    lab = with_a_lease(2)
    lab.join(1, ALICE)
    lab.wait(100)
    address = lab[2].address(ALICE, lab.now)
    lab.restart(1, keep_disk=keep_disk, node_id=id_of(1) if same_id else id_of(77), stations=[ALICE])
    lab.connect(1, 2)
    lab.wait(15)
    assert disassociated(lab) == []
    owners = {host.owner(ALICE, lab.now) for host in lab.hosts}
    assert owners == {id_of(1) if same_id else id_of(77)}
    assert [host.address(ALICE, lab.now) for host in lab.hosts] == [address] * 2
    assert [bool(host.here()) for host in lab.hosts] == [True, False]


def test_ce7_claim_and_tombstone_of_one_seqno_cross() -> None:
    lab = with_a_lease(2)
    lab.join(1, ALICE)
    lab.hold(1, 2)
    lab.leave(1, ALICE)
    lab.join(2, ALICE)
    settle(lab)
    assert_agreed(lab, at=2)


def test_station_that_left_during_a_restart_is_withdrawn() -> None:
    lab = with_a_lease(2)
    lab.join(1, ALICE)
    lab.restart(1, stations=[])
    lab.connect(1, 2)
    lab.wait(30)
    assert [host.owner(ALICE, lab.now) for host in lab.hosts] == [b"", b""]
    assert lab[1].kernel == {}


def test_station_that_moved_during_a_restart_is_at_the_other_node() -> None:
    lab = with_a_lease(2)
    lab.join(1, ALICE)
    lab.cut(1, 2)
    lab.join(2, ALICE)
    lab.connect(1, 2)
    lab.restart(1, stations=[])
    lab.connect(1, 2)
    settle(lab)
    assert_agreed(lab, at=2)


def test_ghost_that_stays_in_the_old_nodes_list_is_found_out() -> None:
    """The ordinary roam: the old access point does not notice that the station has left."""
    lab = with_a_lease(3)
    lab.join(1, ALICE)
    lab.join(3, ALICE)
    settle(lab)
    assert_agreed(lab, at=3)
    assert disassociated(lab) == [1]


def test_partition_with_a_move_in_each_half() -> None:
    lab = with_a_lease(4)
    lab.join(1, ALICE)
    lab.cut(2, 3)
    lab.join(3, ALICE)
    lab.wait(1)
    lab.join(4, ALICE)
    lab.wait(1)
    lab.join(2, ALICE)
    lab.wait(1)
    lab.connect(2, 3)
    settle(lab)
    assert_agreed(lab, at=2)


def test_ce6_ring_carries_each_version_once() -> None:
    """With the C daemon's rule a ring of four floods for ever."""
    lab = Lab(4, links=[(1, 2), (2, 3), (3, 4), (4, 1)])
    for host in lab.hosts:
        host.forget()
    lab.join(1, ALICE)
    sent = [u for host in lab.hosts for e in host.all(do.SendUpdates) for u in e.updates if u.key[0] == 2]
    assert len(sent) <= 6
    lab.hold(1, 2)
    lab.hold(3, 4)
    lab.join(2, ALICE)
    lab.join(4, ALICE)
    settle(lab)
    owners = {host.owner(ALICE, lab.now) for host in lab.hosts}
    assert owners == {id_of(4)}


def test_ce8_lifetime_does_not_echo_over_links_slower_than_a_second() -> None:
    """A copy that goes round while a second passes everywhere is longer than what is held there by then."""
    lab = Lab(3, links=[(1, 2), (2, 3), (3, 1)])
    lab.delay = 1.3
    lab.join(1, ALICE)
    lab.wait(60)
    sent = [u for host in lab.hosts for e in host.all(do.SendUpdates) for u in e.updates if u.key[0] == 2]
    assert len(sent) <= 6
    lab.leave(1, ALICE)
    lab.wait(2000)
    assert [host.owner(ALICE, lab.now) for host in lab.hosts] == [None] * 3


@pytest.mark.parametrize("c_node", [0, 99], ids=["the C node loses the tie", "the C node wins the tie"])
def test_ce9_relay_with_a_c_neighbour_does_not_duel_with_the_owner(c_node: int) -> None:
    """The first attempt at mixed fleets: the relay raised a tie at once, above the owner's own claim, for ever."""
    lab = with_a_lease(2)
    lab.join(2, ALICE)
    lab.do(1, ev.PeerReady(9, "C"))
    lab.wait(1)
    datum = lab[1].node.database.get(association_key(ALICE))
    assert datum is not None
    before = datum.seqno
    lab.do(1, ev.UpdatesReceived(9, (Update(before, 5000, datum.key, bytes(id_of(c_node))),)))
    lab.wait(60)
    now = lab[2].node.database.get(datum.key)
    assert now is not None
    assert now.seqno == before + 1
    assert [host.owner(ALICE, lab.now) for host in lab.hosts] == [id_of(2)] * 2
    assert disassociated(lab) == []


def test_ce9_nothing_is_pushed_back_to_a_c_node_at_equal_seqno() -> None:
    """It floods its own on to the others when it is told of a tie, and they push back again."""
    lab = with_a_lease(1)
    lab.join(1, ALICE)
    lab.do(1, ev.PeerReady(9, "C"))
    lab.wait(1)
    datum = lab[1].node.database.get(association_key(ALICE))
    assert datum is not None
    lab[1].forget()
    lab.do(1, ev.UpdatesReceived(9, (Update(datum.seqno, 5000, datum.key, b""),)))
    assert lab[1].all(do.SendUpdates) == []
    lab.do(1, ev.UpdatesReceived(9, (Update(datum.seqno - 1, 5000, datum.key, b""),)))
    assert [u.seqno for e in lab[1].all(do.SendUpdates) for u in e.updates] == [datum.seqno]


def test_events_of_the_daemon_do_not_depend_on_the_order_of_start() -> None:
    """Peers may be there before hostapd has told its stations."""
    lab = Lab(2)
    lab.join(2, ALICE)
    lab.lease(2, ALICE)
    lab.restart(1, stations=None)
    lab.connect(1, 2)
    lab.really_at[ALICE] = 1
    lab.do(1, ev.StationsListed("wlan0", frozenset({ALICE})))
    settle(lab)
    assert_agreed(lab, at=1)
