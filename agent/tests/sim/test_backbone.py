"""The model of the backbone and of Babel on it: ways, what host routes are believed in, and when."""

from __future__ import annotations

from ipaddress import IPv4Network
from random import Random

import pytest

from sroamd.core.values import NextHop, RouteKind
from sroamd.sim.babel import FIRST, HOP, RETRACTION_LIVES, Babel
from sroamd.sim.backbone import Backbone
from sroamd.sim.clock import VirtualTime
from sroamd.sim.layouts import LAYOUTS, lay

HOST = IPv4Network("192.0.2.7/32")
CHAIN = [(0, 1), (1, 2), (2, 3)]
RING = [*CHAIN, (3, 0)]


class Routers:
    """Babel on four of them."""

    def __init__(self, segments: list[tuple[int, ...]], lost_retractions: float = 0.0) -> None:
        self.time = VirtualTime(1000)
        self.off: set[int] = set()
        self.backbone = Backbone(4, segments, lambda router: router not in self.off)
        self.babel = Babel(self.time, Random(1), self.backbone, lost_retractions)
        for router in range(4):
            self.babel.reborn(router)
        self.look()
        self.wait(1.0)

    def look(self, *routers: int) -> list[int]:
        """Those that go without a way for a moment."""
        return [router for router in routers or range(4) if self.babel.look(router)]

    def has(self, node: int, kind: RouteKind | None, *, silently: bool = False) -> None:
        self.babel.redistribute(node, HOST, kind, silently=silently)

    def wait(self, seconds: float) -> None:
        self.time.run(self.time.now + seconds)

    def best(self) -> list[int | None]:
        return [self.babel.best(HOST, router) for router in range(4)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("liars", "foreign"), [(0, 0), (1, 2)])
def test_every_layout_has_a_way_from_each_router_to_each(layout: str, liars: int, foreign: int) -> None:
    for seed in range(5):
        routers = 4 + liars + foreign
        backbone = Backbone(routers, lay(layout, 4, liars, foreign, Random(seed)), lambda router: True)
        babel = Babel(VirtualTime(10), Random(1), backbone, 0.0)
        assert not any(babel.look(router) for router in range(routers))
        assert all(babel.reaches(a, b) for a in range(routers) for b in range(routers))


def test_next_hop_names_the_neighbour_as_babeld_does() -> None:
    backbone = Routers(CHAIN).backbone
    (address,) = backbone.link_locals(1) - {backbone.next_hop(2, 1, 1, 6).gateway}
    assert backbone.next_hop(0, 1, 0, 6) == NextHop("bb0", address)
    assert backbone.next_hop(2, 1, 1, 4) == NextHop("bb0", backbone.router_ipv4[1])
    assert backbone.next_hop(1, 2, 1, 4) == NextHop("bb1", backbone.router_ipv4[2])
    assert backbone.behind(0, NextHop("bb0", address)) == 1
    assert backbone.behind(0, NextHop("bb1", address)) is None
    backbone.close([(1, 0)])
    assert backbone.behind(0, NextHop("bb0", address)) is None


def test_news_spread_hop_by_hop_and_all_know_within_the_time_that_was_measured() -> None:
    routers = Routers(CHAIN)
    routers.has(0, RouteKind.HERE)
    routers.wait(FIRST[0])
    assert routers.best() == [None] * 4
    knew = [0.0] * 4
    while not all(knew[1:]) and routers.time.now < 2.0:
        routers.wait(0.001)
        for router in (router for router, best in enumerate(routers.best()) if best == 0 and not knew[router]):
            knew[router] = routers.time.now
    slowest = FIRST[1] + 3 * HOP[1]
    assert knew[1] < knew[2] < knew[3] < 1.0 + slowest + 0.001
    assert slowest <= routers.babel.slowest


def test_worse_metric_is_left_for_a_better_one_however_near() -> None:
    routers = Routers(CHAIN)
    routers.has(0, RouteKind.HERE)
    routers.has(3, RouteKind.HERE)
    routers.wait(1.0)
    assert routers.best() == [3, 0, 3, 0]
    routers.has(0, RouteKind.DEMOTED)
    routers.has(3, RouteKind.DIRECT)
    routers.wait(1.0)
    assert routers.best() == [None, 0, 0, 0]
    routers.has(3, RouteKind.HERE)
    routers.wait(1.0)
    assert routers.best() == [3, 3, 3, 0]


def test_lost_retraction_lives_as_long_as_measured_and_a_new_announcement_ends_it() -> None:
    routers = Routers(CHAIN, lost_retractions=1.0)
    routers.has(0, RouteKind.HERE)
    routers.wait(1.0)
    routers.has(0, None)
    routers.wait(RETRACTION_LIVES[0])
    assert routers.best()[1:] == [0] * 3
    routers.wait(RETRACTION_LIVES[1])
    assert routers.best() == [None] * 4
    routers.has(0, RouteKind.HERE)
    routers.has(0, None)
    routers.has(0, RouteKind.DEMOTED)
    routers.has(2, RouteKind.HERE)
    routers.wait(1.0)
    assert routers.best() == [2, 2, 0, 2]


def test_router_without_power_says_nothing_and_what_it_said_counts_until_the_way_to_it_is_lost() -> None:
    routers = Routers(CHAIN)
    routers.has(0, RouteKind.HERE)
    routers.wait(1.0)
    routers.off.add(0)
    routers.has(0, None, silently=True)
    routers.backbone.changed()
    routers.wait(1000.0)
    assert routers.best()[1:] == [0] * 3
    routers.look(1, 2, 3)
    assert routers.best()[1:] == [None] * 3
    routers.off.clear()
    routers.backbone.changed()
    routers.look()
    assert routers.best() == [None] * 4


def test_router_that_has_power_again_before_anybody_has_noticed_retracts_what_it_said_before() -> None:
    routers = Routers(CHAIN)
    routers.has(0, RouteKind.HERE)
    routers.wait(1.0)
    routers.has(0, None, silently=True)
    routers.wait(0.3)
    assert routers.best()[1:] == [0] * 3
    routers.babel.reborn(0)
    assert routers.best()[1:] == [0] * 3
    routers.wait(FIRST[1] + 3 * HOP[1])
    assert routers.best() == [None] * 4


def test_no_router_takes_a_neighbour_whose_way_leads_back_to_it() -> None:
    routers = Routers(RING)
    routers.backbone.close([(1, 1), (2, 1)])
    assert routers.look(1) == [1]  # 0 would send what is for 2 back
    assert not routers.babel.reaches(1, 2)
    assert routers.look(0) == []
    assert routers.look(1) == []
    assert routers.babel.reaches(1, 2)
