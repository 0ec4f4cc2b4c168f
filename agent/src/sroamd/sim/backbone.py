"""The cables and switches between the routers: who has whom for a neighbour, by what address, and what is cut.

A router is a number: first the machines of the fleet, then routers without an agent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address

from sroamd.core.values import NextHop
from sroamd.sim.layouts import Segments

LINK_LOCAL = 0xFE80 << 112


class Backbone:
    """`ports[r]`: the segments that router r is on, each with the name of its interface there.

    `islands[r]` is the part of the backbone that router r is in: between two parts nothing passes, and no carrier is
    lost. `is_powered` says so of a router.
    """

    def __init__(self, routers: int, segments: Segments, is_powered: Callable[[int], bool]) -> None:
        self.routers = range(routers)
        self.segments = segments
        self.islands = [0] * routers
        self.ports: list[dict[int, str]] = [{} for _ in self.routers]
        for segment, members in enumerate(segments):
            for router in members:
                self.ports[router][segment] = f"bb{len(self.ports[router])}"
        self.router_ipv4 = [IPv4Address(f"10.255.0.{router + 1}") for router in self.routers]
        self.router_ipv6 = [IPv6Address(f"fd00:255::{router + 1:x}") for router in self.routers]
        self.version = 0  # counts changes
        self._is_powered = is_powered
        self._closed: set[tuple[int, int]] = set()  # (router, segment): nothing passes this port
        self._neighbours: list[list[tuple[int, int]] | None] = [None] * routers
        self._by_address: dict[IPv4Address | IPv6Address, int] = {}
        for router in self.routers:
            self._by_address[self.router_ipv4[router]] = router
            self._by_address.update((address, router) for address in self.link_locals(router))

    def link_locals(self, router: int) -> frozenset[IPv6Address]:
        return frozenset(link_local(router, segment) for segment in self.ports[router])

    # -- what passes

    def linked(self, router: int, other: int, segment: int) -> bool:
        """Whether a packet from the one to the other passes the segment that both are on."""
        return (
            self.islands[router] == self.islands[other]
            and not {(router, segment), (other, segment)} & self._closed
            and self._is_powered(router)
            and self._is_powered(other)
        )

    def neighbours(self, router: int) -> list[tuple[int, int]]:
        """(neighbour, segment) of all that it is linked with now, in order."""
        found = self._neighbours[router]
        if found is None:
            found = self._neighbours[router] = [
                (other, segment)
                for segment in self.ports[router]
                for other in self.segments[segment]
                if other != router and self.linked(router, other, segment)
            ]
        return found

    def changed(self) -> None:
        """Also by its owner, when a router gets or loses power."""
        self.version += 1
        self._neighbours = [None] * len(self.routers)

    def set_islands(self, routers: Iterable[int], number: int) -> None:
        for router in routers:
            self.islands[router] = number
        self.changed()

    def close(self, ports: Iterable[tuple[int, int]]) -> None:
        self._closed.update(ports)
        self.changed()

    def open(self, ports: Iterable[tuple[int, int]]) -> None:
        self._closed.difference_update(ports)
        self.changed()

    @property
    def closed(self) -> list[tuple[int, int]]:
        """(router, segment) of all ports that nothing passes."""
        return sorted(self._closed)

    # -- how routing names it

    def next_hop(self, router: int, neighbour: int, segment: int, version: int) -> NextHop:
        """As babeld writes it into the kernel of `router`: IPv4 by the neighbour's router address, IPv6 by its
        link-local one."""
        gateway = self.router_ipv4[neighbour] if version == 4 else link_local(neighbour, segment)
        return NextHop(self.ports[router][segment], gateway)

    def behind(self, router: int, next_hop: NextHop) -> int | None:
        """Where a packet of `router` gets that leaves by `next_hop`. None: nowhere."""
        other = self._by_address.get(next_hop.gateway) if next_hop.gateway is not None else None
        if other is None:
            return None
        for segment, interface in self.ports[router].items():
            if interface == next_hop.interface and segment in self.ports[other]:
                return other if self.linked(router, other, segment) else None
        return None


def link_local(router: int, segment: int) -> IPv6Address:
    return IPv6Address(LINK_LOCAL | (router + 1) << 16 | segment + 1)
