"""The options of neighbour discovery messages: type, length in units of eight octets, body (RFC 4861, and what its
successors added: RFC 4191, RFC 8106, RFC 8781, RFC 8910)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from sroamd.addresses import Mac
from sroamd.wire.cursor import DecodeError, Reader
from sroamd.wire.domains import decode_domains, encode_domains

SOURCE_LINK_LAYER = 1
TARGET_LINK_LAYER = 2
PREFIX_INFORMATION = 3
MTU = 5
ROUTE_INFORMATION = 24
RDNSS = 25
DNSSL = 31
CAPTIVE_PORTAL = 37
PREF64 = 38

INFINITE_LIFETIME = 0xFFFFFFFF
OPTION_BODY_MAX = 255 * 8 - 2  # octets: the length is one octet
OPTIONS_MAX = 32  # in one message: nobody has more to say, and each costs time
NAT64_LENGTHS = (96, 64, 56, 48, 40, 32)  # by their code (RFC 8781 section 4)
NAT64_LIFETIME_UNIT = 8  # s
NAT64_LIFETIME_MAX = 8191 * NAT64_LIFETIME_UNIT  # 13 bits

_PREFIX = struct.Struct("!BBII4x16s")
_LIFETIME = struct.Struct("!2xI")
_ROUTE = struct.Struct("!BBI")
_NAT64 = struct.Struct("!H12s")
_PREFERENCES = {0: "medium", 1: "high", 3: "low"}  # RFC 4191 section 2.1; 2 is reserved
_ON_LINK, _AUTONOMOUS = 0x80, 0x40


@dataclass(frozen=True, slots=True)
class PrefixInformation:
    """Lifetimes in seconds, INFINITE_LIFETIME for ever."""

    prefix: IPv6Network
    on_link: bool
    autonomous: bool
    valid: int
    preferred: int


@dataclass(frozen=True, slots=True)
class RouteInformation:
    """`preference`: "low", "medium" or "high"; `lifetime` in seconds."""

    prefix: IPv6Network
    preference: str
    lifetime: int


@dataclass(frozen=True, slots=True)
class Nat64Prefix:
    """`lifetime` in seconds, a multiple of 8 up to NAT64_LIFETIME_MAX."""

    prefix: IPv6Network
    lifetime: int


def split_options(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and body of each. Length zero, over which the C daemon loops for ever, is refused (RFC 4861 section 4.6),
    and so are more than OPTIONS_MAX."""
    at, end, count = 0, len(octets), 0
    while at < end:
        count += 1
        if count > OPTIONS_MAX:
            raise DecodeError(f"more than {OPTIONS_MAX} options")
        # A type without a length falls under the same refusal as a length that is too long.
        size = octets[at + 1] * 8 if at + 1 < end else end + 1
        if size == 0:
            raise DecodeError("an option of length zero")
        if at + size > end:
            raise DecodeError(f"option {octets[at]} runs over the end")
        yield octets[at], octets[at + 2 : at + size]
        at += size


def encode_option(kind: int, body: bytes) -> bytes:
    """Padded with zeros to a multiple of eight octets. ValueError if the body exceeds OPTION_BODY_MAX."""
    if len(body) > OPTION_BODY_MAX:
        raise ValueError(f"an option of {len(body)} octets")
    units = (len(body) + 2 + 7) // 8
    return (bytes((kind, units)) + body).ljust(units * 8, b"\0")


def find_link_layer(octets: bytes, option: int) -> Mac | None:
    """The Ethernet address in the `option` (source or target) among all options `octets`.

    Two that differ are refused: it would be open which of them somebody checks, and which somebody believes.
    """
    mac = None
    for kind, body in split_options(octets):
        if kind == option:
            mac = decode_link_layer(body, mac)
    return mac


def decode_link_layer(body: bytes, known: Mac | None) -> Mac:
    """One Ethernet address, which must be `known` if there is one already."""
    if len(body) != Mac.length:
        raise DecodeError(f"a link-layer address of {len(body)} octets")
    mac = Mac(body)
    if known is not None and known != mac:
        raise DecodeError("two link-layer addresses")
    return mac


def decode_prefix(body: bytes) -> PrefixInformation:
    """RFC 4861 section 4.6.2; the bits behind the prefix mean nothing."""
    if len(body) != _PREFIX.size:
        raise DecodeError(f"a prefix information of {len(body)} octets")
    length, flags, valid, preferred, address = _PREFIX.unpack(body)
    if length > 128:
        raise DecodeError(f"a prefix of {length} bits")
    prefix = IPv6Network((address, length), strict=False)
    return PrefixInformation(prefix, bool(flags & _ON_LINK), bool(flags & _AUTONOMOUS), valid, preferred)


def encode_prefix(information: PrefixInformation) -> bytes:
    """The whole option."""
    prefix = information.prefix
    flags = _ON_LINK * information.on_link | _AUTONOMOUS * information.autonomous
    address = prefix.network_address.packed
    body = _PREFIX.pack(prefix.prefixlen, flags, information.valid, information.preferred, address)
    return encode_option(PREFIX_INFORMATION, body)


def decode_mtu(body: bytes) -> int:
    """RFC 4861 section 4.6.4."""
    if len(body) != _LIFETIME.size:
        raise DecodeError(f"an MTU option of {len(body)} octets")
    return int(_LIFETIME.unpack(body)[0])


def encode_mtu(mtu: int) -> bytes:
    """The whole option."""
    return encode_option(MTU, _LIFETIME.pack(mtu))


def decode_rdnss(body: bytes) -> tuple[int, tuple[IPv6Address, ...]]:
    """Lifetime and name servers (RFC 8106 section 5.1)."""
    if len(body) < _LIFETIME.size + 16 or (len(body) - _LIFETIME.size) % 16:
        raise DecodeError(f"name servers in {len(body)} octets")
    addresses = (IPv6Address(body[at : at + 16]) for at in range(_LIFETIME.size, len(body), 16))
    return int(_LIFETIME.unpack_from(body)[0]), tuple(addresses)


def encode_rdnss(lifetime: int, addresses: tuple[IPv6Address, ...]) -> bytes:
    """The whole option."""
    return encode_option(RDNSS, _LIFETIME.pack(lifetime) + b"".join(address.packed for address in addresses))


def decode_search(body: bytes) -> tuple[int, tuple[str, ...]]:
    """Lifetime and search domains (RFC 8106 section 5.2)."""
    reader = Reader(body)
    reader.u16()  # reserved
    lifetime = reader.u32()
    return lifetime, decode_domains(reader.rest())


def encode_search(lifetime: int, domains: tuple[str, ...]) -> bytes:
    """The whole option. ValueError if a domain is not one."""
    return encode_option(DNSSL, _LIFETIME.pack(lifetime) + encode_domains(domains))


def decode_route(body: bytes) -> RouteInformation:
    """RFC 4191 section 2.3: as much of the prefix as its length needs, or more. A reserved preference is refused, since
    such an option is to be ignored."""
    if len(body) not in (_ROUTE.size, _ROUTE.size + 8, _ROUTE.size + 16):
        raise DecodeError(f"a route information of {len(body)} octets")
    length, flags, lifetime = _ROUTE.unpack_from(body)
    preference = _PREFERENCES.get(flags >> 3 & 3)
    address = body[_ROUTE.size :]
    if preference is None or length > len(address) * 8:
        raise DecodeError(f"a route of {length} bits in {len(address)} octets, flags {flags:#x}")
    return RouteInformation(IPv6Network((address.ljust(16, b"\0"), length), strict=False), preference, lifetime)


def encode_route(route: RouteInformation) -> bytes:
    """The whole option. ValueError for an unknown preference."""
    bits = {name: bits for bits, name in _PREFERENCES.items()}.get(route.preference)
    if bits is None:
        raise ValueError(f"preference {route.preference!r}")
    length = route.prefix.prefixlen
    address = route.prefix.network_address.packed[: (length + 63) // 64 * 8]
    return encode_option(ROUTE_INFORMATION, _ROUTE.pack(length, bits << 3, route.lifetime) + address)


def decode_portal(body: bytes) -> str:
    """RFC 8910 section 2.3: the URI, zeros behind it."""
    uri = body.rstrip(b"\0")
    if not uri or not uri.isascii() or b"\0" in uri:
        raise DecodeError("a captive portal without a URI")
    return uri.decode("ascii")


def encode_portal(uri: str) -> bytes:
    """The whole option."""
    return encode_option(CAPTIVE_PORTAL, uri.encode("ascii"))


def decode_nat64(body: bytes) -> Nat64Prefix:
    """RFC 8781 section 4."""
    if len(body) != _NAT64.size:
        raise DecodeError(f"a PREF64 of {len(body)} octets")
    scaled, address = _NAT64.unpack(body)
    code = scaled & 7
    if code >= len(NAT64_LENGTHS):
        raise DecodeError(f"prefix length code {code}")
    prefix = IPv6Network((address.ljust(16, b"\0"), NAT64_LENGTHS[code]), strict=False)
    return Nat64Prefix(prefix, (scaled >> 3) * NAT64_LIFETIME_UNIT)


def encode_nat64(nat64: Nat64Prefix) -> bytes:
    """The whole option; a lifetime that is no multiple of 8 s is rounded up. ValueError for another prefix length."""
    scaled = min(-(-nat64.lifetime // NAT64_LIFETIME_UNIT), NAT64_LIFETIME_MAX // NAT64_LIFETIME_UNIT)
    code = NAT64_LENGTHS.index(nat64.prefix.prefixlen)
    return encode_option(PREF64, _NAT64.pack(scaled << 3 | code, nat64.prefix.network_address.packed[:12]))
