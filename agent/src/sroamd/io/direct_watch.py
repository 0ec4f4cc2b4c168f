"""What becomes of direct routes without our doing.

Where the link of a next hop goes down or loses its carrier, the kernel drops the nexthop objects there and all their
routes: of the objects and of the IPv4 routes it says nothing, of each IPv6 route it tells. So one look at the objects
comes before anything is concluded from the loss of a route.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from sroamd.addresses import NodeId
from sroamd.constants import ROUTE_METRIC, ROUTE_PROTOCOL_DIRECT
from sroamd.core.values import Route, RouteKind, Towards
from sroamd.io import netlink_nexthop
from sroamd.io.direct_routes import DirectRoutes, Key, NextHopObject, prefix_of
from sroamd.io.kernel_query import KernelQuery
from sroamd.io.link_table import LinkTable
from sroamd.io.route_places import Place


class DirectWatch:
    """`books`: what we believe; others fill them."""

    def __init__(self, query: KernelQuery, links: LinkTable) -> None:
        self.books = DirectRoutes()
        self._query = query
        self._links = links
        self._doubted = False
        self._lost: dict[Key, int] = {}  # routes that somebody removed, and their objects

    def doubt(self) -> None:
        """The objects may be gone, or not what they were."""
        self._doubted = True

    def doubt_link(self, index: int) -> None:
        """Something has happened to the interface."""
        self._doubted = self._doubted or any(one.index == index for one in self.books.objects())

    def heard(self, body: bytes) -> None:
        """Somebody else made, changed or removed an object."""
        found = netlink_nexthop.parse_nexthop(body)
        if found is not None and self.books.numbered(found.number) is not None:
            self.doubt()

    def route_lost(self, key: Key) -> None:
        """The route is gone, or another's; perhaps with its object."""
        if (towards := self.books.drop(key)) is not None:
            self._lost[key] = towards.number
            self.doubt()

    def lost_objects(self) -> frozenset[tuple[NodeId, int]]:
        """What is no longer there as we made it, if that was in doubt; forgotten from now on, with its routes.

        After an OSError it still is in doubt.
        """
        if not self._doubted:
            return frozenset()
        ours = list(self.books.objects())
        is_there = self._in_kernel() if ours and not self.books.plain else self._is_up
        self._doubted = False
        lost = [one for one in ours if not is_there(one)]
        for one in lost:
            self.books.forget(one.node, one.version)
        return frozenset((one.node, one.version) for one in lost)

    def _in_kernel(self) -> Callable[[NextHopObject], bool]:
        """What tells whether an object is in the kernel as we made it."""
        found = {(one.number, one.protocol, one.interface_index, one.gateway) for one in self._query.nexthops() or ()}
        return lambda one: (one.number, ROUTE_PROTOCOL_DIRECT, one.index, one.gateway) in found

    def _is_up(self, one: NextHopObject) -> bool:
        """Where there are no objects, only a link that is taken down takes its routes along."""
        link = self._links.get(one.index)
        return link is not None and link.up

    def are_as_believed(self, place: Place) -> bool:
        """Whether the kernel has just these direct routes; four times as quick as to list them all."""
        if self.books.plain:
            return False
        count = 0
        for family in (socket.AF_INET, socket.AF_INET6):
            for destination, length, metric, number in self._query.routes_behind(family, place):
                towards = self.books.get(destination + bytes((length,)))
                if towards is None or towards.number != number or metric != ROUTE_METRIC:
                    return False
                count += 1
        return count == len(self.books)

    def lost_routes(self) -> list[Route]:
        """Those whose objects are still there."""
        lost, self._lost = self._lost, {}
        found = ((key, self.books.numbered(number)) for key, number in lost.items())
        return [Route(prefix_of(key), RouteKind.DIRECT, Towards(one.node)) for key, one in found if one is not None]
