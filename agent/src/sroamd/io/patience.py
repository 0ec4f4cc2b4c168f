"""Questions that the kernel has no memory to answer: that is no bug, and they are asked again.

Each leaves in doubt whatever it could not settle, so a timer only has to say when it is time for another go.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

ASK_AGAIN = 1.0  # s after a question that has failed


class Patience:
    """`again`: asks, by way of `ask`, about all that is in doubt."""

    def __init__(self, again: Callable[[], None], counters: Counter[str]) -> None:
        self._again = again
        self._counters = counters
        self._failing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Ask again from now on, at once if something has failed before. Needs a running loop."""
        self._loop = asyncio.get_running_loop()
        if self._failing:
            self._retry()

    def stop(self) -> None:
        self._loop = None
        if self._timer is not None:
            self._timer.cancel()

    def ask(self, question: Callable[[], T]) -> T | None:
        """None after an OSError, which is counted; the first for a while is logged."""
        try:
            return question()
        except OSError as error:
            self._counters["netlink.unanswered"] += 1
            if not self._failing:
                log.warning("the kernel cannot be asked, trying again each second: %s", error.strerror or error)
            self._failing = True
            if self._timer is None and self._loop is not None:
                self._timer = self._loop.call_later(ASK_AGAIN, self._retry)
            return None

    def _retry(self) -> None:
        self._timer = None
        self._again()
        if self._timer is None:
            self._failing = False
            log.info("the kernel answers again")
