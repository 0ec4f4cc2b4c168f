"""UDP in IPv6, with scapy as the oracle."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop
from scapy.packet import Packet, Raw

from sroamd.wire.cursor import DecodeError
from sroamd.wire.udp6 import PAYLOAD_MAX, Datagram6, decode_datagram, encode_datagram, is_udp
from tests.wire.strategies import against_scapy, datagrams6, thorough

DATAGRAM = Datagram6(IPv6Address("fe80::7"), 546, IPv6Address("ff02::1:2"), 547, b"hello")


def theirs(**ip: object) -> Packet:
    fields = {"src": "fe80::7", "dst": "ff02::1:2", "hlim": 64} | ip
    return IPv6(**fields) / UDP(sport=546, dport=547) / Raw(b"hello")


@thorough
@given(datagrams6)
def test_a_datagram_survives(datagram: Datagram6) -> None:
    assert decode_datagram(encode_datagram(datagram)) == datagram


@against_scapy
@given(datagrams6)
def test_scapy_writes_the_same_datagram(datagram: Datagram6) -> None:
    packet = IPv6(src=str(datagram.source), dst=str(datagram.destination), hlim=64)
    packet /= UDP(sport=datagram.source_port, dport=datagram.destination_port) / Raw(datagram.payload)
    assert bytes(packet) == encode_datagram(datagram)


def test_a_sum_of_zero_is_sent_as_its_other_form() -> None:
    base = Datagram6(DATAGRAM.source, 546, DATAGRAM.destination, 547, b"\0\0")
    checksum = encode_datagram(base)[46:48]
    packet = encode_datagram(Datagram6(base.source, 546, base.destination, 547, checksum))
    assert packet[46:48] == b"\xff\xff"
    assert decode_datagram(packet).payload == checksum


def test_padding_of_a_short_frame_is_not_read() -> None:
    assert decode_datagram(bytes(theirs()) + bytes(13)) == DATAGRAM


def test_a_packet_cut_anywhere_is_refused() -> None:
    packet = bytes(theirs())
    for length in range(len(packet)):
        with pytest.raises(DecodeError):
            decode_datagram(packet[:length])


def test_a_payload_that_no_datagram_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="a payload of"):
        encode_datagram(Datagram6(DATAGRAM.source, 1, DATAGRAM.destination, 2, bytes(PAYLOAD_MAX + 1)))


@pytest.mark.spec("RFC 8200", "8.1")
@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (IPv6(src="fe80::7", dst="ff02::1:2") / UDP(sport=546, dport=547, chksum=0) / Raw(b"hello"), "or none"),
        (IPv6(src="fe80::7", dst="ff02::1:2") / UDP(sport=546, dport=547, chksum=7) / Raw(b"hello"), "checksum"),
        (IPv6(src="fe80::7", dst="ff02::1:2") / UDP(sport=546, dport=547, len=12) / Raw(b"hello"), "UDP length 12"),
        (IPv6(src="fe80::7", dst="ff02::1:2") / UDP(sport=546, dport=547, len=99) / Raw(b"hello"), "UDP length 99"),
        (IPv6(src="fe80::7", dst="ff02::1:2", plen=7) / UDP(sport=546, dport=547) / Raw(b"hello"), "payload length 7"),
        (theirs(src="ff02::7"), "multicast"),
        (theirs(version=4), "version"),
        (IPv6(src="fe80::7") / IPv6ExtHdrFragment() / UDP(sport=546, dport=547) / Raw(b"hello"), "next header 44"),
        (IPv6(src="fe80::7") / IPv6ExtHdrHopByHop() / UDP(sport=546, dport=547) / Raw(b"hello"), "next header 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_no_whole_datagram_is_refused(packet: Packet, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode_datagram(bytes(packet))


def test_a_packet_says_whether_it_is_udp() -> None:
    assert is_udp(bytes(theirs()))
    assert not is_udp(bytes(IPv6() / IPv6ExtHdrFragment()))
    assert not is_udp(b"")


def test_a_checksum_that_is_still_to_be_filled_in_is_not_judged() -> None:
    packet = IPv6(src="fe80::7", dst="ff02::1:2") / UDP(sport=546, dport=547, chksum=7) / Raw(b"hello")
    assert decode_datagram(bytes(packet), checksum_ready=False) == DATAGRAM
