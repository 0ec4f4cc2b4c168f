"""What a station finds out about the link that it has come to, by ARP and ND, and what its access point learns of it.

The kernel of the access point answers, with the settings that the role gives it; the agent does where it says so.
"""

from __future__ import annotations

import select
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace

import pytest
from scapy.layers.dhcp import BOOTP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet

from tests.e2e.air import BROADCAST, Ear, Heard, dhcp, link_local, options_of, send, solicitation
from tests.e2e.cell import AP_MAC, Cell, Device
from tests.e2e.fleet import eventually
from tests.e2e.netns import Namespace, namespace
from tests.e2e.test_attacks_dhcp import bound
from tests.wifi.role import render

OWN, STATION, OTHER_AP = "02:00:00:00:00:01", "02:00:00:00:00:07", "02:00:00:00:00:02"
ADDRESS, HERE_TOO, ELSEWHERE, GATEWAY = "192.0.2.7", "192.0.2.8", "192.0.2.9", "192.0.2.1"
LAST = "192.0.2.2"  # another address of the access point on this link
ADDRESS6 = "2001:db8:44:7::7"
AT_ONCE = 0.1  # s
PATIENCE = 5.0
ACK = 5


@dataclass
class Link:
    """An access point's kernel with stations' routes, and a station's end of the air."""

    ap: Namespace
    wire: socket.socket

    def send(self, packet: Packet) -> None:
        self.wire.send(bytes(packet))

    def heard(self) -> list[Packet]:
        """From the access point, until now."""
        found = []
        while select.select([self.wire], [], [], 0)[0]:
            if (packet := Ether(self.wire.recv(4096))).src == OWN:
                found.append(packet)
        return found

    def answers(self, *requests: Packet) -> list[str]:
        """Whom the access point says it is, in answer to these. They are taken in turn, the last is sure."""
        for each in (*requests, request(ADDRESS, LAST)):
            self.send(each)
        packets = self.until(lambda packet: is_answer(packet, LAST))
        return [packet[ARP].psrc for packet in packets[:-1] if ARP in packet and packet[ARP].op == 2]

    def until(self, wanted: Callable[[Packet], bool]) -> list[Packet]:
        """What is heard from now on, up to the first that is wanted."""
        found: list[Packet] = []

        def look() -> None:
            found.extend(self.heard())
            assert any(map(wanted, found)), found

        eventually(look, PATIENCE, every=0.005)
        return found[: list(map(wanted, found)).index(True) + 1]


def request(sender: str, target: str, to: str = BROADCAST) -> Packet:
    return Ether(src=STATION, dst=to) / ARP(op=1, hwsrc=STATION, psrc=sender, pdst=target)


def is_answer(packet: Packet, address: str) -> bool:
    return ARP in packet and packet[ARP].op == 2 and packet[ARP].psrc == address


@cache
def kernel_settings(netmask: str) -> str:
    """As the role's file for sysctl has them."""
    itself = SimpleNamespace(name="ap1", router_ipv4="10.255.0.1", router_ipv6="fd00::1")
    return render("sysctl.conf.j2", itself, [itself], sroamd_dhcp_netmask=netmask)  # type: ignore[arg-type]


@pytest.fixture
def link(request: pytest.FixtureRequest) -> Iterator[Link]:
    """`request.param`: what the stations' netmask is."""
    with namespace() as ap, namespace() as sta:
        ap.ip(f"link add wlan0 address {OWN} type veth peer name wlan0 address {STATION} netns {sta.name}")
        ap.ip("link add bb0 type veth peer name bb1")
        sta.sysctl("net.ipv6.conf.wlan0.disable_ipv6", 1)  # the station says only what the test says
        sta.ip("link set wlan0 up")
        for name in ("wlan0", "bb0", "bb1"):
            ap.ip(f"link set {name} up")
        settings = kernel_settings(getattr(request, "param", "host"))
        command = ["ip", "netns", "exec", ap.name, "sysctl", "--quiet", "--ignore", "--load=-"]
        subprocess.run(command, check=True, input=settings, text=True)
        ap.sysctl("net.ipv4.neigh.wlan0.proxy_delay", 0)  # or the kernel answers for others when the test is over
        for words in (
            f"{GATEWAY}/32 dev wlan0",
            f"{LAST}/32 dev wlan0",
            "fe80::1/64 dev wlan0 nodad",
            "10.255.0.1/32 dev bb0",
        ):
            ap.ip(f"addr add {words}")
        for words in (f"{ADDRESS} dev wlan0", f"{HERE_TOO} dev wlan0", "192.0.2.0/24 dev bb0"):
            ap.ip(f"route add {words}")
        ap.ip("-6 route add 2001:db8:44:7::/64 dev wlan0")
        with sta.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as wire:
            wire.bind(("wlan0", 3))
            yield Link(ap, wire)


@pytest.mark.conformance("r5227_211_probe")
@pytest.mark.parametrize("link", ["host", "prefix"], indirect=True)
def test_r5227_211_probe_for_its_own_address_is_not_answered(link: Link) -> None:
    """Nor an announcement of it (sections 2.1.1 and 2.3): both would be taken for a conflict. In either mode."""
    probe, announcement = request("0.0.0.0", ADDRESS), request(ADDRESS, ADDRESS)
    claimed = Ether(src=STATION, dst=BROADCAST) / ARP(op=2, hwsrc=STATION, psrc=ADDRESS, pdst=ADDRESS)
    assert link.answers(probe, announcement, claimed) == []
    assert link.answers(request("0.0.0.0", ELSEWHERE)) == [], "that is another station's to answer"
    assert link.answers(request("0.0.0.0", GATEWAY)) == [GATEWAY], "a station that takes the gateway's is told"


@pytest.mark.parametrize(("link", "answered"), [("host", []), ("prefix", [HERE_TOO, ELSEWHERE])], indirect=["link"])
def test_access_point_answers_for_other_stations_where_they_seem_to_be_neighbours(
    link: Link, answered: list[str]
) -> None:
    assert link.answers(request(ADDRESS, HERE_TOO), request(ADDRESS, ELSEWHERE)) == answered
    assert link.answers(request(ADDRESS, "10.255.0.1")) == [], "its other addresses are nobody's business"


@pytest.mark.conformance("r9131_router")
@pytest.mark.parametrize("learns", [True, False], ids=["kernel 5.19", "older kernel"])
def test_r9131_router_first_packet_after_a_roam_is_not_lost(link: Link, learns: bool) -> None:
    """RFC 9131: an unsolicited NA makes an entry, STALE, so that the packet leaves at once.

    A kernel that cannot (before 5.19) holds the packet until the station has answered its solicitation.
    """
    if not learns:
        link.ap.sysctl("net.ipv6.conf.wlan0.accept_untracked_na", 0)
    link.send(advertisement("ff02::2", "33:33:00:00:00:02", S=0))
    eventually(lambda: assert_entry(link, "STALE" if learns else None), PATIENCE)
    echo_from(link.ap)
    if not learns:
        link.until(lambda packet: ICMPv6ND_NS in packet and packet[ICMPv6ND_NS].tgt == ADDRESS6)
        link.send(advertisement("fe80::1", OWN, S=1))
    packets = link.until(lambda packet: ICMPv6EchoRequest in packet)
    assert not [packet for packet in packets if ICMPv6ND_NS in packet]
    assert packets[-1].dst == STATION


def advertisement(to: str, mac: str, **flags: int) -> Packet:
    packet = IPv6(src=ADDRESS6, dst=to, hlim=255) / ICMPv6ND_NA(tgt=ADDRESS6, R=0, O=1, **flags)
    return Ether(src=STATION, dst=mac) / packet / ICMPv6NDOptDstLLAddr(lladdr=STATION)


def assert_entry(link: Link, state: str | None) -> None:
    shown = link.ap.ip(f"-6 neigh show {ADDRESS6} dev wlan0").split()
    assert shown[-1:] == ([] if state is None else [state]), shown


def echo_from(ap: Namespace) -> None:
    with ap.entered(), socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sender:
        sender.sendto(bytes(ICMPv6EchoRequest(id=1, seq=1))[:8], (ADDRESS6, 0))


@pytest.mark.conformance("r6059_dna")
def test_r6059_dna_known_router_is_confirmed_at_once(cell: Cell) -> None:
    """Its solicitation by unicast is answered by the kernel where it meets the MAC that it knows. At another access
    point it meets nobody; there the RS that a host sends along with it is answered, with the prefix that it has.
    """
    device = cell.accomplice
    with Ear(device) as ear:
        send(device, solicitation(device))
        prefix = eventually(lambda: first(ear, device, ICMPv6ND_RA), PATIENCE).frame[ICMPv6NDOptPrefixInfo].prefix
        watch = cell.stopwatch()
        send(device, neighbor_solicitation(device.mac, AP_MAC))
        confirmed = eventually(lambda: first(ear, device, ICMPv6ND_NA), PATIENCE)
        assert watch.until(confirmed.time) <= AT_ONCE
        assert confirmed.frame[ICMPv6ND_NA].S == confirmed.frame[ICMPv6ND_NA].R == 1
        assert confirmed.frame.src == AP_MAC
    with Ear(device) as ear:
        watch = cell.stopwatch()
        send(device, neighbor_solicitation(device.mac, OTHER_AP), solicitation(device))
        found = eventually(lambda: first(ear, device, ICMPv6ND_RA), PATIENCE)
        assert watch.until(found.time) <= AT_ONCE
        assert found.frame[ICMPv6NDOptPrefixInfo].prefix == prefix
        assert found.frame[ICMPv6NDOptSrcLLAddr].lladdr == AP_MAC
        assert not ear.heard(lambda frame: ICMPv6ND_NA in frame and bool(frame[ICMPv6ND_NA].S))


@pytest.mark.conformance("r4436_dna")
def test_r4436_dna_probe_to_the_former_access_point_ends_in_an_ack_at_once(cell: Cell) -> None:
    """An answer in its name would draw the station's packets to a MAC that is not here. So nobody answers, and what
    the host does then, INIT-REBOOT by broadcast, gets it the same address from any access point.
    """
    device = cell.accomplice
    with Ear(device) as ear:
        address = bound(device, ear, xid=0x443600)
        reboot = dhcp(device, "request", xid=0x443602, options=(("requested_addr", address),))
        watch = cell.stopwatch()
        send(device, arp_probe(device.mac, address, OTHER_AP), reboot)
        ack = eventually(lambda: first(ear, device, BOOTP, xid=0x443602), PATIENCE)
        assert watch.until(ack.time) <= AT_ONCE
        assert options_of(ack.frame)["message-type"] == ACK
        assert ack.frame[BOOTP].yiaddr == address
        assert not ear.heard(lambda frame: is_answer(frame, GATEWAY))
        watch = cell.stopwatch()
        send(device, arp_probe(device.mac, address, AP_MAC))
        confirmed = eventually(lambda: first(ear, device, ARP, op=2), PATIENCE)
        assert watch.until(confirmed.time) <= AT_ONCE
        assert (confirmed.frame[ARP].psrc, confirmed.frame[ARP].hwsrc) == (GATEWAY, AP_MAC)


def neighbor_solicitation(mac: str, to: str) -> Packet:
    """RFC 6059 asks for the router's link-local address, in a frame to the MAC that it had."""
    packet = IPv6(src=link_local(mac), dst="fe80::1", hlim=255) / ICMPv6ND_NS(tgt="fe80::1")
    return Ether(src=mac, dst=to) / packet / ICMPv6NDOptSrcLLAddr(lladdr=mac)


def arp_probe(mac: str, address: str, to: str) -> Packet:
    """RFC 4436 section 2.1.1."""
    return Ether(src=mac, dst=to) / ARP(op=1, hwsrc=mac, psrc=address, pdst=GATEWAY, hwdst="00:00:00:00:00:00")


def first(ear: Ear, device: Device, layer: type[Packet], **fields: int) -> Heard:
    """Of those to this device."""

    def is_wanted(frame: Packet) -> bool:
        return (
            frame.dst == device.mac
            and layer in frame
            and all(getattr(frame[layer], name) == value for name, value in fields.items())
        )

    found = ear.heard(is_wanted)
    assert found
    return found[0]
