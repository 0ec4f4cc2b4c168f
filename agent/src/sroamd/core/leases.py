"""Which address and which /64 a station gets. Every node that holds the same data chooses the same for a station.

What is reserved for the station, then what it has or had; else the first free place of its walk (core.pools) that has
never been anybody's, or of the first few the one whose holder has been away longest (`_freshness`). While other nodes
are cut off, a place may be given out there at the same time, so what is a matter of taste otherwise is then ranked
(`_rank`), and the two sides prefer different parts of the pool.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from itertools import islice
from math import log2

from sroamd import constants
from sroamd.addresses import NO_MAC, Mac
from sroamd.config_pools import addresses_of
from sroamd.core.database import Datum
from sroamd.core.effects import Level
from sroamd.core.nodes import Nodes
from sroamd.core.pools import Pool
from sroamd.core.reservations import Reservations
from sroamd.core.turn import State, Turn
from sroamd.core.vacancies import Vacancies
from sroamd.wire.datum import IPV4_LEASE, IPV6_LEASE, association_key, ipv4_lease_key, lease_prefix


class Leases:
    def __init__(self, state: State, nodes: Nodes) -> None:
        self._state = state
        self._nodes = nodes
        self.config_changed()

    def config_changed(self, now: float = 0.0) -> None:
        """What stations can have may be another pool, or another part of it, now; or leases have been loaded."""
        config = self._state.config
        self.reservations = Reservations(config.reservations)
        reserved, data = self.reservations.by_key.keys(), self._state.database
        ipv4 = Pool.of(config.network.ipv4_prefix, config.dhcp4.ranges)
        ipv6 = Pool.of(config.network.ipv6_prefix)
        addresses = addresses_of(config.network, config.dhcp4)
        self.vacancies = {
            IPV4_LEASE: Vacancies(ipv4, addresses, reserved, data, now),
            IPV6_LEASE: Vacancies(ipv6, ipv6.numbers, reserved, data, now),
        }

    # -- what a station has

    def of_station(self, station: Mac, key_type: int) -> list[Datum]:
        """Its leases of that type, expired ones too, lowest address first."""
        database = self._state.database
        keys = [key for key in database.leases_of(station) if key[0] == key_type]
        data = [datum for key in keys if (datum := database.get(key)) is not None]
        if len(data) > 1:
            data.sort(key=lambda datum: datum.key)
        return data

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

    def may_have(self, key: bytes, station: Mac, client_id: bytes | None = None) -> bool:
        """Whether it is in the pool and reserved for nobody, or reserved for this station."""
        return self.vacancies[key[0]].is_usable(key) or self.reservations.key_for(key[0], station, client_id) == key

    def may_keep(self, key: bytes, station: Mac, now: float, client_id: bytes | None = None) -> bool:
        """Whether nothing but its end can take it from the station: it may have it, and nothing else is kept for it."""
        return self.may_have(key, station, client_id) and not self.is_superseded(key, station, now, client_id)

    def is_superseded(self, key: bytes, station: Mac, now: float, client_id: bytes | None = None) -> bool:
        """Whether the station should have something else now: what is reserved for it is free."""
        own = self.reservations.key_for(key[0], station, client_id)
        return own is not None and own != key and self.is_free(own, station, now)

    def is_free(self, key: bytes, station: Mac, now: float) -> bool:
        """Whether the station may have it: unknown, its own, or expired, past its grace, and its holder not here.

        A holder that is associated anywhere keeps an expired address, since it may well still be using it; unless it
        is reserved, for then that holder has been refused its renewal.
        """
        datum = self._state.database.get(key)
        if datum is None or datum.value == station:
            return True
        if datum.expires_at + constants.LEASE_GRACE > now:
            return False
        if datum.value == NO_MAC or key in self.reservations.by_key:
            return True
        return not self.is_associated(Mac(datum.value), now)

    def is_certainly_free(self, key: bytes, station: Mac, now: float) -> bool:
        """As far as is known, and no node that is cut off may have given it to another."""
        return self.is_free(key, station, now) and not self._rank(key, station)

    def is_associated(self, station: Mac, now: float) -> bool:
        """Whether the station is anywhere at all."""
        claim = self._state.database.live(association_key(station), now)
        return claim is not None and bool(claim.value)

    # -- the choice

    def choose_address(
        self, station: Mac, requested: IPv4Address | None, now: float, client_id: bytes | None = None
    ) -> IPv4Address | None:
        """The address for the station, RFC 2131 section 4.3.1: what is reserved for it, its own, its former, the one it
        asks for, a free one."""
        wish = None if requested is None else ipv4_lease_key(requested)
        found = self._choose(IPV4_LEASE, station, wish, now, client_id)
        return None if found is None else address_of_key(found)

    def choose_prefix(self, station: Mac, now: float) -> IPv6Network | None:
        found = self._choose(IPV6_LEASE, station, None, now, None)
        return None if found is None else prefix_of_key(found)

    def _choose(self, kind: int, station: Mac, wish: bytes | None, now: float, client_id: bytes | None) -> bytes | None:
        reserved = self.reservations.key_for(kind, station, client_id)
        if reserved is not None and self.is_free(reserved, station, now):
            return reserved
        own = self.of_station(station, kind)
        # Its leases; then also what is only offered to it, perhaps where it was for a moment; then all that it had.
        for end in (now + constants.OFFER_LIFE, now, float("-inf")) if own else ():
            held = [datum.key for datum in own if datum.expires_at > end]
            keys = [key for key in held if self.may_have(key, station, client_id)]
            if keys:
                return wish if wish in keys else keys[0]
        if wish is not None and self.may_have(wish, station, client_id) and self.is_certainly_free(wish, station, now):
            return wish
        return self._first_free(kind, station, now)

    def grant(self, turn: Turn, key: bytes, station: Mac, life: float, *, store: bool = True) -> None:
        turn.publish(key, bytes(station), life, store=store)

    # -- shortage

    def follow(self, keys: Iterable[bytes], now: float) -> None:
        """These leases have changed."""
        for key in keys:
            self.vacancies[key[0]].follow(key, living=self._state.database.live(key, now) is not None)

    def short_pools(self) -> Iterator[tuple[IPv4Network | IPv6Network, Vacancies]]:
        """Those of which less than `pool_alarm` percent is left."""
        alarm = self._state.config.network.pool_alarm
        for vacancies in self.vacancies.values():
            if vacancies.left * 100 < vacancies.size * alarm:
                yield vacancies.pool.network, vacancies

    def report_shortage(self, turn: Turn, kind: int) -> None:
        """Say that the pool runs short, at most once a minute."""
        for network, vacancies in self.short_pools():
            if vacancies.pool.kind == kind and vacancies.may_say(Level.WARNING, turn.now):
                what = f"{vacancies.left} of {vacancies.size} are left"
                turn.note(Level.WARNING, f"the pool {network} is nearly exhausted: {what}")

    def report_exhaustion(self, turn: Turn, kind: int, station: Mac) -> None:
        """Say that nothing was left for the station, at most once a minute."""
        vacancies = self.vacancies[kind]
        if vacancies.may_say(Level.ERROR, turn.now):
            network = vacancies.pool.network
            turn.note(Level.ERROR, f"nothing left for station {station}: the pool {network} is exhausted")

    # -- steps

    def is_first_choice(self, key: bytes, station: Mac) -> bool:
        """Whether every node that knows nothing would give it just this."""
        pool = self.vacancies[key[0]].pool
        return key in (pool.key(pool.walk(station).start), self.reservations.key_for(key[0], station))

    def _first_free(self, kind: int, station: Mac, now: float) -> bytes | None:
        """Of the first WALK_STEPS places the best free one; in a pool that is fuller than that, the best of all."""
        vacancies = self.vacancies[kind]
        pool = vacancies.pool
        walk = pool.walk(station)
        if not vacancies.few:
            found = self._best(islice(walk, constants.WALK_STEPS), vacancies, station, now)
            if found is not None or pool.size <= constants.WALK_STEPS:
                return found
        places = (place for key in vacancies.vacant if (place := pool.place(key)) is not None)
        return self._best(sorted(places, key=walk.number_of), vacancies, station, now)

    def _best(self, places: Iterable[int], vacancies: Vacancies, station: Mac, now: float) -> bytes | None:
        """Of those that are free the one of the lowest rank, of these the least recently used, of these the first.

        What never was anybody's is as good as any; and of what was, a few are looked at, since a new station shall not
        cost a look at all that is remembered, and two shall not choose the same at two nodes at one time.
        """
        best: tuple[int, int] | None = None
        chosen, looks = None, 0
        for number, place in enumerate(places):
            if chosen is None and number == min(constants.WALK_LONG, vacancies.pool.size // 2):
                vacancies.find()
            key = vacancies.key_at(place)
            if key is None or not self.is_free(key, station, now):
                continue
            merit = self._rank(key, station), self._freshness(key, station, now)
            if best is None or merit < best:
                best, chosen = merit, key
            looks += not best[0]
            if best == (0, 0) or looks >= constants.LEAST_RECENT_OF:
                break
        return chosen

    def _freshness(self, key: bytes, station: Mac, now: float) -> int:
        """0: never anybody else's, or not taken. More, the later it was; in steps of a fifth of the time since then, so
        that nodes judge alike whose copies of a lease have ended some seconds apart.
        """
        datum = self._state.database.get(key)
        if datum is None or datum.value in (station, NO_MAC):
            return 0
        return 1 + max(0, int(4 * log2(constants.C_FLOOR_HOLD / max(1.0, now - datum.expires_at))))

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
