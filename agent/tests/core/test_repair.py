"""Anti-entropy: what a peer that connects is sent, and how two databases that differ become equal without a dump."""

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
from sroamd.wire.summary import Summary, Wanted
from tests.core.harness import ALICE, BOB, Lab, id_of, mac
from tests.core.messages import release
from tests.core.strangers import ANOTHER, SOMEBODY, claim, connect, hello, keys, node, says, sent_to

NOTHING = bytes(8)  # the digest of an empty database
SOMETHING_ELSE = b"different"[:8]
STEPS = 4  # from the root to what lies in a bucket


@pytest.fixture
def no_database_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few data are compared as ninety thousand would be."""
    monkeypatch.setattr(constants, "SUMMARY_MIN", 0)


def greet(lab: Lab, peer: int = SOMEBODY, number: int = 9, **said: object) -> list[do.Effect]:
    """A peer that says Hello with what its database looks like."""
    lab.do(1, ev.PeerReady(peer, "192.0.2.254"))
    return lab.do(1, ev.PeerSaidHello(peer, hello(lab, number, **said)))  # type: ignore[arg-type]


def again(lab: Lab, times: int = 1, **said: object) -> list[do.Effect]:
    """It says Hello so many times more, unequal unless told otherwise."""
    said = {"digest": SOMETHING_ELSE, **said}
    return [e for _ in range(times) for e in lab.do(1, ev.PeerSaidHello(SOMEBODY, hello(lab, 9, **said)))]  # type: ignore[arg-type]


def summaries(effects: list[do.Effect], peer: int = SOMEBODY) -> list[Summary | Wanted]:
    return [s for e in effects if isinstance(e, do.SendSummaries) and e.peer == peer for s in e.summaries]


def asks(lab: Lab, effects: list[do.Effect]) -> bool:
    """Whether the effects are the beginning of a comparison, and nothing else."""
    return summaries(effects) == [Summary(0, 0, lab[1].node.database.digests.children(0, 0))] and not sent_to(
        effects, SOMEBODY
    )


# -- a peer that connects


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


def full(lab: Lab) -> int:
    """More than is small. Returns how many data that is."""
    connect(lab, ANOTHER)
    says(lab, ANOTHER, *(claim(0, 8, number) for number in range(1000)))
    return lab[1].node.database.alive


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
