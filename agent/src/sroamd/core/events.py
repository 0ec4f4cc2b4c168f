"""Everything that can happen to a node. A closed union: `core.node` handles each, and a test sees that it does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from itertools import groupby

from sroamd.addresses import Mac, NodeId
from sroamd.config import Config
from sroamd.core.values import KernelNextHop, NextHop, Permit, Prefix, Route, StoredDatum
from sroamd.wire.census import Answer, Question
from sroamd.wire.dhcpv4 import DhcpMessage
from sroamd.wire.dhcpv6 import Dhcp6Message
from sroamd.wire.flood import Hello, Message, Update
from sroamd.wire.icmpv6 import RouterSolicitation
from sroamd.wire.summary import Summary, Wanted

PeerId = int


# -- stations: from the access point's own list of authorised stations, and from nowhere else


@dataclass(frozen=True, slots=True)
class StationAuthorized:
    """hostapd has authorised the station (or says again that it is authorised, after a silent return)."""

    interface: str
    station: Mac


@dataclass(frozen=True, slots=True)
class StationLeft:
    interface: str
    station: Mac


@dataclass(frozen=True, slots=True)
class StationsListed:
    """The whole list of authorised stations, after each attachment to hostapd."""

    interface: str
    stations: frozenset[Mac]


class Probe(Enum):
    """How a station is asked whether it is there; the value is for people."""

    ARP = "arp"
    NEIGHBOR = "nd"
    POLL = "poll"


@dataclass(frozen=True, slots=True)
class ProbeAnswered:
    """The station gave a sign of life on the interface: an ARP reply, a neighbour advertisement, a POLL_STA answer."""

    interface: str
    station: Mac
    by: Probe
    address: IPv4Address | None = None  # of an ARP reply: the address that its sender says is its own


# -- packets from stations; `source` is the Ethernet source


@dataclass(frozen=True, slots=True)
class DhcpReceived:
    interface: str
    source: Mac
    source_ip: IPv4Address
    message: DhcpMessage


@dataclass(frozen=True, slots=True)
class Dhcp6Received:
    """Sent from a link-local address to all servers."""

    interface: str
    source: Mac
    source_ip: IPv6Address
    message: Dhcp6Message


@dataclass(frozen=True, slots=True)
class RouterSolicited:
    interface: str
    source: Mac
    source_ip: IPv6Address
    solicitation: RouterSolicitation


# -- peers


@dataclass(frozen=True, slots=True)
class PeerReady:
    """Handshakes have been exchanged. `name` is for people: the peer's address. `dialled`: by this node."""

    peer: PeerId
    name: str
    dialled: bool = False


@dataclass(frozen=True, slots=True)
class PeerSaidHello:
    """Only nodes of ours say it; the C daemon does not."""

    peer: PeerId
    hello: Hello


@dataclass(frozen=True, slots=True)
class UpdatesReceived:
    peer: PeerId
    updates: tuple[Update, ...]


@dataclass(frozen=True, slots=True)
class CensusReceived:
    """A question that goes round, or an answer on its way back to who asked."""

    peer: PeerId
    message: Question | Answer


@dataclass(frozen=True, slots=True)
class SummariesReceived:
    """The peer compares its database with ours."""

    peer: PeerId
    summaries: tuple[Summary | Wanted, ...]


@dataclass(frozen=True, slots=True)
class PeerBlocked:
    """The peer does not take what was sent; send no more until `PeerWritable`."""

    peer: PeerId


@dataclass(frozen=True, slots=True)
class PeerWritable:
    peer: PeerId


@dataclass(frozen=True, slots=True)
class PeerClosed:
    peer: PeerId


# -- kernel


@dataclass(frozen=True, slots=True)
class KernelRoutesListed:
    """All routes of our protocols in the kernel: at the start, and whenever route events were lost.

    Without `direct` there are no direct routes among them, and those are as they were.
    """

    routes: frozenset[Route]
    direct: bool = True


@dataclass(frozen=True, slots=True)
class KernelRouteLost:
    """Somebody else removed or replaced a route of ours."""

    route: Route


@dataclass(frozen=True, slots=True)
class ForeignRouteFound:
    """The answer to `FindRoute`, if there is one: the kernel has a route of just this prefix that is not ours."""

    prefix: Prefix


@dataclass(frozen=True, slots=True)
class KernelRead:
    """A part of the answer to `ReadKernel`: some routes of our protocols; all nexthop objects, or None if not yet.

    `last`: there is no more. `error`: the kernel could not be read, for this reason; nothing more comes.
    """

    ticket: int
    routes: tuple[Route, ...] = ()
    next_hops: tuple[KernelNextHop, ...] | None = None
    last: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class GuardListed:
    """What the source guard lets pass, once its rules are loaded. `problem`: why they are not, or not all of them."""

    permits: frozenset[Permit]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class NextHopChanged:
    """The kernel's way to another node's router address. None: no route to it."""

    address: IPv4Address | IPv6Address
    next_hop: NextHop | None


@dataclass(frozen=True, slots=True)
class NextHopObjectsLost:
    """The kernel has dropped the nexthop objects of these nodes and IP versions, and every route towards them.

    It does so without a word where the link of the next hop loses its carrier.
    """

    lost: frozenset[tuple[NodeId, int]]


@dataclass(frozen=True, slots=True)
class LinkLocalsListed:
    """This machine's link-local addresses on all interfaces but those of stations, now and whenever they change."""

    addresses: frozenset[IPv6Address]


@dataclass(frozen=True, slots=True)
class InterfaceChanged:
    """A station interface has appeared, changed its MAC, or gone (`mac` None)."""

    interface: str
    mac: Mac | None


# -- store


@dataclass(frozen=True, slots=True)
class LeasesLoaded:
    """What the state directory knew, at the start. Lifetimes are what remains now."""

    data: tuple[StoredDatum, ...]


@dataclass(frozen=True, slots=True)
class LeasesStored:
    """Everything up to and including `ticket` is on disk (or, `durable` False, could not be written)."""

    ticket: int
    durable: bool = True


# -- operators


@dataclass(frozen=True, slots=True)
class CheckRequested:
    """Compare this node's database with all others'; `CheckEnded` with this ticket follows seconds later."""

    ticket: int


@dataclass(frozen=True, slots=True)
class RouteCheckRequested:
    """Compare this node's routes with what should be and with the kernel's, and perhaps mend what differs there;
    `RouteCheckEnded` with this ticket follows.
    """

    ticket: int
    repair: bool


# -- the process


@dataclass(frozen=True, slots=True)
class Tick:
    """The time that `next_deadline` asked for has come."""


@dataclass(frozen=True, slots=True)
class ConfigReloaded:
    config: Config


@dataclass(frozen=True, slots=True)
class StopRequested:
    pass


FromStations = (
    StationAuthorized | StationLeft | StationsListed | ProbeAnswered | DhcpReceived | Dhcp6Received | RouterSolicited
)

FromPeers = (
    PeerReady
    | PeerSaidHello
    | UpdatesReceived
    | SummariesReceived
    | CensusReceived
    | PeerBlocked
    | PeerWritable
    | PeerClosed
)

FromHost = (
    KernelRoutesListed
    | KernelRouteLost
    | ForeignRouteFound
    | KernelRead
    | GuardListed
    | NextHopChanged
    | NextHopObjectsLost
    | LinkLocalsListed
    | InterfaceChanged
    | LeasesLoaded
    | LeasesStored
    | CheckRequested
    | RouteCheckRequested
    | Tick
    | ConfigReloaded
    | StopRequested
)

Event = FromStations | FromPeers | FromHost


def said_by(peer: PeerId, messages: Iterable[Message]) -> Iterator[Event]:
    """What messages that were read together are to the core: in their order, and as one event if of one kind."""
    for kind, run in groupby(messages, key=type):
        if kind is Update:
            yield UpdatesReceived(peer, tuple(one for one in run if isinstance(one, Update)))
        elif kind is Hello:
            yield from (PeerSaidHello(peer, one) for one in run if isinstance(one, Hello))
        elif kind in (Question, Answer):
            yield from (CensusReceived(peer, one) for one in run if isinstance(one, Question | Answer))
        else:
            yield SummariesReceived(peer, tuple(one for one in run if isinstance(one, Summary | Wanted)))
