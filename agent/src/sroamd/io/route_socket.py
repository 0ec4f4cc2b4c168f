"""The hot path to the kernel's routing table: messages made once, patched, sent; acknowledgements read at once.

Our routes have a metric of their own (64), hence REPLACE swaps only our own route to a prefix, in one
step, and never Babel's (metric 1024): the prefix is never without a route. If the new route is in another
table than the old one (`route_places`), the old one goes at once after that, and only if the new one is there.

A direct route refers to the nexthop object of its node, so a node's next hop changes in one message however many
stations it has. A kernel that has no such objects (before Linux 5.3) gets plain routes, each rewritten.

`known` and `direct` are what we believe the kernel has of ours; `rtnetlink` compares foreign events with them.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import assert_never

from sroamd.addresses import NodeId
from sroamd.constants import ROUTE_PROTOCOL_DIRECT
from sroamd.core.effects import InstallRoute, RemoveNextHop, RemoveRoute, RemoveStrayNextHop, SetNextHop
from sroamd.core.values import NextHop, Prefix, Route, RouteKind, Towards
from sroamd.io import leftovers, netlink, netlink_nexthop, route_templates
from sroamd.io.direct_routes import DirectRoutes, NextHopObject, key_of, prefix_of
from sroamd.io.kernel_query import KernelQuery
from sroamd.io.netlink import NetlinkError
from sroamd.io.request_socket import BATCH, RequestSocket
from sroamd.io.route_places import Places, places

Change = InstallRoute | RemoveRoute | SetNextHop | RemoveNextHop | RemoveStrayNextHop
_BREAKS = RemoveRoute | RemoveNextHop | RemoveStrayNextHop
_OBJECT = SetNextHop | RemoveNextHop

NUMBERS_TRIED = 64  # of nexthop objects, each found to be another's


@dataclass(frozen=True, slots=True)
class Failure:
    """A change that the kernel refused, and why."""

    change: Change
    error: OSError


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request, why it is made, and the number of the nexthop object or of the interface that it brings into use.

    `leaves`: it removes the route of this kind, which the change has replaced by one in another table.
    """

    request: bytes
    change: Change
    number: int = 0
    leaves: RouteKind | None = None


class RouteSocket:
    """Installs and removes our host routes. `index_of` gives an interface's index, or None while there is none.

    `objects`: whether the kernel has nexthop objects; where it has not, that is found out.
    """

    def __init__(
        self, index_of: Callable[[str], int | None], where: Places | None = None, *, objects: bool = True
    ) -> None:
        self._index_of = index_of
        self.places = places(announced=True) if where is None else where
        self._apart = self.places[RouteKind.HERE].table != self.places[RouteKind.DIRECT].table
        self._socket = RequestSocket()
        self.port = self._socket.port
        self.known: dict[Prefix, Route] = {}
        self.direct = DirectRoutes(plain=not objects)
        self._refused: set[tuple[NodeId, int]] = set()  # of whose direct routes the kernel has refused some
        self.counters: Counter[str] = Counter()

    def close(self) -> None:
        self._socket.close()

    def take_over(self) -> None:
        """Put in order what an earlier process has left, and learn which numbers others use.

        To be called before the first change. Raises OSError where the kernel refuses.
        """
        with closing(KernelQuery()) as query:
            found = query.nexthops()
            self.direct.plain = self.direct.plain or found is None
            self.direct.avoid([one.number for one in found or () if one.protocol != ROUTE_PROTOCOL_DIRECT])
            leftovers.flush_direct(query, self._socket, found or ())
            leftovers.move(query, self._socket, self.places)

    def apply(self, changes: Sequence[Change]) -> list[Failure]:
        """Make the changes in their order, in as few writes as possible. Returns those that the kernel refused."""
        failures: list[Failure] = []
        waiting: list[_Waiting] = []
        for change in changes:
            try:
                new = self._new(change)
                if new or len(waiting) >= BATCH or (isinstance(change, _OBJECT) and self.direct.plain):
                    self._send(waiting, failures)  # the requests for this one hang on what becomes of those before it
                    waiting = []
                if new:
                    self._create(new)  # at once: others may have taken its number, which what follows needs
                else:
                    waiting += self._encode(change)
            except OSError as error:
                self._fail(change, error, failures)
        self._send(waiting, failures)
        self.counters["route.refused"] += len(failures)
        return failures

    def give_up_refused(self) -> frozenset[tuple[NodeId, int]]:
        """Remove the nexthop objects of those whose changes the kernel has refused, with the routes behind them.

        Returns whose they were. So all of them can be made anew, and none is left that leads the old way.
        """
        refused = frozenset(self._refused)
        self.apply([RemoveNextHop(node, version) for node, version in sorted(refused)])
        self._refused.clear()
        return refused

    def _fail(self, change: Change, reason: OSError, failures: list[Failure]) -> None:
        failures.append(Failure(change, reason))
        match change:
            case SetNextHop(node, version):
                self._refused.add((node, version))
            case InstallRoute(Route(prefix, _, Towards(node))):
                self._refused.add((node, prefix.version))
            case _:
                pass

    def _new(self, change: Change) -> SetNextHop | None:
        """The change, if it needs a nexthop object that is not there."""
        if not isinstance(change, SetNextHop):
            return None
        return change if self.direct.towards(change.node, change.version) is None else None

    def _create(self, change: SetNextHop) -> None:
        """Make a nexthop object under a number that nobody has. Raises OSError."""
        node, version, gateway = change.node, change.version, change.next_hop.gateway
        index = self._index(change.next_hop)
        for _ in range(NUMBERS_TRIED):
            made = self.direct.create(node, version, index, gateway)
            self._refused.discard((node, version))  # whatever is behind it will be installed anew
            if self.direct.plain:
                return
            how = netlink_nexthop.CREATE
            request = netlink_nexthop.set_request(how, self._socket.next(), made.number, version, index, gateway)
            reason = self._socket.send([request]).get(0)
            if reason is None:
                return
            if reason.errno == errno.EOPNOTSUPP:
                self.direct.plain = True
                return
            self.direct.forget(node, version)
            if reason.errno != errno.EEXIST:
                raise reason
        raise NetlinkError(errno.EEXIST, f"{NUMBERS_TRIED} numbers of nexthops in a row are taken")

    def _send(self, waiting: list[_Waiting], failures: list[Failure]) -> None:
        refused = self._socket.send([one.request for one in waiting])
        replacing: dict[Prefix, _Waiting] = {}
        for place, one in enumerate(waiting):
            reason = refused.get(place)
            removes = isinstance(one.change, _BREAKS) or one.leaves is not None
            if reason is not None and not (removes and netlink.is_missing(reason)):
                if not failures or failures[-1].change is not one.change:
                    self._fail(one.change, reason, failures)
            elif isinstance(one.change, InstallRoute):
                self._installed(one.change.route, one, replacing)
            else:
                self._done(one.change, one.number, really=reason is None)
        if replacing:
            self._send([leaving for one in replacing.values() for leaving in self._leave(one)], failures)

    def _installed(self, route: Route, one: _Waiting, replacing: dict[Prefix, _Waiting]) -> None:
        """It is there; or the one in the other table `leaves` because of it. Puts it down in `replacing` if one has to.

        What only confirms the books is there because somebody doubts them: then there may be another.
        """
        prefix, key = route.prefix, key_of(route.prefix)
        if one.leaves is not None:
            self._drop(prefix, key, one.leaves)
            return
        held, towards = self.known.get(prefix), self.direct.get(key)
        if isinstance(route.next_hop, NextHop):
            self.known[prefix] = route
            other, confirms = towards is not None, held == route
        else:
            self.direct.put(key, one.number)
            other, confirms = held is not None, towards is not None and towards.number == one.number
        if self._apart and (other or confirms):
            replacing[prefix] = one
        elif other:
            self._drop(prefix, key, RouteKind.HERE if route.kind is RouteKind.DIRECT else RouteKind.DIRECT)
        self.counters["route.installed"] += 1

    def _drop(self, prefix: Prefix, key: bytes, kind: RouteKind) -> None:
        if kind is RouteKind.DIRECT:
            self.direct.drop(key)
        else:
            self.known.pop(prefix, None)

    def _leave(self, one: _Waiting) -> list[_Waiting]:
        """Removals of what is or may be in the other table."""
        assert isinstance(one.change, InstallRoute)
        route = one.change.route
        if route.kind is not RouteKind.DIRECT:
            kinds = [RouteKind.DIRECT]
        else:
            held = self.known.get(route.prefix)
            kinds = [RouteKind.HERE, RouteKind.DEMOTED] if held is None else [held.kind]
        return [_Waiting(self._removal(route.prefix, kind), one.change, one.number, kind) for kind in kinds]

    def _done(self, change: Change, number: int, *, really: bool) -> None:
        """The kernel has it so; `really`: by our request."""
        match change:
            case RemoveRoute(prefix):
                self.known.pop(prefix, None)
                self.direct.drop(key_of(prefix))
                self.counters["route.removed"] += really
            case SetNextHop(node, version, hop):
                if (towards := self.direct.towards(node, version)) is not None:
                    towards.index, towards.gateway = number, hop.gateway
                self.counters["nexthop.replaced"] += 1
            case _:
                self.counters["nexthop.removed"] += really

    # -- from changes to requests

    def _encode(self, change: Change) -> list[_Waiting]:
        """Raises OSError where the interface or the nexthop object is not there."""
        match change:
            case InstallRoute(route):
                return [self._encode_route(change, route)]
            case RemoveRoute(prefix):
                kinds = self._kinds_of(prefix) or list(RouteKind)
                return [_Waiting(self._removal(prefix, kind), change) for kind in kinds]
            case SetNextHop(node, version, hop):
                towards = self.direct.towards(node, version)
                assert towards is not None
                return self._encode_replacement(change, towards, self._index(hop))
            case RemoveNextHop(node, version):
                return self._encode_loss(change)
            case RemoveStrayNextHop(number):
                return [_Waiting(netlink_nexthop.delete_request(self._socket.next(), number), change)]
            case _:
                assert_never(change)

    def _encode_route(self, change: InstallRoute, route: Route) -> _Waiting:
        via = route.next_hop
        if isinstance(via, NextHop):
            index, place = self._index(via), self.places[route.kind]
            encoded = route_templates.install_via(self._socket.next(), route.prefix, place, index, via.gateway)
            return _Waiting(encoded, change)
        towards = self.direct.towards(via.node, route.prefix.version)
        if towards is None:
            raise NetlinkError(errno.ENOENT, f"no nexthop towards {via.node}")
        return _Waiting(self._behind(route.prefix, towards), change, towards.number)

    def _behind(self, prefix: Prefix, towards: NextHopObject) -> bytes:
        place = self.places[RouteKind.DIRECT]
        if self.direct.plain:
            return route_templates.install_via(self._socket.next(), prefix, place, towards.index, towards.gateway)
        return route_templates.install_behind(self._socket.next(), prefix, place, towards.number)

    def _encode_replacement(self, change: SetNextHop, towards: NextHopObject, index: int) -> list[_Waiting]:
        gateway = change.next_hop.gateway
        if not self.direct.plain:
            how, number = netlink_nexthop.REPLACE, towards.number
            request = netlink_nexthop.set_request(how, self._socket.next(), number, change.version, index, gateway)
            return [_Waiting(request, change, index)]
        towards.index, towards.gateway = index, gateway
        return [
            _Waiting(self._behind(prefix_of(key), towards), change, index) for key in self.direct.behind(towards.number)
        ]

    def _encode_loss(self, change: RemoveNextHop) -> list[_Waiting]:
        """The kernel takes the routes along with their object, and `direct` forgets them all at once."""
        self._refused.discard((change.node, change.version))
        towards = self.direct.towards(change.node, change.version)
        if towards is None:
            return []
        if self.direct.plain:
            behind = self.direct.behind(towards.number)
            requests = [self._removal(prefix_of(key), RouteKind.DIRECT) for key in behind]
        else:
            requests = [netlink_nexthop.delete_request(self._socket.next(), towards.number)]
        self.direct.forget(change.node, change.version)
        return [_Waiting(request, change) for request in requests]

    def _kinds_of(self, prefix: Prefix) -> list[RouteKind]:
        """Of the routes that the kernel has, as far as we know: one, or none; two while one replaces the other."""
        kinds = [] if (known := self.known.get(prefix)) is None else [known.kind]
        return kinds if self.direct.get(key_of(prefix)) is None else [*kinds, RouteKind.DIRECT]

    def _removal(self, prefix: Prefix, kind: RouteKind) -> bytes:
        return route_templates.remove(self._socket.next(), prefix, self.places[kind])

    def _index(self, hop: NextHop) -> int:
        index = self._index_of(hop.interface)
        if index is None:
            raise NetlinkError(errno.ENODEV, f"{os.strerror(errno.ENODEV)}: {hop.interface}")
        return index
