"""Other people's DHCP software, each in a disk of its own over the lab's tree of it, and in a network namespace."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from lab.cache import remove_tree
from lab.errors import execute
from lab.image import judges
from lab.machine import ENVIRONMENT

_ENDS_WITHIN = 30.0  # s; some run scripts first


class Room:
    """A root directory and the processes that run in it. No process 1, no udev: /sys is read-only, which is how systemd
    and NetworkManager know that they are in a container and that nobody else makes interfaces ready for them."""

    def __init__(self, namespace: str, root: Path, directory: Path) -> None:
        self.root = root
        self._enter = ["nsenter", f"--net=/run/netns/{namespace}", "--"]
        self._directory = directory
        self._running: list[subprocess.Popen[bytes]] = []

    def mount(self, tree: Path) -> None:
        for part in ("upper", "work", "root"):
            (self._directory / part).mkdir()
        layers = f"lowerdir={tree},upperdir={self._directory}/upper,workdir={self._directory}/work,volatile"
        execute(["mount", "-t", "overlay", "overlay", "-o", layers, self.root])
        execute(["mount", "--bind", "/proc", self.root / "proc"])
        execute([*self._enter, "mount", "-t", "sysfs", "-o", "ro", "sysfs", self.root / "sys"])

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def read(self, path: str) -> str:
        """Empty if there is no such file (yet)."""
        try:
            return (self.root / path.lstrip("/")).read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def run(self, *argv: str, check: bool = True) -> str:
        """What a command prints. Raises LabError if it fails."""
        return execute([*self._chroot, *argv], env=ENVIRONMENT, check=check, timeout=30).stdout

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        """A process in a group of its own; what it says is in `log`."""
        with (self._directory / "log").open("ab") as log:
            process = subprocess.Popen(
                [*self._chroot, *argv],
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running.append(process)
        return process

    def end(self, process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> None:
        """With all its children, if they do not go by themselves."""
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            process.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def log(self) -> str:
        path = self._directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def close(self) -> None:
        for process in self._running:
            self.end(process, signal.SIGKILL)
        remove_tree(self._directory)

    @property
    def _chroot(self) -> list[str]:
        return [*self._enter, "chroot", str(self.root)]


@cache
def _tree() -> Path:
    return judges()


@contextmanager
def room(namespace: str) -> Iterator[Room]:
    """Gone at the end, with what runs in it."""
    directory = Path(tempfile.mkdtemp(prefix="sroamd-judge-", dir="/run"))
    made = Room(namespace, directory / "root", directory)
    try:
        made.mount(_tree())
        yield made
    finally:
        made.close()
