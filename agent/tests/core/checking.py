"""What tests of the census share: run a check, read its result, plant a difference, and be a node that lies."""

from __future__ import annotations

from typing import Any

from sroamd.addresses import NodeId
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.check_json import result_json
from sroamd.core.check_result import CheckResult, NodeResult, Standing
from sroamd.wire.census import Answer, Question
from tests.core.harness import ALICE, BOB, Lab, id_of

TICKET = 7


def line_of_four() -> Lab:
    """Four nodes; Alice at the first with an address, Bob at the third."""
    lab = Lab(4)
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    lab.join(3, BOB)
    lab.wait(5)
    return lab


def begin(lab: Lab, number: int = 1, ticket: int = TICKET) -> None:
    lab.do(number, ev.CheckRequested(ticket))


def ended(lab: Lab, number: int = 1, ticket: int = TICKET) -> CheckResult | None:
    """The result, or None while it runs."""
    for effect in lab[number].all(do.CheckEnded):
        if effect.ticket == ticket:
            assert effect.result is not None
            return effect.result
    return None


def check(lab: Lab, number: int = 1, *, within: float = 20.0) -> CheckResult:
    """The whole of it."""
    lab[number].forget()
    begin(lab, number)
    result = ended(lab, number)
    until = lab.now + within
    while result is None:
        assert lab.now < until, "the check does not end"
        lab.wait(0.1)
        result = ended(lab, number)
    return result


def standings(result: CheckResult) -> dict[int, Standing]:
    """By the number in the node's name."""
    return {one.node[-1]: one.standing for one in result.nodes}


def node_of(result: CheckResult, number: int) -> NodeResult:
    (found,) = [one for one in result.nodes if one.node == id_of(number)]
    return found


def as_json(lab: Lab, result: CheckResult, number: int = 1) -> Any:
    node = lab[number].node
    return result_json(node.state, node.nodes, result)


def lose(lab: Lab, number: int, key: bytes) -> None:
    """However it came about: this node holds no version of the key any more, and nobody has been told."""
    database = lab[number].node.database
    database.digests.forget(key)
    del database._data[key]


def questions(effects: list[do.Effect], peer: int) -> list[Question]:
    return [message for message in census_to(effects, peer) if isinstance(message, Question)]


def answers(effects: list[do.Effect], peer: int) -> list[Answer]:
    return [message for message in census_to(effects, peer) if isinstance(message, Answer)]


def census_to(effects: list[do.Effect], peer: int) -> list[Question | Answer]:
    return [m for e in effects if isinstance(e, do.SendCensus) and e.peer == peer for m in e.messages]


def everybody(asker: NodeId, nonce: int = 0) -> Question:
    return Question(asker, nonce.to_bytes(8, "big"), None, 0, 0)
