"""sroamctl check: all nodes are compared with this one, what differs is named, and what only moves is no difference."""

from __future__ import annotations

import pytest

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.check import LIMIT_PER_DEPTH, LOOKS
from sroamd.core.check_result import Standing
from sroamd.wire.census import KEY_MAX
from sroamd.wire.datum import association_key, node_key
from sroamd.wire.flood import Update
from tests.core.checking import TICKET, as_json, begin, check, ended, line_of_four, lose, node_of, questions, standings
from tests.core.harness import ALICE, BOB, Lab, id_of, lease_of, mac
from tests.core.strangers import SOMEBODY, connect, says

IN_STEP, DIFFERS, NO_ANSWER = Standing.IN_STEP, Standing.DIFFERS, Standing.NO_ANSWER


@pytest.fixture
def lab() -> Lab:
    return line_of_four()


def census_messages(lab: Lab) -> int:
    return sum(len(effect.messages) for host in lab.hosts for effect in host.all(do.SendCensus))


# -- in step


def test_all_in_step_is_found_at_the_first_look_and_at_once(lab: Lab) -> None:
    lab[1].forget()
    begin(lab)
    result = ended(lab)
    assert result is not None
    assert standings(result) == {2: IN_STEP, 3: IN_STEP, 4: IN_STEP}
    assert (result.in_step, result.looks, result.seconds) == (True, 1, 0.0)
    database = lab[1].node.database
    assert (result.records, result.digest) == (database.alive, database.digest)
    assert {one.records for one in result.nodes} == {database.alive}


@pytest.mark.parametrize("number", [1, 2, 4])
def test_every_node_can_ask(lab: Lab, number: int) -> None:
    assert standings(check(lab, number)) == {other: IN_STEP for other in (1, 2, 3, 4) if other != number}


def test_a_check_leaves_nothing_behind(lab: Lab) -> None:
    check(lab)
    lab.wait(1)
    for host in lab.hosts:
        host.forget()
    lab.wait(30)
    assert census_messages(lab) == 0


def test_several_checks_at_a_time_do_not_disturb_one_another_and_too_many_are_refused(lab: Lab) -> None:
    lab.cut(3, 4)
    tickets = range(constants.CHECKS_MAX + 1)
    for ticket in tickets:
        begin(lab, ticket=ticket)
    refused = [effect for effect in lab[1].all(do.CheckEnded) if effect.result is None]
    assert [effect.ticket for effect in refused] == [constants.CHECKS_MAX]
    lab.wait(15)
    for ticket in range(constants.CHECKS_MAX):
        result = ended(lab, ticket=ticket)
        assert result is not None
        assert standings(result) == {2: IN_STEP, 3: IN_STEP, 4: NO_ANSWER}


# -- differences


def test_a_planted_difference_is_named_with_both_versions(lab: Lab) -> None:
    address = lab[1].address(ALICE, lab.now)
    assert address is not None
    lose(lab, 4, lease_of(address))
    lose(lab, 4, association_key(BOB))
    result = check(lab)
    assert not result.in_step
    assert standings(result) == {2: IN_STEP, 3: IN_STEP, 4: DIFFERS}
    node = node_of(result, 4)
    assert {difference.key for difference in node.differences} == {lease_of(address), association_key(BOB)}
    assert all(difference.theirs is None for difference in node.differences)
    assert not node.more
    (found,) = [one for one in as_json(lab, result)["nodes"] if one["node"] == "ap4"]
    assert (found["state"], found["known"]) == ("differs", True)
    remaining = {each["kind"]: each["here"].pop("remaining") for each in found["differences"]}
    assert 1700 < remaining["ipv4"] <= constants.LEASE_LIFE < 5000 < remaining["association"] <= 5400
    assert sorted(found["differences"], key=lambda each: str(each["kind"])) == [
        {"kind": "association", "key": str(BOB), "here": {"value": "ap3", "seqno": 0}, "there": None},
        {"kind": "ipv4", "key": str(address), "here": {"value": str(ALICE), "seqno": 1}, "there": None},
    ]


def test_what_only_this_node_has_not_is_named_too(lab: Lab) -> None:
    lose(lab, 1, association_key(BOB))
    result = check(lab)
    assert standings(result) == {2: DIFFERS, 3: DIFFERS, 4: DIFFERS}
    for node in result.nodes:
        ((key, ours, theirs),) = [(d.key, d.ours, d.theirs) for d in node.differences]
        assert (key, ours) == (association_key(BOB), None)
        assert theirs is not None
        assert theirs.value == bytes(id_of(3))


def test_two_versions_are_both_shown(lab: Lab) -> None:
    """A tombstone is no datum of the digest, but it is what the other node holds."""
    update = Update(9, 500, association_key(BOB), b"")
    lab[4].node.database.merge(update, lab.now)
    ((key, ours, theirs),) = [(d.key, d.ours, d.theirs) for d in node_of(check(lab), 4).differences]
    assert key == association_key(BOB)
    assert ours is not None
    assert theirs is not None
    assert (ours.seqno, ours.value, theirs.seqno, theirs.value) == (0, bytes(id_of(3)), 9, b"")


def test_a_node_with_an_empty_database_differs_in_more_than_is_looked_at() -> None:
    lab = Lab(2)
    for number in range(300):
        lab.join(1, mac(number))
    lab.wait(5)
    for number in range(300):
        lose(lab, 2, association_key(mac(number)))
    lab[1].forget()
    result = check(lab)
    node = node_of(result, 2)
    assert (node.standing, node.more) == (DIFFERS, True)
    assert LIMIT_PER_DEPTH <= len(node.differences) < 300
    assert len(questions(lab[1].effects, 2)) <= LOOKS * (1 + 3 * LIMIT_PER_DEPTH)


def test_difference_that_is_repaired_meanwhile_is_none(lab: Lab) -> None:
    held = lab[4].node.database.get(association_key(BOB))
    assert held is not None
    lose(lab, 4, held.key)
    lab[1].forget()
    begin(lab)
    lab.wait(0.5)
    assert ended(lab) is None
    lab.do(4, ev.UpdatesReceived(3, (Update(held.seqno, 5000, held.key, held.value),)))
    lab.wait(2)
    result = ended(lab)
    assert result is not None
    assert (result.in_step, result.looks) == (True, 2)


@pytest.mark.parametrize(("life", "standing"), [(50, IN_STEP), (300, DIFFERS)])
def test_what_is_about_to_expire_is_no_difference(lab: Lab, life: int, standing: Standing) -> None:
    lab[4].node.database.merge(Update(5, life, association_key(mac(1)), bytes(id_of(9))), lab.now)
    assert standings(check(lab))[4] is standing


def test_the_same_version_expired_at_one_node_only_differs(lab: Lab) -> None:
    database = lab[4].node.database
    held = database.get(association_key(BOB))
    assert held is not None
    lose(lab, 4, held.key)
    database.merge(Update(held.seqno, 1, held.key, held.value), lab.now - 2)
    database.expire(held.key, lab.now)
    ((ours, theirs),) = [(d.ours, d.theirs) for d in node_of(check(lab), 4).differences]
    assert ours is not None
    assert theirs is not None
    assert ours.fingerprint == theirs.fingerprint
    assert (ours.remaining > 5000, theirs.remaining) == (True, 0)


def test_long_keys_of_the_future_are_compared_whole_and_shown_in_part(lab: Lab) -> None:
    key = b"\xc8" + b"k" * (KEY_MAX + 40)
    for number, value in ((1, b"one"), (2, b"one"), (3, b"one"), (4, b"two")):
        lab[number].node.database.merge(Update(1, 5000, key, value), lab.now)
    result = check(lab)
    assert standings(result) == {2: IN_STEP, 3: IN_STEP, 4: DIFFERS}
    ((shown, ours, theirs),) = [(d.key, d.ours, d.theirs) for d in node_of(result, 4).differences]
    assert shown == key[:KEY_MAX]
    assert ours is not None
    assert theirs is not None
    assert (ours.value, theirs.value) == (b"one", b"two")


# -- no answer


def test_a_node_behind_a_cut_does_not_answer_and_is_named(lab: Lab) -> None:
    lab.cut(3, 4)
    lab.wait(1)
    result = check(lab)
    assert not result.in_step
    assert standings(result) == {2: IN_STEP, 3: IN_STEP, 4: NO_ANSWER}
    silent = node_of(result, 4)
    assert (silent.records, silent.differences) == (None, ())
    assert silent.renewed_ago is not None
    assert 0 <= silent.renewed_ago < 60
    assert result.looks == LOOKS
    assert result.seconds < 8


def test_a_node_that_comes_back_during_the_check_is_counted(lab: Lab) -> None:
    lab.cut(3, 4)
    lab[1].forget()
    begin(lab)
    lab.wait(2)
    lab.connect(3, 4)
    lab.wait(10)
    result = ended(lab)
    assert result is not None
    assert standings(result) == {2: IN_STEP, 3: IN_STEP, 4: IN_STEP}


def test_the_c_daemon_passes_no_question_on() -> None:
    """Its record is known here, since C nodes pass unknown keys on, but it is not asked."""
    lab = Lab(1)
    connect(lab, number=None)
    says(lab, SOMEBODY, Update(0, 5000, node_key(id_of(9)), b"\x03ap9" + bytes(20)))
    lab[1].forget()
    result = check(lab)
    assert standings(result) == {9: NO_ANSWER}
    assert lab[1].all(do.SendCensus) == []


def test_alone_there_is_nothing_to_compare() -> None:
    lab = Lab(1)
    result = check(lab)
    assert (result.nodes, result.in_step) == ((), True)
    assert as_json(lab, result)["in_step"] is True


# -- progress


def test_progress_is_told_every_second_while_it_runs(lab: Lab) -> None:
    lab.cut(3, 4)
    check(lab)
    told = lab[1].all(do.CheckProgressed)
    assert len(told) >= 3
    assert {effect.ticket for effect in told} == {TICKET}
    last = told[-1].progress
    assert (last.nodes, last.answered, last.in_step) == (3, 2, 2)
    assert last.look == LOOKS
