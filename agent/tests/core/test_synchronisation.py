"""What a peer that connects is sent: nothing, everything, or the beginning of a comparison; and in which order."""

from __future__ import annotations

import pytest

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.wire.datum import association_key
from sroamd.wire.flood import Update
from tests.core.comparing import NOTHING, SOMETHING_ELSE, asks, full, greet, summaries
from tests.core.harness import ALICE, id_of, mac
from tests.core.strangers import ANOTHER, SOMEBODY, claim, hello, keys, node, says, sent_to


def test_equal_database_is_sent_nothing() -> None:
    lab = node()
    lab.join(1, ALICE)
    effects = greet(lab)
    assert sent_to(effects, SOMEBODY) == summaries(effects) == []
    lab.wait(2)
    assert sent_to(lab[1].effects, SOMEBODY) == []


def test_small_databases_are_simply_sent() -> None:
    lab = node()
    lab.join(1, ALICE)
    effects = greet(lab, digest=SOMETHING_ELSE, count=2)
    assert keys(sent_to(effects, SOMEBODY)) == {datum.key for datum in lab[1].node.database}
    assert summaries(effects) == []


def test_of_two_that_differ_the_one_with_the_smaller_id_begins_the_comparison() -> None:
    lab = node()
    count = full(lab)
    assert asks(lab, greet(lab, digest=SOMETHING_ELSE, count=count))
    lab.do(1, ev.PeerClosed(SOMEBODY))
    effects = greet(lab, number=0, digest=SOMETHING_ELSE, count=count)
    assert sent_to(effects, SOMEBODY) == summaries(effects) == []


@pytest.mark.parametrize("count", [0, 400, 2100], ids=["empty", "less than half", "more than twice as many"])
def test_one_that_holds_much_less_or_much_more_is_sent_everything(count: int) -> None:
    lab = node()
    full(lab)
    effects = greet(lab, digest=SOMETHING_ELSE, count=count)
    assert len(sent_to(effects, SOMEBODY)) >= constants.DUMP_BATCH
    assert summaries(effects) == []


def test_node_that_does_not_compare_is_sent_everything() -> None:
    lab = node()
    count = full(lab)
    effects = greet(lab, digest=SOMETHING_ELSE, count=count, repairs=False)
    assert len(sent_to(effects, SOMEBODY)) >= constants.DUMP_BATCH
    assert summaries(effects) == []


def test_c_daemon_that_is_silent_is_sent_everything_after_a_moment() -> None:
    lab = node()
    lab.join(1, ALICE)
    effects = lab.do(1, ev.PeerReady(SOMEBODY, "192.0.2.254"))
    assert sent_to(effects, SOMEBODY) == []
    lab[1].forget()
    lab.wait(constants.HELLO_WAIT)
    assert association_key(ALICE) in keys(sent_to(lab[1].effects, SOMEBODY))
    lab[1].forget()
    lab.wait(60)
    assert sent_to(lab[1].effects, SOMEBODY) == []


def test_c_daemon_that_speaks_first_is_sent_everything_at_once() -> None:
    lab = node()
    lab.join(1, ALICE)
    lab.do(1, ev.PeerReady(SOMEBODY, "192.0.2.254"))
    effects = says(lab, SOMEBODY, claim(0, 9))
    assert association_key(ALICE) in keys(sent_to(effects, SOMEBODY))
    lab[1].forget()
    lab.wait(60)
    assert sent_to(lab[1].effects, SOMEBODY) == []


@pytest.mark.usefixtures("no_database_is_small")
def test_node_whose_hello_was_late_is_compared_with_after_all() -> None:
    """It was sent everything meanwhile; what it holds itself is still to be found out."""
    lab = node()
    lab.do(1, ev.PeerReady(SOMEBODY, "192.0.2.254"))
    lab.wait(constants.HELLO_WAIT)
    assert asks(lab, lab.do(1, ev.PeerSaidHello(SOMEBODY, hello(lab, 9, digest=SOMETHING_ELSE, count=1))))


def test_late_hello_of_an_empty_node_brings_no_second_dump() -> None:
    lab = node()
    lab.do(1, ev.PeerReady(SOMEBODY, "192.0.2.254"))
    lab.wait(constants.HELLO_WAIT)
    assert sent_to(lab.do(1, ev.PeerSaidHello(SOMEBODY, hello(lab, 9, digest=NOTHING))), SOMEBODY) == []


def test_changes_do_not_wait_for_the_peers_hello() -> None:
    lab = node()
    lab.do(1, ev.PeerReady(SOMEBODY, "192.0.2.254"))
    assert association_key(ALICE) in keys(sent_to(lab.join(1, ALICE), SOMEBODY))


@pytest.fixture(params=["listed", "walked over"])
def dumped(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Small tables are dumped by a list of their keys, large ones by a walk over the buckets."""
    monkeypatch.setattr(constants, "DUMP_LIST_MAX", 10_000 if request.param == "listed" else 0)
    return str(request.param)


@pytest.mark.usefixtures("dumped")
def test_changes_go_ahead_of_a_dump() -> None:
    lab = node()
    full(lab)
    assert any(e.more for e in greet(lab, digest=NOTHING) if isinstance(e, do.SendUpdates))
    lab.join(1, ALICE)
    assert sent_to(lab.do(1, ev.PeerWritable(SOMEBODY)), SOMEBODY)[0].key == association_key(ALICE)


@pytest.mark.usefixtures("dumped")
def test_everything_alive_is_dumped_once_and_associations_first() -> None:
    lab = node()
    full(lab)
    for number in range(100):
        lab.join(1, mac(number))
        lab.lease(1, mac(number))
        if number % 3 == 0:
            lab.leave(1, mac(number))
    says(lab, ANOTHER, *(Update(1, 1, bytes((0, 192, 0, 2, number)), mac(5)) for number in range(250, 255)))
    lab.now += 2
    sent = sent_to(greet(lab, digest=NOTHING), SOMEBODY)
    while rest := sent_to(lab.do(1, ev.PeerWritable(SOMEBODY)), SOMEBODY):
        sent += rest
    alive = {datum.key for datum in lab[1].node.database if datum.expires_at > lab.now}
    assert len(alive) > 1000
    assert sorted(update.key for update in sent) == sorted(alive)
    kinds = [update.key[0] for update in sent]
    assert 2 not in kinds[kinds.count(2) :]


@pytest.mark.usefixtures("dumped")
def test_what_the_peer_tells_during_a_dump_is_not_sent_back() -> None:
    lab = node()
    full(lab)
    sent = sent_to(greet(lab, digest=NOTHING), SOMEBODY)
    waiting = {datum.key for datum in lab[1].node.database} - keys(sent)
    told = sorted(key for key in waiting if key[0] == 2)[0]
    says(lab, SOMEBODY, Update(9, 5000, told, bytes(id_of(9))))
    while rest := sent_to(lab.do(1, ev.PeerWritable(SOMEBODY)), SOMEBODY):
        sent += rest
    assert keys(sent) == {datum.key for datum in lab[1].node.database} - {told}
    assert len(keys(sent)) == len(sent)
