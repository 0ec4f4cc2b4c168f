"""The only place where effects become deeds, in the order in which the core gives them.

Nothing here decides anything. What fails is logged and counted; a route that the kernel refuses is asked about again
later, and the core sees from the list that it is missing. Of direct routes there may be too many for a list: then the
core is told that it has none towards the node in question.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Protocol, assert_never, get_args

from sroamd.addresses import Mac, NodeId
from sroamd.core import effects
from sroamd.core.effects import Effect, Level
from sroamd.core.events import Event, LeasesStored, PeerWritable
from sroamd.core.values import Prefix, StoredDatum, Towards, Via
from sroamd.io.check_desk import News
from sroamd.io.frames import FrameEffect
from sroamd.io.guard import GuardChange
from sroamd.io.peer_transport import PeerEffect
from sroamd.io.route_socket import Change, Failure
from sroamd.printable import printable

log = logging.getLogger(__name__)
core_log = logging.getLogger("sroamd.core")

ROUTE_RETRY_MIN = 1.0  # s after a refused route; twice as long each time that it is refused again
ROUTE_RETRY_MAX = 60.0
FAILURES_LOGGED = 16  # of one reaction: where a nexthop object is missing, every route towards its node is refused

_LEVELS = {
    Level.ERROR: logging.ERROR,
    Level.WARNING: logging.WARNING,
    Level.INFO: logging.INFO,
    Level.DEBUG: logging.DEBUG,
}


class RouteTable(Protocol):
    def apply(self, changes: list[Change]) -> list[Failure]: ...

    def give_up_refused(self) -> frozenset[tuple[NodeId, int]]: ...


class RouteWatch(Protocol):
    def watch(self, addresses: Iterable[IPv4Address | IPv6Address]) -> None: ...

    def list_routes(self) -> None: ...

    def report_lost_objects(self, lost: frozenset[tuple[NodeId, int]]) -> None: ...

    def find(self, prefix: Prefix) -> None: ...


class Guard(Protocol):
    def apply(self, changes: Sequence[GuardChange]) -> None: ...


class KernelReader(Protocol):
    """Reads what the kernel has, for a check."""

    def read(self, ticket: int) -> None: ...


class Peers(Protocol):
    def do(self, effect: PeerEffect) -> None: ...


class Frames(Protocol):
    def send(self, effect: FrameEffect) -> None: ...


class AccessPoint(Protocol):
    """hostapd, of one interface."""

    def poll(self, station: Mac) -> None: ...

    def disassociate(self, station: Mac) -> None: ...


class CheckDesk(Protocol):
    """Where operators wait for their checks."""

    def tell(self, news: News) -> None: ...


class LeaseStore(Protocol):
    def put(self, data: Iterable[StoredDatum], ticket: int | None) -> None: ...

    def forget(self, keys: Iterable[bytes]) -> None: ...


@dataclass(frozen=True, slots=True)
class Process:
    """What the executor needs of the process itself: later (seconds, what), and its end."""

    later: Callable[[float, Callable[[], None]], object]
    stop: Callable[[], None]


class Executor:
    """Applies effects by way of the adapters."""

    def __init__(
        self,
        *,
        routes: RouteTable,
        watch: RouteWatch,
        guard: Guard,
        reader: KernelReader,
        peers: Peers,
        frames: Frames,
        access_points: Mapping[str, AccessPoint],
        store: LeaseStore,
        checks: CheckDesk,
        process: Process,
    ) -> None:
        self._routes = routes
        self._watch = watch
        self._guard = guard
        self._reader = reader
        self._peers = peers
        self._frames = frames
        self._access_points = access_points
        self._store = store
        self._checks = checks
        self._process = process
        # What is done in one go if it stands in a row.
        self._together: dict[type, Callable[[list[Any]], None]] = {
            **dict.fromkeys(get_args(Change), self._change_routes),
            **dict.fromkeys(get_args(GuardChange), guard.apply),
        }
        self._retry_delay = ROUTE_RETRY_MIN
        self._retry_armed = False
        self.counters: Counter[str] = Counter()

    def apply(self, wanted: Iterable[Effect]) -> None:
        """Do them in order; changes of routes that stand in a row go to the kernel in one write, as do permits."""
        together: Callable[[list[Any]], None] | None = None  # what does those that stand in the row
        row: list[Effect] = []
        for effect in wanted:
            do_all = self._together.get(type(effect))
            if together is not None and do_all != together:
                together(row)
                row = []
            together = do_all
            if together is None:
                self._apply(effect)
            else:
                row.append(effect)
        if together is not None:
            together(row)

    def _apply(self, effect: Effect) -> None:
        match effect:  # what is most frequent comes first: each case before it takes time
            case effects.StoreLeases(data, ticket):
                self._store.put(data, ticket)
            case effects.Note():
                write_note(effect)
            case (
                effects.SendDhcp()
                | effects.SendGratuitousArp()
                | effects.SendNeighborAdvertisement()
                | effects.SendArpRequest()
                | effects.SendArpProbe()
                | effects.SendNeighborSolicitation()
                | effects.SendDhcp6()
                | effects.SendRouterAdvertisement()
            ):
                self._frames.send(effect)
            case (
                effects.SendUpdates()
                | effects.SendSummaries()
                | effects.SendHello()
                | effects.SendCensus()
                | effects.ClosePeer()
            ):
                self._peers.do(effect)
            case effects.PollStation(interface, station):
                self._access_points[interface].poll(station)
            case effects.Disassociate(interface, station):
                self._access_points[interface].disassociate(station)
            case effects.ForgetLeases(keys):
                self._store.forget(keys)
            case effects.WatchNextHops(addresses):
                self._watch.watch(addresses)
            case effects.FindRoute(prefix):
                self._watch.find(prefix)
            case effects.ReadKernel(ticket):
                self._reader.read(ticket)
            case (
                effects.CheckProgressed()
                | effects.CheckEnded()
                | effects.RouteCheckProgressed()
                | effects.RouteCheckEnded()
            ):
                self._checks.tell(effect)
            case effects.Stop():
                self._process.stop()
            case (
                effects.InstallRoute()
                | effects.RemoveRoute()
                | effects.SetNextHop()
                | effects.RemoveNextHop()
                | effects.RemoveStrayNextHop()
            ):
                self._change_routes([effect])
            case effects.AddPermit() | effects.RemovePermit():
                self._guard.apply([effect])
            case _:
                assert_never(effect)

    def _change_routes(self, changes: list[Change]) -> None:
        failures = self._routes.apply(changes)
        for failure in failures[:FAILURES_LOGGED]:
            log.warning("%s: %s", describe(failure.change), failure.error.strerror)
        if len(failures) > FAILURES_LOGGED:
            log.warning("%d more route changes were refused", len(failures) - FAILURES_LOGGED)
        if not failures:
            self._retry_delay = ROUTE_RETRY_MIN
        elif not self._retry_armed:
            self._retry_armed = True
            self._process.later(self._retry_delay, self._retry)
            self._retry_delay = min(2 * self._retry_delay, ROUTE_RETRY_MAX)

    def _retry(self) -> None:
        self._retry_armed = False
        self.counters["route.retries"] += 1
        if refused := self._routes.give_up_refused():
            self._watch.report_lost_objects(refused)
        self._watch.list_routes()


class Observer:
    """The executor of `--observe`: hears the flood and the kernel, says what it would do, and touches nothing.

    It says Hello to peers, so that they take it for a node, but tells them no data: a claim of a station whose routes
    this process does not install would only lead others astray.
    """

    def __init__(self, *, watch: RouteWatch, peers: Peers, emit: Callable[[Event], None], process: Process) -> None:
        self._watch = watch
        self._peers = peers
        self._emit = emit
        self._process = process
        self.counters: Counter[str] = Counter()

    def apply(self, wanted: Iterable[Effect]) -> None:
        for effect in wanted:
            match effect:
                case effects.WatchNextHops(addresses):
                    self._watch.watch(addresses)
                case effects.SendSummaries() | effects.SendHello() | effects.ClosePeer():
                    self._peers.do(effect)
                case effects.Note():
                    write_note(effect)
                case effects.Stop():
                    self._process.stop()
                case _:
                    self._pretend(effect)

    def _pretend(self, effect: Effect) -> None:
        """Log it, and let the core believe that it was done."""
        self.counters["effect.withheld"] += 1
        log.info("would: %s", describe(effect))
        if isinstance(effect, effects.SendUpdates) and effect.more:
            self._emit(PeerWritable(effect.peer))
        elif isinstance(effect, effects.StoreLeases) and effect.ticket is not None:
            self._emit(LeasesStored(effect.ticket))


def write_note(note: effects.Note) -> None:
    """A decision of the core, for people."""
    core_log.log(_LEVELS[note.level], "%s", printable(note.text))


def describe(effect: Effect) -> str:
    """One line for people; the route changes in the words of ip(8)."""
    match effect:
        case effects.InstallRoute(route):
            return f"route {route.prefix} {_way(route.next_hop)} proto {int(route.kind)}"
        case effects.RemoveRoute(prefix):
            return f"no route {prefix}"
        case effects.SetNextHop(node, version, next_hop):
            return f"nexthop of IPv{version} towards {node} {_way(next_hop)}"
        case effects.RemoveNextHop(node, version):
            return f"no nexthop of IPv{version} towards {node}"
        case effects.RemoveStrayNextHop(number):
            return f"no nexthop {number}"
        case effects.AddPermit(permit):
            return f"permit {permit.station} on {permit.interface} {permit.prefix or ''}".rstrip()
        case effects.RemovePermit(permit):
            return f"no permit {permit.station} on {permit.interface} {permit.prefix or ''}".rstrip()
        case _:
            return printable(repr(effect))


def _way(via: Via) -> str:
    if isinstance(via, Towards):
        return f"towards {via.node}"
    return f"via {via.gateway} dev {via.interface}" if via.gateway is not None else f"dev {via.interface}"
