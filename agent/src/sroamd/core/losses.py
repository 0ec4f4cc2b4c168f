"""Leases that a station here has lost to another station: both got them while their nodes did not hear each other.

The merge has decided who keeps it, on all nodes alike: the newer seqno, so the one that has been renewed more often,
and at equal seqnos the larger MAC. What becomes of the loser is settled here, LOSS_DELAY later, since of the winner's
whereabouts we may hear only after its lease.

A winner that is nowhere, or whose lease has run out, is beaten: the loser is alive, and gets it back with a newer
seqno. Not so nobody (NO_MAC): it may be the loser itself that has declined the address. Otherwise the loser is told by
the protocols' own means. Of an address: it is disassociated once, so that it asks now and not at half of its lease, and
gets a DHCPNAK and then another address. Of a prefix: a router advertisement deprecates it beside the new one.

A station's own lease may also be ended, by what was said of it where nobody knew that it had come here: see `outlived`.
"""

from __future__ import annotations

from sroamd import constants
from sroamd.addresses import NO_MAC, Mac
from sroamd.core.agenda import Job
from sroamd.core.database import Datum
from sroamd.core.effects import Disassociate, Level
from sroamd.core.leases import Leases
from sroamd.core.router_advertiser import RouterAdvertiser
from sroamd.core.seqno import following
from sroamd.core.turn import State, Turn
from sroamd.wire.datum import IPV4_LEASE, association_key, lease_prefix


class Losses:
    def __init__(self, state: State, leases: Leases, router_advertiser: RouterAdvertiser) -> None:
        self._state = state
        self._leases = leases
        self._router_advertiser = router_advertiser
        self._lost: dict[bytes, Datum] = {}  # by key, the version that lost, or was ended; each until its time has come

    def lost(self, turn: Turn, old: Datum, new: Datum) -> None:
        """`old` has lost to `new`. What was only offered, or is over, is no loss."""
        is_living = old.expires_at > turn.now and old.key not in self._state.offers
        if is_living and Mac(old.value) in self._state.present and new.value != old.value:
            self._lost[old.key] = old
            self._state.agenda.set_earlier(Job.LOSS, old.key, turn.now + constants.LOSS_DELAY)

    def outlived(self, turn: Turn, old: Datum, new: Datum) -> None:
        """A station's lease has met a newer version of the same that ends it, or nearly does. It goes on above that, if
        that version was made by who did not know of it: nothing that was acknowledged may be forgotten.
        """
        is_same = new.value == old.value != NO_MAC
        ends_early = is_same and (self._is_only_offered(turn, old, new) or self._is_over_too_early(turn, old, new))
        if ends_early or self._is_withdrawn(turn, old, new):
            self._leases.grant(turn, old.key, Mac(old.value), old.expires_at - turn.now)
        elif is_same and self._ends_what_is_here(turn, old, new):  # it may turn out that it has never been elsewhere
            self._lost[old.key] = old
            self._state.agenda.set_earlier(Job.LOSS, old.key, turn.now + constants.LOSS_DELAY)

    def _is_only_offered(self, turn: Turn, old: Datum, new: Datum) -> bool:
        """On the other side of a partition; nobody offers what he knows to be leased. Whoever holds the lease says so,
        wherever the station is now: perhaps nobody else has heard of it.
        """
        has_lease = old.key not in self._state.offers and old.expires_at - turn.now > constants.OFFER_LIFE
        return has_lease and 0 < new.expires_at - turn.now <= constants.OFFER_LIFE

    def _is_withdrawn(self, turn: Turn, old: Datum, new: Datum) -> bool:
        """By who only offered it, and did not hear that it was taken. Whoever holds the lease says so, as above."""
        has_lease = old.value != NO_MAC and old.expires_at - turn.now > constants.OFFER_LIFE
        return has_lease and new.value == NO_MAC and new.expires_at <= turn.now

    def _is_over_too_early(self, turn: Turn, old: Datum, new: Datum) -> bool:
        """Somebody remembers it from the station's last visit (a C node for ever), or it was released there, on the
        other side of a partition, before it came here and got it anew. It goes on, or its routes would be gone until it
        renews. Where another node has the station now, the very next version is its release there, and stands, unless
        the station answers here: what that node says is then as old as the release (`due`).
        """
        if not self._ends_what_is_here(turn, old, new):
            return False
        owner = self._owner(Mac(old.value), turn.now)
        return owner in (None, b"", self._state.node_id) or new.seqno != following(old.seqno)

    def _ends_what_is_here(self, turn: Turn, old: Datum, new: Datum) -> bool:
        return new.expires_at <= turn.now < old.expires_at and Mac(old.value) in self._state.present

    def _owner(self, station: Mac, now: float) -> bytes | None:
        """The node that has it, says the database."""
        claim = self._state.database.live(association_key(station), now)
        return None if claim is None else claim.value

    def due(self, turn: Turn, key: bytes) -> None:
        old = self._lost.pop(key, None)
        held = self._state.database.get(key)
        if old is None or held is None or old.expires_at <= turn.now:
            return
        station = Mac(old.value)
        interface = self._state.present.get(station)
        if interface is None:
            return
        if held.value == old.value:
            is_the_release = held.expires_at <= turn.now and held.seqno == following(old.seqno)
            if is_the_release and self._owner(station, turn.now) == self._state.node_id:  # it has answered here
                self._leases.grant(turn, key, station, old.expires_at - turn.now)
            return
        what = str(lease_prefix(key).network_address)
        may_have_it = held.value != NO_MAC and not self._state.database.has_many_leases(station)
        may_have_it = may_have_it and not self._leases.reservations.is_kept_from(key, station)
        if may_have_it and self._is_unfounded(held, turn.now):
            turn.note(Level.INFO, f"station {station} keeps {what}: {Mac(held.value)} is nowhere, or its lease is over")
            self._leases.grant(turn, key, station, old.expires_at - turn.now)
            return
        turn.note(Level.WARNING, f"station {station} has lost {what} to {Mac(held.value)}")
        if key[0] != IPV4_LEASE:
            self._router_advertiser.lost(turn, old)
        elif self._leases.address_of(station, turn.now) is None:
            turn.broken.append(Disassociate(interface, station))

    def _is_unfounded(self, held: Datum, now: float) -> bool:
        return held.expires_at <= now or not self._leases.is_associated(Mac(held.value), now)
