"""A cgroup per node in every hierarchy of the machine (v1, hybrid or v2): what makes a node killable as a whole."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from .errors import LabError

_ROOT = Path("/sys/fs/cgroup")
_DEAD_WITHIN = 10.0
_REAL_TIME_US = 900_000  # of each second


def group_name(prefix: str, node: str) -> str:
    return f"sroamd-lab-{prefix}-{node}"


def directories(name: str) -> list[Path]:
    """Where the cgroup of this name is, or would be, in each hierarchy."""
    if (_ROOT / "cgroup.procs").exists():
        return [_ROOT / name]
    return [hierarchy / name for hierarchy in sorted(_ROOT.iterdir()) if (hierarchy / "cgroup.procs").exists()]


def create(name: str) -> list[Path]:
    """Make the cgroup in every hierarchy and return the files by which a process joins it."""
    for directory in directories(name):
        directory.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            # A new group of the v1 cpuset hierarchy is empty and refuses every process.
            inherited = directory.parent / setting
            if (directory / setting).exists() and inherited.exists():
                (directory / setting).write_text(inherited.read_text())
    return [directory / "cgroup.procs" for directory in directories(name)]


def prefer(name: str) -> None:
    """Have the processor given to the cgroup before anybody else, as often as it wants it."""
    for directory in directories(name):
        for setting, most in (("cpu.shares", "262144"), ("cpu.weight", "10000")):
            if (directory / setting).exists():
                (directory / setting).write_text(most)


def allow_real_time(name: str) -> None:
    """Let its processes choose a real-time policy, where the kernel gives each group a share of that (v1)."""
    for directory in directories(name):
        if (directory / "cpu.rt_runtime_us").exists():
            (directory / "cpu.rt_runtime_us").write_text(str(_REAL_TIME_US))


def pids(name: str) -> set[int]:
    """All processes in the cgroup and below it."""
    found: set[int] = set()
    for directory in _walk(name):
        with contextlib.suppress(OSError):
            found.update(int(word) for word in (directory / "cgroup.procs").read_text().split())
    return found


def kill(name: str) -> None:
    """Kill everything in the cgroup at once, as a power cut would. Raises LabError if something survives."""
    deadline = time.monotonic() + _DEAD_WITHIN
    while True:
        for directory in directories(name):
            # One write kills the whole tree atomically (kernel 5.14 and up, also in the v2 part of a hybrid).
            if (directory / "cgroup.kill").exists():
                (directory / "cgroup.kill").write_text("1")
        left = pids(name)
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise LabError(f"processes of {name} do not die: {sorted(left)}")
        time.sleep(0.01)


def remove(name: str) -> None:
    """Remove the (empty) cgroup and all below it from every hierarchy."""
    deadline = time.monotonic() + _DEAD_WITHIN
    for directory in list(_walk(name)):
        while directory.exists():
            try:
                directory.rmdir()
            except OSError as busy:
                # A killed process leaves its cgroup a moment after it has left the process list.
                if time.monotonic() > deadline:
                    raise LabError(f"cgroup {directory} cannot be removed: {busy}") from busy
                time.sleep(0.01)


def existing(prefix: str) -> list[str]:
    """Names of the nodes of this prefix that have a cgroup in any hierarchy."""
    start = group_name(prefix, "")
    hierarchies = {directory.parent for directory in directories("any")}
    names = {path.name.removeprefix(start) for root in hierarchies for path in root.glob(f"{start}*")}
    return sorted(names)


def _walk(name: str) -> Iterator[Path]:
    """Every directory of the cgroup, the innermost first."""
    for top in directories(name):
        for directory, _, _ in os.walk(top, topdown=False):
            yield Path(directory)
