"""One booted node: systemd-nspawn in a named network namespace, over an overlay of the shared base."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from . import cgroups
from .cache import remove_tree, unmount_below
from .errors import LabError, execute
from .image import Image
from .netns import NAMESPACES

_BOOT_TIMEOUT = 60.0
_REBOOT_STATUS = 133
# What a command inside a node finds in its environment: nothing of the machine's own.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}


class Machine:
    """A node with a systemd of its own. Its disk is `directory`/root and survives a power cut."""

    def __init__(self, prefix: str, name: str, directory: Path) -> None:
        self.prefix = prefix
        self.name = name
        self.directory = directory
        self.root = directory / "root"
        self._group = cgroups.group_name(prefix, name)

    def install_disk(self, image: Image) -> None:
        """Mount a fresh overlay over the base and give it a name and the local feed as its only package source."""
        for part in ("upper", "work", "root"):
            (self.directory / part).mkdir(parents=True, exist_ok=True)
        # volatile: the kernel skips fsync. A node's disk need not outlive the machine that simulates it.
        layers = f"lowerdir={image.base},upperdir={self.directory}/upper,workdir={self.directory}/work,volatile"
        execute(["mount", "-t", "overlay", "overlay", "-o", layers, self.root])
        self.write("etc/hostname", f"{self.name}\n")
        self.write("etc/hosts", f"127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {self.name}\n")
        self.write("etc/apt/sources.list", "deb [trusted=yes] file:/srv/feed ./\n")

    def write(self, path: str, content: str, mode: int = 0o644) -> None:
        """Put a file on the node's disk, from outside."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        target.chmod(mode)

    def install(self, *packages: str) -> None:
        """Install packages from the feed, keeping configuration that is there already; the node has to be up."""
        apt_get = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y"]
        self.run([*apt_get, "update"])
        keep = "-oDpkg::Options::=--force-confold"
        self.run([*apt_get, "install", "--no-install-recommends", keep, *packages], timeout=120)

    def start(self, image: Image) -> None:
        """Switch the node on; returns before it is up (see wait_until_up)."""
        namespace = f"{self.prefix}-{self.name}"
        join = [f"echo $$ > {path}" for path in cgroups.create(self._group)]
        command = [
            "systemd-nspawn", "--quiet", "--keep-unit", "--register=no", "--boot", "--kill-signal=SIGRTMIN+3",
            "--directory", str(self.root), "--machine", namespace,
            f"--network-namespace-path={NAMESPACES / namespace}",
            # Implied by --private-network, but not when the namespace comes from outside.
            "--capability=CAP_NET_ADMIN,CAP_NET_RAW",
            "--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=read-only",
            f"--bind-ro={image.feed}:/srv/feed",
        ]  # fmt: skip
        # sysctls of the network namespace are the node's own; /tmp is on disk, as on a Debian 12 server.
        environment = {**os.environ, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network", "SYSTEMD_NSPAWN_TMPFS_TMP": "0"}
        # With --keep-unit a reboot inside ends nspawn with a status of its own instead of booting again.
        again = f'while "$@"; status=$?; [ $status = {_REBOOT_STATUS} ]; do :; done; exit $status'
        with open(self.directory / "console.log", "ab") as console:
            # Not our child: it outlives this process, or this process it.
            subprocess.run(
                ["setsid", "--fork", "sh", "-c", "\n".join(["set -e", *join, "set +e", again]), "sh", *command],
                env=environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                check=True,
            )

    def prefer(self) -> None:
        """Let what else runs on this machine wait for the node: it stands for a machine of its own."""
        cgroups.prefer(self._group)

    def wait_until_up(self, timeout: float = _BOOT_TIMEOUT) -> None:
        """Return when systemd has finished booting. Raises LabError, with the end of the console, after timeout."""
        deadline = time.monotonic() + timeout
        state = "never started"
        while time.monotonic() < deadline:
            if self.leader() is not None:
                state = self.run(["systemctl", "is-system-running", "--wait"], check=False).stdout.strip()
                if state in ("running", "degraded"):
                    return
            time.sleep(0.05)
        raise LabError(f"{self.name} did not boot within {timeout:.0f} s ({state}):\n{self.console()[-3000:]}")

    def leader(self) -> int | None:
        """Process id, as the machine sees it, of the node's PID 1; None while the node is off.

        Looked up afresh each time: it changes when the node reboots.
        """
        for pid in cgroups.pids(self._group):
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                    if line.startswith("NSpid:") and line.split()[2:] == ["1"]:
                        return pid
        return None

    def run(
        self, argv: Sequence[str], *, stdin: str = "", check: bool = True, timeout: float | None = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside the node as root. Raises LabError if the node is off, or as `execute` does."""
        return execute(self.enter(argv), stdin=stdin, check=check, timeout=timeout, env=ENVIRONMENT)

    def enter(self, argv: Sequence[str]) -> list[str]:
        """The words that run argv inside the node, for a caller that wants to start the process itself."""
        leader = self.leader()
        if leader is None:
            raise LabError(f"{self.name} is off")
        return ["nsenter", "--target", str(leader), "--all", "--", *argv]

    def console(self) -> str:
        """All that the node has written to its console since it was made."""
        return (self.directory / "console.log").read_text(errors="replace")

    def cut_power(self) -> None:
        """Kill every process of the node in one instant."""
        cgroups.kill(self._group)
        cgroups.remove(self._group)
        # nspawn leaves this mount point when it is killed.
        propagate = Path(f"/run/systemd/nspawn/propagate/{self.prefix}-{self.name}")
        unmount_below(propagate)
        with contextlib.suppress(OSError):
            propagate.rmdir()

    def remove_disk(self) -> None:
        remove_tree(self.directory)
