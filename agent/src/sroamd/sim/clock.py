"""Virtual time: actions in the order of their times, those of one time in the order in which they were asked for."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush


class Endless(Exception):
    """More happened than any run of this length can need: something feeds itself."""


class VirtualTime:
    """`now` in seconds since the start of the run. Nothing waits: time jumps to the next action."""

    __slots__ = ("_number", "_queue", "budget", "done", "now")

    def __init__(self, budget: int) -> None:
        self._queue: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._number = 0
        self.now = 0.0
        self.done = 0
        self.budget = budget

    def at(self, when: float, action: Callable[..., None], *arguments: object) -> None:
        self._number += 1
        heappush(self._queue, (max(when, self.now), self._number, action, arguments))

    def after(self, delay: float, action: Callable[..., None], *arguments: object) -> None:
        self.at(self.now + delay, action, *arguments)

    def run(self, until: float) -> None:
        """Do everything due up to and including `until`. Raises Endless when the budget of actions is spent."""
        queue = self._queue
        while queue and queue[0][0] <= until:
            self.now, _, action, arguments = heappop(queue)
            self.done += 1
            if self.done > self.budget:
                raise Endless(f"{self.budget} actions and no end at {self.now:.3f} s")
            action(*arguments)
        self.now = max(self.now, until)
