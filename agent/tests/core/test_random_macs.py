"""C22: 10,000 stations a day, each with a MAC of chance that never comes back. What they had is given to the next ones,
first what nobody has had for longest, and never before what its station was told is over.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from random import Random

import pytest

from sroamd import constants
from sroamd.addresses import Mac
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.wire.datum import IPV4_LEASE, IPV6_LEASE, ipv4_lease_key
from sroamd.wire.dhcpv4 import MessageType
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, Lab, mac
from tests.core.messages import discover, select

DAY = 86400.0
EVERY = DAY / 10_000
STAY = 300.0
POOL = IPv4Network("198.18.0.0/22")
PREFIXES = IPv6Network("2001:db8:44::/56")


class Crowd:
    """Strangers come to one node, ask for an address, and leave. `told_until`: until when each place was promised."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.rng = Random(1)
        self.here: list[tuple[float, Mac]] = []
        self.told_until: dict[object, float] = {}
        self.early: list[object] = []  # given to another before that
        self.without: dict[int, int] = {IPV4_LEASE: 0, IPV6_LEASE: 0}

    def come(self, number: int) -> None:
        for _ in range(number):
            self.lab.wait(EVERY)
            while self.here and self.here[0][0] <= self.lab.now:
                self.lab.leave(1, self.here.pop(0)[1])
            self.one()

    def one(self) -> None:
        station = Mac(bytes((2,)) + self.rng.randbytes(5))
        self.lab[1].forget()
        self.lab.join(1, station)
        self.here.append((self.lab.now + STAY, station))
        offers = self.lab.dhcp(1, discover(station))
        for offer in offers:
            self.lab.dhcp(1, select(station, offer.message.yiaddr, self.lab[1].config.network.ipv4_gateway))
        self.lab.wait(constants.ANNOUNCE_AT[-1])
        self.look(station)

    def look(self, station: Mac) -> None:
        now = self.lab.now
        acks = [sent.message for sent in self.lab[1].replies(MessageType.ACK)]
        told = [sent.advertisement for sent in self.lab[1].all(do.SendRouterAdvertisement) if sent.station == station]
        self.without[IPV4_LEASE] += not acks
        self.without[IPV6_LEASE] += not told
        promises: dict[object, float] = {ack.yiaddr: float(ack.lease_time or 0) for ack in acks}
        promises |= {each.prefix: float(each.valid) for one in told for each in one.prefixes}
        for place, life in promises.items():
            if self.told_until.get(place, 0.0) > now:
                self.early.append(place)
            self.told_until[place] = now + life


def crowd(pool: IPv4Network = POOL, **ra: int) -> Crowd:
    lab = Lab(pool=pool)
    lab[1].config = replace(
        lab[1].config,
        network=replace(lab[1].config.network, ipv6_prefix=PREFIXES),
        ra=replace(lab[1].config.ra, **ra),
    )
    lab.do(1, ev.ConfigReloaded(lab[1].config))
    return Crowd(lab)


@pytest.mark.conformance("c22")
def test_c22_a_24_and_a_56_with_short_lifetimes_serve_random_macs_at_10000_a_day() -> None:
    """As long as it takes until all places have been given out twice. Each is promised until its lifetime is over."""
    strangers = crowd(
        IPv4Network("198.18.0.0/24"), interval=500, router_lifetime=1800, preferred_lifetime=1200, valid_lifetime=1500
    )
    strangers.come(600)
    assert strangers.without == {IPV4_LEASE: 0, IPV6_LEASE: 0}
    assert strangers.early == []
    assert len(strangers.told_until) > (253 + 256) * 0.95
    assert len(strangers.lab[1].node.database) < 253 + 256 + 200


@pytest.mark.conformance("c22")
def test_c22_a_56_with_two_hours_is_exhausted_and_says_so_before() -> None:
    strangers = crowd()
    strangers.come(256 - 256 // 10)  # as many as are left without a warning
    assert strangers.without[IPV6_LEASE] == 0
    notes = []
    for _ in range(100):
        strangers.come(1)
        notes += [
            (note.level, strangers.without[IPV6_LEASE]) for note in strangers.lab[1].all(do.Note) if "pool" in note.text
        ]
    assert notes[0] == (do.Level.WARNING, 0)
    assert (do.Level.ERROR, 1) in notes
    assert strangers.without[IPV4_LEASE] == 0
    assert strangers.early == []


@pytest.mark.parametrize("kind", [IPV4_LEASE, IPV6_LEASE])
def test_what_nobody_has_had_for_longest_is_given_first(kind: int) -> None:
    """Everything has been somebody's: new stations get of the half that is unused for longest, mostly of its half."""
    lab = crowd().lab
    vacancies = lab[1].node.leases.vacancies[kind]
    keys = [vacancies.pool.key_of(number) for number in vacancies.pool.numbers]
    Random(7).shuffle(keys)
    ended = {}
    for number, key in enumerate(keys):
        lab[1].node.database.merge(Update(0, 60, key, bytes(mac(number))), lab.now)
        ended[key] = lab.now + 60
        lab.wait(5)
    lab.wait(120)
    leases, quarter, half = lab[1].node.leases, *(sorted(ended.values())[len(ended) // each] for each in (4, 2))
    given = []
    for number in range(100):
        if kind == IPV4_LEASE:
            address = leases.choose_address(mac(10_000 + number), None, lab.now)
            assert address is not None
            chosen = ipv4_lease_key(address)
        else:
            prefix = leases.choose_prefix(mac(10_000 + number), lab.now)
            assert prefix is not None
            chosen = bytes((IPV6_LEASE,)) + prefix.network_address.packed[:8]
        given.append(ended[chosen])
    assert max(given) <= half
    assert sum(each <= quarter for each in given) >= 90


def test_what_was_never_anybodys_goes_before_all_else() -> None:
    lab = Lab(pool=IPv4Network("192.0.2.0/24"))
    never = [each for number, each in enumerate(lab[1].config.network.ipv4_prefix.hosts()) if number % 4 == 3]
    for number, address in enumerate(lab[1].config.network.ipv4_prefix.hosts()):
        if address not in never:
            lab[1].node.database.merge(Update(0, 60, ipv4_lease_key(address), bytes(mac(number))), lab.now)
    lab.wait(5 * DAY)
    for number in range(60):
        assert lab[1].node.leases.choose_address(mac(1000 + number), None, lab.now) in never


def test_nodes_whose_copies_end_some_seconds_apart_choose_alike_mostly() -> None:
    """A copy of a lease ends HOP_COST sooner at each hop, and up to SLACK later than another."""
    labs = Lab(pool=POOL), Lab(pool=POOL)
    rng = Random(3)
    for number, address in enumerate(POOL.hosts()):
        life = rng.randint(60, 20_000)
        for skew, lab in zip((0, 3), labs, strict=True):
            lab[1].node.database.merge(Update(0, life - skew, ipv4_lease_key(address), bytes(mac(number))), lab.now)
    for lab in labs:
        lab.wait(20_000 + constants.LEASE_GRACE)
    chosen = [[lab[1].node.leases.choose_address(mac(5_000 + n), None, lab.now) for lab in labs] for n in range(200)]
    assert sum(one == other for one, other in chosen) >= 190


def test_operators_choose_when_they_are_warned() -> None:
    lab = Lab(pool=IPv4Network("192.0.2.0/24"))
    lab[1].config = replace(lab[1].config, network=replace(lab[1].config.network, pool_alarm=50))
    lab.do(1, ev.ConfigReloaded(lab[1].config))
    for number in range(130):
        lab.join(1, mac(number))
        lab.lease(1, mac(number))
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    (warning,) = {note.text for note in lab[1].all(do.Note) if note.level is do.Level.WARNING}
    assert warning == "the pool 192.0.2.0/24 is nearly exhausted: 126 of 253 are left"
