"""What is remembered of many subjects for as long as it matters, so that those who come and go take no memory."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

Subject = TypeVar("Subject", bound=Hashable)
What = TypeVar("What")

SPARE = 1024  # entries before those that are over are looked for


class Memory(dict[Subject, What]):
    """A dict that forgets what `is_over(what, now)`: now and then, so that it costs next to nothing each time."""

    def __init__(self, is_over: Callable[[What, float], bool]) -> None:
        super().__init__()
        self._is_over = is_over
        self._look_at = SPARE

    def keep(self, subject: Subject, what: What, now: float) -> None:
        """In place of what is known of it."""
        if len(self) >= self._look_at and subject not in self:
            for other in [other for other, known in self.items() if self._is_over(known, now)]:
                del self[other]
            self._look_at = 2 * len(self) + SPARE
        self[subject] = what
