"""Network namespaces: doing something inside one without leaving this process, and removing them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from .errors import LabError, execute

NAMESPACES = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_GONE_WITHIN = 10.0
_libc = ctypes.CDLL(None, use_errno=True)

T = TypeVar("T")


def inside(namespace: str, work: Callable[[], T]) -> T:
    """Return work(), called in a short-lived thread that has entered the named network namespace.

    Sockets opened there stay in that namespace for their whole life, wherever they are used afterwards. Raises
    LabError if the namespace is not there, and whatever work raises.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def enter_and_work() -> None:
        try:
            _enter(namespace)
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=enter_and_work, name=f"netns-{namespace}")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def set_sysctls(namespace: str, settings: Mapping[str, str]) -> None:
    """Set kernel parameters below /proc/sys/net of one namespace; keys like `ipv6/conf/wlan0/accept_ra`."""

    def write() -> None:
        for key, value in settings.items():
            Path("/proc/sys/net", key).write_text(value)

    inside(namespace, write)


def remove_namespaces(names: Iterable[str]) -> None:
    """Remove network namespaces, after killing whatever runs inside. Raises LabError if something survives that."""
    present = [name for name in names if (NAMESPACES / name).exists()]
    # Whatever a name in /run/netns may stand for, the machine's own namespace is not ours to clear.
    doomed = {_identity(NAMESPACES / name) for name in present} - {_identity(Path("/proc/self/ns/net"))}
    deadline = time.monotonic() + _GONE_WITHIN
    while pids := _processes_in(doomed):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise LabError(f"processes in {', '.join(present)} do not die: {pids}")
        time.sleep(0.01)
    # -force: a namespace that was half made must not keep the others.
    execute(["ip", "-force", "-batch", "-"], stdin="".join(f"netns delete {name}\n" for name in present), check=False)
    if left := [name for name in present if (NAMESPACES / name).exists()]:
        raise LabError(f"network namespaces cannot be removed: {', '.join(left)}")


def _identity(path: Path) -> tuple[int, int]:
    """What makes two names of a namespace the same one, and different from any file."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _processes_in(namespaces: set[tuple[int, int]]) -> list[int]:
    """Processes whose network namespace is one of these; one look at /proc, however many namespaces there are."""
    found: list[int] = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if _identity(Path("/proc", name, "ns/net")) in namespaces:
                found.append(int(name))
    return found


def _enter(namespace: str) -> None:
    try:
        handle = os.open(NAMESPACES / namespace, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as missing:
        raise LabError(f"no network namespace {namespace}: is the lab up?") from missing
    try:
        # setns(2) moves the calling thread only.
        if _libc.setns(handle, _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"cannot enter {namespace}: {os.strerror(number)}")
    finally:
        os.close(handle)
