"""Stations that two nodes claim, both with an answer in their hand: who said what, for the operator who must decide.

A station is never in two places, so there are two stations with one MAC. The protocol cannot say which is the right
one; it sees to it that both are asked, that the quarrel stays small (core.backoff), and that people find the evidence
of both sides on every node: beyond RECLAIM_FREE claims each side floods what it has seen, until it is over.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

from sroamd import constants
from sroamd.addresses import Mac, NodeId
from sroamd.core.agenda import Job
from sroamd.core.effects import Level
from sroamd.core.events import Probe
from sroamd.core.nodes import Nodes
from sroamd.core.pings import Ping
from sroamd.core.turn import State, Turn
from sroamd.wire.datum import Evidence, evidence_key


class Outcome(Enum):
    """What this node knew last; the value is for people."""

    ANSWERED = "answers"
    SILENT = "does not answer"
    LEFT = "has left"


@dataclass(slots=True)
class Conflict:
    """`rivals`: how often each other node has claimed it, the latest last. `told_at`: when evidence was flooded."""

    since: float
    last: float
    outcome: Outcome = Outcome.ANSWERED
    claims: int = 0
    rivals: dict[NodeId, int] = field(default_factory=dict)
    asked: Counter[Probe] = field(default_factory=Counter)
    answered: Counter[Probe] = field(default_factory=Counter)
    told_at: float | None = None

    def evidence(self, now: float) -> Evidence:
        return Evidence(
            rival=next(reversed(self.rivals)),
            began=int(now - self.since),
            claims=self.claims,
            rival_claims=sum(self.rivals.values()),
            asked=(self.asked[Probe.ARP], self.asked[Probe.NEIGHBOR], self.asked[Probe.POLL]),
            answered=(self.answered[Probe.ARP], self.answered[Probe.NEIGHBOR], self.answered[Probe.POLL]),
        )


class Conflicts:
    """`stations`: those that have answered here although another node claimed them, the latest last."""

    def __init__(self, state: State, nodes: Nodes) -> None:
        self._state = state
        self._nodes = nodes
        self.stations: dict[Mac, Conflict] = {}

    def claimed(self, turn: Turn, station: Mac, rival: NodeId) -> None:
        """Another node claims a station that is here. One that has not answered since is no conflict yet."""
        conflict = self.stations.get(station)
        if conflict is not None:
            conflict.last = turn.now
            self._count(conflict, rival)

    def reclaimed(self, turn: Turn, station: Mac, ping: Ping, by: Probe, wait: float) -> None:
        """It answered a ping that a rival's claim had led to, and is not asked again for `wait` seconds."""
        assert ping.rival is not None
        conflict = self.stations.pop(station, None) or self._new(turn, ping.rival)
        self.stations[station] = conflict
        conflict.last, conflict.outcome = turn.now, Outcome.ANSWERED
        conflict.claims += 1
        conflict.asked.update(ping.asked)
        conflict.answered[by] += 1
        rival, times = self._nodes.name(ping.rival), conflict.claims
        if not wait:
            turn.note(Level.INFO, f"station {station} answers here ({by.value}): claimed from {rival}, time {times}")
            self._state.agenda.set_earlier(Job.CONFLICT, station, turn.now + constants.CONFLICT_KEEP)
            return
        turn.note(
            Level.WARNING,
            f"station {station} answers here ({by.value}) and is claimed by {rival} again and again, time {times}: "
            f"a copied MAC? Not asked again for {wait:.0f} s",
        )
        if conflict.told_at is None:
            self._tell(turn, station, conflict)

    def ended(self, station: Mac, outcome: Outcome, ping: Ping | None = None) -> None:
        """It is not here any more; `ping` was not answered."""
        conflict = self.stations.get(station)
        if conflict is not None and conflict.outcome is Outcome.ANSWERED:
            conflict.outcome = outcome
            if ping is not None:
                conflict.asked.update(ping.asked)

    def due(self, turn: Turn, station: Mac) -> None:
        """Tell what is new, take back what is over, forget what is old."""
        conflict = self.stations.get(station)
        if conflict is None:
            return
        if conflict.told_at is not None:
            over = turn.now >= conflict.last + constants.CONFLICT_OVER
            if over or conflict.outcome is not Outcome.ANSWERED:
                self._take_back(turn, station, conflict)
            else:
                self._tell(turn, station, conflict)
        elif turn.now >= conflict.last + constants.CONFLICT_KEEP:
            del self.stations[station]
        else:
            self._state.agenda.set(Job.CONFLICT, station, conflict.last + constants.CONFLICT_KEEP)

    def _new(self, turn: Turn, rival: NodeId) -> Conflict:
        """With room for it: the one of which nothing has been heard for longest goes."""
        if len(self.stations) >= constants.CONFLICTS_MAX:
            oldest = next(iter(self.stations))
            del self.stations[oldest]  # what was told of it runs out
            self._state.agenda.clear(Job.CONFLICT, oldest)
        return Conflict(turn.now, turn.now, rivals={rival: 1})

    def _count(self, conflict: Conflict, rival: NodeId) -> None:
        rivals = conflict.rivals
        rivals[rival] = rivals.pop(rival, 0) + 1  # as the last of them
        if len(rivals) > constants.CONFLICT_RIVALS_MAX:
            del rivals[next(iter(rivals))]

    def _tell(self, turn: Turn, station: Mac, conflict: Conflict) -> None:
        conflict.told_at = turn.now
        key = evidence_key(station, self._state.node_id)
        turn.publish(key, conflict.evidence(turn.now).encode(), constants.EVIDENCE_LIFE)
        self._state.agenda.set(Job.CONFLICT, station, turn.now + constants.EVIDENCE_INTERVAL)

    def _take_back(self, turn: Turn, station: Mac, conflict: Conflict) -> None:
        conflict.told_at = None
        turn.publish(evidence_key(station, self._state.node_id), b"", constants.EVIDENCE_LIFE)
        self._state.agenda.set(Job.CONFLICT, station, conflict.last + constants.CONFLICT_KEEP)
        turn.note(Level.INFO, f"station {station} is contested no more: {conflict.outcome.value}")
