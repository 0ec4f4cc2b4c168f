"""What a node gives out while other nodes are cut off: each side prefers a part of the pool of its own."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Network

import pytest

from sroamd import constants
from sroamd.addresses import Mac, NodeId
from sroamd.core import events as ev
from sroamd.core.pools import Pool
from sroamd.core.ring import Ring
from sroamd.core.values import NextHop
from sroamd.wire.datum import ipv4_lease_key, ipv6_lease_key, node_key
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, POOL, POOL6, Lab, id_of, mac, routers_of

SIDES = ((1, 2), (3, 4))


def set_reachable(lab: Lab, pairs: list[tuple[int, int]], reachable: bool) -> None:
    """Babel has found (or lost) the way between the two of each pair."""
    for one, other in pairs:
        for here, there in ((one, other), (other, one)):
            for address in sorted(routers_of(lab[there].config), key=str):
                lab.do(here, ev.NextHopChanged(address, NextHop("bb0", address) if reachable else None))


def across() -> list[tuple[int, int]]:
    return [(one, other) for one in SIDES[0] for other in SIDES[1]]


def halves() -> Lab:
    """Four nodes in a line that know of each other, then cut into two and two."""
    lab = Lab(4)
    lab.wait(1)
    lab.cut(2, 3)
    set_reachable(lab, across(), False)
    return lab


def address(lab: Lab, number: int, station: Mac, requested: str | None = None) -> IPv4Address:
    wish = None if requested is None else IPv4Address(requested)
    found = lab[number].node.leases.choose_address(station, wish, lab.now)
    assert found is not None
    return found


def prefix(lab: Lab, number: int, station: Mac) -> IPv6Network:
    found = lab[number].node.leases.choose_prefix(station, lab.now)
    assert found is not None
    return found


def hold(lab: Lab, number: int, key: bytes, station: Mac, life: int = 1800) -> None:
    lab[number].node.database.merge(Update(0, life, key, bytes(station)), lab.now)


def first_of_walk(station: Mac) -> IPv4Address:
    places = (POOL[place] for place in Pool.of(POOL).walk(station))
    return next(each for each in places if each not in (POOL[0], POOL[1], POOL[-1]))


def test_with_all_nodes_in_reach_the_plain_order_decides_everywhere() -> None:
    lab = Lab(4)
    for number in range(50):
        assert {address(lab, each, mac(number)) for each in (1, 2, 3, 4)} == {first_of_walk(mac(number))}


def test_nodes_of_one_side_choose_alike() -> None:
    lab = halves()
    for number in range(50):
        for one, other in SIDES:
            assert address(lab, one, mac(number)) == address(lab, other, mac(number))
            assert prefix(lab, one, mac(number)) == prefix(lab, other, mac(number))


def test_new_stations_on_both_sides_get_different_addresses_and_prefixes() -> None:
    """In a /24, sixty on each side; by the plain order some fourteen pairs would meet."""
    lab = halves()
    addresses, prefixes = set(), set()
    for number in range(120):
        node = SIDES[number % 2][0]
        chosen, half = address(lab, node, mac(number)), prefix(lab, node, mac(number))
        hold(lab, node, ipv4_lease_key(chosen), mac(number))
        hold(lab, node, ipv6_lease_key(half), mac(number))
        addresses.add(chosen)
        prefixes.add(half)
    assert len(addresses) == len(prefixes) == 120
    assert len({first_of_walk(mac(number)) for number in range(120)}) < 110


def test_side_whose_part_is_used_up_goes_on_with_the_rest() -> None:
    lab = halves()
    given = set()
    for number in range(253):
        given.add(chosen := address(lab, 1, mac(number)))
        hold(lab, 1, ipv4_lease_key(chosen), mac(number))
    assert len(given) == 253


def test_node_that_is_alone_still_finds_a_part_of_its_own() -> None:
    lab = halves()
    set_reachable(lab, [(1, 2)], False)
    alone = {address(lab, 1, mac(number)) for number in range(40)}
    others = {address(lab, 3, mac(number)) for number in range(40, 80)}
    assert not alone & others


def test_sides_still_differ_long_after_their_records_have_run_out() -> None:
    lab = halves()
    lab.wait(6 * 3600)
    assert len(lab[1].node.nodes.records) == 1
    assert not {address(lab, 1, mac(n)) for n in range(40)} & {address(lab, 3, mac(n)) for n in range(40, 80)}


def test_plain_order_is_back_with_the_other_nodes() -> None:
    lab = halves()
    set_reachable(lab, across(), True)
    assert all(address(lab, 1, mac(number)) == first_of_walk(mac(number)) for number in range(50))


def test_node_that_is_gone_for_good_is_forgotten_and_its_part_with_it() -> None:
    lab = halves()
    withdrawn = [Update(9, constants.NODE_LIFE, node_key(id_of(number)), b"") for number in SIDES[1]]
    lab.do(1, ev.UpdatesReceived(2, tuple(withdrawn)))
    assert all(address(lab, 1, mac(number)) == first_of_walk(mac(number)) for number in range(50))


def test_what_another_station_had_is_given_last_while_its_node_may_be_cut_off() -> None:
    """It may live there, and be renewed there, for all that is known here."""
    lab = halves()
    had = [POOL[number] for number in range(2, 255) if number % 8]
    for number, each in enumerate(had):  # of several, for one station can have only so many
        hold(lab, 1, ipv4_lease_key(each), mac(1000 + number // 32), life=60)
    lab.wait(60 + constants.LEASE_GRACE)
    wish = first_of_walk(ALICE)
    assert wish in had
    assert address(lab, 1, ALICE) not in had
    assert address(lab, 1, ALICE, str(wish)) not in had
    set_reachable(lab, across(), True)
    assert address(lab, 1, ALICE, str(wish)) == wish


def test_wish_is_granted_only_in_the_part_of_this_side() -> None:
    lab = halves()
    granted = [str(each) for each in POOL.hosts() if str(address(lab, 1, ALICE, str(each))) == str(each)]
    there = [str(each) for each in POOL.hosts() if str(address(lab, 3, ALICE, str(each))) == str(each)]
    assert not set(granted) & set(there)
    assert len(granted) + len(there) == 253


def test_station_keeps_what_it_has_whosever_part_that_is_in() -> None:
    lab = halves()
    for number, each in enumerate(POOL.hosts()):
        if each != POOL[1]:
            station = mac(1000 + number // 32)  # one can have only so many
            hold(lab, 1, ipv4_lease_key(each), station)
            assert address(lab, 1, station, str(each)) == each


# -- the ring


@pytest.mark.parametrize("count", [1, 2, 10, 300])
def test_every_node_has_a_part_of_about_its_share(count: int) -> None:
    ring = Ring(NodeId(number.to_bytes(8, "big")) for number in range(count))
    owners = [ring.owner(Pool.of(POOL6).key(place)) for place in range(0, 1 << 16, 3)]
    shares = [owners.count(owner) * count / len(owners) for owner in set(owners)]
    assert len(shares) == count
    assert max(shares) < 2.2
    assert min(shares) > 0.3


def test_ring_does_not_depend_on_the_order_in_which_nodes_became_known() -> None:
    ids = [id_of(number) for number in range(20)]
    one, other = Ring(ids), Ring(reversed(ids))
    assert all(one.owner(Pool.of(POOL).key(place)) == other.owner(Pool.of(POOL).key(place)) for place in range(256))


def test_node_more_takes_only_its_own_share() -> None:
    before, after = Ring(id_of(number) for number in range(20)), Ring(id_of(number) for number in range(21))
    keys = [Pool.of(POOL6).key(place) for place in range(5000)]
    moved = [key for key in keys if before.owner(key) != after.owner(key)]
    assert {after.owner(key) for key in moved} == {id_of(20)}
    assert 0 < len(moved) < 5000 * 3 / 21
