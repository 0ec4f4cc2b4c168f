"""A model of Babel on every router: its ways to the other routers, and what it has heard of host routes.

Ways are shortest paths of the backbone as it is when the router looks; Network says when that is. As Babel itself, a
router takes no neighbour whose way leads back to it: it goes without for a moment (RFC 8966, section 2.4).

What a node redistributes spreads hop by hop and reaches each router at a time of its own. The times are fitted to
those measured for demoted routes, hello 0.2 s, five routers (routing, table: 134, 196, 218 ms at p50, p95 and max).
They are looked at only when a packet asks, so that a change costs nothing. Metrics are those of routing section 2. Two
origins of one prefix may make a loop for as long as their news spread, as in Babel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from random import Random

from sroamd.core.values import Prefix, RouteKind
from sroamd.sim.backbone import Backbone
from sroamd.sim.clock import VirtualTime

FIRST = (0.050, 0.170)  # s until babeld tells its neighbours of a change in the kernel
HOP = (0.005, 0.025)  # s until a router has told the next one
RETRACTION_LIVES = (15.0, 80.0)  # s: babeld 1.12.1 loses retractions, and others forget by themselves
METRIC = {RouteKind.HERE: 256, RouteKind.DEMOTED: 32768}
COST = 96  # of a wired link
_SCRAMBLE, _BITS = 0x9E3779B97F4A7C15, (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Way:
    """To another router: the neighbour, the segment to it, how many hops in all, and since when there is any way."""

    neighbour: int
    segment: int
    hops: int
    since: float


@dataclass(frozen=True, slots=True)
class Change:
    """Of what a node redistributes: its metric from `at` on, None for nothing. `chance`: 64 bits.

    `lost_for`: so long nobody hears of it (None: they hear in time; inf: when the node has power again).
    """

    at: float
    metric: int | None
    chance: int
    lost_for: float | None


class Babel:
    """`lost_retractions`: the share that gets lost."""

    def __init__(self, time: VirtualTime, rng: Random, backbone: Backbone, lost_retractions: float) -> None:
        self._time = time
        self._rng = rng
        self._backbone = backbone
        self._lost_retractions = lost_retractions
        self.ways: list[dict[int, Way]] = [{} for _ in backbone.routers]
        self._announced: dict[Prefix, dict[int, list[Change]]] = {}
        self._booted_at: dict[int, float] = {}

    @property
    def slowest(self) -> float:
        """s that a change may take to be known everywhere."""
        if self._lost_retractions:
            return RETRACTION_LIVES[1]
        return FIRST[1] + len(self.ways) * HOP[1]

    # -- the ways to the other routers

    def look(self, router: int) -> bool:
        """Renew its ways. True if it goes without one that it will have soon."""
        now, before, found = self._time.now, self.ways[router], {}
        waits = False
        for target, (neighbour, segment, hops) in self._shortest(router).items():
            if self._leads_back(router, neighbour, target):
                waits = True
                continue
            old = before.get(target)
            found[target] = Way(neighbour, segment, hops, now if old is None else old.since)
        self.ways[router] = found
        return waits

    def _shortest(self, router: int) -> dict[int, tuple[int, int, int]]:
        """By target: (neighbour, segment, hops)."""
        found = {other: (other, segment, 1) for other, segment in reversed(self._backbone.neighbours(router))}
        frontier = sorted(found)
        for near in frontier:
            neighbour, segment, hops = found[near]
            for other, _ in self._backbone.neighbours(near):
                if other != router and other not in found:
                    found[other] = (neighbour, segment, hops + 1)
                    frontier.append(other)
        return found

    def _leads_back(self, router: int, neighbour: int, target: int) -> bool:
        return router in self._passed(neighbour, target)

    def _passed(self, router: int, target: int) -> Iterator[int]:
        """The routers on the way to the target, this one first, as far as the ways lead."""
        while True:
            yield router
            way = self.ways[router].get(target)
            if router == target or way is None:
                return
            router = way.neighbour

    def reaches(self, router: int, target: int) -> bool:
        """Whether packets from the one arrive at the other now."""
        while router != target:
            way = self.ways[router].get(target)
            if way is None or not self._backbone.linked(router, way.neighbour, way.segment):
                return False
            router = way.neighbour
        return True

    # -- host routes

    def redistribute(self, node: int, prefix: Prefix, kind: RouteKind | None, *, silently: bool) -> None:
        """The kernel of `node` has this route now (None: none). `silently`: it has no power to say so."""
        metric = None if kind is None else METRIC.get(kind)
        changes = self._announced.setdefault(prefix, {}).setdefault(node, [])
        if (changes[-1].metric if changes else None) == metric:
            return
        now, lost_for = self._time.now, None
        if silently:
            lost_for = inf
        elif metric is None and self._rng.random() < self._lost_retractions:
            lost_for = self._rng.uniform(*RETRACTION_LIVES)
        while len(changes) > 1 and changes[1].at < now - RETRACTION_LIVES[1]:
            del changes[0]
        changes.append(Change(now, metric, self._rng.getrandbits(64), lost_for))

    def reborn(self, node: int) -> None:
        """It has power again. Its Hellos count from elsewhere, and its neighbours forget what it said before."""
        self._booted_at[node] = self._time.now

    def best(self, prefix: Prefix, router: int) -> int | None:
        """The node to which the router sends packets for the prefix, having no route of its own."""
        ways, choices = self.ways[router], []
        for node, changes in self._announced.get(prefix, {}).items():
            way = ways.get(node)
            metric = None if way is None else self._heard(router, node, way, changes)
            if way is not None and metric is not None:
                choices.append((metric + COST * way.hops, node))
        return min(choices)[1] if choices else None

    def _heard(self, router: int, node: int, way: Way, changes: list[Change]) -> int | None:
        """The metric of `node` as the router knows it. Where a way is new, it was told all that there was."""
        for change in reversed(changes):
            if change.at <= way.since or self._arrived_at(change, router, node) <= self._time.now:
                return change.metric
        return None

    def _arrived_at(self, change: Change, router: int, node: int) -> float:
        said_at = change.at
        if change.lost_for == inf:
            said_at = self._booted_at[node]
            if said_at <= change.at:
                return inf
        elif change.lost_for is not None:
            return change.at + change.lost_for
        passed = (self._between(HOP, change, each) for each in self._passed(router, node) if each != node)
        return said_at + self._between(FIRST, change, node) + sum(passed)

    @staticmethod
    def _between(limits: tuple[float, float], change: Change, router: int) -> float:
        """Drawn for this change and router, the same whenever it is asked for."""
        share = ((change.chance ^ (router + 1)) * _SCRAMBLE >> 32 & _BITS) / _BITS
        return limits[0] + share * (limits[1] - limits[0])
