"""Frames of stations: what is believed, what is dropped and why; and what goes out, judged by scapy."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import DHCP6_InfoRequest, DHCP6_Reply, DHCP6OptOptReq
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet

from sroamd.addresses import Mac
from sroamd.core import effects
from sroamd.core.events import Dhcp6Received, DhcpReceived, Probe, ProbeAnswered, RouterSolicited
from sroamd.io.frames import Drop, FrameEffect, Receiver, encode_frame, read_frame
from sroamd.wire.dhcpv4 import DhcpMessage, MessageType
from sroamd.wire.dhcpv6 import Dhcp6Message
from sroamd.wire.icmpv6 import PrefixInformation, RouterAdvertisement

STATION, OTHER, OWN = "02:00:00:00:00:07", "02:00:00:00:00:08", "02:00:00:00:00:01"
GATEWAY = IPv4Address("192.0.2.1")
RECEIVER = Receiver("wlan0", Mac.parse(OWN), GATEWAY)
BROADCAST = "ff:ff:ff:ff:ff:ff"


def octets(mac: str) -> bytes:
    return Mac.parse(mac)


def dhcp(chaddr: str = STATION, source: str = STATION, to: str = "255.255.255.255", **fields: object) -> Packet:
    frame = Ether(src=source, dst=BROADCAST if to == "255.255.255.255" else OWN)
    bootp = BOOTP(chaddr=octets(chaddr), xid=7, **fields)
    return (
        frame / IP(src="0.0.0.0", dst=to) / UDP(sport=68, dport=67) / bootp / DHCP(options=[("message-type", 1), "end"])
    )


def arp_reply(sender: str = STATION, source: str = STATION, to: str = OWN, op: int = 2) -> Packet:
    return Ether(src=source, dst=to) / ARP(op=op, hwsrc=sender, psrc="192.0.2.7", hwdst=to, pdst="192.0.2.1")


def solicitation(option: str | None = STATION, source: str = STATION) -> Packet:
    packet = Ether(src=source, dst="33:33:00:00:00:02") / IPv6(src="fe80::7", dst="ff02::2") / ICMPv6ND_RS()
    return packet / ICMPv6NDOptSrcLLAddr(lladdr=option) if option else packet


def advertisement(option: str | None = STATION, solicited: int = 1, to: str = OWN) -> Packet:
    packet = (
        Ether(src=STATION, dst=to) / IPv6(src="fe80::7", dst="fe80::1") / ICMPv6ND_NA(tgt="fe80::7", S=solicited, R=0)
    )
    return packet / ICMPv6NDOptDstLLAddr(lladdr=option) if option else packet


def test_dhcp_request_of_the_station_itself_is_received() -> None:
    event = read_frame(RECEIVER, bytes(dhcp()))

    assert isinstance(event, DhcpReceived)
    assert (event.interface, event.source, event.source_ip) == ("wlan0", Mac.parse(STATION), IPv4Address(0))
    assert event.message.message_type is MessageType.DISCOVER
    assert event.message.chaddr == Mac.parse(STATION)


def test_unicast_renewal_to_the_gateway_is_received() -> None:
    assert isinstance(read_frame(RECEIVER, bytes(dhcp(to="192.0.2.1"))), DhcpReceived)


@pytest.mark.parametrize("option", [STATION, None])
def test_router_solicitation_is_received(option: str | None) -> None:
    event = read_frame(RECEIVER, bytes(solicitation(option)))

    assert isinstance(event, RouterSolicited)
    assert (event.source, event.source_ip) == (Mac.parse(STATION), IPv6Address("fe80::7"))


@pytest.mark.parametrize("packet", [advertisement(), advertisement(None)])
def test_answers_to_a_solicitation_are_signs_of_life(packet: Packet) -> None:
    assert read_frame(RECEIVER, bytes(packet)) == ProbeAnswered("wlan0", Mac.parse(STATION), Probe.NEIGHBOR)


def dhcp6(source: str = "fe80::7", to: str = "ff02::1:2", port: int = 547, **udp: object) -> Packet:
    frame = Ether(src=STATION, dst="33:33:00:01:00:02") / IPv6(src=source, dst=to)
    return frame / UDP(sport=546, dport=port, **udp) / DHCP6_InfoRequest(trid=7) / DHCP6OptOptReq(reqopts=[23])


def test_dhcp6_information_request_is_received() -> None:
    event = read_frame(RECEIVER, bytes(dhcp6()))

    message = Dhcp6Message(11, 7, {6: bytes((0, 23))})
    assert event == Dhcp6Received("wlan0", Mac.parse(STATION), IPv6Address("fe80::7"), message)


def test_arp_reply_is_a_sign_of_life_and_says_which_address_its_sender_has() -> None:
    assert read_frame(RECEIVER, bytes(arp_reply())) == ProbeAnswered(
        "wlan0", Mac.parse(STATION), Probe.ARP, IPv4Address("192.0.2.7")
    )


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (dhcp(chaddr=OTHER), "dhcp4.chaddr_mismatch"),
        (dhcp(giaddr="192.0.2.9"), "dhcp4.relayed"),
        (dhcp(op=2), "dhcp4.reply_from_station"),
        (dhcp(to="192.0.2.53"), "dhcp4.to_another_server"),
        (dhcp(source="03:00:00:00:00:07", chaddr="03:00:00:00:00:07"), "frame.from_no_station"),
        (dhcp(source="00:00:00:00:00:00", chaddr="00:00:00:00:00:00"), "frame.from_no_station"),
        (solicitation(OTHER), "icmpv6.source_mismatch"),
        (advertisement(OTHER), "icmpv6.target_mismatch"),
        (advertisement(solicited=0), "icmpv6.no_answer"),
        (advertisement(to="33:33:00:00:00:01", solicited=0), "icmpv6.no_answer"),
        (arp_reply(sender=OTHER), "arp.sender_mismatch"),
        (arp_reply(op=1), "arp.no_answer"),
        (arp_reply(to=BROADCAST), "arp.no_answer"),
        (arp_reply(to=OTHER), "frame.to_another"),
        (Ether(src=STATION, dst=OWN, type=0x88B5) / b"x", "frame.other_protocol"),
        (
            Ether(src=STATION, dst=OWN) / IP(src="192.0.2.7", dst="192.0.2.1") / UDP(dport=53),
            "frame.other_protocol",
        ),
        (Ether(src=STATION, dst=OWN) / IPv6(src="fe80::7", dst="fe80::1", hlim=64) / ICMPv6ND_RS(), "icmpv6.malformed"),
        (Ether(src=STATION, dst=OWN) / ARP(op=9, hwsrc=STATION), "arp.malformed"),
        (dhcp6(to="fe80::1"), "dhcp6.not_from_here"),
        (dhcp6(to="ff05::1:3"), "dhcp6.not_from_here"),
        (dhcp6(source="2001:db8:44:7::7"), "dhcp6.not_from_here"),
        (dhcp6(source="::"), "dhcp6.not_from_here"),
        (dhcp6(port=53), "frame.other_protocol"),
        (dhcp6(chksum=0), "dhcp6.malformed"),
        (Ether(bytes(dhcp6())[:-1]), "dhcp6.malformed"),
        (Ether(bytes(dhcp())[:100]), "dhcp4.malformed"),
    ],
)
def test_what_cannot_be_believed_is_dropped_for_a_reason(packet: Packet, reason: str) -> None:
    assert read_frame(RECEIVER, bytes(packet)) == Drop(reason)


def test_checksum_that_the_kernel_has_not_filled_in_is_not_judged() -> None:
    frame = bytearray(bytes(dhcp()))
    frame[14 + 20 + 6] ^= 0xFF  # the UDP checksum

    assert read_frame(RECEIVER, bytes(frame)) == Drop("dhcp4.malformed")
    assert read_frame(RECEIVER, b"short") == Drop("frame.malformed")
    assert isinstance(read_frame(RECEIVER, bytes(frame), checksum_ready=False), DhcpReceived)


@given(st.sampled_from([dhcp(), dhcp6(), solicitation(), arp_reply(), advertisement()]), st.data())
def test_cut_and_altered_frames_never_raise(packet: Packet, data: st.DataObject) -> None:
    frame = bytearray(bytes(packet))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    read_frame(RECEIVER, bytes(frame[: data.draw(st.integers(0, len(frame)))]), checksum_ready=False)


# -- out


def sent(effect: FrameEffect) -> Packet:
    packet = Ether(encode_frame(Mac.parse(OWN), effect))
    assert (packet.src, packet.dst) == (OWN, STATION), "to the station alone"
    return packet


def test_gratuitous_arp_announces_the_gateway_at_our_mac() -> None:
    packet = sent(effects.SendGratuitousArp("wlan0", Mac.parse(STATION), GATEWAY))[ARP]

    assert (packet.op, packet.hwsrc, packet.psrc, packet.pdst) == (1, OWN, "192.0.2.1", "192.0.2.1")


def test_arp_request_asks_the_station_itself() -> None:
    target = IPv4Address("192.0.2.7")
    packet = sent(effects.SendArpRequest("wlan0", Mac.parse(STATION), GATEWAY, target))[ARP]

    assert (packet.op, packet.hwsrc, packet.psrc, packet.pdst) == (1, OWN, "192.0.2.1", "192.0.2.7")


@pytest.mark.spec("RFC 5227", "2.1.1")
def test_arp_probe_asks_everybody_and_is_no_conflict_to_who_probes_for_the_address_itself() -> None:
    """As one from no address would be, if it comes late, behind a dozing station."""
    probe = effects.SendArpProbe("wlan0", GATEWAY, IPv4Address("192.0.2.7"))
    packet = Ether(encode_frame(Mac.parse(OWN), probe))
    arp = packet[ARP]

    assert (packet.src, packet.dst, packet.type) == (OWN, BROADCAST, 0x0806)
    assert (arp.hwtype, arp.ptype, arp.hwlen, arp.plen, arp.op) == (1, 0x0800, 6, 4, 1)
    assert (arp.hwsrc, arp.psrc, arp.hwdst, arp.pdst) == (OWN, "192.0.2.1", "00:00:00:00:00:00", "192.0.2.7")


@pytest.mark.conformance("r4861_726_na")
def test_neighbor_advertisement_overrides_and_says_router() -> None:
    packet = sent(effects.SendNeighborAdvertisement("wlan0", Mac.parse(STATION), IPv6Address("fe80::1")))

    assert (packet[IPv6].src, packet[IPv6].dst, packet[IPv6].hlim) == ("fe80::1", "ff02::1", 255)
    assert (packet[ICMPv6ND_NA].R, packet[ICMPv6ND_NA].S, packet[ICMPv6ND_NA].O) == (1, 0, 1)
    assert (packet[ICMPv6ND_NA].tgt, packet[ICMPv6NDOptDstLLAddr].lladdr) == ("fe80::1", OWN)


def test_neighbor_solicitation_is_unicast() -> None:
    target = IPv6Address("2001:db8:44:1::7")
    effect = effects.SendNeighborSolicitation("wlan0", Mac.parse(STATION), IPv6Address("fe80::1"), target)
    packet = sent(effect)

    assert (packet[IPv6].src, packet[IPv6].dst, packet[IPv6].hlim) == ("fe80::1", "2001:db8:44:1::7", 255)
    assert (packet[ICMPv6ND_NS].tgt, packet[ICMPv6NDOptSrcLLAddr].lladdr) == ("2001:db8:44:1::7", OWN)


@pytest.mark.parametrize("destination", ["192.0.2.7", "255.255.255.255"])
@pytest.mark.conformance("r2131_41_srcport")
def test_dhcp_reply_goes_to_the_station_even_where_ip_says_broadcast(destination: str) -> None:
    message = DhcpMessage(op=2, message_type=MessageType.OFFER, xid=7, chaddr=Mac.parse(STATION))
    effect = effects.SendDhcp("wlan0", Mac.parse(STATION), GATEWAY, IPv4Address(destination), message)
    packet = sent(effect)

    assert (packet[IP].src, packet[IP].dst, packet[IP].ttl) == ("192.0.2.1", destination, 64)
    assert (packet[UDP].sport, packet[UDP].dport, packet[BOOTP].xid) == (67, 68, 7)
    assert ("message-type", 2) in packet[DHCP].options
    relay = sent(replace(effect, port=67))
    assert relay[UDP].dport == 67


def test_dhcp6_reply_goes_from_the_gateways_link_local_address_to_the_station() -> None:
    reply = Dhcp6Message(7, 0x123456, {2: bytes(18)})
    gateway, station = IPv6Address("fe80::1"), IPv6Address("fe80::7")
    packet = sent(effects.SendDhcp6("wlan0", Mac.parse(STATION), gateway, station, reply))

    assert (packet[IPv6].src, packet[IPv6].dst) == ("fe80::1", "fe80::7")
    assert (packet[UDP].sport, packet[UDP].dport) == (547, 546)
    assert packet[DHCP6_Reply].trid == 0x123456
    checksum = packet[UDP].chksum
    del packet[UDP].chksum
    assert Ether(bytes(packet))[UDP].chksum == checksum


@pytest.mark.conformance("r4861_42_src", "r8273_4_flags", "r4861_626_delay")
def test_router_advertisement_goes_to_all_nodes_in_a_frame_to_one() -> None:
    prefix = PrefixInformation(IPv6Network("2001:db8:44:1::/64"), False, True, 7200, 3600)
    message = RouterAdvertisement(hop_limit=64, managed=False, other=False, lifetime=3600, prefixes=(prefix,))
    effect = effects.SendRouterAdvertisement("wlan0", Mac.parse(STATION), IPv6Address("fe80::1"), message)
    packet = sent(effect)

    assert (packet[IPv6].src, packet[IPv6].dst, packet[IPv6].hlim) == ("fe80::1", "ff02::1", 255)
    assert packet[ICMPv6ND_RA].routerlifetime == 3600
