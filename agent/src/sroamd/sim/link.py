"""One connection between two nodes: reliable and in order in each direction, late by chance, mute while it is held.

Octets go through the real codec, cut where chance says, when the run asks for it; else messages go as values, which is
faster and the same to the core.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import TYPE_CHECKING

from sroamd import constants
from sroamd.core.events import PeerBlocked, PeerId, PeerWritable, UpdatesReceived, said_by
from sroamd.sim.clock import VirtualTime
from sroamd.wire.flood import HANDSHAKE, Message, StreamDecoder, Update, encode

if TYPE_CHECKING:
    from sroamd.sim.machine import Machine
    from sroamd.sim.network import Network

UPDATE_OCTETS = 24  # about; what an Update weighs in the peer's buffer


class End:
    """One end of a connection, as the transport of `machine` sees it."""

    def __init__(self, machine: Machine, peer: PeerId) -> None:
        self.machine = machine
        self.peer = peer
        self.process = machine.process  # the connection belongs to this life of the agent
        self.decoder = StreamDecoder()
        self.is_open = True
        self.in_flight = 0  # octets sent from here and not yet arrived
        self.told_blocked = False
        self.wants_more = False
        self.last_arrival = 0.0  # of what was sent from here: keeps the order
        self.target: int | None = None  # the node that this end has dialled, and will dial again
        self.backoff = 0.0  # before it dials again if this connection does not last
        self.redial_after: float | None = None  # s, if its own core has cut it
        self.born = 0.0

    @property
    def alive(self) -> bool:
        return self.is_open and self.machine.process == self.process and self.machine.node is not None


class Connection:
    def __init__(self, network: Network, dialler: End, listener: End, rng: Random) -> None:
        self._network = network
        self._time: VirtualTime = network.time
        self._rng = rng
        self._on_its_way: tuple[deque[object], deque[object]] = (deque(), deque())  # from either end, in order
        self._is_held = False
        self._holds = 0  # how often; what was to arrive before the last one does not then
        self.updates_in_flight = 0
        self.ends = (dialler, listener)
        if network.octets:
            for end in self.ends:
                end.decoder.feed(HANDSHAKE)

    # -- sending

    def send(self, sender: End, messages: tuple[Message, ...], more: bool = False) -> None:
        """What the core of `sender` wants to tell the other end: messages of one kind."""
        if not sender.is_open:
            return
        network, weight = self._network, UPDATE_OCTETS * len(messages)
        side = 0 if sender is self.ends[0] else 1
        sender.in_flight += weight
        sender.wants_more |= more
        updates = len(messages) if type(messages[0]) is Update else 0
        if self.ends[0].machine is not self.ends[1].machine:
            network.sent += updates  # who dials itself fills no link
        self.updates_in_flight += updates
        if network.octets:
            octets = b"".join(map(encode, messages))
            cut = self._rng.randrange(len(octets))
            if cut:
                self._put(side, (octets[:cut], 0, 0))
            self._put(side, (octets[cut:], weight, updates))
        else:
            self._put(side, (messages, weight, updates))
        if sender.in_flight > constants.PEER_BUFFER_MAX:
            self.abort()
        elif sender.in_flight > network.buffer and not sender.told_blocked:
            sender.told_blocked = True
            self._time.after(0.0, self._tell, sender, PeerBlocked(sender.peer))

    def _put(self, side: int, parcel: object) -> None:
        self._on_its_way[side].append(parcel)
        if not self._is_held:
            self._carry(side)

    def _carry(self, side: int) -> None:
        """The next one that is to arrive."""
        sender = self.ends[side]
        sender.last_arrival = max(sender.last_arrival, self._time.now + self._network.delay())
        self._time.at(sender.last_arrival, self._arrive, side, self._holds)

    # -- arriving

    def _arrive(self, side: int, holds: int) -> None:
        if self._is_held or holds != self._holds:
            return
        parcel = self._on_its_way[side].popleft()
        sender, receiver = self.ends[side], self.ends[1 - side]
        if parcel is None:
            self._close_end(receiver)
            return
        assert isinstance(parcel, tuple)
        content, octets, updates = parcel
        sender.in_flight -= octets
        self.updates_in_flight -= updates
        if receiver.alive:
            if isinstance(content, tuple) and type(content[0]) is Update:
                receiver.machine.deliver(UpdatesReceived(receiver.peer, content))
            else:
                messages = receiver.decoder.feed(content) if isinstance(content, bytes) else content
                for event in said_by(receiver.peer, messages):
                    receiver.machine.deliver(event)
        if (
            (sender.wants_more or sender.told_blocked)
            and sender.in_flight <= self._network.buffer // 2
            and sender.alive
        ):
            sender.wants_more = sender.told_blocked = False
            sender.machine.deliver(PeerWritable(sender.peer))

    def _tell(self, end: End, event: PeerBlocked) -> None:
        if end.alive and end.told_blocked:
            end.machine.deliver(event)

    # -- holding and closing

    def hold(self) -> None:
        """Nothing arrives any more, and nobody is told."""
        if not self._is_held:
            self._is_held = True
            self._holds += 1

    def release(self) -> None:
        """What was held arrives after all, in its order: TCP sends again."""
        if self._is_held:
            self._is_held = False
            for side, parcels in enumerate(self._on_its_way):
                for _ in parcels:
                    self._carry(side)

    def close(self, closer: End, redial_after: float) -> None:
        """One end closes: it hears so at once, the other after what was sent before."""
        if closer.is_open:
            closer.redial_after = redial_after
            side = self.ends.index(closer)
            self._close_end(closer)
            self._put(side, None)

    def abort(self) -> None:
        """Both ends find it broken; what is on its way is lost."""
        self.release()
        for end in self.ends:
            self._close_end(end)

    def _close_end(self, end: End) -> None:
        if not end.is_open:
            return
        end.is_open = False
        self._network.end_closed(self, end)
