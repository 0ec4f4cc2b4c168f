"""A namespace with a station interface and two backbone links; the watch and the route socket in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address

from sroamd.addresses import Mac
from sroamd.core.effects import InstallRoute
from sroamd.core.events import (
    InterfaceChanged,
    KernelRouteLost,
    KernelRoutesListed,
    NextHopChanged,
)
from sroamd.core.values import NextHop, Route
from sroamd.io.route_places import places
from sroamd.io.route_rules import RouteRules
from sroamd.io.route_socket import Change, RouteSocket
from sroamd.io.rtnetlink import KernelWatch
from tests.e2e.netns import Namespace, namespace
from tests.io.events import Collector

ANYCAST = IPv6Address("fe80::1")
QUIET = 0.1  # s without an event, where none is wanted


@dataclass
class Kernel:
    """A namespace, its watch, its route socket and rules; events gather in `heard`."""

    ns: Namespace
    watch: KernelWatch
    routes: RouteSocket
    rules: RouteRules
    heard: Collector
    links: list[str]

    def run(self, story: Callable[[], object]) -> None:
        """Play a coroutine function with the watch started."""

        async def work() -> None:
            self.watch.start(self.heard)
            try:
                await story()  # type: ignore[misc]
            finally:
                self.watch.close()

        asyncio.run(work())

    def install(self, *routes: Route) -> None:
        assert self.routes.apply([InstallRoute(route) for route in routes]) == []

    def do(self, *changes: Change) -> None:
        assert self.routes.apply(changes) == []

    def listed(self) -> frozenset[Route]:
        return self.heard.of(KernelRoutesListed)[-1].routes

    def lost(self) -> list[Route]:
        return [event.route for event in self.heard.of(KernelRouteLost)]

    def hops(self) -> list[tuple[object, NextHop | None]]:
        return [(event.address, event.next_hop) for event in self.heard.of(NextHopChanged)]

    def interfaces(self) -> list[tuple[str, Mac | None]]:
        return [(event.interface, event.mac) for event in self.heard.of(InterfaceChanged)]


@contextmanager
def opened(*, objects: bool = True, compat: bool = True, announced: bool = True) -> Iterator[Kernel]:
    """`compat`: as kernels do by default, tell of each route behind a nexthop object that is replaced.

    `announced`: the routes of our own stations are in `main`.
    """
    where = places(announced=announced)
    with namespace() as ns:
        ns.sysctl("net.ipv4.nexthop_compat_mode", int(compat))
        for name in ("wlan0", "bb0", "bb1"):
            ns.ip(f"link add {name} type veth peer name {name}-peer")
            ns.ip(f"link set {name}-peer up")
            ns.ip(f"link set {name} up")
        ns.ip("link set wlan0 address 02:00:00:00:00:01")
        ns.ip("addr add 10.255.0.1/32 dev bb0")
        with ns.entered():
            watch = KernelWatch(["wlan0", "wlan1"], shared=[ANYCAST], where=where)
            routes = RouteSocket(watch.index_of, where, objects=objects)
            rules = RouteRules(time.monotonic, lambda delay, what: asyncio.get_running_loop().call_later(delay, what))
            rules.hold()
        links: list[str] = []
        watch.follow(routes.known, routes.direct, routes.port)
        watch.on_link(links.append)
        watch.on_rules(rules.restore)
        yield Kernel(ns, watch, routes, rules, Collector(), links)
        routes.close()
        rules.close()
        watch.close()
