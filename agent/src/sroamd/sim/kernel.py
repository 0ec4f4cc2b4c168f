"""A node's kernel as the agent sees it: routes of the agent's protocols, and next hops towards other routers."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from sroamd.addresses import NodeId
from sroamd.core.events import Event, KernelRouteLost, NextHopChanged
from sroamd.core.values import NextHop, Prefix, Route, RouteKind, Towards
from sroamd.sim.clock import VirtualTime

Address = IPv4Address | IPv6Address
NETLINK_DELAY = 0.0005  # s: a route event reaches the agent


class VirtualKernel:
    """Survives the agent, dies with the machine. `changed` hears every route change: Babel's redistribution."""

    def __init__(self, time: VirtualTime, changed: Callable[[Prefix, RouteKind | None], None]) -> None:
        self._time = time
        self._changed = changed
        self._watched: frozenset[Address] = frozenset()
        self._told: dict[Address, NextHop | None] = {}
        self.routes: dict[Prefix, Route] = {}
        self.next_hops: dict[Address, NextHop] = {}
        self.objects: dict[tuple[NodeId, int], NextHop] = {}  # nexthop objects, by node and IP version
        self.tell: Callable[[Event], None] = lambda event: None

    def install(self, route: Route) -> None:
        """NLM_F_CREATE | NLM_F_REPLACE on our metric."""
        before = self.routes.get(route.prefix)
        self.routes[route.prefix] = route
        if before is None or before.kind is not route.kind:
            self._changed(route.prefix, route.kind)

    def way(self, route: Route) -> NextHop:
        """Where packets that take the route go."""
        via = route.next_hop
        return self.objects[via.node, route.prefix.version] if isinstance(via, Towards) else via

    def remove_object(self, node: NodeId, version: int) -> None:
        """`ip nexthop del`: the routes that use it go with it, without a word."""
        del self.objects[node, version]
        towards = Towards(node)
        for prefix in [p for p, r in self.routes.items() if p.version == version and r.next_hop == towards]:
            self.remove(prefix)

    def remove(self, prefix: Prefix) -> None:
        if self.routes.pop(prefix, None) is not None:
            self._changed(prefix, None)

    def delete_behind_our_back(self, prefix: Prefix) -> None:
        """`ip route del`; the agent reads of it in a route event."""
        route = self.routes[prefix]
        self.remove(prefix)
        self._time.after(NETLINK_DELAY, self.tell, KernelRouteLost(route))

    def listed(self) -> frozenset[Route]:
        return frozenset(self.routes.values())

    def power_off(self) -> None:
        for prefix in list(self.routes):
            self.remove(prefix)
        self.next_hops.clear()
        self.objects.clear()
        self.forget_watcher()

    def forget_watcher(self) -> None:
        """The agent has died, and its netlink socket with it."""
        self._watched, self._told = frozenset(), {}

    def watch(self, addresses: frozenset[Address]) -> None:
        """`WatchNextHops`."""
        self._watched = addresses
        self._told = {address: hop for address, hop in self._told.items() if address in addresses}
        for address in sorted(addresses - self._told.keys(), key=str):
            self._told[address] = self.next_hops.get(address)
            self._tell_soon(address)

    def set_next_hop(self, address: Address, next_hop: NextHop | None) -> None:
        """What Babel does when a router comes within reach or is lost."""
        if next_hop is None:
            self.next_hops.pop(address, None)
        else:
            self.next_hops[address] = next_hop
        if address in self._watched and self._told.get(address) != next_hop:
            self._told[address] = next_hop
            self._tell_soon(address)

    def _tell_soon(self, address: Address) -> None:
        self._time.after(NETLINK_DELAY, self._say, address, self._told[address])

    def _say(self, address: Address, next_hop: NextHop | None) -> None:
        if address in self._watched and self._told.get(address) == next_hop:
            self.tell(NextHopChanged(address, next_hop))
