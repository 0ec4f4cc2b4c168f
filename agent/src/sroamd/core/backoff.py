"""Doing the same thing again and again, later and later: a quarrel that nobody can win must not become a storm."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Subject = TypeVar("Subject", bound=Hashable)

TABLE_SPARE = 64  # entries before what is over is looked for


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
        self._runs: dict[Subject, Run] = {}
        self._look_at = TABLE_SPARE

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
        self._forget_what_is_over(now)
        self._runs[subject] = Run(count, now, now + wait)
        return wait

    def forgive(self, subject: Subject) -> None:
        self._runs.pop(subject, None)

    def _is_over(self, run: Run, now: float) -> bool:
        return now > run.ready_at + self._quiet

    def _forget_what_is_over(self, now: float) -> None:
        """Now and then, so that it costs nothing each time."""
        if len(self._runs) >= self._look_at:
            self._runs = {subject: run for subject, run in self._runs.items() if not self._is_over(run, now)}
            self._look_at = 2 * len(self._runs) + TABLE_SPARE
