"""The kernel's ways to the other nodes' router addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set

from sroamd.core.events import Event, NextHopChanged
from sroamd.core.values import NextHop, Prefix
from sroamd.io import netlink
from sroamd.io.kernel_query import KernelQuery
from sroamd.io.link_table import LinkTable
from sroamd.io.netlink import Address

_UNKNOWN = NextHop("", None)  # no way that there is: an address that has not been asked about yet


class RouterWays:
    """Emits NextHopChanged for each watched address, at once and whenever what `settle` finds is another way.

    What the kernel does not answer (OSError) stays in doubt.
    """

    def __init__(self, query: KernelQuery, links: LinkTable) -> None:
        self.emit: Callable[[Event], None] = lambda event: None
        self._query = query
        self._links = links
        self._watched: dict[Address, NextHop | None] = {}
        self._covered: dict[tuple[int, int], dict[int, list[Address]]] = {}
        self._dirty: set[Address] = set()

    def watch(self, addresses: Iterable[Address]) -> None:
        """These and no others."""
        wanted = frozenset(addresses)
        self._covered.clear()
        for address in self._watched.keys() - wanted:
            del self._watched[address]
        self._dirty &= wanted
        new = wanted - self._watched.keys()
        self._watched.update(dict.fromkeys(new, _UNKNOWN))
        self._dirty |= new
        self._resolve_all(new)

    def doubt_all(self) -> None:
        self._dirty.update(self._watched)

    def doubt(self, prefix: Prefix) -> None:
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

    def settle(self) -> None:
        """Ask again about whatever is in doubt."""
        self._resolve_all(self._dirty)

    def _resolve_all(self, addresses: Set[Address]) -> None:
        for address in sorted(addresses, key=str):
            if address in self._watched:  # else an event just emitted has ended the watch
                self._resolve(address)

    def _resolve(self, address: Address) -> None:
        hop = self._ask(address)
        self._dirty.discard(address)
        if self._watched[address] != hop:
            self._watched[address] = hop
            self.emit(NextHopChanged(address, hop))

    def _ask(self, address: Address) -> NextHop | None:
        """The kernel's best route to the address, as it stands in the table.

        None where it is unreachable, its link has no carrier (the kernel keeps the route, and refuses any nexthop
        object there), it is our own address, one of our own host routes, or only the default route, which says nothing
        about where that node is (the way out may well be a management network).
        """
        route = self._query.route_to(address)
        if route is None or route.kind != netlink.RTN_UNICAST or not route.prefix.prefixlen or not route.works:
            return None
        link = self._links.get(route.interface_index)
        if link is None or route.protocol in netlink.OUR_PROTOCOLS:
            return None
        return NextHop(link.name, route.gateway)
