"""Where an operator waits for a check: the core is asked, and what it says comes back under the asker's ticket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from itertools import count

from sroamd.core.effects import CheckEnded, CheckProgressed
from sroamd.core.events import CheckRequested, Event


class CheckDesk:
    """`emit` puts an event to the core, which answers with `tell`, by way of the executor."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._tickets = count(1)
        self._waiting: dict[int, asyncio.Queue[CheckProgressed | CheckEnded]] = {}

    async def check(self) -> AsyncGenerator[CheckProgressed | CheckEnded, None]:
        """Progress about every second, and the end. Who does not wait for it is forgotten; the check ends anyway."""
        ticket = next(self._tickets)
        queue = self._waiting[ticket] = asyncio.Queue()
        try:
            self._emit(CheckRequested(ticket))
            while True:
                news = await queue.get()
                yield news
                if isinstance(news, CheckEnded):
                    return
        finally:
            del self._waiting[ticket]

    def tell(self, news: CheckProgressed | CheckEnded) -> None:
        queue = self._waiting.get(news.ticket)
        if queue is not None:
            queue.put_nowait(news)
