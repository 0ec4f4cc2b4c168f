"""Parts of the pool: what is given out of them, and what becomes of stations that have something else."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from sroamd import constants
from sroamd.core.pools import Pool
from sroamd.wire.datum import ipv4_lease_key
from tests.core.answers import kind_of
from tests.core.harness import ALICE, BOB, Lab, mac
from tests.core.messages import discover, init_reboot, renew, select
from tests.core.reloading import reload

FROM, TO = IPv4Address("192.0.2.100"), IPv4Address("192.0.2.119")


def within(address: IPv4Address) -> bool:
    return FROM <= address <= TO


def test_every_address_of_the_ranges_is_given_out_and_no_other() -> None:
    lab = Lab(ranges=((FROM, TO), (IPv4Address("192.0.2.7"), IPv4Address("192.0.2.8"))))
    given = set()
    for number in range(22):
        lab.join(1, mac(number))
        given.add(lab.lease(1, mac(number)))
    assert sorted(given) == [IPv4Address("192.0.2.7"), IPv4Address("192.0.2.8"), *(FROM + i for i in range(20))]
    lab.join(1, ALICE)
    assert lab.dhcp(1, discover(ALICE)) == []
    assert lab[1].node.counters["dhcp4.pool-exhausted"] == 1


def test_a_small_range_of_a_large_prefix_is_found_in_a_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    first = IPv4Address("10.1.2.3")
    lab = Lab(pool=IPv4Network("10.0.0.0/8"), ranges=((first, first + 999),))
    leases = lab[1].node.leases
    looks = []
    really = leases.is_free
    monkeypatch.setattr(leases, "is_free", lambda key, *rest: looks.append(key) or really(key, *rest))
    for number in range(500):
        looks.clear()
        address = leases.choose_address(mac(number), None, lab.now)
        assert address is not None
        assert first <= address <= first + 999
        assert len(looks) == 1
    pool = Pool.of(IPv4Network("10.0.0.0/8"), ((first, first + 999),))
    assert (pool.size, pool.numbers.size) == (1024, 1000)
    assert [pool.place(key) for key in map(pool.key, range(1000)) if key is not None] == list(range(1000))
    assert pool.key(1000) is None
    assert pool.place(ipv4_lease_key(first - 1)) is None


@pytest.mark.parametrize("change", ["range", "exclusion"])
def test_station_whose_address_is_no_longer_given_out_is_renumbered_when_it_asks_next(change: str) -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    old = lab.lease(1, ALICE)
    assert not within(old)
    if change == "range":
        reload(lab, ranges=((FROM, TO),))
    else:
        reload(lab, exclude=(IPv4Network(old),))
    assert lab[1].address(ALICE, lab.now) == old  # nothing is taken from it before
    assert old in [prefix.network_address for prefix in lab[1].here()]
    lab.join(2, ALICE)
    (nak,) = lab.dhcp(2, renew(ALICE, old))
    assert kind_of([nak]) == ["NAK"]
    new = lab.lease(2, ALICE)
    assert new != old
    lab.wait(30)
    assert [host.address(ALICE, lab.now) for host in lab.hosts] == [new, new]
    assert old not in [prefix.network_address for prefix in lab[2].here()]


def test_station_that_reboots_into_an_address_outside_is_refused() -> None:
    lab = Lab(ranges=((FROM, TO),))
    lab.join(1, ALICE)
    assert kind_of(lab.dhcp(1, init_reboot(ALICE, TO + 1))) == ["NAK"]
    assert kind_of(lab.dhcp(1, init_reboot(ALICE, TO))) == []


def test_nodes_of_one_configuration_choose_alike() -> None:
    one, other = Lab(ranges=((FROM, TO),)), Lab(2, ranges=((FROM, FROM + 9), (FROM + 10, TO)))
    for number in range(20):
        chosen = {lab[1].node.leases.choose_address(mac(number), None, lab.now) for lab in (one, other)}
        assert len(chosen) == 1


def test_an_address_outside_that_a_station_still_has_is_given_to_nobody() -> None:
    lab = Lab(1)
    lab.join(1, ALICE)
    lab.join(1, BOB)
    old = lab.lease(1, ALICE)
    reload(lab, ranges=((FROM, TO),))
    lab.leave(1, ALICE)
    lab.wait(1800 + constants.LEASE_GRACE + 1)
    (offer,) = lab.dhcp(1, discover(BOB, old))
    assert within(offer.message.yiaddr)
    assert kind_of(lab.dhcp(1, select(BOB, old))) == ["NAK"]
