"""A daemon as a process of its own, for tests: started, heard by its notify socket, asked, stopped."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sroamd

SOURCES = Path(sroamd.__file__).parents[1]
PATIENCE = 15.0  # s, on a busy machine

CONFIG = """
[node]
name = "{name}"
state_dir = "{directory}/state"
[network]
ipv4_prefix = "192.0.2.0/24"
ipv6_prefix = "2001:db8:44::/48"
ipv4_gateway = "192.0.2.1"
ipv6_gateway = "fe80::1"
[control]
socket = "{directory}/control.sock"
"""


class Daemon:
    """`log` grows while it runs; `said` are the messages to systemd. `within`: a command that runs it."""

    def __init__(
        self, directory: Path, arguments: Sequence[str], environment: dict[str, str], within: Sequence[str]
    ) -> None:
        self.log: list[str] = []
        self.said: queue.Queue[str] = queue.Queue()
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(directory / "notify"))
        environment = {
            **os.environ,
            "PYTHONPATH": str(SOURCES),
            "NOTIFY_SOCKET": str(directory / "notify"),
            **environment,
        }
        self.process = subprocess.Popen(
            [*within, sys.executable, "-m", "sroamd", *arguments], stderr=subprocess.PIPE, text=True, env=environment
        )
        for work in (self._read_log, self._read_notifications):
            threading.Thread(target=work, daemon=True).start()

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for line in stream:
                self.log.append(line.rstrip("\n"))

    def _read_notifications(self) -> None:
        with self._notify:
            while (said := self._notify.recv(4096).decode()) != "END":
                self.said.put(said)

    def hear(self, wanted: str) -> str:
        """The next message to systemd that begins so; others before it are passed over."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                said = self.said.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {wanted}; log: {self.log}") from None
            if said.startswith(wanted):
                return said

    def wait_for_line(self, part: str) -> str:
        """The first log line with this in it."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for line in list(self.log):
                if part in line:
                    return line
            time.sleep(0.01)
        raise AssertionError(f"no line with {part!r}: {self.log}")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """The exit status after the signal."""
        self.send(number)
        return self.process.wait(PATIENCE)


@contextmanager
def daemon(
    directory: Path,
    *arguments: str,
    config: str = "",
    environment: dict[str, str] | None = None,
    name: str = "ap1",
    within: Sequence[str] = (),
) -> Iterator[Daemon]:
    """A running daemon with its directory, configuration file `sroamd.toml` in it; killed at the end if need be."""
    directory.mkdir(exist_ok=True)
    path = directory / "sroamd.toml"
    path.write_text(CONFIG.format(name=name, directory=directory) + config)
    running = Daemon(directory, ["-c", str(path), *arguments], environment or {}, within)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"END", str(directory / "notify"))
