"""What the kernel tells: links, our routes in others' hands, ways to the other nodes' router addresses, own addresses.

One socket only hears events; `kernel_query` has another for questions, answered before they have been sent.
After ENOBUFS events were lost, so everything is asked anew, as soon as the kernel tells of changes again. A batch of
events is worked off whole before anything is asked again, so that a storm of a thousand route changes costs one
question for each address that it concerns.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from ipaddress import IPv6Address

from sroamd.addresses import Mac, NodeId
from sroamd.constants import ROUTE_METRIC
from sroamd.core.events import (
    Event,
    InterfaceChanged,
    KernelRouteLost,
    KernelRoutesListed,
    NextHopObjectsLost,
)
from sroamd.core.values import NextHop, Prefix, Route, RouteKind, Towards
from sroamd.io import bpf, netlink, netlink_nexthop
from sroamd.io.direct_routes import DirectRoutes, key_of
from sroamd.io.direct_watch import DirectWatch
from sroamd.io.foreign_routes import ForeignRoutes
from sroamd.io.kernel_query import KernelQuery
from sroamd.io.link_table import LinkTable
from sroamd.io.netlink import Address, Message, RouteMessage
from sroamd.io.own_addresses import OwnAddresses
from sroamd.io.patience import Patience
from sroamd.io.route_meaning import RouteMeaning
from sroamd.io.route_places import TABLES, Place, Places, places
from sroamd.io.route_rules import is_ours
from sroamd.io.router_ways import RouterWays

log = logging.getLogger(__name__)

# Octets; the kernel doubles them and reckons 1280 for each event. So 32,000 fit: it tells of each IPv6 route that goes
# with its nexthop object, and after an overflow all routes have to be read again.
EVENT_BUFFER = 20 << 20
READS_MAX = 256  # datagrams taken in one wake-up
_MSG_TRUNC = int(socket.MSG_TRUNC)  # as a flag of an enum it would take microseconds
GROUPS = (
    "link",
    "ipv4_address",
    "ipv6_address",
    "ipv4_route",
    "ipv6_route",
    "ipv4_rule",
    "ipv6_rule",
    "nexthop",
)

LinkListener = Callable[[str], None]


class KernelWatch:
    """Emits what `core.events` has of the kernel. Opened in the constructor (OSError), silent until `start`.

    `shared`: addresses that all nodes have, so none is known by them.
    """

    def __init__(
        self, station_interfaces: Iterable[str], shared: Iterable[IPv6Address] = (), where: Places | None = None
    ) -> None:
        self._stations = tuple(station_interfaces)
        self._emit: Callable[[Event], None] = lambda event: None
        self._on_link: LinkListener = lambda name: None
        self._on_rules: Callable[[], None] = lambda: None
        self._known: dict[Prefix, Route] = {}
        self._macs: dict[str, Mac | None] = {}
        self._relist = False  # the routes of our stations
        self._relist_direct = False
        self._overflowed = False  # events were lost, and nothing has been asked since
        self._loop: asyncio.AbstractEventLoop | None = None
        self.counters: Counter[str] = Counter()
        self._patience = Patience(self._readable, self.counters)
        self._links = LinkTable()
        self._query = KernelQuery()
        self.meaning = RouteMeaning(where or places(announced=True), self._links, DirectRoutes())
        self._ways = RouterWays(self._query, self._links)
        self._directs = DirectWatch(self._query, self._links)
        self._foreign = ForeignRoutes(self._query)
        self._own = OwnAddresses(self._query, self._links, self._stations, shared)
        self._events = netlink.open_socket(EVENT_BUFFER, GROUPS)  # before the first dump, so that nothing falls between
        self._events.setblocking(False)
        self._links.fill(self._query.links())

    def follow(self, known: dict[Prefix, Route], direct: DirectRoutes, own_port: int) -> None:
        """Compare events with these routes, which the route socket has installed.

        What its port causes is no news: one next hop may have ten thousand routes behind it, each with an event.
        """
        self._known, self._directs.books, self.meaning.books = known, direct, direct
        bpf.attach(self._events, bpf.not_caused_by(own_port))

    def on_link(self, listener: LinkListener) -> None:
        """Tell the name of a station interface that appears, changes or goes, before its event is emitted."""
        self._on_link = listener

    def on_rules(self, listener: Callable[[], None]) -> None:
        """Call it where a rule of ours may be gone."""
        self._on_rules = listener

    def index_of(self, name: str) -> int | None:
        link = self._links.named(name)
        return None if link is None else link.index

    def lookup(self, name: str) -> tuple[int, Mac] | None:
        """(index, MAC) of an interface that is up."""
        link = self._links.named(name)
        return (link.index, link.mac) if link is not None and link.up and link.mac is not None else None

    def burnt_in_macs(self) -> tuple[Mac, ...]:
        """The MACs that this machine's hardware came with."""
        return tuple(dict.fromkeys(link.burnt_in for link in self._links.all() if link.burnt_in is not None))

    def radio_mac(self) -> Mac | None:
        """The MAC burnt into the first station interface; None if that is virtual, or there is none."""
        links = map(self._links.named, self._stations)
        return next((link.burnt_in for link in links if link is not None and link.burnt_in is not None), None)

    def start(self, emit: Callable[[Event], None]) -> None:
        """Emit everything as it is, then follow events. Needs a running loop. Raises OSError."""
        self._emit = self._ways.emit = self._own.emit = self._foreign.emit = emit
        for name in self._stations:
            self._report_interface(name)
        self._own.settle()
        self._list_routes(direct=False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._events.fileno(), self._readable)
        self._patience.start()

    def close(self) -> None:
        self._patience.stop()
        if self._loop is not None:
            self._loop.remove_reader(self._events.fileno())
            self._loop = None
        self._events.close()
        self._query.close()

    def watch(self, addresses: Iterable[Address]) -> None:
        """Emit NextHopChanged for each address that is new here, and whenever its answer changes."""
        self._patience.ask(partial(self._ways.watch, addresses))

    # -- events

    def _readable(self) -> None:
        """Take in what has come, then ask again whatever it has put in doubt.

        After an overflow the kernel drops all further events without a word, until its queue has been read empty, and
        what is left in it is older than any answer. So that is thrown away, and asked only when nothing is left.
        """
        if self._loop is None:
            return  # closed
        for _ in range(READS_MAX):
            try:
                data, _, flags, sender = self._events.recvmsg(netlink.MESSAGE_MAX)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._overflowed = True
                continue
            if sender[0]:
                continue  # not the kernel
            self._overflowed = self._overflowed or bool(flags & _MSG_TRUNC)
            if not self._overflowed:
                for message in netlink.messages(data):
                    self._handle(message)
        else:
            if self._overflowed:
                self._loop.call_soon(self._readable)  # that was perhaps the last: then no event would wake us
                return
        self._settle()

    def _resynchronise(self) -> None:
        self._links.fill(self._query.links())
        log.warning("kernel events were lost; asking for everything again")
        self.counters["netlink.overflows"] += 1
        self._overflowed = False
        for name in self._stations:
            self._report_interface(name)
        self._relist = self._relist_direct = True
        self._own.doubt()
        self._directs.doubt()
        self._ways.doubt_all()
        self._on_rules()

    def _handle(self, message: Message) -> None:
        match message.kind:
            case netlink.RTM_NEWLINK | netlink.RTM_DELLINK:
                self._handle_link(message)
            case netlink.RTM_NEWADDR | netlink.RTM_DELADDR:
                # A deletion takes routes with it, of which IPv4 says nothing.
                self._relist = self._relist or message.kind == netlink.RTM_DELADDR
                self._own.doubt()
                self._ways.doubt_all()
            case netlink.RTM_NEWROUTE | netlink.RTM_DELROUTE:
                if route := netlink.parse_route(message.body):
                    self._handle_route(message.kind == netlink.RTM_NEWROUTE, route)
            case netlink_nexthop.RTM_NEWNEXTHOP | netlink_nexthop.RTM_DELNEXTHOP:
                self._directs.heard(message.body)
            case netlink.RTM_DELRULE if is_ours(message.body):
                self._on_rules()
            case _:
                pass

    def _handle_link(self, message: Message) -> None:
        link = netlink.parse_link(message.body)
        if link is None:
            return
        before = self._links.get(link.index)
        gone = message.kind == netlink.RTM_DELLINK
        if gone:
            self._links.drop(link.index)
        else:
            self._links.put(link)
        # Also where nothing has changed: the carrier may have come back before this was said.
        self._directs.doubt_link(link.index)
        if gone or before is None or (before.up, before.name) != (link.up, link.name):
            self._relist = True  # IPv4 routes vanish with a link without an event
            self._own.doubt()
            self._ways.doubt_all()
        elif before.carrier != link.carrier:
            self._ways.doubt_all()
        for name in {link.name, before.name if before else link.name} & set(self._stations):
            self._report_interface(name)

    def _handle_route(self, added: bool, route: RouteMessage) -> None:
        if route.table not in TABLES:
            return
        self._ways.doubt(route.prefix)
        ours = self._ours(route.prefix, route.table)
        if ours is None or route.metric != ROUTE_METRIC:
            return
        same = route.protocol == ours.kind and self.meaning.via(route) == ours.next_hop
        if added == same:
            return
        # Another took the place of ours, or ours is gone.
        if isinstance(ours.next_hop, Towards):
            self._directs.route_lost(key_of(ours.prefix))
        else:
            del self._known[ours.prefix]
            self._report_loss(ours)

    @property
    def _directs_at(self) -> Place:
        return self.meaning.places[RouteKind.DIRECT]

    def _ours(self, prefix: Prefix, table: int) -> Route | None:
        """The route that we believe the kernel has there."""
        if (known := self._known.get(prefix)) is not None and self.meaning.places[known.kind].table == table:
            return known
        if self._directs_at.table != table:
            return None
        towards = self._directs.books.get(key_of(prefix))
        return None if towards is None else Route(prefix, RouteKind.DIRECT, Towards(towards.node))

    def _settle(self) -> None:
        """The end of a batch of events: ask again whatever it has put in doubt.

        The ways come before the routes that hang on them, so that nothing is installed again the old way.
        """
        ask = self._patience.ask
        if self._overflowed:
            ask(self._resynchronise)
        lost = ask(self._directs.lost_objects)
        ask(self._ways.settle)
        if lost:
            self.report_lost_objects(lost)
        if lost is not None:
            for route in self._directs.lost_routes():
                self._report_loss(route)
        if self._relist:
            ask(self._list_doubted)
        ask(self._own.settle)
        ask(self._foreign.settle)

    # -- links

    def _report_interface(self, name: str) -> None:
        """A station interface counts as present while it is up: only then can frames go through it."""
        self._on_link(name)
        found = self.lookup(name)
        mac = None if found is None else found[1]
        if name not in self._macs or self._macs[name] != mac:
            self._macs[name] = mac
            self._emit(InterfaceChanged(name, mac))

    # -- routes

    def list_routes(self, *, direct: bool = False) -> None:
        """Emit KernelRoutesListed with our routes as the kernel has them now, or as soon as it can be asked.

        Without `direct` those of our own stations only: tens of thousands of others need not be read each time that a
        link goes down, since their nexthop objects tell what has become of them. What has a route in both tables is
        left out: whichever it should have will be installed anew, which removes the other.
        """
        self._relist, self._relist_direct = True, self._relist_direct or direct
        self._patience.ask(partial(self._list_routes, direct=direct))

    def _list_doubted(self) -> None:
        if self._relist_direct:
            self._relist_direct = not self._directs.are_as_believed(self._directs_at)
        self._list_routes(direct=self._relist_direct)

    def _list_routes(self, *, direct: bool) -> None:
        kinds = list(RouteKind) if direct else [kind for kind in RouteKind if kind is not RouteKind.DIRECT]
        where = [(family, self.meaning.places[kind]) for family in (socket.AF_INET, socket.AF_INET6) for kind in kinds]
        listed = (self.meaning.route_of(found) for place in where for found in self._query.routes_of(*place))
        routes = [route for route in listed if route is not None]
        self._relist = self._relist_direct = self._relist_direct and not direct
        self._known.clear()
        books = self._directs.books
        if direct:
            books.clear_routes()
        for route in routes:
            if isinstance(route.next_hop, NextHop):
                self._known[route.prefix] = route
            elif (towards := books.towards(route.next_hop.node, route.prefix.version)) is not None:
                books.put(key_of(route.prefix), towards.number)
        twice = {prefix for prefix in self._known if books.get(key_of(prefix)) is not None}
        once = frozenset(route for route in routes if route.prefix not in twice)
        self._emit(KernelRoutesListed(once, direct))

    def report_lost_objects(self, lost: frozenset[tuple[NodeId, int]]) -> None:
        self.counters["nexthop.lost"] += len(lost)
        self._emit(NextHopObjectsLost(lost))

    def _report_loss(self, route: Route) -> None:
        self.counters["route.lost"] += 1
        self._emit(KernelRouteLost(route))

    def find(self, prefix: Prefix) -> None:
        """Emit ForeignRouteFound if packets into the prefix take a route of just this prefix that is not ours."""
        self._patience.ask(partial(self._foreign.find, prefix))
