"""A station: wpa_supplicant on a radio, a DHCP client, and the kernel's own IPv6."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface

from lab.errors import LabError

from .node import Node, Program
from .vm import Vm

RADIO = "wlan0"
_CONTROL = "/run/wpa_supplicant"
_STATE = "/run/dhcp"
_FREQUENCIES = "2412,2437,2462"  # channels 1, 6 and 11
_EVERYBODY, _NOBODY = 1, 2  # groups of simulated radios
_ROAM_ATTEMPTS = 4
_STALE = 5  # seconds since an access point was heard


@dataclass(frozen=True, slots=True)
class Link:
    """What wpa_supplicant says of its association. `bssid` is "" where there is none."""

    state: str
    bssid: str
    key_management: str


class Station(Node):
    def __init__(self, vm: Vm, name: str, radio: int) -> None:
        super().__init__(vm, name)
        self.radio = radio
        self.take_radio(radio)
        self.supplicant: Program | None = None
        self.dhcp: Program | None = None

    # -- the air ------------------------------------------------------------------------------------------------

    def join(self, network: str, *, timeout: float = 90.0) -> Link:
        """Start wpa_supplicant with the lines of a network block and wait until it is let in."""
        self.start_supplicant(network)
        return self.wait_until_in(timeout=timeout)

    def start_supplicant(self, network: str) -> None:
        self.leave()
        text = f"ctrl_interface={_CONTROL}\nap_scan=1\ncountry=DE\nsae_pwe=2\nnetwork={{\n{network}\n}}\n"
        self.write("/run/supplicant.conf", text, "0600")
        command = ["wpa_supplicant", "-t", "-D", "nl80211", "-i", RADIO, "-c", "/run/supplicant.conf"]
        self.supplicant = self.start("wpa_supplicant", command)

    def wait_until_in(self, bssid: str = "", *, timeout: float = 60.0) -> Link:
        """Wait until it is let in, at this access point if one is named. Raises LabError with what it was told."""
        try:
            self.wait_for(lambda: self._is_in(bssid), f"being let in at {bssid or 'an access point'}", timeout)
        except LabError as error:
            said = self.supplicant.log[-3000:] if self.supplicant else ""
            raise LabError(f"{error}\n{said}") from None
        return self.link()

    def roam(self, bssid: str) -> int:
        """Do as told: scan, and go there. Returns how often it had to be told.

        A station waits 200 ms for an answer before it asks again. Emulation may need longer for one, and the two
        exchanges that are then under way spoil each other.
        """
        for attempt in range(1, _ROAM_ATTEMPTS + 1):
            with contextlib.suppress(LabError):
                self.scan(bssid)
                self.ask("roam", bssid)
                self.wait_until_in(bssid, timeout=12.0)
                return attempt
            self.ask("reassociate")  # out of whatever it is stuck in, with any access point
        said = self.supplicant.log[-3000:] if self.supplicant else ""
        raise LabError(f"{self.name}: not let in at {bssid} after {_ROAM_ATTEMPTS} attempts\n{said}")

    def set_key_management(self, key_management: str) -> None:
        """Use it from the next association on."""
        self.ask("set_network", "0", "key_mgmt", key_management)

    def scan(self, bssid: str) -> None:
        """Scan until that access point was heard just now."""

        def heard() -> bool:
            values = dict(line.split("=", 1) for line in self.ask("bss", bssid).splitlines() if "=" in line)
            return int(values.get("age", _STALE)) < _STALE

        self.run(["wpa_cli", "-p", _CONTROL, "-i", RADIO, "scan", f"freq={_FREQUENCIES}"])  # or one is under way
        self.wait_for(heard, f"hearing {bssid}", 30.0)

    def leave(self) -> None:
        """Say goodbye and stay away."""
        if self.supplicant is not None:
            self.supplicant.stop()
            self.supplicant = None

    def vanish(self) -> None:
        """Be out of reach from one moment to the next, without a word."""
        self._tune(_NOBODY)

    def reappear(self) -> None:
        self._tune(_EVERYBODY)

    def _tune(self, group: int) -> None:
        """Radios hear each other if they have a group in common."""
        path = f"/sys/kernel/debug/ieee80211/phy{self.radio}/hwsim/group"
        self.vm.run(["sh", "-c", 'echo "$1" > "$2"', "sh", group, path])

    def take_mac(self, mac: str) -> None:
        """Pretend to be another."""
        self.sh(f"ip link set {RADIO} down; ip link set {RADIO} address {mac}; ip link set {RADIO} up")

    def ask(self, *words: str) -> str:
        """What wpa_supplicant answers. Raises LabError where it says FAIL."""
        said = self.run(["wpa_cli", "-p", _CONTROL, "-i", RADIO, *words]).stdout.strip()
        if said.startswith("FAIL"):
            raise LabError(f"{self.name}: wpa_supplicant says {said} to {' '.join(words)}")
        return said

    def link(self) -> Link:
        """How it is connected now; all empty while wpa_supplicant is not up."""
        done = self.run(["wpa_cli", "-p", _CONTROL, "-i", RADIO, "status"], check=False)
        values = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
        return Link(values.get("wpa_state", ""), values.get("bssid", ""), values.get("key_mgmt", ""))

    def _is_in(self, bssid: str) -> bool:
        link = self.link()
        return link.state == "COMPLETED" and bssid in ("", link.bssid)

    # -- addresses ----------------------------------------------------------------------------------------------

    def start_dhcp(self) -> None:
        """Start the client; it goes on by itself."""
        self.sh(f"mkdir -p {_STATE}")
        self.dhcp = self.start(
            "udhcpc",
            ["env", f"LAB_STATE={_STATE}", "busybox", "udhcpc", "-f", "-i", RADIO, "-s", "/udhcpc.sh"]
            + ["-O", "staticroutes", "-t", "5", "-T", "3", "-A", "1"],
        )

    def ipv4(self) -> IPv4Interface | None:
        words = self.sh(f"ip -4 -o address show dev {RADIO} scope global").split()
        return IPv4Interface(words[words.index("inet") + 1]) if words else None

    def ipv6(self) -> IPv6Interface | None:
        """Its first global address that is ready for use."""
        listed = self.sh(f"ip -6 -o address show dev {RADIO} scope global -tentative -deprecated").splitlines()
        return IPv6Interface(listed[0].split()[3]) if listed else None

    def wait_for_addresses(self, timeout: float = 60.0) -> tuple[IPv4Interface, IPv6Interface]:
        self.wait_for(lambda: self.ipv4() is not None, "an IPv4 address by DHCP", timeout)
        self.wait_for(lambda: self.ipv6() is not None, "an IPv6 address of a prefix", timeout)
        ipv4, ipv6 = self.ipv4(), self.ipv6()
        if ipv4 is None or ipv6 is None:
            raise LabError(f"{self.name}: an address went as soon as it had come")
        return ipv4, ipv6

    def pings(self, address: object, *, timeout: int = 60) -> bool:
        """Whether an echo comes back within so many seconds."""
        return self.run(["ping", "-c", "1", "-i", "0.5", "-w", timeout, str(address)], check=False).status == 0
