"""Sessions with peers: what is sent to whom, and when (flooding, section 3.3)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.wire.datum import association_key, ipv4_lease_key
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, Lab, id_of, mac
from tests.core.strangers import ANOTHER, SOMEBODY, claim, connect, keys, node, says, sent_to

# -- the dump


def test_new_peer_hears_hello_then_everything_with_associations_first() -> None:
    lab = node()
    for number in range(5):
        lab.join(1, mac(number))
        lab.lease(1, mac(number))
    effects = connect(lab)
    assert [type(e) for e in effects if not isinstance(e, do.Note)] == [do.SendHello, do.SendUpdates]
    kinds = [update.key[0] for update in sent_to(effects, SOMEBODY)]
    assert kinds[:5] == [2] * 5
    assert sorted(kinds[5:]) == [0] * 5 + [1] * 5 + [128]


def test_dump_has_tombstones_and_nothing_expired() -> None:
    lab = node()
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    lab.leave(1, ALICE)
    effects = connect(lab)
    assert association_key(ALICE) in keys(sent_to(effects, SOMEBODY))
    lab.do(1, ev.PeerClosed(SOMEBODY))
    lab.wait(2000)
    effects = connect(lab)
    assert ipv4_lease_key(address) not in keys(sent_to(effects, SOMEBODY))


def test_lifetimes_travel_as_what_remains_less_one_second_a_hop() -> None:
    lab = Lab(3)
    lab.join(1, ALICE)
    remaining = []
    for host in lab.hosts:
        datum = host.node.database.get(association_key(ALICE))
        assert datum is not None
        remaining.append(datum.remaining(lab.now))
    assert remaining == [5400, 5399, 5398]


# -- changes


def test_change_goes_to_all_but_its_sender() -> None:
    lab = node()
    connect(lab, SOMEBODY, number=8)
    connect(lab, ANOTHER, number=9)
    effects = says(lab, SOMEBODY, claim(5, 9))
    assert sent_to(effects, SOMEBODY) == []
    assert sent_to(effects, ANOTHER) == [replace(claim(5, 9), lifetime=4999)]


def test_what_is_known_goes_nowhere() -> None:
    lab = node()
    connect(lab)
    says(lab, SOMEBODY, claim(5, 9))
    assert says(lab, SOMEBODY, claim(5, 9)) == []


def test_changes_coalesce_while_the_peer_is_blocked() -> None:
    lab = node()
    connect(lab, SOMEBODY)
    connect(lab, ANOTHER)
    lab.do(1, ev.PeerBlocked(SOMEBODY))
    for seqno in range(30):
        effects = says(lab, ANOTHER, claim(seqno, 9))
        assert sent_to(effects, SOMEBODY) == []
    effects = lab.do(1, ev.PeerWritable(SOMEBODY))
    assert sent_to(effects, SOMEBODY) == [replace(claim(29, 9), lifetime=4999)]
    assert lab.do(1, ev.PeerWritable(SOMEBODY)) == []


def test_what_the_blocked_peer_has_said_itself_meanwhile_is_not_sent_to_it() -> None:
    lab = node()
    connect(lab, SOMEBODY)
    connect(lab, ANOTHER)
    lab.do(1, ev.PeerBlocked(SOMEBODY))
    says(lab, ANOTHER, claim(4, 9))
    says(lab, SOMEBODY, claim(5, 9))
    assert lab.do(1, ev.PeerWritable(SOMEBODY)) == []


def full(lab: Lab, count: int, peer: int = ANOTHER) -> None:
    connect(lab, peer)
    says(lab, peer, *(claim(0, 9, number) for number in range(count)))


def test_dump_goes_in_batches_each_when_the_last_is_taken() -> None:
    lab = node()
    full(lab, 2 * constants.DUMP_BATCH + 10)
    batches = [e for e in connect(lab) if isinstance(e, do.SendUpdates)]
    while batches[-1].more:
        (batch,) = [e for e in lab.do(1, ev.PeerWritable(SOMEBODY)) if isinstance(e, do.SendUpdates)]
        batches.append(batch)
    size = constants.DUMP_BATCH
    assert [(len(b.updates), b.more) for b in batches] == [(size, True), (size, True), (11, False)]
    assert len(keys([u for batch in batches for u in batch.updates])) == 2 * size + 11


def test_change_during_a_dump_is_not_lost() -> None:
    lab = node()
    full(lab, constants.DUMP_BATCH + 10)
    first = sent_to(connect(lab), SOMEBODY)
    says(lab, ANOTHER, Update(7, 5000, first[0].key, bytes(id_of(8))))
    rest = sent_to(lab.do(1, ev.PeerWritable(SOMEBODY)), SOMEBODY)
    assert [u.seqno for u in rest if u.key == first[0].key] == [7]


def test_peer_that_was_blocked_until_all_is_forgotten_gets_the_rest() -> None:
    """More than a batch has vanished from the database; nobody would ever say that the peer can take more."""
    lab = node()
    connect(lab, SOMEBODY, number=None)
    lab[1].node.database.beside_c = False  # who would remember for a month
    lab.do(1, ev.PeerBlocked(SOMEBODY))
    full(lab, constants.DUMP_BATCH + 10)
    lab.wait(constants.ASSOCIATION_LIFE + constants.ASSOCIATION_HOLD + 10)
    lab.join(1, ALICE)
    effects = lab.do(1, ev.PeerWritable(SOMEBODY))
    assert association_key(ALICE) in keys(sent_to(effects, SOMEBODY))


# -- R2: push back


def test_r2_older_version_is_answered_with_ours() -> None:
    """Defect M7 of the C daemon: the sender is not told."""
    lab = node()
    connect(lab, SOMEBODY)
    connect(lab, ANOTHER)
    says(lab, ANOTHER, claim(9, 9))
    effects = says(lab, SOMEBODY, claim(8, 8))
    assert sent_to(effects, SOMEBODY) == [replace(claim(9, 9), lifetime=4999)]
    assert sent_to(effects, ANOTHER) == []


def test_r2_expired_version_is_a_floor_and_answers_too() -> None:
    lab = Lab(1)
    connect(lab, SOMEBODY)
    lab.join(1, mac(0))
    lab.leave(1, mac(0))
    lab.wait(constants.TOMBSTONE_LIFE + 10)
    effects = says(lab, SOMEBODY, claim(0, 8))
    (answer,) = sent_to(effects, SOMEBODY)
    assert (answer.seqno, answer.value, answer.lifetime) == (1, b"", 0)


@pytest.mark.parametrize("number", [8, None], ids=["one of ours", "the C daemon"])
def test_r2_tie_that_lost_is_answered_to_nodes_of_ours_only(number: int | None) -> None:
    """CE9: the C daemon would flood its own value on when it is told, for ever."""
    lab = node()
    connect(lab, SOMEBODY, number=number)
    connect(lab, ANOTHER)
    says(lab, ANOTHER, claim(5, 9))
    effects = says(lab, SOMEBODY, claim(5, 8))
    assert len(sent_to(effects, SOMEBODY)) == (number is not None)


def test_r2_older_version_is_answered_to_the_c_daemon_too() -> None:
    lab = node()
    connect(lab, SOMEBODY, number=None)
    connect(lab, ANOTHER)
    says(lab, ANOTHER, claim(5, 9))
    assert len(sent_to(says(lab, SOMEBODY, claim(4, 8)), SOMEBODY)) == 1


# -- R3: delayed raise


def seqno(lab: Lab) -> int:
    datum = lab[1].node.database.get(association_key(mac(0)))
    assert datum is not None
    return datum.seqno


@pytest.mark.parametrize("order", [(8, 9), (9, 8)], ids=["lost", "won"])
def test_r3_tie_in_a_mixed_fleet_is_raised_after_five_seconds(order: tuple[int, int]) -> None:
    lab = node()
    connect(lab, SOMEBODY, number=None)
    connect(lab, ANOTHER)
    says(lab, ANOTHER, claim(5, order[0]))
    says(lab, SOMEBODY, claim(5, order[1]))
    lab.wait(constants.RAISE_DELAY - 0.1)
    assert seqno(lab) == 5
    lab[1].forget()
    lab.wait(0.2)
    assert seqno(lab) == 6
    assert lab[1].owner(mac(0), lab.now) == id_of(9)
    assert {e.peer for e in lab[1].all(do.SendUpdates)} == {SOMEBODY, ANOTHER}
    lab.wait(60)
    assert seqno(lab) == 6


def test_r3_tie_among_nodes_of_ours_is_not_raised() -> None:
    lab = node()
    connect(lab, SOMEBODY)
    connect(lab, ANOTHER)
    says(lab, ANOTHER, claim(5, 8))
    says(lab, SOMEBODY, claim(5, 9))
    lab.wait(60)
    assert seqno(lab) == 5


def test_r3_tie_that_somebody_else_has_decided_is_not_raised() -> None:
    lab = node()
    connect(lab, SOMEBODY, number=None)
    says(lab, SOMEBODY, claim(5, 8), claim(5, 9), claim(6, 8))
    lab.wait(60)
    assert seqno(lab) == 6


def test_r3_tie_that_we_have_decided_ourselves_is_not_raised() -> None:
    """The station has come here: a new claim. To raise that once more would begin a duel with its next owner."""
    lab = node()
    connect(lab, SOMEBODY, number=None)
    says(lab, SOMEBODY, claim(5, 8), claim(5, 9))
    lab.join(1, mac(0))
    lab.wait(60)
    assert seqno(lab) == 6


# -- nonsense


def test_peer_whose_data_do_not_fit_their_keys_is_closed_after_a_while_and_the_rest_is_taken() -> None:
    lab = node()
    connect(lab, SOMEBODY)
    nonsense = replace(claim(5, 9), value=b"short")
    assert says(lab, SOMEBODY, *[nonsense] * constants.MALFORMED_BURST) == []
    effects = says(lab, SOMEBODY, nonsense, nonsense, claim(5, 9))
    closed = [(e.peer, e.redial_after) for e in effects if isinstance(e, do.ClosePeer)]
    assert closed == [(SOMEBODY, constants.REDIAL_LATER)]
    assert lab[1].owner(mac(0), lab.now) == id_of(9)
    assert lab[1].node.counters["flood.malformed-datum"] == constants.MALFORMED_BURST + 2


def test_mistake_now_and_then_does_no_harm() -> None:
    lab = node()
    connect(lab, SOMEBODY)
    for _ in range(3 * constants.MALFORMED_BURST):
        lab.now += 1 / constants.MALFORMED_RATE
        assert says(lab, SOMEBODY, replace(claim(5, 9), value=b"short")) == []
