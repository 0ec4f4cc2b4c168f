"""The other nodes: their names, their router addresses, and the kernel's next hop towards each.

A node whose record has run out is remembered as long as its datum is: it may be alive on the other side of a partition.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from sroamd import constants
from sroamd.addresses import NodeId
from sroamd.core.agenda import Job
from sroamd.core.backoff import Backoffs
from sroamd.core.effects import Level, WatchNextHops
from sroamd.core.ring import Ring
from sroamd.core.turn import State, Turn
from sroamd.core.values import NextHop
from sroamd.wire.datum import NodeRecord, node_id, node_key

RouterAddress = IPv4Address | IPv6Address


class Nodes:
    def __init__(self, state: State) -> None:
        self._state = state
        self.records: dict[NodeId, NodeRecord] = {}
        self._known: dict[NodeId, NodeRecord] = {}  # those, and what the others said last
        self._unreachable: frozenset[NodeId] | None = None
        self._ring: Ring | None = None
        self._next_hops: dict[RouterAddress, NextHop] = {}
        self._watched: frozenset[RouterAddress] = frozenset()
        self._records_changed = False
        self._corrections: Backoffs[NodeId] = Backoffs(
            free=constants.NODE_CORRECTIONS_FREE,
            first=constants.NODE_CORRECTION_MIN,
            longest=constants.NODE_CORRECTION_MAX,
            quiet=2 * constants.NODE_CORRECTION_MAX,
        )
        self._contradiction: NodeRecord | None = None  # what was said of us last that is not true

    def publish_own(self, turn: Turn) -> None:
        """Say who we are: at the start, when it changes, and long before it expires."""
        node = self._state.config.node
        record = NodeRecord(node.name, node.router_ipv4, node.router_ipv6)
        turn.publish(node_key(self._state.node_id), record.encode(), constants.NODE_LIFE)
        due = turn.now + self._state.spread(constants.NODE_REFRESH, constants.REFRESH_SPREAD)
        self._state.agenda.set(Job.REFRESH_NODE, None, due)

    def refresh_due(self, turn: Turn) -> None:
        if self._is_contradicted(turn.now):
            self._correct_own(turn)
        else:
            self.publish_own(turn)

    def twin(self, now: float) -> str | None:
        """For people: who else has our id. A former self of ours is contradicted once or twice, a twin does it back."""
        if self._corrections.count(self._state.node_id, now) <= constants.NODE_CORRECTIONS_FREE:
            return None
        record = self._contradiction
        if record is None:
            return "unnamed"
        addresses = (str(address) for address in (record.router_ipv4, record.router_ipv6) if address is not None)
        return " ".join((repr(record.name), *addresses))

    def _is_contradicted(self, now: float) -> bool:
        own, datum = self._state.config.node, self._state.database.live(node_key(self._state.node_id), now)
        return datum is None or datum.value != NodeRecord(own.name, own.router_ipv4, own.router_ipv6).encode()

    def _correct_own(self, turn: Turn) -> None:
        """What a former self said of us is not true any more; or another node has our id, and does the same to us."""
        ready_at = self._corrections.ready_at(self._state.node_id, turn.now)
        if ready_at > turn.now:
            self._state.agenda.set_earlier(Job.REFRESH_NODE, None, ready_at)
            return
        self._corrections.done(self._state.node_id, turn.now)
        twin = self.twin(turn.now)
        if twin is not None:
            turn.note(Level.ERROR, f"another node has the id of this one, {self._state.node_id}: {twin}")
        else:
            turn.note(Level.WARNING, "this node's record was not true (of a former self?) and is corrected")
        self.publish_own(turn)

    def changed(self, turn: Turn, key: bytes) -> None:
        """A node's datum has changed or expired."""
        node = node_id(key)
        datum = self._state.database.live(key, turn.now)
        if node == self._state.node_id:
            if self._is_contradicted(turn.now):
                self._contradiction = NodeRecord.decode(datum.value) if datum is not None and datum.value else None
                self._correct_own(turn)
            return
        if datum is None or not datum.value:
            self.records.pop(node, None)
        else:
            self.records[node] = self._known[node] = NodeRecord.decode(datum.value)
        last = self._state.database.get(key)
        if last is None or not last.value:
            self._known.pop(node, None)
        self._ring = self._unreachable = None
        self._records_changed = True

    def name(self, node: NodeId) -> str:
        """For people: its name, or its id where that is not known."""
        if node == self._state.node_id:
            return self._state.config.node.name
        record = self.records.get(node)
        return record.name if record is not None and record.name else str(node)

    def next_hop(self, node: NodeId, version: int) -> NextHop | None:
        record = self.records.get(node)
        if record is None:
            return None
        address = record.router_ipv4 if version == 4 else record.router_ipv6
        return self._next_hops.get(address) if address is not None else None

    @property
    def unreachable(self) -> frozenset[NodeId]:
        """The known nodes to none of whose router addresses the kernel has a way."""
        if self._unreachable is None:
            self._unreachable = frozenset(
                node
                for node, record in self._known.items()
                if (addresses := _addresses(record)) and not any(a in self._next_hops for a in addresses)
            )
        return self._unreachable

    @property
    def ring(self) -> Ring:
        """Of all known nodes, this one too."""
        if self._ring is None:
            self._ring = Ring((*self._known, self._state.node_id))
        return self._ring

    def next_hop_changed(self, address: RouterAddress, next_hop: NextHop | None) -> None:
        self._unreachable = None
        if next_hop is None:
            self._next_hops.pop(address, None)
        elif address in self._watched:
            self._next_hops[address] = next_hop

    def watch(self, turn: Turn) -> None:
        """Once a reaction, since a dump brings the records of all nodes at once."""
        if not self._records_changed:
            return
        self._records_changed = False
        addresses = {address for record in self._known.values() for address in _addresses(record)}
        if addresses != self._watched:
            self._watched = frozenset(addresses)
            self._next_hops = {a: hop for a, hop in self._next_hops.items() if a in addresses}
            self._unreachable = None
            turn.made.append(WatchNextHops(self._watched))


def _addresses(record: NodeRecord) -> tuple[RouterAddress, ...]:
    return tuple(address for address in (record.router_ipv4, record.router_ipv6) if address is not None)
