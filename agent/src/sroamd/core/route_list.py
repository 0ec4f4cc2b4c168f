"""What `sroamctl routes` shows: the routes that we believe are in the kernel, why each is there, and since when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sroamd.addresses import NO_MAC, Mac, NodeId
from sroamd.core.nodes import Nodes
from sroamd.core.routes import Routes, route_of
from sroamd.core.turn import State
from sroamd.core.values import NextHop, Route, RouteKind, Towards
from sroamd.wire.datum import association_key

Row = dict[str, str | float | None]


class RouteList:
    """Of one moment. Rows are made one at a time: there may be 60,000, and stations wait meanwhile."""

    def __init__(self, state: State, nodes: Nodes, routes: Routes, now: float) -> None:
        self._state = state
        self._nodes = nodes
        self._routes = routes
        self._now = now

    def rows(self, kind: RouteKind | None, keys: Iterable[bytes]) -> Iterator[Row]:
        """Of these leases, those that have a route of that kind (None: of any)."""
        for key in keys:
            held = self._routes.held(key)
            if isinstance(held, Towards) and kind in (None, RouteKind.DIRECT):
                yield self._row(key, route_of(key, held))
            elif isinstance(held, Route) and kind in (None, held.kind):
                yield self._row(key, held)

    def _row(self, key: bytes, route: Route) -> Row:
        station = self._station(key)
        owner = self._owner(route, station)
        node = self._nodes.name(owner) if owner is not None else None
        hop, since = self._next_hop(route), self._since(key, route, station)
        return {
            "prefix": str(route.prefix),
            "kind": route.kind.name.lower(),
            "station": str(station) if station is not None else None,
            "node": node,
            "interface": hop.interface if hop is not None else None,
            "gateway": str(hop.gateway) if hop is not None and hop.gateway is not None else None,
            "why": self._why(key, route, station, node),
            "since": round(self._now - since, 1) if since is not None else None,
        }

    def _station(self, key: bytes) -> Mac | None:
        """Who holds the lease, or held it last."""
        lease = self._state.database.get(key)
        return Mac(lease.value) if lease is not None and lease.value != NO_MAC else None

    def _owner(self, route: Route, station: Mac | None) -> NodeId | None:
        """Where the station is, says the route; of one that has left, where it is now."""
        if isinstance(route.next_hop, Towards):
            return route.next_hop.node
        if route.kind is RouteKind.HERE:
            return self._state.node_id
        claim = self._state.database.live(association_key(station), self._now) if station is not None else None
        return NodeId(claim.value) if claim is not None and claim.value else None

    def _next_hop(self, route: Route) -> NextHop | None:
        via = route.next_hop
        if isinstance(via, Towards):
            return self._routes.direct.next_hops.way(via.node, route.prefix.version)
        return via

    def _since(self, key: bytes, route: Route, station: Mac | None) -> float | None:
        """Since the last of what it follows from is known here: no route has a time of its own, there are too many."""
        if route.kind is RouteKind.DEMOTED:
            return self._routes.demotions.since(key)
        database = self._state.database
        times = (database.since(key), database.since(association_key(station)) if station is not None else None)
        return max((time for time in times if time is not None), default=None)

    def _why(self, key: bytes, route: Route, station: Mac | None, node: str | None) -> str:
        match route.kind:
            case RouteKind.HERE:
                interface = self._state.present.get(station) if station is not None else None
                return f"authorised on {interface}" if interface is not None else "found at the start, unexplained yet"
            case RouteKind.DEMOTED:
                until = self._routes.demotions.until(key)
                left = "left" if node in (None, self._state.config.node.name) else f"left for {node}"
                return left if until is None else f"{left}, {max(0.0, until - self._now):.0f} s more"
            case RouteKind.DIRECT:
                return f"at {node}"
