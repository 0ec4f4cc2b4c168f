"""Which address and which /64 a station gets: section 3.5 of the design, RFC 2131 section 4.3.1."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sroamd import constants
from sroamd.addresses import NO_MAC, Mac
from sroamd.core.pools import Pool
from sroamd.wire.datum import ipv4_lease_key, ipv6_lease_key
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, BOB, CAROL, POOL, POOL6, Lab, mac

SMALL = IPv4Network("192.0.2.0/29")  # five addresses for stations
macs = st.binary(min_size=6, max_size=6).map(Mac)


def choose(lab: Lab, station: Mac, requested: str | None = None) -> IPv4Address | None:
    return lab[1].node.leases.choose_address(station, requested and IPv4Address(requested), lab.now)


def give(lab: Lab, address: str, station: Mac, life: float = 1800, seqno: int = 0) -> None:
    lab[1].node.database.merge(Update(seqno, int(life), ipv4_lease_key(IPv4Address(address)), bytes(station)), lab.now)


@given(macs, st.sampled_from((29, 24, 20)))
@settings(max_examples=50, deadline=None)
def test_walk_meets_every_place_once(station: Mac, length: int) -> None:
    network = IPv4Network((POOL.network_address, length), strict=False)
    walk = Pool.of(network).walk(station)
    assert sorted(walk) == list(range(network.num_addresses))
    assert [walk.number_of(place) for place in walk] == list(range(network.num_addresses))


def test_stations_are_spread_over_the_pool() -> None:
    lab = Lab()
    first = {choose(lab, mac(number)) for number in range(100)}
    assert len(first) > 75  # of 100 balls in 253 bins, about 83 are hit


def test_two_nodes_choose_alike_for_one_station() -> None:
    one, other = Lab(), Lab(2)
    for number in range(20):
        station = mac(number)
        assert choose(one, station) == choose(other, station) is not None
        prefixes = {lab[1].node.leases.choose_prefix(station, lab.now) for lab in (one, other)}
        assert len(prefixes) == 1


@pytest.mark.conformance("r2131_431_pool")
def test_network_broadcast_gateway_and_excluded_are_never_given() -> None:
    lab = Lab(pool=SMALL, exclude=(IPv4Network("192.0.2.4/31"),))
    given_out = set()
    for number in range(20):
        address = choose(lab, mac(number))
        if address is not None:
            give(lab, str(address), mac(number))
            given_out.add(str(address))
    assert given_out == {"192.0.2.2", "192.0.2.3", "192.0.2.6"}


def test_whole_pool_can_be_given_then_it_is_exhausted() -> None:
    lab = Lab()
    holders = {}
    for number in range(253):
        address = choose(lab, mac(number))
        assert address is not None
        assert address not in holders
        holders[address] = number
        give(lab, str(address), mac(number))
    assert choose(lab, mac(253)) is None
    assert choose(lab, mac(253), "192.0.2.77") is None


@pytest.mark.spec("RFC 2131", "4.3.1")
def test_own_living_address_comes_first() -> None:
    lab = Lab()
    give(lab, "192.0.2.77", ALICE)
    assert choose(lab, ALICE) == IPv4Address("192.0.2.77")
    assert choose(lab, ALICE, "192.0.2.99") == IPv4Address("192.0.2.77")


def test_of_two_own_addresses_the_requested_or_the_lowest() -> None:
    lab = Lab()
    give(lab, "192.0.2.90", ALICE)
    give(lab, "192.0.2.77", ALICE)
    assert choose(lab, ALICE) == IPv4Address("192.0.2.77")
    assert choose(lab, ALICE, "192.0.2.90") == IPv4Address("192.0.2.90")
    assert lab[1].node.leases.address_of(ALICE, lab.now) == IPv4Address("192.0.2.77")


def test_own_lease_goes_before_an_offer_of_a_node_that_it_passed_by() -> None:
    lab = Lab()
    give(lab, "192.0.2.90", ALICE)
    give(lab, "192.0.2.77", ALICE, life=constants.OFFER_LIFE - 1)
    assert choose(lab, ALICE) == IPv4Address("192.0.2.90")
    lab.wait(1800)
    assert choose(lab, ALICE) == IPv4Address("192.0.2.77")


def test_own_former_address_is_kept() -> None:
    lab = Lab()
    give(lab, "192.0.2.77", ALICE, life=60)
    lab.wait(6 * 86400)
    assert choose(lab, ALICE) == IPv4Address("192.0.2.77")
    assert lab[1].node.leases.address_of(ALICE, lab.now) is None


def test_living_address_goes_before_a_former_one() -> None:
    lab = Lab()
    give(lab, "192.0.2.77", ALICE, life=60)
    lab.wait(100)
    give(lab, "192.0.2.90", ALICE)
    assert choose(lab, ALICE, "192.0.2.77") == IPv4Address("192.0.2.90")


@pytest.mark.spec("RFC 2131", "4.3.1")
def test_requested_address_is_given_when_free() -> None:
    assert choose(Lab(), ALICE, "192.0.2.99") == IPv4Address("192.0.2.99")


@pytest.mark.parametrize("requested", ["192.0.2.0", "192.0.2.1", "192.0.2.255", "198.51.100.7", "0.0.0.0"])
def test_requested_address_that_is_not_in_the_pool_is_not_given(requested: str) -> None:
    lab = Lab()
    assert choose(lab, ALICE, requested) == choose(lab, ALICE)


def test_address_of_another_is_never_given() -> None:
    """Defect L1 of the C daemon: 120 stations in a /24 got 25 duplicates."""
    lab = Lab()
    first = choose(lab, ALICE)
    give(lab, str(first), BOB)
    assert choose(lab, ALICE) not in (first, None)
    assert choose(lab, ALICE, str(first)) != first


# -- when an expired address is free


def test_expired_address_is_free_after_the_grace_only() -> None:
    lab = Lab()
    give(lab, "192.0.2.99", BOB, life=60)
    lab.wait(60 + constants.LEASE_GRACE - 1)
    assert choose(lab, ALICE, "192.0.2.99") != IPv4Address("192.0.2.99")
    lab.wait(1)
    assert choose(lab, ALICE, "192.0.2.99") == IPv4Address("192.0.2.99")


def test_expired_address_stays_with_a_holder_that_is_somewhere() -> None:
    lab = Lab(2)
    lab.join(2, BOB)
    give(lab, "192.0.2.99", BOB, life=60)
    lab.wait(1000)
    assert choose(lab, ALICE, "192.0.2.99") != IPv4Address("192.0.2.99")
    lab.leave(2, BOB)
    assert choose(lab, ALICE, "192.0.2.99") == IPv4Address("192.0.2.99")


@pytest.mark.conformance("r2131_431_pool")
def test_declined_address_is_free_after_its_quarantine() -> None:
    lab = Lab()
    give(lab, "192.0.2.99", NO_MAC, life=constants.DECLINE_LIFE)
    lab.wait(constants.DECLINE_LIFE)
    assert choose(lab, ALICE, "192.0.2.99") != IPv4Address("192.0.2.99")
    lab.wait(constants.LEASE_GRACE)
    assert choose(lab, ALICE, "192.0.2.99") == IPv4Address("192.0.2.99")


def test_lease_outside_the_pool_is_not_chosen_again() -> None:
    """The pool has been changed: the station gets a new address instead of its own."""
    lab = Lab()
    give(lab, "198.51.100.7", ALICE)
    address = choose(lab, ALICE)
    assert address is not None
    assert address in POOL


# -- prefixes


def prefix_of(lab: Lab, station: Mac) -> IPv6Network | None:
    return lab[1].node.leases.choose_prefix(station, lab.now)


def hold(lab: Lab, prefix: IPv6Network, station: Mac, life: int = 14400) -> None:
    lab[1].node.database.merge(Update(0, life, ipv6_lease_key(prefix), bytes(station)), lab.now)


def test_prefixes_are_64s_of_the_network_and_differ() -> None:
    lab = Lab()
    prefixes = set()
    for number in range(300):
        prefix = prefix_of(lab, mac(number))
        assert prefix is not None
        assert (prefix.prefixlen, prefix.subnet_of(POOL6)) == (64, True)
        hold(lab, prefix, mac(number))
        prefixes.add(prefix)
    assert len(prefixes) == 300


def test_own_prefix_is_kept_living_or_former() -> None:
    lab = Lab()
    odd = IPv6Network("2001:db8:44:abc::/64")
    hold(lab, odd, ALICE, life=60)
    assert prefix_of(lab, ALICE) == odd
    lab.wait(86400)
    assert prefix_of(lab, ALICE) == odd


@pytest.mark.conformance("r8273_5_nud")
def test_prefix_of_another_is_never_given_and_free_after_expiry_and_grace() -> None:
    lab = Lab()
    first = prefix_of(lab, ALICE)
    assert first is not None
    hold(lab, first, BOB, life=60)
    lab.wait(60 + constants.LEASE_GRACE - 1)
    assert prefix_of(lab, ALICE) not in (first, None)
    assert not lab[1].node.leases.is_free(ipv6_lease_key(first), ALICE, lab.now)
    lab.wait(1)
    assert lab[1].node.leases.is_free(ipv6_lease_key(first), ALICE, lab.now)


def test_prefix_of_another_network_is_not_chosen_again() -> None:
    lab = Lab()
    hold(lab, IPv6Network("2001:db8:99:1::/64"), CAROL)
    prefix = prefix_of(lab, CAROL)
    assert prefix is not None
    assert prefix.subnet_of(POOL6)
