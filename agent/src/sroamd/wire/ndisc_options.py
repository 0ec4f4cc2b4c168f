"""The options of neighbour discovery messages: type, length in units of eight octets, body (RFC 4861, RFC 8106)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network

from sroamd.addresses import Mac
from sroamd.wire.cursor import DecodeError, Reader

SOURCE_LINK_LAYER = 1
TARGET_LINK_LAYER = 2
PREFIX_INFORMATION = 3
MTU = 5
RDNSS = 25
DNSSL = 31

INFINITE_LIFETIME = 0xFFFFFFFF
OPTION_BODY_MAX = 255 * 8 - 2  # octets: the length is one octet
DOMAIN_MAX = 253  # characters of a domain name as written (RFC 1035 section 2.3.4: 255 octets on the wire)
LABEL_MAX = 63

_PREFIX = struct.Struct("!BBII4x16s")
_LIFETIME = struct.Struct("!2xI")
_ON_LINK, _AUTONOMOUS = 0x80, 0x40


@dataclass(frozen=True, slots=True)
class PrefixInformation:
    """Lifetimes in seconds, INFINITE_LIFETIME for ever."""

    prefix: IPv6Network
    on_link: bool
    autonomous: bool
    valid: int
    preferred: int


def split_options(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and body of each. Length zero, over which the C daemon loops for ever, is refused (RFC 4861 section 4.6)."""
    at, end = 0, len(octets)
    while at < end:
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
    """Lifetime and search domains (RFC 8106 section 5.2: as in RFC 1035 section 3.1, no compression, zeros behind)."""
    reader = Reader(body)
    reader.u16()  # reserved
    lifetime = reader.u32()
    domains: list[str] = []
    labels: list[str] = []
    while reader.remaining:
        length = reader.u8()
        if length:
            labels.append(_decode_label(reader, length))
        elif labels:
            domains.append(_checked_domain(labels))
            labels = []
    if labels or not domains:
        raise DecodeError("a search domain without an end, or none")
    return lifetime, tuple(domains)


def _decode_label(reader: Reader, length: int) -> str:
    if length > LABEL_MAX:
        raise DecodeError(f"a label of {length} octets")
    label = reader.take(length)
    if not label.isascii() or b"." in label:
        raise DecodeError("a label that is not of a domain name")
    return label.decode("ascii")


def _checked_domain(labels: list[str]) -> str:
    domain = ".".join(labels)
    if len(domain) > DOMAIN_MAX:
        raise DecodeError(f"a domain of {len(domain)} characters")
    return domain


def encode_search(lifetime: int, domains: tuple[str, ...]) -> bytes:
    """The whole option. ValueError if a domain is not one: ASCII, labels of 1 to 63 octets, 253 in all."""
    return encode_option(DNSSL, _LIFETIME.pack(lifetime) + b"".join(map(_encode_domain, domains)))


def _encode_domain(domain: str) -> bytes:
    labels = [label.encode("ascii") for label in domain.removesuffix(".").split(".")]
    if len(domain.removesuffix(".")) > DOMAIN_MAX or not all(1 <= len(label) <= LABEL_MAX for label in labels):
        raise ValueError(f"{domain!r} is not a domain")
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
