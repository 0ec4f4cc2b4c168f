"""The places of a pool that no living lease has, kept only while the pool is so full that walks through it are long.

Found once by going through the whole database, then brought up to date lease by lease. So a DHCPDISCOVER that finds
nothing costs a look at what is left, and not a walk through all of the pool.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sroamd import constants
from sroamd.core.database import Datum
from sroamd.core.effects import Level
from sroamd.core.pools import Pool


class Vacancies:
    """`known` says whether they are kept now. A pool that the database cannot fill never needs them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._places: set[int] | None = None
        self._reserved: set[int] = set()
        self._usable = pool.size
        self._said_at: dict[Level, float] = {}

    @property
    def known(self) -> bool:
        return self._places is not None

    @property
    def possible(self) -> bool:
        return self._pool.size <= constants.VACANCIES_MAX

    @property
    def places(self) -> Collection[int]:
        """None of them is certainly free: an expired lease may be in its grace."""
        return self._places or ()

    def find(self, data: Iterable[Datum], reserved: set[int], now: float) -> None:
        """`reserved`: places that no station can have."""
        places = set(range(self._pool.size)) - reserved
        self._reserved, self._usable = reserved, len(places)
        kind = self._pool.kind
        for datum in data:
            if datum.key[0] == kind and datum.expires_at > now:
                place = self._pool.place(datum.key)
                if place is not None:
                    places.discard(place)
        self._places = places

    def follow(self, key: bytes, living: bool) -> None:
        """The lease of this key has changed."""
        if self._places is None:
            return
        place = self._pool.place(key)
        if place is None or place in self._reserved:
            return
        if living:
            self._places.discard(place)
        else:
            self._places.add(place)
            if len(self._places) > self._usable // 2:
                self._places = None  # there is room again

    @property
    def few(self) -> bool:
        """So few that looking at each is quicker than a walk."""
        return self._places is not None and len(self._places) <= constants.WALK_LONG

    @property
    def short(self) -> bool:
        return self._places is not None and len(self._places) * constants.SHORTAGE_SHARE < self._usable

    def may_say(self, level: Level, now: float) -> bool:
        """At most once in SHORTAGE_INTERVAL for each level."""
        if now < self._said_at.get(level, float("-inf")) + constants.SHORTAGE_INTERVAL:
            return False
        self._said_at[level] = now
        return True
