"""What is to be done when. One heap of absolute times; the daemon arms one timer for the earliest."""

from __future__ import annotations

from enum import IntEnum, auto
from heapq import heapify, heappop, heappush
from typing import NamedTuple

Subject = bytes | int | None  # what a job is about; a station's MAC is bytes too, and a node's id


class Job(IntEnum):
    """Numbers, since they are hashed at every step and a plain Enum does that in Python."""

    EXPIRE = auto()  # subject: key of a datum
    REFRESH_CLAIM = auto()  # station
    REFRESH_NODE = auto()  # None
    RELAY = auto()  # None
    PING = auto()  # station
    CLAIM = auto()  # station: a claim or a withdrawal that had to wait
    CONFLICT = auto()  # station
    RAISE = auto()  # key
    ASK_AGAIN = auto()  # key
    ANNOUNCE = auto()  # station
    ADVERTISE = auto()  # station
    OFFER = auto()  # station
    LOSS = auto()  # key
    DEMOTED = auto()  # key of a lease
    REINSTALL = auto()  # key of a lease
    ADOPTED = auto()  # None
    PERMITS_ADOPTED = auto()  # None
    DIRECT = auto()  # None
    DECISIONS = auto()  # None
    NEXT_HOP = auto()  # node
    HELLO = auto()  # peer
    CHECK = auto()  # its ticket
    ROUTE_CHECK = auto()  # the same
    HELLO_WAIT = auto()  # peer


class Entry(NamedTuple):
    """`number` makes entries of one time comparable, first come first served."""

    at: float
    number: int
    job: Job
    subject: Subject


class Agenda:
    """Each (job, subject) stands in it once at most; setting it again moves it."""

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self._valid: dict[tuple[Job, Subject], Entry] = {}
        self._number = 0

    def set(self, job: Job, subject: Subject, at: float) -> None:
        self._number += 1
        entry = Entry(at, self._number, job, subject)
        self._valid[job, subject] = entry
        heappush(self._heap, entry)
        if len(self._heap) > 4 * len(self._valid) + 64:
            self._heap = list(self._valid.values())
            heapify(self._heap)

    def set_earlier(self, job: Job, subject: Subject, at: float) -> None:
        """Set it unless it stands at that time or before already. For times that mostly move back: cheap."""
        entry = self._valid.get((job, subject))
        if entry is None or at < entry.at:
            self.set(job, subject, at)

    def clear(self, job: Job, subject: Subject) -> None:
        self._valid.pop((job, subject), None)

    def next_at(self) -> float | None:
        heap, valid = self._heap, self._valid
        while heap:
            entry = heap[0]
            if valid.get((entry.job, entry.subject)) is entry:
                return entry.at
            heappop(heap)
        return None

    def pop_due(self, now: float) -> Entry | None:
        """The earliest entry whose time has come, taken out; None when there is none."""
        at = self.next_at()
        if at is None or at > now:
            return None
        entry = heappop(self._heap)
        del self._valid[entry.job, entry.subject]
        return entry
