"""What the kernel tells: links, routes of ours that others touched, and its ways to the other nodes' router addresses.

One socket only hears events; `kernel_query` has another for questions, answered before they have been sent.
After ENOBUFS events were lost, so everything is asked anew. A batch of events is worked off whole before anything is
asked again, so that a storm of a thousand route changes costs one question for each address that it concerns.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections import Counter
from collections.abc import Callable, Iterable

from sroamd.addresses import Mac
from sroamd.constants import ROUTE_METRIC
from sroamd.core.events import (
    Event,
    ForeignRouteFound,
    InterfaceChanged,
    KernelRouteLost,
    KernelRoutesListed,
    NextHopChanged,
)
from sroamd.core.values import NextHop, Prefix, Route, RouteKind, Towards, Via
from sroamd.io import netlink
from sroamd.io.direct_routes import DirectRoutes, key_of
from sroamd.io.kernel_query import KernelQuery
from sroamd.io.netlink import Address, LinkMessage, Message, RouteMessage

log = logging.getLogger(__name__)

EVENT_BUFFER = 8 << 20  # octets: some ten thousand route events
READS_MAX = 256  # datagrams taken in one wake-up
GROUPS = ("link", "ipv4_address", "ipv6_address", "ipv4_route", "ipv6_route")

LinkListener = Callable[[str], None]


class KernelWatch:
    """Emits InterfaceChanged, KernelRoutesListed, KernelRouteLost and NextHopChanged. Opened in the constructor
    (OSError), silent until `start`.
    """

    def __init__(
        self,
        station_interfaces: Iterable[str],
    ) -> None:
        self._stations = tuple(station_interfaces)
        self._emit: Callable[[Event], None] = lambda event: None
        self._on_link: LinkListener = lambda name: None
        self._known: dict[Prefix, Route] = {}
        self._direct = DirectRoutes()
        self._own_port = 0
        self._links: dict[int, LinkMessage] = {}
        self._index: dict[str, int] = {}
        self._macs: dict[str, Mac | None] = {}
        self._watched: dict[Address, NextHop | None] = {}
        self._covered: dict[tuple[int, int], dict[int, list[Address]]] = {}
        self._dirty: set[Address] = set()
        self._relist = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.counters: Counter[str] = Counter()
        self._query = KernelQuery()
        self._events = netlink.open_socket(EVENT_BUFFER, GROUPS)  # before the first dump, so that nothing falls between
        self._events.setblocking(False)
        self._list_links()

    def follow(self, known: dict[Prefix, Route], direct: DirectRoutes, own_port: int) -> None:
        """Compare events with these routes, which the route socket has installed; what its port caused is no news."""
        self._known, self._direct, self._own_port = known, direct, own_port

    def on_link(self, listener: LinkListener) -> None:
        """Tell the name of a station interface that appears, changes or goes, before its event is emitted."""
        self._on_link = listener

    def index_of(self, name: str) -> int | None:
        return self._index.get(name)

    def lookup(self, name: str) -> tuple[int, Mac] | None:
        """(index, MAC) of an interface that is up."""
        index = self._index.get(name)
        link = None if index is None else self._links[index]
        return (link.index, link.mac) if link is not None and link.up and link.mac is not None else None

    def burnt_in_macs(self) -> tuple[Mac, ...]:
        """The MACs that this machine's hardware came with."""
        links = [self._links[index] for index in sorted(self._links)]
        return tuple(dict.fromkeys(link.burnt_in for link in links if link.burnt_in is not None))

    def radio_mac(self) -> Mac | None:
        """The MAC burnt into the first station interface; None if that is virtual, or there is none."""
        links = (self._links[self._index[name]] for name in self._stations if name in self._index)
        return next((link.burnt_in for link in links if link.burnt_in is not None), None)

    def start(self, emit: Callable[[Event], None]) -> None:
        """Emit the station interfaces and our routes as they are, then follow events. Needs a running loop."""
        self._emit = emit
        for name in self._stations:
            self._report_interface(name)
        self.list_routes()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._events.fileno(), self._readable)

    def close(self) -> None:
        if self._loop is not None:
            self._loop.remove_reader(self._events.fileno())
            self._loop = None
        self._events.close()
        self._query.close()

    # -- events

    def _readable(self) -> None:
        for _ in range(READS_MAX):
            try:
                data, _, flags, _ = self._events.recvmsg(netlink.MESSAGE_MAX)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._resynchronise()
                continue
            if flags & socket.MSG_TRUNC:
                self._resynchronise()
            for message in netlink.messages(data):
                self._handle(message)
        self._settle()

    def _resynchronise(self) -> None:
        log.warning("kernel events were lost; asking for everything again")
        self.counters["netlink.overflows"] += 1
        self._list_links()
        for name in self._stations:
            self._report_interface(name)
        self._relist = True
        self._dirty.update(self._watched)

    def _handle(self, message: Message) -> None:
        match message.kind:
            case netlink.RTM_NEWLINK | netlink.RTM_DELLINK:
                self._handle_link(message)
            case netlink.RTM_DELADDR:
                # Takes routes with it, of which IPv4 says nothing.
                self._relist = True
                self._dirty.update(self._watched)
            case netlink.RTM_NEWADDR:
                self._dirty.update(self._watched)
            case netlink.RTM_NEWROUTE | netlink.RTM_DELROUTE:
                if message.port != self._own_port and (route := netlink.parse_route(message.body)):
                    self._handle_route(message.kind == netlink.RTM_NEWROUTE, route)
            case _:
                pass

    def _handle_link(self, message: Message) -> None:
        link = netlink.parse_link(message.body)
        before = self._links.get(link.index)
        if message.kind == netlink.RTM_DELLINK:
            self._forget_link(link.index)
        else:
            self._remember_link(link)
        if before is None or message.kind == netlink.RTM_DELLINK or before.up != link.up or before.name != link.name:
            self._relist = True  # IPv4 routes vanish with a link without an event
            self._dirty.update(self._watched)
        for name in {link.name, before.name if before else link.name} & set(self._stations):
            self._report_interface(name)

    def _handle_route(self, added: bool, route: RouteMessage) -> None:
        if route.table != netlink.RT_TABLE_MAIN:
            return
        self._doubt(route.prefix)
        ours = self._ours(route.prefix)
        if ours is None or route.metric != ROUTE_METRIC:
            return
        same = route.protocol == ours.kind and self._via(route) == ours.next_hop
        if added != same:  # another took the place of ours, or ours is gone
            self._known.pop(route.prefix, None)
            self._direct.drop(key_of(route.prefix))
            self.counters["route.lost"] += 1
            self._emit(KernelRouteLost(ours))

    def _ours(self, prefix: Prefix) -> Route | None:
        """The route that we believe the kernel has."""
        if (known := self._known.get(prefix)) is not None:
            return known
        towards = self._direct.get(key_of(prefix))
        return None if towards is None else Route(prefix, RouteKind.DIRECT, Towards(towards.node))

    def _settle(self) -> None:
        """The end of a batch of events: ask again whatever it has put in doubt."""
        if self._relist:
            self._relist = False
            self.list_routes()
        dirty, self._dirty = self._dirty, set()
        for address in sorted(dirty & self._watched.keys(), key=str):
            self._resolve(address)

    # -- links

    def _list_links(self) -> None:
        self._links.clear()
        self._index.clear()
        for link in self._query.links():
            self._remember_link(link)

    def _remember_link(self, link: LinkMessage) -> None:
        self._forget_link(link.index)
        self._links[link.index] = link
        self._index[link.name] = link.index

    def _forget_link(self, index: int) -> None:
        before = self._links.pop(index, None)
        if before is not None and self._index.get(before.name) == index:
            del self._index[before.name]

    def _report_interface(self, name: str) -> None:
        """A station interface counts as present while it is up: only then can frames go through it."""
        self._on_link(name)
        found = self.lookup(name)
        mac = None if found is None else found[1]
        if name not in self._macs or self._macs[name] != mac:
            self._macs[name] = mac
            self._emit(InterfaceChanged(name, mac))

    # -- routes

    def list_routes(self) -> None:
        """Emit KernelRoutesListed with our routes as the kernel has them now."""
        routes: dict[Prefix, Route] = {}
        for family in (socket.AF_INET, socket.AF_INET6):
            for kind in RouteKind:
                for found in self._query.routes_of(family, kind):
                    hop = self._via(found)
                    if hop is not None and found.metric == ROUTE_METRIC and found.table == netlink.RT_TABLE_MAIN:
                        routes[found.prefix] = Route(found.prefix, kind, hop)
        self._known.clear()
        self._direct.clear_routes()
        for prefix, route in routes.items():
            if isinstance(route.next_hop, NextHop):
                self._known[prefix] = route
            elif (towards := self._direct.towards(route.next_hop.node, prefix.version)) is not None:
                self._direct.put(key_of(prefix), towards.number)
        self._emit(KernelRoutesListed(frozenset(routes.values())))

    def _via(self, route: RouteMessage) -> Via | None:
        """Towards a node, if the route takes a nexthop object of ours, or one of the same kernel-made shape."""
        if (towards := self._direct.numbered(route.nexthop)) is not None:
            return Towards(towards.node)
        return self._next_hop(route)

    def _next_hop(self, route: RouteMessage) -> NextHop | None:
        link = self._links.get(route.interface_index)
        return None if link is None else NextHop(link.name, route.gateway)

    def find(self, prefix: Prefix) -> None:
        """Emit ForeignRouteFound if packets into the prefix take a route of just this prefix that is not ours."""
        route = self._query.route_to(prefix.network_address)
        if route is None or route.prefix != prefix or route.kind != netlink.RTN_UNICAST:
            return
        if route.protocol not in netlink.OUR_PROTOCOLS:
            self._emit(ForeignRouteFound(prefix))

    # -- next hops

    def watch(self, addresses: Iterable[Address]) -> None:
        """Emit NextHopChanged for each address that is new here, and whenever its answer changes."""
        wanted = frozenset(addresses)
        self._covered.clear()
        for address in self._watched.keys() - wanted:
            del self._watched[address]
        for address in sorted(wanted - self._watched.keys(), key=str):
            self._watched[address] = None
            self._resolve(address, first=True)

    def _doubt(self, prefix: Prefix) -> None:
        """Mark the watched addresses in the prefix, found by their leading bits: there may be hundreds of both."""
        key = (prefix.version, prefix.prefixlen)
        shift = prefix.max_prefixlen - prefix.prefixlen
        covered = self._covered.get(key)
        if covered is None:
            covered = self._covered[key] = {}
            for address in self._watched:
                if address.version == prefix.version:
                    covered.setdefault(int(address) >> shift, []).append(address)
        self._dirty.update(covered.get(int(prefix.network_address) >> shift, ()))

    def _resolve(self, address: Address, first: bool = False) -> None:
        if address not in self._watched:
            return  # an event just emitted has ended the watch
        hop = self._ask(address)
        if first or self._watched[address] != hop:
            self._watched[address] = hop
            self._emit(NextHopChanged(address, hop))

    def _ask(self, address: Address) -> NextHop | None:
        """The kernel's best route to the address, as it stands in the table.

        None where it is unreachable, our own, one of our own host routes, or only the default route's, which says
        nothing about where that node is (the way out may well be a management network).
        """
        route = self._query.route_to(address)
        if route is None or route.kind != netlink.RTN_UNICAST or not route.prefix.prefixlen:
            return None
        return None if route.protocol in netlink.OUR_PROTOCOLS else self._next_hop(route)
