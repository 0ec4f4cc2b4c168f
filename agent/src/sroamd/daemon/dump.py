"""SIGUSR1: the status and the whole database in the log, a line for each record.

In slices, between which everything else has its turn: a database of 120,000 records takes seconds.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from itertools import islice

from sroamd.core.status import Json
from sroamd.daemon import logs

log = logging.getLogger(__name__)

SLICE = 100  # records: 2 ms of a slow processor


class Dump:
    """`answer` as for the control socket. One at a time."""

    def __init__(self, answer: Callable[[str, str | None], Json | Iterator[Json]]) -> None:
        self._answer = answer
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._write())
        else:
            log.warning("the database is being written already")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _write(self) -> None:
        try:
            logs.dump_log.info("status %s", json.dumps(self._answer("status", None)))
            records = self._answer("database", None)
            assert isinstance(records, Iterator)
            while several := list(islice(records, SLICE)):
                for record in several:
                    logs.dump_log.info("record %s", json.dumps(record))
                await asyncio.sleep(0)
        except Exception:
            log.exception("what was being written of the database breaks off")
