"""UDP in IPv4, with scapy as the oracle."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from scapy.layers.inet import IP, UDP, IPOption
from scapy.packet import Packet, Raw

from sroamd.wire.cursor import DecodeError
from sroamd.wire.udp4 import PAYLOAD_MAX, Datagram, decode_datagram, encode_datagram
from tests.wire.strategies import against_scapy, datagrams, thorough

DATAGRAM = Datagram(IPv4Address("192.0.2.1"), 67, IPv4Address("192.0.2.7"), 68, b"hello")
# Written down from the RFCs, checked with scapy below.
OCTETS = bytes.fromhex("4500 0021 0000 4000 4011 b6c3 c0000201 c0000207 0043 0044 000d 3772") + b"hello"


def theirs(**ip: object) -> Packet:
    """The same datagram by scapy, with some fields of its IP header wrong."""
    fields = {"src": "192.0.2.1", "dst": "192.0.2.7", "id": 0, "flags": "DF", "ttl": 64} | ip
    return IP(**fields) / UDP(sport=67, dport=68) / Raw(b"hello")


def test_a_datagram_has_exactly_these_octets() -> None:
    assert encode_datagram(DATAGRAM).hex(" ") == OCTETS.hex(" ")
    assert bytes(theirs()).hex(" ") == OCTETS.hex(" ")
    assert decode_datagram(OCTETS) == DATAGRAM


@thorough
@given(datagrams)
def test_a_datagram_survives(datagram: Datagram) -> None:
    assert decode_datagram(encode_datagram(datagram)) == datagram


@against_scapy
@given(datagrams)
def test_scapy_writes_and_reads_the_same_datagram(datagram: Datagram) -> None:
    packet = IP(src=str(datagram.source), dst=str(datagram.destination), id=0, flags="DF", ttl=64)
    # A checksum of zero would mean that there is none.
    assert bytes(
        packet / UDP(sport=datagram.source_port, dport=datagram.destination_port) / Raw(datagram.payload)
    ) == encode_datagram(datagram)
    read = IP(encode_datagram(datagram))
    assert (read.src, read.dst, read[UDP].sport, read[UDP].dport, bytes(read[UDP].payload)) == (
        str(datagram.source),
        str(datagram.destination),
        datagram.source_port,
        datagram.destination_port,
        datagram.payload,
    )


def test_a_sum_of_zero_is_sent_as_its_other_form() -> None:
    """RFC 768: zero in the field means that there is no checksum."""
    base = Datagram(DATAGRAM.source, 67, DATAGRAM.destination, 68, b"\0\0")
    checksum = int.from_bytes(encode_datagram(base)[26:28], "big")
    packet = encode_datagram(Datagram(base.source, 67, base.destination, 68, checksum.to_bytes(2, "big")))
    assert packet[26:28] == b"\xff\xff"
    assert decode_datagram(packet).payload == checksum.to_bytes(2, "big")


def test_padding_of_a_short_frame_is_not_read() -> None:
    assert decode_datagram(OCTETS + bytes(13)) == DATAGRAM


def test_ip_options_are_skipped() -> None:
    packet = bytes(theirs(options=[IPOption(b"\x94\x04\x00\x00")]))
    assert len(packet) == len(OCTETS) + 4
    assert decode_datagram(packet) == DATAGRAM


def test_a_packet_cut_anywhere_is_refused() -> None:
    for length in range(len(OCTETS)):
        with pytest.raises(DecodeError):
            decode_datagram(OCTETS[:length])


def test_one_wrong_bit_anywhere_is_noticed() -> None:
    """Header fields, addresses, ports, lengths, payload, and both checksums themselves."""
    for at in range(len(OCTETS)):
        for bit in range(8):
            changed = bytearray(OCTETS)
            changed[at] ^= 1 << bit
            with pytest.raises(DecodeError):
                decode_datagram(bytes(changed))


def udp_length(length: int) -> Callable[[], bytes]:
    return lambda: bytes(
        IP(src="192.0.2.1", dst="192.0.2.7") / UDP(sport=67, dport=68, len=length, chksum=0) / Raw(b"hello")
    )


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (lambda: bytes(theirs(version=6)), "version"),
        (lambda: bytes(theirs(ihl=4)), "version"),
        (lambda: bytes(theirs(ihl=15)), "total length"),
        (lambda: bytes(theirs(len=27)), "total length"),
        (lambda: bytes(theirs(len=34)), "total length"),
        (lambda: bytes(theirs(flags="MF")), "a fragment"),
        (lambda: bytes(theirs(frag=1, flags=0)), "a fragment"),
        (lambda: bytes(theirs(chksum=1)), "header checksum"),
        (lambda: bytes(theirs(proto=6)), "protocol 6"),
        (udp_length(7), "UDP length"),
        (udp_length(14), "UDP length"),
    ],
    ids=[
        "version", "short header", "header beyond the packet", "total too short", "total too long",
        "C24 first fragment", "C24 last fragment", "header checksum", "TCP", "UDP length 7", "UDP length too long",
    ],
)  # fmt: skip
def test_each_wrong_field_is_refused_for_what_it_is(packet: Callable[[], bytes], reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode_datagram(packet())


def test_octets_behind_the_udp_length_are_not_read() -> None:
    assert decode_datagram(udp_length(10)()).payload == b"he"


@pytest.mark.conformance("c24")
def test_c24_a_wrong_udp_checksum_is_refused_and_none_is_accepted() -> None:
    changed = bytearray(OCTETS)
    changed[26] ^= 1
    with pytest.raises(DecodeError, match="UDP checksum"):
        decode_datagram(bytes(changed))
    changed[26:28] = b"\0\0"
    assert decode_datagram(bytes(changed)) == DATAGRAM


def test_a_checksum_that_the_kernel_has_yet_to_fill_in_is_not_checked() -> None:
    changed = bytearray(OCTETS)
    changed[26] ^= 1
    assert decode_datagram(bytes(changed), checksum_ready=False) == DATAGRAM
    # The header's own checksum is always there.
    changed[10] ^= 1
    with pytest.raises(DecodeError, match="header checksum"):
        decode_datagram(bytes(changed), checksum_ready=False)


def test_the_longest_payload_makes_the_longest_packet() -> None:
    longest = Datagram(DATAGRAM.source, 67, DATAGRAM.destination, 68, bytes(PAYLOAD_MAX))
    packet = encode_datagram(longest)
    assert len(packet) == 65535
    assert decode_datagram(packet) == longest
    with pytest.raises(ValueError):
        encode_datagram(Datagram(longest.source, 67, longest.destination, 68, bytes(PAYLOAD_MAX + 1)))
