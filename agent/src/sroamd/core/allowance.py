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
        full_at = self._after_one(station, now)
        if full_at > now + self._whole:
            return False
        self._full_at.keep(station, full_at, now)
        return True

    def _after_one(self, station: Mac, now: float) -> float:
        """When all of it would be there again, were one taken now."""
        full_at = self._full_at.get(station, now)
        return (full_at if full_at > now else now) + self._interval
