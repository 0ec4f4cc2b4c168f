"""The IPv6 router of each station: a /64 of its own (RFC 8273), advertised to it alone, at association, in answer to
solicitations, and again before half of any lifetime has passed.

Never with a router lifetime of zero: a node that stops, restarts or is upgraded leaves its stations their router, since
the next node is the same router to them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from ipaddress import IPv6Network
from itertools import islice

from sroamd import constants
from sroamd.addresses import Mac
from sroamd.core.advertisement import Content
from sroamd.core.agenda import Job
from sroamd.core.database import Datum
from sroamd.core.effects import SendRouterAdvertisement
from sroamd.core.leases import Leases, prefix_of_key
from sroamd.core.peering import Peering
from sroamd.core.probes import Probes
from sroamd.core.tickets import Tickets
from sroamd.core.turn import State, Turn
from sroamd.wire.datum import IPV6_LEASE, association_key, ipv6_lease_key

INTERVAL_SPREAD = 0.1


class RouterAdvertiser:
    def __init__(self, state: State, leases: Leases, peering: Peering, probes: Probes, tickets: Tickets) -> None:
        self._state = state
        self._leases = leases
        self._peering = peering
        self._probes = probes
        self._tickets = tickets
        self._answered: dict[Mac, list[float]] = {}  # when the last solicitations of each station were answered
        self._unwritten: set[Mac] = set()  # stations whose new prefix is on its way to the disk
        self._contested: dict[Mac, IPv6Network] = {}  # new prefixes, which others may be getting too (CONTEST_TIME)
        self._lost: dict[Mac, tuple[IPv6Network, ...]] = {}  # prefixes that each station was told, and has lost
        self._initial: dict[Mac, int] = {}  # advertisements that a station is still to get soon
        self._content = Content.of(state.config)
        self.counters: Counter[str] = Counter()

    def config_changed(self, turn: Turn) -> None:
        """Tell all stations what is new, but not all at once. Who waits for a prefix will hear of it then."""
        before, self._content = self._content, Content.of(self._state.config)
        if before == self._content:
            return
        for station in self._state.present:
            if station not in self._contested:
                self._initial[station] = constants.RA_INITIAL
                at = turn.now + constants.RA_CHANGED_WITHIN * self._state.rng.random()
                self._state.agenda.set(Job.ADVERTISE, station, at)

    def arrived(self, turn: Turn, station: Mac) -> None:
        """Now, once more when frames are sure to get through (constants.ANNOUNCE_AT), and once more for who dozes."""
        self._answered.pop(station, None)
        self._initial[station] = constants.RA_INITIAL
        self._state.agenda.set(Job.ADVERTISE, station, turn.now + constants.ANNOUNCE_AT[-1])
        self._advertise(turn, station)

    def solicited(self, turn: Turn, interface: str, source: Mac, link_layer: Mac | None) -> bool:
        """RFC 4861 section 6.2.6, by unicast. False: it is not an authorised station's, or there are too many."""
        if self._state.present.get(source) != interface or link_layer not in (None, source):
            self.counters["ra.unauthorised"] += 1
            return False
        recent = [at for at in self._answered.get(source, ()) if at > turn.now - constants.RA_SOLICITED_INTERVAL]
        if len(recent) >= constants.RA_SOLICITED_BURST:
            self.counters["ra.rate-limited"] += 1
            return False
        self._answered[source] = [*recent, turn.now]
        self._advertise(turn, source)
        return True

    def lost(self, turn: Turn, old: Datum) -> None:
        """A station here has lost its prefix to another: tell it so, with its next one."""
        station, prefix = Mac(old.value), prefix_of_key(old.key)
        lost = tuple(dict.fromkeys((*self._lost.get(station, ()), prefix)))
        self._lost[station] = lost[-constants.FORMER_PREFIXES_MAX :]
        if station not in self._contested:
            self._advertise(turn, station)

    def due(self, turn: Turn, station: Mac) -> None:
        self._settle(turn, station)
        if self._is_claimed_elsewhere(station, turn.now):  # whether it is here still is being found out
            self._state.agenda.set(Job.ADVERTISE, station, turn.now + constants.RA_INITIAL_INTERVAL)
        elif station in self._state.present:
            more = self._initial.get(station, 0) > 1  # after the one that is due now
            usual = self._state.spread(self._state.config.ra.interval, INTERVAL_SPREAD)
            interval = min(constants.RA_INITIAL_INTERVAL, usual) if more else usual
            self._state.agenda.set(Job.ADVERTISE, station, turn.now + interval)
            self._advertise(turn, station)
        else:
            self._answered.pop(station, None)
            self._initial.pop(station, None)
            self._lost.pop(station, None)

    def _is_claimed_elsewhere(self, station: Mac, now: float) -> bool:
        claim = self._state.database.live(association_key(station), now)
        return station in self._state.present and claim is not None and claim.value not in (b"", self._state.node_id)

    def _settle(self, turn: Turn, station: Mac) -> None:
        """Its new prefix was contested by nobody, so it is a lease now; or else another one will be chosen."""
        prefix = self._contested.pop(station, None)
        if prefix is not None and station in self._state.present:
            key = ipv6_lease_key(prefix)
            if key in self._state.offers and prefix == self._leases.choose_prefix(station, turn.now):
                self._lease(turn, key, station)

    def _lease(self, turn: Turn, key: bytes, station: Mac) -> None:
        """Written before the station hears of it. It may have been an offer that a roam interrupted."""
        self._state.offers.discard(key)
        self._leases.report_shortage(turn, IPV6_LEASE)
        self._leases.grant(turn, key, station, min(self._valid + constants.PREFIX_MARGIN, constants.LEASE_LIFE_MAX))
        self._unwritten.add(station)
        self._tickets.wait(turn, partial(self._stored, station))

    def _stored(self, station: Mac, turn: Turn) -> None:
        """The lease of a new prefix is on disk, so the station may hear of it."""
        self._unwritten.discard(station)
        if station in self._state.present:
            self._advertise(turn, station)

    def _advertise(self, turn: Turn, station: Mac) -> None:
        """Make sure that the station has a prefix for longer than it is told, then tell it."""
        if station in self._unwritten or station in self._contested:
            return  # and it will be told as soon as it may
        if turn.now < self._state.settled_at and not self._leases.of_station(station, IPV6_LEASE):
            self._state.agenda.set(Job.ADVERTISE, station, self._state.settled_at)
            return
        prefix = self._leases.choose_prefix(station, turn.now)
        if prefix is None:
            self.counters["ra.pool-exhausted"] += 1
            self._leases.report_exhaustion(turn, IPV6_LEASE, station)
            return
        key = ipv6_lease_key(prefix)
        held = self._state.database.live(key, turn.now)
        if held is None and not self._is_alone:
            self._offer(turn, key, station, prefix)
        elif (
            held is None or held.expires_at <= turn.now + constants.OFFER_LIFE
        ):  # only offered where the station was, perhaps
            self._lease(turn, key, station)
        else:
            if held.expires_at < turn.now + self._valid:
                self._leases.grant(turn, key, station, self._life)
            self._send(turn, station, prefix)

    def _offer(self, turn: Turn, key: bytes, station: Mac, prefix: IPv6Network) -> None:
        """Flood a choice that is new, and wait whether anybody contests it; until then it is no lease: no route."""
        had_it = key in self._state.database.leases_of(station) or self._leases.is_first_choice(key, station)
        self._state.offers.add(key)
        self._leases.grant(turn, key, station, constants.OFFER_LIFE, store=False)
        self._probes.ask(turn, key, had_it=had_it)
        self._contested[station] = prefix
        self._state.agenda.set(Job.ADVERTISE, station, turn.now + constants.CONTEST_TIME)

    @property
    def _is_alone(self) -> bool:
        """Nobody could contest anything."""
        flood = self._state.config.flood
        return not (self._peering.peers or flood.peers or flood.listen is not None)

    @property
    def _valid(self) -> int:
        return self._state.config.ra.valid_lifetime

    @property
    def _life(self) -> int:
        """Of a lease that goes on: so long that most advertisements need not renew it, and most roams flood no lease.

        A new one has less: many stations come once, with a MAC of chance, and theirs are free again as soon as what
        they were told is over (RFC 8273 section 5).
        """
        longest = int(self._state.config.ra.interval * (1 + INTERVAL_SPREAD))
        return min(self._valid + 2 * longest, constants.LEASE_LIFE_MAX)

    def _send(self, turn: Turn, station: Mac, prefix: IPv6Network) -> None:
        interface = self._state.present.get(station)
        if interface is None:
            return
        self.counters["ra.sent"] += 1
        owed = self._initial.pop(station, 0) - 1
        if owed > 0:
            self._initial[station] = owed
        given_up = islice(self._given_up(station, prefix, turn.now), constants.FORMER_PREFIXES_MAX)
        content = self._content.for_station(self._state.interfaces.get(interface), prefix, given_up)
        source = self._state.config.network.ipv6_gateway
        turn.said.append(SendRouterAdvertisement(interface, station, source, content))

    def _given_up(self, station: Mac, prefix: IPv6Network, now: float) -> Iterator[tuple[IPv6Network, int]]:
        """What it was told and is to leave, and how long that is valid yet: lost to another station, or still its own
        but no longer what it may have (another pool, a reservation). Such a lease is no longer renewed, so what is left
        of it, on whichever node, is how long its addresses may live (RFC 4862 section 5.5.3 (e)).
        """
        for each in self._lost.get(station, ()):
            if each != prefix:  # it may have come back
                yield each, self._valid
        for datum in self._leases.of_station(station, IPV6_LEASE):
            each, remaining = prefix_of_key(datum.key), int(datum.expires_at - now)
            is_told = each != prefix and remaining > 0
            if is_told and not self._leases.may_keep(datum.key, station, now):
                yield each, min(self._valid, remaining)
