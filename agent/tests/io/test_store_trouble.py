"""The lease store on a disk that is full, fails or hangs, and with a bug in its thread."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sqlite3
import threading
from collections.abc import Coroutine, Iterator, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, cast

import pytest

from sroamd.addresses import Mac, NodeId
from sroamd.core.events import LeasesStored
from sroamd.core.node import Node
from sroamd.core.values import StoredDatum
from sroamd.daemon.runtime import Runtime
from sroamd.io import store as store_module
from sroamd.io import store_file
from sroamd.io.store import Store
from sroamd.stored import Row
from sroamd.wire.datum import ipv4_lease_key
from tests.io.events import Collector, until

ADDRESS, STATION = IPv4Address("192.0.2.7"), Mac.parse("02:00:00:00:00:07")


def lease(number: int, seqno: int = 1) -> StoredDatum:
    return StoredDatum(b"\0" + number.to_bytes(4, "big"), b"\x02\0\0\0\0\x07", seqno, 1000.0)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def keys(store: Store) -> set[bytes]:
    return {datum.key for datum in store.load()}


def crashed(directory: Path) -> NodeId:
    """Make what a power cut would leave of a new node with one lease, of ADDRESS. Its id."""

    async def work(origin: Path) -> NodeId:
        store, heard = Store(origin), Collector()
        node = store.node_id(())
        store.start(heard)
        store.put([StoredDatum(ipv4_lease_key(ADDRESS), bytes(STATION), 1, 1000.0)], 1)
        await heard.first(LeasesStored)
        shutil.copytree(origin, directory)
        store.close()
        return node

    return asyncio.run(work(directory.with_name("origin")))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state"


def refuse(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """From now on no file is opened for writing."""
    real = os.open

    def opening(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise OSError(number, os.strerror(number), path)
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", opening)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO, errno.ENOSPC])
def test_where_nothing_can_be_written_there_is_what_was_and_nothing_is_durable(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    node = crashed(directory)
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    refuse(monkeypatch, number)

    async def work() -> None:
        store, heard = Store(directory), Collector()
        assert store.node_id(()) == node
        assert keys(store) == {ipv4_lease_key(ADDRESS)}
        store.start(heard)
        assert heard.events == [LeasesStored(0, durable=False)], "from the start"
        store.put([lease(1)], None)
        store.put([lease(2)], 1)
        store.forget([lease(1).key])
        await until(lambda: heard.events[1:] == [LeasesStored(1, durable=False)])
        assert store.failing
        store.close()

    run(work())
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before
    assert os.strerror(number) in caplog.text


def test_where_nothing_can_be_read_either_the_node_begins_anew(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    crashed(directory)
    for path in directory.iterdir():
        path.write_bytes(b"no database" * 1000)
    refuse(monkeypatch, errno.EROFS)
    store = Store(directory)
    assert store.load() == ()
    assert store.node_id((STATION,), STATION) == NodeId.parse("02:00:00:ff:fe:00:00:07"), "its radio's"
    assert "cannot be read either" in caplog.text
    store.close()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.ENOTDIR])
def test_permissions_that_are_wrong_are_for_the_operator(
    directory: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    refuse(monkeypatch, number)
    with pytest.raises(OSError, match=os.strerror(number)):
        Store(directory)


def test_file_of_another_process_is_refused_though_it_cannot_be_written(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two nodes with one id would wreck the fleet."""
    monkeypatch.setattr(store_file, "LOCK_WAIT", 0.05)
    store = Store(directory)
    with monkeypatch.context() as patched:
        refuse(patched, errno.EROFS)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            Store(directory)
    store.close()


def test_directory_that_we_may_not_write_in_is_for_the_operator_and_other_complaints_of_sqlite_are_the_disks() -> None:
    def saying(code: int, kind: type[sqlite3.Error] = sqlite3.OperationalError) -> sqlite3.Error:
        error = kind("so it is")
        error.sqlite_errorcode = code
        return error

    disks = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
    assert all(store_file.is_of_disk(saying(code)) for code in disks)
    others = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY, sqlite3.SQLITE_READONLY_DIRECTORY)
    assert not any(store_file.is_of_disk(saying(code)) for code in others)
    assert not store_file.is_of_disk(saying(sqlite3.SQLITE_MISUSE, sqlite3.ProgrammingError))
    assert not store_file.is_of_disk(sqlite3.InterfaceError("of Python's own, without a code"))


def test_id_that_cannot_be_kept_is_used(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(directory)
    store._connection.execute("PRAGMA query_only = 1")
    assert store.node_id((STATION,), STATION) == NodeId.parse("02:00:00:ff:fe:00:00:07")
    assert "cannot be kept" in caplog.text
    store.close()


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
