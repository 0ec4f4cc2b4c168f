"""Which routes are demoted, since when, and until when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sroamd import constants
from sroamd.core.agenda import Agenda, Job


@dataclass(slots=True)
class _Demotion:
    """`heir`: the first node that had the station afterwards, as far as is known."""

    since: float
    until: float
    heir: bytes | None = None


class Demotions:
    """By the key of the lease. The agenda touches it when its blind part is over, and at the end."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self._demotions: dict[bytes, _Demotion] = {}

    def __len__(self) -> int:
        return len(self._demotions)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._demotions)

    def since(self, key: bytes) -> float | None:
        found = self._demotions.get(key)
        return None if found is None else found.since

    def until(self, key: bytes) -> float | None:
        found = self._demotions.get(key)
        return None if found is None else found.until

    def begin(self, key: bytes, since: float) -> None:
        self._demotions[key] = _Demotion(since, since + constants.DEMOTED_TIME)
        self._agenda.set(Job.DEMOTED, key, since + constants.DEMOTED_BLIND_TIME)

    def inherit(self, key: bytes, owner: bytes) -> None:
        """The station is at this node. If it was at another one before, the demotion ends as soon as Babel has heard.

        What a babeld announces itself hides all that it hears of the prefix from others: a router behind us would not
        learn by us where the station has gone next, and send to where it was last for as long as we have demoted it.
        """
        demotion = self._demotions[key]
        if demotion.heir is None:
            demotion.heir = owner
        elif owner != demotion.heir:
            demotion.until = min(demotion.until, demotion.since + constants.DEMOTED_TIME_MIN)
            self._agenda.set_earlier(Job.DEMOTED, key, demotion.until)

    def due(self, key: bytes, now: float) -> None:
        """Its blind part is over, or the whole."""
        demotion = self._demotions.get(key)
        if demotion is not None and demotion.until > now:
            self._agenda.set(Job.DEMOTED, key, demotion.until)

    def is_blind(self, key: bytes, now: float) -> bool:
        """Not everybody has heard of it yet."""
        return now < self._demotions[key].since + constants.DEMOTED_BLIND_TIME

    def end(self, key: bytes) -> None:
        if self._demotions and self._demotions.pop(key, None) is not None:
            self._agenda.clear(Job.DEMOTED, key)

    def clear(self) -> None:
        self._demotions.clear()
