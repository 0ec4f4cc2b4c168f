"""Sessions with peers: who they are, whether they live, and what each is sent when.

A peer that has just come is told who we are. What it gets then depends on its answer: nothing if its database is equal,
a comparison that finds the differences (`repair`), or everything, if it is the C daemon or holds next to nothing.
"""

from __future__ import annotations

from sroamd import constants
from sroamd.core.agenda import Job
from sroamd.core.database import Datum
from sroamd.core.effects import ClosePeer, Level, SendHello, SendSummaries, SendUpdates
from sroamd.core.events import PeerId
from sroamd.core.peer import Comparison, Peer
from sroamd.core.relays import Relays
from sroamd.core.repair import Repair
from sroamd.core.turn import State, Turn
from sroamd.rate import TokenBucket
from sroamd.wire.flood import Hello, Update
from sroamd.wire.summary import Summary, Wanted


class Peering:
    def __init__(self, state: State) -> None:
        self._state = state
        self._repair = Repair(state)
        self._relays = Relays(state)
        self.peers: dict[PeerId, Peer] = {}
        self._concerned: dict[PeerId, Peer] = {}  # who may have to be told something, though nothing has changed
        self._twin: tuple[str, float] | None = None

    @property
    def has_c_peer(self) -> bool:
        return any(not peer.is_ours for peer in self.peers.values())

    def twin(self, now: float) -> str | None:
        """Another node with this node's id that was met lately, in words."""
        met = self._twin is not None and now < self._twin[1] + constants.TWIN_MEMORY
        return self._twin[0] if self._twin is not None and met else None

    # -- what happens

    def ready(self, turn: Turn, peer_id: PeerId, name: str, *, dialled: bool) -> None:
        """Handshakes are exchanged. The peer hears of every change from now on, and of the rest when it is known."""
        answers = TokenBucket(constants.SUMMARY_RATE, constants.SUMMARY_BURST, turn.now)
        malformed = TokenBucket(constants.MALFORMED_RATE, constants.MALFORMED_BURST, turn.now)
        self.peers[peer_id] = Peer(
            name, turn.now, turn.now, self._state.database.alive, Comparison(answers), malformed, dialled
        )
        self._say_hello(turn, peer_id)
        self._state.agenda.set(Job.HELLO_WAIT, peer_id, turn.now + constants.HELLO_WAIT)
        turn.note(Level.INFO, f"peer {name} is connected")

    def closed(self, turn: Turn, peer_id: PeerId) -> None:
        peer = self.peers.pop(peer_id, None)
        if peer is not None:
            self._state.agenda.clear(Job.HELLO, peer_id)
            self._state.agenda.clear(Job.HELLO_WAIT, peer_id)
            # Whoever is connected otherwise has only closed what was superfluous.
            is_lost = not peer.closing and (peer.node is None or all(o.node != peer.node for o in self.peers.values()))
            turn.note(Level.WARNING if is_lost else Level.INFO, f"peer {peer.name} is gone")

    def heard(self, turn: Turn, peer_id: PeerId) -> Peer | None:
        """It lives. None: there is no such peer."""
        peer = self.peers.get(peer_id)
        if peer is not None:
            peer.heard_at = turn.now
            self._concerned[peer_id] = peer
        return peer

    def said_updates(self, turn: Turn, peer_id: PeerId, count: int) -> Peer | None:
        """None: there is no such peer."""
        peer = self.heard(turn, peer_id)
        if peer is not None:
            peer.updates_in += count
            if peer.awaited:
                self._is_c(peer_id, peer, turn.now)
        return peer

    def said_malformed(self, turn: Turn, peer_id: PeerId) -> None:
        """A datum that does not fit its key type. Whoever says little else is closed."""
        peer = self.peers[peer_id]
        if not peer.malformed.take(turn.now) and not peer.closing:
            self._close(turn, peer_id, "it says too much that is malformed", constants.REDIAL_LATER)

    def learned_from(self, peer_id: PeerId) -> None:
        """It told us something new, so what our databases differ in may be on its way."""
        self.peers[peer_id].comparison.quiet = 0

    def said_same(self, peer_id: PeerId, key: bytes) -> None:
        """The version that is held."""
        self._relays.known(key, peer_id, len(self.peers))

    def said_hello(self, turn: Turn, peer_id: PeerId, hello: Hello) -> None:
        peer = self.heard(turn, peer_id)
        if peer is None:
            return
        if hello.node_id == self._state.node_id:
            self._met_twin(turn, peer_id, peer, hello)
            return
        if peer.node is None:
            turn.note(Level.INFO, f"peer {peer.name} is node {hello.name!r} ({hello.node_id})")
            peer.node, peer.node_name, peer.repairs = hello.node_id, hello.name, hello.repairs
            self._synchronise(peer_id, peer, hello, turn.now)
        elif self._repair.is_due(peer, hello, turn.now):
            self._state.database.counters["flood.repairs"] += 1
            if self._repair.needs_dump(peer, hello, turn.now):
                self._dump(peer_id, peer, turn.now)
                turn.note(Level.WARNING, f"peer {peer.name} holds another database; sending it everything")
        self._close_superfluous(turn, peer_id, peer)

    def compared(self, turn: Turn, peer_id: PeerId, messages: tuple[Summary | Wanted, ...]) -> None:
        peer = self.heard(turn, peer_id)
        if peer is not None:
            self._repair.received(peer, messages, turn.now)

    def ask_about(self, key: bytes) -> None:
        """What of this datum was said while nobody here listened is said again, if it is still news."""
        for peer_id, peer in self.peers.items():
            if peer.repairs:
                self._repair.ask_about(peer, key)
                self._concerned[peer_id] = peer

    def hello_missing(self, turn: Turn, peer_id: PeerId) -> None:
        """A node of ours would have said who it is."""
        self._is_c(peer_id, self.peers[peer_id], turn.now)

    def _is_c(self, peer_id: PeerId, peer: Peer, now: float) -> None:
        self._state.database.beside_c = True
        self._dump(peer_id, peer, now)

    def hello_due(self, turn: Turn, peer_id: PeerId) -> None:
        peer, dead_time = self.peers[peer_id], self._state.config.flood.dead_time
        if peer.is_ours and turn.now - peer.heard_at > dead_time:
            self._close(turn, peer_id, f"silent for {dead_time:.0f} s")
        else:
            self._say_hello(turn, peer_id)

    def blocked(self, peer_id: PeerId) -> None:
        if peer_id in self.peers:
            self.peers[peer_id].blocked = True

    def writable(self, peer_id: PeerId) -> None:
        if peer_id in self.peers:
            self.peers[peer_id].blocked = False
            self._concerned[peer_id] = self.peers[peer_id]

    # -- what is said

    def flush(self, turn: Turn) -> None:
        """Tell every peer that can take it what has changed, what it is owed, and what there is to compare."""
        for key, origin in turn.changed.items():
            self._tell(turn, key, origin)
        for peer_id, key in turn.owed:
            if peer_id in self.peers:
                self.peers[peer_id].outbox.add(key)
                self.said_same(peer_id, key)
        concerned, self._concerned = self.peers if turn.changed else self._concerned, {}
        updates: dict[bytes, Update | None] = {}
        for peer_id, peer in concerned.items():
            if peer.has_mail and not peer.blocked and peer_id in self.peers:
                self._send(turn, peer_id, peer, updates)

    def relay_due(self, turn: Turn) -> None:
        """Who has not said by now what others have is told."""
        for key, known in self._relays.due(turn.now).items():
            for peer_id, peer in self.peers.items():
                if peer_id not in known:
                    peer.outbox.add(key)
                    self._concerned[peer_id] = peer

    def _tell(self, turn: Turn, key: bytes, origin: PeerId | None) -> None:
        """What has changed, to all but who has said it; a leaf waits with what is not its own."""
        if origin is not None and self._state.config.flood.leaf:
            self._relays.wait(key, origin, turn.now)
        else:
            self._relays.forget(key)
            for peer in self.peers.values():
                peer.outbox.add(key)
        if origin is not None and origin in self.peers:
            self.peers[origin].outbox.drop(key)

    def _send(self, turn: Turn, peer_id: PeerId, peer: Peer, updates: dict[bytes, Update | None]) -> None:
        """One batch of each kind. `updates`: those made in this turn already."""
        batch: list[Update] = []
        while peer.outbox and not batch:  # what has been forgotten since it changed is nothing to send
            for key in peer.outbox.take(self._state.database, turn.now, constants.DUMP_BATCH):
                if key not in updates:
                    datum = self._state.database.get(key)
                    updates[key] = None if datum is None else to_update(datum, turn.now)
                update = updates[key]
                if update is not None:
                    batch.append(update)
        summaries = self._repair.take(peer)
        peer.blocked = peer.has_mail
        peer.updates_out += len(batch)
        if batch:
            turn.told.append(SendUpdates(peer_id, tuple(batch), more=peer.blocked and not summaries))
        if summaries:
            turn.told.append(SendSummaries(peer_id, summaries, more=peer.blocked))

    # -- who it is

    def _met_twin(self, turn: Turn, peer_id: PeerId, peer: Peer, hello: Hello) -> None:
        """Another node has our id (the transport knows a connection with ourselves by its addresses). Each would take
        the other's stations for its own, so neither listens to the other. Who dialled closes; else we, a Hello later.
        """
        name = f"{hello.name!r} at {peer.name}"
        if self.twin(turn.now) is None:
            turn.note(Level.ERROR, f"another node has the id of this one, {hello.node_id}: {name}")
        self._twin = name, turn.now
        if peer.dialled or peer.node is not None:
            self._close(turn, peer_id, "it has the id of this node", constants.REDIAL_LATER)
        peer.node = hello.node_id
        self._decided(peer_id, peer)

    def _close_superfluous(self, turn: Turn, peer_id: PeerId, peer: Peer) -> None:
        """One connection with a node is enough. Whoever dialled the other closes it: he alone knows when to try again.

        That of the node with the smaller id stays; of two that one node dialled, the older as long as it is alive.
        """
        for other_id, other in self.peers.items():
            if other_id == peer_id or other.node != peer.node or peer.closing or other.closing:
                continue
            if peer.dialled and other.dialled:
                old, new = sorted((peer_id, other_id))
                self._close_for(turn, new, old)
            elif peer.node is not None and peer.node < self._state.node_id:
                ours, theirs = (peer_id, other_id) if peer.dialled else (other_id, peer_id)
                if self.peers[ours].dialled:
                    self._close_for(turn, ours, theirs)

    def _close_for(self, turn: Turn, superfluous: PeerId, kept: PeerId) -> None:
        """Of two connections with one node; the other way round if that which is kept has fallen silent."""
        patience = constants.SILENT_HELLOS * self._state.config.flood.hello_interval
        if turn.now - self.peers[kept].heard_at > patience:
            superfluous, kept = kept, superfluous
        if self.peers[superfluous].dialled:
            reason = f"connected by {self.peers[kept].name} already"
            self._close(turn, superfluous, reason, constants.REDIAL_SUPERFLUOUS)

    def _close(self, turn: Turn, peer_id: PeerId, reason: str, redial_after: float = 0.0) -> None:
        self.peers[peer_id].closing = redial_after > 0
        turn.told.append(ClosePeer(peer_id, reason, redial_after))

    # -- inside

    def _synchronise(self, peer_id: PeerId, peer: Peer, hello: Hello, now: float) -> None:
        """Its first Hello: both ends come to the same decision, since both know both of the counts that were said."""
        small, large = sorted((peer.count, hello.count))
        if hello.digest == self._state.database.digest:
            self._decided(peer_id, peer)
        elif not hello.repairs or large <= constants.SUMMARY_MIN or small * constants.SUMMARY_RATIO < large:
            if peer.awaited:
                self._dump(peer_id, peer, now)
        else:
            self._decided(peer_id, peer)
            if self._state.node_id < hello.node_id:
                self._repair.begin(peer)

    def _dump(self, peer_id: PeerId, peer: Peer, now: float) -> None:
        self._decided(peer_id, peer)
        self._concerned[peer_id] = peer
        peer.outbox.dump(self._state.database, now)
        self._state.database.counters["flood.dumps"] += 1

    def _decided(self, peer_id: PeerId, peer: Peer) -> None:
        peer.awaited = False
        self._state.agenda.clear(Job.HELLO_WAIT, peer_id)

    def _say_hello(self, turn: Turn, peer_id: PeerId) -> None:
        state = self._state
        hello = Hello(
            node_id=state.node_id,
            interval=int(state.config.flood.hello_interval),
            digest=state.database.digest,
            count=state.database.alive,
            name=state.config.node.name,
            repairs=True,
        )
        turn.told.append(SendHello(peer_id, hello))
        state.agenda.set(Job.HELLO, peer_id, turn.now + state.config.flood.hello_interval)


def to_update(datum: Datum, now: float) -> Update:
    """As it goes to a peer: one second a hop off its life, which ends every echo."""
    remaining = max(0, datum.remaining(now) - constants.HOP_COST)
    return Update(datum.seqno, min(remaining, constants.LIFE_MAX_WIRE), datum.key, datum.value)
