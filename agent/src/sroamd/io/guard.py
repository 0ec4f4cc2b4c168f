"""The source guard: its rules loaded by nft(8), its permits over netlink, and both restored when somebody flushes them.

nft runs at the start and after a loss, never for a change of permits. Whatever it loads comes with all the permits that
the core has given, in one transaction: known stations never find rules without their addresses. At a start without a
table the rules wait a moment for hostapd's list, so that stations that are here already are not cut off. The tables
stay when the process ends.

What fails is said to the core (`GuardListed.problem`), and tried again later. Stations are served meanwhile: a table
that is there and made of the same rules gets its permits over netlink as ever; any other is deleted, for it would drop
whoever is new.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Collection, Container, Coroutine, Sequence

from sroamd.addresses import Mac
from sroamd.config import Config
from sroamd.core.effects import AddPermit, RemovePermit
from sroamd.core.events import Event, GuardListed
from sroamd.core.values import Permit
from sroamd.io.guard_events import GuardEvents
from sroamd.io.guard_rules import TABLE, Guarded, What, made_of, rules
from sroamd.io.guard_table import GuardTable
from sroamd.io.nfnetlink import ARP, INET
from sroamd.io.nft import run_nft

log = logging.getLogger(__name__)

GuardChange = AddPermit | RemovePermit

FAMILIES = (INET, ARP)
FIRST_LOAD = 0.5  # s after the start, where there is no table yet: hostapd has listed its stations by then
# A load after a loss is at once; when somebody flushes it again and again, or nft or the kernel cannot do it, after 1,
# 2, 4 .. 60 s.
WAIT_MIN, WAIT_MAX = 1.0, 60.0
_UNGUARDED = {INET: "IP packets of stations are not checked", ARP: "ARP of stations is not checked"}
_FORMER = "by rules that could not be loaded anew"
_STILL_GUARDED = {INET: f"IP packets of stations are checked {_FORMER}", ARP: f"ARP of stations is checked {_FORMER}"}


class SourceGuard:
    """Silent until `start`. Where there are no interfaces of stations it does nothing."""

    def __init__(self, config: Config) -> None:
        self._guarded, self._enabled = _guarded(config)
        self._emit: Callable[[Event], None] = lambda event: None
        self._permits: set[Permit] = set()  # all that the core has given
        self._changed: set[Permit] = set()  # given or taken since nft was told of all
        self._in_force: set[int] = set()  # the families whose rules the kernel has
        self._problem: str | None = None
        self._work: asyncio.Task[None] | None = None
        self._at_work = asyncio.Lock()  # whoever loads or deletes: an nft that is still running would commit afterwards
        self._doubted = asyncio.Event()
        self.counters: Counter[str] = Counter()
        self._open_sockets: tuple[GuardTable, GuardEvents] | None = None

    def start(self, emit: Callable[[Event], None]) -> None:
        """Load the rules and say what is permitted, from now on also after every loss. Needs a running loop."""
        self._emit = emit
        if not self._guarded.interfaces:
            return
        try:
            self._open_sockets = _open()
        except OSError as error:
            self._problem = f"netfilter cannot be reached: {error.strerror}"
            log.error("source guard: %s", self._problem)
            emit(GuardListed(frozenset(), self._problem if self._enabled else None))
            return
        if self._enabled:
            self._in_force.update(filter(self._is_made_of_ours, FAMILIES))
            self._begin(self._keep(0.0 if self._is_there() else FIRST_LOAD))
        else:
            self._delete(FAMILIES)

    @property
    def _table(self) -> GuardTable:
        assert self._open_sockets is not None
        return self._open_sockets[0]

    @property
    def _events(self) -> GuardEvents:
        assert self._open_sockets is not None
        return self._open_sockets[1]

    def reconfigure(self, config: Config) -> None:
        """Whether there is a guard, and whether it isolates, may be otherwise now."""
        before = self._guarded, self._enabled
        self._guarded, self._enabled = _guarded(config)
        if before == (self._guarded, self._enabled) or self._open_sockets is None:
            return
        self._stop_work()
        self._begin(self._keep(0.0) if self._enabled else self._switch_off())

    async def close(self, *, remove: bool) -> None:
        """`remove`: the tables go too."""
        if self._open_sockets is None:
            return
        self._stop_work()
        async with self._at_work:
            if remove or not self._enabled:
                self._delete(FAMILIES)
        self._events.close()
        self._table.close()

    def dropped(self, stations: Container[Mac]) -> Counter[Mac]:
        """Packets of each of these that did not pass."""
        if not self._in_force:
            return Counter()
        with contextlib.suppress(OSError):
            return self._table.dropped(self._in_force, stations)
        return Counter()

    def reasons(self) -> Counter[str]:
        """Packets that did not pass, by reason, as counters."""
        if not self._in_force:
            return Counter()
        with contextlib.suppress(OSError):
            return Counter({f"guard.{name}": n for name, n in self._table.reasons(self._in_force).items() if n})
        return Counter()

    # -- permits

    def apply(self, changes: Sequence[GuardChange]) -> None:
        """In as few transactions as possible, what is added first."""
        added = [change.permit for change in changes if isinstance(change, AddPermit)]
        removed = [change.permit for change in changes if isinstance(change, RemovePermit)]
        self._permits.difference_update(removed)
        self._permits.update(added)
        if self._at_work.locked():
            self._changed.update(added, removed)
            for family in self._in_force:  # each for itself: the other's table may still be missing
                self._write([family], added, removed)
        elif self._in_force:
            self._write(self._in_force, added, removed)

    def _write(self, families: Collection[int], added: Collection[Permit], removed: Collection[Permit]) -> bool:
        """Whether the kernel has taken them."""
        try:
            self._table.add(families, added)
            self._table.remove(families, removed)
        except OSError as error:
            log.warning("source guard: permits were refused: %s", error.strerror)
            self._doubt("guard.refused")
            return False
        return True

    # -- keeping the rules

    async def _keep(self, first_wait: float) -> None:
        """Load them, and again whenever they are in doubt or could not be loaded."""
        loop, wait, following = asyncio.get_running_loop(), first_wait, 0.0
        what = What.KEEP  # of a former process; whatever we have put there ourselves, we know
        while True:
            await asyncio.sleep(wait)
            problem = await self._load(what)
            self._report(problem)
            what, loaded_at = What.RESTORE, loop.time()
            if problem is None:
                self._events.listen(self._doubt)
                await self._doubted.wait()
                self._events.ignore()
                log.warning("source guard: somebody has changed table %s; loading it again", TABLE)
                if loop.time() - loaded_at >= WAIT_MAX:
                    following = 0.0
            wait = following if problem is None else max(following, WAIT_MIN)
            following = min(max(2 * wait, WAIT_MIN), WAIT_MAX)

    async def _switch_off(self) -> None:
        async with self._at_work:
            self._delete(FAMILIES)
        self._report(None)

    async def _load(self, what: What) -> str | None:
        """All tables. Returns what is wrong with them."""
        async with self._at_work:
            return await self._load_all(what)

    async def _load_all(self, what: What) -> str | None:
        self._doubted.clear()
        self._changed.clear()
        problems = []
        for family in FAMILIES:
            problem = await self._load_family(family, what)
            if problem is None:
                self._catch_up(family, set())
            else:
                problems.append(f"{self._make_do(family)}: {problem}")
        self._events.drain()
        self.counters["guard.loads"] += 1
        return "; ".join(problems) or None

    async def _load_family(self, family: int, what: What) -> str | None:
        problem = await run_nft(rules(family, self._guarded, self._permits, what))
        if problem is None:
            return None
        if await run_nft(rules(family, self._guarded, self._permits, What.REPLACE)) is None:
            log.info("source guard: replaced table %s of another version", TABLE)
            return None
        return problem

    def _catch_up(self, family: int, missing: set[Permit]) -> bool:
        """The sets are as they were to be when nft was started: it has undone what has reached them since then."""
        self._in_force.add(family)
        # Added is also what shall go: what is not there cannot be removed.
        return self._write([family], missing | self._changed, self._changed - self._permits)

    def _make_do(self, family: int) -> str:
        """nft has failed; what it was to replace still drops whoever is not in its sets. Returns what that means."""
        # Who has changed the table may have emptied its sets.
        if self._is_made_of_ours(family) and self._catch_up(family, self._permits):
            return _STILL_GUARDED[family]
        self._delete([family])
        return _UNGUARDED[family]

    def _report(self, problem: str | None) -> None:
        """To the core: what the kernel has now."""
        permits: set[Permit] = set()
        try:
            permits = self._table.permits(self._in_force)
        except OSError as error:
            problem = problem or f"table {TABLE} cannot be read: {error.strerror}"
            self._doubted.set()
        self._permits |= permits
        if problem != self._problem and problem is not None:
            log.error("source guard: %s", problem)
        elif problem is None and self._enabled:
            log.info("source guard is in force on %s", ", ".join(self._guarded.interfaces))
        self._problem = problem
        self._emit(GuardListed(frozenset(permits), problem))

    def _doubt(self, why: str) -> None:
        self.counters[why] += 1
        self._doubted.set()

    # -- the tables

    def _is_there(self) -> bool:
        """Whether an earlier process has left a table with permits."""
        try:
            return bool(self._table.permits([INET]))
        except OSError:
            return False

    def _is_made_of_ours(self, family: int) -> bool:
        """Whether the kernel has the rules that there should be."""
        try:
            return self._table.made_of(family) == made_of(family, self._guarded)
        except OSError:
            return False

    def _delete(self, families: Collection[int]) -> None:
        self._in_force.difference_update(families)
        for family in families:
            try:
                self._table.delete(family)
            except OSError as error:
                log.debug("table %s: %s", TABLE, error.strerror)

    # -- one thing after the other

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        self._work = asyncio.get_running_loop().create_task(work)

    def _stop_work(self) -> None:
        """It still ends the nft that it has started, and only then lets go of `_at_work`."""
        if self._work is not None:
            self._work.cancel()
            self._work = None
            self._events.ignore()


def _open() -> tuple[GuardTable, GuardEvents]:
    """Raises OSError."""
    table = GuardTable()
    try:
        return table, GuardEvents(table.port)
    except OSError:
        table.close()
        raise


def _guarded(config: Config) -> tuple[Guarded, bool]:
    """What is guarded, and whether it is at all."""
    names = tuple(interface.name for interface in config.interfaces)
    return Guarded(names, config.network, config.guard.isolate), config.guard.enabled and bool(names)
