"""The census as a relay: questions go round once, answers come back the same way, and everything is bounded."""

from __future__ import annotations

import pytest

from sroamd import constants
from sroamd.addresses import NodeId
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.fingerprints import bucket_of
from sroamd.wire.census import Answer, Question, encode
from sroamd.wire.datum import association_key
from sroamd.wire.flood import HANDSHAKE, StreamDecoder, Update
from tests.core.checking import answers, census_to, check, everybody, questions, standings
from tests.core.harness import Lab, id_of, mac
from tests.core.strangers import ANOTHER, SOMEBODY, connect, says

ASKER = id_of(9)


@pytest.fixture
def lab() -> Lab:
    """One node between two peers of ours and a C daemon."""
    lab = Lab(1)
    connect(lab, SOMEBODY, number=9)
    connect(lab, ANOTHER, number=8)
    connect(lab, 53, number=None)
    return lab


def hears(lab: Lab, peer: int, message: Question | Answer) -> list[do.Effect]:
    return lab.do(1, ev.CensusReceived(peer, message))


def count(lab: Lab, name: str) -> int:
    return lab[1].node.counters[f"census.{name}"]


def root_answer(question: Question, node: NodeId) -> Answer:
    return Answer(question.asker, question.nonce, node, 0, 0, 5, bytes(128))


# -- questions


def test_a_question_to_everybody_is_answered_and_passed_on_to_all_nodes_but_its_sender(lab: Lab) -> None:
    question = everybody(ASKER)
    effects = hears(lab, SOMEBODY, question)
    database = lab[1].node.database
    digests = b"".join(database.digests.children(0, 0))
    assert census_to(effects, SOMEBODY) == [Answer(ASKER, question.nonce, id_of(1), 0, 0, database.alive, digests)]
    assert census_to(effects, ANOTHER) == [question]
    assert census_to(effects, 53) == []


def test_a_question_that_comes_round_again_is_nothing(lab: Lab) -> None:
    hears(lab, SOMEBODY, everybody(ASKER))
    assert hears(lab, ANOTHER, everybody(ASKER)) == []
    assert hears(lab, SOMEBODY, everybody(ASKER)) == []
    assert len(hears(lab, SOMEBODY, everybody(ASKER, nonce=1))) == 2


def test_a_question_in_this_node_s_own_name_is_nothing(lab: Lab) -> None:
    assert hears(lab, SOMEBODY, everybody(id_of(1))) == []


def test_on_a_ring_everybody_answers_once() -> None:
    lab = Lab(6, links=[(1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 1), (1, 4)])
    lab.wait(5)
    result = check(lab)
    assert set(standings(result)) == {2, 3, 4, 5, 6}
    assert result.in_step
    heard = [effect for host in lab.hosts for effect in host.all(do.SendCensus)]
    assert sum(len(answers([effect], peer)) for effect in heard for peer in range(1, 7)) <= 5 * 3
    assert len(heard) <= 2 * 7 + 5 * 3


def test_a_bucket_is_listed_with_tombstones_and_what_has_expired(lab: Lab) -> None:
    key = association_key(mac(1))
    says(lab, SOMEBODY, Update(3, 600, key, b""))
    question = Question(ASKER, bytes(8), id_of(1), 3, bucket_of(key))
    (answer,) = answers(hears(lab, SOMEBODY, question), SOMEBODY)
    assert answer.count == 1
    assert answer.held is not None
    assert (answer.held.key, answer.held.seqno, answer.held.remaining, answer.held.value) == (key, 3, 600, b"")


def test_an_empty_bucket_and_one_that_is_too_full_have_one_answer_without_data(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "CENSUS_BUCKET_MAX", 8)
    bucket = bucket_of(b"\xc8")
    question = Question(ASKER, bytes(8), id_of(1), 3, bucket)
    (empty,) = answers(hears(lab, SOMEBODY, question), SOMEBODY)
    assert (empty.count, empty.held) == (0, None)
    crafted = [key for n in range(1 << 17) if bucket_of(key := b"\xc8" + n.to_bytes(3, "big")) == bucket]
    crafted = crafted[: constants.CENSUS_BUCKET_MAX + 1]
    assert len(crafted) == constants.CENSUS_BUCKET_MAX + 1
    for listed in (crafted[:-1], crafted[-1:]):
        for key in listed:
            lab[1].node.database.merge(Update(0, 5000, key, b"v"), lab.now)
        nonce = len(listed).to_bytes(8, "big")
        found = answers(hears(lab, SOMEBODY, Question(ASKER, nonce, id_of(1), 3, bucket)), SOMEBODY)
        if len(listed) > 1:
            assert {one.held.key for one in found if one.held is not None} == set(listed)
        else:
            assert [(one.count, one.held) for one in found] == [(len(crafted), None)]


# -- ways


def test_a_question_to_one_node_takes_the_way_that_its_answer_came(lab: Lab) -> None:
    connect(lab, 54, number=7)
    hears(lab, SOMEBODY, everybody(ASKER))
    far = id_of(77)
    question = Question(ASKER, b"question", far, 1, 2)
    assert hears(lab, SOMEBODY, question) == []
    assert count(lab, "no-way") == 1
    answer = root_answer(everybody(ASKER), far)
    assert census_to(hears(lab, ANOTHER, answer), SOMEBODY) == [answer]
    again = Question(ASKER, b"again...", far, 1, 2)
    effects = hears(lab, SOMEBODY, again)
    assert [effect.peer for effect in effects if isinstance(effect, do.SendCensus)] == [ANOTHER]
    assert questions(effects, ANOTHER) == [again]


def test_a_way_that_leads_back_is_none(lab: Lab) -> None:
    hears(lab, SOMEBODY, everybody(ASKER))
    hears(lab, ANOTHER, root_answer(everybody(ASKER), id_of(77)))
    assert hears(lab, ANOTHER, Question(id_of(8), bytes(8), id_of(77), 0, 0)) == []


# -- answers


def test_answers_that_nobody_waits_for_are_counted_and_dropped(lab: Lab) -> None:
    question = everybody(ASKER)
    assert hears(lab, ANOTHER, root_answer(question, id_of(8))) == []
    hears(lab, SOMEBODY, question)
    forged = Answer(ASKER, b"forged!!", id_of(8), 0, 0, 5, bytes(128))
    assert hears(lab, ANOTHER, forged) == []
    assert hears(lab, SOMEBODY, root_answer(question, id_of(8))) == []  # it would go back to its sender
    assert hears(lab, ANOTHER, root_answer(question, id_of(1))) == []  # we speak for ourselves
    lab.wait(5)
    hears(lab, SOMEBODY, everybody(id_of(9), nonce=5))  # keeps the peers alive
    hears(lab, ANOTHER, everybody(id_of(8), nonce=5))
    lab.wait(constants.CENSUS_QUESTION_LIFE - 4)
    assert hears(lab, ANOTHER, root_answer(question, id_of(8))) == []
    assert count(lab, "unasked") == 4


@pytest.mark.parametrize(
    ("target", "depth", "allowed"),
    [
        (None, 0, constants.CENSUS_NODES_MAX),
        (id_of(8), 1, 1),
        (id_of(8), 3, constants.CENSUS_BUCKET_MAX),
    ],
)
def test_answers_without_end_are_cut(lab: Lab, target: NodeId | None, depth: int, allowed: int) -> None:
    question = Question(ASKER, b"question", target, depth, 0)
    hears(lab, SOMEBODY, question)
    digests = b"" if depth == 3 else bytes(128)
    passed = 0
    for number in range(2 * allowed):
        answer = Answer(ASKER, question.nonce, NodeId(number.to_bytes(8, "big")), depth, 0, 5, digests)
        passed += len(hears(lab, ANOTHER, answer))
    assert passed == allowed
    assert count(lab, "too-many-answers") == allowed


# -- limits


def test_one_peer_s_questions_are_limited_and_the_other_s_are_not(lab: Lab) -> None:
    burst = constants.CENSUS_EVERYBODY_BURST
    taken = sum(bool(hears(lab, SOMEBODY, everybody(ASKER, n))) for n in range(2 * burst))
    assert taken == burst
    assert count(lab, "too-many-questions") == burst
    assert hears(lab, ANOTHER, everybody(id_of(8)))
    lab.now += 1.0
    taken = sum(bool(hears(lab, SOMEBODY, everybody(ASKER, 1000 + n))) for n in range(2 * burst))
    assert taken == constants.CENSUS_EVERYBODY_RATE


def test_a_peer_that_comes_again_begins_anew_and_leaves_nothing(lab: Lab) -> None:
    hears(lab, SOMEBODY, everybody(ASKER))
    lab.do(1, ev.PeerClosed(SOMEBODY))
    assert lab[1].node.census._quotas == {}
    assert hears(lab, SOMEBODY, everybody(ASKER, 7)) == []


def test_remembered_questions_and_ways_are_bounded(lab: Lab) -> None:
    census = lab[1].node.census
    most = constants.CENSUS_QUESTIONS_MAX
    for number in range(most + 300):
        if number % 200 == 0:
            lab.now += 0.1
        question = Question(NodeId(number.to_bytes(8, "big")), bytes(8), id_of(1), 0, 0)
        assert hears(lab, SOMEBODY, question)
        assert len(census._asked) <= most
    for number in range(most + 300):
        if number % constants.CENSUS_NODES_MAX == 0:
            lab.now += 1.0
            asked = everybody(ASKER, number)
            hears(lab, SOMEBODY, asked)
        hears(lab, ANOTHER, root_answer(asked, NodeId(number.to_bytes(8, "big"))))
    assert len(census._ways) == constants.CENSUS_WAYS_MAX


def test_old_questions_go_as_new_ones_come(lab: Lab) -> None:
    for number in range(50):
        hears(lab, SOMEBODY, everybody(ASKER, number))
    lab.now += constants.CENSUS_QUESTION_LIFE
    for number in range(30):
        hears(lab, SOMEBODY, everybody(ASKER, 100 + number))
    assert len(lab[1].node.census._asked) == 30


def test_a_peer_that_is_behind_is_sent_none_of_it(lab: Lab) -> None:
    lab.do(1, ev.PeerBlocked(ANOTHER))
    assert census_to(hears(lab, SOMEBODY, everybody(ASKER)), ANOTHER) == []
    assert count(lab, "dropped") == 1
    lab.do(1, ev.PeerWritable(ANOTHER))
    assert census_to(hears(lab, SOMEBODY, everybody(ASKER, 2)), ANOTHER) != []


def test_census_is_a_sign_of_life(lab: Lab) -> None:
    for number in range(8):
        lab.wait(5)
        hears(lab, SOMEBODY, everybody(ASKER, number))
    closed = {effect.peer for effect in lab[1].all(do.ClosePeer)}
    assert SOMEBODY not in closed
    assert ANOTHER in closed


def test_strangers_are_not_heard() -> None:
    lab = Lab(1)
    assert hears(lab, 99, everybody(ASKER)) == []
    assert lab[1].node.census._quotas == {}


def test_everything_that_is_sent_can_be_read(lab: Lab) -> None:
    """Octets and back, for all parts of a database with long and short data."""
    for number in range(60):
        key = bytes((0xC8, number)) + b"k" * (4 * number)
        lab[1].node.database.merge(Update(number, 5000, key, b"v" * (247 - len(key))), lab.now)
    buckets = {bucket_of(datum.key) for datum in lab[1].node.database}
    parts = [(0, 0), *((1, n) for n in range(16)), *((3, bucket) for bucket in buckets)]
    for number, (depth, prefix) in enumerate(parts):
        question = Question(ASKER, number.to_bytes(8, "big"), id_of(1), depth, prefix)
        sent = answers(hears(lab, SOMEBODY, question), SOMEBODY)
        assert sent
        assert StreamDecoder().feed(HANDSHAKE + b"".join(map(encode, sent))) == sent
