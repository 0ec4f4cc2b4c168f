"""What waits for the disk. All that one reaction stores goes under one ticket; commits come in the order of tickets."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from sroamd.core.turn import Turn

Then = Callable[[Turn], None]


class Tickets:
    def __init__(self) -> None:
        self._last = 0
        self._waiting: deque[tuple[int, Then]] = deque()

    def wait(self, turn: Turn, then: Then) -> None:
        """Hold `then` back until all that this turn stores is on disk."""
        if turn.ticket is None:
            self._last += 1
            turn.ticket = self._last
        self._waiting.append((turn.ticket, then))

    def stored(self, turn: Turn, upto: int) -> None:
        """Do, in order, everything that waited for a ticket up to this one."""
        while self._waiting and self._waiting[0][0] <= upto:
            self._waiting.popleft()[1](turn)
