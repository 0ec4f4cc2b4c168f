"""ARP, with scapy as the oracle."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from scapy.layers.l2 import ARP

from sroamd.addresses import NO_MAC, Mac
from sroamd.wire.arp import REPLY, REQUEST, ArpPacket, decode_arp, encode_arp, gratuitous, probe
from sroamd.wire.cursor import DecodeError
from tests.wire.strategies import against_scapy, arp_packets, thorough

ROUTER = Mac.parse("02:00:00:00:00:01")
STATION = Mac.parse("02:00:00:00:00:07")
GATEWAY = IPv4Address("192.0.2.1")
ADDRESS = IPv4Address("192.0.2.7")
REPLY_PACKET = ArpPacket(REPLY, STATION, ADDRESS, ROUTER, GATEWAY)
REPLY_OCTETS = bytes.fromhex("0001 0800 06 04 0002 020000000007 c0000207 020000000001 c0000201")


def test_a_reply_has_exactly_these_octets() -> None:
    assert encode_arp(REPLY_PACKET) == REPLY_OCTETS
    assert decode_arp(REPLY_OCTETS) == REPLY_PACKET


def test_padding_of_a_short_frame_is_not_read() -> None:
    assert decode_arp(REPLY_OCTETS + bytes(18)) == REPLY_PACKET


def test_a_packet_cut_anywhere_is_refused() -> None:
    for length in range(len(REPLY_OCTETS)):
        with pytest.raises(DecodeError):
            decode_arp(REPLY_OCTETS[:length])


@pytest.mark.parametrize(
    ("at", "octet"),
    [(1, 6), (2, 0x86), (4, 8), (5, 16), (7, 0), (7, 3), (7, 8), (6, 1)],
    ids=["802 hardware", "IPv6", "long MAC", "long address", "operation 0", "RARP", "InARP", "operation 258"],
)
def test_what_is_not_ipv4_over_ethernet_or_another_operation_is_refused(at: int, octet: int) -> None:
    changed = bytearray(REPLY_OCTETS)
    changed[at] = octet
    with pytest.raises(DecodeError):
        decode_arp(bytes(changed))


@thorough
@given(arp_packets)
def test_a_packet_survives(packet: ArpPacket) -> None:
    assert decode_arp(encode_arp(packet)) == packet


@against_scapy
@given(arp_packets)
def test_scapy_writes_and_reads_the_same_packet(packet: ArpPacket) -> None:
    fields = {
        "op": packet.operation,
        "hwsrc": str(packet.sender_mac),
        "psrc": str(packet.sender_ip),
        "hwdst": str(packet.target_mac),
        "pdst": str(packet.target_ip),
    }
    assert bytes(ARP(**fields)) == encode_arp(packet)
    read = ARP(encode_arp(packet))
    assert {name: getattr(read, name) for name in fields} == fields


@pytest.mark.spec("RFC 5227", "2.3")
@pytest.mark.conformance("r5227_23_ann")
def test_r5227_23_ann_an_announcement_is_a_request_about_the_sender_itself() -> None:
    assert gratuitous(ROUTER, GATEWAY) == ArpPacket(REQUEST, ROUTER, GATEWAY, NO_MAC, GATEWAY)


@pytest.mark.spec("RFC 5227", "2.1.1")
def test_r5227_211_a_probe_names_no_sender_address() -> None:
    assert probe(ROUTER, ADDRESS) == ArpPacket(REQUEST, ROUTER, IPv4Address("0.0.0.0"), NO_MAC, ADDRESS)


def test_a_station_is_asked_from_the_gateway_address() -> None:
    asked = probe(ROUTER, ADDRESS, sender_ip=GATEWAY, target_mac=STATION)
    assert asked == ArpPacket(REQUEST, ROUTER, GATEWAY, STATION, ADDRESS)
