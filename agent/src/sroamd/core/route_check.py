"""One comparison of this node's routes: what follows from the database, what we believe to have installed, and what
the kernel has.

All three move while they are read, so the first look only finds suspects; what is wrong in the same way in a second
look, LOOK_PAUSE later, is a fault. With 60,000 routes a look takes seconds, hence it is made in slices.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain, islice

from sroamd.core.database import is_lease
from sroamd.core.route_check_result import Fault, NextHopFault, RouteCheckResult, RouteFault, Wrong
from sroamd.core.routes import Routes, is_stations, key_of, route_of
from sroamd.core.turn import State
from sroamd.core.values import KernelNextHop, Route, Towards
from sroamd.wire.datum import lease_prefix

LOOK_PAUSE = 1.0
SLICE = 200  # keys that are looked at in one go, about a millisecond
MEND_SLICE = 50  # faults that are mended in one go, the same
FAULTS_MAX = 4096  # that are remembered: 2 MB. More are found by the next check

Subject = bytes | int | tuple[bytes, int]  # the key of a lease, a nexthop object of nobody, a node and an IP version


class RouteCheck:
    """A look: `begin_look`, the kernel's answers to `read` and `read_next_hops`, `walk` to its end, `conclude`."""

    def __init__(self, state: State, routes: Routes, now: float, *, repair: bool) -> None:
        self._state = state
        self._routes = routes
        self._repair = repair
        self._began_at = now
        self._right: set[bytes] = set()  # keys whose route in the kernel is as it should be
        self._found: dict[Subject, Fault] = {}
        self._suspects: dict[Subject, Fault] = {}
        self._mending: dict[Subject, Fault] = {}
        self._to_mend: deque[Fault] = deque()
        self._keys: Iterator[bytes] | None = None
        self.looks = 0
        self.is_resting = self.is_cut = False
        self.kernel = self.objects = self.compared = 0

    def begin_look(self) -> None:
        self.looks += 1
        self.is_resting = False
        self.is_cut = self.is_cut and self.looks > 2  # what the first look has left out does not count
        self.kernel = self.objects = self.compared = 0
        self._right, self._found, self._keys = set(), {}, None

    # -- what the kernel has

    def read(self, routes: tuple[Route, ...]) -> None:
        """Some of its routes."""
        for route in routes:
            if not is_stations(route.prefix):
                continue
            self.kernel += 1
            self.compared += 1
            key = key_of(route.prefix)
            via = route.next_hop
            if self._routes.held(key) == (via if isinstance(via, Towards) else route):
                self._right.add(key)
            else:
                self._suspect_route(key, route)

    def read_next_hops(self, objects: tuple[KernelNextHop, ...]) -> None:
        """All its nexthop objects of our protocol."""
        believed = self._routes.direct.next_hops.believed()
        self.objects = len(objects)
        for one in objects:
            ours = None if one.node is None else believed.pop((one.node, one.version), None)
            if one.node is None or ours is None:
                stray = NextHopFault(Wrong.STRAY, one.node, one.version, one.number, None, None, one.next_hop)
                self._suspect(one.number, stray)
            elif ours != one.next_hop:
                wrong = NextHopFault(Wrong.DIFFERENT, one.node, one.version, one.number, ours, ours, one.next_hop)
                self._suspect((one.node, one.version), wrong)
        for (node, version), ours in believed.items():
            self._suspect((node, version), NextHopFault(Wrong.MISSING, node, version, 0, ours, ours, None))

    # -- what there should be

    def walk(self, now: float) -> bool:
        """The next slice of what is believed and of what the database implies; False when there is no more."""
        if self._keys is None:
            self._keys = self._all_keys()
        keys = list(islice(self._keys, SLICE))
        self.compared += len(keys)
        for key in keys:
            if not is_lease(key):
                continue
            held, implied = self._routes.held(key), self._routes.implied(key, now)
            if held != implied:
                self._suspect_derivation(key, implied, now)
            elif held is not None and key not in self._right:
                self._suspect_route(key, None)
        return bool(keys)

    def _all_keys(self) -> Iterator[bytes]:
        """All data, and the routes of which there is no datum; as of now, whatever happens until it is their turn."""
        database = self._state.database
        unknown = [key for key in self._routes.near if database.get(key) is None]
        return chain(unknown, [datum.key for datum in database])

    def _suspect_derivation(self, key: bytes, implied: Route | Towards | None, now: float) -> None:
        if self._routes.direct.is_catching_up:
            return  # it may wait for its turn, and there will be another check
        wrong = Wrong.MISSING if self._routes.is_held_back(key, now) else Wrong.UNDERIVED
        wanted = route_of(key, implied) if isinstance(implied, Towards) else implied
        held = self._routes.route(key)
        self._suspect(key, RouteFault(wrong, lease_prefix(key), wanted, held, held))

    def _suspect_route(self, key: bytes, kernel: Route | None) -> None:
        held = self._routes.route(key)
        wrong = Wrong.MISSING if kernel is None else Wrong.STRAY if held is None else Wrong.DIFFERENT
        self._suspect(key, RouteFault(wrong, lease_prefix(key), held, held, kernel))

    def _suspect(self, subject: Subject, fault: Fault) -> None:
        """The first that is found of it counts."""
        if len(self._found) < FAULTS_MAX:
            self._found.setdefault(subject, fault)
        else:
            self.is_cut = True

    # -- what comes of it

    def conclude_look(self) -> bool:
        """Whether it was the last: there are no suspects, or they have turned out to be faults, or been mended."""
        if self.looks == 1:
            self._suspects = self._found
        else:
            self._suspects = {key: fault for key, fault in self._suspects.items() if self._found.get(key) == fault}
        self.is_resting = bool(self._suspects) and self.looks < (3 if self._repair else 2)
        if self.is_resting and self.looks == 2:
            self._mending = self._suspects
            self._to_mend.extend(self._mending.values())
        return not self.is_resting

    @property
    def mends(self) -> bool:
        """Some faults are still to be mended before the last look."""
        return bool(self._to_mend)

    def take_to_mend(self) -> list[Fault]:
        """Some of them."""
        return [self._to_mend.popleft() for _ in range(min(MEND_SLICE, len(self._to_mend)))]

    def result(self, now: float) -> RouteCheckResult:
        mended = (fault for key, fault in self._mending.items() if key not in self._suspects)
        return RouteCheckResult(
            looks=self.looks,
            seconds=now - self._began_at,
            installed=len(self._routes),
            kernel=self.kernel,
            objects=self.objects,
            faults=tuple(self._suspects.values()),
            mended=tuple(mended),
            is_cut=self.is_cut,
        )
