"""Values that events and effects share: routes, next hops, stored data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from sroamd.addresses import Mac, NodeId
from sroamd.constants import ROUTE_PROTOCOL_DEMOTED, ROUTE_PROTOCOL_DIRECT, ROUTE_PROTOCOL_HERE

Prefix = IPv4Network | IPv6Network


class RouteKind(IntEnum):
    """Why a route is there; the value is its rtnetlink protocol."""

    HERE = ROUTE_PROTOCOL_HERE
    DEMOTED = ROUTE_PROTOCOL_DEMOTED
    DIRECT = ROUTE_PROTOCOL_DIRECT


@dataclass(frozen=True, slots=True)
class NextHop:
    """`gateway` None: the destination is on the link itself."""

    interface: str
    gateway: IPv4Address | IPv6Address | None


@dataclass(frozen=True, slots=True)
class Towards:
    """By way of the kernel's nexthop object for that node: whatever it is set to, all its routes follow."""

    node: NodeId


Via = NextHop | Towards


@dataclass(frozen=True, slots=True)
class Route:
    """A host route: a /32 or a /64, by way of `next_hop`. Direct routes, and only they, lead towards a node."""

    prefix: Prefix
    kind: RouteKind
    next_hop: Via


@dataclass(frozen=True, slots=True)
class KernelNextHop:
    """A nexthop object of our protocol, as the kernel has it. `node` None: it is none that this process has made.

    `next_hop` None where the kernel says nothing of the kind, as of a blackhole or a group.
    """

    number: int
    node: NodeId | None
    version: int
    next_hop: NextHop | None


@dataclass(frozen=True, slots=True)
class Permit:
    """The station may send on the interface: at all (`prefix` None), or from its address (a /32) or its /64."""

    interface: str
    station: Mac
    prefix: Prefix | None = None


@dataclass(frozen=True, slots=True)
class StoredDatum:
    """A lease as the state directory keeps it. `remaining` may be negative: expired so long ago."""

    key: bytes
    value: bytes
    seqno: int
    remaining: float
