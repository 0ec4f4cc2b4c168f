"""The command `sroamd` as a process: a flooding server without stations, which needs no rights at all."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sroamd import __version__
from sroamd.daemon import logs, main
from tests.daemon.process import CONFIG, SOURCES, daemon
from tests.io.test_store_trouble import ADDRESS, STATION, crashed


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def ask(path: Path, topic: str) -> object:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(path))
        sock.sendall(json.dumps({"topic": topic}).encode() + b"\n")
        with sock.makefile() as stream:
            return json.loads(stream.readline())["result"]


def config_file(directory: Path, text: str = "") -> str:
    path = directory / "sroamd.toml"
    path.write_text(CONFIG.format(name="ap1", directory=directory) + text)
    return str(path)


# -- the command line


def test_good_configuration_is_checked_in_silence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-c", config_file(tmp_path), "--check-config"]) == 0
    assert capsys.readouterr() == ("", "")
    assert not (tmp_path / "state").exists(), "checking touches nothing"


@pytest.mark.parametrize("arguments", [["--check-config"], []])
def test_bad_configuration_is_two_and_a_line_for_each_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    path = config_file(tmp_path, 'colour = "red"\n[ra]\ninterval = 3\n')

    assert main(["-c", path, *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(path) for line in lines)
    assert "control.colour" in lines[0]
    assert "ra.interval" in lines[1]


def test_missing_file_is_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-c", str(tmp_path / "none.toml"), "--check-config"]) == 2
    assert "none.toml" in capsys.readouterr().err


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["--version"])
    assert capsys.readouterr().out == f"sroamd {__version__}\n"


@pytest.mark.parametrize("arguments", [["-d", "4"], ["-d", "-1"], ["-d", "much"], ["--frobnicate"], ["ap1"]])
def test_wrong_arguments_are_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(arguments)
    assert "usage: sroamd" in capsys.readouterr().err


# -- the process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_clean_stop(tmp_path: Path, number: signal.Signals) -> None:
    with daemon(tmp_path) as running:
        running.hear("READY=1")
        assert running.end(number) == 0
        running.hear("STOPPING=1")
        assert not (tmp_path / "control.sock").exists()
    assert not [line for line in running.log if "ERROR" in line or "CRITICAL" in line]


def test_id_survives_a_kill(tmp_path: Path) -> None:
    ids = []
    for number in (signal.SIGKILL, signal.SIGTERM):
        with daemon(tmp_path) as running:
            running.hear("READY=1")
            status = ask(tmp_path / "control.sock", "status")
            assert isinstance(status, dict)
            ids.append(status["node"]["id"])
            running.end(number)
        (tmp_path / "notify").unlink()
    assert ids[0] == ids[1]


def test_watchdog_is_fed_while_the_loop_runs(tmp_path: Path) -> None:
    with daemon(tmp_path, environment={"WATCHDOG_USEC": "100000"}) as running:
        running.hear("READY=1")
        for _ in range(4):
            running.hear("WATCHDOG=1")
        running.end()


def test_dump_shows_the_database_at_any_level(tmp_path: Path) -> None:
    with daemon(tmp_path, "-d", "0") as running:
        running.hear("READY=1")
        assert running.log == []
        running.send(signal.SIGUSR1)
        status = running.wait_for_line("status {")
        assert json.loads(status[status.index("{") :])["node"]["name"] == "ap1"
        record = running.wait_for_line("record {")
        assert json.loads(record[record.index("{") :])["kind"] == "node"
        running.end()


def test_stations_are_listed_with_what_the_guard_has_dropped_of_them(tmp_path: Path) -> None:
    crashed(tmp_path / "state")
    with daemon(tmp_path) as running:
        running.hear("READY=1")
        (station,) = ask(tmp_path / "control.sock", "stations")  # type: ignore[misc]
        assert (station["station"], station["ipv4"], station["dropped"]) == (str(STATION), [str(ADDRESS)], 0)
        assert running.end() == 0


def test_trace_level_shows_every_event(tmp_path: Path) -> None:
    with daemon(tmp_path, "-d", "3") as running:
        running.wait_for_line("event LeasesLoaded(data=())")
        running.wait_for_line("event KernelRoutesListed(")
        running.end()


def test_reload_takes_what_it_can_and_names_what_waits(tmp_path: Path) -> None:
    with daemon(tmp_path) as running:
        running.hear("READY=1")
        path = tmp_path / "sroamd.toml"
        good = path.read_text()
        path.write_text(good + '[flood]\nlisten = "127.0.0.1:1"\npeers = ["192.0.2.254:4444"]\n')
        running.send(signal.SIGHUP)
        running.hear("RELOADING=1")
        running.hear("READY=1")
        assert "flood.listen wait for a restart" in running.wait_for_line("reloaded;")
        status = ask(tmp_path / "control.sock", "status")
        assert isinstance(status, dict)
        assert status["peers_configured"] == 1

        path.write_text("nonsense")
        running.send(signal.SIGHUP)
        assert str(path) in running.wait_for_line("not reloaded:")
        running.hear("READY=1")
        assert running.end() == 0


def test_two_daemons_share_their_data(tmp_path: Path) -> None:
    port = free_port()
    server = f'[flood]\nlisten = "127.0.0.1:{port}"\nallow = ["127.0.0.0/8"]\n'
    client = f'[flood]\npeers = ["127.0.0.1:{port}"]\n'
    with (
        daemon(tmp_path / "one", config=server, name="one") as one,
        daemon(tmp_path / "two", "-d", "3", config=client, name="two") as two,
    ):
        one.hear("READY=1")
        two.hear("READY=1")
        two.wait_for_line("event PeerReady(")
        two.wait_for_line("event UpdatesReceived(")
        records = ask(tmp_path / "two" / "control.sock", "database")
        assert isinstance(records, list)
        assert {record["value"] for record in records if record["kind"] == "node"} == {"one", "two"}
        assert two.end() == 0
        assert one.end() == 0


def test_observer_writes_nothing_and_runs_beside_the_real_one(tmp_path: Path) -> None:
    port = free_port()
    flood = f'[flood]\nlisten = "127.0.0.1:{port}"\npeers = ["127.0.0.1:{port}"]\nallow = ["127.0.0.0/8"]\n'
    with daemon(tmp_path, config=flood) as real:
        real.hear("READY=1")
        with daemon(tmp_path / "eye", "--observe", "-d", "3", config=flood) as observer:
            observer.hear("READY=1")
            observer.wait_for_line("event UpdatesReceived(")
            observer.wait_for_line("would: ")
            assert sorted(path.name for path in (tmp_path / "eye").iterdir()) == ["notify", "sroamd.toml"]
            records = ask(tmp_path / "control.sock", "database")
            assert isinstance(records, list)
            assert len([record for record in records if record["kind"] == "node"]) == 1, "it tells no data of its own"
            assert observer.end() == 0
        assert real.end() == 0


@pytest.mark.parametrize("obstacle", ["state", "port"])
def test_what_cannot_begin_says_why_and_exits_with_one(tmp_path: Path, obstacle: str) -> None:
    config = ""
    with socket.create_server(("127.0.0.1", 0)) as server:
        if obstacle == "state":
            (tmp_path / "state").write_text("a file, not a directory")
        else:
            config = f'[flood]\nlisten = "127.0.0.1:{server.getsockname()[1]}"\n'
        with daemon(tmp_path, config=config) as running:
            line = running.wait_for_line("cannot run: ")
            assert running.process.wait(15) == 1
    assert "state" in line if obstacle == "state" else "in use" in line


def test_journal_gets_priorities(tmp_path: Path) -> None:
    """JOURNAL_STREAM names the device and inode of standard error, as systemd sets it."""
    script = (
        "import os, logging; from sroamd.daemon import logs; s = os.fstat(2);"
        "os.environ['JOURNAL_STREAM'] = f'{s.st_dev}:{s.st_ino}';"
        "logs.configure(3); log = logging.getLogger('sroamd.x');"
        "log.error('one\\ntwo'); log.warning('w'); log.info('i'); log.debug('d')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(SOURCES)}
    )
    assert done.stderr.splitlines() == [
        "<3>sroamd.x: one",
        "<3>two",
        "<4>sroamd.x: w",
        "<6>sroamd.x: i",
        "<7>sroamd.x: d",
    ]
    assert not logs.is_journal(2)
