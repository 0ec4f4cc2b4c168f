"""Packet sockets between two namespaces: a cable with the access point at one end and scapy's stations at the other."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_RS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet

from sroamd.addresses import Mac
from sroamd.constants import FRAMES_OF_STATION_WAITING_MAX, MUTE_TIME, STATION_FRAMES_BURST
from sroamd.core.effects import SendGratuitousArp
from sroamd.core.events import DhcpReceived, ProbeAnswered, RouterSolicited
from sroamd.io.packet_socket import FRAMES_AT_ONCE, READS_MAX, RECEIVE_BUFFER, PacketSockets
from tests.e2e.netns import Namespace, namespace
from tests.io.events import Collector, until

OWN, STATION, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:07", "02:00:00:00:00:08"
GATEWAY = IPv4Address("192.0.2.1")
QUIET = 0.1
BURST = READS_MAX + FRAMES_AT_ONCE + 1


@dataclass
class Cable:
    """`lookup` stands for the kernel watch; `wire` is the station's end."""

    ap: Namespace
    sta: Namespace
    wire: socket.socket
    links: dict[str, tuple[int, Mac]]
    sockets: PacketSockets
    heard: Collector

    def run(self, story: Callable[[], object]) -> None:
        async def work() -> None:
            with self.ap.entered():
                self.sockets.refresh("wlan0")
                try:
                    await story()  # type: ignore[misc]
                finally:
                    self.sockets.close()

        asyncio.run(work())

    def send(self, packet: Packet) -> None:
        self.wire.send(bytes(packet))

    def received(self) -> list[Packet]:
        """What has arrived at the station's end."""
        found = []
        while True:
            try:
                found.append(Ether(self.wire.recv(4096)))
            except BlockingIOError:
                return found

    def renew_link(self) -> None:
        with self.ap.entered():
            self.links["wlan0"] = (socket.if_nametoindex("wlan0"), Mac.parse(OWN))


def open_wire(sta: Namespace) -> socket.socket:
    with sta.entered():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        wire.bind(("sta0", 3))
    wire.setblocking(False)
    return wire


def plug(ap: Namespace, sta: Namespace) -> None:
    ap.ip(f"link add wlan0 address {OWN} type veth peer name sta0 address {STATION} netns {sta.name}")
    sta.sysctl("net.ipv6.conf.sta0.disable_ipv6", 1)  # the station says only what the test says
    ap.sysctl("net.ipv6.conf.wlan0.disable_ipv6", 1)
    sta.ip("link set sta0 up")
    ap.ip("link set wlan0 up")
    ap.ip("addr add 192.0.2.1/32 dev wlan0")


@pytest.fixture
def cable() -> Iterator[Cable]:
    with namespace() as ap, namespace() as sta:
        plug(ap, sta)
        heard, links = Collector(), {}
        sockets = PacketSockets(["wlan0"], GATEWAY, links.get, heard)
        made = Cable(ap, sta, open_wire(sta), links, sockets, heard)
        made.renew_link()
        yield made
        made.wire.close()


def dhcp(source: str = STATION, chaddr: str = STATION, to: str = "255.255.255.255") -> Packet:
    ether = Ether(src=source, dst="ff:ff:ff:ff:ff:ff" if to == "255.255.255.255" else OWN)
    bootp = BOOTP(chaddr=bytes(Mac.parse(chaddr)), xid=7)
    source_ip = "0.0.0.0" if to == "255.255.255.255" else "192.0.2.7"
    return (
        ether / IP(src=source_ip, dst=to) / UDP(sport=68, dport=67) / bootp / DHCP(options=[("message-type", 1), "end"])
    )


SOLICITATION = (
    Ether(src=STATION, dst="33:33:00:00:00:02")
    / IPv6(src="fe80::7", dst="ff02::2")
    / ICMPv6ND_RS()
    / ICMPv6NDOptSrcLLAddr(lladdr=STATION)
)
ARP_REPLY = Ether(src=STATION, dst=OWN) / ARP(op=2, hwsrc=STATION, psrc="192.0.2.7", hwdst=OWN, pdst="192.0.2.1")
NA = Ether(src=STATION, dst=OWN) / IPv6(src="fe80::7", dst="fe80::1") / ICMPv6ND_NA(tgt="fe80::7", S=1, R=0)


@pytest.mark.parametrize(
    ("packet", "kind"),
    [(dhcp(), DhcpReceived), (SOLICITATION, RouterSolicited), (ARP_REPLY, ProbeAnswered), (NA, ProbeAnswered)],
    ids=["dhcp", "rs", "arp", "na"],
)
def test_frames_of_stations_become_events(cable: Cable, packet: Packet, kind: type) -> None:
    async def story() -> None:
        cable.send(packet)
        event = await cable.heard.first(kind)
        assert getattr(event, "interface", "") == "wlan0"
        assert getattr(event, "station", None) or getattr(event, "source", None) == Mac.parse(STATION)

    cable.run(story)


def test_what_is_not_for_us_or_not_to_be_believed_is_no_event(cable: Cable) -> None:
    async def story() -> None:
        cable.send(dhcp(chaddr="02:00:00:00:00:08"))
        cable.send(Ether(src=STATION, dst=OWN) / Dot1Q(vlan=5) / ARP_REPLY.payload)
        cable.send(Ether(src=STATION, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, psrc="192.0.2.7", pdst="192.0.2.1"))
        cable.send(ARP_REPLY / (b"\0" * 1400))
        await cable.heard.first(ProbeAnswered)
        await asyncio.sleep(QUIET)
        assert len(cable.heard.events) == 1, "the last, which only has padding"
        assert cable.sockets.counters == {"dhcp4.chaddr_mismatch": 1, "frame.received": 1}

    cable.run(story)


def test_own_frames_are_not_heard(cable: Cable) -> None:
    async def story() -> None:
        cable.sockets.send(SendGratuitousArp("wlan0", Mac.parse(STATION), GATEWAY))
        # What goes out here would pass the filter if it came in.
        with cable.ap.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as another:
            another.bind(("wlan0", 0))
            another.send(bytes(Ether(src=STATION, dst=OWN) / ARP_REPLY.payload))
        await asyncio.sleep(QUIET)
        assert cable.heard.events == []
        assert cable.sockets.counters == {"frame.sent": 1}
        assert [packet[ARP].psrc for packet in cable.received() if ARP in packet] == ["192.0.2.1", "192.0.2.7"]

    cable.run(story)


def test_checksum_that_is_left_to_the_hardware_is_not_held_against_the_station(cable: Cable) -> None:
    """A UDP socket on a veth sends the checksum unfinished; the kernel says so beside the packet."""

    async def story() -> None:
        cable.sta.ip("addr add 192.0.2.7/32 dev sta0")
        cable.sta.ip("route add 192.0.2.1 dev sta0")
        cable.sta.ip(f"neigh add 192.0.2.1 lladdr {OWN} dev sta0")
        message = bytes(BOOTP(chaddr=bytes(Mac.parse(STATION)), xid=9) / DHCP(options=[("message-type", 3), "end"]))
        with cable.sta.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.bind(("192.0.2.7", 68))
            client.sendto(message, ("192.0.2.1", 67))
        event = await cable.heard.first(DhcpReceived)
        assert (event.source_ip, event.message.xid) == (IPv4Address("192.0.2.7"), 9)
        assert "dhcp4.malformed" not in cable.sockets.counters

    cable.run(story)


@pytest.mark.parametrize("another_holds_it", [False, True])
def test_unicast_renewal_is_not_answered_with_port_unreachable(cable: Cable, another_holds_it: bool) -> None:
    async def story() -> None:
        cable.ap.ip("route add 192.0.2.7 dev wlan0")
        cable.ap.ip(f"neigh add 192.0.2.7 lladdr {STATION} dev wlan0")
        cable.send(dhcp(to="192.0.2.1"))
        await cable.heard.first(DhcpReceived)
        await asyncio.sleep(QUIET)
        assert [packet for packet in cable.received() if ICMP in packet] == []
        cable.sockets.close()  # and this is what would happen without us
        if not another_holds_it:
            cable.send(dhcp(to="192.0.2.1"))
            await until(lambda: any(ICMP in packet for packet in cable.received()))

    with cable.ap.entered():
        hostapd = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if another_holds_it:  # as hostapd's wired driver does
        hostapd.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"wlan0\0")
        hostapd.bind(("", 67))
    with hostapd:
        cable.run(story)


def test_burst_of_many_is_taken_whole(cable: Cable) -> None:
    async def story() -> None:
        for number in range(BURST):
            mac = str(Mac(bytes((2, 0, 0, 1)) + number.to_bytes(2, "big")))
            cable.send(dhcp(mac, mac))
        await until(lambda: len(cable.heard.events) == BURST)

    cable.run(story)


def test_queue_has_room_beyond_what_a_machine_gives_by_default(cable: Cable) -> None:
    async def story() -> None:
        link = cable.sockets._links["wlan0"]
        assert link is not None
        # The kernel doubles it, for its own books.
        assert link._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 2 * RECEIVE_BUFFER

    cable.run(story)


def test_station_that_floods_is_muted_by_the_kernel_and_heard_again(cable: Cable) -> None:
    """Meanwhile its neighbour is heard, and who is muted does not wake us."""

    async def story() -> None:
        def of(mac: str) -> int:
            return sum(event.source == Mac.parse(mac) for event in cable.heard.of(DhcpReceived))

        loud, other = bytes(dhcp()), dhcp(OTHER, OTHER)
        for _ in range(2 * STATION_FRAMES_BURST):
            cable.wire.send(loud)
        await until(lambda: cable.sockets.counters["frame.muted"] == 1)
        heard, flooded = of(STATION), cable.sockets.counters["frame.flooded"]
        assert FRAMES_OF_STATION_WAITING_MAX <= heard < STATION_FRAMES_BURST * 1.5
        await asyncio.sleep(MUTE_TIME / 2)
        for _ in range(STATION_FRAMES_BURST):
            cable.wire.send(loud)
        cable.send(other)
        await until(lambda: of(OTHER) == 1)
        assert of(STATION) == heard
        assert cable.sockets.counters["frame.flooded"] <= max(flooded, STATION_FRAMES_BURST)
        await asyncio.sleep(MUTE_TIME)
        cable.wire.send(loud)
        await until(lambda: of(STATION) == heard + 1)

    cable.run(story)


def test_interface_that_goes_and_returns_is_opened_again(cable: Cable) -> None:
    async def story() -> None:
        cable.send(ARP_REPLY)
        await until(lambda: len(cable.heard.events) == 1)
        cable.ap.ip("link del wlan0")
        await asyncio.sleep(QUIET)  # the socket says ENETDOWN before anybody tells of the link
        del cable.links["wlan0"]
        cable.sockets.refresh("wlan0")
        cable.sockets.send(SendGratuitousArp("wlan0", Mac.parse(STATION), GATEWAY))
        assert cable.sockets.counters["frame.no_interface"] == 1

        plug(cable.ap, cable.sta)
        cable.wire.close()
        cable.wire = open_wire(cable.sta)
        cable.renew_link()
        cable.sockets.refresh("wlan0")
        cable.send(ARP_REPLY)
        await until(lambda: len(cable.heard.events) == 2)

    cable.run(story)


def test_interface_that_is_down_for_a_while_is_heard_again(cable: Cable) -> None:
    async def story() -> None:
        cable.ap.ip("link set wlan0 down")
        cable.sockets.send(SendGratuitousArp("wlan0", Mac.parse(STATION), GATEWAY))
        assert cable.sockets.counters["frame.not_sent"] == 1
        await asyncio.sleep(QUIET)
        cable.ap.ip("link set wlan0 up")
        cable.sockets.refresh("wlan0")
        await until(lambda: cable.sta.ip("-br link show sta0").split()[1] == "UP")
        cable.send(ARP_REPLY)
        await until(lambda: len(cable.heard.events) == 1)

    cable.run(story)


def test_new_mac_is_sent_from_and_answered_to(cable: Cable) -> None:
    async def story() -> None:
        cable.ap.ip("link set wlan0 address 02:00:00:00:00:99")
        cable.links["wlan0"] = (cable.links["wlan0"][0], Mac.parse("02:00:00:00:00:99"))
        cable.sockets.refresh("wlan0")
        cable.sockets.send(SendGratuitousArp("wlan0", Mac.parse(STATION), GATEWAY))
        assert [packet.src for packet in cable.received() if ARP in packet] == ["02:00:00:00:00:99"]
        cable.send(ARP_REPLY)  # to the former MAC
        await asyncio.sleep(QUIET)
        assert cable.heard.events == []

    cable.run(story)


def test_flood_of_other_traffic_never_wakes_us(cable: Cable) -> None:
    async def story() -> None:
        frame = bytes(Ether(src=STATION, dst=OWN) / IP(src="192.0.2.7", dst="192.0.2.1") / UDP(dport=9) / (b"x" * 1000))
        for _ in range(500):
            cable.wire.send(frame)
        await asyncio.sleep(QUIET)
        link = cable.sockets._links["wlan0"]
        assert link is not None
        seen, dropped = struct.unpack("II", link._socket.getsockopt(263, 6, 8))  # PACKET_STATISTICS
        assert (seen, dropped) == (0, 0)

    cable.run(story)
