"""Direct routes: to the stations of all other nodes, as soon as the flood says where they are (routing, section 1)."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Network

import pytest

from sroamd import constants
from sroamd.config import RoutesConfig
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.direct import version_of
from sroamd.core.values import NextHop, Prefix, Route, RouteKind, Towards
from sroamd.wire.datum import association_key, ipv4_lease_key, ipv6_lease_key
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, BOB, Host, Lab, id_of, mac
from tests.core.messages import release
from tests.core.routed import here, kinds, with_alice

AP1, AP2 = IPv4Address("10.255.0.1"), IPv4Address("10.255.0.2")


def direct(host: Host) -> set[Prefix]:
    return host.of_kind(RouteKind.DIRECT)


def is_true(host: Host) -> bool:
    """Whether the books say what is in the kernel."""
    return {route.prefix: route for route in host.node.routes.installed()} == host.kernel


def with_direct(lab: Lab, number: int, on: bool) -> None:
    config = replace(lab[number].config, routes=RoutesConfig(direct=on))
    lab.do(number, ev.ConfigReloaded(config))


def with_many(stations: int = 120) -> Lab:
    """So many at the first of two nodes: more than one slice."""
    lab = Lab(2)
    for number in range(stations):
        lab.join(1, mac(number))
        lab.lease(1, mac(number))
    for host in lab.hosts:
        host.forget()
    return lab


# -- a roam


def test_moved_station_is_led_to_its_new_node_in_the_reaction_to_the_update() -> None:
    lab, address = with_alice(3)
    assert lab[3].kernel[address] == Route(address, RouteKind.DIRECT, Towards(id_of(1)))
    update = Update(50, 5400, association_key(ALICE), bytes(id_of(2)))
    effects = lab.do(3, ev.UpdatesReceived(2, (update,)))
    installed = [effect.route for effect in effects if isinstance(effect, do.InstallRoute)]
    assert {route.next_hop for route in installed} == {Towards(id_of(2))}
    assert len(installed) == 2
    assert not [effect for effect in effects if isinstance(effect, do.RemoveRoute | do.SetNextHop | do.RemoveNextHop)]


def test_roam_turns_direct_into_here_and_here_into_demoted_then_direct() -> None:
    lab, _ = with_alice(3)
    lab.join(2, ALICE)
    assert [kinds(lab, number)[0] for number in (1, 2, 3)] == ["DEMOTED", "HERE", "DIRECT"]
    assert not any(host.all(do.RemoveRoute) for host in lab.hosts)
    lab.wait(constants.DEMOTED_TIME)
    assert [kinds(lab, number)[0] for number in (1, 2, 3)] == ["DIRECT", "HERE", "DIRECT"]
    assert {route.next_hop for route in lab[1].kernel.values()} == {Towards(id_of(2))}


def test_station_that_comes_back_is_here_at_once_whatever_its_route_was() -> None:
    lab, address = with_alice()
    lab.join(2, ALICE)
    lab.wait(constants.DEMOTED_TIME + 1)
    assert lab[1].kernel[address].kind is RouteKind.DIRECT
    install = next(effect for effect in lab.join(1, ALICE) if isinstance(effect, do.InstallRoute))
    assert install.route.kind is RouteKind.HERE
    assert lab[1].all(do.RemoveRoute) == []


def test_station_that_has_left_for_nowhere_has_no_direct_route() -> None:
    lab, _ = with_alice(3)
    lab.leave(1, ALICE)
    assert lab[2].kernel == lab[3].kernel == {}
    assert all(is_true(host) for host in lab.hosts)


def test_lease_that_is_released_has_no_direct_route() -> None:
    lab, address = with_alice()
    lab.dhcp(1, release(ALICE, address[0]))
    assert address not in lab[2].kernel


def test_lease_that_is_only_offered_has_no_direct_route_where_it_is_known_to_be_an_offer() -> None:
    lab, _ = with_alice()
    key = ipv4_lease_key(IPv4Address("192.0.2.99"))
    lab.do(2, ev.UpdatesReceived(1, (Update(1, 60, key, bytes(ALICE)),)))
    lab[2].node.state.offers.add(key)
    lab.do(2, ev.UpdatesReceived(1, (Update(9, 5400, association_key(ALICE), bytes(id_of(1))),)))
    assert {prefix.version for prefix in direct(lab[2])} == {4, 6}
    assert not [prefix for prefix in direct(lab[2]) if str(prefix).startswith("192.0.2.99")]


def test_node_without_stations_derives_direct_routes_too() -> None:
    """Flooding servers, and gateways where the correspondents' traffic enters."""
    lab, address = with_alice()
    server = lab.add(replace(lab[2].config, interfaces=(), node=replace(lab[2].config.node, name="server")))
    lab.connect(2, 3)
    lab.wait(1)
    assert server.kernel[address] == Route(address, RouteKind.DIRECT, Towards(id_of(1)))
    lab.join(2, ALICE)
    assert server.kernel[address] == Route(address, RouteKind.DIRECT, Towards(id_of(2)))


def test_routes_outlive_the_peers_as_long_as_their_data_and_no_longer() -> None:
    lab, address = with_alice()
    lab.cut(1, 2)
    lab.wait(constants.LEASE_LIFE - 5)
    assert address in direct(lab[2])
    lab.wait(constants.ASSOCIATION_LIFE)
    assert lab[2].kernel == {}
    assert is_true(lab[2])


# -- what a peer may say


@pytest.mark.parametrize("address", ["198.51.100.7", "192.0.2.1", "192.0.2.0", "127.0.0.1", "0.0.0.0"])
def test_lease_that_a_peer_invents_outside_of_the_pool_is_not_routed_elsewhere_either(address: str) -> None:
    lab, _ = with_alice()
    before = dict(lab[2].kernel)
    lab.do(2, ev.UpdatesReceived(1, (Update(3, 1000, ipv4_lease_key(IPv4Address(address)), bytes(ALICE)),)))
    outside = ipv6_lease_key(IPv6Network("2001:db8:45::/64"))
    lab.do(2, ev.UpdatesReceived(1, (Update(3, 1000, outside, bytes(ALICE)),)))
    assert lab[2].kernel == before


def test_claim_for_a_node_that_nobody_knows_leads_nowhere() -> None:
    lab, _ = with_alice()
    lab.do(2, ev.UpdatesReceived(1, (Update(50, 5400, association_key(ALICE), bytes(id_of(77))),)))
    assert lab[2].kernel == {}


# -- many at once


def test_stations_of_a_node_that_comes_are_installed_in_slices_between_which_a_roam_has_its_turn() -> None:
    lab = with_many()
    lab.do(2, ev.NextHopChanged(AP1, None))
    lab.do(2, ev.NextHopChanged(AP1, NextHop("bb0", AP1)))
    assert {prefix.version for prefix in lab[2].kernel} == {6}
    lab[2].forget()
    lab.wait(constants.DIRECT_PAUSE)
    assert len(lab[2].all(do.InstallRoute)) == constants.DIRECT_SLICE
    lab[2].forget()
    lab.join(2, mac(7))
    assert {effect.route.kind for effect in lab[2].all(do.InstallRoute)} == {RouteKind.HERE}
    lab.wait(1)
    assert (len(lab[2].here()), len(direct(lab[2]))) == (2, 238)
    assert is_true(lab[2])


def test_node_whose_way_comes_and_goes_meanwhile_is_right_in_the_end() -> None:
    lab = with_many()
    for _ in range(3):
        lab.do(2, ev.NextHopChanged(AP1, None))
        lab.do(2, ev.NextHopChanged(AP1, NextHop("bb0", AP1)))
        lab.wait(constants.DIRECT_PAUSE)
    assert is_true(lab[2])
    lab.wait(1)
    assert len(direct(lab[2])) == 240
    assert lab[2].node.routes.direct._slice == []


def test_books_share_their_keys_with_the_database() -> None:
    """60,000 of them: one object each."""
    lab = with_many(5)
    lab.wait(600)
    for number in range(5):  # a new version of each datum
        lab.join(1, mac(number))
        lab.lease(1, mac(number))
    installed = lab[2].node.routes.direct.installed
    assert len(installed) == 10
    for key, towards in installed.items():
        datum = lab[2].node.database.get(key)
        assert datum is not None
        assert datum.key is key
        assert towards is lab[2].node.routes.direct.next_hops.towards[version_of(key)][id_of(1)]


# -- the kernel


def test_direct_route_that_somebody_removed_is_installed_again_and_later_and_later() -> None:
    lab, address = with_alice()
    for number in range(constants.REINSTALL_FREE + 1):
        assert address in direct(lab[2]), number
        lab.do(2, ev.KernelRouteLost(lab[2].kernel.pop(address)))
    assert address not in lab[2].kernel
    lab.wait(constants.REINSTALL_WAIT_MIN)
    assert address in direct(lab[2])


def test_objects_that_the_kernel_dropped_are_made_again_with_all_their_routes() -> None:
    lab = with_many()
    host = lab[2]
    del host.objects[id_of(1), 4]
    for prefix in [prefix for prefix in host.kernel if prefix.version == 4]:
        del host.kernel[prefix]
    effects = lab.do(2, ev.NextHopObjectsLost(frozenset({(id_of(1), 4), (id_of(9), 4)})))
    assert effects == [do.SetNextHop(id_of(1), 4, NextHop("bb0", AP1))]
    assert is_true(host)
    lab.wait(1)
    assert len(direct(host)) == 240
    assert len(host.all(do.SetNextHop)) == 1


def test_objects_that_are_dropped_again_and_again_are_made_at_intervals() -> None:
    lab, _ = with_alice()
    host, times = lab[2], []
    for _ in range(4000):
        if (id_of(1), 4) in host.objects:
            times.append(lab.now)
            del host.objects[id_of(1), 4]
            for prefix in [prefix for prefix in host.kernel if prefix.version == 4]:
                del host.kernel[prefix]
            lab.do(2, ev.NextHopObjectsLost(frozenset({(id_of(1), 4)})))
        lab.wait(0.01)
    assert len(times) <= constants.REINSTALL_FREE + 8
    lab.wait(constants.REINSTALL_WAIT_MAX)
    assert len(direct(host)) == 2


def test_list_after_lost_events_repairs_direct_routes() -> None:
    lab = with_many()
    host = lab[2]
    lost = sorted(host.kernel, key=str)[:100]
    for prefix in lost:
        del host.kernel[prefix]
    wrong = next(prefix for prefix in host.kernel if prefix.version == 6)
    stranger = IPv6Network("2001:db8:44:ffff::/64")
    host.kernel[wrong] = Route(wrong, RouteKind.DIRECT, Towards(id_of(2)))
    host.kernel[stranger] = Route(stranger, RouteKind.DIRECT, Towards(id_of(1)))
    lab.do(2, ev.KernelRoutesListed(frozenset(host.kernel.values())))
    assert host.kernel[wrong].next_hop == Towards(id_of(1))
    assert stranger not in host.kernel
    lab.wait(1)
    assert len(direct(host)) == 240
    assert is_true(host)


def test_list_that_agrees_touches_no_direct_route() -> None:
    lab = with_many()
    lab.do(2, ev.KernelRoutesListed(frozenset(lab[2].kernel.values())))
    lab.wait(1)
    assert lab[2].all(do.InstallRoute) == lab[2].all(do.RemoveRoute) == []


def test_list_without_direct_routes_says_nothing_of_them() -> None:
    """A link of a station interface has failed, say: sixty thousand routes elsewhere are not read for that."""
    lab, _ = with_alice(3)
    installed = dict(lab[3].kernel)
    assert kinds(lab, 3) == ["DIRECT", "DIRECT"]
    lab.do(3, ev.KernelRoutesListed(frozenset(), direct=False))
    lab.wait(1.0)
    assert not lab[3].all(do.InstallRoute)
    assert not lab[3].all(do.RemoveRoute)
    lab[3].kernel.clear()
    lab.do(3, ev.KernelRoutesListed(frozenset()))
    lab.wait(1.0)
    assert lab[3].kernel == installed, "the whole list is the truth about them too"


def test_route_of_another_kind_that_the_kernel_shows_replaces_the_direct_one_in_the_books() -> None:
    lab, address = with_alice(3)
    lab[3].kernel[address] = here(address)
    lab.do(3, ev.KernelRoutesListed(frozenset({here(address)}), direct=False))
    assert is_true(lab[3])
    lab.wait(constants.DEMOTED_TIME + 1)
    assert kinds(lab, 3) == ["DIRECT", "DIRECT"]
    assert is_true(lab[3])


# -- the configuration, the end


def test_reload_switches_direct_routes_off_and_on() -> None:
    lab = with_many()
    with_direct(lab, 2, on=False)
    assert (lab[2].kernel, lab[2].objects) == ({}, {})
    assert lab[2].all(do.RemoveRoute) == []
    assert is_true(lab[2])
    lab.join(2, BOB)
    lab.wait(60)
    assert direct(lab[2]) == set()
    with_direct(lab, 2, on=True)
    lab.wait(1)
    assert len(direct(lab[2])) == 240


def test_without_direct_routes_a_demoted_one_ends_with_nothing() -> None:
    lab, _ = with_alice()
    with_direct(lab, 1, on=False)
    lab.join(2, ALICE)
    assert kinds(lab, 1) == ["DEMOTED", "DEMOTED"]
    lab.wait(constants.DEMOTED_TIME)
    assert lab[1].kernel == {}


def test_flush_on_exit_takes_direct_routes_with_their_objects() -> None:
    lab, _ = with_alice()
    config = lab[2].config
    lab.do(2, ev.ConfigReloaded(replace(config, node=replace(config.node, flush_on_exit=True))))
    lab.do(2, ev.StopRequested())
    assert (lab[2].kernel, lab[2].objects) == ({}, {})
