"""How full a pool is: the living leases in it, always; and what is left, while it is so full that walks are long.

What is left is found once, then brought up to date lease by lease. So a DHCPDISCOVER that finds nothing costs a look at
what is left, and not a walk through all of the pool.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Set

from sroamd import constants
from sroamd.core.database import Datum
from sroamd.core.effects import Level
from sroamd.core.pools import Pool
from sroamd.spans import Spans


class Vacancies:
    """`usable`: the numbers of the pool that any station may get, but for the `reserved` keys."""

    def __init__(self, pool: Pool, usable: Spans, reserved: Set[bytes], data: Iterable[Datum], now: float) -> None:
        self.pool = pool
        self._usable = usable
        self._reserved = reserved
        self.size = usable.size - sum(self._is_in(key) for key in reserved)
        self._taken: set[bytes] = set()  # keys of living leases of what is usable
        self._vacant: set[bytes] | None = None
        self._said_at: dict[Level, float] = {}
        for datum in data:
            if datum.expires_at > now:
                self.follow(datum.key, living=True)

    def key_at(self, place: int) -> bytes | None:
        """The key of a place; None where there is none that any station may get."""
        numbers = self.pool.numbers
        number = numbers.at(place) if place < numbers.size else -1
        if number not in self._usable:
            return None
        key = self.pool.key_of(number)
        return None if key in self._reserved else key

    def is_usable(self, key: bytes) -> bool:
        """Whether the key is of this pool, and any station may get it."""
        return self._is_in(key) and key not in self._reserved

    def _is_in(self, key: bytes) -> bool:
        return key[0] == self.pool.kind and int.from_bytes(key[1:], "big") in self._usable

    def follow(self, key: bytes, *, living: bool) -> None:
        """The lease of this key has changed."""
        if not self.is_usable(key):
            return
        if living:
            self._taken.add(key)
            if self._vacant is not None:
                self._vacant.discard(key)
            return
        self._taken.discard(key)
        if self._vacant is not None:
            self._vacant.add(key)
            if len(self._vacant) > self.size // 2:
                self._vacant = None  # there is room again

    @property
    def left(self) -> int:
        """How many have no living lease. Not all of them are certainly free: an expired one may be in its grace."""
        return self.size - len(self._taken)

    @property
    def taken(self) -> int:
        return len(self._taken)

    def find(self) -> None:
        """A walk has become long, as happens in a pool with little room. One that the database cannot fill has it."""
        if self._vacant is None and self.size <= constants.VACANCIES_MAX:
            keys = map(self.pool.key_of, self._usable)
            self._vacant = {key for key in keys if key not in self._taken and key not in self._reserved}

    @property
    def vacant(self) -> Collection[bytes]:
        """Keys of what is left, while that is kept."""
        return self._vacant or ()

    @property
    def few(self) -> bool:
        """So few that looking at each is quicker than a walk."""
        return self._vacant is not None and len(self._vacant) <= constants.WALK_LONG

    def may_say(self, level: Level, now: float) -> bool:
        """At most once in SHORTAGE_INTERVAL for each level."""
        if now < self._said_at.get(level, float("-inf")) + constants.SHORTAGE_INTERVAL:
            return False
        self._said_at[level] = now
        return True
