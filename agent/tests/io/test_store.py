"""The lease store on a real file system: what is acknowledged is there, whatever happened to process, clock or disk."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from sroamd.addresses import Mac, NodeId
from sroamd.core.events import LeasesStored
from sroamd.core.values import StoredDatum
from sroamd.io import store as store_module
from sroamd.io import store_file
from sroamd.io.store import Store
from sroamd.stored import Instant, Row
from tests.io.events import Collector, until

MACHINE, OTHER_MACHINE = Mac.parse("00:00:5e:00:53:01"), Mac.parse("00:00:5e:00:53:02")


def lease(number: int, seqno: int = 1, remaining: float = 1000.0) -> StoredDatum:
    return StoredDatum(b"\0" + number.to_bytes(4, "big"), b"\x02\0\0\0\0\x07", seqno, remaining)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def keys(store: Store) -> set[bytes]:
    return {datum.key for datum in store.load()}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state"


class Clock:
    """Both clocks of the machine, moved by hand."""

    def __init__(self) -> None:
        self.at = Instant(wall=1_800_000_000.0, since_boot=500.0, boot="first")

    def __call__(self) -> Instant:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(store_file, "now", clock)
    return clock


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 200])
def test_however_many_rows_there_are_all_of_one_commit_are_written_and_deleted(directory: Path, count: int) -> None:
    """They are put with as few statements as may be."""
    now = store_file.now()
    rows = {lease(number).key: Row(bytes((2, 0, 0, 0, 0, number)), number, 1000.0, now) for number in range(count)}
    store = Store(directory)
    assert store_file.write(store._connection, rows) is None
    assert {datum.key: (datum.value, datum.seqno) for datum in store.load()} == {
        key: (row.value, row.seqno) for key, row in rows.items()
    }
    newer: dict[bytes, Row | None] = {key: Row(b"newer!", 9, 1.0, now) for key in list(rows)[1::2]}
    assert store_file.write(store._connection, newer | dict.fromkeys(list(rows)[::2])) is None
    assert {(datum.key, datum.value) for datum in store.load()} == {(key, b"newer!") for key in newer}
    store.close()


def test_row_with_a_ticket_is_on_disk_when_its_event_comes(directory: Path) -> None:
    async def work() -> None:
        store, heard = Store(directory), Collector()
        store.start(heard)
        store.put([lease(1), lease(2)], ticket=7)
        assert await heard.first(LeasesStored) == LeasesStored(7, durable=True)
        # A copy of the files at this moment is what a power cut would leave.
        copy = directory.with_name("copy")
        copy.mkdir()
        for name in ("state.db", "state.db-wal"):
            (copy / name).write_bytes((directory / name).read_bytes())
        store.close()
        after = Store(copy)
        assert keys(after) == {lease(1).key, lease(2).key}
        after.close()

    run(work())


def test_many_tickets_share_commits_and_the_last_is_told(directory: Path) -> None:
    async def work() -> None:
        store, heard = Store(directory), Collector()
        store.start(heard)
        for ticket in range(1, 301):
            store.put([lease(ticket)], ticket)
        await until(lambda: bool(heard.events) and heard.of(LeasesStored)[-1].ticket == 300)
        tickets = [event.ticket for event in heard.of(LeasesStored)]
        assert tickets == sorted(tickets)
        assert len(tickets) < 30, "one commit each would be 300"
        store.close()

    run(work())


def test_first_waits_for_nothing_and_those_behind_it_share_a_commit(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "COMMIT_PAUSE", 0.5)

    async def work() -> None:
        store, heard = Store(directory), Collector()
        store.start(heard)
        store.put([lease(1)], 1)
        assert await until(lambda: heard.events == [LeasesStored(1)]) < 0.5
        for ticket in range(2, 12):
            store.put([lease(ticket)], ticket)
            await asyncio.sleep(0.01)  # a commit could begin
        await until(lambda: heard.events == [LeasesStored(1), LeasesStored(11)])
        assert store.counters["store.commits"] == 2
        store.close()

    run(work())


def test_rows_that_nobody_waits_for_go_along_with_the_next_commit(directory: Path) -> None:
    async def work() -> None:
        store, heard = Store(directory), Collector()
        store.start(heard)
        store.put([lease(1)], None)
        await asyncio.sleep(0.05)
        assert store.counters["store.commits"] == 0
        store.put([lease(2)], 1)
        await heard.first(LeasesStored)
        assert (store.counters["store.commits"], store.counters["store.rows"]) == (1, 2)
        store.close()

    run(work())


def test_rows_that_nobody_waits_for_are_written_in_the_end(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "LAZY_COMMIT", 0.05)

    async def work() -> None:
        store, heard = Store(directory), Collector()
        store.start(heard)
        store.put([lease(1)], None)
        await until(lambda: store.counters["store.commits"] == 1)
        assert heard.events == []
        store.close()

    run(work())


def test_close_writes_what_is_pending_and_forget_deletes(directory: Path) -> None:
    async def work() -> None:
        store = Store(directory)
        store.start(Collector())
        store.put([lease(1), lease(2), lease(3)], None)
        store.forget([lease(2).key])
        store.put([lease(3, seqno=9)], None)
        store.close()
        store = Store(directory)
        assert {(datum.key, datum.seqno) for datum in store.load()} == {(lease(1).key, 1), (lease(3).key, 9)}
        store.close()

    run(work())


def stored_at(clock: Clock, directory: Path, remaining: float) -> None:
    async def work() -> None:
        store = Store(directory)
        store.start(Collector())
        store.put([lease(1, remaining=remaining)], None)
        store.close()

    run(work())


@pytest.mark.parametrize(
    ("later", "remaining"),
    [
        (Instant(1_800_000_100.0, 600.0, "first"), 900.0),
        (Instant(100.0, 600.0, "first"), 900.0),  # the wall clock has jumped within one boot: it does not count
        (Instant(1_900_000_000.0, 600.0, "first"), 900.0),
        (Instant(1_800_000_100.0, 3.0, "second"), 900.0),  # another boot: the wall clock is all there is
        (Instant(1_700_000_000.0, 3.0, "second"), 1000.0),  # and it is behind: as when it was written
        (Instant(1_800_002_000.0, 3.0, "second"), -1000.0),  # expired, but remembered
    ],
)
def test_lease_ages_by_the_clock_that_can_be_trusted(
    directory: Path, clock: Clock, later: Instant, remaining: float
) -> None:
    stored_at(clock, directory, 1000.0)
    clock.at = later
    store = Store(directory)

    assert [datum.remaining for datum in store.load()] == [remaining]
    store.close()


def test_id_is_made_once(directory: Path) -> None:
    ids = set()
    for _ in range(3):
        store = Store(directory)
        ids.add(store.node_id(()))
        store.close()

    assert len(ids) == 1
    assert ids.pop()[0] == 2, "locally assigned"


def test_id_of_a_radio_is_its_eui_64_and_a_copied_image_gets_another(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(directory)
    first = store.node_id((MACHINE,), MACHINE)
    assert first == NodeId.parse("00:00:5e:ff:fe:00:53:01")
    assert store.node_id((MACHINE,), MACHINE) == store.node_id(()) == first, "an interface that is late changes nothing"
    assert store.node_id((OTHER_MACHINE,), OTHER_MACHINE) == NodeId.parse("00:00:5e:ff:fe:00:53:02")
    assert "new id" in caplog.text
    store.close()


def test_two_agents_without_a_radio_on_one_machine_have_two_ids(tmp_path: Path) -> None:
    stores = [Store(tmp_path / name) for name in ("one", "two")]
    assert len({store.node_id((MACHINE,)) for store in stores}) == 2
    for store in stores:
        store.close()


def test_id_stays_while_the_machine_has_the_mac_that_was_noted_first(directory: Path) -> None:
    """Another one may have been plugged in, and come before it."""
    store = Store(directory)
    first = store.node_id((MACHINE,))
    assert store.node_id((OTHER_MACHINE, MACHINE)) == first
    assert store.node_id((OTHER_MACHINE,)) != first
    store.close()


def test_random_id_is_kept_when_the_hardware_shows_up_later(directory: Path) -> None:
    store = Store(directory)
    first = store.node_id(())
    assert store.node_id((MACHINE,)) == first
    assert store.node_id((OTHER_MACHINE,)) != first
    store.close()


def test_nobody_else_may_read_it(directory: Path) -> None:
    store = Store(directory)
    store.node_id(())
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [directory, *directory.iterdir()]}
    assert modes.pop("state") == 0o700
    assert set(modes.values()) == {0o600}
    store.close()


def test_second_daemon_on_one_directory_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_file, "LOCK_WAIT", 0.05)
    store = Store(directory)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        Store(directory)
    store.close()


def overwrite_middle(path: Path) -> None:
    octets = bytearray(path.read_bytes())
    octets[4096:] = b"\xa5" * (len(octets) - 4096)
    path.write_bytes(octets)


def newer_version(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


def foreign_database(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE photos (name TEXT)")
    connection.close()


def table_gone(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE leases")
    connection.close()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"not a database at all, but long enough to be looked at" * 100),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        overwrite_middle,
        newer_version,
        foreign_database,
        table_gone,
    ],
    ids=["garbage", "cut", "overwritten", "newer", "foreign", "table-gone"],
)
def test_file_that_cannot_be_used_is_moved_aside(
    directory: Path, spoil: Any, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    stored_at(clock, directory, 1000.0)
    spoil(directory / "state.db")
    spoiled = (directory / "state.db").read_bytes()
    store = Store(directory)

    assert store.load() == ()
    store.node_id(())
    store.close()
    assert (directory / "state.db.corrupt-1").read_bytes() == spoiled
    assert "moved to" in caplog.text


def test_each_spoiled_file_is_kept(directory: Path) -> None:
    for number in (1, 2):
        Store(directory).close()
        (directory / "state.db").write_bytes(b"spoiled" * 1000)
        Store(directory).close()
        assert (directory / f"state.db.corrupt-{number}").exists()


def test_empty_file_is_a_new_one(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    directory.mkdir()
    (directory / "state.db").touch()
    Store(directory).close()

    assert not caplog.records
