"""DHCP clients as Debian ships them, with Debian's own configuration where there is one. Each in a room of its own."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import ClassVar

from tests.e2e.judges import Room
from tests.e2e.two_cells import Station, eventually

_MACHINE_ID = "5a" * 15


@dataclass
class Client:
    """The station's, in a room in the station's namespace. Each kind starts and releases in its own way."""

    station: Station
    room: Room
    does_ipv6: ClassVar[bool] = False  # else the kernel does
    releases: ClassVar[bool] = True  # when it lets go of its address; else it just goes
    rebinds_after: ClassVar[float] = 0.0  # s; no sooner, whatever T2 says

    def prepare(self) -> None:
        """Before the station is anywhere."""

    def start(self) -> None:
        """When it has joined for the first time."""

    def renew(self) -> None:
        """If it does not by itself."""

    def roamed(self) -> None:
        """The station is in another cell. What its distribution does then, for a client that watches no carrier."""

    def release(self) -> None:
        """If it says so when it lets go of its address."""

    def come_back(self) -> None:
        self.start()

    def reaches(self, address: IPv4Address | IPv6Address, source: str) -> bool:
        return "1 received" in self.room.run("ping", "-c1", "-W2", "-I", source, str(address), check=False)

    def resolvers(self) -> str:
        """A text in which those are that it has learned."""
        return self.room.read("etc/resolv.conf")


class Dhclient(Client):
    """ISC's, with Debian's dhclient.conf, script and hooks."""

    _options = ("-4", "-v", "-pf", "/run/dhclient.pid", "-lf", "/var/lib/dhcp/dhclient.leases")

    def start(self) -> None:
        self._process = self.room.start("dhclient", "-d", *self._options, "wlan0")

    def roamed(self) -> None:
        """wpa_supplicant's action script has ifupdown start it anew, and it finds its lease in the file."""
        self.room.run("dhclient", "-x", *self._options, "wlan0", check=False)
        self.room.end(self._process)
        self.start()

    def release(self) -> None:
        self.room.run("dhclient", "-r", *self._options, "wlan0")


class Udhcpc(Client):
    """busybox's, with Debian's script. It renews no sooner than 61 s after the lease was given, whatever T1 says."""

    rebinds_after = 31.0

    def start(self) -> None:
        self._process = self.room.start(
            *("udhcpc", "-f", "-i", "wlan0", "-s", "/etc/udhcpc/default.script", "-T", "1", "-A", "1")
        )

    def renew(self) -> None:
        self._process.send_signal(signal.SIGUSR1)

    roamed = renew

    def release(self) -> None:
        self._process.send_signal(signal.SIGUSR2)

    def come_back(self) -> None:
        self.renew()


class Dhcpcd(Client):
    """With Debian's dhcpcd.conf. It does IPv6 too, and watches the carrier."""

    does_ipv6 = True

    def start(self) -> None:
        self._process = self.room.start("dhcpcd", "-B", "-d", "wlan0")

    def release(self) -> None:
        """What dhcpcd -k does."""
        self.room.end(self._process, signal.SIGALRM)


class Networkd(Client):
    """systemd-networkd, without systemd."""

    does_ipv6 = True

    def start(self) -> None:
        self.room.write("etc/machine-id", f"{_MACHINE_ID}{self.station.number:02x}\n")
        self.room.write(
            "etc/systemd/network/wlan0.network",
            "[Match]\nName=wlan0\n[Network]\nDHCP=ipv4\nIPv6AcceptRA=yes\nIPv6PrivacyExtensions=yes\n",
        )
        self.room.write("run/systemd/.keep", "")
        self._process = self.room.start("env", "SYSTEMD_LOG_LEVEL=debug", "/usr/lib/systemd/systemd-networkd")

    def release(self) -> None:
        self.room.end(self._process)

    def resolvers(self) -> str:
        links = self.room.root / "run/systemd/netif/links"
        return "".join(path.read_text() for path in links.iterdir())


class NetworkManager(Client):
    """With its internal client, which releases nothing before 1.48, on a message bus of its own."""

    releases = False
    does_ipv6 = True

    def prepare(self) -> None:
        self.room.write("etc/machine-id", f"{_MACHINE_ID}{self.station.number:02x}\n")
        self.room.write(
            "etc/NetworkManager/NetworkManager.conf",
            "[main]\nplugins=keyfile\ndhcp=internal\nauth-polkit=false\n[logging]\nlevel=DEBUG\ndomains=DHCP4,IP4,DEVICE\n",
        )
        self.room.write(
            "etc/NetworkManager/system-connections/home.nmconnection",
            "[connection]\nid=home\ntype=ethernet\ninterface-name=wlan0\nautoconnect=true\n"
            "[ipv4]\nmethod=auto\n[ipv6]\nmethod=auto\nip6-privacy=2\n",
            mode=0o600,
        )
        self.room.write("run/dbus/.keep", "")
        self.room.start("dbus-daemon", "--system", "--nofork", "--nopidfile")
        eventually(lambda: (self.room.root / "run/dbus/system_bus_socket").exists())
        self.room.start("NetworkManager", "--debug")
        eventually(lambda: "connected" in self.room.run("nmcli", "general", check=False))

    def start(self) -> None:
        """By itself."""

    def release(self) -> None:
        self.room.run("nmcli", "connection", "down", "home")

    def come_back(self) -> None:
        self.room.run("nmcli", "connection", "up", "home")


CLIENTS: dict[str, type[Client]] = {
    "dhclient": Dhclient,
    "udhcpc": Udhcpc,
    "dhcpcd": Dhcpcd,
    "systemd-networkd": Networkd,
    "NetworkManager": NetworkManager,
}
