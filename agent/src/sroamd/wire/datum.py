"""What the keys and values of the flooded database look like. The first octet of a key is its type.

    type  key             value
    0     IPv4 address    the MAC that holds the lease
    1     /64 (8 octets)  the MAC that holds the lease
    2     MAC             the node id where the station is, or nothing: it is gone
    128   node id         what there is to know of the node (`NodeRecord`), or nothing
    129   MAC, node id    why the node claims the station against others (`Evidence`), or nothing: no longer
    130   node id         the link-local addresses of the node's backbone interfaces, 16 octets each, or nothing
    131   MAC             what the station calls itself, octets of its choice, or nothing

Types that we do not know are flooded on untouched, as the C daemon does with those from 128 on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from sroamd.addresses import Mac, NodeId
from sroamd.constants import HOSTNAME_MAX
from sroamd.wire.cursor import DecodeError, Reader

IPV4_LEASE = 0
IPV6_LEASE = 1
ASSOCIATION = 2
NODE = 128
EVIDENCE = 129
LINKS = 130
HOSTNAME = 131

NODE_NAME_MAX = 63  # octets of UTF-8, as in a Hello
LINKS_MAX = 12  # link-local addresses of one node: what fits an Update

_KEY_LENGTH = {IPV4_LEASE: 5, IPV6_LEASE: 9, ASSOCIATION: 7, NODE: 9, EVIDENCE: 15, LINKS: 9, HOSTNAME: 7}
_IPV6_LEASE_BITS = 64
_NO_IPV4 = bytes(4)
_NO_IPV6 = bytes(16)
_EVIDENCE_VERSION = 1
_U16_MAX, _U32_MAX = 0xFFFF, 0xFFFFFFFF


def ipv4_lease_key(address: IPv4Address) -> bytes:
    """5 octets."""
    return bytes((IPV4_LEASE,)) + address.packed


def ipv6_lease_key(prefix: IPv6Network) -> bytes:
    """9 octets. ValueError if the prefix is not a /64."""
    if prefix.prefixlen != _IPV6_LEASE_BITS:
        raise ValueError(f"{prefix} is not a /{_IPV6_LEASE_BITS}")
    return bytes((IPV6_LEASE,)) + prefix.network_address.packed[:8]


def association_key(station: Mac) -> bytes:
    """7 octets."""
    return bytes((ASSOCIATION,)) + station


def node_key(node: NodeId) -> bytes:
    """9 octets."""
    return bytes((NODE,)) + node


def links_key(node: NodeId) -> bytes:
    """9 octets."""
    return bytes((LINKS,)) + node


def evidence_key(station: Mac, node: NodeId) -> bytes:
    """15 octets."""
    return bytes((EVIDENCE,)) + station + node


def hostname_key(station: Mac) -> bytes:
    """7 octets."""
    return bytes((HOSTNAME,)) + station


def _check_key(key: bytes, *types: int) -> None:
    if not key or key[0] not in types or len(key) != _KEY_LENGTH[key[0]]:
        raise DecodeError(f"{key.hex()} is no key of type {' or '.join(map(str, types))}")


# Nearly every step of a lease asks for it, and the ipaddress module takes microseconds. As many as an AP has at hand.
@lru_cache(maxsize=8192)
def lease_prefix(key: bytes) -> IPv4Network | IPv6Network:
    """What the lease routes: a /32 or a /64. DecodeError if this is not the key of a lease."""
    _check_key(key, IPV4_LEASE, IPV6_LEASE)
    if key[0] == IPV4_LEASE:
        return IPv4Network((key[1:], 32))
    return IPv6Network((key[1:] + bytes(8), _IPV6_LEASE_BITS))


def association_station(key: bytes) -> Mac:
    """DecodeError if this is not the key of an association."""
    _check_key(key, ASSOCIATION)
    return Mac(key[1:])


def node_id(key: bytes) -> NodeId:
    """DecodeError if this is not the key of a node."""
    _check_key(key, NODE)
    return NodeId(key[1:])


def links_node(key: bytes) -> NodeId:
    """DecodeError if this is not the key of a node's link-local addresses."""
    _check_key(key, LINKS)
    return NodeId(key[1:])


def evidence_of(key: bytes) -> tuple[Mac, NodeId]:
    """The station, and the node that claims it. DecodeError if this is not the key of evidence."""
    _check_key(key, EVIDENCE)
    return Mac(key[1:7]), NodeId(key[7:])


def hostname_station(key: bytes) -> Mac:
    """DecodeError if this is not the key of a station's name."""
    _check_key(key, HOSTNAME)
    return Mac(key[1:])


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A node's name, and the unicast addresses at which other nodes reach it through the backbone."""

    name: str
    router_ipv4: IPv4Address | None
    router_ipv6: IPv6Address | None

    def encode(self) -> bytes:
        """u8 length, name, IPv4 address, IPv6 address (zero: none). ValueError if the name is too long."""
        name = self.name.encode()
        if len(name) > NODE_NAME_MAX:
            raise ValueError(f"a name of {len(name)} octets, {NODE_NAME_MAX} are allowed")
        ipv4 = self.router_ipv4.packed if self.router_ipv4 else _NO_IPV4
        ipv6 = self.router_ipv6.packed if self.router_ipv6 else _NO_IPV6
        return bytes((len(name),)) + name + ipv4 + ipv6

    @classmethod
    def decode(cls, value: bytes) -> NodeRecord:
        """The inverse of `encode`."""
        with Reader(value) as reader:
            name = reader.take(reader.u8())
            ipv4, ipv6 = reader.take(4), reader.take(16)
        if len(name) > NODE_NAME_MAX:
            raise DecodeError(f"a name of {len(name)} octets")
        try:
            text = name.decode()
        except UnicodeDecodeError as error:
            raise DecodeError("a name that is not UTF-8") from error
        return cls(
            text,
            IPv4Address(ipv4) if ipv4 != _NO_IPV4 else None,
            IPv6Address(ipv6) if ipv6 != _NO_IPV6 else None,
        )


def encode_links(addresses: Iterable[IPv6Address]) -> bytes:
    """In ascending order, each once, and no more than LINKS_MAX of them."""
    return b"".join(address.packed for address in sorted(set(addresses))[:LINKS_MAX])


def decode_links(value: bytes) -> tuple[IPv6Address, ...]:
    """The inverse of `encode_links`."""
    if len(value) % 16 or len(value) > 16 * LINKS_MAX:
        raise DecodeError(f"link-local addresses of {len(value)} octets")
    addresses = tuple(IPv6Address(value[at : at + 16]) for at in range(0, len(value), 16))
    if not all(address.is_link_local for address in addresses):
        raise DecodeError("an address that is not link-local")
    return addresses


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of a station that another node claims too: what this node has asked it, and what it has answered.

    `began`: seconds before this version was made. `asked` and `answered` count the questions by ARP, by neighbour
    solicitation, and by POLL_STA.
    """

    rival: NodeId
    began: int
    claims: int
    rival_claims: int
    asked: tuple[int, int, int]
    answered: tuple[int, int, int]

    def encode(self) -> bytes:
        """29 octets: u8 version, node id of the rival, u32 began, then u16 each; cut to what fits."""
        counts = (self.claims, self.rival_claims, *self.asked, *self.answered)
        return b"".join(
            (
                bytes((_EVIDENCE_VERSION,)),
                self.rival,
                min(self.began, _U32_MAX).to_bytes(4, "big"),
                *(min(count, _U16_MAX).to_bytes(2, "big") for count in counts),
            )
        )

    @classmethod
    def decode(cls, value: bytes) -> Evidence:
        """The inverse of `encode`. DecodeError for another version too, which may be longer."""
        with Reader(value) as reader:
            version = reader.u8()
            if version != _EVIDENCE_VERSION:
                raise DecodeError(f"evidence of version {version}")
            rival, began = NodeId(reader.take(8)), reader.u32()
            claims, rival_claims, *counts = (reader.u16() for _ in range(8))
        asked_arp, asked_nd, asked_poll, arp, nd, poll = counts
        return cls(rival, began, claims, rival_claims, (asked_arp, asked_nd, asked_poll), (arp, nd, poll))


def check_datum(key: bytes, value: bytes) -> None:
    """DecodeError if the lengths are not those of the key's type. A type that we do not know may be anything."""
    if not key:
        raise DecodeError("an empty key")
    kind = key[0]
    length = _KEY_LENGTH.get(kind)
    if length is None:
        return
    if len(key) != length:
        raise DecodeError(f"a key of type {kind} with {len(key)} octets")
    if kind == NODE:
        if value:
            NodeRecord.decode(value)
    elif kind == EVIDENCE:
        if value and value[0] <= _EVIDENCE_VERSION:  # a later version is flooded on, as an unknown type is
            Evidence.decode(value)
    elif kind == LINKS:
        decode_links(value)
    elif kind == HOSTNAME:
        if len(value) > HOSTNAME_MAX:
            raise DecodeError(f"a host name of {len(value)} octets")
    elif kind == ASSOCIATION:
        if len(value) not in (0, 8):
            raise DecodeError(f"an association with a value of {len(value)} octets")
    elif len(value) != 6:
        raise DecodeError(f"a lease with a value of {len(value)} octets")
