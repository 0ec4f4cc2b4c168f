"""Babel (RFC 8966), as little of it as `io/babel.py` needs: whose Hello is this, and "send me your routes"."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from sroamd.wire.cursor import DecodeError, Reader

PORT = 6696
GROUP = "ff02::1:6"

_MAGIC, _VERSION = 42, 2
_PAD1, _HELLO, _IHU, _ROUTE_REQUEST = 0, 4, 5, 9
_WILDCARD, _IPV4, _IPV6, _LINK_LOCAL = 0, 1, 2, 3  # address encodings, section 4.1.4
_LINK_LOCAL_PREFIX = bytes.fromhex("fe80000000000000")
_INFINITY = 0xFFFF
_UNICAST = 0x8000
_CENTISECOND = 0.01
_HEADER = struct.Struct("!BBH")
_UDP_HEADER = struct.Struct("!HHHH")


@dataclass(frozen=True, slots=True)
class Said:
    """What a packet says of the link. `interval`: seconds until the next multicast Hello, None where there is no Hello.

    `hears`: of whose Hellos it speaks, by link-local address, and whether it hears them (IHU, section 4.6.6).
    """

    interval: float | None
    hears: tuple[tuple[IPv6Address, bool], ...]


def decode_packet(packet: bytes) -> Said:
    """RFC 8966 sections 4.2 and 4.6. What follows the body (a MAC, RFC 8967) is not looked at.

    DecodeError if it is no packet of Babel version 2.
    """
    reader = Reader(packet)
    if reader.u8() != _MAGIC or reader.u8() != _VERSION:
        raise DecodeError("no packet of Babel version 2")
    interval: float | None = None
    hears: list[tuple[IPv6Address, bool]] = []
    with reader.restrict(reader.u16()) as body:
        while body.remaining:
            kind = body.u8()
            if kind == _PAD1:
                continue
            tlv = body.restrict(body.u8())
            if kind == _HELLO:
                flags, _seqno, centiseconds = tlv.u16(), tlv.u16(), tlv.u16()
                if centiseconds and not flags & _UNICAST:
                    interval = centiseconds * _CENTISECOND
            elif kind == _IHU:
                encoding, _reserved, cost, _interval = tlv.u8(), tlv.u8(), tlv.u16(), tlv.u16()
                if encoding == _LINK_LOCAL:
                    hears.append((IPv6Address(_LINK_LOCAL_PREFIX + tlv.take(8)), cost != _INFINITY))
    return Said(interval, tuple(hears))


def encode_requests(addresses: Iterable[IPv4Address | IPv6Address] = ()) -> bytes:
    """Route requests (RFC 8966 section 4.6.10) for these addresses, and then with a wildcard for the whole table."""
    tlvs = b"".join(
        bytes(
            (_ROUTE_REQUEST, 2 + len(address.packed), _IPV4 if address.version == 4 else _IPV6, address.max_prefixlen)
        )
        + address.packed
        for address in addresses
    )
    tlvs += bytes((_ROUTE_REQUEST, 2, _WILDCARD, 0))
    return _HEADER.pack(_MAGIC, _VERSION, len(tlvs)) + tlvs


def encode_datagram(packet: bytes) -> bytes:
    """The packet behind a UDP header with both ports Babel's (section 4); the checksum is left to the sender: 0."""
    return _UDP_HEADER.pack(PORT, PORT, _UDP_HEADER.size + len(packet), 0) + packet


def decode_datagram(datagram: bytes) -> bytes:
    """What is behind the UDP header. DecodeError where there is not even a header."""
    reader = Reader(datagram)
    reader.take(_UDP_HEADER.size)
    return reader.rest()
