"""Direct routes: to the stations of all other nodes, by way of the nexthop object towards the node that has them.

There may be 60,000, so there is a word for each in the books and no more: the key of its lease, and the value that all
routes towards one node share. What concerns many stations at once is worked off in slices, and a roam never waits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sroamd import constants
from sroamd.addresses import NodeId
from sroamd.core.agenda import Job
from sroamd.core.next_hops import NextHops
from sroamd.core.nodes import Nodes
from sroamd.core.turn import State, Turn
from sroamd.core.values import NextHop, Towards
from sroamd.wire.datum import IPV4_LEASE, association_station


class DirectRoutes:
    """`installed`: by the key of the lease, where each leads."""

    def __init__(self, state: State, nodes: Nodes) -> None:
        self._state = state
        self.next_hops = NextHops(state, nodes)
        self.installed: dict[bytes, Towards] = {}
        self._waiting: dict[NodeId, None] = {}  # nodes whose stations are to be looked at, in the order they came
        self._slice: list[bytes] = []  # keys of associations, of the node that is being worked off

    def desired(self, key: bytes, owner: bytes) -> Towards | None:
        """Where the route of a lease in force should lead whose station is at another node."""
        return self.next_hops.towards[version_of(key)].get(owner)

    def follow(self, turn: Turn, moved: Collection[NodeId]) -> None:
        """Nexthop objects first, so that there is one before there is a route towards it. `moved`: nodes to which the
        way may be another."""
        if not moved and not self.next_hops.is_due:
            return  # as almost always
        changes = self.next_hops.derive(turn, moved)
        self._drop(turn, changes.gone)
        self._look_at(turn, (node for node, _ in changes.new))

    def listed(self, turn: Turn, found: dict[bytes, Towards]) -> None:
        """The direct routes that the kernel has. What is not as it was believed to be is looked at."""
        before = self.installed
        turn.touched.update(key for key, towards in found.items() if before.get(key) != towards)
        self.installed = {key: self._shared(key, towards) for key, towards in found.items()}
        self.look_at_all(turn)

    def look_at_all(self, turn: Turn) -> None:
        """What is derived for the stations of all other nodes may have changed."""
        self._look_at(turn, self.next_hops.nodes)

    def objects_lost(self, turn: Turn, lost: Iterable[tuple[NodeId, int]]) -> None:
        self._drop(turn, self.next_hops.lost(turn, lost))

    def kernel_has(self, turn: Turn, node: NodeId, version: int, next_hop: NextHop | None) -> None:
        """Of the nexthop object towards the node it has this, or none, and not what we believed."""
        if next_hop is None:
            self.objects_lost(turn, [(node, version)])
        else:
            self.next_hops.kernel_has(node, version, next_hop)

    @property
    def is_catching_up(self) -> bool:
        """Some stations have not had their turn yet."""
        return bool(self._slice or self._waiting)

    def flush(self, turn: Turn) -> None:
        self.next_hops.flush(turn)
        self.installed.clear()

    def slice_due(self, turn: Turn) -> None:
        """Look at the next stations of those that wait."""
        if not self._slice and self._waiting:
            node = next(iter(self._waiting))
            del self._waiting[node]
            self._slice = sorted(self._state.database.stations_at(node))
        for key in self._slice[-constants.DIRECT_SLICE :]:
            turn.touch(association_station(key))
        del self._slice[-constants.DIRECT_SLICE :]
        self._go_on(turn)

    def _shared(self, key: bytes, towards: Towards) -> Towards:
        return self.next_hops.towards[version_of(key)].get(towards.node, towards)

    def _look_at(self, turn: Turn, nodes: Iterable[NodeId]) -> None:
        self._waiting.update((node, None) for node in nodes if self._state.database.stations_at(node))
        self._go_on(turn)

    def _go_on(self, turn: Turn) -> None:
        if self.is_catching_up:
            self._state.agenda.set_earlier(Job.DIRECT, None, turn.now + constants.DIRECT_PAUSE)

    def _drop(self, turn: Turn, gone: Iterable[tuple[NodeId, int]]) -> None:
        """These routes have gone with their nexthop object. What the database says has led there, but for what has
        changed in this very reaction."""
        database = self._state.database
        for node, version in gone:
            towards = Towards(node)
            stations = map(association_station, database.stations_at(node))
            keys = {key for station in stations for key in database.leases_of(station)} | turn.touched
            for key in keys:
                if version_of(key) == version and self.installed.get(key) == towards:
                    del self.installed[key]


def version_of(key: bytes) -> int:
    """The IP version of a lease's route."""
    return 4 if key[0] == IPV4_LEASE else 6
