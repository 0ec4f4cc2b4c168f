"""The source guard: what may come from each station that is here. It is derived like the routes are: permits =
f(database, stations here), and the difference to what the kernel has is what happens.

A station that is here may send from each address and /64 of its living leases, whichever node the database names: where
two nodes claim it, it is heard at both until one of them knows better. What it is only offered it may probe for, not
use. A station that has left may do nothing: it cannot send here before it has been authorised again.
"""

from __future__ import annotations

from sroamd import constants
from sroamd.addresses import Mac
from sroamd.core.agenda import Job
from sroamd.core.effects import AddPermit, RemovePermit
from sroamd.core.pools import StationPlaces
from sroamd.core.routes import key_of
from sroamd.core.turn import State, Turn
from sroamd.core.values import Permit
from sroamd.wire.datum import lease_prefix

_NOTHING: frozenset[Permit] = frozenset()
_Grounds = tuple[str | None, frozenset[bytes]]  # the interface that a station is on, keys of the leases that it may use


class Guard:
    """`problem`: why it is not in force, or not wholly; None also where there is no guard, and before it is known."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._places = StationPlaces(state.config.network)
        self._held: dict[Mac, frozenset[Permit]] = {}  # what we believe the kernel has, by station
        self._grounds: dict[Mac, _Grounds] = {}  # what all of that was derived from, where that is known
        self._holders: dict[bytes, Mac] = {}  # by key of a lease: the station that may use it
        self._adopted: set[Permit] = set()  # found in the kernel at the start, and not explained yet
        self._started = False
        self._all_listed = False  # at the last look
        self.problem: str | None = None

    def permits(self) -> frozenset[Permit]:
        """What we believe the kernel has."""
        return frozenset().union(*self._held.values())

    # -- events

    def listed(self, turn: Turn, permits: frozenset[Permit], problem: str | None) -> None:
        """The kernel's sets are the truth about what passes. What they have at the start is a former self's."""
        self.problem = problem
        turn.moved.update(self._held, self._state.present)
        held: dict[Mac, set[Permit]] = {}
        for permit in permits:
            held.setdefault(permit.station, set()).add(permit)
        if not self._started:
            self._started = True
            self._adopted = set(permits) - self.permits()
            self._state.agenda.set(Job.PERMITS_ADOPTED, None, turn.now + constants.ADOPT_TIME)
        self._held.clear()
        self._grounds.clear()
        self._holders.clear()
        for station, found in held.items():
            self._keep(station, frozenset(found))
        turn.moved.update(self._held)

    def config_changed(self, turn: Turn) -> None:
        """There may be a guard only from now on, and stations may have their prefixes elsewhere."""
        self._places = StationPlaces(self._state.config.network)
        turn.moved.update(self._held, self._state.present)

    def adoption_over(self, turn: Turn) -> None:
        turn.moved.update(permit.station for permit in self._adopted)
        self._adopted.clear()

    # -- derivation

    def reconcile(self, turn: Turn, *, all_listed: bool) -> None:
        """Bring the permits of every station that has come, gone, or got or lost a lease to what is desired."""
        if not self._state.config.guard.enabled:
            return
        stations = turn.moved
        if all_listed and not self._all_listed:
            stations.update(permit.station for permit in self._adopted)
        self._all_listed = all_listed
        for key in turn.touched:
            lease = self._state.database.get(key)
            if lease is not None and lease.value in self._state.present:
                stations.add(Mac(lease.value))
            if (holder := self._holders.get(key)) is not None:
                stations.add(holder)
        for station in sorted(stations):
            self._reconcile_station(turn, station, all_listed=all_listed)
        stations.clear()

    def _reconcile_station(self, turn: Turn, station: Mac, *, all_listed: bool) -> None:
        grounds = self._state.present.get(station), self._usable(station, turn.now)
        if self._grounds.get(station) == grounds:
            return  # as at nearly every renewal
        held, desired = self._held.get(station, _NOTHING), self._desired(station, *grounds)
        if self._adopted:
            desired |= {permit for permit in held - desired if self._is_undecided(permit, turn.now, all_listed)}
        if desired != held:
            turn.made.extend(AddPermit(permit) for permit in in_order(desired - held))
            turn.broken.extend(RemovePermit(permit) for permit in in_order(held - desired))
            self._adopted -= held - desired
            self._keep(station, desired)
        if desired and not self._adopted:
            self._grounds[station] = grounds

    def _keep(self, station: Mac, permits: frozenset[Permit]) -> None:
        """The kernel has these of the station, and no others."""
        self._grounds.pop(station, None)
        for permit in self._held.pop(station, _NOTHING) - permits:
            if permit.prefix is not None and self._holders.get(key := key_of(permit.prefix)) == station:
                del self._holders[key]
        for permit in permits:
            if permit.prefix is not None:
                self._holders[key_of(permit.prefix)] = station
        if permits:
            self._held[station] = permits

    def _usable(self, station: Mac, now: float) -> frozenset[bytes]:
        return frozenset([key for key in self._state.database.leases_of(station) if self._may_use(key, now)])

    def _desired(self, station: Mac, interface: str | None, keys: frozenset[bytes]) -> frozenset[Permit]:
        if interface is None:
            return _NOTHING
        return frozenset((Permit(interface, station), *(Permit(interface, station, lease_prefix(key)) for key in keys)))

    def _may_use(self, key: bytes, now: float) -> bool:
        state = self._state
        return key not in state.offers and key in self._places and state.database.live(key, now) is not None

    def _is_undecided(self, permit: Permit, now: float, all_listed: bool) -> bool:
        """Whether an adopted permit may still turn out to be right: hostapd or the peers have not said yet."""
        interface = self._state.present.get(permit.station)
        if permit not in self._adopted or interface not in (None, permit.interface):
            return False
        if interface is None:
            return not all_listed
        return permit.prefix is not None and self._state.database.get(key_of(permit.prefix)) is None


def in_order(permits: frozenset[Permit]) -> list[Permit]:
    """The same in every process."""
    return sorted(permits, key=lambda permit: (permit.interface, permit.station, str(permit.prefix or "")))
