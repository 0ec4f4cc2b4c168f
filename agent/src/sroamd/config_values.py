"""Readers of single configuration values: from what TOML gave to what `sroamd.config` holds.

Each takes the raw value and returns the typed one, or raises `Refused` with "what is wrong; what would be right".
`sroamd.config_file` knows which key is read by which, and says where the value stood.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeVar

from sroamd.addresses import NodeId
from sroamd.config import IpAddress, IpNetwork

T = TypeVar("T")
Reader = Callable[[object], T]
Endpoint = tuple[str, int]

INTERFACE_NAME_MAX = 15  # IFNAMSIZ without its final zero
UNIX_PATH_MAX = 107  # sun_path without its final zero, unix(7)
NODE_NAME_MAX = 63  # octets; as much as a Hello carries


class Refused(ValueError):
    """The value cannot be used. The message reads "what is wrong; what would be right"."""


def suggestion(word: str, known: Iterable[str]) -> str:
    """What the writer of `word` may have meant, as the second half of a message."""
    known = sorted(known)
    near = get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"


def kind(value: object) -> str:
    """What TOML made of it, in words."""
    names = {bool: "a boolean", int: "a number", float: "a fraction", str: "a string", list: "a list", dict: "a table"}
    return names.get(type(value), f"a {type(value).__name__}")


def text(value: object) -> str:
    """A non-empty string."""
    if not isinstance(value, str):
        raise Refused(f"is {kind(value)}; write a string in quotes")
    if not value:
        raise Refused("is empty; leave the key out to have its default")
    return value


def boolean(value: object) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise Refused(f"is {kind(value)}; write true or false, without quotes")
    return value


def integer(low: int, high: int, unit: str = "") -> Reader[int]:
    """A whole number from `low` to `high`, both included."""
    span = f"{low} to {high}{' ' + unit if unit else ''}"

    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Refused(f"is {kind(value)}; write a whole number, {span}, without quotes")
        if not low <= value <= high:
            raise Refused(f"{value} is out of range; write {span}")
        return value

    return read


def choice(*allowed: str) -> Reader[str]:
    """One of these words."""
    known = " or ".join(f'"{word}"' for word in allowed)

    def read(value: object) -> str:
        word = text(value)
        if word not in allowed:
            raise Refused(f'"{word}" is not known; write {known}')
        return word

    return read


def many(item: Reader[T], noun: str, most: int | None = None) -> Reader[tuple[T, ...]]:
    """A list of `most` at most, each member read by `item`, no two alike."""

    def read(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise Refused(f"is {kind(value)}; write a list of {noun}, in brackets")
        if most is not None and len(value) > most:
            raise Refused(f"has {len(value)} {noun}; write {most} or fewer")
        found: list[T] = []
        for number, raw in enumerate(value, 1):
            try:
                one = item(raw)
            except Refused as refusal:
                raise Refused(f"item {number}: {refusal}") from None
            if one in found:
                raise Refused(f"item {number}: {raw} is there twice; name each once")
            found.append(one)
        return tuple(found)

    return read


def station_source(value: object) -> str:
    """Only hostapd says that a station is authorised; nl80211 announces it before it has proved anything."""
    word = text(value)
    if word != "hostapd":
        raise Refused(
            f'"{word}" is not supported; write "hostapd" (a station is here only when hostapd has authorised it)'
        )
    return word


def interface_name(value: object) -> str:
    """What the kernel would take (dev_valid_name)."""
    name = text(value)
    if len(name.encode()) > INTERFACE_NAME_MAX:
        raise Refused(f'"{name}" is too long; an interface name has at most {INTERFACE_NAME_MAX} octets')
    if name in {".", ".."} or any(char in "/:" or char.isspace() or not char.isprintable() for char in name):
        raise Refused(f"{name!r} is not an interface name; no spaces, slashes or colons")
    return name


def node_name(value: object) -> str:
    """For people; flooded, so it fits a Hello."""
    name = text(value)
    if len(name.encode()) > NODE_NAME_MAX:
        raise Refused(f"is too long; at most {NODE_NAME_MAX} octets")
    if not name.isprintable() or " " in name:
        raise Refused(f"{name!r} has spaces or control characters; write the machine's short name")
    return name


def node_id(value: object) -> NodeId:
    """Eight octets in hexadecimal with colons."""
    raw = text(value)
    try:
        parsed = NodeId.parse(raw)
    except ValueError:
        raise Refused(f'"{raw}" is not a node id; write 8 octets like "02:00:00:ff:fe:00:00:01"') from None
    if not any(parsed):
        raise Refused("is all zero; leave the key out and the node makes one itself")
    return parsed


def directory(value: object) -> str:
    """An absolute path."""
    path = text(value)
    if not path.startswith("/") or "\0" in path:
        raise Refused(f"{path!r} is not an absolute path; start it with /")
    return path


def socket_path(value: object) -> str:
    """An absolute path short enough for a UNIX socket."""
    path = directory(value)
    if len(path.encode()) > UNIX_PATH_MAX:
        raise Refused(f"is {len(path.encode())} octets long; a socket's path has at most {UNIX_PATH_MAX}")
    return path


def _address(value: object, wanted: type[IPv4Address] | type[IPv6Address] | None, example: str) -> IpAddress:
    raw = text(value)
    try:
        parsed = wanted(raw) if wanted else ip_address(raw)
    except ValueError:
        raise Refused(f'"{raw}" is not {_family(wanted)} address; write one like "{example}"') from None
    if parsed.is_multicast or parsed.is_unspecified or parsed.is_loopback or parsed == IPv4Address(0xFFFFFFFF):
        raise Refused(f"{parsed} is no machine's own address; write one like {example}")
    return parsed


def _family(wanted: type[IPv4Address] | type[IPv6Address] | None) -> str:
    return {IPv4Address: "an IPv4", IPv6Address: "an IPv6"}.get(wanted, "an IP") if wanted else "an IP"


def ipv4(value: object) -> IPv4Address:
    """A unicast IPv4 address."""
    address = _address(value, IPv4Address, "192.0.2.1")
    assert isinstance(address, IPv4Address)
    return address


def ipv6(value: object) -> IPv6Address:
    """A unicast IPv6 address without a zone; link-local or not is for the caller to judge."""
    address = _address(value, IPv6Address, "2001:db8::1")
    assert isinstance(address, IPv6Address)
    if address.scope_id:
        raise Refused(f"{address} names an interface; leave out %{address.scope_id}")
    return address


def any_address(value: object) -> IpAddress:
    """A unicast address of either family."""
    return _address(value, None, "192.0.2.53")


def _network(value: object, wanted: type[IPv4Network] | type[IPv6Network] | None, example: str) -> IpNetwork:
    raw = text(value)
    make = wanted or ip_network
    try:
        return make(raw)
    except ValueError:
        pass
    try:
        loose = make(raw, strict=False)
    except ValueError:
        raise Refused(f'"{raw}" is not a prefix; write one like "{example}"') from None
    raise Refused(f'"{raw}" has bits set beyond its length; write "{loose}"')


def ipv4_prefix(value: object) -> IPv4Network:
    """The stations' addresses: /24 or larger, so that a candidate is found at once and expired ones rest a while."""
    prefix = _network(value, IPv4Network, "192.0.2.0/24")
    assert isinstance(prefix, IPv4Network)
    if prefix.prefixlen > 24:
        raise Refused(f"{prefix} is too small; write /24 or a larger pool, e.g. {prefix.supernet(new_prefix=24)}")
    if prefix.prefixlen < 8:
        raise Refused(f"{prefix} is too large; write /8 to /24")
    if prefix.is_multicast or prefix.is_loopback or prefix.is_link_local or prefix.network_address.is_unspecified:
        raise Refused(f"{prefix} is not for stations' addresses; write one like 192.0.2.0/24")
    return prefix


def ipv6_prefix(value: object) -> IPv6Network:
    """Each station gets a /64 of it (RFC 8273): /56 or shorter has at least 256."""
    prefix = _network(value, IPv6Network, "2001:db8:44::/48")
    assert isinstance(prefix, IPv6Network)
    if prefix.prefixlen > 56:
        shorter = prefix.supernet(new_prefix=56)
        raise Refused(f"{prefix} is too small, each station gets a /64; write /56 or shorter, e.g. {shorter}")
    if prefix.prefixlen < 16:
        raise Refused(f"{prefix} is too large; write /16 to /56")
    if prefix.is_multicast or prefix.is_link_local or prefix.network_address.is_unspecified:
        raise Refused(f"{prefix} is not for stations' addresses; write one like 2001:db8:44::/48")
    return prefix


def ipv4_network(value: object) -> IPv4Network:
    """Any IPv4 prefix; a lone address is a /32."""
    network = _network(value, IPv4Network, "192.0.2.0/28")
    assert isinstance(network, IPv4Network)
    return network


def ipv6_network(value: object) -> IPv6Network:
    """Any IPv6 prefix."""
    network = _network(value, IPv6Network, "2001:db8:1::/48")
    assert isinstance(network, IPv6Network)
    return network


def any_network(value: object) -> IpNetwork:
    """A prefix of either family; a lone address is a host's."""
    return _network(value, None, "10.255.0.0/24")


def _endpoint(value: object) -> tuple[IpAddress, int]:
    raw = text(value)
    host, colon, port = raw.rpartition(":")
    example = '"10.255.0.2:4444" or "[2001:db8::b]:4444"'
    if not colon or not port.isascii() or not port.isdigit():
        raise Refused(f'"{raw}" has no port; write {example}')
    if not 1 <= int(port) <= 65535:
        raise Refused(f"port {port} does not exist; write 1 to 65535")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        raise Refused(f'"{raw}" has no address before its port; write {example}, names are not looked up') from None
    if bracketed != (address.version == 6):
        raise Refused(f'"{raw}": brackets are for IPv6, and IPv6 needs them; write {example}')
    return address, int(port)


def listen_endpoint(value: object) -> Endpoint:
    """Where to listen; an unspecified address means all."""
    address, port = _endpoint(value)
    if address.is_multicast:
        raise Refused(f"{address} is a group's address; write [::]:{port} for all of this machine's")
    return str(address), port


def peer_endpoint(value: object) -> Endpoint:
    """Whom to dial. A link-local address needs its interface."""
    address, port = _endpoint(value)
    if address.is_multicast or address.is_unspecified:
        raise Refused(f"{address} is no machine's own address; write the peer's router address")
    if isinstance(address, IPv6Address) and address.is_link_local and not address.scope_id:
        raise Refused(f"{address} is link-local; name the interface too, as in [{address}%bb0]:{port}")
    return str(address), port
