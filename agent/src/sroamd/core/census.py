"""The census: answers what others ask about this node's database, and carries questions and answers between nodes.

A question to everybody goes to all peers but the one that it came from, once for each (asker, nonce). An answer goes
back the way that the question came. By the answers a node learns which peer leads to which node, and a question to one
node goes only there. What cannot be sent at once is dropped: who asked asks again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sroamd import constants
from sroamd.addresses import NodeId
from sroamd.core.checks import Checks
from sroamd.core.database import Datum
from sroamd.core.effects import SendCensus
from sroamd.core.events import PeerId
from sroamd.core.fingerprints import fingerprint
from sroamd.core.nodes import Nodes
from sroamd.core.peering import Peering
from sroamd.core.turn import State, Turn
from sroamd.rate import TokenBucket
from sroamd.wire.census import KEY_AND_VALUE_MAX, KEY_MAX, Answer, Held, Question
from sroamd.wire.summary import DEPTH, DIGEST_SIZE


@dataclass(slots=True)
class Asked:
    """A question that has passed: whence, and how many answers it may still have."""

    came_from: PeerId
    until: float
    answers_left: int


@dataclass(frozen=True, slots=True)
class Quota:
    """What one peer may ask, itself or for others."""

    everybody: TokenBucket
    one: TokenBucket


class Census:
    def __init__(self, state: State, peering: Peering, nodes: Nodes) -> None:
        self._state = state
        self._peering = peering
        self._asked: dict[tuple[NodeId, bytes], Asked] = {}  # the oldest first
        self._ways: dict[NodeId, PeerId] = {}  # the one that was longest not heard of first
        self._quotas: dict[PeerId, Quota] = {}
        self.counters: Counter[str] = Counter()
        self.checks = Checks(state, nodes, self._ask)

    def heard(self, turn: Turn, peer_id: PeerId, message: Question | Answer) -> None:
        if self._peering.heard(turn, peer_id) is None:
            return
        if isinstance(message, Question):
            self._question(turn, peer_id, message)
        else:
            self._answer(turn, peer_id, message)

    def closed(self, peer_id: PeerId) -> None:
        self._quotas.pop(peer_id, None)

    # -- questions

    def _question(self, turn: Turn, peer_id: PeerId, question: Question) -> None:
        own_id = self._state.node_id
        name = question.asker, question.nonce
        if question.asker == own_id or name in self._asked:
            return  # it went round
        if not self._allowed(peer_id, question, turn.now):
            self.counters["census.too-many-questions"] += 1
            return
        self._remember(name, peer_id, question, turn.now)
        if question.target in (None, own_id):
            self._send(turn, peer_id, *self._own_answers(question, turn.now))
        if question.target != own_id:
            self._pass_on(turn, question, peer_id)

    def _allowed(self, peer_id: PeerId, question: Question, now: float) -> bool:
        quota = self._quotas.get(peer_id)
        if quota is None:
            everybody = TokenBucket(constants.CENSUS_EVERYBODY_RATE, constants.CENSUS_EVERYBODY_BURST, now)
            one = TokenBucket(constants.CENSUS_TARGETED_RATE, constants.CENSUS_TARGETED_BURST, now)
            quota = self._quotas[peer_id] = Quota(everybody, one)
        return (quota.everybody if question.target is None else quota.one).take(now)

    def _remember(self, name: tuple[NodeId, bytes], peer_id: PeerId, question: Question, now: float) -> None:
        for oldest in list(self._asked)[:2]:  # two go for each that comes: the table empties itself
            if self._asked[oldest].until <= now or len(self._asked) >= constants.CENSUS_QUESTIONS_MAX:
                del self._asked[oldest]
        if question.target is None:
            answers = constants.CENSUS_NODES_MAX
        else:
            answers = constants.CENSUS_BUCKET_MAX if question.depth == DEPTH else 1
        self._asked[name] = Asked(peer_id, now + constants.CENSUS_QUESTION_LIFE, answers)

    def _pass_on(self, turn: Turn, question: Question, came_from: PeerId | None) -> None:
        if question.target is None:
            for peer_id in self._peering.peers:
                if peer_id != came_from:
                    self._send(turn, peer_id, question)
            return
        way = self._ways.get(question.target)
        if way is None or way == came_from:
            self.counters["census.no-way"] += 1
        else:
            self._send(turn, way, question)

    def _ask(self, turn: Turn, question: Question) -> None:
        """One of our own."""
        self._pass_on(turn, question, None)

    # -- answers

    def _answer(self, turn: Turn, peer_id: PeerId, answer: Answer) -> None:
        if answer.node == self._state.node_id:
            return  # nobody else speaks for this node
        if answer.asker == self._state.node_id:
            if self.checks.asked(answer.nonce):
                self._learn_way(answer.node, peer_id)  # first, since this answer leads to the next questions
            if not self.checks.answered(turn, answer):
                self.counters["census.unasked"] += 1
            return
        asked = self._asked.get((answer.asker, answer.nonce))
        if asked is None or asked.until <= turn.now or asked.came_from == peer_id:
            self.counters["census.unasked"] += 1
        elif asked.answers_left == 0:
            self.counters["census.too-many-answers"] += 1
        else:
            asked.answers_left -= 1
            self._learn_way(answer.node, peer_id)
            self._send(turn, asked.came_from, answer)

    def _learn_way(self, node: NodeId, peer_id: PeerId) -> None:
        self._ways.pop(node, None)
        self._ways[node] = peer_id
        if len(self._ways) > constants.CENSUS_WAYS_MAX:
            del self._ways[next(iter(self._ways))]

    def _own_answers(self, question: Question, now: float) -> tuple[Answer, ...]:
        """One; or as many as there are data in the bucket that was asked for."""
        digests = self._state.database.digests
        name = question.asker, question.nonce, self._state.node_id, question.depth, question.prefix
        if question.depth < DEPTH:
            children = b"".join(digests.children(question.depth, question.prefix))
            return (Answer(*name, digests.alive, children),)
        keys = digests.keys(question.prefix)
        if not 0 < len(keys) <= constants.CENSUS_BUCKET_MAX:
            return (Answer(*name, len(keys)),)
        data = [self._state.database.get(key) for key in keys]
        return tuple(Answer(*name, len(keys), held=to_held(datum, now)) for datum in data if datum is not None)

    def _send(self, turn: Turn, peer_id: PeerId, *messages: Question | Answer) -> None:
        """The C daemon would not understand it, and a peer that is behind has more important things to read."""
        peer = self._peering.peers.get(peer_id)
        if peer is None or not peer.is_ours:
            return
        if peer.blocked:
            self.counters["census.dropped"] += len(messages)
        else:
            turn.told.append(SendCensus(peer_id, messages))


def to_held(datum: Datum, now: float) -> Held:
    """As an answer says it: what does not fit is cut, and still compared by its fingerprint."""
    bits = fingerprint(datum.key, datum.seqno, datum.value)
    key = datum.key[:KEY_MAX]
    value = datum.value[: KEY_AND_VALUE_MAX - len(key)]
    return Held(bits.to_bytes(DIGEST_SIZE, "big"), datum.seqno, datum.remaining(now), key, value)
