"""What is kept for certain stations, the same on all nodes: their address, their /64, their name.

A station is known by its MAC, which its authentication has proved. Or by the identifier that its DHCP client sends
(option 61), which proves nothing: it selects an address, and leases are the MAC's all the same. So of two MACs with one
identifier the second is another station (RFC 4361 section 6.3 leaves that to the server): it gets what is reserved when
the lease of the first is over.
"""

from __future__ import annotations

from collections.abc import Iterable

from sroamd.addresses import Mac
from sroamd.config import Reservation
from sroamd.wire.datum import IPV4_LEASE, IPV6_LEASE, ipv4_lease_key, ipv6_lease_key


class Reservations:
    def __init__(self, reservations: Iterable[Reservation] = ()) -> None:
        self._by_mac = {one.mac: one for one in reservations if one.mac is not None}
        self._by_client_id = {one.client_id: one for one in reservations if one.client_id is not None}
        self.by_key: dict[bytes, Reservation] = {}  # of a lease
        for one in (*self._by_mac.values(), *self._by_client_id.values()):
            self.by_key.update((key, one) for kind in (IPV4_LEASE, IPV6_LEASE) if (key := _key(one, kind)))

    def of(self, station: Mac, client_id: bytes | None) -> Reservation | None:
        """Its own. That of its MAC, if there is one."""
        found = self._by_mac.get(station)
        return self._by_client_id.get(client_id) if found is None and client_id is not None else found

    def key_for(self, kind: int, station: Mac, client_id: bytes | None = None) -> bytes | None:
        """The lease of this type that is kept for it."""
        own = self.of(station, client_id)
        return None if own is None else _key(own, kind)

    def is_kept_from(self, key: bytes, station: Mac, client_id: bytes | None = None) -> bool:
        """Whether the lease is reserved, and for somebody else."""
        one = self.by_key.get(key)
        return one is not None and one is not self.of(station, client_id)


def _key(reservation: Reservation, kind: int) -> bytes | None:
    if kind == IPV4_LEASE:
        return None if reservation.address is None else ipv4_lease_key(reservation.address)
    return None if reservation.prefix is None else ipv6_lease_key(reservation.prefix)
