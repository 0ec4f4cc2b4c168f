"""Neighbour discovery (RFC 4861) in IPv6: router and neighbour solicitations and advertisements.

What the RFC says to discard silently is a DecodeError here, and so are extension headers and fragments (RFC 6980) and
all other ICMPv6 types. Options that we do not use are skipped, `wire.ndisc_options` has the others.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any

from sroamd.addresses import Mac
from sroamd.wire import ndisc_options as option
from sroamd.wire.checksum import checksum_holds, internet_checksum
from sroamd.wire.cursor import DecodeError
from sroamd.wire.ndisc_options import Nat64Prefix, PrefixInformation, RouteInformation

__all__ = [
    "HOP_LIMIT",
    "Icmpv6Packet",
    "Message",
    "Nat64Prefix",
    "NeighborAdvertisement",
    "NeighborSolicitation",
    "PrefixInformation",
    "RouteInformation",
    "RouterAdvertisement",
    "RouterSolicitation",
    "decode_packet",
    "encode_packet",
]

HOP_LIMIT = 255  # proves that no router has forwarded the packet

_ROUTER_SOLICITATION = 133
_ROUTER_ADVERTISEMENT = 134
_NEIGHBOR_SOLICITATION = 135
_NEIGHBOR_ADVERTISEMENT = 136

_VERSION_6 = 6 << 28
_NEXT_HEADER_ICMPV6 = 58
_UNSPECIFIED = bytes(16)
_MULTICAST = 0xFF
_SOLICITED_NODE = bytes.fromhex("ff0200000000000000000001ff")

_IPV6_HEADER = struct.Struct("!IHBB16s16s")
_PSEUDO_HEADER = struct.Struct("!16s16sII")
_ICMPV6_HEADER = struct.Struct("!BBH")
_RA_FIELDS = struct.Struct("!BBHII")
_RS_FIELDS = struct.Struct("!4x")
_NS_FIELDS = struct.Struct("!4x16s")
_NA_FIELDS = struct.Struct("!B3x16s")
_MANAGED, _OTHER = 0x80, 0x40
_ROUTER, _SOLICITED, _OVERRIDE = 0x80, 0x40, 0x20


@dataclass(frozen=True, slots=True)
class RouterSolicitation:
    source_link_layer: Mac | None = None


@dataclass(frozen=True, slots=True)
class RouterAdvertisement:
    """`lifetime` in seconds, `reachable` and `retrans` in milliseconds (0: unspecified).

    `rdnss_lifetime`, seconds, is that of the name servers `rdnss` and of the search domains `search` (DNSSL).
    `captive_portal`: a URI; "" is none.
    """

    hop_limit: int
    managed: bool
    other: bool
    lifetime: int
    reachable: int = 0
    retrans: int = 0
    source_link_layer: Mac | None = None
    mtu: int | None = None
    prefixes: tuple[PrefixInformation, ...] = ()
    rdnss: tuple[IPv6Address, ...] = ()
    rdnss_lifetime: int = 0
    search: tuple[str, ...] = ()
    routes: tuple[RouteInformation, ...] = ()
    nat64: tuple[Nat64Prefix, ...] = ()
    captive_portal: str = ""


@dataclass(frozen=True, slots=True)
class NeighborSolicitation:
    target: IPv6Address
    source_link_layer: Mac | None = None


@dataclass(frozen=True, slots=True)
class NeighborAdvertisement:
    target: IPv6Address
    router: bool
    solicited: bool
    override: bool
    target_link_layer: Mac | None = None


Message = RouterSolicitation | RouterAdvertisement | NeighborSolicitation | NeighborAdvertisement


@dataclass(frozen=True, slots=True)
class Icmpv6Packet:
    source: IPv6Address
    destination: IPv6Address
    hop_limit: int
    message: Message


def decode_packet(ipv6_packet: bytes, *, checksum_ready: bool = True) -> Icmpv6Packet:
    """From an Ethernet payload, perhaps padded. `checksum_ready` as in `udp4.decode_datagram`."""
    if len(ipv6_packet) < _IPV6_HEADER.size:
        raise DecodeError(f"an IPv6 packet of {len(ipv6_packet)} octets")
    version, length, next_header, hop_limit, source, destination = _IPV6_HEADER.unpack_from(ipv6_packet)
    if version >> 28 != 6 or source[0] == _MULTICAST:
        raise DecodeError("not version 6, or from a multicast address")
    if next_header != _NEXT_HEADER_ICMPV6:
        raise DecodeError(f"next header {next_header}")
    if hop_limit != HOP_LIMIT:
        raise DecodeError(f"hop limit {hop_limit}")
    body = ipv6_packet[_IPV6_HEADER.size : _IPV6_HEADER.size + length]
    if len(body) != length or length < _ICMPV6_HEADER.size:
        raise DecodeError(f"payload length {length}, {len(body)} octets there")
    kind, code, _checksum = _ICMPV6_HEADER.unpack_from(body)
    decode = _DECODERS.get(kind)
    if decode is None:
        raise DecodeError(f"ICMPv6 type {kind} is not ours")
    if code != 0:
        raise DecodeError(f"code {code}")
    pseudo = _PSEUDO_HEADER.pack(source, destination, length, _NEXT_HEADER_ICMPV6)
    if checksum_ready and not checksum_holds(pseudo + body):
        raise DecodeError("wrong ICMPv6 checksum")
    message = decode(body[_ICMPV6_HEADER.size :], source, destination)
    return Icmpv6Packet(IPv6Address(source), IPv6Address(destination), hop_limit, message)


def _fields(layout: struct.Struct, content: bytes) -> tuple[Any, ...]:
    if len(content) < layout.size:
        raise DecodeError(f"{len(content)} octets behind the checksum, {layout.size} wanted")
    return layout.unpack_from(content)


def _source_link_layer(options: bytes, source: bytes) -> Mac | None:
    mac = option.find_link_layer(options, option.SOURCE_LINK_LAYER)
    if mac is not None and source == _UNSPECIFIED:
        raise DecodeError("a source link-layer address without a source address")
    return mac


def _decode_router_solicitation(content: bytes, source: bytes, _destination: bytes) -> RouterSolicitation:
    """RFC 4861 section 6.1.1."""
    _fields(_RS_FIELDS, content)
    return RouterSolicitation(_source_link_layer(content[_RS_FIELDS.size :], source))


def _decode_neighbor_solicitation(content: bytes, source: bytes, destination: bytes) -> NeighborSolicitation:
    """RFC 4861 section 7.1.1."""
    (target,) = _fields(_NS_FIELDS, content)
    if target[0] == _MULTICAST:
        raise DecodeError("a multicast target")
    if source == _UNSPECIFIED and not destination.startswith(_SOLICITED_NODE):
        raise DecodeError("neither a source address nor a solicited-node destination")
    return NeighborSolicitation(IPv6Address(target), _source_link_layer(content[_NS_FIELDS.size :], source))


def _decode_neighbor_advertisement(content: bytes, _source: bytes, destination: bytes) -> NeighborAdvertisement:
    """RFC 4861 section 7.1.2."""
    flags, target = _fields(_NA_FIELDS, content)
    if target[0] == _MULTICAST:
        raise DecodeError("a multicast target")
    if destination[0] == _MULTICAST and flags & _SOLICITED:
        raise DecodeError("a solicited advertisement to a multicast address")
    mac = option.find_link_layer(content[_NA_FIELDS.size :], option.TARGET_LINK_LAYER)
    return NeighborAdvertisement(
        IPv6Address(target), bool(flags & _ROUTER), bool(flags & _SOLICITED), bool(flags & _OVERRIDE), mac
    )


def _decode_router_advertisement(content: bytes, source: bytes, _destination: bytes) -> RouterAdvertisement:
    """RFC 4861 section 6.1.2. Of several name server or search options the shortest lifetime holds for all."""
    if source[0] != 0xFE or source[1] & 0xC0 != 0x80:
        raise DecodeError("an advertisement not from a link-local address")
    hop_limit, flags, lifetime, reachable, retrans = _fields(_RA_FIELDS, content)
    mac: Mac | None = None
    mtu: int | None = None
    prefixes: list[PrefixInformation] = []
    servers: list[IPv6Address] = []
    domains: list[str] = []
    lifetimes: list[int] = []
    routes: list[RouteInformation] = []
    nat64: list[Nat64Prefix] = []
    portal = ""
    for kind, body in option.split_options(content[_RA_FIELDS.size :]):
        if kind == option.SOURCE_LINK_LAYER:
            mac = option.decode_link_layer(body, mac)
        elif kind == option.MTU:
            mtu = option.decode_mtu(body)
        elif kind == option.PREFIX_INFORMATION:
            prefixes.append(option.decode_prefix(body))
        elif kind == option.RDNSS:
            seconds, more_servers = option.decode_rdnss(body)
            lifetimes.append(seconds)
            servers.extend(more_servers)
        elif kind == option.DNSSL:
            seconds, more_domains = option.decode_search(body)
            lifetimes.append(seconds)
            domains.extend(more_domains)
        elif kind == option.ROUTE_INFORMATION:
            routes.append(option.decode_route(body))
        elif kind == option.PREF64:
            nat64.append(option.decode_nat64(body))
        elif kind == option.CAPTIVE_PORTAL:
            portal = option.decode_portal(body)
    return RouterAdvertisement(
        hop_limit=hop_limit,
        managed=bool(flags & _MANAGED),
        other=bool(flags & _OTHER),
        lifetime=lifetime,
        reachable=reachable,
        retrans=retrans,
        source_link_layer=mac,
        mtu=mtu,
        prefixes=tuple(prefixes),
        rdnss=tuple(servers),
        rdnss_lifetime=min(lifetimes, default=0),
        search=tuple(domains),
        routes=tuple(routes),
        nat64=tuple(nat64),
        captive_portal=portal,
    )


_DECODERS: dict[int, Callable[[bytes, bytes, bytes], Message]] = {
    _ROUTER_SOLICITATION: _decode_router_solicitation,
    _ROUTER_ADVERTISEMENT: _decode_router_advertisement,
    _NEIGHBOR_SOLICITATION: _decode_neighbor_solicitation,
    _NEIGHBOR_ADVERTISEMENT: _decode_neighbor_advertisement,
}


def encode_packet(source: IPv6Address, destination: IPv6Address, message: Message) -> bytes:
    """The IPv6 packet, hop limit 255, checksum filled in."""
    kind, content = _encode_message(message)
    length = _ICMPV6_HEADER.size + len(content)
    pseudo = _PSEUDO_HEADER.pack(source.packed, destination.packed, length, _NEXT_HEADER_ICMPV6)
    checksum = internet_checksum(pseudo + _ICMPV6_HEADER.pack(kind, 0, 0) + content)
    header = _IPV6_HEADER.pack(_VERSION_6, length, _NEXT_HEADER_ICMPV6, HOP_LIMIT, source.packed, destination.packed)
    return header + _ICMPV6_HEADER.pack(kind, 0, checksum) + content


def _encode_message(message: Message) -> tuple[int, bytes]:
    """Type, and everything behind the checksum."""
    match message:
        case RouterSolicitation(mac):
            return _ROUTER_SOLICITATION, _RS_FIELDS.pack() + _encode_link_layer(option.SOURCE_LINK_LAYER, mac)
        case RouterAdvertisement():
            return _ROUTER_ADVERTISEMENT, _encode_router_advertisement(message)
        case NeighborSolicitation(target, mac):
            content = _NS_FIELDS.pack(target.packed) + _encode_link_layer(option.SOURCE_LINK_LAYER, mac)
            return _NEIGHBOR_SOLICITATION, content
        case NeighborAdvertisement(target, router, solicited, override, mac):
            flags = _ROUTER * router | _SOLICITED * solicited | _OVERRIDE * override
            content = _NA_FIELDS.pack(flags, target.packed) + _encode_link_layer(option.TARGET_LINK_LAYER, mac)
            return _NEIGHBOR_ADVERTISEMENT, content


def _encode_link_layer(kind: int, mac: Mac | None) -> bytes:
    return b"" if mac is None else option.encode_option(kind, mac)


def _encode_router_advertisement(message: RouterAdvertisement) -> bytes:
    flags = _MANAGED * message.managed | _OTHER * message.other
    parts = [
        _RA_FIELDS.pack(message.hop_limit, flags, message.lifetime, message.reachable, message.retrans),
        _encode_link_layer(option.SOURCE_LINK_LAYER, message.source_link_layer),
    ]
    if message.mtu is not None:
        parts.append(option.encode_mtu(message.mtu))
    parts.extend(map(option.encode_prefix, message.prefixes))
    if message.rdnss:
        parts.append(option.encode_rdnss(message.rdnss_lifetime, message.rdnss))
    if message.search:
        parts.append(option.encode_search(message.rdnss_lifetime, message.search))
    parts.extend(map(option.encode_route, message.routes))
    parts.extend(map(option.encode_nat64, message.nat64))
    if message.captive_portal:
        parts.append(option.encode_portal(message.captive_portal))
    return b"".join(parts)
