"""Which address and which /64 a station gets. Every node that holds the same data chooses the same for a station.

The candidates of a station are a walk through the pool that its MAC decides: index (h0 + i * h1) mod size, where h0 and
h1 come from SHA-256(pool, MAC) and h1 is odd, so that the walk meets every index of a pool of 2^k.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from sroamd import constants
from sroamd.addresses import NO_MAC, Mac
from sroamd.core.database import Datum
from sroamd.core.turn import State, Turn
from sroamd.wire.datum import (
    IPV4_LEASE,
    IPV6_LEASE,
    association_key,
    ipv4_lease_key,
    ipv6_lease_key,
    lease_prefix,
)

STATION_PREFIX_LENGTH = 64
_IPV4_LEASE = bytes((IPV4_LEASE,))


class Leases:
    def __init__(self, state: State) -> None:
        self._state = state

    # -- what a station has

    def of_station(self, station: Mac, key_type: int) -> list[Datum]:
        """Its leases of that type, expired ones too, lowest address first."""
        database = self._state.database
        data = (database.get(key) for key in database.leases_of(station) if key[0] == key_type)
        return sorted((datum for datum in data if datum is not None), key=lambda datum: datum.key)

    def address_of(self, station: Mac, now: float) -> IPv4Address | None:
        """Its address, if it has a living lease."""
        living = [datum for datum in self.of_station(station, IPV4_LEASE) if datum.expires_at > now]
        return address_of_key(living[0].key) if living else None

    def prefix_of(self, station: Mac, now: float) -> IPv6Network | None:
        living = [datum for datum in self.of_station(station, IPV6_LEASE) if datum.expires_at > now]
        return prefix_of_key(living[0].key) if living else None

    # -- what a station may have

    def in_pool(self, address: IPv4Address) -> bool:
        """Whether stations can have it: neither network, broadcast nor gateway address, nor excluded."""
        network = self._state.config.network.ipv4_prefix
        return (
            address in network
            and address not in (network.network_address, network.broadcast_address)
            and address != self._state.config.network.ipv4_gateway
            and not any(address in excluded for excluded in self._state.config.dhcp4.exclude)
        )

    def is_free(self, key: bytes, station: Mac, now: float) -> bool:
        """Whether the station may have it: unknown, its own, or expired, past its grace, and its holder not here.

        A holder that is associated anywhere keeps an expired address, since it may well still be using it.
        """
        datum = self._state.database.get(key)
        if datum is None or datum.value == station:
            return True
        if datum.expires_at + constants.LEASE_GRACE > now:
            return False
        if datum.value == NO_MAC:
            return True
        holder = self._state.database.live(association_key(Mac(datum.value)), now)
        return holder is None or not holder.value

    def choose_address(self, station: Mac, requested: IPv4Address | None, now: float) -> IPv4Address | None:
        """The address for the station, RFC 2131 section 4.3.1: its own, its former, the one it asks for, a free one."""
        own = [datum for datum in self.of_station(station, IPV4_LEASE) if self.in_pool(address_of_key(datum.key))]
        living = [datum for datum in own if datum.expires_at > now]
        for held in (living, own):
            addresses = [address_of_key(datum.key) for datum in held]
            if addresses:
                return requested if requested in addresses else addresses[0]
        if requested is not None and self.in_pool(requested) and self.is_free(ipv4_lease_key(requested), station, now):
            return requested
        network = self._state.config.network.ipv4_prefix
        base = int(network.network_address)
        for index in walk(network, station, network.num_addresses):
            # A pool that is nearly exhausted makes this long, so look the key up before an address is made of it.
            key = _IPV4_LEASE + (base + index).to_bytes(4, "big")
            if self.is_free(key, station, now) and self.in_pool(address := address_of_key(key)):
                return address
        return None

    def choose_prefix(self, station: Mac, now: float) -> IPv6Network | None:
        own = [datum for datum in self.of_station(station, IPV6_LEASE) if self.is_ours(prefix_of_key(datum.key))]
        living = [datum for datum in own if datum.expires_at > now]
        for held in (living, own):
            if held:
                return prefix_of_key(held[0].key)
        network = self._state.config.network.ipv6_prefix
        base = int(network.network_address)
        for index in walk(network, station, 1 << (STATION_PREFIX_LENGTH - network.prefixlen)):
            prefix = IPv6Network((base + (index << 64), STATION_PREFIX_LENGTH))
            if self.is_free(ipv6_lease_key(prefix), station, now):
                return prefix
        return None

    def is_ours(self, prefix: IPv6Network) -> bool:
        return prefix.subnet_of(self._state.config.network.ipv6_prefix)

    def grant(self, turn: Turn, key: bytes, station: Mac, life: float, *, store: bool = True) -> None:
        turn.publish(key, bytes(station), life, store=store)


def walk(network: IPv4Network | IPv6Network, station: Mac, size: int) -> Iterator[int]:
    """The order in which the station tries the `size` (a power of two) places of the pool: each of them once."""
    digest = sha256(network.network_address.packed + bytes((network.prefixlen,)) + station).digest()
    start, step = int.from_bytes(digest[:8], "big") % size, int.from_bytes(digest[8:16], "big") | 1
    for number in range(size):
        yield (start + number * step) % size


def address_of_key(key: bytes) -> IPv4Address:
    prefix = lease_prefix(key)
    assert isinstance(prefix, IPv4Network)
    return prefix.network_address


def prefix_of_key(key: bytes) -> IPv6Network:
    prefix = lease_prefix(key)
    assert isinstance(prefix, IPv6Network)
    return prefix
