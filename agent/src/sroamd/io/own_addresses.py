"""The link-local addresses by which other nodes may know this one as their next hop."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv6Address

from sroamd.core.events import Event, LinkLocalsListed
from sroamd.io.kernel_query import KernelQuery
from sroamd.io.link_table import LinkTable


class OwnAddresses:
    """Emits LinkLocalsListed when `settle` finds others than before. Not of `stations`, the interfaces that stations
    see, nor of `shared`, the addresses that all nodes have, nor one that may yet turn out to be another's.
    """

    def __init__(
        self, query: KernelQuery, links: LinkTable, stations: Iterable[str], shared: Iterable[IPv6Address]
    ) -> None:
        self.emit: Callable[[Event], None] = lambda event: None
        self._query = query
        self._links = links
        self._stations = frozenset(stations)
        self._shared = frozenset(shared)
        self._told: frozenset[IPv6Address] | None = None
        self._doubted = True

    def doubt(self) -> None:
        self._doubted = True

    def settle(self) -> None:
        """Ask again, if there is doubt. After an OSError there still is."""
        if not self._doubted:
            return
        own = frozenset(self._list())
        self._doubted = False
        if own != self._told:
            self._told = own
            self.emit(LinkLocalsListed(own))

    def _list(self) -> Iterable[IPv6Address]:
        for found in self._query.addresses():
            address, link = found.address, self._links.get(found.interface_index)
            if not isinstance(address, IPv6Address) or not address.is_link_local or address in self._shared:
                continue
            if found.usable and link is not None and link.name not in self._stations:
                yield address
