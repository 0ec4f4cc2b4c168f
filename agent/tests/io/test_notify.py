"""What systemd hears."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sroamd.io.notify import Notifier


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield sock


def test_life_of_a_service_is_told(systemd: socket.socket) -> None:
    notifier = Notifier()
    notifier.ready("2 stations")
    notifier.alive("3 stations")
    notifier.stopping()

    heard = [systemd.recv(1000) for _ in range(3)]
    assert heard == [b"READY=1\nSTATUS=2 stations", b"WATCHDOG=1\nSTATUS=3 stations", b"STOPPING=1"]


def test_reload_carries_the_time_that_systemd_compares(systemd: socket.socket) -> None:
    Notifier().reloading()

    first, second = systemd.recv(1000).decode().split("\n")
    assert first == "RELOADING=1"
    assert second.startswith("MONOTONIC_USEC=")
    assert int(second.partition("=")[2]) > 0


def test_watchdog_is_pinged_at_half_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "10000000")
    assert Notifier().watchdog_interval == 5.0

    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    assert Notifier().watchdog_interval is None, "meant for another process"


def test_abstract_address_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"sroamd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + name)
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        Notifier().alive("well")
        assert sock.recv(100) == b"WATCHDOG=1\nSTATUS=well"


def test_without_systemd_it_is_silent(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    notifier = Notifier()
    notifier.ready("alone")

    assert notifier.watchdog_interval is None
    assert not caplog.records


def test_systemd_that_has_gone_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    Notifier().alive("well")

    assert "cannot be told" in caplog.text
