"""A station's DHCP client: busybox's udhcpc, one long-lived process inside the station's namespace."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from .errors import LabError

_SCRIPT = Path(__file__).with_name("udhcpc.sh")
_STOP_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Lease:
    """What the server granted. Routes are (destination, gateway) of option 121, as udhcpc prints them."""

    address: IPv4Interface
    server: IPv4Address
    seconds: int
    routers: tuple[IPv4Address, ...]
    routes: tuple[tuple[str, str], ...]
    nameservers: tuple[IPv4Address, ...]


def parse_lease(text: str) -> Lease:
    """Read what udhcpc.sh wrote: lines of key=value."""
    values = dict(line.split("=", 1) for line in text.splitlines())
    routes = values["routes"].split()
    return Lease(
        IPv4Interface(values["address"]),
        IPv4Address(values["server"]),
        int(values["seconds"]),
        tuple(IPv4Address(word) for word in values["router"].split()),
        tuple(zip(routes[::2], routes[1::2], strict=True)),
        tuple(IPv4Address(word) for word in values["nameservers"].split()),
    )


class DhcpClient:
    """Runs udhcpc for one station; its script's state is in `directory`."""

    def __init__(self, namespace: str, interface: str, directory: Path) -> None:
        self._namespace = namespace
        self._interface = interface
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, requested: IPv4Address | None = None) -> None:
        """Start the client, which goes on by itself: DISCOVER every second until there is a lease, then renewals."""
        if self._process is not None and self._process.poll() is None:
            raise LabError(f"{self._namespace}: the DHCP client runs already")
        self._directory.mkdir(parents=True, exist_ok=True)
        for name in ("lease", "events"):
            (self._directory / name).unlink(missing_ok=True)
        command = [
            "ip", "netns", "exec", self._namespace, "env", f"LAB_STATE={self._directory}",
            "busybox", "udhcpc", "-f", "-i", self._interface, "-s", str(_SCRIPT), "-O", "staticroutes",
            "-t", "5", "-T", "1", "-A", "1",
            *(["-r", str(requested)] if requested else []),
        ]  # fmt: skip
        with open(self._directory / "udhcpc.log", "ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def lease(self) -> Lease | None:
        """The lease that the station has now."""
        try:
            return parse_lease((self._directory / "lease").read_text())
        except FileNotFoundError:
            return None

    def events(self) -> list[str]:
        """All that udhcpc reported since start: deconfig, bound, renew, nak, leasefail."""
        try:
            return (self._directory / "events").read_text().split()
        except FileNotFoundError:
            return []

    def wait_for(self, *wanted: str, since: int = 0, timeout: float = 10.0) -> str:
        """Return the first of the wanted events after the first `since` ones. Raises LabError after timeout seconds."""
        deadline = time.monotonic() + timeout
        while True:
            for event in self.events()[since:]:
                if event in wanted:
                    return event
            if time.monotonic() > deadline:
                seen = " ".join(self.events()[since:]) or "nothing"
                raise LabError(f"{self._namespace}: DHCP: no {' or '.join(wanted)} in {timeout} s, but {seen}")
            time.sleep(0.005)

    def renew(self, timeout: float = 10.0) -> Lease:
        """Ask for renewal now and return the lease that came of it, which may be one for another address."""
        since = len(self.events())
        self._signal(signal.SIGUSR1)
        self.wait_for("renew", "bound", since=since, timeout=timeout)
        lease = self.lease()
        if lease is None:
            raise LabError(f"{self._namespace}: the lease went as soon as it had come")
        return lease

    def release(self, timeout: float = 5.0) -> None:
        """Give the address back (DHCPRELEASE) and stay without one until `renew`."""
        since = len(self.events())
        self._signal(signal.SIGUSR2)
        self.wait_for("deconfig", since=since, timeout=timeout)

    def stop(self) -> None:
        """End the client; the address stays on the interface and the server hears nothing."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            raise LabError(f"{self._namespace}: no DHCP client runs")
        self._process.send_signal(number)
