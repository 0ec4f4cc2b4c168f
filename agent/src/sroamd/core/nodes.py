"""The other nodes: their names, their router addresses, and the kernel's next hop towards each.

A node whose record has run out is remembered as long as its datum is: it may be alive on the other side of a partition.
"""

from __future__ import annotations

from sroamd.addresses import NodeId
from sroamd.core.effects import WatchNextHops
from sroamd.core.gateways import BackboneAddress, Gateways
from sroamd.core.ring import Ring
from sroamd.core.turn import State, Turn
from sroamd.core.values import NextHop
from sroamd.wire.datum import NODE, NodeRecord, decode_links, node_id


class Nodes:
    def __init__(self, state: State) -> None:
        self._state = state
        self.records: dict[NodeId, NodeRecord] = {}
        self._known: dict[NodeId, NodeRecord] = {}  # those, and what the others said last
        self._at: dict[BackboneAddress, set[NodeId]] = {}  # whose router address it is, by the records in force
        self._gateways = Gateways()
        self._unreachable: frozenset[NodeId] | None = None
        self._ring: Ring | None = None
        self._next_hops: dict[BackboneAddress, NextHop] = {}
        self._watched: frozenset[BackboneAddress] = frozenset()
        self._records_changed = False
        self._doubted: set[BackboneAddress] = set()  # of which it is not what it was whether they are a node's
        self._moved: set[NodeId] = set()  # to which the way may be another, since `take_moved`

    def changed(self, turn: Turn, key: bytes) -> None:
        """The record or the link-local addresses of another node have changed or expired."""
        datum = self._state.database.live(key, turn.now)
        if key[0] != NODE:
            links = decode_links(datum.value) if datum is not None else ()
            self._doubted |= self._gateways.said(key, links)
            return
        node = node_id(key)
        if datum is None or not datum.value:
            self.records.pop(node, None)
        else:
            self.records[node] = self._known[node] = NodeRecord.decode(datum.value)
        last = self._state.database.get(key)
        if last is None or not last.value:
            self._known.pop(node, None)
        record = self.records.get(node)
        self._doubted |= self._gateways.said(key, _addresses(record) if record is not None else ())
        self._moved.add(node)
        self._ring = self._unreachable = None
        self._records_changed = True

    def name(self, node: NodeId) -> str:
        """For people: its name, or its id where that is not known."""
        if node == self._state.node_id:
            return self._state.config.node.name
        record = self.records.get(node)
        return record.name if record is not None and record.name else str(node)

    def next_hop(self, node: NodeId, version: int) -> NextHop | None:
        """The kernel's way to the node, with a gateway in any case: who is on the link is its own."""
        record = self.records.get(node)
        if record is None:
            return None
        address = record.router_ipv4 if version == 4 else record.router_ipv6
        hop = self._next_hops.get(address) if address is not None else None
        return NextHop(hop.interface, address) if hop is not None and hop.gateway is None else hop

    def direct_next_hop(self, node: NodeId, version: int) -> NextHop | None:
        """The same if a direct route may lead there: not to stations, whatever a peer says of router addresses, and to
        a router without the agent only if Babel tells it of stations."""
        hop = self.next_hop(node, version)
        stations = (interface.name for interface in self._state.config.interfaces)
        if hop is None or hop.interface in stations:
            return None
        return hop if hop.gateway in self._gateways or self._state.config.routes.announced else None

    def safe_next_hop(self, node: NodeId, version: int) -> NextHop | None:
        """The same if it leads to a node of ours, which knows of a move when we do."""
        hop = self.direct_next_hop(node, version)
        return hop if hop is not None and hop.gateway in self._gateways else None

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

    def next_hop_changed(self, address: BackboneAddress, next_hop: NextHop | None) -> None:
        self._unreachable = None
        self._moved.update(self._at.get(address, ()))
        if next_hop is None:
            self._next_hops.pop(address, None)
        elif address in self._watched:
            self._next_hops[address] = next_hop

    def watch(self, turn: Turn) -> None:
        """Once a reaction, since a dump brings the records of all nodes at once."""
        if not self._records_changed:
            return
        self._records_changed = False
        self._at = {}
        for node, record in self.records.items():
            for address in _addresses(record):
                self._at.setdefault(address, set()).add(node)
        addresses = {address for record in self._known.values() for address in _addresses(record)}
        if addresses != self._watched:
            self._watched = frozenset(addresses)
            self._next_hops = {a: hop for a, hop in self._next_hops.items() if a in addresses}
            self._unreachable = None
            turn.made.append(WatchNextHops(self._watched))

    def take_moved(self) -> list[NodeId]:
        """The nodes to which the way may be another since this was asked last."""
        if self._doubted:
            for address, hop in self._next_hops.items():
                if (hop.gateway or address) in self._doubted:
                    self._moved.update(self._at.get(address, ()))
            self._doubted.clear()
        moved, self._moved = sorted(self._moved), set()
        return moved


def _addresses(record: NodeRecord) -> tuple[BackboneAddress, ...]:
    return tuple(address for address in (record.router_ipv4, record.router_ipv6) if address is not None)
