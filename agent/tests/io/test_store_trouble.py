"""The lease store on a disk that is full, fails or hangs, and with a bug in its thread."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from sroamd.core.events import LeasesStored
from sroamd.core.node import Node
from sroamd.core.values import StoredDatum
from sroamd.daemon.runtime import Runtime
from sroamd.io import store as store_module
from sroamd.io import store_file
from sroamd.io.store import Store
from sroamd.stored import Row
from tests.io.events import Collector, until


def lease(number: int, seqno: int = 1) -> StoredDatum:
    return StoredDatum(b"\0" + number.to_bytes(4, "big"), b"\x02\0\0\0\0\x07", seqno, 1000.0)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def keys(store: Store) -> set[bytes]:
    return {datum.key for datum in store.load()}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_disk_that_is_full_is_told_and_tried_again(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "RETRY", 0.05)

    async def work() -> None:
        store, heard = Store(directory), Collector()
        (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
        store._connection.execute(f"PRAGMA max_page_count = {pages}")  # what a full disk does: SQLITE_FULL
        store.start(heard)
        for ticket in range(1, 200):
            store.put([StoredDatum(ticket.to_bytes(5, "big"), bytes(250), 1, 1000.0)], ticket)
        failed = await heard.first(LeasesStored)
        assert not failed.durable
        assert store.failing
        store._connection.execute("PRAGMA max_page_count = 1000000")
        await until(lambda: heard.of(LeasesStored)[-1].durable)
        assert heard.of(LeasesStored)[-1].ticket == 199
        assert not store.failing
        store.close()
        after = Store(directory)
        assert len(after.load()) == 199, "what could not be written at first was kept"
        after.close()

    run(work())


class Disk:
    """`store_file.write` that can be held up, by a hand on `hold`; `written` are the keys that it got through."""

    def __init__(self) -> None:
        self.hold = threading.Event()  # cleared: it hangs
        self.hold.set()
        self.written: list[bytes] = []
        self._write = store_file.write

    def __call__(self, connection: sqlite3.Connection, rows: Mapping[bytes, Row | None]) -> sqlite3.Error | None:
        self.hold.wait()
        self.written += rows
        return self._write(connection, rows)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk()
    monkeypatch.setattr(store_file, "write", disk)
    monkeypatch.setattr(store_module, "STORE_PATIENCE", 0.1)
    yield disk
    disk.hold.set()


def test_who_waits_for_a_disk_that_hangs_is_told_and_all_are_told_when_it_answers(directory: Path, disk: Disk) -> None:
    async def work() -> None:
        store, heard = Store(directory), Collector()
        store.start(heard)
        disk.hold.clear()
        store.put([lease(1)], 1)
        store.put([lease(2)], 2)
        assert await until(lambda: bool(heard.events)) >= 0.1
        assert heard.events == [LeasesStored(2, durable=False)]
        assert store.failing
        for ticket in (3, 4):
            store.put([lease(ticket)], ticket)
            assert await until(lambda: heard.events[-1] == LeasesStored(ticket, durable=False)) < 0.05  # noqa: B023
        disk.hold.set()
        await until(lambda: heard.events[-1] == LeasesStored(4))
        assert all(event.durable for event in heard.of(LeasesStored)[3:])
        assert not store.failing
        store.close()
        after = Store(directory)
        assert keys(after) == {lease(number).key for number in (1, 2, 3, 4)}
        after.close()

    run(work())


def test_disk_that_hangs_with_what_nobody_waits_for_tells_of_nothing_that_came_later(
    directory: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "LAZY_COMMIT", 0.0)
    monkeypatch.setattr(store_module, "COMMIT_PAUSE", 0.5)

    async def work() -> None:
        store, heard = Store(directory), Collector()
        store.start(heard)
        disk.hold.clear()
        store.put([lease(1)], None)
        await until(lambda: store._taken is not None)
        store.put([lease(2)], 1)
        await until(lambda: heard.events == [LeasesStored(1, durable=False)])
        disk.hold.set()
        await until(lambda: len(heard.events) == 2)
        assert (heard.events[1], disk.written) == (LeasesStored(0), [lease(1).key]), "the second is not written yet"
        await until(lambda: len(heard.events) == 3)
        assert (heard.events[2], disk.written) == (LeasesStored(1), [lease(1).key, lease(2).key])
        store.close()

    run(work())


def test_slow_disk_that_answers_each_in_time_does_not_hang(directory: Path, disk: Disk) -> None:
    """Somebody waits all the time, but nobody for long."""

    async def work() -> None:
        store, heard = Store(directory), Collector()
        store.start(heard)
        for ticket in range(1, 31):
            store.put([lease(ticket)], ticket)
            await asyncio.sleep(0.01)
        await until(lambda: heard.events[-1] == LeasesStored(30))
        assert all(event.durable for event in heard.of(LeasesStored))
        store.close()

    run(work())


def test_what_waits_for_a_disk_that_hangs_has_a_limit(
    directory: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "PENDING_MAX", 10)

    async def work() -> None:
        store, heard = Store(directory), Collector()
        store.start(heard)
        disk.hold.clear()
        store.put([lease(99)], 1)
        await until(lambda: store._taken is not None)
        for number in range(30):
            store.put([lease(number)], 2)
        store.put([lease(3, seqno=7)], 3)  # is waiting already: its newest version takes no place
        store.forget([lease(40).key])
        assert len(store._pending.rows) == 10
        disk.hold.set()
        await until(lambda: heard.of(LeasesStored)[-1:] == [LeasesStored(3)])
        assert store.counters["store.left-out"] == 21
        store.close()
        after = Store(directory)
        found = {datum.key: datum.seqno for datum in after.load()}
        assert found == {lease(number).key: 7 if number == 3 else 1 for number in (*range(10), 99)}
        after.close()

    run(work())


def test_what_a_failing_disk_refuses_has_the_same_limit(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "PENDING_MAX", 10)
    monkeypatch.setattr(store_file, "write", lambda connection, rows: sqlite3.OperationalError("disk I/O error"))

    async def work() -> None:
        store, heard = Store(directory), Collector()
        store.start(heard)
        for ticket in range(1, 41):
            store.put([lease(ticket)], ticket)
            await until(lambda: heard.of(LeasesStored)[-1:] == [LeasesStored(ticket, durable=False)])  # noqa: B023
        assert set(store._pending.rows) == {lease(number).key for number in range(1, 11)}
        store.close()

    run(work())


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError(5, "Input/output error"), OverflowError("too large")])
def test_end_of_the_writing_thread_ends_the_process(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def write(connection: sqlite3.Connection, rows: object) -> None:
        raise error

    monkeypatch.setattr(store_file, "write", write)

    async def work() -> None:
        runtime, store = Runtime(cast(Node, None), trace=False), Store(directory)
        store.start(runtime.emit)
        store.put([lease(1)], 1)
        assert await asyncio.wait_for(runtime.ended, 1.0) == 1
        store.close()

    run(work())
    assert "a bug ends this process" in caplog.text
    assert str(error) in caplog.text, "it says which"
