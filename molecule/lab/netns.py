"""Doing something inside a network namespace without leaving this process."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from .errors import LabError

NAMESPACES = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
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
