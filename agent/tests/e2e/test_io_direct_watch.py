"""What becomes of direct routes on the real kernel without our doing, and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest

from sroamd.addresses import NodeId
from sroamd.core.effects import InstallRoute, RemoveNextHop, SetNextHop
from sroamd.core.events import Event, KernelRoutesListed, LinkLocalsListed, NextHopChanged, NextHopObjectsLost
from sroamd.core.values import NextHop, Route, RouteKind, Towards
from sroamd.io import netlink, rtnetlink
from sroamd.io.direct_routes import NUMBERS
from sroamd.io.route_places import Place
from tests.e2e.kernel import QUIET, Kernel, opened
from tests.io.events import until

AP2, AP3 = NodeId(bytes(7) + b"\2"), NodeId(bytes(7) + b"\3")
V4 = Route(IPv4Network("192.0.2.7/32"), RouteKind.DIRECT, Towards(AP2))
V6 = Route(IPv6Network("2001:db8:44:7::/64"), RouteKind.DIRECT, Towards(AP2))
OTHER = Route(IPv4Network("192.0.2.8/32"), RouteKind.DIRECT, Towards(AP3))
HERE = Route(IPv4Network("192.0.2.9/32"), RouteKind.HERE, NextHop("wlan0", None))
ROUTER = IPv4Address("10.255.0.2")
ALL = frozenset({(AP2, 4), (AP2, 6)})


@pytest.fixture(params=["compat", "terse"])
def kernel(request: pytest.FixtureRequest) -> Iterator[Kernel]:
    """Whether the kernel tells of the routes behind a nexthop object is a matter of its settings."""
    with opened(compat=request.param == "compat") as made:
        yield made


@pytest.fixture
def plain() -> Iterator[Kernel]:
    with opened(objects=False) as made:
        yield made


def set_hops(kernel: Kernel, interface: str = "bb0", last: int = 2) -> None:
    kernel.do(
        SetNextHop(AP2, 4, NextHop(interface, ip_address(f"10.255.0.{last}"))),
        SetNextHop(AP2, 6, NextHop(interface, ip_address(f"fe80::{last}"))),
    )


def set_up(kernel: Kernel) -> None:
    """Two routes towards AP2 by way of bb0, one towards AP3 by way of bb1, one of a station that is here."""
    set_hops(kernel)
    kernel.do(SetNextHop(AP3, 4, NextHop("bb1", ip_address("10.255.0.3"))))
    kernel.install(V4, V6, OTHER, HERE)


def lost_objects(kernel: Kernel) -> list[frozenset[tuple[NodeId, int]]]:
    return [event.lost for event in kernel.heard.of(NextHopObjectsLost)]


def routes(kernel: Kernel) -> set[str]:
    """The prefixes of protocol 47 that ip(8) finds."""
    listed = kernel.ns.ip("-4 route show table all proto 47") + kernel.ns.ip("-6 route show table all proto 47")
    return {line.split()[0] for line in listed.splitlines()}


@pytest.mark.parametrize("trouble", ["bb0-peer down", "bb0 down", "bb0 del"])
def test_link_that_fails_takes_objects_along_and_that_is_told_once(kernel: Kernel, trouble: str) -> None:
    """The kernel says nothing of objects and IPv4 routes, and of each IPv6 route in one of its settings."""

    async def story() -> None:
        set_up(kernel)
        kernel.ns.ip("link del bb0" if trouble == "bb0 del" else f"link set {trouble}")
        await until(lambda: bool(lost_objects(kernel)))
        await asyncio.sleep(QUIET)
        assert lost_objects(kernel) == [ALL]
        assert kernel.lost() == [], "no word of any single route"
        assert routes(kernel) == {"192.0.2.8"}
        assert len(kernel.routes.direct) == 1
        assert [one.node for one in kernel.routes.direct.objects()] == [AP3]
        assert not any(event.direct for event in kernel.heard.of(KernelRoutesListed)), "no list of all direct routes"

    kernel.run(story)


def test_without_objects_a_link_that_is_taken_down_takes_the_routes_along(plain: Kernel) -> None:
    async def story() -> None:
        set_up(plain)
        plain.ns.ip("link set bb0 down")
        await until(lambda: bool(lost_objects(plain)))
        await asyncio.sleep(QUIET)
        assert lost_objects(plain) == [ALL]
        assert plain.lost() == []
        assert routes(plain) == {"192.0.2.8"}

    plain.run(story)


def test_without_objects_routes_outlive_a_carrier(plain: Kernel) -> None:
    async def story() -> None:
        set_up(plain)
        plain.ns.ip("link set bb0-peer down")
        await asyncio.sleep(QUIET)
        assert lost_objects(plain) == []
        plain.ns.ip("link set bb0-peer up")
        await asyncio.sleep(QUIET)
        assert routes(plain) == {"192.0.2.7", "192.0.2.8", str(V6.prefix)}
        assert plain.lost() == []

    plain.run(story)


def test_way_without_a_carrier_is_none_and_that_is_told_first(kernel: Kernel) -> None:
    """The kernel keeps Babel's route there, but refuses a nexthop object."""
    kernel.ns.ip("route add 10.255.0.2 via 10.255.0.9 dev bb0 onlink proto babel")

    async def story() -> None:
        set_up(kernel)
        kernel.watch.watch({ROUTER})
        kernel.ns.ip("link set bb0-peer down")
        await until(lambda: bool(lost_objects(kernel)))
        told = [event for event in kernel.heard.events if isinstance(event, NextHopChanged | NextHopObjectsLost)]
        assert told[1:] == [NextHopChanged(ROUTER, None), NextHopObjectsLost(ALL)]
        kernel.ns.ip("link set bb0-peer up")
        await until(lambda: kernel.hops()[-1] == (ROUTER, NextHop("bb0", IPv4Address("10.255.0.9"))))

    kernel.run(story)


def test_routes_are_back_by_another_way_as_soon_as_there_is_one(kernel: Kernel) -> None:
    """As the core does it: what changes is set, what is lost is set and installed."""
    kernel.ns.ip("route add 10.255.0.2 via 10.255.0.9 dev bb0 onlink proto babel metric 10")
    ways = {None: "bb1"}

    def core(event: Event) -> None:
        kernel.heard(event)
        if isinstance(event, NextHopChanged):
            ways[None] = event.next_hop.interface if event.next_hop is not None else "bb1"
            set_hops(kernel, str(ways[None]), 5)
        elif isinstance(event, NextHopObjectsLost):
            set_hops(kernel, str(ways[None]), 5)
            kernel.install(V4, V6)

    async def story() -> None:
        set_up(kernel)
        kernel.watch._emit = kernel.watch._ways.emit = core
        kernel.watch.watch({ROUTER})
        kernel.ns.ip("link set bb0-peer down")
        await until(lambda: bool(lost_objects(kernel)))
        await asyncio.sleep(QUIET)
        assert lost_objects(kernel) == [ALL]
        assert kernel.lost() == []
        assert "via 10.255.0.5 dev bb1" in kernel.ns.ip("route get 192.0.2.7")
        assert "via fe80::5 dev bb1" in kernel.ns.ip("route get 2001:db8:44:7::5")
        assert len(kernel.ns.ip("nexthop show proto 47").splitlines()) == 3

    kernel.run(story)


@pytest.mark.parametrize(
    "deed",
    [
        "nexthop del id {0}",
        "nexthop replace id {0} via 10.255.0.99 dev bb1 onlink proto 47",
        "nexthop replace id {0} via 10.255.0.2 dev bb0 onlink proto zebra",
        "nexthop flush protocol 47",
    ],
)
def test_object_in_others_hands_is_lost_and_can_be_made_again(kernel: Kernel, deed: str) -> None:
    async def story() -> None:
        set_up(kernel)
        kernel.ns.ip(deed.format(NUMBERS.start))
        expected = ALL | {(AP3, 4)} if "flush" in deed else frozenset({(AP2, 4)})
        await until(lambda: lost_objects(kernel) == [expected])
        set_hops(kernel)
        kernel.install(V4, V6)
        await asyncio.sleep(QUIET)
        assert lost_objects(kernel) == [expected]
        assert kernel.lost() == []
        assert "via 10.255.0.2 dev bb0" in kernel.ns.ip("route get 192.0.2.7")
        assert "via fe80::2 dev bb0" in kernel.ns.ip("route get 2001:db8:44:7::5")

    kernel.run(story)


@pytest.mark.parametrize(
    ("theft", "victim"),
    [
        ("route del 192.0.2.7 metric 64 table 47", V4),
        ("route replace 192.0.2.7 via 10.255.0.9 dev bb0 onlink metric 64 proto 47 table 47", V4),
        ("route replace 192.0.2.7 nhid 7 metric 64 proto 47 table 47", V4),
        ("-6 route del 2001:db8:44:7::/64 metric 64 table 47", V6),
        ("-6 route replace 2001:db8:44:7::/64 dev wlan0 metric 64 proto static table 47", V6),
    ],
)
def test_theft_of_a_direct_route_is_told_once_and_it_can_be_taken_back(
    kernel: Kernel, theft: str, victim: Route
) -> None:
    kernel.ns.ip("nexthop add id 7 via 10.255.0.99 dev bb1 onlink proto static")

    async def story() -> None:
        set_up(kernel)
        kernel.ns.ip(theft)
        await until(lambda: bool(kernel.lost()))
        kernel.install(victim)
        await asyncio.sleep(QUIET)
        assert kernel.lost() == [victim]
        assert lost_objects(kernel) == []
        kernel.watch.list_routes(direct=True)
        assert kernel.listed() == {V4, V6, OTHER, HERE}

    kernel.run(story)


def test_own_changes_are_no_news_however_many_routes_they_move(kernel: Kernel) -> None:
    many = [
        Route(IPv6Network(((0x20010DB80044 << 80) + (n << 64), 64)), RouteKind.DIRECT, Towards(AP2)) for n in range(500)
    ]

    async def story() -> None:
        kernel.watch._events.setsockopt(1, netlink.SO_RCVBUFFORCE, 65536)
        for last in (2, 3):
            set_hops(kernel, last=last)
            kernel.install(V4, *many)
            kernel.do(RemoveNextHop(AP2, 4))
        for last in range(4, 20):
            set_hops(kernel, last=last)
        await asyncio.sleep(QUIET)
        assert len(kernel.routes.direct) == 500
        assert lost_objects(kernel) == kernel.lost() == []  # type: ignore[comparison-overlap]
        assert kernel.watch.counters["netlink.overflows"] == 0

    kernel.run(story)


def test_routes_that_went_with_their_object_are_no_loss_once_they_are_back(kernel: Kernel) -> None:
    """Of each IPv6 route behind an object that we remove the kernel tells, in nobody's name."""

    async def story() -> None:
        set_up(kernel)
        kernel.do(RemoveNextHop(AP2, 6))
        set_hops(kernel, last=3)
        kernel.install(V6)
        await asyncio.sleep(QUIET)
        assert kernel.lost() == []
        kernel.watch.list_routes(direct=True)
        assert kernel.listed() == {V4, V6, OTHER, HERE}

    kernel.run(story)


@pytest.mark.parametrize("objects", [True, False])
def test_direct_routes_are_listed_after_lost_events_only(monkeypatch: pytest.MonkeyPatch, objects: bool) -> None:
    monkeypatch.setattr(rtnetlink, "READS_MAX", 8)
    asked: list[int] = []
    with opened(objects=objects) as kernel:
        question = kernel.watch._query.routes_of

        def routes_of(family: int, place: Place) -> Iterator[netlink.RouteMessage]:
            asked.append(place.protocol)
            return question(family, place)

        monkeypatch.setattr(kernel.watch._query, "routes_of", routes_of)

        async def story() -> None:
            set_up(kernel)
            kernel.ns.ip("link set wlan0 down")
            await until(lambda: len(kernel.heard.of(KernelRoutesListed)) > 1)
            assert kernel.heard.of(KernelRoutesListed)[-1] == KernelRoutesListed(frozenset(), direct=False)
            assert set(asked) == {44, 45}
            assert len(kernel.routes.direct) == 3, "as they were"

            kernel.watch._events.setsockopt(1, netlink.SO_RCVBUFFORCE, 2048)
            kernel.ns.ip("route del 192.0.2.7 metric 64 table 47")
            kernel.ns.ip("route add 192.0.2.77 via 10.255.0.9 dev bb0 onlink proto 47 metric 64 table 47")
            for number in range(50):
                kernel.ns.ip(f"route add 198.18.0.{number} dev bb0")
            await until(lambda: kernel.watch.counters["netlink.overflows"] > 0)
            stray = Route(IPv4Network("192.0.2.77/32"), RouteKind.DIRECT, NextHop("bb0", IPv4Address("10.255.0.9")))
            await until(lambda: kernel.heard.of(KernelRoutesListed)[-1].direct)
            await until(lambda: kernel.listed() == {V6, OTHER, stray})
            assert len(kernel.routes.direct) == 2

        kernel.run(story)


def test_direct_routes_that_are_as_believed_are_not_listed_after_lost_events(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rtnetlink, "READS_MAX", 8)

    async def story() -> None:
        set_up(kernel)
        kernel.ns.ip("route add 192.0.2.7 via 10.255.0.9 dev bb0 onlink proto babel metric 1024")
        kernel.ns.ip("route add 192.0.2.7 via 10.255.0.9 dev bb0 onlink proto 47 metric 64 table 1000")
        for count, stray in enumerate(("", "192.0.2.7/32 metric 65", "192.0.2.66/32 metric 64"), 1):
            if stray:
                kernel.ns.ip(f"route add {stray} via 10.255.0.9 dev bb0 onlink proto 47 table 47")
            kernel.watch._events.setsockopt(1, netlink.SO_RCVBUFFORCE, 2048)
            for number in range(50):
                kernel.ns.ip(f"route add 198.18.{count}.{number} dev bb0")
            await until(lambda count=count: kernel.watch.counters["netlink.overflows"] >= count)  # type: ignore[misc]
            kernel.watch._events.setsockopt(1, netlink.SO_RCVBUFFORCE, 1 << 20)
            await asyncio.sleep(QUIET)
            assert kernel.heard.of(KernelRoutesListed)[-1].direct is bool(stray)
            assert len(kernel.routes.direct) == 3

    kernel.run(story)


def test_object_that_is_lost_while_events_are_lost_is_found_missing(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rtnetlink, "READS_MAX", 8)

    async def story() -> None:
        set_up(kernel)
        kernel.watch._events.setsockopt(1, netlink.SO_RCVBUFFORCE, 2048)
        kernel.ns.ip(f"nexthop del id {NUMBERS.start}")
        for number in range(50):
            kernel.ns.ip(f"route add 198.18.0.{number} dev bb0")
        await until(lambda: kernel.watch.counters["netlink.overflows"] > 0)
        await until(lambda: lost_objects(kernel) == [frozenset({(AP2, 4)})])

    kernel.run(story)


def test_interface_with_a_new_name_keeps_its_objects_and_is_told_by_it(kernel: Kernel) -> None:
    kernel.ns.ip("route add 10.255.0.2 via 10.255.0.9 dev bb0 onlink proto babel")

    async def story() -> None:
        set_up(kernel)
        kernel.watch.watch({ROUTER})
        kernel.ns.ip("link set bb0 name mesh0")
        renamed = NextHop("mesh0", IPv4Address("10.255.0.9"))
        await until(lambda: kernel.hops()[-1] == (ROUTER, renamed))
        kernel.do(SetNextHop(AP2, 4, renamed))
        await asyncio.sleep(QUIET)
        assert lost_objects(kernel) == []
        assert "via 10.255.0.9 dev mesh0" in kernel.ns.ip("route get 192.0.2.7")

    kernel.run(story)


# -- own link-local addresses


def link_locals(kernel: Kernel) -> list[set[str]]:
    return [set(map(str, event.addresses)) for event in kernel.heard.of(LinkLocalsListed)]


def test_link_locals_are_told_at_the_start_and_when_they_change() -> None:
    """Not those that stations see, nor the one that all nodes have, nor such as may still turn out to be another's."""
    with opened() as kernel:
        for name in ("bb0", "bb0-peer", "bb1", "bb1-peer", "wlan0", "wlan0-peer"):
            kernel.ns.sysctl(f"net.ipv6.conf.{name}.addr_gen_mode", 1)
            kernel.ns.ip(f"-6 addr flush dev {name}")
        kernel.ns.ip("addr add fe80::b0/64 dev bb0 nodad")
        kernel.ns.ip("addr add fe80::1/64 dev bb0 nodad")
        kernel.ns.ip("addr add fd00::7/64 dev bb0 nodad")
        kernel.ns.ip("addr add fe80::a0/64 dev wlan0 nodad")

        async def story() -> None:
            assert link_locals(kernel) == [{"fe80::b0"}]
            kernel.ns.ip("addr add fe80::99/64 dev bb0-peer nodad")
            await until(lambda: link_locals(kernel)[-1] == {"fe80::b0", "fe80::99"})
            kernel.ns.ip("addr add fe80::99/64 dev bb0")  # found to be a duplicate
            kernel.ns.ip("addr add fe80::b1/64 dev bb1")  # tentative for a second
            await asyncio.sleep(QUIET)
            assert link_locals(kernel)[-1] == {"fe80::b0", "fe80::99"}
            await until(lambda: link_locals(kernel)[-1] == {"fe80::b0", "fe80::99", "fe80::b1"})
            assert "dadfailed" in kernel.ns.ip("addr show dev bb0")
            kernel.ns.ip("addr del fe80::99/64 dev bb0-peer")
            await until(lambda: link_locals(kernel)[-1] == {"fe80::b0", "fe80::b1"})
            kernel.ns.ip("link del bb0")
            await until(lambda: link_locals(kernel)[-1] == {"fe80::b1"})
            told = len(link_locals(kernel))
            kernel.ns.ip("addr add 10.255.0.77/32 dev bb1")
            kernel.ns.ip("addr add fe80::a1/64 dev wlan0 nodad")
            await asyncio.sleep(QUIET)
            assert len(link_locals(kernel)) == told, "nothing of it has changed"

        kernel.run(story)


def test_interface_renamed_to_a_stations_is_one() -> None:
    with opened() as kernel:
        kernel.ns.sysctl("net.ipv6.conf.bb1.addr_gen_mode", 1)
        kernel.ns.ip("-6 addr flush dev bb1")
        kernel.ns.ip("addr add fe80::b1/64 dev bb1 nodad")

        async def story() -> None:
            assert "fe80::b1" in link_locals(kernel)[-1]
            kernel.ns.ip("link set bb1 name wlan1")
            await until(lambda: "fe80::b1" not in link_locals(kernel)[-1])

        kernel.run(story)


def test_lost_objects_are_reported_as_the_executor_asks() -> None:
    with opened() as kernel:

        async def story() -> None:
            bad = SetNextHop(AP2, 4, NextHop("bb0", IPv6Address("ff02::1")))
            assert len(kernel.routes.apply([bad, InstallRoute(V4)])) == 2
            set_up(kernel)
            assert kernel.routes.give_up_refused() == frozenset(), "made anew since"
            assert len(kernel.routes.apply([bad])) == 1
            lost = kernel.routes.give_up_refused()
            assert lost == {(AP2, 4)}
            assert routes(kernel) == {"192.0.2.8", str(V6.prefix)}
            assert kernel.routes.give_up_refused() == frozenset()
            kernel.watch.report_lost_objects(lost)
            await asyncio.sleep(QUIET)
            assert lost_objects(kernel) == [lost]
            assert kernel.lost() == []

        kernel.run(story)
