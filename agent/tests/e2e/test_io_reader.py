"""The real kernel, read for a check: nexthop objects and routes of our protocols, in parts, beside what goes on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest

from sroamd.addresses import NodeId
from sroamd.core.effects import InstallRoute, RemoveStrayNextHop, SetNextHop
from sroamd.core.events import Event, KernelRead
from sroamd.core.values import KernelNextHop, NextHop, Route, RouteKind, Towards
from sroamd.io import kernel_reader, netlink
from sroamd.io.direct_routes import NUMBERS
from sroamd.io.kernel_reader import KernelReader
from sroamd.io.route_socket import RouteSocket
from sroamd.io.rtnetlink import KernelWatch
from tests.e2e.netns import Namespace, namespace
from tests.io.events import Collector, until

AP2 = NodeId(bytes(7) + b"\2")
GATEWAY = IPv6Address("fe80::2")
HERE = Route(IPv4Network("192.0.2.7/32"), RouteKind.HERE, NextHop("wlan0", None))
DEMOTED = Route(IPv6Network("2001:db8:44:7::/64"), RouteKind.DEMOTED, NextHop("bb0", GATEWAY))
DIRECT = Route(IPv4Network("192.0.2.8/32"), RouteKind.DIRECT, Towards(AP2))
DIRECT6 = Route(IPv6Network("2001:db8:44:8::/64"), RouteKind.DIRECT, Towards(AP2))
MANY = 2000


class Place:
    """A namespace with a station interface and a backbone, a route socket and a reader."""

    def __init__(self, ns: Namespace, *, objects: bool = True) -> None:
        self.ns = ns
        for name in ("wlan0", "bb0"):
            ns.ip(f"link add {name} type veth peer name {name}-peer")
            ns.ip(f"link set {name}-peer up")
            ns.ip(f"link set {name} up")
        with ns.entered():
            self.watch = KernelWatch(["wlan0"])
            self.routes = RouteSocket(self.watch.index_of, objects=objects)
        self.watch.follow(self.routes.known, self.routes.direct, self.routes.port)
        self.install(HERE, DEMOTED)
        for version, route in ((4, DIRECT), (6, DIRECT6)):
            assert self.routes.apply([SetNextHop(AP2, version, NextHop("bb0", GATEWAY))]) == []
            self.install(route)

    def install(self, *routes: Route) -> None:
        assert self.routes.apply([InstallRoute(route) for route in routes]) == []

    def read(self) -> list[KernelRead]:
        """All parts of the answer."""
        heard = Collector()

        async def story() -> None:
            reader = KernelReader(self.watch.meaning, heard)
            reader.read(3)
            await until(lambda: bool(heard.events) and last_of(heard.events).last, 60)
            reader.close()

        with self.ns.entered():
            asyncio.run(story())
        assert {part.ticket for part in heard.of(KernelRead)} == {3}
        return heard.of(KernelRead)

    def close(self) -> None:
        self.routes.close()
        self.watch.close()


def last_of(events: list[Event]) -> KernelRead:
    last = events[-1]
    assert isinstance(last, KernelRead)
    return last


def routes_of(parts: list[KernelRead]) -> set[Route]:
    return {route for part in parts for route in part.routes}


@pytest.fixture
def place() -> Iterator[Place]:
    with namespace() as ns:
        made = Place(ns)
        yield made
        made.close()


def test_routes_and_objects_are_read_as_the_core_knows_them(place: Place) -> None:
    parts = place.read()
    assert routes_of(parts) == {HERE, DEMOTED, DIRECT, DIRECT6}
    assert parts[0].next_hops == tuple(
        KernelNextHop(NUMBERS.start + place_in, AP2, version, NextHop("bb0", GATEWAY))
        for place_in, version in enumerate((4, 6))
    )
    assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert not [part for part in parts if part.error]


def test_what_others_have_put_there_under_our_protocol_is_read_as_it_is(place: Place) -> None:
    place.ns.ip("nexthop add id 5 via fe80::9 dev bb0 proto 47")
    place.ns.ip("nexthop add id 6 via fe80::9 dev bb0 proto 9")
    place.ns.ip("route add 192.0.2.200/32 nhid 5 proto 47 metric 64 table 47")
    place.ns.ip("route replace 192.0.2.8/32 via 10.255.0.9 dev bb0 onlink proto 47 metric 64 table 47")
    place.ns.ip("route add 192.0.2.201/32 dev bb0 proto 46 metric 64")
    parts = place.read()
    aside = NextHop("bb0", IPv6Address("fe80::9"))
    assert parts[0].next_hops is not None
    assert KernelNextHop(5, None, 6, aside) in parts[0].next_hops
    assert len(parts[0].next_hops) == 3
    assert routes_of(parts) == {
        HERE,
        DEMOTED,
        DIRECT6,
        Route(DIRECT.prefix, RouteKind.DIRECT, NextHop("bb0", IPv4Address("10.255.0.9"))),
        Route(IPv4Network("192.0.2.200/32"), RouteKind.DIRECT, aside),
    }
    assert place.routes.apply([RemoveStrayNextHop(5)]) == []
    parts = place.read()
    assert parts[0].next_hops is not None
    assert {one.number for one in parts[0].next_hops} == {NUMBERS.start, NUMBERS.start + 1}
    assert IPv4Network("192.0.2.200/32") not in {route.prefix for route in routes_of(parts)}


def test_plain_direct_routes_are_read_as_leading_towards_their_node() -> None:
    with namespace() as ns:
        place = Place(ns, objects=False)
        assert routes_of(place.read()) == {HERE, DEMOTED, DIRECT, DIRECT6}
        place.close()


def test_thousands_of_routes_come_in_parts_between_which_others_have_their_turn(place: Place) -> None:
    first4, first6 = int(IPv4Address("10.44.0.0")), int(IPv6Address("2001:db8:44::"))
    v4 = [Route(IPv4Network(first4 + n), RouteKind.DIRECT, Towards(AP2)) for n in range(MANY)]
    v6 = [Route(IPv6Network((first6 + (n << 64), 64)), RouteKind.DIRECT, Towards(AP2)) for n in range(100, 100 + MANY)]
    place.install(*v4, *v6)
    in_one_go: list[int] = []
    heard = Collector()

    async def story() -> None:
        reader = KernelReader(place.watch.meaning, heard)
        reader.read(3)
        while not (heard.events and last_of(heard.events).last):
            before = len(heard.events)
            await asyncio.sleep(0)
            in_one_go.append(sum(len(part.routes) for part in heard.of(KernelRead)[before:]))

    with place.ns.entered():
        asyncio.run(story())
    parts = heard.of(KernelRead)
    assert routes_of(parts) == {HERE, DEMOTED, DIRECT, DIRECT6, *v4, *v6}
    assert max(in_one_go) < MANY / 5


def test_a_kernel_that_refuses_is_an_error_and_no_answer(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = netlink.RTMSG.pack(socket.AF_INET, 0, 32, 0, netlink.RT_TABLE_MAIN, 0, 0, 0, 0)  # nobody filters by source
    monkeypatch.setattr(kernel_reader, "routes_request", lambda family, place: bad)
    heard = Collector()

    async def story() -> None:
        KernelReader(place.watch.meaning, heard).read(3)
        await until(lambda: len(heard.events) == 2)

    with place.ns.entered():
        asyncio.run(story())
    last = last_of(heard.events)
    assert (last.last, last.routes) == (False, ())
    assert last.error is not None
    assert last.error.startswith("the kernel cannot be read: ")
