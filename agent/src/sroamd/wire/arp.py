"""ARP for IPv4 over Ethernet (RFC 826), with the two special requests of RFC 5227."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

from sroamd.addresses import NO_MAC, Mac
from sroamd.wire.cursor import DecodeError

REQUEST = 1
REPLY = 2

_HARDWARE_ETHERNET = 1
_PROTOCOL_IPV4 = 0x0800
_PACKET = struct.Struct("!HHBBH6s4s6s4s")
_NO_IPV4 = IPv4Address(0)


@dataclass(frozen=True, slots=True)
class ArpPacket:
    """`operation` is REQUEST or REPLY."""

    operation: int
    sender_mac: Mac
    sender_ip: IPv4Address
    target_mac: Mac
    target_ip: IPv4Address


def decode_arp(data: bytes) -> ArpPacket:
    """From an Ethernet payload; padding after the 28 octets is ignored. Only requests and replies are ours."""
    if len(data) < _PACKET.size:
        raise DecodeError(f"an ARP packet of {len(data)} octets")
    hardware, protocol, hardware_length, protocol_length, operation, *addresses = _PACKET.unpack_from(data)
    if (hardware, protocol, hardware_length, protocol_length) != (_HARDWARE_ETHERNET, _PROTOCOL_IPV4, 6, 4):
        raise DecodeError("an ARP packet that is not about IPv4 over Ethernet")
    if operation not in (REQUEST, REPLY):
        raise DecodeError(f"ARP operation {operation}")
    sender_mac, sender_ip, target_mac, target_ip = addresses
    return ArpPacket(operation, Mac(sender_mac), IPv4Address(sender_ip), Mac(target_mac), IPv4Address(target_ip))


def encode_arp(packet: ArpPacket) -> bytes:
    """28 octets."""
    return _PACKET.pack(
        _HARDWARE_ETHERNET,
        _PROTOCOL_IPV4,
        6,
        4,
        packet.operation,
        packet.sender_mac,
        packet.sender_ip.packed,
        packet.target_mac,
        packet.target_ip.packed,
    )


def gratuitous(mac: Mac, ip: IPv4Address) -> ArpPacket:
    """An announcement (RFC 5227 section 2.3): a request about the sender's own address, so that caches follow."""
    return ArpPacket(REQUEST, mac, ip, NO_MAC, ip)


def probe(
    sender_mac: Mac, target_ip: IPv4Address, *, sender_ip: IPv4Address = _NO_IPV4, target_mac: Mac = NO_MAC
) -> ArpPacket:
    """Who has `target_ip`? With the defaults a probe that touches nobody's cache (RFC 5227 section 2.1.1).

    Asking a station whether it is still there needs a `sender_ip`: a probe without one, for the address that the
    station is just about to take, would look to it like a conflict.
    """
    return ArpPacket(REQUEST, sender_mac, sender_ip, target_mac, target_ip)
