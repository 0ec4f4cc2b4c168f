"""The control socket, with an answer of the test's own."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from sroamd.core.check_result import CheckProgress
from sroamd.core.effects import CheckEnded, CheckProgressed
from sroamd.core.events import CheckRequested, Event
from sroamd.core.status import NotFound, UnknownTopic
from sroamd.io import control
from sroamd.io.check_desk import CheckDesk
from sroamd.io.control import CLIENTS_MAX, LINE_MAX, ControlServer, encode
from tests.io.events import until

RECORDS = [{"kind": "ipv4", "key": f"192.0.2.{n % 256}", "seqno": n, "life": 1.5, "x": None} for n in range(30000)]
Run = Callable[[Callable[["Place"], Awaitable[None]]], None]


def answer(topic: str, argument: str | None) -> object:
    match topic:
        case "where":
            raise NotFound(f"no station {argument} is known")
        case "database":
            return RECORDS
        case "bug":
            raise ZeroDivisionError
        case "status":
            return {"healthy": True, "stations": 2, "argument": argument}
    raise UnknownTopic(f"unknown topic {topic!r}")


class Place:
    def __init__(self, directory: Path) -> None:
        self.path = directory / "control.sock"
        self.desk = CheckDesk(self.requested)
        self.tickets: list[int] = []
        self.made = 0
        self.server = ControlServer(str(self.path), self.answer, {"check": self.slow, "bug slowly": self.fail})
        self._writers: list[asyncio.StreamWriter] = []

    def answer(self, topic: str, argument: str | None) -> object:
        return self.rows(bug="bad" in topic) if "rows" in topic else answer(topic, argument)

    def rows(self, *, bug: bool) -> Iterator[object]:
        for record in RECORDS:
            self.made += 1
            yield record
            if bug and self.made == 300:
                raise ZeroDivisionError

    def requested(self, event: Event) -> None:
        assert isinstance(event, CheckRequested)
        self.tickets.append(event.ticket)

    async def slow(self) -> AsyncGenerator[dict[str, object], None]:
        async with aclosing(self.desk.check()) as all_news:
            async for news in all_news:
                yield {"progress": news.ticket} if isinstance(news, CheckProgressed) else {"result": news.ticket}

    async def fail(self) -> AsyncGenerator[dict[str, object], None]:
        yield {"progress": 1}
        raise ZeroDivisionError

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_unix_connection(str(self.path), limit=1 << 24)
        self._writers.append(writer)
        return reader, writer

    async def ask(self, line: bytes) -> dict[str, object]:
        reader, writer = await self.connect()
        writer.write(line)
        reply = json.loads(await reader.readline())
        assert isinstance(reply, dict)
        return reply

    async def end(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        await self.server.stop()
        await asyncio.sleep(0)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run_body(body: Callable[[Place], Awaitable[None]]) -> None:
        async def whole() -> None:
            place = Place(tmp_path)
            await place.server.start()
            try:
                async with asyncio.timeout(30):
                    await body(place)
            finally:
                await place.end()
            assert not place.path.exists()

        asyncio.run(whole())

    return run_body


def test_questions_are_answered_in_order_on_one_connection(run: Run) -> None:
    async def body(place: Place) -> None:
        reader, writer = await place.connect()
        writer.write(b'{"topic": "status"}\n{"topic": "status", "argument": "x"}\n{"topic":"where","argument":"y"}\n')
        replies = [json.loads(await reader.readline()) for _ in range(3)]
        assert replies == [
            {"result": {"healthy": True, "stations": 2, "argument": None}},
            {"result": {"healthy": True, "stations": 2, "argument": "x"}},
            {"error": "no station y is known", "code": "not-found"},
        ]
        assert place.server.counters["control.requests"] == 3

    run(body)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"topic": "weather"}', "unknown"),
        (b"", "bad-request"),
        (b"status", "bad-request"),
        (b"[1]", "bad-request"),
        (b'"status"', "bad-request"),
        (b"{}", "bad-request"),
        (b'{"topic": 1}', "bad-request"),
        (b'{"topic": "where", "argument": 7}', "bad-request"),
        (b'{"topic": "status", "colour": "red"}', "bad-request"),
        (b"[" * 4000, "bad-request"),
        (b"\xff\xfe\x00", "bad-request"),
        (b'{"topic": "bug"}', "internal"),
    ],
)
def test_what_is_no_good_question_gets_a_reason_and_the_next_one_an_answer(run: Run, line: bytes, code: str) -> None:
    async def body(place: Place) -> None:
        reader, writer = await place.connect()
        writer.write(line + b'\n{"topic": "status"}\n')
        assert json.loads(await reader.readline())["code"] == code
        assert "result" in json.loads(await reader.readline())

    run(body)


PROGRESS = CheckProgress(1, 2, 1, 1)


def test_a_slow_answer_tells_how_far_it_is_and_others_do_not_wait_for_it(run: Run) -> None:
    async def body(place: Place) -> None:
        reader, writer = await place.connect()
        writer.write(b'{"topic": "check"}\n{"topic": "status"}\n')
        await until(lambda: place.tickets == [1])
        assert "result" in await place.ask(b'{"topic": "status"}\n')
        other_reader, other_writer = await place.connect()
        other_writer.write(b'{"topic": "check"}\n')
        await until(lambda: place.tickets == [1, 2])
        for ticket in (2, 1):
            place.desk.tell(CheckProgressed(ticket, PROGRESS))
        assert json.loads(await reader.readline()) == {"progress": 1}
        place.desk.tell(CheckEnded(1, None))
        assert json.loads(await reader.readline()) == {"result": 1}
        assert "healthy" in json.loads(await reader.readline())["result"]
        place.desk.tell(CheckEnded(2, None))
        assert [json.loads(await other_reader.readline()) for _ in range(2)] == [{"progress": 2}, {"result": 2}]

    run(body)


def test_a_client_that_does_not_wait_for_its_slow_answer_is_forgotten(run: Run) -> None:
    async def body(place: Place) -> None:
        _, writer = await place.connect()
        writer.write(b'{"topic": "check"}\n')
        await until(lambda: place.tickets == [1])
        writer.transport.abort()
        await asyncio.sleep(0)
        for _ in range(3):
            place.desk.tell(CheckProgressed(1, PROGRESS))
            await asyncio.sleep(0.01)
        await until(lambda: not place.desk._waiting)
        place.desk.tell(CheckEnded(1, None))

    run(body)


def test_a_bug_in_a_slow_answer_is_an_answer(run: Run) -> None:
    async def body(place: Place) -> None:
        reader, writer = await place.connect()
        writer.write(b'{"topic": "bug slowly"}\n{"topic": "status"}\n')
        assert json.loads(await reader.readline()) == {"progress": 1}
        assert json.loads(await reader.readline())["code"] == "internal"
        assert "result" in json.loads(await reader.readline())

    run(body)


def test_a_line_without_end_is_cut(run: Run) -> None:
    async def body(place: Place) -> None:
        reader, writer = await place.connect()
        writer.write(b"x" * (2 * LINE_MAX + 1))
        assert json.loads(await reader.readline())["code"] == "bad-request"
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)

    run(body)


def test_a_large_answer_is_whole_and_lets_everything_else_run(run: Run) -> None:
    async def body(place: Place) -> None:
        turns, running = 0, True

        async def count_turns() -> None:
            nonlocal turns
            while running:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count_turns())
        reader, writer = await place.connect()
        writer.write(b'{"topic": "database"}\n')
        line = await reader.readline()
        running = False
        await counting
        assert json.loads(line) == {"result": RECORDS}
        assert turns >= len(line) / control.PIECE_SIZE / 2  # in one go it would be a handful

    run(body)


def test_elements_of_a_long_answer_are_made_while_it_is_written(run: Run) -> None:
    async def body(place: Place) -> None:
        reader, writer = await place.connect()
        writer.write(b'{"topic": "rows"}\n')
        await until(lambda: 0 < place.made < len(RECORDS))  # nobody reads, so they wait to be made
        assert json.loads(await reader.readline()) == {"result": RECORDS}
        assert place.made == len(RECORDS)

    run(body)


def test_a_bug_in_an_element_of_a_long_answer_cuts_who_asked_and_nobody_else(run: Run) -> None:
    async def body(place: Place) -> None:
        reader, writer = await place.connect()
        writer.write(b'{"topic": "bad rows"}\n')
        assert not (await reader.read()).endswith(b"\n")
        assert "result" in await place.ask(b'{"topic": "status"}\n')

    run(body)


def test_who_does_not_read_is_cut_and_nobody_waits_for_him(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "WRITE_TIMEOUT", 0.2)

    async def body(place: Place) -> None:
        with socket.socket(socket.AF_UNIX) as idle:
            idle.connect(str(place.path))
            idle.sendall(b'{"topic": "database"}\n')
            await asyncio.sleep(0.05)
            assert "result" in await place.ask(b'{"topic": "status"}\n')
            await until(lambda: place.server.counters["control.cut"] == 1)

    run(body)


def test_who_does_not_ask_is_cut(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "IDLE_TIMEOUT", 0.1)

    async def body(place: Place) -> None:
        reader, writer = await place.connect()
        writer.write(b'{"topic":')
        assert await reader.read() == b""
        assert place.server.counters["control.cut"] == 1

    run(body)


def test_there_are_sixteen_places(run: Run) -> None:
    async def body(place: Place) -> None:
        seated = [await place.connect() for _ in range(CLIENTS_MAX)]
        assert (await place.ask(b""))["code"] == "busy"
        seated[0][1].close()
        await asyncio.sleep(0.05)
        assert "result" in await place.ask(b'{"topic": "status"}\n')

    run(body)


def test_only_owner_and_group_may_ask(run: Run) -> None:
    async def body(place: Place) -> None:
        status = os.stat(place.path)
        assert stat.S_IMODE(status.st_mode) == 0o660
        assert status.st_gid == os.getegid()

    run(body)


def test_a_stale_socket_is_replaced_and_a_living_one_is_not(tmp_path: Path) -> None:
    async def body() -> None:
        path = tmp_path / "control.sock"
        with socket.socket(socket.AF_UNIX) as killed:
            killed.bind(str(path))
        first, second = ControlServer(str(path), answer), ControlServer(str(path), answer)
        await first.start()
        with pytest.raises(FileExistsError, match="another process listens at"):
            await second.start()
        await second.stop()
        assert path.exists()
        await first.stop()
        assert not path.exists()

    asyncio.run(body())


def test_what_is_not_a_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("precious")

    async def body() -> None:
        with pytest.raises(FileExistsError, match="is not a socket"):
            await ControlServer(str(path), answer).start()

    asyncio.run(body())
    assert path.read_text() == "precious"


def test_a_successor_keeps_its_socket_when_its_predecessor_stops(tmp_path: Path) -> None:
    async def body() -> None:
        path = tmp_path / "control.sock"
        old, new = ControlServer(str(path), answer), ControlServer(str(path), answer)
        await old.start()
        path.unlink()
        await new.start()
        await old.stop()
        assert path.exists()
        await new.stop()

    asyncio.run(body())


@pytest.mark.parametrize(
    "value",
    [None, 1, "a\nb", [], {}, [[]], {"a": {}}, {"a": [1, {"b": None}], "c": True}, [1] * 1000, {"x": RECORDS[:500]}],
)
def test_pieces_make_the_same_json(value: object) -> None:
    assert json.loads("".join(encode(value))) == value


@pytest.mark.parametrize("count", [0, 1, 200, 201, 1000])
def test_an_iterator_is_a_list(count: int) -> None:
    assert json.loads("".join(encode({"result": iter(RECORDS[:count])}))) == {"result": RECORDS[:count]}
