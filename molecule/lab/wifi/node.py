"""One computer of many in the virtual machine: its own network, and its own files where programs keep theirs."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

from lab.errors import LabError

from .vm import Done, Vm

# Of its own are these and all below them; the rest is the virtual machine's.
_OWN = ("/etc/hostapd", "/etc/sroamd", "/run", "/tmp", "/var/lib/babeld", "/var/lib/sroamd")
_SETUP = """
set -eu
mount -t sysfs sysfs /sys
for directory in "$@"; do mkdir -p "$directory"; mount -t tmpfs tmpfs "$directory"; done
install -d -o sroamd -g sroamd -m 0750 /run/sroamd /var/lib/sroamd
ip link set lo up
touch /run/ready
exec sleep infinity
"""
_POLL = 0.3  # seconds; each look costs the virtual machine a process
_numbers = itertools.count()


class Node:
    """Up as soon as it is made; gone with the virtual machine."""

    def __init__(self, vm: Vm, name: str) -> None:
        self.vm = vm
        self.name = name
        self._log_number = itertools.count(1)
        command = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", _SETUP, "sh", *_OWN]
        self.pid = vm.spawn(command, f"/run/log/{name}")
        self.wait_for(lambda: self.run(["test", "-e", "/run/ready"], check=False).status == 0, "its own files")

    def inside(self, argv: Sequence[str | int]) -> list[str | int]:
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", f"--mount=/proc/{self.pid}/ns/mnt", *argv]

    def run(self, argv: Sequence[str | int], *, stdin: str = "", timeout: float = 60.0, check: bool = True) -> Done:
        """Run a command inside to its end. Raises LabError when it fails (unless check is off)."""
        return self.vm.run(self.inside(argv), stdin=stdin, timeout=timeout, check=check)

    def sh(self, script: str) -> str:
        """Run lines of shell inside; the first that fails ends them with LabError. Returns what they print."""
        return self.run(["sh", "-euc", script]).stdout

    def write(self, path: str, content: str, mode: str = "0644") -> None:
        script = 'cat > "$1" && chmod "$2" "$1"'
        self.run(["sh", "-c", script, "sh", path, mode], stdin=content)

    def read(self, path: str) -> str:
        """A text file of its own; "" where there is none."""
        return self.run(["cat", path], check=False).stdout

    def start(self, name: str, argv: Sequence[str | int]) -> Program:
        """Start a program that runs on inside."""
        log = f"/run/log/{self.name}-{name}-{next(self._log_number)}"
        return Program(self, name, self.vm.spawn(self.inside(argv), log), log)

    def take_radio(self, number: int) -> None:
        """Make the radio of that number this node's, as wlan0."""
        self.vm.run(["iw", "phy", f"phy{number}", "set", "netns", self.pid])
        if number:
            self.sh(f"ip link set wlan{number} name wlan0")

    def mac(self, interface: str = "wlan0") -> str:
        return self.read(f"/sys/class/net/{interface}/address").strip()

    def wait_for(self, condition: Callable[[], bool], what: str, timeout: float = 60.0) -> float:
        """Wait until it holds and return the seconds that took. Raises LabError when it does not come true."""
        started = time.monotonic()
        while not condition():
            if time.monotonic() - started > timeout:
                raise LabError(f"{self.name}: not within {timeout:.0f} s: {what}")
            time.sleep(_POLL)
        return time.monotonic() - started


class Program:
    """A program that runs in a node, and all that it has said."""

    def __init__(self, node: Node, name: str, pid: int, log: str) -> None:
        self.node = node
        self.name = name
        self.pid = pid
        self._path = log

    @property
    def log(self) -> str:
        return self.node.vm.read(self._path)

    @property
    def running(self) -> bool:
        # A process that has ended stays a zombie until its parent, who serves us, starts the next.
        state = self.node.vm.read(f"/proc/{self.pid}/stat").rpartition(")")[2].split()
        return bool(state) and state[0] != "Z"

    def wait_for(self, text: str, *, count: int = 1, timeout: float = 60.0) -> float:
        """Wait until its log holds the text, `count` times at least, and return the seconds that took."""

        def said() -> bool:
            log = self.log
            if log.count(text) < count and not self.running:
                raise LabError(f"{self.node.name}: {self.name} has ended:\n{log[-3000:]}")
            return log.count(text) >= count

        try:
            return self.node.wait_for(said, f"{text!r} of {self.name}", timeout)
        except LabError as error:
            raise LabError(f"{error}\n{self.log[-3000:]}") from None

    def stop(self, signal: str = "TERM") -> None:
        """End it and wait until it has ended."""
        self.node.vm.run(["kill", f"-{signal}", self.pid], check=False)
        self.node.wait_for(lambda: not self.running, f"the end of {self.name}", 30.0)
