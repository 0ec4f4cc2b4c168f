"""The comparisons of routes that run on this node (`core.route_check` has the decisions): their looks, time and end."""

from __future__ import annotations

from sroamd import constants
from sroamd.core.agenda import Job
from sroamd.core.effects import ReadKernel, RemoveStrayNextHop, RouteCheckEnded, RouteCheckProgressed
from sroamd.core.events import KernelRead
from sroamd.core.route_check import LOOK_PAUSE, RouteCheck
from sroamd.core.route_check_result import Fault, NextHopFault, RouteCheckResult, RouteFault, Wrong
from sroamd.core.routes import Routes, key_of
from sroamd.core.turn import State, Turn

SLICE_PAUSE = 0.002
PROGRESS_INTERVAL = 1.0
BUSY = "too many checks run already"


class RouteChecks:
    def __init__(self, state: State, routes: Routes) -> None:
        self._state = state
        self._routes = routes
        self._running: dict[int, RouteCheck] = {}
        self._told_at: dict[int, float] = {}

    def start(self, turn: Turn, ticket: int, *, repair: bool) -> None:
        if len(self._running) >= constants.CHECKS_MAX:
            turn.said.append(RouteCheckEnded(ticket, BUSY))
            return
        check = self._running[ticket] = RouteCheck(self._state, self._routes, turn.now, repair=repair)
        self._told_at[ticket] = turn.now
        self._look(turn, ticket, check)

    def read(self, turn: Turn, part: KernelRead) -> None:
        """The kernel's answer, or a part of it."""
        check = self._running.get(part.ticket)
        if check is None:
            return
        check.read(part.routes)
        if part.next_hops is not None:
            check.read_next_hops(part.next_hops)
        if part.error is not None:
            self._end(turn, part.ticket, part.error)
        elif part.last:
            self._state.agenda.set(Job.ROUTE_CHECK, part.ticket, turn.now + SLICE_PAUSE)
        else:
            self._tell(turn, part.ticket, check)

    def due(self, turn: Turn, ticket: int) -> None:
        check = self._running[ticket]
        if check.mends:
            for fault in check.take_to_mend():
                self._mend(turn, fault)
        elif check.is_resting:
            self._look(turn, ticket, check)
            return
        elif check.walk(turn.now):
            self._tell(turn, ticket, check)
        elif check.conclude_look():
            self._end(turn, ticket, check.result(turn.now))
            return
        rests = check.is_resting and not check.mends
        self._state.agenda.set(Job.ROUTE_CHECK, ticket, turn.now + (LOOK_PAUSE if rests else SLICE_PAUSE))

    def _look(self, turn: Turn, ticket: int, check: RouteCheck) -> None:
        check.begin_look()
        turn.said.append(ReadKernel(ticket))

    def _mend(self, turn: Turn, fault: Fault) -> None:
        """Only say what the kernel has, unless it has moved since: what has to be done follows from that, as ever."""
        match fault:
            case RouteFault():
                key = key_of(fault.prefix)
                if self._routes.route(key) == fault.installed:
                    self._routes.kernel_has(turn, key, fault.kernel)
            case NextHopFault(wrong, node, version, number):
                if node is None or wrong is Wrong.STRAY:
                    turn.broken.append(RemoveStrayNextHop(number))
                else:
                    self._routes.direct.kernel_has(turn, node, version, fault.kernel)

    def _tell(self, turn: Turn, ticket: int, check: RouteCheck) -> None:
        if turn.now >= self._told_at[ticket] + PROGRESS_INTERVAL:
            self._told_at[ticket] = turn.now
            turn.said.append(RouteCheckProgressed(ticket, check.looks, check.compared))

    def _end(self, turn: Turn, ticket: int, outcome: RouteCheckResult | str) -> None:
        del self._running[ticket], self._told_at[ticket]
        self._state.agenda.clear(Job.ROUTE_CHECK, ticket)
        turn.said.append(RouteCheckEnded(ticket, outcome))
