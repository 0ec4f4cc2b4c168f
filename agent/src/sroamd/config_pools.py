"""What is given to stations: how ranges and reservations are read, and what they must agree on.

As in `config_values`, a reader raises `Refused` with "what is wrong; what would be right".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Network
from typing import Any

from sroamd import config_values as values
from sroamd.addresses import Mac
from sroamd.config import AddressRange, Dhcp4Config, InterfaceConfig, NetworkConfig, Reservation
from sroamd.config_values import Refused
from sroamd.constants import HOSTNAME_MAX
from sroamd.spans import Spans

Finding = tuple[str, str]

CLIENT_ID_MIN, CLIENT_ID_MAX = 2, 135  # octets; as wire.dhcpv4 takes them


def ipv4_range(value: object) -> AddressRange:
    """From one address to another, or all of a prefix."""
    first, dash, last = values.text(value).partition("-")
    if not dash:
        network = values.ipv4_network(value)
        return network.network_address, network.broadcast_address
    begin, end = values.ipv4(first.strip()), values.ipv4(last.strip())
    if begin > end:
        raise Refused(f'"{value}" ends before it begins; write "{end}-{begin}"')
    return begin, end


def mac(value: object) -> Mac:
    """Six octets that one station can have."""
    raw = values.text(value)
    try:
        station = Mac.parse(raw)
    except ValueError:
        raise Refused(f'"{raw}" is no MAC; write 6 octets like "02:00:00:00:01:07"') from None
    if not station.is_station:
        raise Refused(f"{station} is no station's; write that of one, like 02:00:00:00:01:07")
    return station


def client_id(value: object) -> bytes:
    """Option 61 of DHCP: octets in hexadecimal with colons."""
    raw = values.text(value)
    pairs = raw.split(":")
    if not all(re.fullmatch("[0-9a-fA-F]{2}", pair) for pair in pairs):
        raise Refused(f'"{raw}" is no client identifier; write its octets like "01:02:00:00:00:01:07", type first')
    if not CLIENT_ID_MIN <= len(pairs) <= CLIENT_ID_MAX:
        raise Refused(f"has {len(pairs)} octets; a client identifier has {CLIENT_ID_MIN} to {CLIENT_ID_MAX}")
    return bytes.fromhex("".join(pairs))


def prefix(value: object) -> IPv6Network:
    """The /64 of one station."""
    network = values.any_network(value)
    if not isinstance(network, IPv6Network) or network.prefixlen != 64:
        raise Refused(f"{network} is no IPv6 /64; each station has one, like 2001:db8:44:7::/64")
    return network


def hostname(value: object) -> str:
    """Labels of RFC 1123 section 2.1, as much as is kept of a station's own name."""
    name = values.text(value)
    label = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    if not re.fullmatch(rf"{label}(\.{label})*", name) or len(name) > HOSTNAME_MAX:
        raise Refused(f"{name!r} is no host name; write at most {HOSTNAME_MAX} letters, digits, hyphens and dots")
    return name


RESERVATION: Mapping[str, Callable[[object], object]] = {
    "mac": mac,
    "client_id": client_id,
    "address": values.ipv4,
    "prefix": prefix,
    "hostname": hostname,
}


def check_pools(sections: Mapping[str, Any], _: tuple[InterfaceConfig, ...]) -> Iterator[Finding]:
    """Ranges and exclusions are within the prefix, and leave something of it."""
    dhcp4: Dhcp4Config | None = sections["dhcp4"]
    network: NetworkConfig | None = sections["network"]
    if dhcp4 is None or network is None:
        return
    whole = network.ipv4_prefix
    for first, last in dhcp4.ranges:
        if first not in whole or last not in whole:
            yield "dhcp4.ranges", f"{first}-{last} is not within network.ipv4_prefix {whole}; write what is"
    for excluded in dhcp4.exclude:
        if not excluded.overlaps(whole):
            where = f"{excluded} is outside network.ipv4_prefix {whole}"
            yield "dhcp4.exclude", f"{where} and excludes nothing; leave it out"
    if not addresses_of(network, dhcp4).size and not sections["reservations"]:
        instead = "exclude less" if dhcp4.exclude else "write larger ranges"
        key = "exclude" if dhcp4.exclude else "ranges"
        yield f"dhcp4.{key}", f"leaves no address of {whole} to stations; {instead}"


def addresses_of(network: NetworkConfig, dhcp4: Dhcp4Config) -> Spans:
    """The addresses, as numbers, that any station may get: without reservations."""
    whole = network.ipv4_prefix
    ours = (whole.network_address, network.ipv4_gateway, whole.broadcast_address)
    excluded = ((int(each[0]), int(each[-1])) for each in dhcp4.exclude)
    ranges = dhcp4.ranges or ((whole.network_address, whole.broadcast_address),)
    return Spans(
        ((int(first), int(last)) for first, last in ranges),
        without=(*((int(each), int(each)) for each in ours), *excluded),
    )


def check_reservations(sections: Mapping[str, Any], _: tuple[InterfaceConfig, ...]) -> Iterator[Finding]:
    network: NetworkConfig | None = sections["network"]
    taken: dict[Hashable, int] = {}
    for number, one in enumerate(sections["reservations"], 1):
        if one is None:
            continue
        where = f"reservation[#{number}]"
        if (one.mac is None) == (one.client_id is None):
            yield where, "names not just one of mac and client_id; write the one by which the station is known"
        if (one.address, one.prefix, one.hostname) == (None, None, None):
            yield where, "reserves nothing; write an address, a prefix or a hostname"
        if one.prefix is not None and one.mac is None:
            yield f"{where}.prefix", "needs mac; IPv6 knows no client_id"
        for name in ("mac", "client_id", "address", "prefix"):
            value = getattr(one, name)
            other = taken.setdefault((name, value), number) if value is not None else number
            if other != number:
                shown = value.hex(":") if isinstance(value, bytes) else value
                yield f"{where}.{name}", f"{shown} is in reservation #{other} too; each may be there once"
        if network is not None:
            yield from _outside(network, one, where)


def _outside(network: NetworkConfig, one: Reservation, where: str) -> Iterator[Finding]:
    whole = network.ipv4_prefix
    ours: dict[IPv4Address, str] = {
        whole.network_address: "the network address",
        whole.broadcast_address: "the broadcast address",
        network.ipv4_gateway: "the gateway",
    }
    if one.address in ours:
        yield f"{where}.address", f"{one.address} is {ours[one.address]}; write another of {whole}"
    elif one.address is not None and one.address not in whole:
        yield f"{where}.address", f"{one.address} is outside network.ipv4_prefix {whole}; write one within it"
    if one.prefix is not None and not one.prefix.subnet_of(network.ipv6_prefix):
        yield (
            f"{where}.prefix",
            f"{one.prefix} is outside network.ipv6_prefix {network.ipv6_prefix}; write one within it",
        )
