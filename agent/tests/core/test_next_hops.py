"""Ways to other nodes: nexthop objects that follow the kernel, and which gateways are trusted with packets."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.gateways import Gateways
from sroamd.core.values import NextHop, Route, RouteKind, Towards
from sroamd.wire.datum import NodeRecord, encode_links, links_key, node_key
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, BOB, Lab, id_of
from tests.core.routed import kinds, with_alice

AP1, AP2, AP3 = (IPv4Address(f"10.255.0.{number}") for number in (1, 2, 3))
FOREIGN = IPv4Address("10.255.0.99")
LINK_LOCAL = IPv6Address("fe80::a2")
ROUTER6 = IPv6Address("fd00:255::1")


def ways(effects: list[do.Effect]) -> list[do.Effect]:
    """What becomes of nexthop objects and routes, in order."""
    kinds = do.SetNextHop | do.RemoveNextHop | do.InstallRoute | do.RemoveRoute
    return [effect for effect in effects if isinstance(effect, kinds)]


def links(number: int, *addresses: IPv6Address, seqno: int = 1) -> Update:
    return Update(seqno, constants.NODE_LIFE, links_key(id_of(number)), encode_links(addresses))


# -- objects


def test_object_is_there_before_the_first_route_towards_its_node() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    for version in (4, 6):
        made = [
            type(effect)
            for effect in ways(lab[2].effects)
            if (effect.version if isinstance(effect, do.SetNextHop) else effect.route.prefix.version) == version  # type: ignore[union-attr]
        ]
        assert made == [do.SetNextHop, do.InstallRoute]


def test_way_that_changes_is_one_object_and_no_route() -> None:
    lab, address = with_alice(3)
    lab.join(1, BOB)
    lab[3].forget()
    other = NextHop("bb1", AP2)
    effects = lab.do(3, ev.NextHopChanged(AP1, other))
    assert effects == [do.SetNextHop(id_of(1), 4, other)]
    assert lab[3].kernel[address].next_hop == Towards(id_of(1))
    assert lab.do(3, ev.NextHopChanged(AP1, other)) == []


def test_way_without_a_gateway_is_by_way_of_the_node_itself() -> None:
    lab, _ = with_alice()
    lab.do(2, ev.NextHopChanged(AP1, NextHop("bb9", None)))
    assert lab[2].objects[id_of(1), 4] == NextHop("bb9", AP1)


def test_way_that_is_lost_takes_its_routes_and_brings_them_back() -> None:
    lab, address = with_alice()
    effects = lab.do(2, ev.NextHopChanged(AP1, None))
    assert effects == [do.RemoveNextHop(id_of(1), 4)]
    assert [prefix.version for prefix in lab[2].kernel] == [6]
    effects = lab.do(2, ev.NextHopChanged(AP1, NextHop("bb0", AP1)))
    assert ways(effects) == [do.SetNextHop(id_of(1), 4, NextHop("bb0", AP1))]
    lab.wait(constants.DIRECT_PAUSE)
    assert lab[2].kernel[address] == Route(address, RouteKind.DIRECT, Towards(id_of(1)))


def test_way_that_is_lost_in_the_reaction_to_a_move_takes_no_route_to_the_new_node() -> None:
    """One read brings both: the node has gone, and its station is elsewhere."""
    lab, address = with_alice(3)
    claim = Update(50, 5400, bytes((2,)) + ALICE, bytes(id_of(2)))
    gone = Update(9, 600, node_key(id_of(1)), b"")
    effects = lab.do(3, ev.UpdatesReceived(2, (claim, gone)))
    assert [type(effect) for effect in ways(effects)] == [
        do.InstallRoute, do.InstallRoute, do.RemoveNextHop, do.RemoveNextHop,
    ]  # fmt: skip
    assert lab[3].kernel[address].next_hop == Towards(id_of(2))
    assert {route.prefix: route for route in lab[3].node.routes.installed()} == lab[3].kernel


def test_station_that_leaves_together_with_its_node_leaves_nothing_to_be_removed() -> None:
    lab, _ = with_alice(3)
    left, gone = Update(50, 600, bytes((2,)) + ALICE, b""), Update(9, 600, node_key(id_of(1)), b"")
    effects = lab.do(3, ev.UpdatesReceived(2, (left, gone)))
    assert [type(effect) for effect in ways(effects)] == [do.RemoveNextHop, do.RemoveNextHop]
    assert lab[3].kernel == {}


def test_record_that_runs_out_ends_the_direct_routes() -> None:
    lab, _ = with_alice(3)
    lab.cut(1, 2)
    lab.wait(constants.NODE_LIFE + 1)
    assert not [node for node, _ in lab[3].objects if node == id_of(1)]


def test_node_that_changes_its_router_address_is_followed() -> None:
    lab, address = with_alice()
    record = NodeRecord("ap1", AP3, None).encode()
    lab.do(2, ev.UpdatesReceived(1, (Update(9, 5400, node_key(id_of(1)), record),)))
    assert lab[2].kernel == {}
    lab.do(2, ev.NextHopChanged(AP3, NextHop("bb0", None)))
    lab.wait(constants.DIRECT_PAUSE)
    assert list(lab[2].kernel) == [address]
    assert lab[2].objects == {(id_of(1), 4): NextHop("bb0", AP3)}


def test_link_that_comes_and_goes_is_used_again_later_and_later() -> None:
    lab, _ = with_alice()
    for _ in range(constants.REINSTALL_FREE + 1):
        assert (id_of(1), 4) in lab[2].objects
        lab.do(2, ev.NextHopChanged(AP1, None))
        lab.do(2, ev.NextHopChanged(AP1, NextHop("bb0", AP1)))
    assert (id_of(1), 4) not in lab[2].objects
    lab.wait(constants.REINSTALL_WAIT_MIN + constants.DIRECT_PAUSE)
    assert (id_of(1), 4) in lab[2].objects
    assert kinds(lab, 2) == ["DIRECT", "DIRECT"]


def test_another_way_is_taken_at_once_however_often_the_first_was_lost() -> None:
    lab, _ = with_alice()
    for _ in range(constants.REINSTALL_FREE + 1):
        lab.do(2, ev.NextHopChanged(AP1, None))
        lab.do(2, ev.NextHopChanged(AP1, NextHop("bb0", AP1)))
    assert (id_of(1), 4) not in lab[2].objects
    other = NextHop("bb1", AP1)
    lab.do(2, ev.NextHopChanged(AP1, other))
    assert lab[2].objects[id_of(1), 4] == other


# -- gateways


def test_way_through_a_router_without_the_agent_is_one_too() -> None:
    """Babel tells that router of a station before it tells this node, which would go by an older word meanwhile."""
    lab, _ = with_alice()
    effects = lab.do(2, ev.NextHopChanged(AP1, NextHop("bb0", FOREIGN)))
    assert effects == [do.SetNextHop(id_of(1), 4, NextHop("bb0", FOREIGN))]
    assert kinds(lab, 2) == ["DIRECT", "DIRECT"]


def test_where_babel_does_not_tell_of_stations_a_foreign_gateway_ends_the_direct_routes_of_that_version() -> None:
    lab, _ = with_alice(announced=False)
    effects = lab.do(2, ev.NextHopChanged(AP1, NextHop("bb0", FOREIGN)))
    assert effects == [do.RemoveNextHop(id_of(1), 4)]
    assert [prefix.version for prefix in lab[2].kernel] == [6]
    lab.do(2, ev.NextHopChanged(AP1, NextHop("bb0", AP1)))
    lab.wait(constants.DIRECT_PAUSE)
    assert kinds(lab, 2) == ["DIRECT", "DIRECT"]


def test_gateway_becomes_ours_when_a_node_publishes_it_and_foreign_when_it_is_not_published_any_more() -> None:
    lab, _ = with_alice(3, announced=False)
    lab.do(3, ev.NextHopChanged(ROUTER6, NextHop("bb0", LINK_LOCAL)))
    assert {prefix.version for prefix in lab[3].kernel} == {4}
    lab.do(2, ev.LinkLocalsListed(frozenset({LINK_LOCAL})))
    lab.wait(constants.DIRECT_PAUSE)
    assert lab[3].objects[id_of(1), 6] == NextHop("bb0", LINK_LOCAL)
    assert {prefix.version for prefix in lab[3].kernel} == {4, 6}
    lab.do(2, ev.LinkLocalsListed(frozenset()))
    assert {prefix.version for prefix in lab[3].kernel} == {4}


def test_gateway_of_a_node_whose_record_has_run_out_is_foreign() -> None:
    lab, _ = with_alice(3, announced=False)
    lab.do(3, ev.NextHopChanged(AP1, NextHop("bb0", AP2)))
    assert lab[3].objects[id_of(1), 4] == NextHop("bb0", AP2)
    effects = lab.do(3, ev.UpdatesReceived(2, (Update(9, 600, node_key(id_of(2)), b""),)))
    assert do.RemoveNextHop(id_of(1), 4) in effects


def test_no_way_leads_out_of_an_interface_of_stations() -> None:
    """A peer names a station's address as a router's: no packet goes there that is not the station's."""
    lab, _ = with_alice()
    lab.do(2, ev.NextHopChanged(AP1, NextHop("wlan0", None)))
    assert (id_of(1), 4) not in lab[2].objects


def test_addresses_are_ours_as_long_as_one_datum_says_so() -> None:
    gateways = Gateways()
    assert gateways.said(b"a", [AP1, AP2]) == {AP1, AP2}
    assert gateways.said(b"b", [AP1]) == set()
    assert gateways.said(b"a", [AP3]) == {AP2, AP3}
    assert [address in gateways for address in (AP1, AP2, AP3)] == [True, False, True]
    assert gateways.said(b"b", []) == {AP1}
    assert AP1 not in gateways
    assert gateways.said(b"b", []) == set()


# -- packets in flight: the demoted route


def test_old_node_drops_for_a_second_and_does_not_send_back_to_a_router_that_believes_in_it() -> None:
    lab, address = with_alice()
    lab.do(1, ev.NextHopChanged(AP2, NextHop("bb0", FOREIGN)))
    lab.join(2, ALICE)
    assert lab[1].kernel[address] == Route(address, RouteKind.DEMOTED, NextHop("wlan0", None))
    lab.wait(constants.DEMOTED_BLIND_TIME - 0.1)
    assert lab[1].kernel[address].next_hop == NextHop("wlan0", None)
    lab.wait(0.2)
    assert lab[1].kernel[address] == Route(address, RouteKind.DEMOTED, NextHop("bb0", FOREIGN))
    lab.wait(constants.DEMOTED_TIME)
    assert kinds(lab, 1) == ["DIRECT", "DIRECT"]
    assert lab[1].objects[id_of(2), 4] == NextHop("bb0", FOREIGN)


def test_old_node_forwards_as_soon_as_the_way_is_safe() -> None:
    lab, address = with_alice()
    lab.do(1, ev.NextHopChanged(AP2, NextHop("bb0", FOREIGN)))
    lab.join(2, ALICE)
    lab.wait(0.2)
    lab.do(1, ev.NextHopChanged(AP2, NextHop("bb0", AP2)))
    assert lab[1].kernel[address] == Route(address, RouteKind.DEMOTED, NextHop("bb0", AP2))


def test_links_that_arrive_make_the_demoted_route_forward() -> None:
    lab, _ = with_alice(3)
    prefix = next(prefix for prefix in lab[1].kernel if prefix.version == 6)
    lab.do(1, ev.NextHopChanged(IPv6Address("fd00:255::2"), NextHop("bb0", LINK_LOCAL)))
    lab.join(2, ALICE)
    assert lab[1].kernel[prefix].next_hop == NextHop("wlan0", None)
    lab.do(1, ev.UpdatesReceived(2, (links(3, LINK_LOCAL),)))
    assert lab[1].kernel[prefix].next_hop == NextHop("bb0", LINK_LOCAL)


def test_way_that_becomes_foreign_loses_what_is_in_flight_for_the_blind_time() -> None:
    lab, address = with_alice()
    lab.join(2, ALICE)
    lab.do(1, ev.NextHopChanged(AP2, NextHop("bb0", FOREIGN)))
    assert lab[1].kernel[address].next_hop == NextHop("wlan0", None)
    lab.wait(constants.DEMOTED_BLIND_TIME)
    assert lab[1].kernel[address].next_hop == NextHop("bb0", FOREIGN)


# -- what a node says of its own links


def test_links_are_published_once_refreshed_and_taken_back() -> None:
    lab = Lab(2)
    key = links_key(id_of(1))
    lab.do(1, ev.LinkLocalsListed(frozenset({LINK_LOCAL})))
    held = lab[2].node.database.live(key, lab.now)
    assert held is not None
    assert held.value == LINK_LOCAL.packed
    assert lab.do(1, ev.LinkLocalsListed(frozenset({LINK_LOCAL}))) == []
    lab.wait(3 * constants.NODE_LIFE)
    assert lab[2].node.database.live(key, lab.now) is not None
    lab.do(1, ev.LinkLocalsListed(frozenset()))
    taken_back = lab[2].node.database.live(key, lab.now)
    assert taken_back is not None
    assert taken_back.value == b""


def test_node_without_links_says_nothing_of_them() -> None:
    lab = Lab(2)
    assert lab.do(1, ev.LinkLocalsListed(frozenset())) == []
    lab.wait(2 * constants.NODE_LIFE)
    assert lab[2].node.database.get(links_key(id_of(1))) is None


@pytest.mark.parametrize("known", [True, False])
def test_links_of_a_former_self_are_corrected_once_the_own_ones_are_known(known: bool) -> None:
    lab = Lab(2)
    if known:
        lab.do(1, ev.LinkLocalsListed(frozenset({LINK_LOCAL})))
    lab.do(1, ev.UpdatesReceived(2, (links(1, IPv6Address("fe80::bad"), seqno=9),)))
    if not known:
        lab.do(1, ev.LinkLocalsListed(frozenset({LINK_LOCAL})))
    held = lab[2].node.database.live(links_key(id_of(1)), lab.now)
    assert held is not None
    assert held.value == LINK_LOCAL.packed
    assert lab[1].node.own_record.twin(lab.now) is None
