"""So much of something for each station: `burst` at once, then one every `interval` seconds."""

from __future__ import annotations

from sroamd.addresses import Mac

TABLE_SPARE = 1024  # stations before those that have all of it again are looked for


class Allowance:
    """Who has taken nothing of late has all of it, and no entry."""

    def __init__(self, burst: int, interval: float) -> None:
        self._whole = burst * interval
        self._interval = interval
        self._full_at: dict[Mac, float] = {}  # when all of it is there again, if nothing more is taken
        self._look_at = TABLE_SPARE

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, station: Mac, now: float) -> bool:
        """Whether there was one left."""
        full_at = max(self._full_at.get(station, now), now) + self._interval
        if full_at > now + self._whole:
            return False
        self._full_at[station] = full_at
        if len(self._full_at) >= self._look_at:
            self._full_at = {mac: at for mac, at in self._full_at.items() if at > now}
            self._look_at = 2 * len(self._full_at) + TABLE_SPARE
        return True
