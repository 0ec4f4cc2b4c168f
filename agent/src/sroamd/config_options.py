"""Readers of what stations are told beside their addresses: names, a portal, routes, DHCP options of any number.

As in `sroamd.config_values`: the raw value in, the typed one out, or `Refused`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from urllib.parse import urlsplit

from sroamd.config import DhcpOption, Ipv4Route, Ipv6Route
from sroamd.config_values import (
    Reader,
    Refused,
    boolean,
    choice,
    integer,
    ipv4,
    ipv4_network,
    ipv6_network,
    kind,
    many,
    suggestion,
    text,
)

URI_MAX = 255  # what option 114 holds; RFC 8910 section 2 asks not to tell longer ones by other means either
NO_PORTAL = "urn:ietf:params:capport:unrestricted"  # RFC 8910 section 2
NAT64_LENGTHS = (96, 64, 56, 48, 40, 32)  # RFC 6052 section 2.2
OPTION_VALUE_MAX = 255
# Options that the agent makes itself, or that mean something of one message or one station only.
OWN_OPTIONS = {
    0: "it is framing",
    1: "it follows from netmask",
    3: "it is network.ipv4_gateway",
    6: "set network.nameservers",
    12: "it is one station's",
    15: "set network.domain",
    26: "set network.mtu",
    42: "set network.ntp_servers",
    50: "a server does not send it",
    51: "set lease_time",
    52: "it is framing",
    53: "it is framing",
    54: "it is network.ipv4_gateway",
    55: "a server does not send it",
    57: "a server does not send it",
    58: "set renew_at",
    59: "set rebind_at",
    61: "it is one station's",
    80: "set rapid_commit",
    81: "it is one station's",
    82: "it is a relay's",
    108: "set ipv6_only",
    114: "set network.captive_portal",
    116: "set auto_configure",
    119: "set network.search",
    121: "set routes",
    255: "it is framing",
}

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?")


def fraction(value: object) -> float:
    """Of the lease time."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Refused(f"is {kind(value)}; write a fraction of lease_time like 0.5, without quotes")
    if not 0.1 <= value <= 0.95:
        raise Refused(f"{value} is out of range; write 0.1 to 0.95, a fraction of lease_time")
    return float(value)


def domain(value: object) -> str:
    """A domain name in lower case without the final dot (RFC 1035 section 2.3.1; RFC 5890 for others' letters)."""
    raw = text(value)
    name = raw.removesuffix(".").lower()
    if len(name) > 253 or not all(map(_LABEL.fullmatch, name.split("."))):
        raise Refused(f'"{raw}" is not a domain; write one like "example.org" (other letters in their xn-- form)')
    return name


def portal(value: object) -> str:
    """The API of a captive portal, or the URN that says that there is none (RFC 8910 section 2, RFC 8908 section 4)."""
    uri = text(value)
    if uri == NO_PORTAL:
        return uri
    if len(uri) > URI_MAX:
        raise Refused(f"is {len(uri)} octets long; write at most {URI_MAX}")
    try:
        parts = urlsplit(uri)
        is_usable = parts.scheme == "https" and bool(parts.hostname) and uri.isascii() and uri.isprintable()
    except ValueError:
        is_usable = False
    if not is_usable or " " in uri:
        raise Refused(
            f'"{uri}" is not the URL of a portal\'s API; write one that starts with https://, or "{NO_PORTAL}"'
        )
    return uri


def nat64_prefix(value: object) -> IPv6Network:
    """RFC 8781 section 4."""
    prefix = ipv6_network(value)
    if prefix.prefixlen not in NAT64_LENGTHS:
        raise Refused(f'{prefix} cannot be translated; write /96 (or /64, /56, /48, /40, /32), e.g. "64:ff9b::/96"')
    return prefix


def ipv4_route(value: object) -> Ipv4Route:
    """{ prefix = "10.0.0.0/8", via = "192.0.2.9" }; without `via` it is the gateway."""
    found = _table(value, {"prefix": ipv4_network, "via": ipv4}, '{ prefix = "10.0.0.0/8" }')
    prefix, via = found["prefix"], found.get("via")
    assert isinstance(prefix, IPv4Network)
    assert via is None or isinstance(via, IPv4Address)
    if not prefix.prefixlen:
        raise Refused("0.0.0.0/0 is the gateway's anyway; leave it out")
    return Ipv4Route(prefix, via)


def ipv6_route(value: object) -> Ipv6Route:
    """{ prefix = "2001:db8:1::/48", preference = "high" }, by way of the gateway (RFC 4191 section 2.3)."""
    readers = {"prefix": ipv6_network, "preference": choice("low", "medium", "high")}
    found = _table(value, readers, '{ prefix = "2001:db8:1::/48" }')
    prefix = found["prefix"]
    assert isinstance(prefix, IPv6Network)
    return Ipv6Route(prefix, str(found.get("preference", "medium")))


def dhcp_option(value: object) -> DhcpOption:
    """{ code = 66, text = "boot.example.org" }, and one of hex, addresses, u8, u16, u32 instead of text."""
    example = '{ code = 66, text = "boot.example.org" }'
    typed: dict[str, Reader[bytes]] = {
        "text": _text_value,
        "hex": _hex_value,
        "addresses": _addresses_value,
        "u8": _number_value(1),
        "u16": _number_value(2),
        "u32": _number_value(4),
    }
    found = _table(value, {"code": integer(0, 255), "always": boolean, **typed}, example)
    values = [one for key, one in found.items() if key in typed]
    if len(values) != 1:
        raise Refused(f"has {len(values)} values; write one of {', '.join(typed)}, as in {example}")
    code, octets = found["code"], values[0]
    assert isinstance(code, int)
    assert isinstance(octets, bytes)
    if code in OWN_OPTIONS:
        raise Refused(f"{code} is not free; {OWN_OPTIONS[code]}")
    if len(octets) > OPTION_VALUE_MAX:
        raise Refused(f"{code} has {len(octets)} octets; write at most {OPTION_VALUE_MAX}")
    return DhcpOption(code, octets, always=bool(found.get("always", False)))


def _text_value(value: object) -> bytes:
    return text(value).encode()


def _hex_value(value: object) -> bytes:
    raw = text(value)
    try:
        return bytes.fromhex(raw.replace(":", " "))
    except ValueError:
        raise Refused(f'"{raw}" is not hexadecimal; write pairs of digits like "01 04 c0 00 02 05"') from None


def _addresses_value(value: object) -> bytes:
    return b"".join(address.packed for address in many(ipv4, "IPv4 addresses")(value))


def _number_value(octets: int) -> Reader[bytes]:
    read = integer(0, (1 << 8 * octets) - 1)
    return lambda value: read(value).to_bytes(octets, "big")


def _table(value: object, readers: Mapping[str, Reader[object]], example: str) -> dict[str, object]:
    """A table whose first key has to be there; each value read by its reader."""
    if not isinstance(value, dict):
        raise Refused(f"is {kind(value)}; write a table like {example}")
    found: dict[str, object] = {}
    for key, raw in value.items():
        if key not in readers:
            raise Refused(f"unknown key {key}; {suggestion(key, readers)}")
        try:
            found[key] = readers[key](raw)
        except Refused as refusal:
            raise Refused(f"{key}: {refusal}") from None
    first = next(iter(readers))
    if first not in found:
        raise Refused(f"{first} is missing; write a table like {example}")
    return found
