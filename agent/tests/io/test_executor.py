"""Effects reach their adapters, in order; what fails is said and tried again; the observer touches nothing."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address

import pytest

from sroamd.addresses import Mac, NodeId
from sroamd.core import effects
from sroamd.core.effects import Effect, InstallRoute, Level, Note, RemoveRoute
from sroamd.core.events import LeasesStored, PeerWritable
from sroamd.core.values import NextHop, Permit, Prefix, Route, RouteKind, StoredDatum, Towards
from sroamd.io.check_desk import News
from sroamd.io.executor import FAILURES_LOGGED, ROUTE_RETRY_MAX, Executor, Observer, Process, describe
from sroamd.io.frames import FrameEffect
from sroamd.io.guard import GuardChange
from sroamd.io.netlink import NetlinkError
from sroamd.io.peer_transport import PeerEffect
from sroamd.io.route_socket import Change, Failure
from sroamd.wire.census import Question
from sroamd.wire.dhcpv4 import DhcpMessage, MessageType
from sroamd.wire.dhcpv6 import Dhcp6Message
from sroamd.wire.flood import Hello, Update
from sroamd.wire.icmpv6 import RouterAdvertisement
from tests.io.events import Collector

AP2 = NodeId(bytes(7) + b"\2")
STATION = Mac.parse("02:00:00:00:00:07")
GATEWAY, GATEWAY6 = IPv4Address("192.0.2.1"), IPv6Address("fe80::1")
UPDATE = Update(1, 60, b"\2" + STATION, bytes(8))
QUESTION = Question(NodeId(bytes(8)), bytes(8), None, 0, 0)
HELLO = Hello(NodeId(bytes(8)), 3, bytes(8), 0, "ap1")


def route(last: int, kind: RouteKind = RouteKind.HERE) -> Route:
    return Route(IPv4Network(f"192.0.2.{last}/32"), kind, NextHop("wlan0", None))


class World:
    """Every adapter at once: writes down what it is asked to do."""

    def __init__(self) -> None:
        self.done: list[tuple[object, ...]] = []
        self.refused: set[IPv4Network] = set()
        self.refused_objects: frozenset[tuple[NodeId, int]] = frozenset()
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def apply(self, changes: list[Change]) -> list[Failure]:
        self.done.append(("routes", *changes))
        error = NetlinkError(errno.ENETDOWN, "Network is down")
        return [Failure(c, error) for c in changes if isinstance(c, InstallRoute) and c.route.prefix in self.refused]

    def watch(self, addresses: Iterable[IPv4Address | IPv6Address]) -> None:
        self.done.append(("watch", addresses))

    def give_up_refused(self) -> frozenset[tuple[NodeId, int]]:
        refused, self.refused_objects = self.refused_objects, frozenset()
        return refused

    def report_lost_objects(self, lost: frozenset[tuple[NodeId, int]]) -> None:
        self.done.append(("lost", lost))

    def list_routes(self) -> None:
        self.done.append(("list_routes",))

    def find(self, prefix: Prefix) -> None:
        self.done.append(("find", prefix))

    def do(self, effect: PeerEffect) -> None:
        self.done.append(("peer", effect))

    def read(self, ticket: int) -> None:
        self.done.append(("read", ticket))

    def tell(self, news: News) -> None:
        self.done.append(("check", news))

    def send(self, effect: FrameEffect) -> None:
        self.done.append(("frame", effect))

    def poll(self, station: Mac) -> None:
        self.done.append(("poll", station))

    def disassociate(self, station: Mac) -> None:
        self.done.append(("disassociate", station))

    def put(self, data: Iterable[StoredDatum], ticket: int | None) -> None:
        self.done.append(("put", data, ticket))

    def forget(self, keys: Iterable[bytes]) -> None:
        self.done.append(("forget", keys))

    def later(self, delay: float, what: Callable[[], None]) -> None:
        self.timers.append((delay, what))

    def stop(self) -> None:
        self.done.append(("stop",))


@dataclass
class Permits:
    """The source guard of the world."""

    world: World

    def apply(self, changes: Sequence[GuardChange]) -> None:
        self.world.done.append(("permits", *changes))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def executor(world: World) -> Executor:
    process = Process(world.later, world.stop)
    points = {"wlan0": world}
    return Executor(
        routes=world,
        watch=world,
        guard=Permits(world),
        reader=world,
        peers=world,
        frames=world,
        access_points=points,
        store=world,
        checks=world,
        process=process,
    )


DATUM = StoredDatum(b"k", b"v", 1, 60.0)
REPLY = DhcpMessage(op=2, message_type=MessageType.ACK, xid=7, chaddr=STATION)
ADVERTISEMENT = RouterAdvertisement(hop_limit=64, managed=False, other=False, lifetime=3600)
FRAMES: list[FrameEffect] = [
    effects.SendGratuitousArp("wlan0", STATION, GATEWAY),
    effects.SendNeighborAdvertisement("wlan0", STATION, GATEWAY6),
    effects.SendArpRequest("wlan0", STATION, GATEWAY, IPv4Address("192.0.2.7")),
    effects.SendArpProbe("wlan0", IPv4Address("192.0.2.1"), IPv4Address("192.0.2.7")),
    effects.SendNeighborSolicitation("wlan0", STATION, GATEWAY6, GATEWAY6),
    effects.SendDhcp("wlan0", STATION, GATEWAY, GATEWAY, REPLY),
    effects.SendDhcp6("wlan0", STATION, GATEWAY6, GATEWAY6, Dhcp6Message(7, 7)),
    effects.SendRouterAdvertisement("wlan0", STATION, GATEWAY6, ADVERTISEMENT),
]
PERMIT = Permit("wlan0", STATION, IPv4Network("192.0.2.7/32"))
SET = effects.SetNextHop(AP2, 4, NextHop("bb0", IPv4Address("10.255.0.2")))
WATCHED = frozenset({IPv4Address("10.255.0.2")})


TO_A_PEER: list[PeerEffect] = [
    effects.SendUpdates(3, (UPDATE,), True),
    effects.SendSummaries(3, ()),
    effects.SendHello(3, HELLO),
    effects.SendCensus(3, (QUESTION,)),
    effects.ClosePeer(3, "full", 60.0),
]


@pytest.mark.parametrize(
    ("effect", "deed"),
    [
        *((frame, ("frame", frame)) for frame in FRAMES),
        *((to_a_peer, ("peer", to_a_peer)) for to_a_peer in TO_A_PEER),
        (effects.CheckEnded(4, None), ("check", effects.CheckEnded(4, None))),
        (effects.RouteCheckEnded(4, "busy"), ("check", effects.RouteCheckEnded(4, "busy"))),
        (effects.ReadKernel(4), ("read", 4)),
        (effects.RemoveStrayNextHop(9), ("routes", effects.RemoveStrayNextHop(9))),
        (effects.PollStation("wlan0", STATION), ("poll", STATION)),
        (effects.Disassociate("wlan0", STATION), ("disassociate", STATION)),
        (effects.StoreLeases((DATUM,), 4), ("put", (DATUM,), 4)),
        (effects.ForgetLeases((b"k",)), ("forget", (b"k",))),
        (effects.WatchNextHops(WATCHED), ("watch", WATCHED)),
        (effects.FindRoute(IPv4Network("192.0.2.7/32")), ("find", IPv4Network("192.0.2.7/32"))),
        (effects.Stop(), ("stop",)),
        (InstallRoute(route(7)), ("routes", InstallRoute(route(7)))),
        (RemoveRoute(route(7).prefix), ("routes", RemoveRoute(route(7).prefix))),
        (effects.AddPermit(PERMIT), ("permits", effects.AddPermit(PERMIT))),
        (effects.RemovePermit(PERMIT), ("permits", effects.RemovePermit(PERMIT))),
        *((change, ("routes", change)) for change in (SET, effects.RemoveNextHop(AP2, 4))),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, tuple) else "",
)
def test_effect_reaches_its_adapter(executor: Executor, world: World, effect: Effect, deed: tuple[object, ...]) -> None:
    executor.apply([effect])

    assert world.done == [deed]


def test_routes_in_a_row_are_one_write_and_order_is_kept(executor: Executor, world: World) -> None:
    first, second, third = InstallRoute(route(7)), InstallRoute(route(8)), RemoveRoute(route(9).prefix)
    executor.apply([first, second, FRAMES[0], third])

    assert world.done == [("routes", first, second), ("frame", FRAMES[0]), ("routes", third)]


def test_permits_in_a_row_are_one_write_before_the_routes_that_follow(executor: Executor, world: World) -> None:
    first, second = effects.AddPermit(PERMIT), effects.AddPermit(Permit("wlan0", STATION))
    executor.apply([first, second, InstallRoute(route(7)), effects.RemovePermit(PERMIT)])

    assert world.done == [
        ("permits", first, second),
        ("routes", InstallRoute(route(7))),
        ("permits", effects.RemovePermit(PERMIT)),
    ]


def test_refused_route_is_asked_about_again_ever_later(
    executor: Executor, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.refused = {route(7).prefix}  # type: ignore[arg-type]
    for _ in range(10):
        executor.apply([InstallRoute(route(7)), InstallRoute(route(8))])
        executor.apply([InstallRoute(route(7))])
        _, retry = world.timers[-1]
        retry()
    assert "route 192.0.2.7/32 dev wlan0 proto 44: Network is down" in caplog.text
    assert [delay for delay, _ in world.timers] == [min(2.0**n, ROUTE_RETRY_MAX) for n in range(10)]
    assert world.done.count(("list_routes",)) == executor.counters["route.retries"] == 10

    world.refused = set()
    executor.apply([InstallRoute(route(7))])
    world.refused = {route(7).prefix}  # type: ignore[arg-type]
    executor.apply([InstallRoute(route(7))])
    assert world.timers[-1][0] == 1.0, "a success ends the back-off"


def test_refused_direct_routes_are_given_up_and_the_core_starts_over_with_the_node(
    executor: Executor, world: World
) -> None:
    world.refused, world.refused_objects = {route(7).prefix}, frozenset({(AP2, 4)})  # type: ignore[arg-type]
    executor.apply([InstallRoute(Route(route(7).prefix, RouteKind.DIRECT, Towards(AP2)))])
    _, retry = world.timers[-1]
    retry()

    assert world.done[1:] == [("lost", frozenset({(AP2, 4)})), ("list_routes",)]


def test_thousand_refused_routes_are_not_a_thousand_lines(
    executor: Executor, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    routes = [Route(IPv4Network((0xC6120000 + n, 32)), RouteKind.DIRECT, Towards(AP2)) for n in range(1000)]
    world.refused = {one.prefix for one in routes}  # type: ignore[misc]
    executor.apply([InstallRoute(one) for one in routes])

    assert len(caplog.records) == FAILURES_LOGGED + 1
    assert "984 more route changes were refused" in caplog.text


@pytest.mark.parametrize(
    ("level", "number"),
    [
        (Level.ERROR, logging.ERROR),
        (Level.WARNING, logging.WARNING),
        (Level.INFO, logging.INFO),
        (Level.DEBUG, logging.DEBUG),
    ],
)
def test_note_is_logged_at_its_level_without_control_characters(
    executor: Executor, caplog: pytest.LogCaptureFixture, level: Level, number: int
) -> None:
    caplog.set_level(logging.DEBUG)
    executor.apply([Note(level, "name \x1b[2J\nok")])

    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [(number, r"name \x1b[2J\x0aok")]


def test_observer_says_and_touches_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    heard = Collector()
    observer = Observer(watch=world, peers=world, emit=heard, process=Process(world.later, world.stop))
    observer.apply(
        [
            InstallRoute(Route(route(7).prefix, RouteKind.DEMOTED, NextHop("bb0", IPv4Address("10.255.0.2")))),
            RemoveRoute(route(7).prefix),
            *FRAMES,
            effects.SendUpdates(3, (UPDATE,), True),
            effects.PollStation("wlan0", STATION),
            effects.Disassociate("wlan0", STATION),
            effects.StoreLeases((DATUM,), 4),
            effects.ForgetLeases((b"k",)),
            effects.SendHello(3, HELLO),
            effects.WatchNextHops(WATCHED),
            effects.ClosePeer(3, "full"),
            Note(Level.INFO, "a decision"),
            effects.Stop(),
        ]
    )

    assert [deed[0] for deed in world.done] == ["peer", "watch", "peer", "stop"]
    assert heard.events == [PeerWritable(3), LeasesStored(4)], "the core goes on as if it had been done"
    assert "would: route 192.0.2.7/32 via 10.255.0.2 dev bb0 proto 45" in caplog.text
    assert "a decision" in caplog.text
    assert observer.counters["effect.withheld"] == len(FRAMES) + 7


def test_description_of_an_effect_is_one_printable_line() -> None:
    assert describe(RemoveRoute(route(7).prefix)) == "no route 192.0.2.7/32"
    assert describe(SET) == "nexthop of IPv4 towards 00:00:00:00:00:00:00:02 via 10.255.0.2 dev bb0"
    assert describe(effects.RemoveNextHop(AP2, 6)) == "no nexthop of IPv6 towards 00:00:00:00:00:00:00:02"
    direct = Route(route(7).prefix, RouteKind.DIRECT, Towards(AP2))
    assert describe(InstallRoute(direct)) == "route 192.0.2.7/32 towards 00:00:00:00:00:00:00:02 proto 47"
    assert "\n" not in describe(effects.ClosePeer(3, "a\nb"))
