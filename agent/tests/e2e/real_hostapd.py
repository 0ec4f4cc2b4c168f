"""Debian's hostapd (driver=wired, internal EAP server) between two network namespaces of the test's own."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from lab.errors import execute
from lab.image import Image
from lab.supplicant import Supplicant, SupplicantLoop

AP, STATIONS = "sroamd-t-ap", "sroamd-t-sta"
SECRET = ("phone", "secret")
LOGIN_MAX = 20.0  # s, of a crowd on a machine that does other things too; alone it is milliseconds

CONFIG = """
interface=wlan0
driver=wired
ctrl_interface={directory}
ieee8021x=1
eapol_version=2
eap_server=1
eap_user_file={users}
use_pae_group_addr=0
eap_reauth_period=0
"""


def make_link() -> None:
    """wlan0 in one namespace, sta0 in the other, a cable between."""
    remove_link()
    for namespace in (AP, STATIONS):
        execute(["ip", "netns", "add", namespace])
    execute(["ip", "link", "add", "wlan0", "netns", AP, "type", "veth", "peer", "name", "sta0", "netns", STATIONS])
    execute(["ip", "-n", AP, "link", "set", "wlan0", "up"])
    # Many stations on one cable: what is sent to any of them shall be seen.
    execute(["ip", "-n", STATIONS, "link", "set", "sta0", "up", "promisc", "on"])


def remove_link() -> None:
    for namespace in (AP, STATIONS):
        execute(["ip", "netns", "del", namespace], check=False)


def unpack(image: Image, target: Path) -> list[str]:
    """The command that runs the feed's hostapd with its own libraries and the base image's, on any machine."""
    for pattern in ("hostapd_*.deb", "libnl-*.deb"):
        for package in image.feed.glob(pattern):
            execute(["dpkg-deb", "--extract", package, target])
    (loader,) = [path for path in image.base.glob("usr/lib*/ld-linux-*.so.*") if path.is_file()][:1]
    libraries = [path for root in (target, image.base) for path in root.glob("**/lib/*-linux-gnu*") if path.is_dir()]
    paths = ":".join(map(str, libraries))
    return [str(loader), "--library-path", paths, str(target / "usr/sbin/hostapd")]


class RealHostapd:
    """One hostapd on wlan0 of a namespace; `path` is its control socket."""

    def __init__(self, command: Sequence[str], directory: Path, namespace: str = AP) -> None:
        self.path = directory / "hostapd" / "wlan0"
        users, config = directory / "eap_users", directory / "hostapd.conf"
        users.write_text(f'"{SECRET[0]}" MD5 "{SECRET[1]}"\n')
        config.write_text(CONFIG.format(directory=directory / "hostapd", users=users))
        self._command = ["ip", "netns", "exec", namespace, *command, str(config)]
        self._log = directory / "hostapd.log"
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it has said that it is up."""
        before = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while b"AP-ENABLED" not in self._log.read_bytes()[before:]:
            assert time.monotonic() < deadline, self._log.read_text()
            assert self._running.poll() is None, self._log.read_text()
            time.sleep(0.01)

    def command(self, text: str) -> str:
        """What somebody else asks it at the same time, e.g. an operator with hostapd_cli; its reply."""
        own = self.path.parents[1] / "operator"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as operator:
            operator.bind(str(own))
            try:
                operator.settimeout(5)
                operator.connect(str(self.path))
                operator.send(text.encode())
                return operator.recv(4096).decode()
            finally:
                own.unlink()

    def end(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal, and wait for its end."""
        if self._running is not None:
            self._running.send_signal(number)
            self._running.wait(10)
            self._running = None


class Phones:
    """Supplicants on one interface, each with a MAC of its own."""

    def __init__(self, namespace: str = STATIONS, interface: str = "sta0") -> None:
        self._where = namespace, interface
        self._loop = SupplicantLoop()
        self._phones: dict[str, Supplicant] = {}

    def join(self, *macs: str) -> None:
        """Authenticate, all at the same time; returns when hostapd has let them in."""
        for mac in macs:
            if mac not in self._phones:
                octets = bytes.fromhex(mac.replace(":", ""))
                self._phones[mac] = Supplicant(self._loop, *self._where, octets, SECRET)
        for mac in macs:
            self._phones[mac].begin()
        for mac in macs:
            self._phones[mac].wait(LOGIN_MAX)

    def leave(self, mac: str) -> None:
        """EAPOL-Logoff."""
        self._phones[mac].logoff()

    def close(self) -> None:
        for phone in self._phones.values():
            phone.close()
