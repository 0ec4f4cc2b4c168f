"""Which address and which /64 a station gets. Every node that holds the same data chooses the same for a station.

The first free place of the station's walk (core.pools) is the one. While other nodes are cut off, a place may be given
out there at the same time, so what is a matter of taste otherwise is then ranked (`_rank`), and the two sides prefer
different parts of the pool.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from itertools import islice

from sroamd import constants
from sroamd.addresses import NO_MAC, Mac
from sroamd.core.database import Datum
from sroamd.core.effects import Level
from sroamd.core.nodes import Nodes
from sroamd.core.pools import Pool
from sroamd.core.turn import State, Turn
from sroamd.core.vacancies import Vacancies
from sroamd.wire.datum import IPV4_LEASE, IPV6_LEASE, association_key, ipv4_lease_key, lease_prefix


class Leases:
    def __init__(self, state: State, nodes: Nodes) -> None:
        self._state = state
        self._nodes = nodes
        self.config_changed()

    def config_changed(self) -> None:
        """What stations can have may be another pool, or another part of it, now."""
        network = self._state.config.network
        self._pools = {IPV4_LEASE: Pool.of(network.ipv4_prefix), IPV6_LEASE: Pool.of(network.ipv6_prefix)}
        self._vacancies = {kind: Vacancies(pool) for kind, pool in self._pools.items()}

    # -- what a station has

    def of_station(self, station: Mac, key_type: int) -> list[Datum]:
        """Its leases of that type, expired ones too, lowest address first."""
        database = self._state.database
        data = (database.get(key) for key in database.leases_of(station) if key[0] == key_type)
        return sorted((datum for datum in data if datum is not None), key=lambda datum: datum.key)

    def addresses_of(self, station: Mac, now: float) -> list[IPv4Address]:
        """Those of its living leases, lowest first."""
        return [address_of_key(datum.key) for datum in self.of_station(station, IPV4_LEASE) if datum.expires_at > now]

    def address_of(self, station: Mac, now: float) -> IPv4Address | None:
        """Its address, if it has a living lease."""
        return next(iter(self.addresses_of(station, now)), None)

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
        return datum.value == NO_MAC or not self.is_associated(Mac(datum.value), now)

    def is_certainly_free(self, key: bytes, station: Mac, now: float) -> bool:
        """As far as is known, and no node that is cut off may have given it to another."""
        return self.is_free(key, station, now) and not self._rank(key, station)

    def is_associated(self, station: Mac, now: float) -> bool:
        """Whether the station is anywhere at all."""
        claim = self._state.database.live(association_key(station), now)
        return claim is not None and bool(claim.value)

    # -- the choice

    def choose_address(self, station: Mac, requested: IPv4Address | None, now: float) -> IPv4Address | None:
        """The address for the station, RFC 2131 section 4.3.1: its own, its former, the one it asks for, a free one."""
        for held in self._own(station, IPV4_LEASE, now):
            addresses = [address for datum in held if self.in_pool(address := address_of_key(datum.key))]
            if addresses:
                return requested if requested in addresses else addresses[0]
        if requested is not None and self.in_pool(requested):
            key = ipv4_lease_key(requested)
            if self.is_certainly_free(key, station, now):
                return requested
        found = self._first_free(IPV4_LEASE, station, now)
        return None if found is None else address_of_key(found)

    def choose_prefix(self, station: Mac, now: float) -> IPv6Network | None:
        for held in self._own(station, IPV6_LEASE, now):
            prefixes = [prefix for datum in held if self.is_ours(prefix := prefix_of_key(datum.key))]
            if prefixes:
                return prefixes[0]
        found = self._first_free(IPV6_LEASE, station, now)
        return None if found is None else prefix_of_key(found)

    def is_ours(self, prefix: IPv6Network) -> bool:
        return prefix.subnet_of(self._state.config.network.ipv6_prefix)

    def grant(self, turn: Turn, key: bytes, station: Mac, life: float, *, store: bool = True) -> None:
        turn.publish(key, bytes(station), life, store=store)

    # -- shortage

    def follow(self, keys: Iterable[bytes], now: float) -> None:
        """These leases have changed."""
        for vacancies in self._vacancies.values():
            if vacancies.known:
                for key in keys:
                    vacancies.follow(key, self._state.database.live(key, now) is not None)

    def report_shortage(self, turn: Turn, kind: int) -> None:
        """Say that the pool runs short, at most once a minute."""
        vacancies, network = self._vacancies[kind], self._pools[kind].network
        if vacancies.short and vacancies.may_say(Level.WARNING, turn.now):
            turn.note(Level.WARNING, f"the pool {network} is nearly exhausted: {len(vacancies.places)} are left")

    def report_exhaustion(self, turn: Turn, kind: int, station: Mac) -> None:
        """Say that nothing was left for the station, at most once a minute."""
        if self._vacancies[kind].may_say(Level.ERROR, turn.now):
            network = self._pools[kind].network
            turn.note(Level.ERROR, f"nothing left for station {station}: the pool {network} is exhausted")

    # -- steps

    def is_first_choice(self, key: bytes, station: Mac) -> bool:
        """Whether every node that knows nothing would give it just this."""
        pool = self._pools[key[0]]
        return pool.key(pool.walk(station).start) == key

    def _own(self, station: Mac, kind: int, now: float) -> tuple[list[Datum], ...]:
        """Its leases; then also what is only offered to it, perhaps where it was for a moment; then all that it had."""
        own = self.of_station(station, kind)
        ends = (now + constants.OFFER_LIFE, now)
        return (*([datum for datum in own if datum.expires_at > end] for end in ends), own)

    def _first_free(self, kind: int, station: Mac, now: float) -> bytes | None:
        """Of the first WALK_STEPS places the best free one; in a pool that is fuller than that, the best of all."""
        pool, vacancies = self._pools[kind], self._vacancies[kind]
        walk = pool.walk(station)
        if not vacancies.few:
            found = self._best(islice(walk, constants.WALK_STEPS), pool, station, now)
            if found is not None:
                return found
        return self._best(sorted(vacancies.places, key=walk.number_of), pool, station, now)

    def _best(self, places: Iterable[int], pool: Pool, station: Mac, now: float) -> bytes | None:
        """The first of those that are free and of the lowest rank."""
        best: tuple[int, bytes] | None = None
        for number, place in enumerate(places):
            if number == min(constants.WALK_LONG, pool.size // 2):
                self._find_vacancies(pool.kind, now)
            key = pool.key(place)
            if not self.is_free(key, station, now) or not self._is_usable(key):
                continue
            rank = self._rank(key, station)
            if not rank:
                return key
            if best is None or rank < best[0]:
                best = rank, key
        return None if best is None else best[1]

    def _is_usable(self, key: bytes) -> bool:
        return key[0] == IPV6_LEASE or self.in_pool(address_of_key(key))

    def _find_vacancies(self, kind: int, now: float) -> None:
        """A walk has become long, as happens in a pool with little room."""
        vacancies = self._vacancies[kind]
        if vacancies.known or not vacancies.possible:
            return
        pool = self._pools[kind]
        config = self._state.config
        reserved: set[int] = set()
        if kind == IPV4_LEASE:
            network = config.network.ipv4_prefix
            ours = (network.network_address, network.broadcast_address, config.network.ipv4_gateway)
            for each in (*map(IPv4Network, ours), *config.dhcp4.exclude):
                first, last = int(each.network_address) - pool.first, int(each.broadcast_address) - pool.first
                reserved.update(range(max(0, first), min(pool.size, last + 1)))
        vacancies.find(self._state.database, reserved, now)

    def _rank(self, key: bytes, station: Mac) -> int:
        """0: as good as any. More, the likelier that a node that is cut off has given it to another station.

        The worst is what another station had: it may be alive there and has renewed it. What never was anybody's is
        good where it lies in the part of a node that we do hear; those who hear that node choose the same.
        """
        if not self._nodes.unreachable:
            return 0
        datum = self._state.database.get(key)
        had_by_another = datum is not None and datum.value != station
        return 2 * had_by_another + (self._nodes.ring.owner(key) in self._nodes.unreachable)


def address_of_key(key: bytes) -> IPv4Address:
    prefix = lease_prefix(key)
    assert isinstance(prefix, IPv4Network)
    return prefix.network_address


def prefix_of_key(key: bytes) -> IPv6Network:
    prefix = lease_prefix(key)
    assert isinstance(prefix, IPv6Network)
    return prefix
