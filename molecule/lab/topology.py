"""What a lab consists of: nodes, links and bridges, as plain values. Nothing here touches the machine."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

MANAGEMENT_BRIDGE = "mgmt"
BACKBONE_BRIDGE = "bb"
LAN_BRIDGE = "lan"

# The addresses of the roaming domain: what the inventory tells the role.
STATION_IPV4 = IPv4Network("192.0.2.0/24")
STATION_IPV6 = IPv6Network("2001:db8:44::/48")
GATEWAY_IPV4 = IPv4Address("192.0.2.1")
GATEWAY_IPV6 = IPv6Address("fe80::1")
NAMESERVERS = ("198.51.100.53", "2001:db8:c0::53")

# How stations identify themselves to hostapd (802.1X with EAP-MD5).
EAP_IDENTITY = "phone"
EAP_PASSWORD = "secret"

# One router address per node; Babel carries them.
ROUTER_IPV4 = IPv4Network("10.255.0.0/24")
ROUTER_IPV6 = IPv6Network("fd00:255::/64")

# Behind the plain Babel router: the rest of the world, as far as a station knows.
CORRESPONDENT_IPV4 = IPv4Interface("198.51.100.2/24")
CORRESPONDENT_IPV6 = IPv6Interface("2001:db8:c0::2/64")

_GATEWAY_NUMBER = 254
_SERVER_NUMBER = 200
_MAX_APS = 99
_MAX_STATIONS = 254


class Kind(Enum):
    """What a node is, and with that how it is started and configured."""

    AP = "ap"
    SERVER = "server"
    ROUTER = "router"
    CORRESPONDENT = "correspondent"
    STATION = "station"

    @property
    def boots(self) -> bool:
        """Whether it runs a systemd of its own; the others are bare network namespaces."""
        return self in (Kind.AP, Kind.SERVER, Kind.ROUTER)


@dataclass(frozen=True, slots=True)
class Link:
    """One Ethernet interface of a node, and the bridge at its other end."""

    name: str
    bridge: str
    mac: str


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the lab. Numbers count from 1 within a kind and decide all addresses."""

    name: str
    kind: Kind
    number: int
    links: tuple[Link, ...]

    def link(self, name: str) -> Link:
        for link in self.links:
            if link.name == name:
                return link
        raise KeyError(f"{self.name} has no link {name}: {', '.join(each.name for each in self.links)}")

    @property
    def has_management(self) -> bool:
        return any(link.bridge == MANAGEMENT_BRIDGE for link in self.links)

    @property
    def has_lan(self) -> bool:
        """Whether the correspondent is behind it."""
        return any(link.bridge == LAN_BRIDGE for link in self.links)

    @property
    def backbone(self) -> tuple[str, ...]:
        """Names of the interfaces on which Babel speaks."""
        return tuple(link.name for link in self.links if link.name.startswith("bb"))

    @property
    def host_number(self) -> int:
        """The last part of this node's management and router addresses."""
        match self.kind:
            case Kind.AP | Kind.STATION | Kind.CORRESPONDENT:
                return self.number
            case Kind.SERVER:
                return _SERVER_NUMBER + self.number
            case Kind.ROUTER:
                return _GATEWAY_NUMBER

    @property
    def router_ipv4(self) -> IPv4Address:
        return ROUTER_IPV4.network_address + self.host_number

    @property
    def router_ipv6(self) -> IPv6Address:
        # Decimal digits on purpose: ap12 is fd00:255::12 in both families' spelling.
        return IPv6Address(f"{ROUTER_IPV6.network_address!s}{self.host_number}")


@dataclass(frozen=True, slots=True)
class Topology:
    """A whole lab. The prefix is part of every name that the machine sees, so that several labs can coexist."""

    prefix: str
    management: IPv4Network
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        # Interface names of the machine are <prefix>-<node>, at most 15 characters.
        if not re.fullmatch(r"[a-z][a-z0-9]{0,7}", self.prefix):
            raise ValueError(f"prefix {self.prefix!r}: 1 to 8 of a-z and 0-9, a letter first")
        if self.management.prefixlen != 24:
            raise ValueError(f"management network {self.management}: must be a /24")

    def node(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(f"no node {name} in this lab: {', '.join(each.name for each in self.nodes)}")

    def of_kind(self, *kinds: Kind) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.kind in kinds)

    @property
    def bridges(self) -> tuple[str, ...]:
        """All bridges but that of the management network, each once, in order of first use."""
        names = (link.bridge for node in self.nodes for link in node.links)
        return tuple(dict.fromkeys(name for name in names if name != MANAGEMENT_BRIDGE))

    @property
    def management_host(self) -> IPv4Interface:
        """The machine's own address on the management network."""
        return IPv4Interface(f"{self.management.network_address + 1}/{self.management.prefixlen}")

    def management_address(self, node: Node) -> IPv4Interface:
        """.11 for ap1, .12 for ap2, ..., .211 for srv1. Raises ValueError for nodes that Ansible does not manage."""
        if not node.has_management:
            raise ValueError(f"{node.name} has no management link")
        return IPv4Interface(f"{self.management.network_address + node.host_number + 10}/{self.management.prefixlen}")


def default_management(prefix: str) -> IPv4Network:
    """A management network that follows from the prefix: labs of different names rarely share one."""
    return IPv4Network(f"10.99.{zlib.crc32(prefix.encode()) % 256}.0/24")


def radio_bridge(number: int) -> str:
    """The bridge that stands for the air around one AP."""
    return f"rf{number}"


def spoke_bridge(ap: Node) -> str:
    """The bridge on which there is only `gw`, in a fleet with spokes."""
    return f"{BACKBONE_BRIDGE}{ap.number}"


def fleet(
    *,
    prefix: str,
    aps: int = 3,
    stations: int = 1,
    servers: int = 0,
    management: IPv4Network | None = None,
    spokes: bool = False,
    gateway: bool = False,
) -> Topology:
    """The standard lab: ap1..N and srv1..N on a backbone, `gw` with `corr` behind it, and sta1..N near ap1.

    With spokes `gw` has a link to a bridge of its own for each AP too: plug an AP in there (Lab.plug, spoke_bridge),
    and its only way to the others leads through a router without the agent. With gateway there is no `gw`: `corr` is
    behind srv1.

    Raises ValueError for counts that the address plan has no room for.
    """
    if not 1 <= aps <= _MAX_APS or not 0 <= stations <= _MAX_STATIONS or not 0 <= servers <= 9:
        raise ValueError(f"at most {_MAX_APS} APs (and one at least), {_MAX_STATIONS} stations, 9 servers")
    if gateway and (spokes or not servers):
        raise ValueError("a gateway is a server, and there are no spokes then")
    nodes = (
        *(_ap(number) for number in range(1, aps + 1)),
        *(_server(number, has_lan=gateway and number == 1) for number in range(1, servers + 1)),
        *(() if gateway else (_router(aps if spokes else 0),)),
        correspondent(),
        *(station(number) for number in range(1, stations + 1)),
    )
    return Topology(prefix, management or default_management(prefix), nodes)


def link_mac(node: str, number: int, link: int) -> str:
    """02:00:00:00:<what>:<number> for stations, 02:00:00:<link>:<what>:<number> for the others."""
    return f"02:00:00:{link:02x}:{node}:{number:02x}"


def _ap(number: int) -> Node:
    links = (
        Link("mgmt0", MANAGEMENT_BRIDGE, link_mac("a0", number, 1)),
        Link("bb0", BACKBONE_BRIDGE, link_mac("a0", number, 2)),
        Link("wlan0", radio_bridge(number), link_mac("a0", number, 3)),
    )
    return Node(f"ap{number}", Kind.AP, number, links)


def _server(number: int, has_lan: bool) -> Node:
    links = (
        Link("mgmt0", MANAGEMENT_BRIDGE, link_mac("5e", number, 1)),
        Link("bb0", BACKBONE_BRIDGE, link_mac("5e", number, 2)),
        *([Link("lan0", LAN_BRIDGE, link_mac("5e", number, 3))] if has_lan else []),
    )
    return Node(f"srv{number}", Kind.SERVER, number, links)


def _router(spokes: int) -> Node:
    bridges = [BACKBONE_BRIDGE, *(f"{BACKBONE_BRIDGE}{number}" for number in range(1, spokes + 1))]
    backbone = [Link(f"bb{number}", bridge, link_mac("c0", 1, 2 + number)) for number, bridge in enumerate(bridges)]
    return Node("gw", Kind.ROUTER, 1, (*backbone, Link("lan0", LAN_BRIDGE, link_mac("c0", 1, 1))))


def correspondent() -> Node:
    """The rest of the world, as far as a station knows."""
    return Node("corr", Kind.CORRESPONDENT, 2, (Link("eth0", LAN_BRIDGE, "02:00:00:00:c0:02"),))


def station(number: int) -> Node:
    """A station, near ap1 at first."""
    return Node(f"sta{number}", Kind.STATION, number, (Link("wlan0", "rf1", link_mac("01", number, 0)),))
