"""One reaction: what an event has changed so far, and the effects it will have, in the order that harms nobody.

Make (new routes), tell (flood), store, announce, break (old routes, disassociations).
"""

from __future__ import annotations

from random import Random

from sroamd.addresses import Mac, NodeId
from sroamd.config import Config
from sroamd.core.agenda import Agenda, Job
from sroamd.core.database import Database, Datum, is_lease
from sroamd.core.effects import Effect, Level, Note, StoreLeases
from sroamd.core.events import PeerId
from sroamd.core.values import StoredDatum


class State:
    """What the parts of one node share. Only `node` makes one."""

    def __init__(self, config: Config, node_id: NodeId, rng: Random) -> None:
        self.config = config
        self.node_id = node_id
        self.rng = rng
        self.database = Database()
        self.agenda = Agenda()
        self.settled_at = 0.0  # from then on, what the database does not know is free (SYNC_TIME)
        self.present: dict[Mac, str] = {}  # authorised stations, and the interface of each
        self.offers: set[bytes] = set()  # keys of leases that are only offered, by this node: no route, no disk
        self.interfaces: dict[str, Mac] = {}  # station interfaces that are up, and the MAC of each

    def spread(self, seconds: float, share: float) -> float:
        """`seconds` give or take `share` of it, so that nodes and stations do not act in step."""
        return seconds * (1 + share * (2 * self.rng.random() - 1))


class Turn:
    __slots__ = (
        "_state", "broken", "changed", "made", "moved", "notes", "now", "owed", "said", "ticket", "to_store", "told",
        "touched", "unreacted",
    )  # fmt: skip

    def __init__(self, state: State, now: float) -> None:
        self.now = now
        self.changed: dict[bytes, PeerId | None] = {}  # keys to flood, and the peer that has it already
        self.owed: list[tuple[PeerId, bytes]] = []  # a peer sent something older than what we hold
        self.touched: set[bytes] = set()  # keys of leases whose routes must be derived again
        self.moved: set[Mac] = set()  # stations that have come to this node, or gone
        self.unreacted: list[bytes] = []  # changed keys that the parts have not seen yet
        self.made: list[Effect] = []
        self.told: list[Effect] = []
        self.said: list[Effect] = []
        self.broken: list[Effect] = []
        self.notes: list[Effect] = []
        self.to_store: dict[bytes, Datum] = {}
        self.ticket: int | None = None
        self._state = state

    def publish(self, key: bytes, value: bytes, life: float, *, store: bool = True) -> Datum:
        """Say something new, to the database and to all peers."""
        datum = self._state.database.publish(key, value, life, self.now)
        self._state.agenda.clear(Job.RAISE, key)  # it is above any tie
        self.accept(datum, None, store=store)
        return datum

    def accept(self, datum: Datum, origin: PeerId | None, *, store: bool = True) -> None:
        """The database holds a new version, from `origin` or (None) from here."""
        self.changed[datum.key] = origin
        self.unreacted.append(datum.key)
        self._state.agenda.set_earlier(Job.EXPIRE, datum.key, datum.expires_at)
        if is_lease(datum.key):
            self.touched.add(datum.key)
            if store:
                self.to_store[datum.key] = datum

    def touch(self, station: Mac) -> None:
        """Something that the station's routes depend on has changed."""
        self.touched.update(self._state.database.leases_of(station))

    def note(self, level: Level, text: str) -> None:
        self.notes.append(Note(level, text))

    def effects(self) -> list[Effect]:
        stored: list[Effect] = []
        if self.to_store or self.ticket is not None:
            now = self.now
            data = tuple(StoredDatum(d.key, d.value, d.seqno, d.expires_at - now) for d in self.to_store.values())
            stored.append(StoreLeases(data, self.ticket))
        return [*self.made, *self.told, *stored, *self.said, *self.broken, *self.notes]
