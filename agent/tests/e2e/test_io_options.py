"""What operators configure, seen by clients: busybox's udhcpc, the kernel's own IPv6, and a DHCPv6 client by scapy."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from pathlib import Path

import pytest
from scapy.layers.dhcp6 import DHCP6_InfoRequest, DHCP6_Reply, DHCP6OptDNSDomains, DHCP6OptOptReq
from scapy.layers.inet import UDP
from scapy.layers.inet6 import ICMPv6ND_RA, IPv6
from scapy.layers.l2 import Ether

from tests.e2e.netns import Namespace
from tests.e2e.test_io_daemon import (  # noqa: F401
    PATIENCE,
    STATION,
    AccessPoint,
    access_point,
    heard,
    run,
    tapped,
)
from tests.io.events import until
from tests.io.fake_hostapd import FakeHostapd

NETWORK = """
domain = "example.org"
search = ["example.org", "lab.example.org"]
ntp_servers = ["192.0.2.123"]
captive_portal = "https://portal.example.org/api"
mtu = 1400
"""
SECTIONS = """
[dhcp4]
rapid_commit = true
renew_at = 0.25
ipv6_only = 1800
routes = [{ prefix = "10.0.0.0/8" }]
options = [{ code = 66, text = "boot.example.org" }, { code = 224, hex = "c0ffee" }]
[ra]
routes = [{ prefix = "2001:db8:1::/48", preference = "high" }]
"""
SCRIPT = """#!/bin/sh
[ "$1" = bound ] && env > "$(dirname "$0")/bound"
exit 0
"""
SEEN_BY_UDHCPC = {
    "domain": "example.org",
    "search": "example.org lab.example.org",
    "ntpsrv": "192.0.2.123",
    "mtu": "1400",
    "tftp": "boot.example.org",
    "opt114": b"https://portal.example.org/api".hex(),
    "opt224": "c0ffee",
    "staticroutes": "192.0.2.1/32 0.0.0.0 0.0.0.0/0 192.0.2.1 10.0.0.0/8 192.0.2.1",
    "lease": "1800",
}
ASKED = ("domain", "search", "ntpsrv", "mtu", "tftp", "114", "224", "staticroutes")


async def udhcpc(ap: AccessPoint, *options: str) -> tuple[dict[str, str], str]:
    """(what its script was told when it was bound, what it said). It gives up after 10 s."""
    script = ap.directory / "script"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    client = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", ap.sta.name, "busybox", "udhcpc", "-f", "-n", "-q", "-t", "10", "-T", "1"),
        *("-i", "sta0", "-s", str(script), *options),
        stderr=subprocess.PIPE,
    )
    _, said = await client.communicate()
    bound = ap.directory / "bound"
    lines = bound.read_text().splitlines() if bound.exists() else []
    return dict(line.split("=", 1) for line in lines if "=" in line), said.decode()


@pytest.mark.conformance("r8910_21")
def test_r8910_21_udhcpc_sees_the_portal_and_every_other_option_that_it_asks_for(
    access_point: AccessPoint,  # noqa: F811
) -> None:
    async def story(hostapd: FakeHostapd) -> None:
        with access_point.daemon(network=NETWORK, sections=SECTIONS):
            await access_point.ready()
            access_point.sta.ip("link set sta0 up")
            hostapd.connect(STATION)
            seen, said = await udhcpc(access_point, *(word for name in ASKED for word in ("-O", name)))
            assert {name: seen.get(name) for name in SEEN_BY_UDHCPC} == SEEN_BY_UDHCPC, said

    run(access_point, story)


def test_kernel_takes_mtu_and_routes_from_advertisements(access_point: AccessPoint) -> None:  # noqa: F811
    async def story(hostapd: FakeHostapd) -> None:
        sta = access_point.sta
        sta.sysctl("net.ipv6.conf.sta0.accept_ra_rt_info_max_plen", 64)
        with access_point.daemon(network=NETWORK, sections=SECTIONS):
            await access_point.ready()
            sta.ip("link set sta0 up")
            hostapd.connect(STATION)
            await until(lambda: "2001:db8:1::/48 via fe80::1" in sta.ip("-6 route show dev sta0"), PATIENCE)
            assert "pref high" in sta.ip("-6 route show 2001:db8:1::/48")
            assert ipv6_mtu(sta) == 1400

    run(access_point, story)


def ipv6_mtu(sta: Namespace) -> int:
    with sta.entered():
        return int(Path("/proc/sys/net/ipv6/conf/sta0/mtu").read_text())


@pytest.mark.conformance("r4862_553_2h")
def test_r4862_553_2h_kernel_prefers_the_new_prefix_after_a_reload_and_keeps_the_old_one(
    access_point: AccessPoint,  # noqa: F811
) -> None:
    """Both are routed, so what is open goes on."""

    async def story(hostapd: FakeHostapd) -> None:
        sta = access_point.sta

        def addresses(what: str) -> str:
            return sta.ip(f"-6 addr show dev sta0 scope global {what}")

        with access_point.daemon() as process:
            await access_point.ready()
            sta.ip("link set sta0 up")
            hostapd.connect(STATION)
            await until(lambda: "2001:db8:44:" in addresses("-deprecated"), PATIENCE)
            former = 'former_ipv6_prefixes = ["2001:db8:44::/48"]'
            access_point.configure(network=former, prefix="2001:db8:55::/48")
            process.send_signal(signal.SIGHUP)
            await until(lambda: "2001:db8:55:" in addresses("-deprecated"), PATIENCE)
            await until(lambda: "2001:db8:44:" in addresses("deprecated"), PATIENCE)
            routed = [prefix for prefix in access_point.routes() if prefix.endswith("/64")]
            assert len(routed) == 2
            assert "via fe80::1" in sta.ip("-6 route show default")

    run(access_point, story)


@pytest.mark.conformance("r4861_625_final")
def test_r4861_625_final_kernel_forgets_a_router_that_is_withdrawn(access_point: AccessPoint) -> None:  # noqa: F811
    async def story(hostapd: FakeHostapd) -> None:
        sta = access_point.sta
        with access_point.daemon() as process:
            await access_point.ready()
            sta.ip("link set sta0 up")
            hostapd.connect(STATION)
            await until(lambda: "via fe80::1" in sta.ip("-6 route show default"), PATIENCE)
            access_point.configure(sections="[ra]\nwithdraw = true")
            process.send_signal(signal.SIGHUP)
            await until(lambda: sta.ip("-6 route show default") == "", PATIENCE)
            await until(lambda: "2001:db8:44:" in sta.ip("-6 addr show dev sta0 scope global deprecated"), PATIENCE)

    run(access_point, story)


@pytest.mark.conformance("r8415_1836")
def test_r8415_1836_information_request_is_answered_on_the_wire(access_point: AccessPoint) -> None:  # noqa: F811
    async def story(hostapd: FakeHostapd) -> None:
        access_point.sta.ip("link set sta0 up")
        dhcp6 = "[dhcp6]\nstateless = true"
        with access_point.daemon(sections=dhcp6, network=NETWORK), tapped(access_point.sta) as wire:
            await access_point.ready()
            hostapd.connect(STATION)
            _, advertised = await heard(wire, lambda packet: ICMPv6ND_RA in packet)
            assert (advertised[ICMPv6ND_RA].M, advertised[ICMPv6ND_RA].O) == (0, 1)
            frame = Ether(src=STATION, dst="33:33:00:01:00:02") / IPv6(src="fe80::7", dst="ff02::1:2")
            frame /= UDP(sport=546, dport=547) / DHCP6_InfoRequest(trid=7) / DHCP6OptOptReq(reqopts=[23, 24])
            wire.send(bytes(frame))
            _, reply = await heard(wire, lambda packet: DHCP6_Reply in packet)
            assert (reply.dst, reply[IPv6].src, reply[IPv6].dst) == (STATION, "fe80::1", "fe80::7")
            assert reply[DHCP6_Reply].trid == 7
            assert "lab.example.org." in reply[DHCP6OptDNSDomains].dnsdomains

    run(access_point, story)
