"""So much of something for each station: `burst` at once, then one every `interval` seconds."""

from __future__ import annotations

from sroamd.addresses import Mac
from sroamd.core.memory import Memory


class Allowance:
    """Who has taken nothing of late has all of it, and no entry."""

    def __init__(self, burst: int, interval: float) -> None:
        self._whole = burst * interval
        self._interval = interval
        # When all of it is there again, if nothing more is taken.
        self._full_at: Memory[Mac, float] = Memory(lambda full_at, now: full_at <= now)

    def __len__(self) -> int:
        return len(self._full_at)

    def forgive(self, station: Mac) -> None:
        """What it has taken does not count."""
        self._full_at.pop(station, None)

    def has(self, station: Mac, now: float) -> bool:
        """Whether there is one left."""
        return self._after_one(station, now) <= now + self._whole

    def take(self, station: Mac, now: float) -> bool:
        """Whether there was one left."""
        if not self.has(station, now):
            return False
        self._full_at.keep(station, self._after_one(station, now), now)
        return True

    def _after_one(self, station: Mac, now: float) -> float:
        """When all of it would be there again, were one taken now."""
        return max(self._full_at.get(station, now), now) + self._interval
