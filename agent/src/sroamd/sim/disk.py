"""A node's state directory: what is committed survives a crash, what is not may be lost, and which is chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from sroamd.core.events import LeasesStored
from sroamd.core.values import StoredDatum
from sroamd.sim.clock import VirtualTime

LAZY_COMMIT = 5.0  # s: rows that nobody waits for are written at the latest then


@dataclass(frozen=True, slots=True)
class Row:
    """A stored lease; `expires_at` in the node's wall-clock time, as the real store keeps it."""

    value: bytes
    seqno: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class _Put:
    key: bytes
    row: Row


@dataclass(frozen=True, slots=True)
class _Drop:
    key: bytes


class VirtualDisk:
    """Group commit: one commit at a time; what arrives meanwhile goes into the next one.

    `stored` hears each finished commit's highest ticket, unless the process that waits for it is dead by then.
    """

    def __init__(self, time: VirtualTime, rng: Random, delay: tuple[float, float]) -> None:
        self._time = time
        self._rng = rng
        self._delay = delay
        self._queue: list[_Put | _Drop] = []
        self._ticket: int | None = None
        self._committing: list[_Put | _Drop] = []
        self._life = 0  # of the process that writes; a commit of a dead one reports to nobody
        self._due = False
        self.rows: dict[bytes, Row] = {}
        self.stored: Callable[[LeasesStored], None] = lambda event: None

    def put(self, data: tuple[StoredDatum, ...], ticket: int | None, wall: float) -> None:
        """`StoreLeases`. `wall`: the node's wall clock now."""
        self._queue += [_Put(d.key, Row(d.value, d.seqno, wall + d.remaining)) for d in data]
        if ticket is not None:
            self._ticket = ticket
        if not self._committing and ticket is not None:
            self._commit()
        elif not self._due:
            self._due = True
            self._time.after(LAZY_COMMIT, self._lazy, self._life)

    def forget(self, keys: tuple[bytes, ...]) -> None:
        self._queue += [_Drop(key) for key in keys]

    def load(self, wall: float) -> tuple[StoredDatum, ...]:
        """What a new process finds, as `LeasesLoaded` tells it."""
        return tuple(
            StoredDatum(key, row.value, row.seqno, row.expires_at - wall) for key, row in sorted(self.rows.items())
        )

    def crash(self) -> None:
        """The writer is dead. A commit under way either reached the disk or did not."""
        if self._committing and self._rng.random() < 0.5:
            self._write(self._committing)
        self._queue, self._committing, self._ticket, self._due = [], [], None, False
        self._life += 1

    def wipe(self) -> None:
        self.crash()
        self.rows = {}

    def _lazy(self, life: int) -> None:
        if life == self._life:
            self._due = False
            if self._queue and not self._committing:
                self._commit()

    def _commit(self) -> None:
        self._committing, self._queue = self._queue, []
        ticket, self._ticket = self._ticket, None
        self._time.after(self._rng.uniform(*self._delay), self._committed, self._life, ticket)

    def _committed(self, life: int, ticket: int | None) -> None:
        if life != self._life:
            return
        self._write(self._committing)
        self._committing = []
        if ticket is not None:
            self.stored(LeasesStored(ticket))
        if self._ticket is not None and not self._committing:
            self._commit()

    def _write(self, changes: list[_Put | _Drop]) -> None:
        for change in changes:
            match change:
                case _Put(key, row):
                    self.rows[key] = row
                case _Drop(key):
                    self.rows.pop(key, None)
