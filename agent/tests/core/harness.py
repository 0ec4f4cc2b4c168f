"""A fleet in memory for the core's tests: real nodes; clock, kernel, disk, links and stations are a few lines each.

A test does one thing at a node (`lab.do`), everything that follows from it at one instant happens, and the test looks
at what each node asked for. Time passes only by `lab.wait`. Nothing here decides anything that the core decides.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random
from typing import TypeVar

from sroamd.addresses import Mac, NodeId
from sroamd.config import Config, Dhcp4Config, InterfaceConfig, NetworkConfig, NodeConfig, RoutesConfig
from sroamd.constants import CONTEST_TIME
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.node import Node
from sroamd.core.values import KernelNextHop, NextHop, Permit, Prefix, Route, RouteKind, StoredDatum, Towards
from sroamd.wire.datum import association_key, ipv4_lease_key
from sroamd.wire.dhcpv4 import DhcpMessage, MessageType
from tests.core.messages import discover, select

T = TypeVar("T")

GATEWAY6 = IPv6Address("fe80::1")
POOL = IPv4Network("192.0.2.0/24")
POOL6 = IPv6Network("2001:db8:44::/48")
SERVERS = (IPv4Address("192.0.2.53"), IPv6Address("2001:db8::53"))
ALICE = Mac.parse("02:00:00:00:01:07")
BOB = Mac.parse("02:00:00:00:01:08")
CAROL = Mac.parse("02:00:00:00:01:09")


def config_of(
    number: int,
    *,
    interfaces: tuple[str, ...] = ("wlan0",),
    pool: IPv4Network = POOL,
    announced: bool = True,
    **dhcp4: object,
) -> Config:
    return Config(
        NodeConfig(
            f"ap{number}",
            router_ipv4=IPv4Address(f"10.255.0.{number}"),
            router_ipv6=IPv6Address(f"fd00:255::{number}"),
        ),
        NetworkConfig(pool, POOL6, pool[1], GATEWAY6, SERVERS),
        tuple(InterfaceConfig(name) for name in interfaces),
        dhcp4=Dhcp4Config(**dhcp4),  # type: ignore[arg-type]
        routes=RoutesConfig(announced=announced),
    )


def id_of(number: int) -> NodeId:
    return NodeId(bytes((2, 0, 0, 0xFF, 0xFE, 0, 0, number)))


@dataclass
class Host:
    """A node and what is around it. `effects`: all it asked for since `forget`, in order."""

    number: int
    config: Config
    node: Node
    effects: list[do.Effect] = field(default_factory=list)
    kernel: dict[Prefix, Route] = field(default_factory=dict)
    objects: dict[tuple[NodeId, int], NextHop] = field(default_factory=dict)  # nexthop objects, by node and IP version
    permits: set[Permit] = field(default_factory=set)  # of the source guard
    strays: dict[int, NextHop] = field(default_factory=dict)  # nexthop objects that no node has made, by number
    disk: dict[bytes, tuple[StoredDatum, float]] = field(default_factory=dict)  # and when it was written
    peers: dict[int, Host] = field(default_factory=dict)
    disk_is_slow: bool = False
    unwritten: list[int] = field(default_factory=list)  # tickets, while the disk is slow

    def all(self, kind: type[T]) -> list[T]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def replies(self, kind: MessageType | None = None, since: int = 0) -> list[do.SendDhcp]:
        """`since`: not those among so many first effects."""
        sent = (effect for effect in self.effects[since:] if isinstance(effect, do.SendDhcp))
        return [each for each in sent if kind in (None, each.message.message_type)]

    def forget(self) -> None:
        self.effects.clear()

    def owner(self, station: Mac, now: float) -> bytes | None:
        """The node id that the database gives for the station; b"" when gone, None when nothing is known."""
        datum = self.node.database.live(association_key(station), now)
        return None if datum is None else datum.value

    def address(self, station: Mac, now: float) -> IPv4Address | None:
        return self.node.leases.address_of(station, now)

    def here(self) -> set[Prefix]:
        return self.of_kind(RouteKind.HERE)

    def of_kind(self, *kinds: RouteKind) -> set[Prefix]:
        """The prefixes of its routes of these kinds."""
        return {prefix for prefix, route in self.kernel.items() if route.kind in kinds}


class Lab:
    """`count` nodes, started and without stations, each connected with the next (a line)."""

    def __init__(self, count: int = 1, *, links: Iterable[tuple[int, int]] | None = None, **config: object) -> None:
        self.now = 1000.0
        self.hosts: list[Host] = []
        self.really_at: dict[Mac, int] = {}  # which node's radio reaches the station: it answers pings there
        self.clones: dict[Mac, set[int]] = {}  # other nodes where a station with this MAC answers pings as well
        self.one_channel = False  # a radio acknowledges polls of every node, wherever it is
        self.held: set[tuple[int, int]] = set()  # (from, to): what is sent waits for `release`
        self.squatters: dict[IPv4Address, tuple[int, Mac]] = {}  # who has set the address by hand, and at which node
        self.foreign_routes: set[Prefix] = set()  # what Babel has put into every kernel
        self._waiting: dict[tuple[int, int], deque[ev.Event]] = {}
        self._queue: deque[tuple[Host, ev.Event]] = deque()
        self.delay = 0.0  # s that a message to a peer takes
        self.air = 0.0  # s until a station's answer is here
        self._travelling: list[tuple[float, int, Host, ev.Event, tuple[int, int] | None]] = []
        self._sent = 0
        for number in range(1, count + 1):
            self.add(config_of(number, **config))  # type: ignore[arg-type]
        for a, b in [(n, n + 1) for n in range(1, count)] if links is None else links:
            self.connect(a, b)

    def __getitem__(self, number: int) -> Host:
        """By the number in its name: the first is 1."""
        return self.hosts[number - 1]

    # -- nodes

    def add(self, config: Config, *, number: int | None = None, start: bool = True) -> Host:
        number = len(self.hosts) + 1 if number is None else number
        host = Host(number, config, Node(config, id_of(number), Random(number)))
        self.hosts.append(host)
        if start:
            self.start(host)
        return host

    def start(self, host: Host, *, stations: Iterable[Mac] | None = ()) -> None:
        """In the daemon's order. `stations` None: hostapd does not say yet."""
        data = tuple(replace(d, remaining=d.remaining - (self.now - at)) for d, at in host.disk.values())
        self.do(host, ev.LeasesLoaded(data))
        for index, interface in enumerate(host.config.interfaces):
            self.do(host, ev.InterfaceChanged(interface.name, Mac(bytes((2, 0, 0, 0xEE, index, host.number)))))
        self.do(host, ev.KernelRoutesListed(frozenset(host.kernel.values())))
        self.do(host, ev.GuardListed(frozenset(host.permits)))
        if stations is not None:
            for interface in host.config.interfaces:
                self.do(host, ev.StationsListed(interface.name, frozenset(stations)))

    def restart(self, number: int, *, keep_disk: bool = True, node_id: NodeId | None = None, **start: object) -> Host:
        """The process dies and begins anew; kernel routes stay, except for the direct ones. Links are cut."""
        host = self[number]
        for other in list(host.peers.values()):
            self.cut(number, other.number)
        if not keep_disk:
            host.disk.clear()
        host.node = Node(host.config, node_id or id_of(number), Random(number))
        host.unwritten.clear()
        host.objects.clear()
        for prefix in host.of_kind(RouteKind.DIRECT):
            del host.kernel[prefix]
        self.start(host, **start)  # type: ignore[arg-type]
        return host

    # -- links

    def connect(self, a: int, b: int) -> None:
        self[a].peers[b], self[b].peers[a] = self[b], self[a]
        self._waiting.update({(a, b): deque(), (b, a): deque()})
        self._queue.append((self[a], ev.PeerReady(b, f"ap{b}", dialled=True)))
        self._queue.append((self[b], ev.PeerReady(a, f"ap{a}")))
        self.run()

    def cut(self, a: int, b: int) -> None:
        """What is in flight is lost."""
        del self[a].peers[b], self[b].peers[a], self._waiting[a, b], self._waiting[b, a]
        self.held -= {(a, b), (b, a)}
        self._travelling = [entry for entry in self._travelling if entry[4] not in ((a, b), (b, a))]
        heapify(self._travelling)
        self.do(self[a], ev.PeerClosed(b))
        self.do(self[b], ev.PeerClosed(a))

    def hold(self, a: int, b: int) -> None:
        """From now on what either says to the other is in flight."""
        self.held |= {(a, b), (b, a)}

    def release(self, a: int, b: int) -> None:
        """What a has said arrives at b, and from now on at once."""
        self.held.discard((a, b))
        waiting, self._waiting[a, b] = self._waiting[a, b], deque()
        self._queue.extend((self[b], event) for event in waiting)
        self.run()

    # -- what happens

    def do(self, host: Host | int, event: ev.Event) -> list[do.Effect]:
        """One event and everything that follows at this instant. Returns the effects of the event itself."""
        host = self[host] if isinstance(host, int) else host
        effects = self._handle(host, event)
        self.run()
        return effects

    def run(self) -> None:
        for _ in range(100_000):
            if not self._queue:
                return
            self._handle(*self._queue.popleft())
        raise AssertionError("the nodes never come to rest")

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (at := min(self._deadlines(), default=until)) <= until:
            self.now = max(at, self.now)
            while self._travelling and self._travelling[0][0] <= self.now:
                _, _, host, event, _ = heappop(self._travelling)
                self.do(host, event)
            for host in self.hosts:
                deadline = host.node.next_deadline()
                if deadline is not None and deadline <= self.now:
                    self.do(host, ev.Tick())
        self.now = until

    def _deadlines(self) -> list[float]:
        ticks = [at for at in (host.node.next_deadline() for host in self.hosts) if at is not None]
        return ticks + [entry[0] for entry in self._travelling[:1]]

    def _handle(self, host: Host, event: ev.Event) -> list[do.Effect]:
        effects = host.node.handle(event, self.now)
        host.effects.extend(effects)
        for effect in effects:
            self._apply(host, effect)
        return effects

    def _apply(self, host: Host, effect: do.Effect) -> None:
        match effect:
            case do.InstallRoute(route):
                host.kernel[route.prefix] = route
            case do.RemoveRoute(prefix):
                del host.kernel[prefix]
            case do.SetNextHop(node, version, next_hop):
                host.objects[node, version] = next_hop
            case do.RemoveNextHop(node, version):
                del host.objects[node, version]
                gone = [p for p, r in host.kernel.items() if p.version == version and r.next_hop == Towards(node)]
                for prefix in gone:
                    del host.kernel[prefix]
            case do.AddPermit(permit):
                host.permits.add(permit)
            case do.RemovePermit(permit):
                host.permits.remove(permit)
            case do.RemoveStrayNextHop(number):
                del host.strays[number]
            case do.ReadKernel(ticket):
                self._read_kernel(host, ticket)
            case do.WatchNextHops(addresses):
                known = {a for other in self.hosts for a in routers_of(other.config)}
                for address in sorted(addresses & known, key=str):
                    self._queue.append((host, ev.NextHopChanged(address, NextHop("bb0", address))))
            case do.FindRoute(prefix):
                if prefix in self.foreign_routes and prefix not in host.kernel:
                    self._queue.append((host, ev.ForeignRouteFound(prefix)))
            case do.SendArpProbe(interface, _, target):
                number, squatter = self.squatters.get(target, (0, ALICE))
                if number == host.number:
                    self._queue.append((host, ev.ProbeAnswered(interface, squatter, ev.Probe.ARP, target)))
            case do.SendUpdates(peer, updates, more):
                self._send(host, peer, ev.UpdatesReceived(host.number, updates))
                if more and peer in host.peers:
                    self._queue.append((host, ev.PeerWritable(peer)))
            case do.SendSummaries(peer, summaries, more):
                self._send(host, peer, ev.SummariesReceived(host.number, summaries))
                if more and peer in host.peers:
                    self._queue.append((host, ev.PeerWritable(peer)))
            case do.SendHello(peer, hello):
                self._send(host, peer, ev.PeerSaidHello(host.number, hello))
            case do.SendCensus(peer, messages):
                for message in messages:
                    self._send(host, peer, ev.CensusReceived(host.number, message))
            case do.StoreLeases(data, ticket):
                host.disk.update({datum.key: (datum, self.now) for datum in data})
                if ticket is not None and host.disk_is_slow:
                    host.unwritten.append(ticket)
                elif ticket is not None:
                    self._queue.append((host, ev.LeasesStored(ticket)))
            case do.ForgetLeases(keys):
                for key in keys:
                    host.disk.pop(key, None)
            case do.PollStation(interface, station):
                if self._answers(host, station) or (self.one_channel and station in self.really_at):
                    self._arrives(self.air, host, ev.ProbeAnswered(interface, station, ev.Probe.POLL))
            case do.SendArpRequest(interface, station):
                if self._answers(host, station):
                    self._arrives(self.air, host, ev.ProbeAnswered(interface, station, ev.Probe.ARP))
            case do.SendNeighborSolicitation(interface, station):
                if self._answers(host, station):
                    self._arrives(self.air, host, ev.ProbeAnswered(interface, station, ev.Probe.NEIGHBOR))
            case _:
                pass

    def _read_kernel(self, host: Host, ticket: int) -> None:
        """In three parts, as if there were thousands of routes."""
        ours = enumerate(host.objects.items(), 1)
        objects = [KernelNextHop(number, node, version, hop) for number, ((node, version), hop) in ours]
        objects += [KernelNextHop(number, None, 4, hop) for number, hop in host.strays.items()]
        routes = tuple(host.kernel.values())
        for part in (
            ev.KernelRead(ticket, next_hops=tuple(objects)),
            ev.KernelRead(ticket, routes[:1]),
            ev.KernelRead(ticket, routes[1:], last=True),
        ):
            self._queue.append((host, part))

    def _answers(self, host: Host, station: Mac) -> bool:
        return self.really_at.get(station) == host.number or host.number in self.clones.get(station, ())

    def _send(self, host: Host, peer: int, event: ev.Event) -> None:
        if peer not in host.peers:
            return
        if (host.number, peer) in self.held:
            self._waiting[host.number, peer].append(event)
        else:
            self._arrives(self.delay, host.peers[peer], event, (host.number, peer))

    def _arrives(self, delay: float, host: Host, event: ev.Event, link: tuple[int, int] | None = None) -> None:
        if delay:
            self._sent += 1
            heappush(self._travelling, (self.now + delay, self._sent, host, event, link))
        else:
            self._queue.append((host, event))

    # -- stations

    def join(self, number: int, station: Mac, interface: str = "wlan0") -> list[do.Effect]:
        """The radio of this node is where the station is now; the former one is told nothing."""
        self.really_at[station] = number
        return self.do(number, ev.StationAuthorized(interface, station))

    def leave(self, number: int, station: Mac, interface: str = "wlan0") -> list[do.Effect]:
        if self.really_at.get(station) == number:
            del self.really_at[station]
        return self.do(number, ev.StationLeft(interface, station))

    def dhcp(
        self, number: int, message: DhcpMessage, *, interface: str = "wlan0", **frame: object
    ) -> list[do.SendDhcp]:
        """Send it; returns the replies of this node, also those that wait until nobody can contest them any more."""
        host = self[number]
        source = frame.get("source", message.chaddr)
        source_ip = frame.get("source_ip", message.ciaddr)
        before = len(host.effects)
        self.do(host, ev.DhcpReceived(interface, source, source_ip, message))  # type: ignore[arg-type]
        asked = message.message_type in (MessageType.DISCOVER, MessageType.REQUEST)
        if asked and not host.replies(since=before):
            self.wait(CONTEST_TIME)
        return host.replies(since=before)

    def lease(self, number: int, station: Mac) -> IPv4Address:
        """The whole exchange: DISCOVER, OFFER, REQUEST, ACK."""
        (offer,) = self.dhcp(number, discover(station))
        (ack,) = self.dhcp(number, select(station, offer.message.yiaddr))
        assert ack.message.message_type is MessageType.ACK
        return ack.message.yiaddr


def routers_of(config: Config) -> set[IPv4Address | IPv6Address]:
    return {address for address in (config.node.router_ipv4, config.node.router_ipv6) if address is not None}


def mac(number: int) -> Mac:
    """One of many stations."""
    return Mac(bytes((2, 0, 0, 1)) + number.to_bytes(2, "big"))


def lease_of(address: IPv4Address) -> bytes:
    return ipv4_lease_key(address)
