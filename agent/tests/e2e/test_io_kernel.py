"""What the real kernel tells, and when: links, our routes in others' hands, ways to the other nodes."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest

from sroamd.addresses import Mac
from sroamd.core.effects import RemoveRoute
from sroamd.core.events import (
    ForeignRouteFound,
    KernelRoutesListed,
)
from sroamd.core.values import NextHop, Route, RouteKind
from sroamd.io import netlink, rtnetlink
from tests.e2e.kernel import QUIET, Kernel, opened
from tests.io.events import until

V4 = Route(IPv4Network("192.0.2.7/32"), RouteKind.HERE, NextHop("wlan0", None))
V6 = Route(IPv6Network("2001:db8:44:7::/64"), RouteKind.DEMOTED, NextHop("bb0", IPv6Address("fe80::3")))
ROUTER, ROUTER6 = IPv4Address("10.255.0.2"), IPv6Address("fd00:255::2")


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    with opened() as made:
        yield made


def test_start_tells_interfaces_and_only_our_routes(kernel: Kernel) -> None:
    kernel.install(V4, V6)
    kernel.ns.ip("route add 192.0.2.8 dev wlan0 proto 44 metric 5")  # another metric: not of this daemon
    kernel.ns.ip("route add 192.0.2.9 dev wlan0 proto 42 metric 64")
    kernel.ns.ip("route add 192.0.2.10 dev wlan0 proto 44 metric 64 table 1000")

    async def story() -> None:
        assert kernel.interfaces() == [("wlan0", Mac.parse("02:00:00:00:00:01")), ("wlan1", None)]
        assert kernel.listed() == {V4, V6}
        assert kernel.links == ["wlan0", "wlan1"]

    kernel.run(story)


def test_routes_of_an_earlier_process_are_known_after_the_start(kernel: Kernel) -> None:
    kernel.ns.ip("route add 192.0.2.7 dev wlan0 proto 44 metric 64 scope link")
    kernel.ns.ip("-6 route add 2001:db8:44:7::/64 via fe80::3 dev bb0 proto 45 metric 64")

    async def story() -> None:
        assert kernel.listed() == {V4, V6}
        assert kernel.routes.known == {V4.prefix: V4, V6.prefix: V6}
        kernel.ns.ip("route del 192.0.2.7 proto 44")
        await until(lambda: kernel.lost() == [V4])

    kernel.run(story)


def test_own_changes_are_no_news(kernel: Kernel) -> None:
    async def story() -> None:
        for _ in range(3):
            kernel.install(V4, V6)
            kernel.install(Route(V4.prefix, RouteKind.DEMOTED, NextHop("bb0", ROUTER)))
            kernel.routes.apply([RemoveRoute(V6.prefix)])
        await asyncio.sleep(QUIET)
        assert kernel.lost() == []
        assert len(kernel.heard.of(KernelRoutesListed)) == 1

    kernel.run(story)


@pytest.mark.parametrize(
    ("theft", "victim"),
    [
        ("route del 192.0.2.7 metric 64", V4),
        ("route replace 192.0.2.7 via 10.255.0.9 dev bb0 onlink metric 64 proto static", V4),
        ("-6 route del 2001:db8:44:7::/64 metric 64", V6),
        ("-6 route replace 2001:db8:44:7::/64 dev wlan0 metric 64 proto static", V6),
    ],
)
def test_theft_of_a_route_is_told_once_and_it_can_be_taken_back(kernel: Kernel, theft: str, victim: Route) -> None:
    async def story() -> None:
        kernel.install(V4, V6)
        kernel.ns.ip(theft)
        await until(lambda: bool(kernel.lost()))
        kernel.install(victim)
        await asyncio.sleep(QUIET)
        assert kernel.lost() == [victim]
        kernel.watch.list_routes()
        assert kernel.listed() == {V4, V6}

    kernel.run(story)


def test_babels_routes_to_the_same_prefixes_are_no_theft(kernel: Kernel) -> None:
    async def story() -> None:
        kernel.install(V4, V6)
        for family, prefix, via in (
            ("-4", V4.prefix, "10.255.0.9 dev bb0 onlink"),
            ("-6", V6.prefix, "fe80::9 dev bb0"),
        ):
            for verb in ("add", "replace", "del"):
                kernel.ns.ip(f"{family} route {verb} {prefix} via {via} proto babel metric 1024")
        await asyncio.sleep(QUIET)
        assert kernel.lost() == []

    kernel.run(story)


def test_foreign_host_route_is_found_and_nothing_else(kernel: Kernel) -> None:
    """Babel's to just that prefix; neither ours, nor one that covers it, nor one that leads nowhere."""
    asked = [ip_network(f"192.0.2.{last}/32") for last in range(7, 12)]
    asked += [ip_network(f"2001:db8:44:{last}::/64") for last in range(7, 11)]

    async def story() -> None:
        kernel.install(V4, V6)  # 192.0.2.7 and 2001:db8:44:7::
        kernel.ns.ip("route add 192.0.2.8 via 10.255.0.9 dev bb0 onlink proto babel metric 1024")
        kernel.ns.ip("route add unreachable 192.0.2.9 proto babel metric 1024")
        kernel.ns.ip("route add 192.0.2.10/31 via 10.255.0.9 dev bb0 onlink proto babel metric 1024")
        kernel.ns.ip("-6 route add 2001:db8:44:8::/64 via fe80::9 dev bb0 proto babel metric 1024")
        kernel.ns.ip("-6 route add unreachable 2001:db8:44:9::/64 proto babel metric 1024")
        kernel.ns.ip("-6 route add 2001:db8:44::/48 via fe80::9 dev bb0 proto babel metric 1024")
        for prefix in asked:
            kernel.watch.find(prefix)
        found = [event.prefix for event in kernel.heard.of(ForeignRouteFound)]
        assert found == [asked[1], asked[6]]

    kernel.run(story)


def test_routes_that_go_with_their_link_are_missing_from_the_next_list(kernel: Kernel) -> None:
    """IPv4 routes vanish without an event of their own."""

    async def story() -> None:
        kernel.install(V4, V6)
        kernel.ns.ip("link set wlan0 down")
        await until(lambda: len(kernel.heard.of(KernelRoutesListed)) > 1)
        assert kernel.listed() == {V6}
        assert kernel.interfaces()[-1] == ("wlan0", None)
        kernel.ns.ip("link set wlan0 up")
        await until(lambda: kernel.interfaces()[-1] == ("wlan0", Mac.parse("02:00:00:00:00:01")))

    kernel.run(story)


def test_interface_that_goes_and_comes_back_with_another_mac(kernel: Kernel) -> None:
    async def story() -> None:
        kernel.ns.ip("link del wlan0")
        await until(lambda: kernel.interfaces()[-1] == ("wlan0", None))
        assert kernel.watch.index_of("wlan0") is None
        kernel.ns.ip("link add wlan0 address 02:00:00:00:00:99 type veth peer name other")
        await asyncio.sleep(QUIET)
        assert kernel.interfaces()[-1] == ("wlan0", None), "not while it is down"
        kernel.ns.ip("link set wlan0 up")
        await until(lambda: kernel.interfaces()[-1] == ("wlan0", Mac.parse("02:00:00:00:00:99")))
        kernel.install(V4)

    kernel.run(story)


def test_interface_gets_a_new_name(kernel: Kernel) -> None:
    async def story() -> None:
        kernel.ns.ip("link set wlan0 down")
        kernel.ns.ip("link set wlan0 name wlan1")
        kernel.ns.ip("link set wlan1 up")
        await until(lambda: kernel.interfaces()[-1] == ("wlan1", Mac.parse("02:00:00:00:00:01")))
        assert ("wlan0", None) in kernel.interfaces()
        assert kernel.watch.index_of("wlan0") is None

    kernel.run(story)


# -- next hops


def via(gateway: str, interface: str = "bb0") -> NextHop:
    return NextHop(interface, ip_address(gateway))


@pytest.mark.parametrize(
    ("address", "add", "change", "delete", "hops"),
    [
        (
            ROUTER,
            "route add 10.255.0.2 via 10.255.0.9 dev bb0 onlink proto babel",
            "route replace 10.255.0.2 via inet6 fe80::8 dev bb0 proto babel",
            "route del 10.255.0.2",
            ["10.255.0.9", "fe80::8"],
        ),
        (
            ROUTER6,
            "-6 route add fd00:255::2 via fe80::9 dev bb0 proto babel",
            "-6 route replace fd00:255::2 via fe80::8 dev bb0 proto babel",
            "-6 route del fd00:255::2",
            ["fe80::9", "fe80::8"],
        ),
        (
            ROUTER6,
            "-6 route add fd00:255::/64 via fe80::9 dev bb0 proto babel",
            "-6 route replace fd00:255::/64 via fe80::8 dev bb0 proto babel",
            "-6 route del fd00:255::/64",
            ["fe80::9", "fe80::8"],
        ),
    ],
)
def test_next_hop_follows_the_kernels_route(
    kernel: Kernel, address: IPv4Address | IPv6Address, add: str, change: str, delete: str, hops: list[str]
) -> None:
    async def story() -> None:
        kernel.watch.watch({address})
        expected: list[tuple[object, NextHop | None]] = [(address, None)]
        assert kernel.hops() == expected, "told at once"
        for command, hop in ((add, via(hops[0])), (change, via(hops[1])), (delete, None)):
            kernel.ns.ip(command)
            expected.append((address, hop))
            await until(lambda: kernel.hops()[-1] == expected[-1])
        assert kernel.hops() == expected, "and nothing else"

    kernel.run(story)


def test_more_specific_route_wins_and_its_loss_falls_back(kernel: Kernel) -> None:
    async def story() -> None:
        kernel.ns.ip("route add 10.255.0.0/24 via 10.255.0.8 dev bb0 onlink proto babel")
        kernel.watch.watch({ROUTER})
        assert kernel.hops()[-1] == (ROUTER, via("10.255.0.8"))
        kernel.ns.ip("route add 10.255.0.2 via 10.255.0.9 dev bb0 onlink proto babel")
        await until(lambda: kernel.hops()[-1] == (ROUTER, via("10.255.0.9")))
        kernel.ns.ip("route del 10.255.0.2")
        await until(lambda: kernel.hops()[-1] == (ROUTER, via("10.255.0.8")))

    kernel.run(story)


@pytest.mark.parametrize(
    "command",
    [
        "route add default via 10.99.0.1 dev bb0 onlink",
        "route add unreachable 10.255.0.2 proto babel",
        "route add 10.255.0.2 via 10.255.0.9 dev bb0 onlink proto 45 metric 64",
        "addr add 10.255.0.2/32 dev bb0",
    ],
    ids=["default", "unreachable", "ours", "local"],
)
def test_what_is_no_way_to_another_node(kernel: Kernel, command: str) -> None:
    async def story() -> None:
        kernel.ns.ip(command)
        kernel.watch.watch({ROUTER})
        assert kernel.hops() == [(ROUTER, None)]

    kernel.run(story)


def test_backbone_that_goes_down_takes_the_next_hop_along(kernel: Kernel) -> None:
    kernel.ns.ip("route add 10.255.0.2 via 10.255.0.9 dev bb0 onlink proto babel")

    async def story() -> None:
        kernel.watch.watch({ROUTER})
        kernel.ns.ip("link set bb0 down")
        await until(lambda: kernel.hops()[-1] == (ROUTER, None))
        assert kernel.hops() == [(ROUTER, via("10.255.0.9")), (ROUTER, None)]

    kernel.run(story)


def test_only_the_watched_are_told(kernel: Kernel) -> None:
    async def story() -> None:
        kernel.watch.watch({ROUTER, ROUTER6})
        kernel.watch.watch({ROUTER6})
        kernel.ns.ip("route add 10.255.0.2 via 10.255.0.9 dev bb0 onlink proto babel")
        await asyncio.sleep(QUIET)
        assert kernel.hops() == [(ROUTER, None), (ROUTER6, None)]
        kernel.watch.watch({ROUTER, ROUTER6})
        assert kernel.hops()[2:] == [(ROUTER, via("10.255.0.9"))], "the new one only"

    kernel.run(story)


def test_storm_of_routes_costs_no_more_than_one_answer_each(kernel: Kernel) -> None:
    batch = "".join(
        f"route add 198.18.{n >> 8}.{n & 255} via 10.255.0.9 dev bb0 onlink proto babel\n" for n in range(2000)
    )

    async def story() -> None:
        kernel.watch.watch({ROUTER, ROUTER6})
        subprocess.run(["ip", "-n", kernel.ns.name, "-batch", "-"], input=batch, text=True, check=True)
        kernel.ns.ip("route add 10.255.0.2 via 10.255.0.9 dev bb0 onlink proto babel")
        await until(lambda: kernel.hops()[-1] == (ROUTER, via("10.255.0.9")))
        assert len(kernel.hops()) == 3
        assert kernel.watch.counters["netlink.overflows"] == 0

    kernel.run(story)


def test_lost_events_are_made_up_for(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a buffer that holds a handful of events, changes are found by asking again."""

    async def story() -> None:
        kernel.install(V4, V6)
        kernel.watch.watch({ROUTER})
        kernel.watch._events.setsockopt(1, netlink.SO_RCVBUFFORCE, 2048)
        kernel.ns.ip("route del 192.0.2.7 proto 44")
        kernel.ns.ip("link set wlan0 address 02:00:00:00:00:42")
        for number in range(50):
            kernel.ns.ip(f"route add 198.18.0.{number} dev bb0")
        kernel.ns.ip("route add 10.255.0.2 via 10.255.0.9 dev bb0 onlink proto babel")
        await until(lambda: kernel.watch.counters["netlink.overflows"] > 0)
        await until(lambda: kernel.listed() == {V6} or kernel.lost() == [V4])
        await until(lambda: kernel.hops()[-1] == (ROUTER, via("10.255.0.9")))
        await until(lambda: kernel.interfaces()[-1] == ("wlan0", Mac.parse("02:00:00:00:00:42")))

    monkeypatch.setattr(rtnetlink, "READS_MAX", 8)
    kernel.run(story)
