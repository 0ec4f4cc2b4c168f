"""Beside the C daemon: what rules R2 and R3 make of its habits (flooding, 3.3; defects M1 to M10 of section 1)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.database import Database
from sroamd.wire.datum import NODE, association_key, ipv4_lease_key
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, Lab, id_of, mac
from tests.core.strangers import ANOTHER, SOMEBODY, claim, connect, node, says, sent_to

C, OURS = SOMEBODY, ANOTHER
KEY = association_key(mac(0))
LEASE = ipv4_lease_key(IPv4Address("192.0.2.9"))


def mixed() -> Lab:
    """A node with one C neighbour and one of ours."""
    lab = node()
    connect(lab, C, number=None)
    connect(lab, OURS, number=9)
    return lab


def held(lab: Lab, key: bytes = KEY) -> tuple[int, bytes]:
    datum = lab[1].node.database.get(key)
    assert datum is not None
    return datum.seqno, datum.value


def gone(seqno: int) -> Update:
    return Update(seqno, 600, KEY, b"")


@pytest.mark.parametrize("key", [b"\x8f" + bytes(14), b"\xff", b"\x03anything"], ids=["143", "255", "3"])
def test_unknown_kinds_of_records_pass_between_c_nodes_and_ours(key: bytes) -> None:
    lab = mixed()
    record = Update(7, 4000, key, b"whatever" * 20)
    assert sent_to(says(lab, C, record), OURS) == [replace(record, lifetime=3999)]
    newer = replace(record, seqno=8, value=b"")
    assert sent_to(says(lab, OURS, newer), C) == [replace(newer, lifetime=3999)]


def test_m3_c_node_is_never_told_of_a_tie_that_it_loses() -> None:
    lab = mixed()
    says(lab, OURS, claim(5, 9))
    assert says(lab, C, claim(5, 8), gone(5)) == []


def test_m4_endless_ties_do_not_put_off_the_raise_that_ends_them() -> None:
    """Seen with four real C daemons in a ring: 110,000 ties a second, and each began the five seconds anew."""
    lab = mixed()
    says(lab, C, claim(5, 9))
    for _ in range(int(constants.RAISE_DELAY / 0.1) - 1):
        lab.wait(0.1)
        says(lab, C, claim(5, 8), claim(5, 9))
    assert held(lab) == (5, id_of(9))
    lab[1].forget()
    lab.wait(0.2)
    assert held(lab) == (6, id_of(9))
    assert {e.peer for e in lab[1].all(do.SendUpdates)} == {C, OURS}


def test_m4_endless_ties_make_no_traffic_of_ours() -> None:
    lab = mixed()
    says(lab, C, claim(5, 9))
    effects = [effect for _ in range(1000) for effect in says(lab, C, claim(5, 8), claim(5, 9))]
    assert effects == []


def test_m2_old_heap_in_place_of_a_claim_loses_to_the_node_that_has_the_station() -> None:
    """A tombstone that loses to a claim of its seqno becomes eight octets of anything there, and is flooded."""
    lab = Lab(1)
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    connect(lab, C, number=None)
    seqno = held(lab, association_key(ALICE))[0]
    says(lab, C, Update(seqno, 5000, association_key(ALICE), b"\xff" * 8))
    lab.wait(10)
    assert lab[1].owner(ALICE, lab.now) == id_of(1)
    assert held(lab, association_key(ALICE))[0] > seqno
    assert lab[1].here()


def test_m5_m10_lifetime_that_grows_without_a_new_seqno_is_taken_once() -> None:
    """The C daemon renews a lease without a new seqno; what comes back by another way is no longer by SLACK."""
    lab = mixed()
    lease = Update(0, 1000, LEASE, bytes(ALICE))
    says(lab, C, lease)
    assert says(lab, C, replace(lease, lifetime=1000 + constants.SLACK)) == []
    renewed = replace(lease, lifetime=1800)
    assert sent_to(says(lab, C, renewed), OURS) == [replace(renewed, lifetime=1799)]
    lab.wait(1)
    for again in (1799, 1800, 1801):
        assert says(lab, C, replace(lease, lifetime=again)) == []
        assert says(lab, OURS, replace(lease, lifetime=again)) == []


# -- M8: it never forgets, and refuses an older version without a word (M7)


def test_m8_what_c_nodes_never_forget_does_not_come_back() -> None:
    lab = mixed()
    assert says(lab, C, replace(claim(5, 9), lifetime=0), Update(0, 0, LEASE, bytes(ALICE))) == []
    assert lab[1].node.database.live(KEY, lab.now) is None
    assert {u.key[0] for u in sent_to(connect(lab, 53, number=7), 53)} == {NODE}, "nobody is told of it"


def test_m8_station_that_comes_back_after_long_begins_above_what_a_c_node_remembers() -> None:
    """Found by simulation: a claim of seqno 0 stops at the C node in the middle of a chain."""
    lab = mixed()
    lab.join(1, mac(0))
    lab.leave(1, mac(0))
    before = held(lab)[0]
    lab.wait(constants.TOMBSTONE_LIFE + constants.ASSOCIATION_HOLD + 3600)
    lab.join(1, mac(0))
    assert held(lab)[0] == before + 1


def test_m8_what_a_c_node_remembers_is_a_floor_for_us_and_for_our_peers() -> None:
    lab = mixed()
    says(lab, C, replace(gone(57), lifetime=0))
    assert sent_to(says(lab, OURS, claim(0, 9)), OURS) == [replace(gone(57), lifetime=0)]
    lab.join(1, mac(0))
    assert held(lab) == (58, id_of(1))


def test_m8_without_c_nodes_nothing_is_remembered_so_long() -> None:
    lab = node()
    connect(lab, OURS)
    lab.join(1, mac(0))
    lab.leave(1, mac(0))
    lab.wait(constants.TOMBSTONE_LIFE + constants.ASSOCIATION_HOLD + 1)
    assert lab[1].node.database.get(KEY) is None
    says(lab, OURS, replace(gone(57), lifetime=0))
    assert lab[1].node.database.get(KEY) is None


def test_m8_floors_are_forgotten_in_the_end_and_fill_half_of_the_table_at_most() -> None:
    database = Database(limit=10)
    database.beside_c = True
    for number in range(10):
        database.merge(replace(claim(5, 9, number), lifetime=0), 0.0)
    assert len(database) == 6
    first = association_key(mac(0))
    assert database.expire(first, constants.ASSOCIATION_HOLD + 1) is None, "there is no room to be generous"
    assert database.expire(association_key(mac(1)), constants.ASSOCIATION_HOLD + 1) == constants.C_FLOOR_HOLD
    assert database.expire(association_key(mac(1)), constants.C_FLOOR_HOLD + 1) is None


def test_m8_lease_that_meets_its_own_past_goes_on_above_it() -> None:
    lab = mixed()
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    key = ipv4_lease_key(address)
    says(lab, C, Update(900, 0, key, bytes(ALICE)))
    assert held(lab, key) == (901, bytes(ALICE))
    assert IPv4Network(address) in lab[1].here()


def test_m9_no_lifetime_leaves_that_the_c_daemon_would_read_as_past() -> None:
    lab = mixed()
    effects = says(lab, OURS, replace(claim(5, 9), lifetime=0xFFFFFFFF))
    assert [u.lifetime for u in sent_to(effects, C)] == [constants.ASSOCIATION_LIFE - 1]


def test_r3_is_over_when_the_c_node_is_gone() -> None:
    lab = mixed()
    says(lab, OURS, claim(5, 9))
    says(lab, C, claim(5, 8))
    lab.do(1, ev.PeerClosed(C))
    lab.wait(60)
    assert held(lab) == (5, id_of(9))


def test_r3_two_nodes_that_raise_the_same_tie_agree_at_once() -> None:
    """Both neighbours of a C node see its tie, and say the same thing: the greater value, one higher."""
    lab = Lab(2)
    for number in (1, 2):
        lab.do(number, ev.PeerReady(C, "192.0.2.254"))
    for number in (1, 2):
        lab.do(number, ev.UpdatesReceived(C, (claim(5, 9), claim(5, 8))))
    lab.wait(constants.RAISE_DELAY + 1)
    versions = []
    for host in lab.hosts:
        datum = host.node.database.get(KEY)
        assert datum is not None
        versions.append((datum.seqno, datum.value))
    assert versions == [(6, id_of(9))] * 2
