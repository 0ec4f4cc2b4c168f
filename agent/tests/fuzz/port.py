"""What the inputs hit: a whole node, with a hostile connection, an honest peer, a C daemon, stations and an operator.

Octets go the way that they go in the daemon: decoder, events, core, effects, and what is sent is encoded again. The
honest peer reads what it is sent, and nothing of it may be malformed or unknown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from random import Random

from sroamd import constants
from sroamd.addresses import NO_MAC, Mac
from sroamd.config import Config, FloodConfig, InterfaceConfig, NetworkConfig, NodeConfig
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.check_json import result_json
from sroamd.core.node import Node
from sroamd.core.status import report
from sroamd.core.values import NextHop, RouteKind
from sroamd.wire.census import Question
from sroamd.wire.cursor import DecodeError
from sroamd.wire.dhcpv4 import DhcpMessage, MessageType
from sroamd.wire.flood import HANDSHAKE, Hello, Message, StreamDecoder, encode
from tests.fuzz.grammar import NODES, STATIONS, Knowledge

HONEST, C_DAEMON = 1, 2
CONFIG = Config(
    NodeConfig("ap1"),
    NetworkConfig(
        IPv4Network("192.0.2.0/24"),
        IPv6Network("2001:db8:44::/48"),
        IPv4Network("192.0.2.0/24")[1],
        IPv6Address("fe80::1"),
        (),
    ),
    (InterfaceConfig("wlan0"),),
    flood=FloodConfig(peers=(("10.255.0.2", 4444),)),
)
TOPICS = ("status", "stations", "database", "peers", "routes", "conflicts")
EVENTS_MAX = 20_000  # that follow from one input
PEERS = 8

# Small enough to be reached within one session. Rates and times stay.
LIMITS = {
    "DATABASE_MAX": 200,
    "EVIDENCE_MAX": 10,
    "NODES_MAX": 10,
    "BUCKET_MAX": 20,
    "LEASES_OF_STATION_MAX": 3,
    "CONFLICTS_MAX": 2,
    "CONFLICT_RIVALS_MAX": 2,
    "CENSUS_QUESTIONS_MAX": 64,
    "CENSUS_WAYS_MAX": 16,
    "CENSUS_NODES_MAX": 16,
    "CENSUS_BUCKET_MAX": 10,
    "CENSUS_EVERYBODY_BURST": 8,
    "CENSUS_TARGETED_BURST": 64,
    "CHECKS_MAX": 2,
}


class Broken(Exception):
    """A property does not hold; says which."""


class Port:
    """`feed` is one input; `pass_time` and `live` are what happens meanwhile."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.now = 1000.0
        self.node = Node(CONFIG, NODES[0], Random(rng.getrandbits(64)))
        self.node.database._limit = constants.DATABASE_MAX
        self.known = Knowledge(self.node.database)
        self._queue: deque[ev.Event] = deque()
        self._honest = StreamDecoder()
        self._honest.feed(HANDSHAKE)
        self._heard_honest_at = self.now
        self._ids = PEERS
        self.hostile = 0
        self._decoder = StreamDecoder()
        self._ticket = 0
        for event in (
            ev.LeasesLoaded(()),
            ev.InterfaceChanged("wlan0", Mac(b"\2\0\0\0\0\xee")),
            ev.KernelRoutesListed(frozenset()),
            ev.StationsListed("wlan0", frozenset(STATIONS[:2])),
            ev.PeerReady(HONEST, "honest"),
            ev.PeerSaidHello(HONEST, self._hello()),
            ev.PeerReady(C_DAEMON, "C daemon"),
        ):
            self.happens(event)
        self.connect()

    # -- the hostile connection

    def connect(self) -> None:
        """Anew: nothing of the old connection is left."""
        if self.hostile:
            self.happens(ev.PeerClosed(self.hostile))
        self._ids += 1
        self.hostile = self._ids
        self._decoder = StreamDecoder()
        self.known.nonces.clear()
        self.feed([HANDSHAKE])

    def feed(self, pieces: list[bytes]) -> None:
        """What the connection says, in the pieces in which it is read."""
        for piece in pieces:
            ready = self._decoder.handshaken
            try:
                messages = self._decoder.feed(piece)
            except DecodeError:
                self._decoder = StreamDecoder()
                continue
            if self._decoder.handshaken and not ready:
                self.happens(ev.PeerReady(self.hostile, "hostile"))
            for event in ev.said_by(self.hostile, messages):
                self.happens(event)

    # -- what happens beside

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        for _ in range(EVENTS_MAX):
            at = self.node.next_deadline()
            if at is None or at > until:
                self.now = until
                return
            self.now = max(self.now, at)
            if self.now - self._heard_honest_at >= constants.HELLO_INTERVAL:
                self._heard_honest_at = self.now
                self.happens(ev.PeerSaidHello(HONEST, self._hello()))
            self.happens(ev.Tick())
        raise Broken(f"timers without end: {self.node.state.agenda.next_at()}")

    def live(self) -> None:
        """Something of everyday life: stations, peers that take and do not take, an operator, a new connection."""
        rng, station = self._rng, self._rng.choice(STATIONS[:4])
        acts: tuple[Callable[[], object], ...] = (
            lambda: self.happens(ev.StationAuthorized("wlan0", station)),
            lambda: self.happens(ev.StationLeft("wlan0", station)),
            lambda: self._dhcp(station),
            lambda: self.happens(ev.PeerBlocked(rng.choice((HONEST, C_DAEMON, self.hostile)))),
            lambda: self.happens(ev.PeerWritable(rng.choice((HONEST, C_DAEMON, self.hostile)))),
            self._check,
            self._ask,
            self.connect,
        )
        rng.choice(acts)()

    def happens(self, event: ev.Event) -> None:
        """The event, and everything that follows from it at this instant."""
        self._queue.append(event)
        for _ in range(EVENTS_MAX):
            if not self._queue:
                return
            for effect in self.node.handle(self._queue.popleft(), self.now):
                self._apply(effect)
        raise Broken("events without end")

    def _check(self) -> None:
        self._ticket += 1
        self.happens(ev.CheckRequested(self._ticket))

    def _ask(self) -> None:
        answer = report(self.node, self._rng.choice(TOPICS), None, self.now)
        if isinstance(answer, Iterator):
            deque(answer, maxlen=0)

    def _dhcp(self, station: Mac) -> None:
        kind = self._rng.choice((MessageType.DISCOVER, MessageType.REQUEST))
        wanted = {50: bytes((192, 0, 2, self._rng.randrange(8)))}
        message = DhcpMessage(op=1, message_type=kind, xid=1, chaddr=station, options=wanted)
        self.happens(ev.DhcpReceived("wlan0", station, message.ciaddr, message))

    def _hello(self) -> Hello:
        """The honest peer holds what we hold, or does not."""
        database = self.node.database
        digest = database.digest if self._rng.random() < 0.8 else self._rng.randbytes(8)
        return Hello(NODES[1], 3, digest, database.alive, "ap2", repairs=True)

    # -- effects

    def _apply(self, effect: do.Effect) -> None:
        match effect:
            case do.SendUpdates(peer, messages, more) | do.SendSummaries(peer, messages, more):
                self._send(peer, messages)
                if more:
                    self._queue.append(ev.PeerWritable(peer))
            case do.SendCensus(peer, messages):
                self._send(peer, messages)
            case do.SendHello(peer, hello):
                self._send(peer, (hello,))
            case do.ClosePeer(peer) if peer == self.hostile:
                self.known.nonces.clear()
                self._queue.append(ev.PeerClosed(peer))
                self._ids += 1
                self.hostile, self._decoder = self._ids, StreamDecoder()
                self._decoder.feed(HANDSHAKE)
                self._queue.append(ev.PeerReady(self.hostile, "hostile"))
            case do.ClosePeer(peer):
                self._queue.append(ev.PeerClosed(peer))
                self._queue.append(ev.PeerReady(peer, "again"))
            case do.StoreLeases(_, ticket) if ticket is not None:
                self._queue.append(ev.LeasesStored(ticket))
            case do.InstallRoute(route) if route.kind is RouteKind.DIRECT and self._rng.random() < 0.05:
                self._queue.append(ev.KernelRouteLost(route))
            case do.SetNextHop(node, version, _) if self._rng.random() < 0.1:
                self._queue.append(ev.NextHopObjectsLost(frozenset({(node, version)})))
            case do.WatchNextHops(addresses):
                for address in addresses:
                    self._queue.append(ev.NextHopChanged(address, NextHop("bb0", address)))
            case do.SendArpRequest(interface, station):
                self._answer_probe(interface, station, ev.Probe.ARP)
            case do.SendNeighborSolicitation(interface, station):
                self._answer_probe(interface, station, ev.Probe.NEIGHBOR)
            case do.PollStation(interface, station):
                self._answer_probe(interface, station, ev.Probe.POLL)
            case do.CheckEnded(_, result) if result is not None:
                result_json(self.node.state, self.node.nodes, result)
            case _:
                pass

    def _answer_probe(self, interface: str, station: Mac, by: ev.Probe) -> None:
        if self._rng.random() < 0.3:
            self._queue.append(ev.ProbeAnswered(interface, station, by))

    def _send(self, peer: ev.PeerId, messages: tuple[Message, ...]) -> None:
        octets = b"".join(map(encode, messages))
        if peer == self.hostile:
            self.known.nonces += [one for one in messages if isinstance(one, Question) and one.asker == NODES[0]]
            del self.known.nonces[:-16]
        elif peer == HONEST:
            heard = self._honest.feed(octets)
            if self._honest.malformed or self._honest.ignored or len(heard) != len(messages):
                raise Broken(f"an honest peer cannot read what it is told: {octets.hex()}")

    # -- properties

    def check_limits(self) -> None:
        for name, size, limit in self._sizes():
            if size > limit:
                raise Broken(f"{name}: {size}, and {limit} are allowed")

    def _sizes(self) -> Iterator[tuple[str, int, int]]:
        node, census = self.node, self.node.census
        held = len(node.database)
        yield "database", held, constants.DATABASE_MAX + 2 * len(STATIONS) + len(NODES)  # and what the node itself says
        yield "evidence", len(node.database.evidence), constants.EVIDENCE_MAX + constants.CONFLICTS_MAX
        yield "nodes", len(node.nodes.records), constants.NODES_MAX
        yield "gateways", len(node.nodes._gateways._said), 2 * constants.NODES_MAX
        yield "nexthop objects", len(node.routes.direct.next_hops._set), 2 * constants.NODES_MAX
        yield "direct routes", len(node.routes.direct.installed), held
        buckets = node.database.digests._keys.values()
        yield "bucket", max(map(len, buckets), default=0), constants.BUCKET_MAX + len(STATIONS)
        indexed = node.database._keys_with.items()
        leases = (len(keys) for mac, keys in indexed if len(mac) == len(NO_MAC) and mac != NO_MAC)
        yield "leases of a station", max(leases, default=0), constants.LEASES_OF_STATION_MAX + 2
        yield "conflicts", len(node.associations.conflicts.stations), constants.CONFLICTS_MAX
        yield "questions remembered", len(census._asked), constants.CENSUS_QUESTIONS_MAX
        yield "ways", len(census._ways), constants.CENSUS_WAYS_MAX
        yield "quotas", len(census._quotas), len(node.peering.peers)
        yield "checks", len(census.checks._running), constants.CHECKS_MAX
        for check in census.checks._running.values():
            yield "nodes of a check", len(check.views), constants.CENSUS_NODES_MAX
            yield "questions of a check", len(check.queue), 48 * constants.CENSUS_NODES_MAX
        for peer in node.peering.peers.values():
            outbox, comparison = peer.outbox, peer.comparison
            waiting = len(outbox._fresh) + len(outbox._claims) + len(outbox._rest)
            yield "updates that wait", waiting, 2 * constants.DATABASE_MAX
            yield "told during a dump", len(outbox._told), 2 * constants.DATABASE_MAX
            yield "summaries that wait", len(comparison.summaries), 4096 + 256 + 16 + 1
            yield "wishes that wait", len(comparison.wanted), 4096
        yield "octets that wait for their rest", len(self._decoder._pending), 256
        yield "peers", len(node.peering.peers), 3
        yield "jobs", len(node.state.agenda._valid), 4 * held + 200
        yield "heap of jobs", len(node.state.agenda._heap), 4 * len(node.state.agenda._valid) + 64


def elements(root: object) -> int:
    """How many elements all containers hold that can be reached from an object of ours: what grows shows here."""
    seen: set[int] = set()
    todo: list[object] = [root]
    count = 0
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, bytes | str | int | float | type):
            continue
        seen.add(id(one))
        if isinstance(one, dict):
            count += len(one)
            todo += one.keys()
            todo += one.values()
        elif isinstance(one, list | tuple | set | frozenset | deque):
            count += len(one)
            todo += one
        elif type(one).__module__.startswith("sroamd"):
            slots = (name for kind in type(one).__mro__ for name in getattr(kind, "__slots__", ()))
            todo += (getattr(one, name) for name in slots if hasattr(one, name))
            todo.append(getattr(one, "__dict__", None))
    return count
