"""Two access points, each with a real hostapd (driver=wired) and a whole daemon, and stations that roam."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

from lab.supplicant import Supplicant, shared_loop
from sroamd.cli import Unreachable, ask
from tests.e2e.air_recorder import Recorder
from tests.e2e.netns import Namespace, namespace
from tests.e2e.real_hostapd import SECRET, RealHostapd

APS = ("ap1", "ap2")
MACS = {"ap1": "02:00:00:00:aa:01", "ap2": "02:00:00:00:aa:02"}
NOBODYS = "02:00:00:00:ff:ff"
GATEWAY, GATEWAY6 = IPv4Address("192.0.2.1"), IPv6Address("fe80::1")
RESOLVER, RESOLVER6 = IPv4Address("192.0.2.53"), IPv6Address("2001:db8::53")
FAR, FAR6 = IPv4Address("203.0.113.1"), IPv6Address("2001:db8:ffff::1")  # behind every access point
PREFIXES = IPv6Network("2001:db8:44::/48")
LEASE, T1, T2 = 80, 8, 16  # s
PATIENCE = 60.0  # s, for what takes a moment on a machine that does nothing else

# 01:80:c2:00:00:03, to which supplicants speak, passes the bridge by bit 3.
_BRIDGE = "type bridge forward_delay 0 mcast_snooping 0 group_fwd_mask 8"
_CONFIG = """
[node]
name = "{name}"
state_dir = "{directory}/state"
router_ipv4 = "10.255.0.{number}"
router_ipv6 = "fd00:255::{number}"
[network]
ipv4_prefix = "192.0.2.0/24"
ipv6_prefix = "{prefixes}"
ipv4_gateway = "{gateway}"
ipv6_gateway = "{gateway6}"
nameservers = ["{resolver}", "{resolver6}"]
[dhcp4]
lease_time = {lease}
renew_at = {renew_at}
rebind_at = {rebind_at}
exclude = ["{resolver}/32"]
[ra]
interval = 5
[[interface]]
name = "wlan0"
stations = "hostapd"
hostapd_socket = "{hostapd}"
[flood]
listen = "[::]:4321"
peers = ["[fd00:255::{other}]:4321"]
[control]
socket = "{directory}/control.sock"
"""


@dataclass
class Station:
    """A namespace with wlan0, and a supplicant that logs in wherever it is."""

    number: int
    place: Namespace
    air: Namespace

    def __post_init__(self) -> None:
        self._supplicant = Supplicant(
            shared_loop(), self.place.name, "wlan0", bytes.fromhex(self.mac.replace(":", "")), SECRET
        )

    @property
    def mac(self) -> str:
        return f"02:00:00:00:01:{self.number:02x}"

    @property
    def port(self) -> str:
        return f"sta{self.number}"

    def join(self, ap: str) -> None:
        """Lose the carrier, get it again in the cell of an access point, and log in there."""
        self._supplicant.forget()
        self.air.ip(f"link set {self.port} down")
        self.air.ip(f"link set {self.port} master cell-{ap} up")
        eventually(lambda: "LOWER_UP" in self.place.ip("link show wlan0"))
        self._supplicant.begin(dormant=True)
        self._supplicant.wait(PATIENCE)
        self.place.ip("link set wlan0 state up")

    def leave(self) -> None:
        """Out of every cell, without a word; the carrier is gone."""
        self._supplicant.forget()
        self.air.ip(f"link set {self.port} down")

    def close(self) -> None:
        self._supplicant.close()

    def addresses(self, family: str) -> list[dict[str, Any]]:
        """The global ones that can be used, as `ip -j address` says it: family inet or inet6."""
        listed = json.loads(self.place.ip("-j address show dev wlan0 scope global"))
        found = [each for link in listed for each in link.get("addr_info", ()) if each.get("family") == family]
        return [each for each in found if not each.get("tentative") and not each.get("deprecated")]

    def ipv4(self) -> list[str]:
        return [each["local"] for each in self.addresses("inet")]

    def ipv6(self) -> list[str]:
        return [each["local"] for each in self.addresses("inet6")]

    def lose_the_server(self) -> None:
        """From now on what it sends to the server alone reaches nobody: it believes in another MAC."""
        self.place.ip(f"neigh replace {GATEWAY} lladdr {NOBODYS} dev wlan0 nud permanent")

    def find_the_server(self) -> None:
        self.place.ip(f"neigh del {GATEWAY} dev wlan0")


@dataclass
class Cells:
    """The whole scene, running."""

    directory: Path
    places: dict[str, Namespace]
    air: Namespace
    recorder: Recorder
    stack: ExitStack
    stations: list[Station] = field(default_factory=list)

    def station(self) -> Station:
        """One more, which is nowhere yet."""
        place = self.stack.enter_context(namespace())
        number = len(self.stations) + 1
        mac = f"02:00:00:00:01:{number:02x}"
        place.ip(f"link add wlan0 address {mac} type veth peer name sta{number} netns {self.air.name}")
        self.air.ip(f"link set sta{number} master cell-ap1")
        self.air.ip(f"link set sta{number} type bridge_slave isolated on")  # stations hear no other station
        # As wpa_supplicant has it: the link is up, for all others, when the login is done.
        place.ip("link set wlan0 mode dormant")
        place.ip("link set wlan0 up")
        made = Station(number, place, self.air)
        self.stack.callback(made.close)
        self.stations.append(made)
        return made

    def ask(self, ap: str, topic: str, argument: str | None = None) -> Any:
        return ask(str(self.directory / ap / "control.sock"), topic, argument)["result"]

    def leases(self, mac: str) -> list[str]:
        """What the first access point thinks that the station has: an IPv4 address and a prefix, mostly."""
        return [each["key"] for each in self.ask("ap1", "database") if each["value"] == mac and each["remaining"] > 0]

    def log(self, ap: str) -> str:
        return (self.directory / ap / "log").read_text()


def eventually(condition: Callable[[], object], within: float = PATIENCE) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@contextmanager
def cells(hostapd: Sequence[str], directory: Path, *, recorded: bool = True) -> Iterator[Cells]:
    """Both daemons ready and connected. `recorded`: what passes on the air, which costs this process some time."""
    with ExitStack() as stack:
        air = stack.enter_context(namespace())
        air.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
        places = {ap: stack.enter_context(namespace()) for ap in APS}
        places["ap1"].ip(f"link add bb0 type veth peer name bb0 netns {places['ap2'].name}")
        for number, ap in enumerate(APS, 1):
            _lay(places[ap], air, ap, number)
        files = {ap: directory / f"{ap}.pcap" for ap in APS if recorded}
        recorder = Recorder(air.name, files)
        stack.callback(recorder.close)
        made = Cells(directory, places, air, recorder, stack)
        for number, ap in enumerate(APS, 1):
            (directory / ap).mkdir()
            radio = RealHostapd(hostapd, directory / ap, places[ap].name)
            stack.callback(radio.end)
            radio.start()
            _set_up_access_point(places[ap])
            stack.enter_context(_daemon(places[ap], directory / ap, ap, number, radio.path))
        eventually(lambda: all(_is_well(made, ap) for ap in APS))
        yield made


def _lay(place: Namespace, air: Namespace, ap: str, number: int) -> None:
    place.sysctl("net.ipv6.conf.all.forwarding", 1)
    place.sysctl("net.ipv4.ip_forward", 1)
    place.ip(f"link add wlan0 address {MACS[ap]} type veth peer name {ap} netns {air.name}")
    air.ip(f"link add cell-{ap} {_BRIDGE}")
    air.ip(f"link set cell-{ap} up")
    air.ip(f"link set {ap} master cell-{ap} up")
    for far in (f"{FAR}/32", f"{FAR6}/128", f"10.255.0.{number}/32", f"fd00:255::{number}/128"):
        place.ip(f"addr add {far} dev lo")
    place.sysctl("net.ipv6.conf.bb0.addr_gen_mode", 1)
    place.ip(f"addr add fe80::b:{number}/64 dev bb0 nodad")
    place.ip("link set bb0 up")
    place.ip(f"-6 route add fd00:255::{3 - number} via fe80::b:{3 - number} dev bb0")
    place.ip(f"route add 10.255.0.{3 - number} via inet6 fe80::b:{3 - number} dev bb0")


def _set_up_access_point(place: Namespace) -> None:
    """hostapd is up already: its start takes addresses away."""
    place.ip("link set wlan0 up")
    place.ip(f"addr add {GATEWAY}/32 dev wlan0")
    place.ip(f"addr add {GATEWAY6}/64 dev wlan0 nodad")


@contextmanager
def _daemon(place: Namespace, directory: Path, ap: str, number: int, hostapd: Path) -> Iterator[None]:
    config = directory / "sroamd.toml"
    config.write_text(
        _CONFIG.format(
            name=ap, directory=directory, number=number, other=3 - number, hostapd=hostapd, prefixes=PREFIXES,
            gateway=GATEWAY, gateway6=GATEWAY6, resolver=RESOLVER, resolver6=RESOLVER6,
            lease=LEASE, renew_at=T1 / LEASE, rebind_at=T2 / LEASE,
        )
    )  # fmt: skip
    process = place.agent(config)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _is_well(made: Cells, ap: str) -> bool:
    try:
        status = made.ask(ap, "status")
    except Unreachable:
        return False
    return status["healthy"] is True and status["peers"] > 0
