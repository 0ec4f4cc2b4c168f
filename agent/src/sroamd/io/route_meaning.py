"""What routes and nexthop objects in the kernel's words are in the core's."""

from __future__ import annotations

from sroamd.constants import ROUTE_METRIC
from sroamd.core.values import KernelNextHop, NextHop, Route, RouteKind, Towards, Via
from sroamd.io.direct_routes import DirectRoutes, key_of
from sroamd.io.link_table import LinkTable
from sroamd.io.netlink import RouteMessage
from sroamd.io.netlink_nexthop import NextHopMessage
from sroamd.io.route_places import Places


class RouteMeaning:
    """`places`: where our routes are to be found. `books`: the nexthop objects that this process has made."""

    def __init__(self, places: Places, links: LinkTable, books: DirectRoutes) -> None:
        self.places = places
        self.books = books
        self._links = links

    def route_of(self, found: RouteMessage) -> Route | None:
        """None for what only bears our protocol's number."""
        kind = RouteKind(found.protocol)
        via = self.via(found)
        if via is None or found.metric != ROUTE_METRIC or found.table != self.places[kind].table:
            return None
        return Route(found.prefix, kind, via)

    def next_hop_of(self, found: NextHopMessage) -> KernelNextHop:
        """Of a node, if this process has made it."""
        link, ours = self._links.get(found.interface_index), self.books.numbered(found.number)
        hop = None if link is None else NextHop(link.name, found.gateway)
        if ours is not None:
            return KernelNextHop(found.number, ours.node, ours.version, hop)
        return KernelNextHop(found.number, None, found.gateway.version if found.gateway is not None else 4, hop)

    def via(self, route: RouteMessage) -> Via | None:
        """Towards a node, if it is our direct route by way of the node's nexthop object, or what stands for that."""
        towards = self.books.numbered(route.nexthop)
        if self.books.plain and route.protocol == RouteKind.DIRECT:
            ours = self.books.get(key_of(route.prefix))
            if ours is not None and (ours.index, ours.gateway) == (route.interface_index, route.gateway):
                towards = ours
        if towards is not None:
            return Towards(towards.node)
        link = self._links.get(route.interface_index)
        return None if link is None else NextHop(link.name, route.gateway)
