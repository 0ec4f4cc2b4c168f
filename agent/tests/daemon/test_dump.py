"""SIGUSR1: the whole database in the log, and everything else has its turn meanwhile."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from itertools import pairwise

import pytest

from sroamd.core.status import Json
from sroamd.daemon.dump import SLICE, Dump
from tests.io.events import until


class Answers:
    """A status and so many records. `made` of them have been asked for; the one numbered `bad` is none."""

    def __init__(self, records: int, bad: int | None = None) -> None:
        self.records, self.bad, self.made = records, bad, 0

    def __call__(self, topic: str, argument: str | None) -> Json | Iterator[Json]:
        return {"healthy": True} if topic == "status" else self._database()

    def _database(self) -> Iterator[Json]:
        for number in range(self.records):
            if number == self.bad:
                raise KeyError(number)
            self.made += 1
            yield {"number": number}


@pytest.fixture(autouse=True)
def _every_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def records(caplog: pytest.LogCaptureFixture) -> list[int]:
    lines = [line for line in caplog.messages if line.startswith("record ")]
    return [json.loads(line.removeprefix("record "))["number"] for line in lines]


def test_dump_is_whole_and_all_else_has_its_turn_after_each_slice(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        answers, seen = Answers(5 * SLICE + 3), [0]
        Dump(answers).begin()
        assert answers.made == 0, "nothing is done in the signal's own turn"
        while answers.made < answers.records:
            await asyncio.sleep(0)
            seen.append(answers.made)
        assert max(after - before for before, after in pairwise(seen)) <= SLICE

    asyncio.run(work())
    assert 'status {"healthy": true}' in caplog.messages
    assert records(caplog) == list(range(5 * SLICE + 3))


def test_there_is_one_at_a_time_and_then_another(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        answers = Answers(2 * SLICE)
        dump = Dump(answers)
        for _ in range(2):
            dump.begin()
            await asyncio.sleep(0)
            dump.begin()
            await until(lambda: "being written already" in caplog.text)
            await asyncio.sleep(0.02)
            assert records(caplog) == list(range(2 * SLICE))
            caplog.clear()

    asyncio.run(work())


def test_it_ends_with_the_process(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        answers = Answers(2 * SLICE)
        dump = Dump(answers)
        dump.stop()  # none is under way
        dump.begin()
        await asyncio.sleep(0)
        dump.stop()
        await asyncio.sleep(0.02)
        assert answers.made == SLICE

    asyncio.run(work())


def test_record_that_cannot_be_told_ends_the_dump_and_not_the_agent(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        troubles: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: troubles.append(context))
        Dump(Answers(5, bad=3)).begin()
        await until(lambda: "breaks off" in caplog.text)
        await asyncio.sleep(0)
        assert troubles == []

    asyncio.run(work())
