"""What peers say: merged into the database, passed on, and handed to whom it concerns. And the end of what was said."""

from __future__ import annotations

from typing import assert_never

from sroamd.addresses import NO_MAC
from sroamd.constants import C_FLOOR_HOLD, OFFER_LIFE, RAISE_DELAY
from sroamd.core.agenda import Job
from sroamd.core.associations import Associations
from sroamd.core.database import (
    MALFORMED,
    TOO_FAST,
    Datum,
    Inserted,
    Refreshed,
    Refused,
    Remembered,
    Replaced,
    Same,
    Stale,
    is_lease,
)
from sroamd.core.effects import ForgetLeases
from sroamd.core.events import PeerId
from sroamd.core.losses import Losses
from sroamd.core.peer import Peer
from sroamd.core.peering import Peering
from sroamd.core.turn import State, Turn
from sroamd.wire.datum import ASSOCIATION, association_station
from sroamd.wire.flood import Update


class Merging:
    def __init__(self, state: State, peering: Peering, losses: Losses, associations: Associations) -> None:
        self._state = state
        self._database = state.database
        self._peering = peering
        self._losses = losses
        self._associations = associations

    def updates(self, turn: Turn, peer_id: PeerId, updates: tuple[Update, ...]) -> None:
        peer = self._peering.said_updates(turn, peer_id, len(updates))
        if peer is None:
            return
        for update in updates:
            self._merge(turn, peer_id, peer, update)

    def _merge(self, turn: Turn, peer_id: PeerId, peer: Peer, update: Update) -> None:
        outcome = self._database.merge(update, turn.now)
        match outcome:
            case Same():
                self._peering.said_same(peer_id, update.key)
            case Refused():
                if outcome is MALFORMED:
                    self._peering.said_malformed(turn, peer_id)
                elif outcome is TOO_FAST and (ask_at := self._database.ask_at(update.key)) is not None:
                    self._state.agenda.set_earlier(Job.ASK_AGAIN, update.key, ask_at)
            case Inserted(datum) | Refreshed(datum):
                self._accept(turn, datum, peer_id)
            case Remembered(datum):
                self._state.agenda.set_earlier(Job.EXPIRE, datum.key, turn.now + C_FLOOR_HOLD)
            case Replaced(datum, old, tie):
                if is_lease(datum.key):
                    self._losses.lost(turn, old, datum)
                self._state.agenda.clear(Job.RAISE, datum.key)
                self._accept(turn, datum, peer_id)
                self._raise_later(turn, datum, tie)
                if is_lease(datum.key):
                    self._losses.outlived(turn, old, datum)
            case Stale(held, tie):
                if peer.is_ours or not tie:  # the C daemon floods its own on when it is told of a tie, for ever
                    turn.owed.append((peer_id, held.key))
                self._raise_later(turn, held, tie)
                if is_lease(held.key):
                    lost = Datum(held.key, update.seqno, update.value, turn.now + update.lifetime)
                    self._losses.lost(turn, lost, held)
                if tie and held.key[0] == ASSOCIATION:
                    self._associations.tie_won(turn, association_station(held.key), update.value)
            case _:
                assert_never(outcome)

    def _accept(self, turn: Turn, datum: Datum, origin: PeerId) -> None:
        self._state.offers.discard(datum.key)
        self._peering.learned_from(origin)
        life = datum.expires_at - turn.now
        turn.accept(datum, origin, store=life <= 0 or life > OFFER_LIFE)

    def _raise_later(self, turn: Turn, datum: Datum, tie: bool) -> None:
        """Rule R3: C nodes follow only a newer seqno, so in a mixed fleet a tie needs one, but not at once.

        The first tie counts: C nodes that flood on and on at one another (defect M4) must not put it off for ever.
        """
        if tie and self._peering.has_c_peer:
            self._state.agenda.set_earlier(Job.RAISE, datum.key, turn.now + RAISE_DELAY)

    def raise_due(self, turn: Turn, key: bytes) -> None:
        """Nothing has decided the tie since: say what is held, above it."""
        datum = self._database.live(key, turn.now)
        if datum is not None and self._peering.has_c_peer:
            turn.publish(key, datum.value, datum.expires_at - turn.now)

    def expire(self, turn: Turn, key: bytes) -> None:
        again_at = self._database.expire(key, turn.now)
        if self._database.live(key, turn.now) is None and key in self._state.offers:
            self._withdraw(turn, key)
        if again_at is not None:
            self._state.agenda.set_earlier(Job.EXPIRE, key, again_at)
        if is_lease(key):
            turn.touched.add(key)
            if again_at is None:
                turn.broken.append(ForgetLeases((key,)))
        else:
            turn.unreacted.append(key)

    def _withdraw(self, turn: Turn, key: bytes) -> None:
        """An offer of ours that was not taken has been nobody's: else its station would keep it from all others for as
        long as it is anywhere, without ever having asked for it. It loses to a lease of the same seqno.
        """
        self._state.offers.discard(key)
        datum = self._database.get(key)
        if datum is not None and datum.value != NO_MAC:
            turn.publish(key, NO_MAC, 0, store=False)
