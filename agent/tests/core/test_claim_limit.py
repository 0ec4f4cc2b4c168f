"""How often a station's association may change: the account of every node, and stations that never stop moving."""

from __future__ import annotations

import pytest

from sroamd import constants
from sroamd.addresses import Mac
from sroamd.core import effects as do
from sroamd.core.claim_limit import ClaimLimit
from sroamd.core.memory import SPARE
from sroamd.core.seqno import HALF, MODULUS
from tests.core.claims import claim, hears, owners, seqno_of
from tests.core.harness import ALICE, Lab, id_of, mac

INTERVAL = 1 / constants.CLAIM_RATE


def made_in(seconds: float, step: float = 0.01) -> int:
    """Versions that one node makes if it wants one at every step."""
    limit, seqno = ClaimLimit(), 0
    for number in range(int(seconds / step)):
        now = number * step
        if limit.ready_at(ALICE, now) <= now:
            seqno += 1
            limit.saw(ALICE, seqno, now)
    return seqno


def test_burst_then_the_rate() -> None:
    assert made_in(0.001, 0.0001) == constants.CLAIM_BURST
    assert made_in(100) == pytest.approx(constants.CLAIM_BURST + 100 * constants.CLAIM_RATE, abs=2)


def test_versions_that_can_meet_lie_less_than_half_the_ring_apart() -> None:
    longest = constants.ASSOCIATION_LIFE + constants.ASSOCIATION_HOLD
    assert longest * constants.CLAIM_RATE + constants.CLAIM_BURST < HALF


def test_wait_is_never_longer_than_one_token_takes() -> None:
    limit = ClaimLimit()
    for seqno in range(1000):
        limit.saw(ALICE, seqno, 5.0)
    assert limit.ready_at(ALICE, 5.0) - 5.0 == pytest.approx(INTERVAL)


def test_version_is_paid_for_once_however_often_it_is_seen() -> None:
    limit = ClaimLimit()
    for _ in range(100):
        limit.saw(ALICE, 7, 5.0)
    assert limit.ready_at(ALICE, 5.0) == 5.0


def test_versions_that_were_passed_over_are_paid_for_too_also_where_the_seqno_wraps() -> None:
    limit = ClaimLimit()
    limit.saw(ALICE, MODULUS - 2, 5.0)
    limit.saw(ALICE, 3, 5.0)  # 65535, 0, 1 and 2 were never seen
    assert limit.ready_at(ALICE, 5.0, keep=2) > 5.0
    assert limit.ready_at(ALICE, 5.0, keep=1) == 5.0


def test_withdrawal_leaves_tokens_for_claims() -> None:
    limit = ClaimLimit()
    for seqno in range(constants.CLAIM_BURST - constants.CLAIM_RESERVE):
        assert limit.ready_at(ALICE, 5.0, keep=constants.CLAIM_RESERVE) == 5.0
        limit.saw(ALICE, seqno, 5.0)
    assert limit.ready_at(ALICE, 5.0, keep=constants.CLAIM_RESERVE) > 5.0
    assert limit.ready_at(ALICE, 5.0) == 5.0


def test_who_moved_long_ago_takes_no_memory() -> None:
    limit = ClaimLimit()
    for number in range(10 * SPARE):
        limit.saw(Mac(bytes((2, 0)) + number.to_bytes(4, "big")), 1, number / 10)
    assert len(limit) <= 2 * SPARE


# -- a node


def test_arrivals_beyond_the_limit_are_one_claim_when_there_is_a_token() -> None:
    lab = Lab(2)
    for _ in range(30):
        lab.join(1, ALICE)
    assert seqno_of(lab, 2) == constants.CLAIM_BURST - 1
    lab.wait(INTERVAL)
    assert seqno_of(lab, 2) == constants.CLAIM_BURST
    lab.wait(100)
    assert seqno_of(lab, 2) == constants.CLAIM_BURST
    assert owners(lab) == [id_of(1)] * 2


def test_claim_that_waits_is_given_up_by_who_has_left() -> None:
    lab = Lab(2)
    for _ in range(30):
        lab.join(1, ALICE)
    lab.leave(1, ALICE)
    lab.wait(10)
    assert owners(lab) == [b""] * 2
    assert seqno_of(lab, 2) == constants.CLAIM_BURST  # the withdrawal, and no claim


def test_claim_that_waits_is_older_than_one_that_arrives_so_the_station_is_asked() -> None:
    lab = Lab(2)
    for _ in range(30):
        lab.join(1, ALICE)
    del lab.really_at[ALICE]
    hears(lab, 1, claim(constants.CLAIM_BURST, 2))
    lab.wait(5)
    assert lab[1].owner(ALICE, lab.now) == id_of(2)
    assert lab[1].all(do.Disassociate) == [do.Disassociate("wlan0", ALICE)]


def test_versions_of_others_are_counted_too() -> None:
    lab = Lab(3)
    for number in range(constants.CLAIM_BURST):
        lab.join(1 + number % 2, ALICE)
    before = seqno_of(lab, 3)
    lab.join(3, ALICE)
    assert seqno_of(lab, 3) == before
    lab.wait(2 * INTERVAL)
    assert owners(lab) == [id_of(3)] * 3


def test_stations_have_each_their_own_account() -> None:
    lab = Lab(2)
    for _ in range(30):
        lab.join(1, ALICE)
    lab.join(1, mac(7))
    assert owners(lab, mac(7)) == [id_of(1)] * 2


# -- a station that bounces


def fleet(count: int) -> Lab:
    """Connected each with each; floods take 20 ms, answers 10 ms. Alice has her addresses."""
    lab = Lab(count, links=[(a, b) for a in range(1, count + 1) for b in range(a + 1, count + 1)])
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    lab.wait(10)
    lab.delay, lab.air = 0.02, 0.01
    return lab


def bounce(lab: Lab, count: int, last: int, *, seconds: float, every: float, explicit: bool) -> None:
    """From node to node, the last time to `last`."""
    rounds = int(seconds / every)
    for number in range(rounds):
        here, there = (last - 1 - rounds + number) % count + 1, (last - rounds + number) % count + 1
        if explicit:
            lab.leave(here, ALICE)
        lab.join(there, ALICE)
        lab.wait(every)


@pytest.mark.parametrize("explicit", [True, False], ids=["departures are noticed", "departures are not noticed"])
@pytest.mark.parametrize(
    ("count", "last", "every"), [(2, 1, 0.2), (2, 2, 0.2), (3, 1, 0.2), (3, 2, 0.13), (3, 3, 0.05)]
)
def test_station_that_bounced_for_a_minute_is_routed_where_it_stays_within_a_second(
    explicit: bool, count: int, last: int, every: float
) -> None:
    lab = fleet(count)
    before = seqno_of(lab, 1)
    bounce(lab, count, last, seconds=60, every=every, explicit=explicit)
    lab.wait(1 - every)
    assert owners(lab) == [id_of(last)] * count
    assert [bool(host.here()) for host in lab.hosts] == [number == last for number in range(1, count + 1)]
    assert (seqno_of(lab, 1) - before) % MODULUS <= 61 * constants.CLAIM_RATE + constants.CLAIM_BURST
    lab.wait(30)
    assert owners(lab) == [id_of(last)] * count
    assert {host.number for host in lab.hosts if ALICE in host.node.state.present} == {last}
    assert last not in [host.number for host in lab.hosts if host.all(do.Disassociate)]
