"""The places of a pool, and the order in which each station tries them.

A pool holds addresses (each a /32) or prefixes (each a /64), in ascending order, and 2^k places for them, the fewest
that suffice. The walk of a station is decided by network, number of places and MAC alone: place number i is
(start + i * step) mod 2^k, where start and step come from SHA-256(network, MAC) and step is odd, so that the walk meets
every place once. Nodes that see the same data so choose the same place for one station.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network

from sroamd.addresses import Mac
from sroamd.config import AddressRange, NetworkConfig
from sroamd.spans import Spans
from sroamd.wire.datum import IPV4_LEASE, IPV6_LEASE, ipv4_lease_key

STATION_PREFIX_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Walk:
    """One station's order of the `size` places; `size` is a power of two and `step` is odd."""

    size: int
    start: int
    step: int

    def __iter__(self) -> Iterator[int]:
        return ((self.start + number * self.step) % self.size for number in range(self.size))

    def number_of(self, place: int) -> int:
        """How many places come before this one."""
        return (place - self.start) * pow(self.step, -1, self.size) % self.size


@dataclass(frozen=True, slots=True)
class Pool:
    """`numbers` are those of its members among all /32 or all /64, `octets` the length of such a number in a key."""

    network: IPv4Network | IPv6Network
    kind: int
    size: int
    numbers: Spans
    octets: int

    @classmethod
    def of(cls, network: IPv4Network | IPv6Network, ranges: tuple[AddressRange, ...] = ()) -> Pool:
        """The addresses of an IPv4 network, or those in `ranges` of it; or the /64s of an IPv6 network, which must not
        be smaller than one."""
        if isinstance(network, IPv4Network):
            spans = ranges or ((network[0], network[-1]),)
            numbers = Spans((int(first), int(last)) for first, last in spans)
            return cls(network, IPV4_LEASE, _power_of_two(numbers.size), numbers, 4)
        first, size = int(network.network_address) >> 64, 1 << (STATION_PREFIX_LENGTH - network.prefixlen)
        return cls(network, IPV6_LEASE, size, Spans([(first, first + size - 1)]), 8)

    def walk(self, station: Mac) -> Walk:
        network = self.network
        digest = sha256(network.network_address.packed + bytes((network.prefixlen,)) + station).digest()
        start, step = int.from_bytes(digest[:8], "big") % self.size, int.from_bytes(digest[8:16], "big") | 1
        return Walk(self.size, start, step)

    def key(self, place: int) -> bytes | None:
        """The database's key for the lease of this place; None where it is one too many."""
        return self.key_of(self.numbers.at(place)) if place < self.numbers.size else None

    def key_of(self, number: int) -> bytes:
        return bytes((self.kind,)) + number.to_bytes(self.octets, "big")

    def place(self, key: bytes) -> int | None:
        """The inverse of `key`; None where the key is none of this pool's."""
        return self.numbers.index(int.from_bytes(key[1:], "big")) if key[0] == self.kind else None


def pools_of(network: NetworkConfig) -> dict[int, tuple[Pool, ...]]:
    """By kind, all that stations may be routed to; some have their prefixes from a former pool."""
    ipv6 = (network.ipv6_prefix, *network.former_ipv6_prefixes)
    return {IPV4_LEASE: (Pool.of(network.ipv4_prefix),), IPV6_LEASE: tuple(map(Pool.of, ipv6))}


def _power_of_two(number: int) -> int:
    """The smallest that is not less."""
    return 1 << max(0, number - 1).bit_length()


class StationPlaces:
    """The lease keys of what stations can have: within our prefixes, and neither network, broadcast nor gateway.

    No peer may make us announce the gateway, route other people's addresses, or let a station use them, by a lease
    that it invents.
    """

    def __init__(self, network: NetworkConfig) -> None:
        self.pools = pools_of(network)
        never = network.ipv4_prefix.network_address, network.ipv4_prefix.broadcast_address, network.ipv4_gateway
        self._never = frozenset(map(ipv4_lease_key, never))

    def __contains__(self, key: bytes) -> bool:
        if key not in self._never:
            for pool in self.pools[key[0]]:
                if pool.place(key) is not None:
                    return True
        return False
