"""The loop around the core: one bounded queue, one timer, and what happens when either is wrong.

An event is handled at once, in the call in which an adapter emits it, unless the core is already at work; then it
queues. So a station's arrival costs no turn of the event loop, and all effects of one event are applied before the
next one is looked at.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Protocol

from sroamd.constants import EVENT_QUEUE_MAX
from sroamd.core.effects import Effect
from sroamd.core.events import Dhcp6Received, DhcpReceived, Event, RouterSolicited, Tick
from sroamd.core.node import Node
from sroamd.printable import printable

log = logging.getLogger(__name__)

LAST_EVENTS = 32  # kept for the report of a crash
SHEDDABLE = (RouterSolicited, DhcpReceived, Dhcp6Received)  # stations ask again


class Doer(Protocol):
    """The executor, or the one that only says what it would do."""

    def apply(self, wanted: Iterable[Effect]) -> None: ...


class Runtime:
    """Adapters call `emit`. Until `begin`, events only queue. `ended` is set with the process's exit status."""

    def __init__(self, node: Node, *, trace: bool, queue_max: int = EVENT_QUEUE_MAX) -> None:
        self.node = node
        self.counters: Counter[str] = Counter()
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = self._loop.create_future()
        self._doer: Doer | None = None
        self._queue: deque[Event] = deque()
        self._queue_max = queue_max
        self._last: deque[Event] = deque(maxlen=LAST_EVENTS)
        self._working = False
        self._timer: asyncio.TimerHandle | None = None
        self._trace = trace
        self._loop.set_exception_handler(self._exception)

    def now(self) -> float:
        """The core's clock."""
        return self._loop.time()

    def begin(self, doer: Doer) -> None:
        """Handle what has queued, and everything from now on."""
        self._doer = doer
        self._work()

    def emit(self, event: Event) -> None:
        if self.ended.done():
            return
        if len(self._queue) >= self._queue_max and not self._shed(event):
            return
        self._queue.append(event)
        if not self._working and self._doer is not None:
            self._work()

    def later(self, delay: float, what: Callable[[], None]) -> object:
        """Call it after so many seconds, unless the process ends before."""
        return self._loop.call_later(delay, lambda: None if self.ended.done() else what())

    def end(self, status: int = 0) -> None:
        """Handle no further event."""
        if not self.ended.done():
            self.ended.set_result(status)
        if self._timer is not None:
            self._timer.cancel()

    # -- inside

    def _work(self) -> None:
        """Handle events until there are none. A failure of the core or of the executor ends the process."""
        doer = self._doer
        assert doer is not None
        self._working = True
        try:
            while self._queue and not self.ended.done():
                event = self._queue.popleft()
                self._last.append(event)
                effects = self.node.handle(event, self._loop.time())
                if self._trace:
                    self._log_turn(event, effects)
                doer.apply(effects)
            self._arm()
        except Exception as error:
            self._crash(error)
        finally:
            self._working = False

    def _arm(self) -> None:
        """One timer, moved only to an earlier time: one that comes too early finds nothing to do and is set again."""
        deadline = None if self.ended.done() else self.node.next_deadline()
        if deadline is None or (self._timer is not None and self._timer.when() <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._time_has_come)

    def _time_has_come(self) -> None:
        self._timer = None
        deadline = self.node.next_deadline()
        if deadline is not None and deadline <= self._loop.time():
            self.emit(Tick())
        else:
            self._arm()

    def _shed(self, event: Event) -> bool:
        """The queue is full: make room for the event, or say no to it. What stations do not repeat always gets in."""
        self.counters["event.shed"] += 1
        if isinstance(event, SHEDDABLE):
            return False
        for number, queued in enumerate(self._queue):
            if isinstance(queued, SHEDDABLE):
                del self._queue[number]
                break
        return True

    def _log_turn(self, event: Event, effects: list[Effect]) -> None:
        log.debug("event %s", printable(repr(event)))
        for effect in effects:
            log.debug("  effect %s", printable(repr(effect)))

    def _crash(self, error: Exception) -> None:
        """A bug of ours. Say what led to it and end: the service manager starts us again, and routes stay meanwhile."""
        log.critical("a bug ends this process", exc_info=error)
        for event in self._last:
            log.critical("before it: %s", printable(repr(event)))
        self.end(1)

    def _exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """From a callback or a task. The world's faults (no descriptors left, say) do not end us, bugs do."""
        error = context.get("exception")
        if isinstance(error, Exception) and not isinstance(error, OSError):
            self._crash(error)
        else:
            log.error("%s: %s", context.get("message"), error)
