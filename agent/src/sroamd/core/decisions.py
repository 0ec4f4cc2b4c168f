"""The log of what was decided about stations' DHCP messages, each with its reason, also where the answer is silence.

A station that asks without end must not fill the disk: so many lines of each, so many of all, and once a minute how
many were left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from sroamd import constants
from sroamd.addresses import Mac
from sroamd.core.agenda import Job
from sroamd.core.allowance import Allowance
from sroamd.core.effects import Level
from sroamd.core.turn import State, Turn
from sroamd.rate import TokenBucket


class Decisions:
    def __init__(self, state: State) -> None:
        self._state = state
        self._of_each = Allowance(constants.DECISIONS_BURST_EACH, constants.DECISIONS_INTERVAL_EACH)
        self._of_all = TokenBucket(constants.DECISIONS_RATE, constants.DECISIONS_BURST, 0.0)
        self._left_out = 0
        self.counters: Counter[str] = Counter()

    def note(self, turn: Turn, station: Mac, text: str | Callable[[], str], level: Level = Level.INFO) -> None:
        """A line, unless there were too many. `station`: whose allowance it is. `text`: or what makes it, where many
        may be left out."""
        if self._of_each.take(station, turn.now) and self._of_all.take(turn.now):
            turn.note(level, text if isinstance(text, str) else text())
            return
        self.counters["dhcp4.not-logged"] += 1
        if not self._left_out:
            self._state.agenda.set(Job.DECISIONS, None, turn.now + constants.DECISIONS_REPORT)
        self._left_out += 1

    def report_due(self, turn: Turn) -> None:
        """It may have been an attack, so operators are told how much is missing."""
        each, interval = constants.DECISIONS_BURST_EACH, constants.DECISIONS_INTERVAL_EACH
        turn.note(
            Level.WARNING,
            f"{self._left_out} decisions about DHCP were not logged: of each station {each} at once are, then one in "
            f"{interval:.0f} s, and of all {constants.DECISIONS_RATE:.0f} a second",
        )
        self._left_out = 0
