"""Everything a node may ask for. A closed union: only `io.executor` applies effects, in the order they come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address

from sroamd.addresses import Mac, NodeId
from sroamd.core.check_result import CheckProgress, CheckResult
from sroamd.core.events import PeerId
from sroamd.core.route_check_result import RouteCheckResult
from sroamd.core.values import NextHop, Permit, Prefix, Route, StoredDatum
from sroamd.wire.census import Answer, Question
from sroamd.wire.dhcpv4 import DhcpMessage
from sroamd.wire.dhcpv6 import Dhcp6Message
from sroamd.wire.flood import Hello, Update
from sroamd.wire.icmpv6 import RouterAdvertisement
from sroamd.wire.summary import Summary, Wanted

# -- kernel


@dataclass(frozen=True, slots=True)
class InstallRoute:
    """Create it, or replace our own route to the same prefix: the prefix is never without one."""

    route: Route


@dataclass(frozen=True, slots=True)
class RemoveRoute:
    prefix: Prefix


@dataclass(frozen=True, slots=True)
class SetNextHop:
    """Create or replace the nexthop object towards a node for the routes of one IP version, which all follow."""

    node: NodeId
    version: int
    next_hop: NextHop


@dataclass(frozen=True, slots=True)
class RemoveNextHop:
    """Delete the nexthop object, and with it all routes of that IP version towards the node."""

    node: NodeId
    version: int


@dataclass(frozen=True, slots=True)
class WatchNextHops:
    """Report the kernel's way to each of these addresses, now and whenever it changes. Replaces the former set."""

    addresses: frozenset[IPv4Address | IPv6Address]


@dataclass(frozen=True, slots=True)
class FindRoute:
    """Say `ForeignRouteFound` if the kernel has a route of just this prefix that is not ours."""

    prefix: Prefix


@dataclass(frozen=True, slots=True)
class ReadKernel:
    """Say in `KernelRead` events what routes and nexthop objects of our protocols the kernel has, a part at a time."""

    ticket: int


@dataclass(frozen=True, slots=True)
class RemoveStrayNextHop:
    """Delete a nexthop object of our protocol that leads to no node, and all routes that take it."""

    number: int


@dataclass(frozen=True, slots=True)
class AddPermit:
    """The source guard lets this pass from now on."""

    permit: Permit


@dataclass(frozen=True, slots=True)
class RemovePermit:
    permit: Permit


# -- peers


@dataclass(frozen=True, slots=True)
class SendUpdates:
    """`more`: further updates wait for this peer; say `PeerWritable` as soon as it has taken these."""

    peer: PeerId
    updates: tuple[Update, ...]
    more: bool = False


@dataclass(frozen=True, slots=True)
class SendSummaries:
    """Where our database differs from the peer's, or may. `more` as in `SendUpdates`."""

    peer: PeerId
    summaries: tuple[Summary | Wanted, ...]
    more: bool = False


@dataclass(frozen=True, slots=True)
class SendHello:
    peer: PeerId
    hello: Hello


@dataclass(frozen=True, slots=True)
class SendCensus:
    peer: PeerId
    messages: tuple[Question | Answer, ...]


@dataclass(frozen=True, slots=True)
class ClosePeer:
    """If we have dialled it, we dial it again after so many seconds, or as soon as another peer is lost."""

    peer: PeerId
    reason: str
    redial_after: float = 0.0


# -- stations


@dataclass(frozen=True, slots=True)
class SendGratuitousArp:
    """The gateway announces itself to one station (RFC 5227 section 2.3, sent to the station's own MAC)."""

    interface: str
    station: Mac
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class SendNeighborAdvertisement:
    """The same in IPv6: unsolicited, override, router (RFC 4861 section 7.2.6)."""

    interface: str
    station: Mac
    address: IPv6Address


@dataclass(frozen=True, slots=True)
class SendArpRequest:
    """Unicast, from the gateway's address: is the station still there?"""

    interface: str
    station: Mac
    source: IPv4Address
    target: IPv4Address


@dataclass(frozen=True, slots=True)
class SendArpProbe:
    """To all stations of the interface: does any of them use this address?

    `source`: who asks. From no address (RFC 5227 section 2.1.1) it would be a conflict to the station that is about to
    get the address, and looks for others that have it: behind dozing stations it may go on the air after the DHCPACK.
    """

    interface: str
    source: IPv4Address
    target: IPv4Address


@dataclass(frozen=True, slots=True)
class SendNeighborSolicitation:
    interface: str
    station: Mac
    source: IPv6Address
    target: IPv6Address


@dataclass(frozen=True, slots=True)
class PollStation:
    """hostapd's POLL_STA: a null frame that a live station acknowledges at layer 2."""

    interface: str
    station: Mac


@dataclass(frozen=True, slots=True)
class Disassociate:
    """Through hostapd, so that a station that is there after all knows and comes back."""

    interface: str
    station: Mac


@dataclass(frozen=True, slots=True)
class SendDhcp:
    """A reply, from `source` port 67 to `destination`:`port`, in a frame to `station`."""

    interface: str
    station: Mac
    source: IPv4Address
    destination: IPv4Address
    message: DhcpMessage
    max_size: int = 576
    port: int = 68


@dataclass(frozen=True, slots=True)
class SendDhcp6:
    """A reply, from `source` port 547 to `destination` port 546, in a frame to `station`."""

    interface: str
    station: Mac
    source: IPv6Address
    destination: IPv6Address
    message: Dhcp6Message


@dataclass(frozen=True, slots=True)
class SendRouterAdvertisement:
    """To ff02::1 in a frame to the station alone (RFC 6085), from the anycast link-local address."""

    interface: str
    station: Mac
    source: IPv6Address
    advertisement: RouterAdvertisement


# -- store


@dataclass(frozen=True, slots=True)
class StoreLeases:
    """Write and sync. With a `ticket` somebody waits for `LeasesStored`; without, the next commit is soon enough."""

    data: tuple[StoredDatum, ...]
    ticket: int | None = None


@dataclass(frozen=True, slots=True)
class ForgetLeases:
    keys: tuple[bytes, ...]


# -- people


@dataclass(frozen=True, slots=True)
class CheckProgressed:
    ticket: int
    progress: CheckProgress


@dataclass(frozen=True, slots=True)
class CheckEnded:
    """`result` None: too many checks run already."""

    ticket: int
    result: CheckResult | None


@dataclass(frozen=True, slots=True)
class RouteCheckProgressed:
    """How many routes and leases have been compared in this look."""

    ticket: int
    look: int
    compared: int


@dataclass(frozen=True, slots=True)
class RouteCheckEnded:
    """`outcome`: the result, or why there is none."""

    ticket: int
    outcome: RouteCheckResult | str


class Level(Enum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    DEBUG = "debug"


@dataclass(frozen=True, slots=True)
class Note:
    """One line for the log: a decision and its reason. The core writes nothing itself."""

    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class Stop:
    """All is said; close the adapters and end the process."""


Effect = (
    InstallRoute
    | RemoveRoute
    | SetNextHop
    | RemoveNextHop
    | WatchNextHops
    | FindRoute
    | ReadKernel
    | RemoveStrayNextHop
    | AddPermit
    | RemovePermit
    | SendUpdates
    | SendSummaries
    | SendHello
    | SendCensus
    | ClosePeer
    | SendGratuitousArp
    | SendNeighborAdvertisement
    | SendArpRequest
    | SendArpProbe
    | SendNeighborSolicitation
    | PollStation
    | Disassociate
    | SendDhcp
    | SendDhcp6
    | SendRouterAdvertisement
    | StoreLeases
    | ForgetLeases
    | CheckProgressed
    | CheckEnded
    | RouteCheckProgressed
    | RouteCheckEnded
    | Note
    | Stop
)
