"""Network namespaces for the adapters' own tests. Needs root, touches nothing of the machine's network.

A thread can enter a namespace and leave it again; a socket stays in the one in which it was made.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sroamd

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)


class Namespace:
    """One, by its name for `ip netns`."""

    def __init__(self, name: str) -> None:
        self.name = name

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is inside it meanwhile."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            inside = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
            try:
                _set_namespace(inside)
            finally:
                os.close(inside)
            try:
                yield
            finally:
                _set_namespace(home)
        finally:
            os.close(home)

    def run(self, command: str) -> str:
        """What the command prints. subprocess.CalledProcessError if it fails."""
        arguments = ["ip", "netns", "exec", self.name, *command.split()]
        return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout

    def ip(self, command: str) -> str:
        """`run("ip " + command)`, quicker."""
        arguments = ["ip", "-n", self.name, *command.split()]
        return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout

    def agent(self, config: Path) -> subprocess.Popen[bytes]:
        """sroamd with this configuration, inside; `log` beside that is what it says, also of the one before it."""
        command = ["ip", "netns", "exec", self.name, sys.executable, "-m", "sroamd", "-c", str(config)]
        environment = {**os.environ, "PYTHONPATH": str(Path(sroamd.__file__).parents[1])}
        with config.with_name("log").open("ab") as log:
            return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def sysctl(self, key: str, value: int) -> None:
        with self.entered():
            Path("/proc/sys", *key.split(".")).write_text(str(value))


def _set_namespace(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@contextmanager
def namespace() -> Iterator[Namespace]:
    """A new one with its loopback up; gone at the end, with everything in it."""
    name = f"sroam-io-{os.getpid()}-{next(_numbers)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        made = Namespace(name)
        made.ip("link set lo up")
        yield made
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)
