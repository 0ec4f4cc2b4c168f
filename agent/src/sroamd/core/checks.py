"""The checks that run on this node (`core.check` has the decisions): their questions, their time, their end."""

from __future__ import annotations

from collections.abc import Callable

from sroamd import constants
from sroamd.core.agenda import Job
from sroamd.core.check import OUTSTANDING_MAX, Check
from sroamd.core.effects import CheckEnded, CheckProgressed
from sroamd.core.nodes import Nodes
from sroamd.core.turn import State, Turn
from sroamd.rate import TokenBucket
from sroamd.wire.census import NONCE_SIZE, Answer, Question

TICK = 0.1
PROGRESS_INTERVAL = 1.0
# All checks together: half of what every peer lets pass, so that two nodes may check at a time.
RATE, BURST = constants.CENSUS_TARGETED_RATE / 2, constants.CENSUS_TARGETED_BURST / 2


class Checks:
    """`ask` floods or forwards a question of this node."""

    def __init__(self, state: State, nodes: Nodes, ask: Callable[[Turn, Question], None]) -> None:
        self._state = state
        self._nodes = nodes
        self._ask = ask
        self._running: dict[int, Check] = {}
        self._told_at: dict[int, float] = {}
        self._allowance = TokenBucket(RATE, BURST, 0.0)

    def start(self, turn: Turn, ticket: int) -> None:
        if len(self._running) >= constants.CHECKS_MAX:
            turn.said.append(CheckEnded(ticket, None))
            return
        check = self._running[ticket] = Check(self._state, self._nodes.records, turn.now)
        self._told_at[ticket] = turn.now
        self._look(turn, ticket, check)

    def asked(self, nonce: bytes) -> bool:
        """Whether an answer to this question is waited for."""
        return any(nonce in check.outstanding for check in self._running.values())

    def answered(self, turn: Turn, answer: Answer) -> bool:
        """Whether one of the checks had asked for it."""
        for ticket, check in list(self._running.items()):
            if check.answered(answer, turn.now):
                self._go_on(turn, ticket, check)
                return True
        return False

    def due(self, turn: Turn, ticket: int) -> None:
        check = self._running[ticket]
        if check.resting:
            self._look(turn, ticket, check)
            return
        if turn.now >= self._told_at[ticket] + PROGRESS_INTERVAL:
            self._told_at[ticket] = turn.now
            turn.said.append(CheckProgressed(ticket, check.progress()))
        self._go_on(turn, ticket, check)

    def settle(self) -> None:
        """At the end of every reaction: our own digest may have changed."""
        for check in self._running.values():
            check.note_root()

    def _look(self, turn: Turn, ticket: int, check: Check) -> None:
        nonce = self._nonce()
        check.begin_look(nonce, turn.now)
        self._ask(turn, Question(self._state.node_id, nonce, None, 0, 0))
        self._go_on(turn, ticket, check)

    def _go_on(self, turn: Turn, ticket: int, check: Check) -> None:
        """Ask what may be asked by now; when the look is over, see what it has come to."""
        while check.queue and len(check.outstanding) <= OUTSTANDING_MAX and self._allowance.take(turn.now):
            part = check.queue.popleft()
            nonce = self._nonce()
            check.outstanding[nonce] = part
            self._ask(turn, Question(self._state.node_id, nonce, part.node, part.depth, part.prefix))
        if not check.is_look_over(turn.now):
            self._state.agenda.set_earlier(Job.CHECK, ticket, turn.now + TICK)
        elif not check.conclude_look():
            self._state.agenda.set(Job.CHECK, ticket, max(turn.now, check.next_look_at()))
        else:
            del self._running[ticket], self._told_at[ticket]
            self._state.agenda.clear(Job.CHECK, ticket)
            turn.said.append(CheckEnded(ticket, check.result(turn.now)))

    def _nonce(self) -> bytes:
        return self._state.rng.randbytes(NONCE_SIZE)
