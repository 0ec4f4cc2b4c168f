"""The whole daemon with its state directory on a file system that is read-only or full, or another daemon's."""

from __future__ import annotations

from pathlib import Path

from tests.daemon.process import Daemon, daemon
from tests.daemon.test_process import ask
from tests.io.test_store_trouble import ADDRESS, crashed

READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
FULL = 'mount -t tmpfs -o size=4k tmpfs "$0" && exec "$@"'
LOSS = "a power loss would lose them"


def within(mount: str, directory: Path) -> list[str]:
    """In a mount namespace of its own, in which the state directory is that."""
    return ["unshare", "--mount", "sh", "-ec", mount, str(directory / "state")]


def status_of(running: Daemon, directory: Path) -> dict[str, object]:
    running.hear("READY=1")
    status = ask(directory / "control.sock", "status")
    assert isinstance(status, dict)
    return status


def test_daemon_on_a_read_only_disk_knows_what_was_written_before_a_crash_and_says_that_it_cannot_write(
    tmp_path: Path,
) -> None:
    node = crashed(tmp_path / "state")
    before = {path.name: path.read_bytes() for path in (tmp_path / "state").iterdir()}
    with daemon(tmp_path, within=within(READ_ONLY, tmp_path)) as running:
        status = status_of(running, tmp_path)
        assert (status["node"]["id"], len(status["problems"])) == (str(node), 1)  # type: ignore[index, arg-type]
        assert LOSS in status["problems"][0]  # type: ignore[index]
        records = ask(tmp_path / "control.sock", "database")
        assert isinstance(records, list)
        assert str(ADDRESS) in {record["key"] for record in records}
        assert "Read-only file system" in running.wait_for_line("state directory")
        assert running.end() == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "state").iterdir()} == before


def test_daemon_that_begins_on_a_full_disk_says_that_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with daemon(tmp_path, within=within(FULL, tmp_path)) as running:
        assert LOSS in status_of(running, tmp_path)["problems"][0]  # type: ignore[index]
        assert "full" in running.wait_for_line("state directory")
        assert running.end() == 0


def test_second_daemon_is_refused_also_where_the_disk_has_become_read_only(tmp_path: Path) -> None:
    with daemon(tmp_path) as first:
        first.hear("READY=1")
        (tmp_path / "second").mkdir()
        (tmp_path / "second" / "state").symlink_to(tmp_path / "state")
        with daemon(tmp_path / "second", within=within(READ_ONLY, tmp_path)) as second:
            assert "locked" in second.wait_for_line("cannot run: ")
            assert second.process.wait(15) == 1
        assert first.end() == 0
