"""The whole daemon in a namespace: a hostapd that says what the test says, the kernel's own SLAAC and a DHCP client.

And the figure that everything is built for: from hostapd's word to the route and the first announcement on the wire.
"""

from __future__ import annotations

import asyncio
import json
import select
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_RA
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet

from sroamd.cli import Unreachable, ask
from tests.e2e.netns import Namespace, namespace
from tests.io.events import until
from tests.io.fake_hostapd import FakeHostapd

STATION = "02:00:00:00:00:07"
ANNOUNCED_WITHIN = 0.02  # s, the best of a few on a machine that does other things too; alone it is a millisecond
LATE = 0.25  # s that any of them may be late there
PATIENCE = 15.0

CONFIG = """
[node]
name = "ap1"
state_dir = "{directory}/state"
{node}
[network]
ipv4_prefix = "192.0.2.0/24"
ipv6_prefix = "{prefix}"
ipv4_gateway = "192.0.2.1"
ipv6_gateway = "fe80::1"
nameservers = ["192.0.2.53"]
{network}
[[interface]]
name = "wlan0"
stations = "hostapd"
hostapd_socket = "{directory}/wlan0"
[control]
socket = "{directory}/control.sock"
{sections}
"""


@dataclass
class AccessPoint:
    """`ap` has wlan0 with the anycast addresses, `sta` the station's sta0 at its other end."""

    ap: Namespace
    sta: Namespace
    directory: Path

    @contextmanager
    def daemon(self, node: str = "", **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """sroamd with these extra lines in [node], and `configure`'s others, ready to answer."""
        config = self.configure(node, **more)
        process = self.ap.agent(config)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def configure(
        self, node: str = "", *, network: str = "", sections: str = "", prefix: str = "2001:db8:44::/48"
    ) -> Path:
        """Write its file anew."""
        config = self.directory / "sroamd.toml"
        lines = {"node": node, "network": network, "sections": sections, "prefix": prefix}
        config.write_text(CONFIG.format(directory=self.directory, **lines))
        return config

    def asked(self, topic: str) -> Any:
        """The daemon's answer. Raises Unreachable while there is none."""
        return ask(str(self.directory / "control.sock"), topic, None)["result"]

    async def ready(self) -> None:
        """Until the daemon answers and has the list of stations."""

        def is_well() -> bool:
            try:
                return self.asked("status")["healthy"] is True
            except Unreachable:
                return False

        await until(is_well, PATIENCE)

    def routes(self) -> dict[str, tuple[str, str]]:
        """Prefix -> (protocol, interface) of all routes at our metric."""
        found = {}
        for family in ("-4", "-6"):
            for route in json.loads(self.ap.ip(f"-j {family} route show table all") or "[]"):
                if route.get("metric") == 64:
                    found[route["dst"]] = (route["protocol"], route["dev"])
        return found

    def log(self) -> str:
        return (self.directory / "log").read_text()


@pytest.fixture
def access_point(tmp_path: Path) -> Iterator[AccessPoint]:
    with namespace() as ap, namespace() as sta:
        ap.ip(f"link add wlan0 type veth peer name sta0 address {STATION} netns {sta.name}")
        ap.sysctl("net.ipv6.conf.all.forwarding", 1)
        ap.ip("link set wlan0 up")
        ap.ip("addr add 192.0.2.1/32 dev wlan0")
        ap.ip("addr add fe80::1/64 dev wlan0 nodad")
        sta.sysctl("net.ipv6.conf.sta0.dad_transmits", 0)
        yield AccessPoint(ap, sta, tmp_path)


def run(access_point: AccessPoint, story: Callable[[FakeHostapd], object]) -> None:
    """With a hostapd at its socket; the log is shown if the story goes wrong."""

    async def work() -> None:
        hostapd = FakeHostapd(access_point.directory / "wlan0")
        try:
            await story(hostapd)  # type: ignore[misc]
        finally:
            hostapd.close()

    try:
        asyncio.run(work())
    finally:
        print(access_point.log())


@contextmanager
def tapped(sta: Namespace) -> Iterator[socket.socket]:
    """Everything that arrives at the station."""
    with sta.entered():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        wire.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
        wire.bind(("sta0", 3))
    wire.setblocking(False)
    with wire:
        yield wire


def everything(wire: socket.socket) -> Iterator[Packet]:
    """What has passed the station's interface, both ways."""
    while select.select([wire], [], [], 0)[0]:
        yield Ether(wire.recv(4096))


async def heard(wire: socket.socket, wanted: Callable[[Packet], bool]) -> tuple[float, Packet]:
    """(when it came, by the kernel's own wall clock; the first frame that is wanted)."""
    while True:
        await until(lambda: bool(select.select([wire], [], [], 0)[0]), PATIENCE)
        data, control, _, _ = wire.recvmsg(4096, 64)
        seconds, nanoseconds = struct.unpack("ll", control[0][2])
        if wanted(packet := Ether(data)):
            return seconds + nanoseconds / 1e9, packet


def is_announcement(packet: Packet) -> bool:
    return ARP in packet and packet[ARP].psrc == packet[ARP].pdst == "192.0.2.1"


def test_station_gets_addresses_and_routes_and_keeps_them_over_kill_and_restart(access_point: AccessPoint) -> None:
    async def story(hostapd: FakeHostapd) -> None:
        with access_point.daemon() as process:
            await access_point.ready()
            access_point.sta.ip("link set sta0 up")
            hostapd.connect(STATION)
            await until(lambda: any("/64" in dst for dst in access_point.routes()), PATIENCE)
            client = await asyncio.create_subprocess_exec(
                *("ip", "netns", "exec", access_point.sta.name, "busybox", "udhcpc"),
                *("-f", "-n", "-q", "-t", "10", "-T", "1", "-i", "sta0", "-s", "/bin/true"),
                stderr=subprocess.PIPE,
            )
            _, said = await client.communicate()
            assert b"obtained from 192.0.2.1" in said
            before = access_point.routes()
            assert set(before.values()) == {("44", "wlan0")}
            assert len(before) == 2
            await until(lambda: "2001:db8:44:" in access_point.sta.ip("-6 addr show dev sta0 scope global"), PATIENCE)
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert access_point.routes() == before, "stations keep their traffic"
        with access_point.daemon() as process:
            await access_point.ready()
            assert access_point.routes() == before
            (station,) = access_point.asked("stations")
            assert station["station"] == STATION
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        assert access_point.routes() == before, "a clean stop leaves them too"

    run(access_point, story)


def test_routes_go_at_the_stop_where_that_is_wanted(access_point: AccessPoint) -> None:
    async def story(hostapd: FakeHostapd) -> None:
        hostapd.stations[STATION] = True
        with access_point.daemon("flush_on_exit = true") as process:
            await until(lambda: bool(access_point.routes()), PATIENCE)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        assert access_point.routes() == {}

    run(access_point, story)


def test_start_removes_direct_routes_of_an_earlier_daemon_and_keeps_those_of_its_stations(
    access_point: AccessPoint,
) -> None:
    """Where nobody has done it when that one died."""
    ap = access_point.ap
    access_point.sta.ip("link set sta0 up")  # without a carrier there is no nexthop object
    ap.ip("nexthop add id 1191182336 via inet6 fe80::3 dev wlan0 proto 47")
    for table in (47, "main"):  # that one by an earlier release
        ap.ip(f"route add 192.0.2.98 nhid 1191182336 proto 47 metric 64 table {table}")
    ap.ip("-6 route add 2001:db8:44:98::/64 via fe80::3 dev wlan0 proto 47 metric 64")
    ap.ip("-6 route add 2001:db8:44:97::/64 via fe80::3 dev wlan0 proto 47 metric 64 table 47")
    ap.ip("route add 192.0.2.99 dev wlan0 proto 44 metric 64")

    async def story(hostapd: FakeHostapd) -> None:
        with access_point.daemon() as process:
            await access_point.ready()
            assert access_point.routes() == {"192.0.2.99": ("44", "wlan0")}
            assert ap.ip("nexthop show") == ""
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        assert access_point.routes() == {"192.0.2.99": ("44", "wlan0")}

    run(access_point, story)


def test_stolen_route_is_put_back(access_point: AccessPoint) -> None:
    async def story(hostapd: FakeHostapd) -> None:
        hostapd.stations[STATION] = True
        with access_point.daemon():
            await until(lambda: bool(access_point.routes()), PATIENCE)
            (prefix,) = access_point.routes()
            access_point.ap.ip(f"-6 route del {prefix} proto 44")
            await until(lambda: prefix in access_point.routes(), PATIENCE)
            access_point.ap.ip("link set wlan0 down")
            await until(lambda: prefix not in access_point.routes(), PATIENCE)
            access_point.ap.ip("link set wlan0 up")
            await until(lambda: prefix in access_point.routes(), PATIENCE)

    run(access_point, story)


def test_arriving_station_is_announced_to_at_once_and_again(access_point: AccessPoint) -> None:
    async def story(hostapd: FakeHostapd) -> None:
        access_point.sta.ip("link set sta0 up")
        firsts = []
        with access_point.daemon(), tapped(access_point.sta) as wire:
            await access_point.ready()
            for _ in range(5):
                start = time.clock_gettime(time.CLOCK_REALTIME)
                hostapd.connect(STATION)
                times = []
                for planned in (0.0, 0.01, 0.05, 0.2):
                    at, packet = await heard(wire, is_announcement)
                    assert packet.dst == STATION
                    assert planned <= at - start < planned + LATE
                    times.append(at - start)
                firsts.append(times[0])
                hostapd.disconnect(STATION)
                await asyncio.sleep(0.05)
        print("from hostapd's word to the announcement:", *(f"{first * 1000:.2f}" for first in firsts), "ms")
        assert min(firsts) < ANNOUNCED_WITHIN

    run(access_point, story)


def test_arrival_brings_neighbour_and_router_advertisements_to_the_station_alone(access_point: AccessPoint) -> None:
    async def story(hostapd: FakeHostapd) -> None:
        access_point.sta.ip("link set sta0 up")
        with access_point.daemon(), tapped(access_point.sta) as wire:
            await access_point.ready()
            hostapd.connect(STATION)
            for layer in (ICMPv6ND_NA, ICMPv6ND_RA):
                _, packet = await heard(wire, lambda packet, layer=layer: layer in packet)
                assert packet.dst == STATION

    run(access_point, story)


def test_station_that_is_not_authorised_gets_nothing(access_point: AccessPoint) -> None:
    async def story(hostapd: FakeHostapd) -> None:
        access_point.sta.ip("link set sta0 up")  # its kernel sends router solicitations from now on
        with access_point.daemon(), tapped(access_point.sta) as wire:
            await access_point.ready()
            client = await asyncio.create_subprocess_exec(
                *("ip", "netns", "exec", access_point.sta.name, "busybox", "udhcpc"),
                *("-f", "-n", "-q", "-t", "2", "-T", "1", "-i", "sta0", "-s", "/bin/true"),
                stderr=subprocess.PIPE,
            )
            _, said = await client.communicate()
            assert b"no lease" in said
            assert access_point.routes() == {}
            counters = access_point.asked("status")["counters"]
            assert counters["frame.received"] >= 2, "they were heard"
            assert "frame.sent" not in counters
            assert [packet for packet in everything(wire) if packet.dst == STATION] == []

    run(access_point, story)
