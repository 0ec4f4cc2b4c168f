"""The kernel's nexthop objects: one for each other node and IP version to which there is a way.

All direct routes towards the node lead by way of it, so a way that changes is one effect, whatever the stations there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sroamd import constants
from sroamd.addresses import NodeId
from sroamd.core.agenda import Job
from sroamd.core.backoff import Backoffs
from sroamd.core.effects import RemoveNextHop, SetNextHop
from sroamd.core.nodes import Nodes
from sroamd.core.turn import State, Turn
from sroamd.core.values import NextHop, Towards

VERSIONS = (4, 6)


@dataclass(slots=True)
class Changes:
    """Objects that have gone with all their routes, and those that are new and have none yet."""

    gone: list[tuple[NodeId, int]] = field(default_factory=list)
    new: list[tuple[NodeId, int]] = field(default_factory=list)


class NextHops:
    """`towards`: by IP version and node, of what is in the kernel; one value that all routes of that kind share."""

    def __init__(self, state: State, nodes: Nodes) -> None:
        self._state = state
        self._nodes = nodes
        self._set: dict[tuple[NodeId, int], NextHop] = {}
        self.towards: dict[int, dict[bytes, Towards]] = {version: {} for version in VERSIONS}
        self._direct = state.config.routes.direct
        self._due: set[NodeId] = set()
        # A way that comes and goes: its routes are installed again at once a few times, then later and later. Another
        # way to the same node is taken at once.
        self._losses: Backoffs[tuple[NodeId, int, NextHop]] = Backoffs(
            free=constants.REINSTALL_FREE,
            first=constants.REINSTALL_WAIT_MIN,
            longest=constants.REINSTALL_WAIT_MAX,
            quiet=constants.REINSTALL_QUIET,
        )

    @property
    def nodes(self) -> list[NodeId]:
        """Those that have an object, of whatever version."""
        return sorted({node for node, _ in self._set})

    @property
    def is_due(self) -> bool:
        """Whether `derive` has something to do even if no way is another."""
        return bool(self._due) or self._direct != self._state.config.routes.direct

    def derive(self, turn: Turn, moved: Iterable[NodeId]) -> Changes:
        """Bring the objects from what there is to what there should be. `moved`: to which the way may be another."""
        changes = Changes()
        nodes = {*moved, *self._due}
        self._due.clear()
        if self._direct != self._state.config.routes.direct:
            self._direct = self._state.config.routes.direct
            nodes.update(self._nodes.records, (node for node, _ in self._set))
        for node in sorted(nodes):
            for version in VERSIONS:
                self._derive(turn, node, version, changes)
        return changes

    def lost(self, turn: Turn, lost: Iterable[tuple[NodeId, int]]) -> list[tuple[NodeId, int]]:
        """The kernel has dropped these. Returns those that there should have been."""
        gone = [(node, version) for node, version in sorted(lost) if (node, version) in self._set]
        for node, version in gone:
            self._forget(turn, node, version)
            self._due.add(node)
        return gone

    def believed(self) -> dict[tuple[NodeId, int], NextHop]:
        """The objects that we believe are in the kernel."""
        return dict(self._set)

    def way(self, node: NodeId, version: int) -> NextHop | None:
        return self._set.get((node, version))

    def kernel_has(self, node: NodeId, version: int, next_hop: NextHop) -> None:
        """The object towards the node leads there, and not where we believed."""
        self._set[node, version] = next_hop
        self._due.add(node)

    def due(self, node: NodeId) -> None:
        self._due.add(node)

    def flush(self, turn: Turn) -> None:
        turn.broken.extend(RemoveNextHop(node, version) for node, version in self._set)
        self._set.clear()
        for towards in self.towards.values():
            towards.clear()

    def _derive(self, turn: Turn, node: NodeId, version: int, changes: Changes) -> None:
        held = self._set.get((node, version))
        desired = self._nodes.direct_next_hop(node, version) if self._direct else None
        if desired == held:
            return
        if desired is None:
            self._forget(turn, node, version)
            turn.broken.append(RemoveNextHop(node, version))
            changes.gone.append((node, version))
            return
        if held is None:
            ready_at = self._losses.ready_at((node, version, desired), turn.now)
            if ready_at > turn.now:
                self._state.agenda.set_earlier(Job.NEXT_HOP, node, ready_at)
                return
            self.towards[version][node] = Towards(node)
            changes.new.append((node, version))
        self._set[node, version] = desired
        turn.made.append(SetNextHop(node, version, desired))

    def _forget(self, turn: Turn, node: NodeId, version: int) -> None:
        way = self._set.pop((node, version))
        del self.towards[version][node]
        self._losses.done((node, version, way), turn.now)
