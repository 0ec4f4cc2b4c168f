"""A station: a bare namespace with one interface, a supplicant, a DHCP client, and the kernel's own IPv6."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_address
from typing import Any

from . import switch
from .dhcp import DhcpClient, Lease
from .errors import LabError, execute
from .lab import Lab
from .netns import inside
from .supplicant import Supplicant, shared_loop
from .topology import EAP_IDENTITY, EAP_PASSWORD, radio_bridge

_INTERFACE = "wlan0"
_LOGIN_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Roam:
    """When a station changed its access point: monotonic seconds (time.monotonic) of each step."""

    station: str
    ap: str
    started: float
    moved: float
    authorized: float

    @property
    def login_ms(self) -> float:
        """From the moment the station is in the new cell to hostapd's consent."""
        return (self.authorized - self.moved) * 1000


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One entry of the station's ARP or neighbour table."""

    address: str
    mac: str | None
    states: tuple[str, ...]


class Station:
    """Operates one station of a running lab. Use as a context manager, or call close()."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.lab = lab
        self.node = lab.topology.node(name)
        self.name = name
        self.namespace = switch.namespace(lab.topology, self.node)
        self.mac = self.node.link(_INTERFACE).mac
        self.dhcp_client = DhcpClient(self.namespace, _INTERFACE, lab.state / "stations" / name)
        self._on = False
        mac = bytes.fromhex(self.mac.replace(":", ""))
        self._supplicant = Supplicant(shared_loop(), self.namespace, _INTERFACE, mac, (EAP_IDENTITY, EAP_PASSWORD))
        self._raw: socket.socket | None = None

    def __enter__(self) -> Station:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the DHCP client and the supplicant of this station; its namespace stays."""
        self.dhcp_client.stop()
        self._supplicant.close()
        if self._raw is not None:
            self._raw.close()

    # -- where it is ------------------------------------------------------------------------------------------

    def attach(self, ap: str, *, carrier_loss: bool = True) -> None:
        """Put the station into the cell of an AP, without logging in."""
        attach_all([(self, ap)], carrier_loss=carrier_loss)

    def login(self, timeout: float = _LOGIN_TIMEOUT) -> float:
        """Authenticate at the AP of this cell; returns how long it took, in ms. Raises LabError if that fails."""
        begun = self._supplicant.begin()
        return (self._supplicant.wait(timeout) - begun) * 1000

    def logoff(self) -> None:
        """Leave the AP by an EAPOL-Logoff. hostapd lets the station in again 5 s later, not sooner."""
        self._supplicant.logoff()

    def roam(self, ap: str, *, carrier_loss: bool = True, timeout: float = _LOGIN_TIMEOUT) -> Roam:
        """Move into the cell of an AP and log in there. The AP that is left hears nothing, as on the air."""
        return roam_all([(self, ap)], carrier_loss=carrier_loss, timeout=timeout)[0]

    # -- addresses --------------------------------------------------------------------------------------------

    def dhcp(self, timeout: float = 10.0) -> Lease:
        """Start the DHCP client and wait for its first lease. Raises LabError when none comes in time."""
        self.dhcp_client.start()
        self.dhcp_client.wait_for("bound", timeout=timeout)
        lease = self.dhcp_client.lease()
        if lease is None:
            raise LabError(f"{self.name}: the lease went as soon as it had come")
        return lease

    def ipv4(self) -> IPv4Interface | None:
        """The address that is configured now, whoever did it."""
        found = self._addresses("inet")
        return IPv4Interface(f"{found[0]['local']}/{found[0]['prefixlen']}") if found else None

    def ipv6(self) -> tuple[IPv6Interface, ...]:
        """Global addresses that are ready for use: neither tentative nor deprecated."""
        usable = (each for each in self._addresses("inet6") if not each.get("tentative") and not each.get("deprecated"))
        return tuple(IPv6Interface(f"{each['local']}/{each['prefixlen']}") for each in usable)

    def wait_for_prefix(self, timeout: float = 10.0) -> IPv6Interface:
        """Wait until the kernel has made itself an address of a router advertisement, and return it."""
        deadline = time.monotonic() + timeout
        while not (found := self.ipv6()):
            if time.monotonic() > deadline:
                raise LabError(f"{self.name}: no IPv6 address of a prefix within {timeout} s")
            time.sleep(0.05)
        return found[0]

    def neighbour(self, address: str) -> Neighbour | None:
        """What the station's kernel knows about a neighbour, e.g. its gateway 192.0.2.1 or fe80::1."""
        wanted = ip_address(address)
        family = "-4" if wanted.version == 4 else "-6"
        listed = self._ip_json(family, "neigh", "show", "dev", _INTERFACE)
        for entry in listed:
            if ip_address(entry["dst"]) == wanted:
                return Neighbour(entry["dst"], entry.get("lladdr"), tuple(entry.get("state", ())))
        return None

    # -- anything else ----------------------------------------------------------------------------------------

    def run(self, *argv: str, check: bool = True, timeout: float | None = 60.0) -> str:
        """Run a command of this machine inside the station's namespace and return what it printed."""
        return self.lab.run(self.name, argv, check=check, timeout=timeout).stdout

    def send_frame(self, frame: bytes) -> None:
        """Send any Ethernet frame, with any source address, from the station's interface."""
        if self._raw is None:
            self._raw = inside(self.namespace, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
        self._raw.sendto(frame, (_INTERFACE, 0))

    def _switch_on(self) -> None:
        """Bring the interface up, once: its first signs of life belong into the first cell that it is put into."""
        if not self._on:
            switch.ip_batch([f"link set {_INTERFACE} up"], self.namespace)
            self._on = True

    def _addresses(self, family: str) -> list[dict[str, Any]]:
        listed = self._ip_json("address", "show", "dev", _INTERFACE, "scope", "global")
        return [each for link in listed for each in link.get("addr_info", ()) if each.get("family") == family]

    def _ip_json(self, *words: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = json.loads(execute(["ip", "-n", self.namespace, "-j", *words]).stdout or "[]")
        return listed


def attach_all(moves: Sequence[tuple[Station, str]], *, carrier_loss: bool = True) -> None:
    """Put stations into the cells of APs, all in one instant."""
    if not moves:
        return
    topology = moves[0][0].lab.topology
    for station, _ in moves:
        station._supplicant.forget()
    bridges = [(station.node, radio_bridge(topology.node(ap).number)) for station, ap in moves]
    switch.move(topology, bridges, carrier_loss=carrier_loss)
    for station, _ in moves:
        station._switch_on()


def roam_all(
    moves: Sequence[tuple[Station, str]], *, carrier_loss: bool = True, timeout: float = _LOGIN_TIMEOUT
) -> list[Roam]:
    """Move stations into the cells of APs, all in one instant, and log all of them in, side by side.

    Returns one Roam each, in the order given. Raises LabError if any of them is not let in within timeout seconds.
    """
    started = time.monotonic()
    attach_all(moves, carrier_loss=carrier_loss)
    moved = time.monotonic()
    for station, _ in moves:
        station._supplicant.begin()
    return [Roam(station.name, ap, started, moved, station._supplicant.wait(timeout)) for station, ap in moves]


def join_all(moves: Sequence[tuple[Station, str]], *, timeout: float = 30.0) -> None:
    """Have stations join APs, all in one instant: log in, ask DHCP, and wait for an address of each family.

    Raises LabError when one of them has not got everything within timeout seconds.
    """
    deadline = time.monotonic() + timeout
    roam_all(moves, timeout=timeout)
    for station, _ in moves:
        station.dhcp_client.start()
    for station, _ in moves:
        station.dhcp_client.wait_for("bound", timeout=max(0.1, deadline - time.monotonic()))
    for station, _ in moves:
        station.wait_for_prefix(timeout=max(0.1, deadline - time.monotonic()))
