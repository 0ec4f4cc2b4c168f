"""Routes are derived: here, demoted, gone, and in which order things happen (routing, section 1)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.values import NextHop, Route, RouteKind
from sroamd.wire.datum import association_key, ipv4_lease_key
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, BOB, Lab, id_of
from tests.core.messages import discover, release, renew, select
from tests.core.routed import here, kinds, with_alice

AP2 = IPv4Address("10.255.0.2")
ELSEWHERE = IPv4Network("192.0.2.99/32")


# -- here


def test_station_with_lease_and_claim_is_routed_in_both_families() -> None:
    lab, address = with_alice()
    assert {prefix.prefixlen for prefix in lab[1].kernel} == {32, 64}
    assert lab[1].kernel[address] == here(address)
    assert kinds(lab, 2) == ["DIRECT", "DIRECT"]


def test_a8_lease_that_arrives_after_the_station_is_routed() -> None:
    """Defect A8 of the C daemon: no route until the next DHCP exchange."""
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.do(1, ev.UpdatesReceived(2, (Update(3, 1000, ipv4_lease_key(ELSEWHERE[0]), bytes(ALICE)),)))
    assert lab[1].kernel[ELSEWHERE] == here(ELSEWHERE)


def test_two_leases_of_one_station_are_both_routed() -> None:
    lab, address = with_alice()
    lab.do(1, ev.UpdatesReceived(2, (Update(3, 1000, ipv4_lease_key(ELSEWHERE[0]), bytes(ALICE)),)))
    assert {address, ELSEWHERE} <= lab[1].here()


def test_station_that_changes_interface_is_routed_through_the_new_one() -> None:
    lab = Lab(interfaces=("wlan0", "wlan1"))
    lab.join(1, ALICE, "wlan0")
    lab.lease(1, ALICE)
    lab.join(1, ALICE, "wlan1")
    assert {route.next_hop for route in lab[1].kernel.values()} == {NextHop("wlan1", None)}


def test_lease_that_expires_is_demoted_then_withdrawn() -> None:
    """What Babel merely withdraws lives on at others for half a minute."""
    lab, address = with_alice()
    lab.wait(1799)
    assert lab[1].kernel[address] == here(address)
    lab.wait(2)
    assert lab[1].kernel[address] == Route(address, RouteKind.DEMOTED, NextHop("wlan0", None))
    lab.wait(constants.DEMOTED_TIME)
    assert address not in lab[1].kernel


def test_renewed_lease_stays() -> None:
    lab, address = with_alice()
    lab.wait(900)
    lab[1].forget()
    lab.dhcp(1, renew(ALICE, address[0]))
    lab.wait(1000)
    assert address in lab[1].kernel
    assert lab[1].all(do.RemoveRoute) == []


def test_released_lease_is_demoted_then_withdrawn() -> None:
    lab, address = with_alice()
    lab.dhcp(1, release(ALICE, address[0]))
    assert lab[1].kernel[address].kind is RouteKind.DEMOTED
    lab.wait(constants.DEMOTED_TIME)
    assert address not in lab[1].kernel


def test_address_that_is_released_here_and_taken_again_elsewhere_is_routed_by_way_of_the_new_node() -> None:
    lab, address = with_alice()
    lab.dhcp(1, release(ALICE, address[0]))
    lab.leave(1, ALICE)
    lab.wait(1)
    lab.join(2, ALICE)
    assert lab.lease(2, ALICE) == address[0]
    assert lab[2].kernel[address] == here(address)
    assert lab[1].kernel[address] == Route(address, RouteKind.DEMOTED, NextHop("bb0", AP2))


def test_released_address_that_is_taken_again_is_here_at_once() -> None:
    lab, address = with_alice()
    lab.dhcp(1, release(ALICE, address[0]))
    assert lab.lease(1, ALICE) == address[0]
    assert lab[1].kernel[address] == here(address)
    lab.wait(constants.DEMOTED_TIME + 1)
    assert lab[1].all(do.RemoveRoute) == []


def test_lease_that_becomes_anothers_is_demoted_then_led_there() -> None:
    lab, address = with_alice()
    lab.join(2, BOB)
    lab.do(1, ev.UpdatesReceived(2, (Update(50, 1000, ipv4_lease_key(address[0]), bytes(BOB)),)))
    assert lab[1].kernel[address].kind is RouteKind.DEMOTED
    lab.wait(constants.DEMOTED_TIME + 1)
    assert lab[1].kernel[address].kind is RouteKind.DIRECT


@pytest.mark.parametrize("address", ["198.51.100.7", "192.0.2.1", "127.0.0.1", "255.255.255.255", "0.0.0.0"])
def test_lease_that_a_peer_invents_outside_of_the_pool_makes_no_route(address: str) -> None:
    """A member that has gone wrong must not make us announce other people's addresses, or the gateway's."""
    lab, _ = with_alice()
    before = dict(lab[1].kernel)
    lab.do(1, ev.UpdatesReceived(2, (Update(3, 1000, ipv4_lease_key(IPv4Address(address)), bytes(ALICE)),)))
    assert lab[1].kernel == before


def test_prefix_that_a_peer_invents_outside_of_the_network_makes_no_route() -> None:
    lab, _ = with_alice()
    before = dict(lab[1].kernel)
    lab.do(1, ev.UpdatesReceived(2, (Update(3, 1000, b"\x01\x20\x01\x0d\xb8\xff\xff\0\0", bytes(ALICE)),)))
    assert lab[1].kernel == before


# -- demoted


def test_roam_demotes_by_way_of_the_new_node_for_ten_seconds() -> None:
    lab, address = with_alice()
    lab.join(2, ALICE)
    assert lab[1].kernel[address] == Route(address, RouteKind.DEMOTED, NextHop("bb0", AP2))
    assert {route.kind for route in lab[1].kernel.values()} == {RouteKind.DEMOTED}
    assert kinds(lab, 2) == ["HERE", "HERE"]
    lab.wait(constants.DEMOTED_TIME - 0.1)
    assert kinds(lab, 1) == ["DEMOTED", "DEMOTED"]
    lab.wait(0.2)
    assert kinds(lab, 1) == ["DIRECT", "DIRECT"]


def test_each_family_goes_by_its_own_next_hop() -> None:
    lab, _ = with_alice()
    lab.join(2, ALICE)
    gateways = {prefix.version: route.next_hop.gateway for prefix, route in lab[1].kernel.items()}
    assert gateways == {4: lab[2].config.node.router_ipv4, 6: lab[2].config.node.router_ipv6}


def test_route_is_never_missing_while_it_is_demoted_and_restored() -> None:
    lab, address = with_alice()
    for number in (2, 1, 2, 1):
        lab.join(number, ALICE)
    assert lab[1].kernel[address].kind is RouteKind.HERE
    assert lab[1].all(do.RemoveRoute) == []
    lab.wait(constants.DEMOTED_TIME + 5)
    assert kinds(lab, 1) == ["HERE", "HERE"]
    assert kinds(lab, 2) == ["DIRECT", "DIRECT"]


def test_station_that_leaves_for_nowhere_is_demoted_where_it_was_then_removed() -> None:
    lab, address = with_alice()
    lab.leave(1, ALICE)
    assert lab[1].kernel[address] == Route(address, RouteKind.DEMOTED, NextHop("wlan0", None))
    lab.wait(constants.DEMOTED_TIME + 0.1)
    assert lab[1].kernel == {}


def test_departure_seen_before_the_new_claim_goes_by_way_of_the_new_node_when_that_is_known() -> None:
    lab, address = with_alice()
    lab.leave(1, ALICE)
    lab.wait(5)
    lab.join(2, ALICE)
    assert lab[1].kernel[address].next_hop == NextHop("bb0", AP2)
    lab.wait(6)
    assert kinds(lab, 1) == ["DIRECT", "DIRECT"]


def test_blind_demotion_lasts_one_second_only() -> None:
    lab, address = with_alice()
    lab.do(1, ev.NextHopChanged(AP2, None))
    lab.join(2, ALICE)
    assert lab[1].kernel[address] == Route(address, RouteKind.DEMOTED, NextHop("wlan0", None))
    lab.wait(constants.DEMOTED_BLIND_TIME + 0.1)
    assert [prefix.version for prefix in lab[1].kernel] == [6]


def test_claim_of_a_node_that_nobody_knows_is_a_blind_demotion() -> None:
    lab, address = with_alice()
    del lab.really_at[ALICE]
    lab.do(1, ev.UpdatesReceived(2, (Update(50, 5400, association_key(ALICE), bytes(id_of(99))),)))
    assert lab[1].kernel[address].next_hop == NextHop("wlan0", None)
    lab.wait(constants.DEMOTED_BLIND_TIME + 0.1)
    assert lab[1].kernel == {}


def test_next_hop_that_changes_moves_demoted_routes_only() -> None:
    lab, address = with_alice()
    lab.join(1, BOB)
    lab.join(2, ALICE)
    lab[1].forget()
    other_way = NextHop("bb1", AP2)
    lab.do(1, ev.NextHopChanged(AP2, other_way))
    assert [effect.route for effect in lab[1].all(do.InstallRoute)] == [Route(address, RouteKind.DEMOTED, other_way)]
    lab[1].forget()
    lab.do(1, ev.NextHopChanged(AP2, other_way))
    assert lab[1].all(do.InstallRoute) == []


def test_demoted_route_without_a_way_loses_what_is_in_flight_instead_of_sending_it_back() -> None:
    lab, address = with_alice()
    lab.join(2, ALICE)
    lab.do(1, ev.NextHopChanged(AP2, None))
    assert lab[1].kernel[address] == Route(address, RouteKind.DEMOTED, NextHop("wlan0", None))
    lab.wait(constants.DEMOTED_BLIND_TIME)
    assert address not in lab[1].kernel  # everybody has been told that it is bad: Babel's own is better from now on


def test_demoted_route_of_a_station_that_is_nowhere_leads_to_no_other_node() -> None:
    """Where it was last, nobody knows of it any more: that node would send by Babel, which knows of us. Found by the
    simulator."""
    lab, address = with_alice()
    lab.join(2, ALICE)
    assert lab[1].kernel[address].next_hop == NextHop("bb0", AP2)
    lab.leave(2, ALICE)
    assert lab[1].kernel[address] == Route(address, RouteKind.DEMOTED, NextHop("wlan0", None))


def test_address_that_is_released_where_the_station_went_is_lost_here_too_instead_of_circling() -> None:
    """Found by the simulator, seed 300006: the node between the two goes by Babel, which named us."""
    lab, address = with_alice()
    lab.join(2, ALICE)
    assert lab[1].kernel[address] == Route(address, RouteKind.DEMOTED, NextHop("bb0", AP2))
    lab.dhcp(2, release(ALICE, address[0]))
    assert lab[1].kernel[address] == Route(address, RouteKind.DEMOTED, NextHop("wlan0", None))
    assert lab.lease(2, ALICE) == address[0]
    assert lab[1].kernel[address] == Route(address, RouteKind.DEMOTED, NextHop("bb0", AP2))


def test_node_that_the_station_left_before_the_last_ends_its_demotion_once_babel_has_heard() -> None:
    """What it announces itself hides from a router behind it, which has not the agent, where the station has gone next:
    seen in the lab, a roam from beyond such a router back past a node where the station had been 6 s before.
    """
    lab, _ = with_alice(3)
    lab.join(2, ALICE)
    lab.wait(6)
    assert kinds(lab, 1) == ["DEMOTED", "DEMOTED"]
    lab.join(3, ALICE)
    assert kinds(lab, 1) == ["DIRECT", "DIRECT"]
    assert kinds(lab, 2) == ["DEMOTED", "DEMOTED"]
    lab.wait(constants.DEMOTED_TIME - 0.1)
    assert kinds(lab, 2) == ["DEMOTED", "DEMOTED"]


def test_demotion_of_a_station_that_moves_on_at_once_is_announced_all_the_same() -> None:
    lab, _ = with_alice(3)
    lab.join(2, ALICE)
    lab.join(3, ALICE)
    assert kinds(lab, 1) == ["DEMOTED", "DEMOTED"]
    lab.wait(constants.DEMOTED_TIME_MIN - 0.05)
    assert kinds(lab, 1) == ["DEMOTED", "DEMOTED"]
    lab.wait(0.1)
    assert kinds(lab, 1) == ["DIRECT", "DIRECT"]


def test_conflict_demotes_at_once_and_the_answer_restores() -> None:
    lab, address = with_alice()
    lab[1].forget()
    lab.do(1, ev.UpdatesReceived(2, (Update(1, 5400, association_key(ALICE), bytes(id_of(2))),)))
    ours = [effect.route for effect in lab[1].all(do.InstallRoute) if effect.route.prefix == address]
    assert [route.kind for route in ours] == [RouteKind.DEMOTED, RouteKind.HERE]
    lab.wait(30)
    assert kinds(lab, 1) == ["HERE", "HERE"]


# -- the order within one reaction


def order(effects: list[do.Effect]) -> list[str]:
    names = {
        do.InstallRoute: "make",
        do.SendUpdates: "tell",
        do.StoreLeases: "store",
        do.SendGratuitousArp: "announce",
        do.SendRouterAdvertisement: "announce",
        do.RemoveRoute: "break",
        do.Disassociate: "break",
    }
    found = [names[type(effect)] for effect in effects if type(effect) in names]
    return list(dict.fromkeys(found))


def test_arrival_makes_tells_then_announces() -> None:
    lab, _ = with_alice()
    effects = lab.join(2, ALICE)
    assert order(effects) == ["make", "tell", "announce"]


def test_new_lease_is_routed_flooded_then_stored() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    (offer,) = lab.dhcp(1, discover(ALICE))
    lab[1].forget()
    lab.dhcp(1, select(ALICE, offer.message.yiaddr))
    assert order(lab[1].effects) == ["make", "tell", "store"]


def test_ghost_is_broken_last() -> None:
    lab, _ = with_alice()
    lab.leave(1, ALICE)
    lab[1].forget()
    lab.wait(11)
    assert order(lab[1].effects)[-1] == "break"
