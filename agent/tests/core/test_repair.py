"""Anti-entropy: how two databases that differ become equal without a dump, at the start and later."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core import repair
from sroamd.wire.datum import association_key, ipv4_lease_key
from sroamd.wire.flood import Update
from sroamd.wire.summary import Summary
from tests.core.comparing import NOTHING, SOMETHING_ELSE, again, asks, full, greet, summaries
from tests.core.harness import ALICE, BOB, Lab, id_of, mac
from tests.core.messages import release
from tests.core.strangers import SOMEBODY, claim, hello, keys, node, says, sent_to

STEPS = 4  # from the root to what lies in a bucket


# -- the comparison

FLEET = [claim(number % 3, 7, number) for number in range(300)]
kinds = st.sampled_from(("only here", "only there", "newer here", "newer there", "gone here", "gone there", "expired"))
differences = st.dictionaries(st.integers(0, 299), kinds, max_size=40)


def divided(changes: dict[int, str]) -> Lab:
    """Two nodes that are not connected: the fleet's data, and on top of that what only one of them has heard."""
    here, there = list(FLEET), list(FLEET)
    for number, kind in changes.items():
        newer, gone = claim(9, 8, number), Update(9, 500, FLEET[number].key, b"")
        extra = claim(0, 8, 1000 + number)
        match kind:
            case "only here":
                here.append(extra)
            case "only there":
                there.append(extra)
            case "newer here":
                here.append(newer)
            case "newer there":
                there.append(newer)
            case "gone here":
                here.append(gone)
            case "gone there":
                there.append(gone)
            case _:
                here.append(Update(9, 1, FLEET[number].key, bytes(id_of(8))))
    lab = Lab(2, links=())
    for number, said in ((1, here), (2, there)):
        lab.do(number, ev.PeerReady(SOMEBODY, "192.0.2.254"))
        lab.do(number, ev.UpdatesReceived(SOMEBODY, tuple(said)))
        lab.do(number, ev.PeerClosed(SOMEBODY))
    lab.wait(2)
    for host in lab.hosts:
        host.forget()
    return lab


def versions(lab: Lab, number: int) -> dict[bytes, tuple[int, bytes]]:
    """What counts in the digest."""
    database = lab[number].node.database
    return {d.key: (d.seqno, d.value) for d in database if d.value and d.expires_at > lab.now}


@settings(max_examples=60, deadline=None)
@given(differences)
def test_two_databases_become_equal_by_messages_in_proportion_to_what_differs(changes: dict[int, str]) -> None:
    lab = divided(changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "SUMMARY_MIN", 0)
        lab.connect(1, 2)
    assert lab[1].node.database.digest == lab[2].node.database.digest
    assert versions(lab, 1) == versions(lab, 2)
    said = [e for host in lab.hosts for e in host.effects]
    differing = len(changes) + 2  # and the record of either node
    # Each at most what loses, what it is answered with, and the same again because it was wanted.
    assert sum(len(e.updates) for e in said if isinstance(e, do.SendUpdates)) <= 3 * differing
    assert sum(len(e.summaries) for e in said if isinstance(e, do.SendSummaries)) <= 1 + STEPS * differing
    assert sum(host.node.counters["flood.dumps"] for host in lab.hosts) == 2  # to SOMEBODY


@pytest.mark.usefixtures("no_database_is_small")
def test_bucket_with_more_than_a_list_can_hold_is_sent_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "SHORTS_MAX", 0)
    lab = divided({1: "only here", 2: "only there", 3: "gone there"})
    lab.connect(1, 2)
    assert versions(lab, 1) == versions(lab, 2)
    assert lab[1].node.database.digest == lab[2].node.database.digest


@pytest.mark.usefixtures("no_database_is_small")
def test_comparison_waits_while_the_peer_takes_nothing() -> None:
    lab = node()
    lab.do(1, ev.PeerReady(SOMEBODY, "192.0.2.254"))
    lab.do(1, ev.PeerBlocked(SOMEBODY))
    effects = lab.do(1, ev.PeerSaidHello(SOMEBODY, hello(lab, 9, digest=SOMETHING_ELSE, count=1)))
    assert summaries(effects) == []
    assert asks(lab, lab.do(1, ev.PeerWritable(SOMEBODY)))


def test_answers_go_in_batches_each_when_the_last_is_taken() -> None:
    lab = node()
    full(lab)
    greet(lab)
    everything = tuple(Summary(2, prefix, (SOMETHING_ELSE,) * 16) for prefix in range(10))
    batches = [e for e in lab.do(1, ev.SummariesReceived(SOMEBODY, everything)) if isinstance(e, do.SendSummaries)]
    while batches[-1].more:
        batches += [e for e in lab.do(1, ev.PeerWritable(SOMEBODY)) if isinstance(e, do.SendSummaries)]
    assert [len(batch.summaries) for batch in batches] == [constants.SUMMARY_BATCH, constants.SUMMARY_BATCH, 32]
    assert {(s.depth, s.prefix) for b in batches for s in b.summaries if isinstance(s, Summary)} == {
        (3, bucket) for bucket in range(160)
    }


def test_peer_that_asks_without_end_is_answered_so_often_a_minute() -> None:
    lab = node()
    greet(lab)
    asked = ev.SummariesReceived(SOMEBODY, (Summary(0, 0, (SOMETHING_ELSE,) * 16),) * 1000)
    for _ in range(constants.SUMMARY_BURST // 1000):
        assert lab.do(1, asked) != []
    assert lab[1].node.counters["flood.summaries-refused"] == 0
    assert lab.do(1, asked) == []
    assert lab[1].node.counters["flood.summaries-refused"] == 1000
    lab.now += 1
    assert lab.do(1, asked) != []
    assert lab[1].node.counters["flood.summaries-refused"] == 2000 - constants.SUMMARY_RATE


# -- databases that come apart later


def test_unequal_digests_with_nothing_on_its_way_are_a_reason_to_compare() -> None:
    lab = node()
    greet(lab)
    assert again(lab, constants.UNEQUAL_QUIET - 1) == []
    assert asks(lab, again(lab))
    assert lab[1].node.counters["flood.repairs"] == 1


def test_updates_or_an_equal_digest_between_are_a_reason_to_wait() -> None:
    lab = node()
    greet(lab)
    for number in range(5):
        assert again(lab, constants.UNEQUAL_QUIET - 1) == []
        if number % 2:
            says(lab, SOMEBODY, claim(0, 9, number))
        else:
            again(lab, digest=None)


def test_where_updates_never_stop_it_is_compared_after_a_minute() -> None:
    lab = node()
    greet(lab)
    for number in range(constants.UNEQUAL_BUSY - 1):
        assert again(lab) == []
        says(lab, SOMEBODY, claim(0, 9, number))
    assert asks(lab, again(lab))


def test_comparison_that_the_peer_has_begun_is_not_begun_again() -> None:
    lab = node()
    greet(lab)
    again(lab, constants.UNEQUAL_QUIET - 1)
    lab.do(1, ev.SummariesReceived(SOMEBODY, (Summary(0, 0, (NOTHING,) * 16),)))
    assert again(lab, constants.UNEQUAL_QUIET - 1) == []


def test_repair_that_changed_nothing_is_followed_by_everything_and_then_ever_less_often() -> None:
    lab = node()
    greet(lab)
    assert asks(lab, again(lab, constants.UNEQUAL_QUIET))
    waited = constants.REPAIR_INTERVAL
    for _ in range(3):
        lab.now += waited - 1
        assert again(lab, 2 * constants.UNEQUAL_QUIET) == []
        lab.now += 1
        assert keys(sent_to(again(lab), SOMEBODY)) == {datum.key for datum in lab[1].node.database}
        waited *= 2
    again(lab, digest=None)
    lab.now += constants.REPAIR_INTERVAL
    assert keys(sent_to(again(lab, constants.UNEQUAL_QUIET), SOMEBODY)) != set()


def test_node_that_does_not_compare_is_repaired_by_everything_and_later() -> None:
    """Copies of one version may expire half a minute apart, which is no reason to send ninety thousand data."""
    lab = node()
    lab.join(1, ALICE)
    greet(lab, repairs=False)
    assert sent_to(again(lab, constants.UNEQUAL_DUMP - 1, repairs=False), SOMEBODY) == []
    assert keys(sent_to(again(lab, repairs=False), SOMEBODY)) == {datum.key for datum in lab[1].node.database}


def test_repair_does_not_forget_what_was_waiting() -> None:
    """A released lease has no life left and is in no dump, but the peer holds it alive."""
    lab = node()
    greet(lab, repairs=False)
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    lab.do(1, ev.PeerBlocked(SOMEBODY))
    lab.dhcp(1, release(ALICE, address))
    again(lab, constants.UNEQUAL_DUMP, repairs=False)
    effects = lab.do(1, ev.PeerWritable(SOMEBODY))
    assert ipv4_lease_key(address) in keys(sent_to(effects, SOMEBODY))


def test_two_nodes_that_differ_become_equal() -> None:
    """However it came about: here a bit flipped in memory."""
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.join(2, BOB)
    lab.wait(60)
    database = lab[2].node.database
    lost = database.get(association_key(ALICE))
    assert lost is not None
    database.digests.forget(lost.key)
    del database._data[lost.key]
    lab.wait((constants.UNEQUAL_QUIET + 1) * constants.HELLO_INTERVAL)
    assert lab[1].node.database.digest == database.digest
    assert lab[2].owner(ALICE, lab.now) == id_of(1)


def test_a_fleet_in_step_stays_silent_but_for_hellos() -> None:
    lab = Lab(3)
    for number in (1, 2, 3):
        lab.join(number, mac(number))
    lab.wait(30)
    for host in lab.hosts:
        host.forget()
    lab.wait(600)
    for host in lab.hosts:
        assert host.all(do.SendSummaries) == []
        assert host.node.counters["flood.repairs"] == 0
