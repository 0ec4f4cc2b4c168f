"""Fleets whose nodes are joined by links of their own instead of one backbone: where routes lead matters there.

The correspondent's traffic enters at `gw`, a node with the agent and without a radio. All shapes have the same nodes
with the same interfaces, so that a lab can be made in one shape and rewired to another (Lab.rewire).
"""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Network

from .topology import (
    LAN_BRIDGE,
    MANAGEMENT_BRIDGE,
    Kind,
    Link,
    Node,
    Topology,
    correspondent,
    default_management,
    link_mac,
    radio_bridge,
    station,
)

GATEWAY = "gw"
FOREIGNER = "rt"
APS = ("ap1", "ap2", "ap3", "ap4")


class Shape(Enum):
    """Which nodes are joined. In all but FOREIGN every router has the agent."""

    TREE = "tree"
    CHAIN = "chain"
    RING = "ring"
    FOREIGN = "foreign"  # a chain, in its middle a Babel router without the agent

    @property
    def joined(self) -> tuple[tuple[str, str], ...]:
        """Pairs of nodes with a link between them."""
        match self:
            case Shape.TREE:
                return (GATEWAY, "ap1"), (GATEWAY, "ap2"), ("ap1", "ap3"), ("ap1", "ap4")
            case Shape.CHAIN:
                return (GATEWAY, "ap1"), ("ap1", "ap2"), ("ap2", "ap3"), ("ap3", "ap4")
            case Shape.RING:
                return (*Shape.CHAIN.joined, ("ap4", GATEWAY))
            case Shape.FOREIGN:
                return (GATEWAY, "ap1"), ("ap1", "ap2"), ("ap2", FOREIGNER), (FOREIGNER, "ap3"), ("ap3", "ap4")

    @property
    def most_forwards(self) -> int:
        """How often a packet is forwarded at most if it goes to the wrong end first and all the way back to the other:
        whatever is forwarded more often has circled.
        """
        return 2 * len({name for pair in self.joined for name in pair}) - 2


def shaped(*, prefix: str, shape: Shape, stations: int, management: IPv4Network | None = None) -> Topology:
    """`gw` with `corr` behind it, ap1 to ap4, the plain router `rt` (off the net but in FOREIGN), and sta1..N."""
    nodes = (
        *(_node(name, Kind.AP, number, shape) for number, name in enumerate(APS, start=1)),
        _node(GATEWAY, Kind.SERVER, 1, shape),
        _node(FOREIGNER, Kind.ROUTER, 1, shape),
        correspondent(),
        *(station(number) for number in range(1, stations + 1)),
    )
    return Topology(prefix, management or default_management(prefix), nodes)


def _node(name: str, kind: Kind, number: int, shape: Shape) -> Node:
    family = {Kind.AP: "a0", Kind.SERVER: "5e", Kind.ROUTER: "c0"}[kind]
    links = [
        Link(f"bb{index}", bridge, link_mac(family, number, 0x10 + index))
        for index, bridge in enumerate(_bridges(name, shape))
    ]
    if kind is Kind.AP:
        links.append(Link("wlan0", radio_bridge(number), link_mac(family, number, 3)))
    if kind is not Kind.ROUTER:
        links.insert(0, Link("mgmt0", MANAGEMENT_BRIDGE, link_mac(family, number, 1)))
    if name == GATEWAY:
        links.append(Link("lan0", LAN_BRIDGE, link_mac(family, number, 2)))
    return Node(name, kind, number, tuple(links))


def _bridges(name: str, shape: Shape) -> list[str]:
    """One bridge for each backbone interface: that of a pair, or one on which there is nobody else."""
    used = ["-".join(pair) for pair in shape.joined if name in pair]
    ports = max(sum(name in pair for pair in each.joined) for each in Shape)
    return [*used, *(f"{name}-{number}" for number in range(len(used), ports))]
