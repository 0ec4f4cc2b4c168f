"""The configuration: one frozen object. `sroamd.config_file` reads it from TOML; this file only says what there is."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from sroamd import constants
from sroamd.addresses import Mac, NodeId

IpNetwork = IPv4Network | IPv6Network
IpAddress = IPv4Address | IPv6Address
AddressRange = tuple[IPv4Address, IPv4Address]  # first and last


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """`id` None: made once and kept in `state_dir`. Router addresses are this node's own, unique ones."""

    name: str
    id: NodeId | None = None
    state_dir: str = "/var/lib/sroamd"
    router_ipv4: IPv4Address | None = None
    router_ipv6: IPv6Address | None = None
    flush_on_exit: bool = False


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """What all nodes of the roaming domain have in common, told to stations by DHCP and by router advertisements alike.

    `captive_portal`: the URL of its API, or the URN that says that there is none; "" is not told, nor is `mtu` None.
    `former_ipv6_prefixes`: `ipv6_prefix` was that, and stations still have routes to what they had of it.
    `pool_alarm`: percent of a pool; with less left, alarm.
    """

    ipv4_prefix: IPv4Network
    ipv6_prefix: IPv6Network
    ipv4_gateway: IPv4Address
    ipv6_gateway: IPv6Address
    nameservers: tuple[IpAddress, ...] = ()
    pool_alarm: int = constants.POOL_ALARM
    domain: str = ""
    search: tuple[str, ...] = ()
    ntp_servers: tuple[IpAddress, ...] = ()
    captive_portal: str = ""
    mtu: int | None = None
    former_ipv6_prefixes: tuple[IPv6Network, ...] = ()


@dataclass(frozen=True, slots=True)
class InterfaceConfig:
    """A station interface. `stations` names the source of station events: "hostapd"."""

    name: str
    stations: str = "hostapd"
    hostapd_socket: str = ""  # default: /run/hostapd/NAME


@dataclass(frozen=True, slots=True)
class FloodConfig:
    """`listen` and `peers` are (address, port). `allow`: whence peers may connect, beside the configured ones.

    `leaf`: the peers flood with one another, and all say the same, so what one says is passed on to another only if
    that one has not said it either after a while. `hello_interval` in seconds: no file sets it, all nodes must agree;
    it makes the simulator's quiet hours cheap.
    """

    listen: tuple[str, int] | None = None
    peers: tuple[tuple[str, int], ...] = ()
    allow: tuple[IpNetwork, ...] = ()
    leaf: bool = False
    hello_interval: float = constants.HELLO_INTERVAL

    @property
    def dead_time(self) -> float:
        """A peer that was silent for so many seconds is dead; in proportion to the interval."""
        return self.hello_interval * constants.PEER_DEAD_TIME / constants.HELLO_INTERVAL


@dataclass(frozen=True, slots=True)
class ControlConfig:
    socket: str = "/run/sroamd/control.sock"


@dataclass(frozen=True, slots=True)
class Ipv4Route:
    """`via` None: the gateway."""

    prefix: IPv4Network
    via: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class Ipv6Route:
    """By way of the gateway. `preference`: "low", "medium" or "high" (RFC 4191)."""

    prefix: IPv6Network
    preference: str = "medium"


@dataclass(frozen=True, slots=True)
class DhcpOption:
    """`always`: sent to all clients; else to those that ask for it, or say nothing of what they want."""

    code: int
    value: bytes
    always: bool = False


@dataclass(frozen=True, slots=True)
class Dhcp4Config:
    """`netmask`: "host" gives each station a /32 and a route to the gateway (option 121), "prefix" the prefix's own.

    `ranges`: what is given out of the prefix, without what is in `exclude`; empty: all of it. `decline_time` in
    seconds: what has been declined is given to nobody for so long.
    `renew_at` and `rebind_at` are fractions of the lease. `ipv6_only`: seconds for which a client that can do without
    IPv4 shall do without (RFC 8925). `auto_configure`: whether one that gets no address may make up a link-local one
    (RFC 2563). None: neither is told.
    """

    lease_time: int = constants.LEASE_LIFE
    renew_at: float = 0.5
    rebind_at: float = 0.875
    rapid_commit: bool = False
    ipv6_only: int | None = None
    auto_configure: bool | None = None
    routes: tuple[Ipv4Route, ...] = ()
    options: tuple[DhcpOption, ...] = ()
    netmask: str = "host"
    decline_time: int = constants.DECLINE_LIFE
    ranges: tuple[AddressRange, ...] = ()
    exclude: tuple[IPv4Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Reservation:
    """What is kept for one station, by its MAC or by the identifier that its DHCP client sends (option 61).

    A `prefix`, a /64, needs the `mac`: IPv6 knows no such identifier.
    """

    mac: Mac | None = None
    client_id: bytes | None = None
    address: IPv4Address | None = None
    prefix: IPv6Network | None = None
    hostname: str | None = None


@dataclass(frozen=True, slots=True)
class Dhcp6Config:
    """`stateless`: name servers and such by DHCPv6, too. Addresses are never given out by it."""

    stateless: bool = False


@dataclass(frozen=True, slots=True)
class RaConfig:
    """`withdraw`: the service ends for good, on all nodes; stations shall forget their router and its name servers."""

    interval: int = constants.RA_INTERVAL
    router_lifetime: int = constants.RA_ROUTER_LIFETIME
    preferred_lifetime: int = constants.RA_PREFERRED_LIFETIME
    valid_lifetime: int = constants.RA_VALID_LIFETIME
    nat64_prefix: IPv6Network | None = None
    routes: tuple[Ipv6Route, ...] = ()
    withdraw: bool = False


@dataclass(frozen=True, slots=True)
class BabelConfig:
    """Where babeld speaks: neighbours that are heard anew there are asked for their routes. None: nothing is asked."""

    interfaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RoutesConfig:
    """`direct`: routes to the stations of all other nodes too, so that a roam does not wait for Babel.

    `announced`: the routes of this node's own stations are where a routing daemon finds them.
    """

    direct: bool = True
    announced: bool = True


@dataclass(frozen=True, slots=True)
class GuardConfig:
    """`enabled`: from a station only packets from its own addresses pass. `isolate`: and none to other stations."""

    enabled: bool = True
    isolate: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    node: NodeConfig
    network: NetworkConfig
    interfaces: tuple[InterfaceConfig, ...] = ()
    flood: FloodConfig = field(default_factory=FloodConfig)
    control: ControlConfig = field(default_factory=ControlConfig)
    dhcp4: Dhcp4Config = field(default_factory=Dhcp4Config)
    dhcp6: Dhcp6Config = field(default_factory=Dhcp6Config)
    ra: RaConfig = field(default_factory=RaConfig)
    babel: BabelConfig = field(default_factory=BabelConfig)
    routes: RoutesConfig = field(default_factory=RoutesConfig)
    reservations: tuple[Reservation, ...] = ()
    guard: GuardConfig = field(default_factory=GuardConfig)
