"""The virtual machine as the tests see it: it boots, it runs commands, and it is gone with the process that made it."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.cache import say
from lab.errors import LabError

from .image import base, boot_archive

_BOOT_TIMEOUT = 240.0
_MEMORY = "1536M"  # the file system is in it
_GRACE = 20.0  # for an answer, beyond the command's own time


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str


class Vm:
    """One machine. Use as a context manager."""

    def __init__(self) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="sroamd-wifi-", dir="/var/tmp")
        self._directory = Path(self._scratch.name)
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._received = b""

    def __enter__(self) -> Vm:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Pull the plug; nothing of it stays."""
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._scratch.cleanup()

    @property
    def console(self) -> str:
        """What the kernel has said."""
        path = self._directory / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    # -- commands -----------------------------------------------------------------------------------------------

    def run(self, argv: Sequence[str | int], *, stdin: str = "", timeout: float = 60.0, check: bool = True) -> Done:
        """Run a command to its end. Raises LabError when it fails (unless check is off) or takes too long."""
        words = [str(word) for word in argv]
        done = self._ask({"argv": words, "stdin": stdin, "timeout": timeout}, timeout)
        if check and done.status != 0:
            said = (done.stderr.strip() or done.stdout.strip())[-3000:]
            raise LabError(f"in the virtual machine: {shlex.join(words)}: exit status {done.status}\n{said}")
        return done

    def spawn(self, argv: Sequence[str | int], log: str) -> int:
        """Start a program that runs on, its output appended to a file; returns its process number."""
        return int(self._ask({"argv": [str(word) for word in argv], "log": log}, 30.0).stdout)

    def write(self, path: str, content: str, mode: str = "0644") -> None:
        """Write a text file, its directory included."""
        script = 'mkdir -p "$(dirname "$1")" && cat > "$1" && chmod "$2" "$1"'
        self.run(["sh", "-c", script, "sh", path, mode], stdin=content)

    def read(self, path: str) -> str:
        """Read a text file; "" where there is none."""
        return self.run(["cat", path], check=False).stdout

    # -- inside -------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        parts = base()
        archive = self._directory / "archive"
        boot_archive(parts, archive)
        started = time.monotonic()
        port = self._directory / "port"
        command = [
            # Below everything else that the machine does, and dead with us.
            "nice", "-n", "5", "setpriv", "--pdeathsig", "KILL",
            "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "qemu64,+rdrand", "-smp", "2", "-m", _MEMORY,
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-kernel", str(parts.kernel), "-initrd", str(archive),
            "-append", "console=ttyS0 loglevel=5 mitigations=off panic=-1",
            "-chardev", f"file,id=console,path={self._directory / 'console'}", "-serial", "chardev:console",
            "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=port,path={port},server=on,wait=off", "-device", "virtserialport,chardev=port",
        ]  # fmt: skip
        say("booting the virtual machine (half a minute)")
        with (self._directory / "qemu").open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._socket = self._connect(port)
        self._await(lambda: "guest: ready" in self.console)
        say(f"virtual machine ready after {time.monotonic() - started:.0f} s")

    def _connect(self, port: Path) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._await(port.exists, 10.0)
        connection.connect(os.fspath(port))
        return connection

    def _await(self, condition: Callable[[], bool], timeout: float = _BOOT_TIMEOUT) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            alive = self._process is not None and self._process.poll() is None
            if not alive or time.monotonic() > deadline:
                said = (self._directory / "qemu").read_text(errors="replace") + self.console[-3000:]
                raise LabError(f"the virtual machine does not come up:\n{said}")
            time.sleep(0.1)

    def _ask(self, question: dict[str, object], timeout: float) -> Done:
        with self._lock:
            if self._socket is None:
                raise LabError("the virtual machine is off")
            number = next(self._numbers)
            self._socket.settimeout(timeout + _GRACE)
            self._socket.sendall(json.dumps({"id": number, **question}).encode() + b"\n")
            while True:
                answer = self._line()
                # An answer to what was given up on may still come.
                if answer["id"] == number:
                    return Done(int(answer["status"]), str(answer["stdout"]), str(answer["stderr"]))

    def _line(self) -> dict[str, Any]:
        assert self._socket is not None
        while b"\n" not in self._received:
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                raise LabError(f"the virtual machine does not answer\n{self.console[-2000:]}") from None
            if not data:
                raise LabError(f"the virtual machine has ended\n{self.console[-3000:]}")
            self._received += data
        line, self._received = self._received.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer
