"""A node's state directory: what is committed survives a crash, what is not may be lost, and which is chance."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from sroamd.core.events import LeasesStored
from sroamd.core.values import StoredDatum
from sroamd.sim.clock import VirtualTime
from sroamd.stored import Instant, Row

LAZY_COMMIT = 5.0  # s: rows that nobody waits for are written at the latest then
RETRY = 1.0  # s, after a failure


class VirtualDisk:
    """Group commit: one commit at a time; what arrives meanwhile goes into the next one.

    `stored` hears each finished commit's highest ticket, unless the process that waits for it is dead by then. While
    `failing` is set nothing can be written; what was to be written is kept for later, as long as the process lives.
    """

    def __init__(self, time: VirtualTime, rng: Random, delay: tuple[float, float]) -> None:
        self._time = time
        self._rng = rng
        self._delay = delay
        self._pending: dict[bytes, Row | None] = {}  # None: to be deleted
        self._ticket: int | None = None
        self._committing: dict[bytes, Row | None] | None = None
        self._life = 0  # of the process that writes; a commit of a dead one reports to nobody
        self._due = False
        self.failing = False
        self.failed_at = float("-inf")  # when a commit last failed
        self.rows: dict[bytes, Row] = {}
        self.stored: Callable[[LeasesStored], None] = lambda event: None

    def put(self, data: tuple[StoredDatum, ...], ticket: int | None, now: Instant) -> None:
        """`StoreLeases`."""
        self._pending.update({d.key: Row(d.value, d.seqno, d.remaining, now) for d in data})
        if ticket is not None:
            self._ticket = ticket
        self._wake()

    def forget(self, keys: tuple[bytes, ...]) -> None:
        """`ForgetLeases`."""
        self._pending.update(dict.fromkeys(keys))
        self._wake()

    def load(self, now: Instant) -> tuple[StoredDatum, ...]:
        """What a new process finds, as `LeasesLoaded` tells it."""
        return tuple(
            StoredDatum(key, row.value, row.seqno, row.remaining_at(now)) for key, row in sorted(self.rows.items())
        )

    def close(self) -> None:
        """The writer stops in good order: everything is written first, if it can be."""
        if not self.failing:
            self._write(self._committing or {})
            self._write(self._pending)
        self._forget_writer()

    def crash(self) -> None:
        """The writer is dead. A commit under way either reached the disk or did not."""
        if self._committing is not None and not self.failing and self._rng.random() < 0.5:
            self._write(self._committing)
        self._forget_writer()

    def wipe(self) -> None:
        self._forget_writer()
        self.rows = {}

    def _forget_writer(self) -> None:
        self._pending, self._committing, self._ticket, self._due = {}, None, None, False
        self._life += 1

    def _wake(self) -> None:
        if self._committing is not None:
            return
        if self._ticket is not None:
            self._commit()
        elif not self._due:
            self._due = True
            self._time.after(LAZY_COMMIT, self._lazy, self._life)

    def _lazy(self, life: int) -> None:
        if life == self._life:
            self._due = False
            if self._pending and self._committing is None:
                self._commit()

    def _commit(self) -> None:
        self._committing, self._pending = self._pending, {}
        ticket, self._ticket = self._ticket, None
        self._time.after(self._rng.uniform(*self._delay), self._committed, self._life, ticket)

    def _committed(self, life: int, ticket: int | None) -> None:
        if life != self._life or self._committing is None:
            return
        rows, self._committing = self._committing, None
        if self.failing:
            self.failed_at = self._time.now
            self._pending = {**rows, **self._pending}
            self._time.after(RETRY, self._lazy, self._life)
        else:
            self._write(rows)
        if ticket is not None:
            self.stored(LeasesStored(ticket, durable=not self.failing))
        if self._ticket is not None:
            self._wake()

    def _write(self, rows: dict[bytes, Row | None]) -> None:
        for key, row in rows.items():
            if row is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = row
