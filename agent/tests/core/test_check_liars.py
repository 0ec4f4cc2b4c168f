"""sroamctl check among liars: answers that nobody asked for, that never end, or that contradict themselves."""

from __future__ import annotations

import pytest

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.check import LIMIT_PER_DEPTH
from sroamd.core.check_result import Standing
from sroamd.core.fingerprints import bucket_of
from sroamd.wire.census import Answer, Held, Question
from sroamd.wire.datum import node_key
from sroamd.wire.flood import Update
from tests.core.checking import as_json, begin, ended, node_of, questions, standings
from tests.core.harness import Lab, id_of
from tests.core.strangers import SOMEBODY, connect, says

IN_STEP, DIFFERS = Standing.IN_STEP, Standing.DIFFERS


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
