"""UDP in IPv6 (RFC 768, RFC 8200): what a packet socket carries. Extension headers and fragments are refused."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv6Address

from sroamd.wire.checksum import checksum_holds, internet_checksum
from sroamd.wire.cursor import DecodeError

HOP_LIMIT = 64

_VERSION_6 = 6 << 28
_NEXT_HEADER_UDP = 17
_NEXT_HEADER_AT = 6
_MULTICAST = 0xFF
_IPV6_HEADER = struct.Struct("!IHBB16s16s")
_UDP_HEADER = struct.Struct("!HHHH")
_PSEUDO_HEADER = struct.Struct("!16s16sII")

PAYLOAD_MAX = 0xFFFF - _UDP_HEADER.size


@dataclass(frozen=True, slots=True)
class Datagram6:
    """A UDP datagram with the addresses of its packet."""

    source: IPv6Address
    source_port: int
    destination: IPv6Address
    destination_port: int
    payload: bytes


def is_udp(ipv6_packet: bytes) -> bool:
    """Whether it says that it is, right behind its header."""
    return len(ipv6_packet) > _NEXT_HEADER_AT and ipv6_packet[_NEXT_HEADER_AT] == _NEXT_HEADER_UDP


def decode_datagram(ipv6_packet: bytes, *, checksum_ready: bool = True) -> Datagram6:
    """From an Ethernet payload, perhaps padded. `checksum_ready` as in `udp4.decode_datagram`.

    A checksum has to be there (RFC 8200 section 8.1).
    """
    if len(ipv6_packet) < _IPV6_HEADER.size + _UDP_HEADER.size:
        raise DecodeError(f"an IPv6 packet of {len(ipv6_packet)} octets")
    version, length, next_header, _, source, destination = _IPV6_HEADER.unpack_from(ipv6_packet)
    if version >> 28 != 6 or source[0] == _MULTICAST:
        raise DecodeError("not version 6, or from a multicast address")
    if next_header != _NEXT_HEADER_UDP:
        raise DecodeError(f"next header {next_header}")
    segment = ipv6_packet[_IPV6_HEADER.size : _IPV6_HEADER.size + length]
    if len(segment) != length or length < _UDP_HEADER.size:
        raise DecodeError(f"payload length {length}, {len(segment)} octets there")
    source_port, destination_port, udp_length, checksum = _UDP_HEADER.unpack_from(segment)
    if udp_length != length:
        raise DecodeError(f"UDP length {udp_length} in {length} octets")
    if checksum_ready:
        pseudo = _PSEUDO_HEADER.pack(source, destination, length, _NEXT_HEADER_UDP)
        if not checksum or not checksum_holds(pseudo + segment):
            raise DecodeError("wrong UDP checksum, or none")
    return Datagram6(
        IPv6Address(source), source_port, IPv6Address(destination), destination_port, segment[_UDP_HEADER.size :]
    )


def encode_datagram(datagram: Datagram6) -> bytes:
    """The IPv6 packet. ValueError if the payload exceeds PAYLOAD_MAX."""
    if len(datagram.payload) > PAYLOAD_MAX:
        raise ValueError(f"a payload of {len(datagram.payload)} octets")
    source, destination = datagram.source.packed, datagram.destination.packed
    length = _UDP_HEADER.size + len(datagram.payload)
    pseudo = _PSEUDO_HEADER.pack(source, destination, length, _NEXT_HEADER_UDP)
    ports = datagram.source_port, datagram.destination_port
    # Zero would mean "no checksum"; its other form in ones' complement is sent instead (RFC 768).
    checksum = internet_checksum(pseudo + _UDP_HEADER.pack(*ports, length, 0) + datagram.payload) or 0xFFFF
    header = _IPV6_HEADER.pack(_VERSION_6, length, _NEXT_HEADER_UDP, HOP_LIMIT, source, destination)
    return header + _UDP_HEADER.pack(*ports, length, checksum) + datagram.payload
