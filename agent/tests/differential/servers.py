"""The three servers, configured alike, each alone in a network namespace with a cable that clients are on."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from sroamd.cli import Unreachable, ask
from tests.differential.sequences import LEASE_MOST
from tests.e2e.judges import Room, room
from tests.e2e.netns import Namespace, namespace
from tests.io.events import until
from tests.io.fake_hostapd import FakeHostapd

# So large that hardly ever a client is given by chance what another one is going to ask for.
NETWORK = IPv4Network("10.0.0.0/8")
SERVER = IPv4Address("10.0.0.1")
FIRST, LAST = IPv4Address("10.0.0.16"), IPv4Address("10.255.255.239")
RESOLVER = IPv4Address("10.0.0.53")
LEASE_LEAST = 60
_PATIENCE = 20.0

_KEA = {
    "Dhcp4": {
        "interfaces-config": {"interfaces": ["srv0"], "dhcp-socket-type": "raw"},
        "lease-database": {"type": "memfile", "persist": False},
        "multi-threading": {"enable-multi-threading": False},
        "dhcp-ddns": {"enable-updates": False},
        "min-valid-lifetime": LEASE_LEAST,
        "valid-lifetime": LEASE_MOST,
        "max-valid-lifetime": LEASE_MOST,
        "calculate-tee-times": True,
        # RFC 3442, which Kea 2.2 does not know by itself.
        "option-def": [{"name": "classless-routes", "code": 121, "space": "dhcp4", "type": "binary"}],
        "option-data": [
            {"name": "classless-routes", "csv-format": False, "data": f"00{SERVER.packed.hex()}"},
            {"name": "routers", "data": str(SERVER)},
            {"name": "domain-name-servers", "data": str(RESOLVER)},
        ],
        "subnet4": [{"id": 1, "subnet": str(NETWORK), "pools": [{"pool": f"{FIRST} - {LAST}"}], "interface": "srv0"}],
    }
}
_DNSMASQ = (
    "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--port=0", "--interface=srv0", "--no-ping",
    "--leasefile-ro", "--dhcp-lease-max=100000", f"--dhcp-range={FIRST},{LAST},{NETWORK.netmask},{LEASE_MOST}",
    f"--dhcp-option=3,{SERVER}", f"--dhcp-option=6,{RESOLVER}",
    f"--dhcp-option=121,0.0.0.0/0,{SERVER}", "--log-facility=-", "--pid-file=",
)  # fmt: skip
_OURS = f"""
[node]
name = "ap1"
state_dir = "{{directory}}/state"
[network]
ipv4_prefix = "{NETWORK}"
ipv6_prefix = "2001:db8:44::/48"
ipv4_gateway = "{SERVER}"
ipv6_gateway = "fe80::1"
nameservers = ["{RESOLVER}"]
[dhcp4]
lease_time = {LEASE_MOST}
netmask = "prefix"
[[interface]]
name = "srv0"
stations = "hostapd"
hostapd_socket = "{{directory}}/srv0"
[control]
socket = "{{directory}}/control.sock"
"""


class Judge:
    """Kea or dnsmasq, which answer whoever asks."""

    def __init__(self, name: str, place: Namespace, clients: Namespace, inside: Room) -> None:
        self.name, self.clients = name, clients
        self.mac = _mac(place)
        self.room = inside

    def start(self, macs: Iterable[bytes]) -> None:
        if self.name == "kea":
            self.room.write("etc/kea.json", json.dumps(_KEA))
            self.room.write("run/kea/.keep", "")
            self.room.start("kea-dhcp4", "-c", "/etc/kea.json")
        else:
            self.room.start("dnsmasq", *_DNSMASQ)

    async def ready(self) -> None:
        said = {"kea": "DHCP4_STARTED", "dnsmasq": "DHCP, IP range"}[self.name]
        await until(lambda: said in self.room.log(), _PATIENCE)

    def log(self) -> str:
        return self.room.log()

    def stop(self) -> None:
        """The room ends it."""


class Ours:
    """The agent, which answers whom hostapd has let in."""

    name = "ours"

    def __init__(self, place: Namespace, clients: Namespace, directory: Path) -> None:
        self.clients = clients
        self.mac = _mac(place)
        self._place, self._directory = place, directory
        self._hostapd: FakeHostapd | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, macs: Iterable[bytes]) -> None:
        place, directory = self._place, self._directory
        place.sysctl("net.ipv6.conf.all.forwarding", 1)
        place.ip("addr add fe80::1/64 dev srv0 nodad")
        self._hostapd = FakeHostapd(directory / "srv0")
        self._hostapd.stations = {mac.hex(":"): True for mac in macs}
        config = directory / "sroamd.toml"
        config.write_text(_OURS.format(directory=directory))
        self._process = place.agent(config)

    async def ready(self) -> None:
        assert self._hostapd is not None
        expected = len(self._hostapd.stations)
        await until(lambda: len(self._asked("stations")) == expected, _PATIENCE)

    def log(self) -> str:
        path = self._directory / "log"
        return path.read_text() if path.exists() else ""

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._hostapd is not None:
            self._hostapd.close()

    def _asked(self, topic: str) -> list[object]:
        try:
            answer: list[object] = ask(str(self._directory / "control.sock"), topic, None)["result"]
        except Unreachable:
            return []
        return answer


Server = Judge | Ours


@contextmanager
def servers() -> Iterator[list[Server]]:
    """Kea, dnsmasq and ours, not started yet."""
    with ExitStack() as stack:
        made: list[Server] = []
        for name in ("kea", "dnsmasq", "ours"):
            place, clients = stack.enter_context(namespace()), stack.enter_context(namespace())
            place.sysctl("net.ipv4.conf.all.rp_filter", 0)
            place.sysctl("net.ipv4.conf.default.rp_filter", 0)
            clients.sysctl("net.ipv6.conf.default.disable_ipv6", 1)  # no word of its own
            place.ip(f"link add srv0 type veth peer name cli0 netns {clients.name}")
            place.ip(f"addr add {SERVER}/{NETWORK.prefixlen if name != 'ours' else 32} dev srv0")
            place.ip("link set srv0 up")
            clients.ip("link set cli0 up promisc on")
            if name == "ours":
                made.append(Ours(place, clients, Path(stack.enter_context(tempfile.TemporaryDirectory()))))
            else:
                made.append(Judge(name, place, clients, stack.enter_context(room(place.name))))
        yield made


def _mac(place: Namespace) -> bytes:
    """Of srv0."""
    (link,) = json.loads(place.ip("-j link show srv0"))
    return bytes.fromhex(link["address"].replace(":", ""))
