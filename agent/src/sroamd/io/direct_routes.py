"""What we believe the kernel has of direct routes: nexthop objects, and the prefixes behind each.

There may be 60,000 routes, so a route is octets and a number here; whoever goes takes thousands along, so a route
counts only as long as its object is there, and what is left behind is swept together now and then.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from sroamd.addresses import NodeId
from sroamd.core.values import Prefix
from sroamd.io.netlink import Address

# Ours begin here: the kernel counts up from 1 for whoever names none, and routing daemons begin low, too.
NUMBERS = range(0x4700_0000, 0x4800_0000)
SWEEP_MIN = 4096  # routes without an object that are not worth a sweep

Key = bytes


@dataclass(slots=True)
class NextHopObject:
    """The way towards a node for the routes of one IP version. Its number is never used again for another."""

    number: int
    node: NodeId
    version: int
    index: int  # of the interface
    gateway: Address | None


def key_of(prefix: Prefix) -> Key:
    return prefix.network_address.packed + bytes((prefix.prefixlen,))


def prefix_of(key: Key) -> Prefix:
    address, length = key[:-1], key[-1]
    return IPv4Network((address, length)) if len(address) == 4 else IPv6Network((address, length))


class DirectRoutes:
    """`plain`: the kernel has no nexthop objects, each route there has its own next hop, and objects are only here."""

    def __init__(self, *, plain: bool = False) -> None:
        self.plain = plain
        self._objects: dict[int, NextHopObject] = {}
        self._numbers: dict[tuple[NodeId, int], int] = {}
        self._behind: dict[int, int] = {}  # how many routes each object has
        self._routes: dict[Key, int] = {}
        self._orphans = 0  # routes whose object is gone
        self._taken: frozenset[int] = frozenset()
        self._last = NUMBERS.start - 1

    # -- objects

    def avoid(self, taken: Collection[int]) -> None:
        """These numbers belong to others."""
        self._taken = frozenset(taken)

    def create(self, node: NodeId, version: int, index: int, gateway: Address | None) -> NextHopObject:
        """A new object. The one that the node had before, if any, is forgotten with its routes. Raises OSError."""
        self.forget(node, version)
        number = self._next_number()
        made = NextHopObject(number, node, version, index, gateway)
        self._objects[number] = made
        self._numbers[node, version] = number
        self._behind[number] = 0
        return made

    def _next_number(self) -> int:
        for _ in NUMBERS:
            self._last = self._last + 1 if self._last + 1 in NUMBERS else NUMBERS.start
            if self._last not in self._taken and self._last not in self._objects:
                return self._last
        raise OSError(errno.ENOSPC, "no number is left for a nexthop object")

    def forget(self, node: NodeId, version: int) -> NextHopObject | None:
        """The object is gone, and every route behind it."""
        number = self._numbers.pop((node, version), None)
        if number is None:
            return None
        gone = self._objects.pop(number)
        self._orphans += self._behind.pop(number)
        if self._orphans > max(SWEEP_MIN, len(self._routes) // 2):
            self._routes = {key: number for key, number in self._routes.items() if number in self._objects}
            self._orphans = 0
        return gone

    def towards(self, node: NodeId, version: int) -> NextHopObject | None:
        number = self._numbers.get((node, version))
        return None if number is None else self._objects[number]

    def numbered(self, number: int) -> NextHopObject | None:
        return self._objects.get(number)

    def objects(self) -> Collection[NextHopObject]:
        return self._objects.values()

    # -- routes

    def __len__(self) -> int:
        return len(self._routes) - self._orphans

    def put(self, key: Key, number: int) -> None:
        self.drop(key)
        if number in self._behind:
            self._routes[key] = number
            self._behind[number] += 1

    def drop(self, key: Key) -> NextHopObject | None:
        """There is no such route any more; the object that it had."""
        number = self._routes.pop(key, None)
        if number is None:
            return None
        if number in self._behind:
            self._behind[number] -= 1
            return self._objects[number]
        self._orphans -= 1
        return None

    def get(self, key: Key) -> NextHopObject | None:
        number = self._routes.get(key)
        return None if number is None else self._objects.get(number)

    def behind(self, number: int) -> Iterator[Key]:
        """The routes of an object. Looks at all there are."""
        return (key for key, other in self._routes.items() if other == number)

    def clear_routes(self) -> None:
        self._routes.clear()
        self._orphans = 0
        self._behind = dict.fromkeys(self._objects, 0)
