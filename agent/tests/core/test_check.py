"""sroamctl check: all nodes are compared with this one, what differs is named, and what only moves is no difference."""

from __future__ import annotations

import pytest

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.check import LIMIT_PER_DEPTH, LOOKS
from sroamd.core.check_result import Difference, Standing, Version
from sroamd.core.fingerprints import bucket_of
from sroamd.wire.census import KEY_MAX, Answer, Held, Question
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


# -- moving databases


def test_stations_that_never_rest_are_no_difference() -> None:
    """All the time something is under way in both directions: no two digests are ever the same, and all is well."""
    lab = Lab(3)
    for number in range(10):
        lab.join(1, mac(number))
    lab.wait(5)
    lab[1].forget()
    lab.hold(1, 2)
    lab.hold(2, 3)
    result = None
    for step in range(600):  # each 10 ms what is under way in one direction arrives, and something new sets out
        for number in range(10):
            lab.join(1 + number % 2 * 2, mac(number))
        if not step:
            begin(lab)
        lab.wait(0.01)
        for a, b in ((3, 2), (2, 1)) if step % 2 else ((1, 2), (2, 3)):
            lab.release(a, b)
            lab.held.add((a, b))
        result = ended(lab)
        if result is not None:
            break
    assert result is not None
    assert result.in_step, result
    assert [one for one in questions(lab[1].effects, 2) if one.depth == 3]
    assert result.looks > 1


def version(seqno: int, value: bytes = b"v", remaining: int = 1000) -> Version:
    return Version(seqno.to_bytes(7, "big") + value[:1], seqno, value, remaining)


OLD, NEW, GONE = version(1), version(2), version(2, b"")
EXPIRED, EXPIRES = version(2, remaining=0), version(2, remaining=50)


@pytest.mark.parametrize(
    ("before", "now", "moved"),
    [
        ((NEW, OLD), (NEW, OLD), False),
        ((OLD, NEW), (OLD, NEW), False),
        ((NEW, None), (NEW, None), False),
        ((None, NEW), (None, NEW), False),
        ((NEW, OLD), (version(3), NEW), True),
        ((NEW, OLD), (version(9), version(8)), True),
        ((OLD, NEW), (version(3), version(4)), True),
        ((OLD, None), (NEW, OLD), True),
        ((NEW, OLD), (version(3), OLD), False),
        ((NEW, OLD), (version(3), GONE), False),
        ((GONE, OLD), (version(3), GONE), True),
        ((NEW, OLD), (NEW, EXPIRED), False),
        ((EXPIRES, None), (version(3), None), True),
        ((version(65535), None), (version(1), version(0)), True),
    ],
)
def test_a_key_has_moved_if_each_side_has_reached_what_the_other_had(
    before: tuple[Version | None, Version | None], now: tuple[Version | None, Version | None], moved: bool
) -> None:
    assert Difference(b"k", *now).has_moved_since(Difference(b"k", *before)) is moved


def test_a_node_that_stands_still_while_the_others_move_differs() -> None:
    """Its link swallows updates: Hellos and the census get through."""
    lab = Lab(3)
    for number in range(20):
        lab.join(1, mac(number))
    lab.wait(5)
    deaf = lab[3].node
    merge = deaf.database.merge
    deaf.database.merge = lambda update, now: merge(Update(0, 0, b"\xc9", b""), now)  # type: ignore[method-assign]
    lab[1].forget()
    for step in range(100):
        lab.join(1 + step % 2, mac(step % 19))
        lab.wait(0.05)
        if step == 5:
            begin(lab)
    result = ended(lab)
    assert result is not None
    assert standings(result) == {2: IN_STEP, 3: DIFFERS}


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


# -- hostile answers


def root_of(lab: Lab) -> bytes:
    return b"".join(lab[1].node.database.digests.children(0, 0))


def liar(lab: Lab) -> bytes:
    """A peer that has a record, and the nonce that it is asked with."""
    connect(lab)
    says(lab, SOMEBODY, Update(0, 5000, node_key(id_of(9)), b"\x03ap9" + bytes(20)))
    lab[1].forget()
    begin(lab)
    (question,) = questions(lab[1].effects, SOMEBODY)
    lab[1].forget()
    return question.nonce


def answer(lab: Lab, nonce: bytes, *, node: int = 9, **changes: object) -> list[do.Effect]:
    fields = {"depth": 0, "prefix": 0, "count": 1, "digests": root_of(lab)} | changes
    return lab.do(1, ev.CensusReceived(SOMEBODY, Answer(id_of(1), nonce, id_of(node), **fields)))  # type: ignore[arg-type]


def test_forged_nonces_are_counted_and_nothing_else() -> None:
    lab = Lab(1)
    nonce = liar(lab)
    for forged in (bytes(8), bytes(reversed(nonce)), b""):
        answer(lab, forged)
    assert lab[1].node.counters["census.unasked"] == 3
    assert ended(lab) is None
    answer(lab, nonce)
    assert ended(lab) is not None


def test_an_answer_in_this_node_s_own_name_is_nothing() -> None:
    lab = Lab(1)
    nonce = liar(lab)
    assert answer(lab, nonce, node=1) == []
    answer(lab, nonce)
    result = ended(lab)
    assert result is not None
    assert standings(result) == {9: IN_STEP}


def test_a_node_is_heard_once_a_look() -> None:
    lab = Lab(1)
    nonce = liar(lab)
    answer(lab, nonce, digests=b"\xff" * 128)
    asked = len(questions(lab[1].effects, SOMEBODY))
    assert asked == LIMIT_PER_DEPTH
    for _ in range(50):
        answer(lab, nonce, digests=b"\xee" * 128)
    assert len(questions(lab[1].effects, SOMEBODY)) == asked


def test_answers_of_unknown_nodes_without_end_are_bounded() -> None:
    """Each that says something else than we do is looked into: CENSUS_NODES_MAX of them at most, in bounded time."""
    lab = Lab(1)
    nonce = liar(lab)
    for number in range(3 * constants.CENSUS_NODES_MAX):
        stranger = id_of(0)[:4] + number.to_bytes(4, "big")
        message = Answer(id_of(1), nonce, type(id_of(0))(stranger), 0, 0, 1, b"\xff" * 128)
        lab.do(1, ev.CensusReceived(SOMEBODY, message))
    census = lab[1].node.census
    assert len(census._ways) <= constants.CENSUS_WAYS_MAX
    assert lab[1].node.counters["census.unasked"] >= 2 * constants.CENSUS_NODES_MAX
    lab.wait(30)
    result = ended(lab)
    assert result is not None
    assert len(result.nodes) == constants.CENSUS_NODES_MAX
    assert not result.in_step
    assert len(questions(lab[1].effects, SOMEBODY)) < 30 * constants.CENSUS_TARGETED_RATE


def test_an_unknown_node_that_answers_is_named_by_its_id() -> None:
    lab = Lab(1)
    nonce = liar(lab)
    answer(lab, nonce, node=77)
    answer(lab, nonce)
    result = ended(lab)
    assert result is not None
    (stranger,) = [one for one in as_json(lab, result)["nodes"] if one["id"] == str(id_of(77))]
    assert (stranger["known"], stranger["node"], stranger["state"]) == (False, str(id_of(77)), "in step")


KEY = b"\xc8key"
BUCKET = bucket_of(KEY)
LIES: dict[str, tuple[int, int, Held | None]] = {  # count, how many answers, each with this
    "endless": (2**32 - 1, 600, Held(b"12345678", 1, 5000, KEY, b"v")),
    "more than fit a bucket": (300, 600, Held(b"12345678", 1, 5000, KEY, b"v")),
    "fewer than it says": (2, 1, Held(b"12345678", 1, 5000, KEY, b"v")),
    "none of five": (5, 1, None),
    "one of none": (0, 1, Held(b"12345678", 1, 5000, KEY, b"v")),
    "of another bucket": (1, 1, Held(b"12345678", 1, 5000, b"\xc8yek", b"v")),
}


@pytest.mark.parametrize("lie", LIES)
def test_listings_that_contradict_themselves_end_and_prove_nothing(lie: str) -> None:
    """The digests lead to one bucket, and there the truth is not told."""
    lab = Lab(1)
    nonce = liar(lab)
    count, times, held = LIES[lie]
    tree = lab[1].node.database.digests

    def lying_digests(depth: int, prefix: int) -> bytes:
        digests = bytearray(b"".join(tree.children(depth, prefix)))
        digests[(BUCKET >> (8 - 4 * depth) & 15) * 8] ^= 1
        return bytes(digests)

    seen = 0
    asked = [Question(id_of(1), nonce, None, 0, 0)]
    while ended(lab) is None:
        for question in asked:
            part = {"depth": question.depth, "prefix": question.prefix}
            if question.depth < 3:
                answer(lab, question.nonce, **part, digests=lying_digests(question.depth, question.prefix))
                continue
            assert question.prefix == BUCKET
            for _ in range(times):
                answer(lab, question.nonce, **part, count=count, digests=b"", held=held)
        everything = questions(lab[1].effects, SOMEBODY)
        asked, seen = everything[seen:], len(everything)
        if not asked:
            assert lab.now < 1030
            lab.wait(0.1)
    result = ended(lab)
    assert result is not None
    node = node_of(result, 9)
    assert (node.standing, node.differences, node.more) == (DIFFERS, (), True)
    assert seen < 4 * 4


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
