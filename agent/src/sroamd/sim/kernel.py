"""A node's kernel as the agent sees it: routes of the agent's protocols, and next hops towards other routers."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from sroamd.addresses import NodeId
from sroamd.core.events import Event, KernelRouteLost, KernelRoutesListed, NextHopChanged, NextHopObjectsLost
from sroamd.core.values import KernelNextHop, NextHop, Permit, Prefix, Route, RouteKind, Towards
from sroamd.sim.clock import VirtualTime

Address = IPv4Address | IPv6Address
NETLINK_DELAY = 0.0005  # s: a route event reaches the agent
ASKED_AGAIN = 1.0  # s after a refused route the executor asks for what there is (ROUTE_RETRY_MIN)


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
        self.permits: set[Permit] = set()  # of the source guard
        self._no_carrier: set[str] = set()  # interfaces
        self.tell: Callable[[Event], None] = lambda event: None

    def install(self, route: Route) -> None:
        """NLM_F_CREATE | NLM_F_REPLACE on our metric. Refused where the nexthop object is not there (any more)."""
        if isinstance(route.next_hop, Towards) and (route.next_hop.node, route.prefix.version) not in self.objects:
            self._time.after(ASKED_AGAIN, self._list_again)
            return
        before = self.routes.get(route.prefix)
        self.routes[route.prefix] = route
        if before is None or before.kind is not route.kind:
            self._changed(route.prefix, route.kind)

    def _list_again(self) -> None:
        self.tell(KernelRoutesListed(self.listed()))

    def way(self, route: Route) -> NextHop:
        """Where packets that take the route go."""
        via = route.next_hop
        return self.objects[via.node, route.prefix.version] if isinstance(via, Towards) else via

    def set_object(self, node: NodeId, version: int, next_hop: NextHop) -> None:
        """Refused where the link has no carrier, which is as good as lost."""
        if next_hop.interface in self._no_carrier:
            self._lose({(node, version)})
        else:
            self.objects[node, version] = next_hop

    def remove_object(self, node: NodeId, version: int) -> None:
        """`ip nexthop del`: the routes that use it go with it, without a word."""
        if self.objects.pop((node, version), None) is not None:
            towards = Towards(node)
            for prefix in [p for p, r in self.routes.items() if p.version == version and r.next_hop == towards]:
                self.remove(prefix)

    def carrier_lost(self, interface: str) -> None:
        """Objects by way of it go, and their routes. The agent sees the link, and looks."""
        self._no_carrier.add(interface)
        self._lose({key for key, next_hop in self.objects.items() if next_hop.interface == interface})

    def carrier_back(self, interface: str) -> None:
        self._no_carrier.discard(interface)

    def _lose(self, lost: set[tuple[NodeId, int]]) -> None:
        for node, version in sorted(lost):
            self.remove_object(node, version)
        if lost:
            self._time.after(NETLINK_DELAY, self.tell, NextHopObjectsLost(frozenset(lost)))

    def flush_direct(self) -> None:
        """`ip nexthop flush protocol 47` and the routes of 47: when the service is over, and when it begins."""
        for prefix in [prefix for prefix, route in self.routes.items() if route.kind is RouteKind.DIRECT]:
            self.remove(prefix)
        self.objects.clear()

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

    def read(self) -> tuple[tuple[Route, ...], tuple[KernelNextHop, ...]]:
        """All there is of our protocols."""
        found = enumerate(self.objects.items(), 1)
        objects = (KernelNextHop(number, node, version, hop) for number, ((node, version), hop) in found)
        return tuple(self.routes.values()), tuple(objects)

    def power_off(self) -> None:
        for prefix in list(self.routes):
            self.remove(prefix)
        self.next_hops.clear()
        self.objects.clear()
        self.permits.clear()
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
