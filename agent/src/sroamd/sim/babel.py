"""A model of Babel, no more: what a node redistributes reaches the others after a delay, and the best metric wins.

The delay is that measured for demoted routes with a hello interval of 0.2 s (routing, table: 134, 196 and 218 ms at
p50, p95 and max), drawn anew for each change. Metrics are those of routing section 2. Nothing else of babeld is here:
no hellos, no link costs, no topology, no faults of any release.
"""

from __future__ import annotations

from random import Random

from sroamd.core.values import Prefix, RouteKind
from sroamd.sim.clock import VirtualTime

DELAY_MIN, DELAY_LIKELY, DELAY_MAX = 0.060, 0.134, 0.218  # s
METRIC = {RouteKind.HERE: 256, RouteKind.DEMOTED: 32768}


class Babel:
    def __init__(self, time: VirtualTime, rng: Random) -> None:
        self._time = time
        self._rng = rng
        self._last: dict[int, float] = {}
        self._announced: dict[Prefix, dict[int, int]] = {}  # as the others know it: by node, the metric

    def redistribute(self, node: int, prefix: Prefix, kind: RouteKind | None) -> None:
        """The kernel of `node` has this route now (None: none)."""
        delay = self._rng.triangular(DELAY_MIN, DELAY_MAX, DELAY_LIKELY)
        self._last[node] = max(self._last.get(node, 0.0), self._time.now + delay)
        self._time.at(self._last[node], self._arrive, node, prefix, None if kind is None else METRIC.get(kind))

    def _arrive(self, node: int, prefix: Prefix, metric: int | None) -> None:
        announced = self._announced.setdefault(prefix, {})
        if metric is None:
            announced.pop(node, None)
        else:
            announced[node] = metric

    def best(self, prefix: Prefix, asking: int | None = None) -> int | None:
        """The node to which others than itself send packets for the prefix. `asking` never chooses itself."""
        announced = self._announced.get(prefix, {})
        choices = [(metric, node) for node, metric in announced.items() if node != asking]
        return min(choices)[1] if choices else None
