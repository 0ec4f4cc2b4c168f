"""The SQLite file of `store`: its tables, its damage, and the two clocks that each row carries (`sroamd.stored`)."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from sroamd.addresses import Mac, NodeId
from sroamd.core.values import StoredDatum
from sroamd.stored import Instant, Row

log = logging.getLogger(__name__)

FILE = "state.db"
APPLICATION = 0x73726D64  # "srmd", in the header of the file
VERSION = 1
LOCK_WAIT = 2.0  # s that the predecessor of a restart may take to let go of the file

# What a disk says that is full, broken or read-only. All else that denies us the file is for operators to set right.
_DISK_ERRORS = frozenset({errno.EROFS, errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EUCLEAN})
_OTHER_PROCESS = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SCHEMA = f"""
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
CREATE TABLE identity (only INTEGER PRIMARY KEY CHECK (only = 1), node_id BLOB NOT NULL, machine BLOB);
CREATE TABLE leases (
    key BLOB PRIMARY KEY, value BLOB NOT NULL, seqno INTEGER NOT NULL, remaining REAL NOT NULL,
    wall REAL NOT NULL, since_boot REAL NOT NULL, boot TEXT NOT NULL
) WITHOUT ROWID;
"""
_COLUMNS = 7
# Rows put with one statement. Python's interpreter lock is let go and taken again for each statement: a thread that
# wrote row by row would wait for the loop after each, and have it wait.
_ROWS_AT_ONCE = 64
_PUTS = [
    "INSERT OR REPLACE INTO leases VALUES " + ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * rows)
    for rows in range(_ROWS_AT_ONCE + 1)
]


class NotOurs(Exception):
    """The file is damaged, of another program or of another version."""


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return f"pid {os.getpid()}"  # no two runs then count as of one boot


_BOOT = _boot_id()


def now() -> Instant:
    return Instant(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), _BOOT)


def open_file(directory: Path) -> sqlite3.Connection:
    """The file, new if need be. Raises OSError or sqlite3.Error if the directory, or a lock on the file, denies it."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / FILE
    try:
        return _connect(path)
    except NotOurs as reason:
        aside = _move_aside(path)
        log.error("%s: %s; moved to %s, beginning anew: addresses come from the other nodes again", path, reason, aside)
        return _connect(path)


def is_of_disk(error: OSError | sqlite3.Error) -> bool:
    """Whether `open_file` has failed because of the disk, and not of another process or of permissions."""
    if isinstance(error, OSError):
        return error.errno in _DISK_ERRORS
    is_denied = _code(error) == sqlite3.SQLITE_READONLY_DIRECTORY
    return isinstance(error, sqlite3.OperationalError) and not is_denied and not _is_in_use(error)


def in_memory(directory: Path) -> sqlite3.Connection:
    """For a disk that cannot be written: what the file holds, if it can be read, and nothing else. Raises sqlite3.Error
    if another process has it, and could write when it opened it."""
    path = directory / FILE
    memory = _memory()
    try:
        _raise_if_in_use(path)
        with closing(_read_only(path, "&vfs=unix-none")) as found:  # without locks
            # As an "immutable" file it would be read without the log of what was written last: after a crash, all.
            _verify(found)
            found.backup(memory)
    except (sqlite3.Error, NotOurs) as error:
        memory.close()
        if isinstance(error, sqlite3.Error) and _is_in_use(error):
            raise
        log.error("%s cannot be read either: %s", path, error)
        memory = _memory()
        memory.executescript(_SCHEMA)
    return memory


def _memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


def _read_only(path: Path, how: str = "") -> sqlite3.Connection:
    """With an exclusive lock, without which the write-ahead log asks for a file of shared memory beside it."""
    place = f"{path.absolute().as_uri()}?mode=ro{how}"
    connection = sqlite3.connect(place, uri=True, timeout=LOCK_WAIT, isolation_level=None)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    return connection


def _raise_if_in_use(path: Path) -> None:
    """Of the two locks that it takes, the shared one is refused then. The other it never gets: it cannot write."""
    with closing(_read_only(path)) as connection:
        try:
            connection.execute("PRAGMA application_id")
        except sqlite3.OperationalError as error:
            if _is_in_use(error):
                raise


def _is_in_use(error: sqlite3.Error) -> bool:
    return _code(error) & 0xFF in _OTHER_PROCESS


def _code(error: sqlite3.Error) -> int:
    """The extended one; 0 where it is not SQLite that complains, but what Python has around it."""
    return getattr(error, "sqlite_errorcode", 0)


def _connect(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, timeout=LOCK_WAIT, isolation_level=None, check_same_thread=False)
    try:
        # Two daemons with one id would wreck the fleet: the file stays locked.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        is_new = _is_empty(connection)
        if not is_new:
            _verify(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if is_new:
            connection.executescript("BEGIN IMMEDIATE;" + _SCHEMA + "COMMIT;")
            _sync_directory(path.parent)
    except sqlite3.OperationalError:
        connection.close()
        raise
    except sqlite3.DatabaseError as error:
        connection.close()
        raise NotOurs(str(error)) from error
    except NotOurs:
        connection.close()
        raise
    return connection


def _is_empty(connection: sqlite3.Connection) -> bool:
    """Whether nobody has put anything into it yet; a process killed at its first start leaves such a file."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return (application, tables) == (0, 0)


def _verify(connection: sqlite3.Connection) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if (application, version) != (APPLICATION, VERSION):
        raise NotOurs(f"application {application:#x} version {version}, not {APPLICATION:#x} version {VERSION}")
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise NotOurs(verdict)
    try:
        connection.execute("SELECT node_id, machine FROM identity").fetchone()
        connection.execute("SELECT key, value, seqno, remaining, wall, since_boot, boot FROM leases").fetchone()
    except sqlite3.OperationalError as error:  # a table or a column is missing
        raise NotOurs(str(error)) from error


def _move_aside(path: Path) -> Path:
    """With its write-ahead log, which belongs to it and would spoil the new file."""
    number = 1
    while (aside := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(aside.with_name(aside.name + suffix))
    return aside


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def node_id(connection: sqlite3.Connection, machine: tuple[Mac, ...], own: Mac | None) -> NodeId:
    """The stored id. A new one at the first start, and where the file was made by another machine: a copied image.

    `machine`: the MACs burnt into this one; it is the same machine as long as it has the one that was noted first.
    `own`: the one of them that no other agent can have, since it is that of our radio.
    """
    with closing(connection.execute("SELECT node_id, machine FROM identity")) as cursor:
        row = cursor.fetchone()
    mac = own or (machine[0] if machine else None)
    if row is not None:
        stored, owner = NodeId(row[0]), None if row[1] is None else Mac(row[1])
        if not machine or owner in machine:
            return stored
        if owner is not None:
            log.warning("the state directory was made by the machine with MAC %s; this is %s: new id", owner, mac)
            stored = _new_id(own)
    else:
        stored = _new_id(own)
    try:
        connection.execute("INSERT OR REPLACE INTO identity VALUES (1, ?, ?)", (bytes(stored), mac))
    except sqlite3.OperationalError as error:
        log.error("the id of this node, %s, cannot be kept: %s", stored, error)
    return stored


def _new_id(own: Mac | None) -> NodeId:
    """EUI-64 from our radio's MAC (RFC 4291 appendix A, without flipping a bit), or random and locally assigned:
    without a radio several agents may run on one machine."""
    if own is not None:
        return NodeId(own[:3] + b"\xff\xfe" + own[3:])
    return NodeId(b"\x02" + os.urandom(7))


def load(connection: sqlite3.Connection) -> tuple[StoredDatum, ...]:
    """All leases, with what remains of their lifetimes now."""
    moment = now()
    found = connection.execute("SELECT key, value, seqno, remaining, wall, since_boot, boot FROM leases ORDER BY key")
    return tuple(
        StoredDatum(key, value, seqno, Row(value, seqno, remaining, Instant(*written)).remaining_at(moment))
        for key, value, seqno, remaining, *written in found
    )


def write(connection: sqlite3.Connection, rows: Mapping[bytes, Row | None]) -> sqlite3.Error | None:
    """Put and delete (None) them in one transaction. On disk when it returns None; else nothing was changed."""
    puts: list[bytes | int | float | str] = []  # the columns of one after the other
    deletions: list[tuple[bytes]] = []
    for key, row in rows.items():
        if row is None:
            deletions.append((key,))
        else:
            at = row.written
            puts += (key, row.value, row.seqno, row.remaining, at.wall, at.since_boot, at.boot)
    try:
        connection.execute("BEGIN IMMEDIATE")
        if deletions:
            connection.executemany("DELETE FROM leases WHERE key = ?", deletions)
        for at_once in range(0, len(puts), _COLUMNS * _ROWS_AT_ONCE):
            columns = puts[at_once : at_once + _COLUMNS * _ROWS_AT_ONCE]
            connection.execute(_PUTS[len(columns) // _COLUMNS], columns)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        _roll_back(connection)
        return error
    return None


def _roll_back(connection: sqlite3.Connection) -> None:
    """SQLite has rolled back by itself after a full disk or an I/O error, and then refuses to do so again."""
    if connection.in_transaction:
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            log.error("rollback refused: %s", error)
