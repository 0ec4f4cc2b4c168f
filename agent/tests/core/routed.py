"""A station with routes, and how a test looks at them."""

from __future__ import annotations

from ipaddress import IPv4Network

from sroamd.core.values import NextHop, Prefix, Route, RouteKind
from tests.core.harness import ALICE, BOB, Lab


def kinds(lab: Lab, number: int) -> list[str]:
    return sorted(route.kind.name for route in lab[number].kernel.values())


def with_alice(count: int = 2, **config: object) -> tuple[Lab, IPv4Network]:
    """Alice is at the first node, with both of her addresses."""
    lab = Lab(count, **config)
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    for host in lab.hosts:
        host.forget()
    return lab, IPv4Network(address)


def with_both(wait: float) -> Lab:
    """Alice is at the first node, Bob at the second, each with two addresses, and so many seconds have passed."""
    lab = Lab(2)
    for number, station in ((1, ALICE), (2, BOB)):
        lab.join(number, station)
        lab.lease(number, station)
    lab.wait(wait)
    return lab


def here(prefix: Prefix, interface: str = "wlan0") -> Route:
    return Route(prefix, RouteKind.HERE, NextHop(interface, None))
