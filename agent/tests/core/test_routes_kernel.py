"""Routes and the kernel: what others remove, what a start finds, what a stop leaves, ways to other nodes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from itertools import pairwise

import pytest

from sroamd import constants
from sroamd.addresses import Mac
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.values import NextHop, Prefix, Route, RouteKind
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, Lab, config_of, id_of, mac
from tests.core.routed import here, kinds, with_alice

AP2 = IPv4Address("10.255.0.2")
ELSEWHERE = IPv4Network("192.0.2.99/32")


# -- the kernel


@pytest.mark.parametrize("kind", [RouteKind.HERE, RouteKind.DEMOTED])
def test_route_that_somebody_removed_is_installed_again_but_not_demoted_again(kind: RouteKind) -> None:
    lab, address = with_alice()
    if kind is RouteKind.DEMOTED:
        lab.join(2, ALICE)
    lab[1].forget()
    lab.do(1, ev.KernelRouteLost(lab[1].kernel.pop(address)))
    assert lab[1].kernel[address].kind is (RouteKind.HERE if kind is RouteKind.HERE else RouteKind.DIRECT)
    assert {route.prefix: route for route in lab[1].node.routes.installed()} == lab[1].kernel
    lab.wait(15)
    assert (address in lab[1].here()) == (kind is RouteKind.HERE)


def test_loss_of_a_route_that_is_not_ours_any_more_is_nothing() -> None:
    lab, _ = with_alice()
    assert lab.do(1, ev.KernelRouteLost(here(ELSEWHERE))) == []


def test_list_after_lost_events_repairs_every_difference() -> None:
    lab, address = with_alice()
    del lab[1].kernel[address]
    lab[1].kernel[ELSEWHERE] = here(ELSEWHERE)
    lab.do(1, ev.KernelRoutesListed(frozenset(lab[1].kernel.values())))
    lab.wait(constants.DEMOTED_TIME + 1)
    assert address in lab[1].here()
    assert ELSEWHERE not in lab[1].kernel


def test_list_that_agrees_changes_nothing() -> None:
    lab, _ = with_alice()
    assert lab.do(1, ev.KernelRoutesListed(frozenset(lab[1].kernel.values()))) == []


@pytest.mark.parametrize(
    "prefix",
    [IPv4Network("198.51.100.0/24"), IPv6Network("2001:db8:44::/48"), IPv6Network("2001:db8:44::7/128")],
    ids=str,
)
def test_routes_that_are_no_stations_are_left_alone(prefix: Prefix) -> None:
    """Somebody else uses our protocol number: that is no reason to fail, nor to touch them."""
    lab = Lab()
    foreign = Route(prefix, RouteKind.HERE, NextHop("bb0", None))
    lab[1].kernel[prefix] = foreign
    lab.restart(1)
    lab.do(1, ev.KernelRoutesListed(frozenset(lab[1].kernel.values())))
    lab.wait(60)
    lab.do(1, ev.KernelRouteLost(foreign))
    assert lab[1].kernel == {prefix: foreign}


# -- what a start finds


def restarted_with(route: Route) -> Lab:
    """Two nodes that know Alice's lease; the first starts, finds this route and no stations."""
    lab, _ = with_alice()
    lab[1].kernel[route.prefix] = route
    lab.restart(1, stations=[])
    return lab


def test_restart_under_traffic_touches_no_route_of_a_station_that_is_here() -> None:
    lab, _ = with_alice()
    before = dict(lab[1].kernel)
    lab[1].forget()
    lab.restart(1, stations=[ALICE])
    lab.connect(1, 2)
    lab.wait(60)
    assert lab[1].all(do.InstallRoute) == lab[1].all(do.RemoveRoute) == []
    assert lab[1].kernel == before


def test_restart_without_hostapd_keeps_the_routes_for_ten_seconds() -> None:
    lab, _ = with_alice()
    lab.restart(1, stations=None)
    lab.wait(constants.ADOPT_TIME - 0.1)
    assert kinds(lab, 1) == ["HERE", "HERE"]


def test_restart_without_its_leases_keeps_the_routes_until_the_dump() -> None:
    lab, _ = with_alice()
    before = dict(lab[1].kernel)
    lab[1].forget()
    lab.restart(1, keep_disk=False, stations=[ALICE])
    lab.wait(5)
    assert before.items() <= lab[1].kernel.items()
    lab.connect(1, 2)
    lab.wait(60)
    assert before.items() <= lab[1].kernel.items()
    assert all(effect.prefix not in before for effect in lab[1].all(do.RemoveRoute))


def test_route_of_nobody_is_kept_ten_seconds_then_demoted_then_removed() -> None:
    lab = restarted_with(here(ELSEWHERE))
    lab.wait(constants.ADOPT_TIME - 0.1)
    assert lab[1].kernel[ELSEWHERE] == here(ELSEWHERE)
    lab.wait(0.2)
    assert lab[1].kernel[ELSEWHERE].kind is RouteKind.DEMOTED
    lab.wait(constants.DEMOTED_TIME)
    assert ELSEWHERE not in lab[1].kernel


def test_route_of_a_station_that_another_node_has_is_demoted_first() -> None:
    """It moved while we were away: as in any roam, the better route must reach everybody before the worse one goes."""
    lab, address = with_alice()
    lab.cut(1, 2)
    lab.join(2, ALICE)
    before = lab[1].kernel[address]
    lab.restart(1, stations=[])
    assert lab[1].kernel[address] == before
    lab.connect(1, 2)
    assert lab[1].kernel[address] == Route(address, RouteKind.DEMOTED, NextHop("bb0", AP2))
    lab.wait(constants.DEMOTED_TIME + 1)
    assert kinds(lab, 1) == ["DIRECT", "DIRECT"]


def test_route_of_a_station_that_left_meanwhile_goes() -> None:
    lab, _ = with_alice()
    lab.restart(1, stations=[])
    lab.connect(1, 2)
    lab.wait(constants.ADOPT_TIME + constants.DEMOTED_TIME + 1)
    assert lab[1].kernel == {}


def test_demoted_route_of_a_former_self_runs_out() -> None:
    lab, address = with_alice()
    lab.join(2, ALICE)
    lab.restart(1, stations=[])
    lab.connect(1, 2)
    assert lab[1].kernel[address].kind is RouteKind.DEMOTED
    lab.wait(constants.DEMOTED_TIME + 1)
    assert kinds(lab, 1) == ["DIRECT", "DIRECT"]


def test_direct_route_of_a_former_self_goes() -> None:
    lab = restarted_with(Route(ELSEWHERE, RouteKind.DIRECT, NextHop("bb0", AP2)))
    lab.wait(constants.ADOPT_TIME + 1)
    assert ELSEWHERE not in lab[1].kernel


def test_nothing_is_installed_before_the_kernel_is_known() -> None:
    lab = Lab()
    host = lab.add(config_of(2), start=False)
    lab.do(host, ev.LeasesLoaded(()))
    lab.do(host, ev.StationsListed("wlan0", frozenset({ALICE})))
    assert host.all(do.InstallRoute) == []
    lab.do(host, ev.KernelRoutesListed(frozenset()))
    assert [effect.route.prefix.version for effect in host.all(do.InstallRoute)] == [6]


# -- the end


def test_stop_leaves_the_routes() -> None:
    lab, _ = with_alice()
    assert [type(e) for e in lab.do(1, ev.StopRequested())] == [do.Stop]
    assert kinds(lab, 1) == ["HERE", "HERE"]


def test_stop_with_flush_on_exit_takes_them_all() -> None:
    lab, _ = with_alice()
    config = lab[1].config
    lab.do(1, ev.ConfigReloaded(replace(config, node=replace(config.node, flush_on_exit=True))))
    effects = lab.do(1, ev.StopRequested())
    assert lab[1].kernel == {}
    assert [type(e) for e in effects] == [do.RemoveRoute, do.RemoveRoute, do.RemoveNextHop, do.RemoveNextHop, do.Stop]
    assert lab[1].objects == {}


# -- next hops


def test_new_nodes_of_one_dump_are_watched_in_one_go() -> None:
    lab = Lab(1)
    records = tuple(
        Update(0, 5000, bytes((128,)) + id_of(n), bytes((1, 65, 10, 255, 0, n)) + bytes(16)) for n in range(2, 40)
    )
    lab[1].peers[9] = lab[1]
    lab.do(1, ev.PeerReady(9, "a server"))
    lab[1].forget()
    lab.do(1, ev.UpdatesReceived(9, records))
    (watch,) = lab[1].all(do.WatchNextHops)
    assert len(watch.addresses) == 38


def test_node_that_is_forgotten_is_watched_no_more() -> None:
    """It is watched beyond the life of its record: is it cut off, or back?"""
    lab = Lab(2)
    lab.cut(1, 2)
    lab.wait(constants.NODE_LIFE + 10)
    assert AP2 in lab[1].all(do.WatchNextHops)[-1].addresses
    lab.wait(constants.NODE_HOLD)
    assert lab[1].all(do.WatchNextHops)[-1].addresses == frozenset()


def test_move_of_everybody_at_once_ends_with_one_route_here_each() -> None:
    lab = Lab(3)
    stations = [mac(number) for number in range(60)]
    at: dict[Mac, int] = {}
    for index, station in enumerate(stations):
        at[station] = 1 + index % 3
        lab.join(at[station], station)
        lab.lease(at[station], station)
    for station in stations:
        lab.join(at[station] % 3 + 1, station)
    lab.wait(15)
    routed = [prefix for host in lab.hosts for prefix in host.here()]
    assert len(routed) == len(set(routed)) == 120
    assert [len(host.of_kind(RouteKind.DIRECT)) for host in lab.hosts] == [80] * 3
    assert len({host.node.database.digest for host in lab.hosts}) == 1


# -- somebody who removes our routes


def test_route_that_is_removed_in_a_loop_is_installed_a_few_times_and_then_at_intervals() -> None:
    lab, address = with_alice()
    lab[1].forget()
    installed = []
    for _ in range(6000):
        if address in lab[1].kernel:
            installed.append(lab.now)
            lab.do(1, ev.KernelRouteLost(lab[1].kernel.pop(address)))
        lab.wait(0.01)
    assert len(installed) <= constants.REINSTALL_FREE + 10
    gaps = [later - earlier for earlier, later in pairwise(installed)]
    assert max(gaps) <= constants.REINSTALL_WAIT_MAX + 0.02
    assert [note for note in lab[1].all(do.Note) if "again and again" in note.text]
    lab.wait(constants.REINSTALL_WAIT_MAX)
    assert address in lab[1].here()


def test_flush_of_all_routes_is_made_good_at_once_now_and_again_a_minute_later() -> None:
    lab = Lab(2)
    for number in range(20):
        lab.join(1, mac(number))
        lab.lease(1, mac(number))
    before = dict(lab[1].kernel)
    for _ in range(constants.REINSTALL_FREE + 3):
        for route in before.values():
            del lab[1].kernel[route.prefix]
            lab.do(1, ev.KernelRouteLost(route))
        assert lab[1].kernel == before
        lab.wait(constants.REINSTALL_QUIET + 1)
        before = dict(lab[1].kernel)


def test_route_that_waits_is_not_installed_by_a_list_either() -> None:
    lab, address = with_alice()
    for _ in range(constants.REINSTALL_FREE + 1):
        lab.do(1, ev.KernelRouteLost(lab[1].kernel.pop(address)))
    assert address not in lab[1].kernel
    lab.do(1, ev.KernelRoutesListed(frozenset(lab[1].kernel.values())))
    assert address not in lab[1].kernel
    lab.wait(constants.REINSTALL_WAIT_MIN)
    assert address in lab[1].here()
