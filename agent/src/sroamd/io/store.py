"""What survives the process: the node's id and all leases it knows, in one SQLite file in the state directory.

WAL with synchronous=FULL: a committed row is on the disk. One thread does all the writing and commits whatever has
gathered meanwhile (group commit), so the loop never waits for a disk, and a hundred acknowledgements in a row cost a
few syncs; a crowd that comes one by one costs at most one each COMMIT_PAUSE. Rows that nobody waits for (leases made
elsewhere, refreshed by flooding) go along with the next commit, at the latest after `LAZY_COMMIT`: flash wears out.

A disk that fails says so, one that hangs does not: who has waited for it for STORE_PATIENCE is told that his lease is
not on the disk, and so is, at once, whoever comes after him, until the disk answers.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sroamd.addresses import Mac, NodeId
from sroamd.constants import DATABASE_MAX
from sroamd.core.events import Event, LeasesStored
from sroamd.core.values import StoredDatum
from sroamd.io import store_file
from sroamd.stored import Row

log = logging.getLogger(__name__)

LAZY_COMMIT = 5.0  # s
# After each commit, while more gathers: who comes first waits for nothing, and a crowd does not cost a sync for each.
COMMIT_PAUSE = 0.003
RETRY = 5.0  # s between attempts on a disk that fails, beside those that a new ticket brings
STORE_PATIENCE = 2.0  # s without an answer of the disk; a client asks again after four (RFC 2131 section 4.1)
# Keys that wait for a disk that hangs or fails, each with its newest row. Keys beyond that are left out: those leases
# are in memory only until they are renewed, or are read again after a restart though they were deleted.
PENDING_MAX = 2 * DATABASE_MAX


@dataclass(slots=True)
class _Pending:
    """What the writer shall take next: the newest of each key (None: delete), and the highest ticket among it.

    `asked_at`: since when somebody waits for it. `upto`: the highest ticket of all, when the writer took it.
    """

    rows: dict[bytes, Row | None]
    ticket: int | None = None
    due_at: float | None = None
    asked_at: float | None = None
    upto: int = 0


class Store:
    """Opened and read in the constructor; `start` begins to write. Raises OSError or sqlite3.Error where permissions
    deny us the directory, or another process has the file. A file that is not ours or damaged is moved aside instead,
    and where the disk is full, broken or read-only, what can be read is, and nothing is written until the next start.
    """

    def __init__(self, directory: Path) -> None:
        self.counters: Counter[str] = Counter()
        self.failing = False  # the last commit was refused, or the disk hangs
        self._lost = False  # there is no file
        try:
            self._connection = store_file.open_file(directory)
        except (OSError, sqlite3.Error) as error:
            if not store_file.is_of_disk(error):
                raise
            log.error("state directory %s: %s: nothing is written until the next start", directory, error)
            self._connection = store_file.in_memory(directory)
            self._lost = self.failing = True
        self._pending = _Pending({})
        self._taken: _Pending | None = None  # by the writer, who is not done with it
        self._stuck = False  # the disk hangs: nobody waits for it
        self._changed = threading.Condition()
        self._closing = False
        self._highest = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._emit: Callable[[Event], None] = lambda event: None

    # -- at the start, in the caller's thread

    def node_id(self, machine: tuple[Mac, ...], own: Mac | None = None) -> NodeId:
        """This node's id; made at the first call ever. `machine`: the MACs burnt into this machine, if it has any.
        `own`: that of its radio."""
        return store_file.node_id(self._connection, machine, own)

    def load(self) -> tuple[StoredDatum, ...]:
        """All leases, with the lifetimes that remain now."""
        return store_file.load(self._connection)

    def start(self, emit: Callable[[Event], None]) -> None:
        """From now on the file belongs to the writing thread. Needs a running loop, on which events are emitted."""
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        if self._lost:
            emit(LeasesStored(0, durable=False))
            return
        self._thread = threading.Thread(target=self._run, name="store")
        self._thread.start()

    # -- effects

    def put(self, data: Iterable[StoredDatum], ticket: int | None) -> None:
        """Write them; with a ticket soon, and `LeasesStored` tells when they are on disk, or that they are not."""
        if self._lost:
            if ticket is not None and self._loop is not None:
                self._loop.call_soon(self._emit, LeasesStored(ticket, durable=False))
            return
        now = store_file.now()
        with self._changed:
            for datum in data:
                self._gather(datum.key, Row(datum.value, datum.seqno, datum.remaining, now))
            if ticket is not None:
                self._pending.ticket = ticket
                self._highest = ticket
                if self._pending.asked_at is None:
                    self._pending.asked_at = time.monotonic()
            self._wake()
        if ticket is not None:
            self._watch(0.0 if self._stuck else STORE_PATIENCE)

    def forget(self, keys: Iterable[bytes]) -> None:
        """Delete them with the next commit."""
        if self._lost:
            return
        with self._changed:
            for key in keys:
                self._gather(key, None)
            self._wake()

    def close(self) -> None:
        """Write what is pending, then close. Blocks until it is on disk."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._timer is not None:
            self._timer.cancel()
        if self._thread is not None:
            self._thread.join()
        self._connection.close()

    def _gather(self, key: bytes, row: Row | None) -> None:
        """The lock is held."""
        if key in self._pending.rows or len(self._pending.rows) < PENDING_MAX:
            self._pending.rows[key] = row
        else:
            self.counters["store.left-out"] += 1

    def _wake(self) -> None:
        """The lock is held. The thread is woken only when the time it sleeps for has become shorter."""
        if self._pending.due_at is None:
            self._pending.due_at = time.monotonic() + LAZY_COMMIT
            self._changed.notify()
        elif self._pending.ticket is not None:
            self._changed.notify()

    # -- a disk that hangs

    def _watch(self, delay: float) -> None:
        """One timer, however many wait."""
        if self._timer is None and self._loop is not None:
            self._timer = self._loop.call_later(delay, self._look)

    def _look(self) -> None:
        """Answer for a disk that does not."""
        self._timer = None
        with self._changed:
            gathered = [self._pending] if self._taken is None else [self._taken, self._pending]
            since = min((each.asked_at for each in gathered if each.asked_at is not None), default=None)
            if since is None:
                return
            left = since + STORE_PATIENCE - time.monotonic()
            if left > 0 and not self._stuck:
                self._watch(left)
                return
            if not self._stuck:
                log.error("the disk has not answered for %.0f s: leases are kept in memory", STORE_PATIENCE)
                self.counters["store.stuck"] += 1
            self._stuck = self.failing = True
            for each in gathered:
                each.asked_at = None
        self._emit(LeasesStored(self._highest, durable=False))

    # -- the writing thread

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:
            self._call(partial(_raise, error))

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            error = store_file.write(self._connection, taken.rows)
            if error is None:
                self._written(taken)
            else:
                self._refused(taken, error)
            time.sleep(COMMIT_PAUSE)

    def _take(self) -> _Pending | None:
        """Wait for something to write. None: closing, and everything has been tried."""
        with self._changed:
            while True:
                pending = self._pending
                if pending.ticket is not None or (self._closing and pending.rows):
                    break
                if self._closing:
                    return None
                wait = None if pending.due_at is None else pending.due_at - time.monotonic()
                if wait is not None and wait <= 0:
                    break
                self._changed.wait(wait)
            self._pending, self._taken = _Pending({}), pending
            pending.upto = self._highest
            return pending

    def _written(self, taken: _Pending) -> None:
        with self._changed:
            recovered, self.failing = self.failing, False
            self._taken, self._stuck = None, False
        self.counters["store.commits"] += 1
        self.counters["store.rows"] += len(taken.rows)
        # After a failure everybody is told that all is well again, though nobody waits for this commit.
        ticket = taken.ticket if taken.ticket is not None else taken.upto if recovered else None
        if ticket is not None:
            self._tell(LeasesStored(ticket))

    def _refused(self, taken: _Pending, error: sqlite3.Error) -> None:
        """Keep the rows for later, under what has come since, and say that they are in danger."""
        if not self.failing:
            log.error("leases cannot be written: %s", error)
        self.counters["store.failures"] += 1
        with self._changed:
            self.failing = True
            self._taken, self._stuck = None, False
            if not self._closing:
                taken.rows.update(self._pending.rows)
                while len(taken.rows) > PENDING_MAX:
                    taken.rows.popitem()
                    self.counters["store.left-out"] += 1
                self._pending.rows = taken.rows
                self._pending.due_at = time.monotonic() + RETRY
        if taken.ticket is not None:
            self._tell(LeasesStored(taken.ticket, durable=False))

    def _tell(self, event: LeasesStored) -> None:
        self._call(partial(self._emit, event))

    def _call(self, what: Callable[[], None]) -> None:
        """In the loop."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what)


def _raise(error: Exception) -> None:
    """Where the loop's handler hears of it: without a writer, acknowledgements would come from memory for ever."""
    raise RuntimeError("the thread that writes leases has ended") from error
