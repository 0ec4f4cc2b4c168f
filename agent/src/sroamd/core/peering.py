"""Sessions with peers: a set of dirty keys for each, never a queue of octets.

A peer is sent the version that is held when its turn comes, so bursts coalesce and memory is bounded by the database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

from sroamd import constants
from sroamd.addresses import NodeId
from sroamd.core.agenda import Job
from sroamd.core.database import Datum, is_association
from sroamd.core.effects import ClosePeer, Level, SendHello, SendUpdates
from sroamd.core.events import PeerId
from sroamd.core.turn import State, Turn
from sroamd.wire.flood import Hello, Update

# So often running, with no update between, before everything is sent again. Copies of one version may expire SLACK
# apart, which is no reason.
# What the peer's own repair repeats is no update in this sense, or each side's repair would put off the other's.
UNEQUAL_HELLOS = int(constants.SLACK / constants.HELLO_INTERVAL) + 2
REPAIR_INTERVAL = 60.0


@dataclass(slots=True)
class Peer:
    """`node` None: it has not said Hello, so it is the C daemon or has just come."""

    name: str
    since: float
    heard_at: float
    node: NodeId | None = None
    node_name: str = ""
    blocked: bool = False
    dirty: dict[bytes, None] = field(default_factory=dict)
    unequal: int = 0
    repaired_at: float = float("-inf")
    updates_in: int = 0
    updates_out: int = 0

    @property
    def is_ours(self) -> bool:
        return self.node is not None


class Peering:
    def __init__(self, state: State) -> None:
        self._state = state
        self.peers: dict[PeerId, Peer] = {}

    @property
    def has_c_peer(self) -> bool:
        return any(not peer.is_ours for peer in self.peers.values())

    def ready(self, turn: Turn, peer_id: PeerId, name: str) -> None:
        """Handshakes are exchanged: everything that is alive is news to this peer, where stations are first of all."""
        peer = Peer(name, turn.now, turn.now)
        self.peers[peer_id] = peer
        self._mark_all(peer, turn.now)
        turn.told.append(SendHello(peer_id, self._hello()))
        self._state.agenda.set(Job.HELLO, peer_id, turn.now + self._state.config.flood.hello_interval)
        turn.note(Level.INFO, f"peer {name} is connected")

    def closed(self, turn: Turn, peer_id: PeerId) -> None:
        peer = self.peers.pop(peer_id, None)
        if peer is not None:
            self._state.agenda.clear(Job.HELLO, peer_id)
            turn.note(Level.WARNING, f"peer {peer.name} is gone")

    def heard(self, turn: Turn, peer_id: PeerId, updates: int = 0) -> Peer | None:
        peer = self.peers.get(peer_id)
        if peer is not None:
            peer.heard_at = turn.now
            peer.updates_in += updates
        return peer

    def learned_from(self, peer_id: PeerId) -> None:
        """It told us something new, so what our databases differ in may be on its way."""
        self.peers[peer_id].unequal = 0

    def said_hello(self, turn: Turn, peer_id: PeerId, hello: Hello) -> None:
        peer = self.heard(turn, peer_id)
        if peer is None:
            return
        if hello.node_id == self._state.node_id:
            turn.told.append(ClosePeer(peer_id, "it is this node itself, or another with the same id"))
            return
        if peer.node is None:
            turn.note(Level.INFO, f"peer {peer.name} is node {hello.name!r} ({hello.node_id})")
        peer.node, peer.node_name = hello.node_id, hello.name
        peer.unequal = 0 if hello.digest == self._state.database.digest else peer.unequal + 1
        if peer.unequal >= UNEQUAL_HELLOS and turn.now >= peer.repaired_at + REPAIR_INTERVAL:
            peer.unequal, peer.repaired_at = 0, turn.now
            self._mark_all(peer, turn.now)
            self._state.database.counters["flood.repairs"] += 1
            turn.note(Level.WARNING, f"peer {peer.name} holds another database; sending it everything")

    def blocked(self, peer_id: PeerId) -> None:
        if peer_id in self.peers:
            self.peers[peer_id].blocked = True

    def writable(self, peer_id: PeerId) -> None:
        if peer_id in self.peers:
            self.peers[peer_id].blocked = False

    def hello_due(self, turn: Turn, peer_id: PeerId) -> None:
        peer = self.peers[peer_id]
        if peer.is_ours and turn.now - peer.heard_at > (dead_time := self._state.config.flood.dead_time):
            turn.told.append(ClosePeer(peer_id, f"silent for {dead_time:.0f} s"))
            return
        turn.told.append(SendHello(peer_id, self._hello()))
        self._state.agenda.set(Job.HELLO, peer_id, turn.now + self._state.config.flood.hello_interval)

    def flush(self, turn: Turn) -> None:
        """Turn what has changed into updates for every peer that can take them."""
        for key, origin in turn.changed.items():
            for peer_id, peer in self.peers.items():
                if peer_id != origin:
                    peer.dirty[key] = None
                else:
                    peer.dirty.pop(key, None)
        for peer_id, key in turn.owed:
            if peer_id in self.peers:
                self.peers[peer_id].dirty[key] = None
        updates: dict[bytes, Update | None] = {}
        for peer_id, peer in self.peers.items():
            if peer.dirty and not peer.blocked:
                self._send_dirty(turn, peer_id, peer, updates)

    def _send_dirty(self, turn: Turn, peer_id: PeerId, peer: Peer, updates: dict[bytes, Update | None]) -> None:
        batch: list[Update] = []
        while peer.dirty and not batch:  # what has been forgotten since it changed is nothing to send
            for key in list(islice(peer.dirty, constants.DUMP_BATCH)):
                del peer.dirty[key]
                if key not in updates:
                    datum = self._state.database.get(key)
                    updates[key] = None if datum is None else to_update(datum, turn.now)
                update = updates[key]
                if update is not None:
                    batch.append(update)
        peer.blocked = bool(peer.dirty)
        peer.updates_out += len(batch)
        if batch:
            turn.told.append(SendUpdates(peer_id, tuple(batch), more=peer.blocked))

    def _mark_all(self, peer: Peer, now: float) -> None:
        keys = [datum.key for datum in self._state.database if datum.expires_at > now]
        keys.sort(key=is_association, reverse=True)
        peer.dirty = dict.fromkeys([*keys, *peer.dirty])

    def _hello(self) -> Hello:
        state = self._state
        return Hello(
            node_id=state.node_id,
            interval=int(state.config.flood.hello_interval),
            digest=state.database.digest,
            count=state.database.alive,
            name=state.config.node.name,
        )


def to_update(datum: Datum, now: float) -> Update:
    """As it goes to a peer: one second a hop off its life, which ends every echo."""
    remaining = max(0, datum.remaining(now) - constants.HOP_COST)
    return Update(datum.seqno, min(remaining, constants.LIFE_MAX_WIRE), datum.key, datum.value)
