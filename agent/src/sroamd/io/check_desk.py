"""Where an operator waits for a check: the core is asked, and what it says comes back under the asker's ticket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import partial
from itertools import count

from sroamd.core.effects import CheckEnded, CheckProgressed, RouteCheckEnded, RouteCheckProgressed
from sroamd.core.events import CheckRequested, Event, RouteCheckRequested

End = CheckEnded | RouteCheckEnded
News = CheckProgressed | RouteCheckProgressed | End


class CheckDesk:
    """`emit` puts an event to the core, which answers with `tell`, by way of the executor.

    Progress comes about every second, then the end. Who does not wait for it is forgotten; the check ends anyway.
    """

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._tickets = count(1)
        self._waiting: dict[int, asyncio.Queue[News]] = {}

    def check(self) -> AsyncGenerator[News, None]:
        """Of the database, against those of all other nodes."""
        return self._news(CheckRequested)

    def check_routes(self, *, repair: bool) -> AsyncGenerator[News, None]:
        """Of this node's routes, against the database and the kernel."""
        return self._news(partial(RouteCheckRequested, repair=repair))

    async def _news(self, request: Callable[[int], Event]) -> AsyncGenerator[News, None]:
        ticket = next(self._tickets)
        queue = self._waiting[ticket] = asyncio.Queue()
        try:
            self._emit(request(ticket))
            while True:
                news = await queue.get()
                yield news
                if isinstance(news, End):
                    return
        finally:
            del self._waiting[ticket]

    def tell(self, news: News) -> None:
        queue = self._waiting.get(news.ticket)
        if queue is not None:
            queue.put_nowait(news)
