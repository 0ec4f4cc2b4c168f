"""Doing the same thing again and again, later and later: a quarrel that nobody can win must not become a storm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from sroamd.core.memory import Memory, Subject


@dataclass(frozen=True, slots=True)
class Run:
    """`count` times so far, the last of them `done_at`; not again before `ready_at`."""

    count: int
    done_at: float
    ready_at: float


class Backoffs(Generic[Subject]):
    """`free` times at once; the next waits `first` seconds, each further one twice as long, `longest` at most.

    All is forgiven when it has not been necessary for `quiet` seconds beyond the wait.
    """

    def __init__(self, *, free: int, first: float, longest: float, quiet: float) -> None:
        self._free = free
        self._first = first
        self._longest = longest
        self._quiet = quiet
        self._runs: Memory[Subject, Run] = Memory(self._is_over)

    def __len__(self) -> int:
        return len(self._runs)

    def ready_at(self, subject: Subject, now: float) -> float:
        """When it may be done: `now`, or later."""
        run = self._runs.get(subject)
        return now if run is None else max(now, run.ready_at)

    def count(self, subject: Subject, now: float) -> int:
        """How often it has been done in this run."""
        run = self._runs.get(subject)
        return 0 if run is None or self._is_over(run, now) else run.count

    def done(self, subject: Subject, now: float) -> float:
        """It has been done. Returns the seconds until it may be done again."""
        count = self.count(subject, now) + 1
        # 2 ** (count - free - 1), of which so much is enough to reach any `longest`.
        doublings = min(count - self._free - 1, 32)
        wait = 0.0 if doublings < 0 else min(self._first * 2**doublings, self._longest)
        self._runs.keep(subject, Run(count, now, now + wait), now)
        return wait

    def forgive(self, subject: Subject) -> None:
        self._runs.pop(subject, None)

    def _is_over(self, run: Run, now: float) -> bool:
        return now > run.ready_at + self._quiet
