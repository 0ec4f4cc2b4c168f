"""The places of a pool, and the order in which each station tries them.

A pool of 2^k places holds addresses (each a /32) or prefixes (each a /64). The walk of a station is decided by pool and
MAC alone: place number i is (start + i * step) mod 2^k, where start and step come from SHA-256(pool, MAC) and step is
odd, so that the walk meets every place once. Nodes that see the same data so choose the same place for one station.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network

from sroamd.addresses import Mac
from sroamd.wire.datum import IPV4_LEASE, IPV6_LEASE

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
    """`first` is the number of its first place among all /32 or all /64, `octets` the length of such a number."""

    network: IPv4Network | IPv6Network
    kind: int
    size: int
    first: int
    octets: int

    @classmethod
    def of(cls, network: IPv4Network | IPv6Network) -> Pool:
        """The addresses of an IPv4 network, or the /64s of an IPv6 network, which must not be smaller than one."""
        if isinstance(network, IPv4Network):
            return cls(network, IPV4_LEASE, network.num_addresses, int(network.network_address), 4)
        size = 1 << (STATION_PREFIX_LENGTH - network.prefixlen)
        return cls(network, IPV6_LEASE, size, int(network.network_address) >> 64, 8)

    def walk(self, station: Mac) -> Walk:
        network = self.network
        digest = sha256(network.network_address.packed + bytes((network.prefixlen,)) + station).digest()
        start, step = int.from_bytes(digest[:8], "big") % self.size, int.from_bytes(digest[8:16], "big") | 1
        return Walk(self.size, start, step)

    def key(self, place: int) -> bytes:
        """The database's key for the lease of this place."""
        return bytes((self.kind,)) + (self.first + place).to_bytes(self.octets, "big")

    def place(self, key: bytes) -> int | None:
        """The inverse of `key`; None where the key is none of this pool's."""
        place = int.from_bytes(key[1:], "big") - self.first
        return place if key[0] == self.kind and 0 <= place < self.size else None
