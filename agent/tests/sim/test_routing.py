"""Where packets to a station go: in quiet times from every router to its access point, whatever the backbone, and what
becomes of next hops when cables break and agents die."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from sroamd.constants import DEMOTED_BLIND_TIME, DIRECT_PAUSE
from sroamd.core.values import Prefix, RouteKind
from sroamd.sim.babel import FIRST, HOP
from sroamd.sim.forwarding import End, trace
from sroamd.sim.kernel import NETLINK_DELAY
from sroamd.sim.layouts import LAYOUTS
from sroamd.sim.machine import EXEC_STOP_POST, WATCHDOG
from sroamd.sim.network import BABEL_NOTICES
from sroamd.sim.run import run
from sroamd.sim.scenario import Scenario
from tests.sim.stage import Stage

FLOOD = 0.2  # s: far more than an Update takes to everybody
BABEL = BABEL_NOTICES[1] + 1.0
ROUGH = Scenario(nodes=4, stations=6, topology="mesh", duration=15.0, stay=2.0, budget=150_000)


class Routed(Stage):
    """Its station is at the first access point, with both addresses. Cables are those of a ring or chain in order."""

    def __init__(self, **changes: object) -> None:
        super().__init__(topology="mesh", **changes)
        self.walk(1)
        self.run(5.0)

    @property
    def prefixes(self) -> list[Prefix]:
        assert self.station.address is not None
        assert self.station.prefix is not None
        return [IPv4Network(self.station.address), self.station.prefix]

    def ends(self) -> list[int | End | None]:
        """For each router and prefix: the router over whose radio a packet leaves, or what else becomes of it."""
        ends: list[int | End | None] = []
        for router in self.world.backbone.routers:
            for prefix in self.prefixes:
                path, end = trace(self.world, router, prefix)
                ends.append(path[-1] if end is End.RADIO else end)
        return ends

    def kinds(self, number: int) -> list[str]:
        """Of the routes of a node to the station."""
        routes = self.ap(number).kernel.routes
        return [routes[prefix].kind.name for prefix in self.prefixes if prefix in routes]

    def gateways(self, number: int) -> set[int | None]:
        """The routers to which a node sends packets for the station by its own routes."""
        machine = self.ap(number)
        ways = [machine.kernel.way(machine.kernel.routes[prefix]) for prefix in self.prefixes]
        return {self.world.backbone.behind(machine.index, way) for way in ways}

    def everybody_leads_to(self, number: int) -> bool:
        return set(self.ends()) == {number - 1}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("foreign", [0, 2])
def test_quiet_fleet_of_any_layout_leads_every_packet_to_the_station(layout: str, foreign: int) -> None:
    scenario = replace(ROUGH, layout=layout, foreign=foreign, link_cuts=2, link_flaps=1, kills=1, transit_kills=1)
    result = run(2, scenario)
    assert result.violations == ()
    assert result.counters["packets that arrive"] > 10


def test_where_all_routers_have_the_agent_a_move_is_over_with_the_flood() -> None:
    stage = Routed(nodes=5, layout="chain", link_delay=0.002)
    assert stage.everybody_leads_to(1)
    stage.walk(4, asks=False)
    stage.run(FIRST[0])  # Babel has said nothing yet
    assert stage.everybody_leads_to(4)
    assert stage.kinds(5) == ["DIRECT", "DIRECT"]
    assert stage.kinds(1) == ["DEMOTED", "DEMOTED"]


def test_router_without_the_agent_that_still_believes_in_the_old_access_point_gets_nothing_back_from_it() -> None:
    stage = Routed(nodes=3, layout="hub", foreign=1)
    assert stage.everybody_leads_to(1)
    assert stage.kinds(2) == ["DIRECT", "DIRECT"]
    stage.walk(2, asks=False)
    stage.run(FLOOD)
    assert stage.kinds(1) == ["DEMOTED", "DEMOTED"]
    assert stage.kinds(3) == ["DIRECT", "DIRECT"]
    stage.run(DEMOTED_BLIND_TIME)  # what comes to the old access point in this time is lost there
    assert stage.world.counters["loops"] == 0
    assert stage.everybody_leads_to(2)


@pytest.mark.parametrize("carrier", [True, False])
def test_next_hops_follow_the_backbone_when_a_cable_is_cut_and_mended(carrier: bool) -> None:
    stage = Routed(nodes=4, layout="ring")
    neighbours = [other for other, _ in stage.world.backbone.neighbours(0)]
    other, segment = stage.world.backbone.neighbours(0)[0]
    ports = [(0, segment), (other, segment)]
    assert stage.gateways(other + 1) == {0}
    stage.world.cut(ports, carrier=carrier)
    stage.walk(other + 1, asks=False)  # a station that moves meanwhile
    stage.run(BABEL)
    assert stage.everybody_leads_to(other + 1)
    assert stage.gateways(1) == {neighbours[1]}
    stage.world.mend(ports)
    stage.run(BABEL)
    assert stage.everybody_leads_to(other + 1)
    assert stage.gateways(1) == {other}
    stage.settle()


def test_routes_come_back_after_a_carrier_has_blinked_too_shortly_for_babel() -> None:
    stage = Routed(nodes=2, layout="chain")
    stage.world.cut([(0, 0), (1, 0)], carrier=False)
    stage.world.mend([(0, 0), (1, 0)])
    assert stage.kinds(2) == []  # the kernel has dropped them without a word
    stage.run(NETLINK_DELAY + DIRECT_PAUSE)
    assert stage.kinds(2) == ["DIRECT", "DIRECT"]
    stage.settle()


def test_carrier_that_comes_and_goes_leaves_no_route_without_its_object() -> None:
    stage = Routed(nodes=2, layout="chain")
    ports = [(0, 0), (1, 0)]
    for _ in range(12):
        stage.world.cut(ports, carrier=False)
        stage.run(0.03)
        assert stage.kinds(2) == []
        stage.world.mend(ports)
        stage.run(1.0)
    stage.run(30.0)
    assert stage.kinds(2) == ["DIRECT", "DIRECT"]
    stage.settle()


@pytest.mark.parametrize("hangs", [False, True])
def test_direct_routes_of_an_agent_that_died_on_the_way_go_when_systemd_notices(hangs: bool) -> None:
    stage = Routed(nodes=3, layout="chain")
    middle = next(m for m in stage.world.machines if len(stage.world.backbone.ports[m.index]) == 2)
    outer = [machine.index + 1 for machine in stage.world.machines if machine is not middle]
    stage.walk(outer[0], asks=False)
    stage.run(20.0)
    assert stage.kinds(middle.index + 1) == ["DIRECT", "DIRECT"]
    if hangs:
        stage.world.hang(middle)
        stage.run(WATCHDOG - 0.1)
        assert stage.kinds(middle.index + 1) == ["DIRECT", "DIRECT"]
        stage.run(0.1)
    else:
        stage.world.kill(middle)
    stage.walk(outer[1], asks=False)
    stage.run(EXEC_STOP_POST[1] + FIRST[1] + HOP[1])
    assert stage.kinds(middle.index + 1) == []
    assert stage.everybody_leads_to(outer[1])  # by Babel
    stage.world.start(middle)
    stage.settle()


def test_agent_starts_without_the_direct_routes_of_its_last_life() -> None:
    stage = Routed(nodes=2)
    stage.world.kill(stage.ap(2))
    assert stage.kinds(2) == ["DIRECT", "DIRECT"]
    stage.world.start(stage.ap(2))
    assert stage.kinds(2) == []
    stage.settle()
    assert stage.kinds(2) == ["DIRECT", "DIRECT"]


def test_all_routes_towards_a_node_share_one_object_in_each_ip_version() -> None:
    stage = Routed(nodes=2, stations=3)
    for number in (1, 2):
        stage.walk(1, station=number)
    stage.run(10.0)
    routes = [route for route in stage.ap(2).kernel.routes.values() if route.kind is RouteKind.DIRECT]
    assert len(routes) == 6
    assert {version for _, version in stage.ap(2).kernel.objects} == {4, 6}
    assert len(stage.ap(2).kernel.objects) == 2
