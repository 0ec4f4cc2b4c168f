"""UDP in IPv4 (RFC 768, RFC 791): what a packet socket carries, for replies to stations that have no address yet."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

from sroamd.addresses import ipv4_address
from sroamd.wire.checksum import checksum_holds, internet_checksum
from sroamd.wire.cursor import DecodeError

TTL = 64

_PROTOCOL_UDP = 17
_DO_NOT_FRAGMENT = 0x4000
_FRAGMENT = 0x3FFF  # "more fragments" and the offset
_IP_HEADER = struct.Struct("!BBHHHBBH4s4s")
_IP_START = struct.Struct("!BBHHHBB")  # up to the checksum
_UDP_HEADER = struct.Struct("!HHHH")
_PSEUDO_HEADER = struct.Struct("!4s4sHH")

IPV4_UDP_OVERHEAD = _IP_HEADER.size + _UDP_HEADER.size
PAYLOAD_MAX = 0xFFFF - IPV4_UDP_OVERHEAD


@dataclass(frozen=True, slots=True)
class Datagram:
    """A UDP datagram with the addresses of its packet."""

    source: IPv4Address
    source_port: int
    destination: IPv4Address
    destination_port: int
    payload: bytes


def decode_datagram(ip_packet: bytes, *, checksum_ready: bool = True) -> Datagram:
    """From an Ethernet payload, perhaps padded. Fragments are refused, IP options are skipped.

    `checksum_ready` False: the kernel said (TP_STATUS_CSUMNOTREADY) that the UDP checksum is still to be filled in,
    as it is for packets that have never left this machine.
    """
    if len(ip_packet) < _IP_HEADER.size:
        raise DecodeError(f"an IPv4 packet of {len(ip_packet)} octets")
    version_ihl, _, total, _, fragment, _, protocol, _, source, destination = _IP_HEADER.unpack_from(ip_packet)
    header = (version_ihl & 15) * 4
    if version_ihl >> 4 != 4 or header < _IP_HEADER.size:
        raise DecodeError(f"version and header length {version_ihl:#x}")
    if not header + _UDP_HEADER.size <= total <= len(ip_packet):
        raise DecodeError(f"total length {total}, header {header}, {len(ip_packet)} octets there")
    if fragment & _FRAGMENT:
        raise DecodeError("a fragment")
    if not checksum_holds(ip_packet[:header]):
        raise DecodeError("wrong IPv4 header checksum")
    if protocol != _PROTOCOL_UDP:
        raise DecodeError(f"IP protocol {protocol}")
    source_port, destination_port, length, checksum = _UDP_HEADER.unpack_from(ip_packet, header)
    if not _UDP_HEADER.size <= length <= total - header:
        raise DecodeError(f"UDP length {length} in {total - header} octets")
    segment = ip_packet[header : header + length]
    if checksum and checksum_ready:
        pseudo = _PSEUDO_HEADER.pack(source, destination, _PROTOCOL_UDP, length)
        if not checksum_holds(pseudo + segment):
            raise DecodeError("wrong UDP checksum")
    payload = segment[_UDP_HEADER.size :]
    return Datagram(ipv4_address(source), source_port, ipv4_address(destination), destination_port, payload)


def encode_datagram(datagram: Datagram) -> bytes:
    """The IP packet. ValueError if the payload exceeds PAYLOAD_MAX."""
    if len(datagram.payload) > PAYLOAD_MAX:
        raise ValueError(f"a payload of {len(datagram.payload)} octets")
    source, destination = datagram.source.packed, datagram.destination.packed
    length = _UDP_HEADER.size + len(datagram.payload)
    pseudo = _PSEUDO_HEADER.pack(source, destination, _PROTOCOL_UDP, length)
    ports = datagram.source_port, datagram.destination_port
    # Zero would mean "no checksum"; its other form in ones' complement is sent instead (RFC 768).
    checksum = internet_checksum(pseudo + _UDP_HEADER.pack(*ports, length, 0) + datagram.payload) or 0xFFFF
    # Never fragmented, therefore the identification may be zero (RFC 6864 section 4.1).
    start = _IP_START.pack(0x45, 0, _IP_HEADER.size + length, 0, _DO_NOT_FRAGMENT, TTL, _PROTOCOL_UDP)
    ends = source + destination
    header = start + internet_checksum(start + ends).to_bytes(2, "big") + ends
    return header + _UDP_HEADER.pack(*ports, length, checksum) + datagram.payload
