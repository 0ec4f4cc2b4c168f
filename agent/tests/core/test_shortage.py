"""A pool that runs full: what it costs to find that nothing is left, and what operators are told."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from sroamd import constants
from sroamd.addresses import Mac
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.pools import Pool
from sroamd.wire.datum import association_key, ipv4_lease_key
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, BOB, Lab, id_of, mac
from tests.core.messages import discover, release

BIG = IPv4Network("198.18.0.0/18")
SMALL = IPv4Network("192.0.2.0/24")


def fill(lab: Lab, pool: IPv4Network, leaving: set[IPv4Address], life: int = 1800) -> None:
    """Every address of the pool but these is somebody's, as a peer says."""
    updates = [
        Update(0, life, ipv4_lease_key(each), bytes(Mac(b"\x02\x99" + each.packed)))
        for each in pool.hosts()
        if each != pool[1] and each not in leaving
    ]
    lab.do(1, ev.UpdatesReceived(2, tuple(updates)))


class Looks:
    """Counts how often a node asks whether a place is free."""

    def __init__(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number = 0
        leases = lab[1].node.leases
        really = leases.is_free

        def is_free(key: bytes, station: Mac, now: float) -> bool:
            self.number += 1
            return really(key, station, now)

        monkeypatch.setattr(leases, "is_free", is_free)


def choose(lab: Lab, station: Mac) -> IPv4Address | None:
    return lab[1].node.leases.choose_address(station, None, lab.now)


def test_discover_in_a_full_pool_of_16384_looks_at_little(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(2, pool=BIG)
    fill(lab, BIG, set())
    looks = Looks(lab, monkeypatch)
    assert choose(lab, ALICE) is None
    assert looks.number <= constants.WALK_STEPS
    looks.number = 0
    assert choose(lab, BOB) is None
    assert looks.number == 0


def test_last_addresses_of_a_pool_of_16384_are_found_in_the_order_of_the_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(2, pool=BIG)
    left = {BIG[number] for number in (77, 1100, 4711, 16000)}
    fill(lab, BIG, left)
    looks = Looks(lab, monkeypatch)
    choose(lab, ALICE)
    for number in range(20):
        looks.number = 0
        walk = Pool.of(BIG).walk(mac(number))
        assert choose(lab, mac(number)) == next(BIG[place] for place in walk if BIG[place] in left)
        assert looks.number <= len(left)


def test_address_that_becomes_free_in_a_full_pool_is_found() -> None:
    lab = Lab(2, pool=SMALL)
    fill(lab, SMALL, set())
    assert choose(lab, ALICE) is None
    lab.do(1, ev.UpdatesReceived(2, (Update(1, 10, ipv4_lease_key(SMALL[99]), bytes(BOB)),)))
    lab.wait(10)
    assert choose(lab, ALICE) is None  # its grace
    lab.wait(constants.LEASE_GRACE)
    assert choose(lab, ALICE) == SMALL[99]


def test_address_that_a_station_of_ours_releases_in_a_full_pool_is_found() -> None:
    lab = Lab(2, pool=SMALL)
    lab.join(1, BOB)
    mine = lab.lease(1, BOB)
    fill(lab, SMALL, {mine})
    assert choose(lab, ALICE) is None
    lab.dhcp(1, release(BOB, mine))
    lab.leave(1, BOB)
    lab.wait(constants.LEASE_GRACE)
    assert choose(lab, ALICE) == mine


def test_excluded_addresses_are_not_what_is_left() -> None:
    lab = Lab(2, pool=SMALL, exclude=(IPv4Network("192.0.0.0/16"),))
    assert choose(lab, ALICE) is None
    assert choose(lab, BOB) is None


def test_exclusion_that_ends_makes_room() -> None:
    lab = Lab(2, pool=SMALL, exclude=(SMALL,))
    assert choose(lab, ALICE) is None
    lab.do(1, ev.ConfigReloaded(replace(lab[1].config, dhcp4=replace(lab[1].config.dhcp4, exclude=()))))
    assert choose(lab, ALICE) is not None


def test_exhaustion_is_an_error_once_a_minute() -> None:
    lab = Lab(2, pool=SMALL)
    fill(lab, SMALL, set(), life=80000)
    for number in range(100):
        lab.join(1, mac(number))
        lab.do(1, ev.DhcpReceived("wlan0", mac(number), IPv4Address(0), discover(mac(number))))
    assert lab[1].node.counters["dhcp4.pool-exhausted"] == 100
    assert len(said(lab, do.Level.ERROR)) == 1
    lab.wait(constants.SHORTAGE_INTERVAL)
    lab.do(1, ev.DhcpReceived("wlan0", mac(0), IPv4Address(0), discover(mac(0))))
    assert len(said(lab, do.Level.ERROR)) == 2


def test_operators_are_warned_before_the_pool_is_full() -> None:
    lab = Lab(1, pool=SMALL)
    warned_at = None
    for number in range(253):
        lab.join(1, mac(number))
        lab.lease(1, mac(number))
        if warned_at is None and said(lab, do.Level.WARNING):
            warned_at = number
    assert warned_at is not None
    assert 225 <= warned_at < 250
    assert len(said(lab, do.Level.WARNING)) < 10
    assert said(lab, do.Level.ERROR) == []


def test_holder_that_is_somewhere_keeps_the_last_address() -> None:
    lab = Lab(2, pool=SMALL)
    fill(lab, SMALL, {SMALL[99]})
    lab.do(1, ev.UpdatesReceived(2, (Update(0, 5400, association_key(BOB), bytes(id_of(9))),)))
    lab.do(1, ev.UpdatesReceived(2, (Update(0, 10, ipv4_lease_key(SMALL[99]), bytes(BOB)),)))
    lab.wait(10 + constants.LEASE_GRACE)
    assert choose(lab, ALICE) is None
    lab.do(1, ev.UpdatesReceived(2, (Update(1, 600, association_key(BOB), b""),)))
    assert choose(lab, ALICE) == SMALL[99]


def said(lab: Lab, level: do.Level) -> list[str]:
    return [note.text for note in lab[1].all(do.Note) if note.level is level and "pool" in note.text]
