"""Permits as elements of the source guard's sets (guard_rules), and back.

A permit stands in several sets, since a rule of nftables can look an address up but not compare two fields of a packet.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from sroamd.addresses import Mac
from sroamd.core.values import Permit
from sroamd.io.nfnetlink import ARP, INET

_LINK_LOCAL = bytes.fromhex("fe80000000000000")
_NO_ADDRESS = bytes(4)
_NAME = 16  # octets of an interface's name in a key
_MAC = 8  # octets of a MAC in a key, two of them padding

# The sets that permits stand in, by (family, name), and those of which a key says which permit it is of.
SETS = {
    INET: ("stations", "ipv4", "ipv6", "nd_targets", "nd_macs"),
    ARP: ("stations", "senders"),
}
WHOLE = ((INET, "stations"), (INET, "ipv4"), (INET, "ipv6"))


def elements_of(permit: Permit) -> Iterator[tuple[int, str, bytes]]:
    """(family, set, key) of each element."""
    mac = permit.station + bytes(2)
    source = permit.interface.encode().ljust(_NAME, b"\0") + mac
    match permit.prefix:
        case None:
            yield INET, "stations", source
            yield INET, "nd_macs", source + mac
            yield INET, "nd_targets", source + _LINK_LOCAL
            yield ARP, "stations", source
            yield ARP, "senders", source + mac + _NO_ADDRESS
        case IPv4Network(network_address=address):
            yield INET, "ipv4", source + address.packed
            yield ARP, "senders", source + mac + address.packed
        case IPv6Network(network_address=first):
            yield INET, "ipv6", source + first.packed
            yield INET, "nd_targets", source + first.packed[:8]


def permit_of(name: str, key: bytes) -> Permit:
    """The permit whose key in one of the `WHOLE` sets this is."""
    interface = key[:_NAME].rstrip(b"\0").decode(errors="replace")
    station, rest = Mac(key[_NAME : _NAME + Mac.length]), key[_NAME + _MAC :]
    match name:
        case "ipv4":
            return Permit(interface, station, IPv4Network((rest, 32)))
        case "ipv6":
            return Permit(interface, station, IPv6Network((rest, 64)))
        case _:
            return Permit(interface, station)


def words_of(name: str, key: bytes) -> str:
    """A key of the set in the words of nft(8)."""
    interface, station = key[:_NAME].rstrip(b"\0").decode(errors="replace"), Mac(key[_NAME : _NAME + Mac.length])
    rest = key[_NAME + _MAC :]
    match name:
        case "ipv4":
            last = [str(IPv4Address(rest))]
        case "ipv6":
            last = [str(IPv6Address(rest))]
        case "nd_targets":
            last = [f"0x{rest.hex()}"]
        case "nd_macs":
            last = [f"0x{rest[: Mac.length].hex()}"]
        case "senders":
            last = [str(Mac(rest[: Mac.length])), str(IPv4Address(rest[_MAC:]))]
        case _:
            last = []
    return " . ".join([f'"{interface}"', str(station), *last])


def station_of(key: bytes) -> Mac:
    """In a key of any set that begins with interface and station."""
    return Mac(key[_NAME : _NAME + Mac.length])
