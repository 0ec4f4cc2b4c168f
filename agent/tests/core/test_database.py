"""Outcomes of the merge, lifetimes, expiry, memory: the rows of the design that are not laws."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

import pytest

from sroamd import constants
from sroamd.addresses import NO_MAC, NodeId
from sroamd.core.database import (
    Database,
    Datum,
    Inserted,
    Refreshed,
    Refused,
    Replaced,
    Same,
    Stale,
    hold_time,
    life_cap,
)
from sroamd.core.fingerprints import bucket_of
from sroamd.core.peering import to_update
from sroamd.wire.datum import ipv4_lease_key, links_key, node_key
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, BOB, id_of

LEASE = bytes((0, 192, 0, 2, 7))
PREFIX = bytes((1, 0x20, 1, 0xD, 0xB8, 0, 0x44, 0, 7))
CLAIM = bytes((2,)) + ALICE
NODE = bytes((128,)) + id_of(1)
ONE, TWO = bytes(id_of(1)), bytes(id_of(2))
FUTURE = b"\xc8what a later version floods"
NOW = 100.0


def test_first_version_is_inserted() -> None:
    database = Database()
    outcome = database.merge(Update(7, 100, CLAIM, ONE), NOW)
    assert outcome == Inserted(Datum(CLAIM, 7, ONE, NOW + 100))
    assert database.live(CLAIM, NOW) == Datum(CLAIM, 7, ONE, NOW + 100)


def test_newer_seqno_replaces() -> None:
    database = Database()
    database.merge(Update(7, 100, CLAIM, TWO), NOW)
    outcome = database.merge(Update(8, 100, CLAIM, ONE), NOW)
    assert isinstance(outcome, Replaced)
    assert (outcome.datum.value, outcome.old.value, outcome.tie) == (ONE, TWO, False)


def test_older_seqno_is_stale_and_changes_nothing() -> None:
    database = Database()
    database.merge(Update(8, 100, CLAIM, ONE), NOW)
    outcome = database.merge(Update(7, 5400, CLAIM, TWO), NOW)
    assert outcome == Stale(Datum(CLAIM, 8, ONE, NOW + 100), tie=False)


def test_tie_is_taken_over_completely() -> None:
    """Defect M1 of the C daemon: there the loser takes the winner's lifetime and keeps its own value."""
    database = Database()
    database.merge(Update(7, 5400, CLAIM, ONE), NOW)
    outcome = database.merge(Update(7, 60, CLAIM, TWO), NOW)
    assert isinstance(outcome, Replaced)
    assert outcome.tie
    assert database.get(CLAIM) == Datum(CLAIM, 7, TWO, NOW + 60)


def test_tie_ignores_lifetimes() -> None:
    """Defect M3: the value decides, on both sides alike, however long each has left."""
    database = Database()
    database.merge(Update(7, 60, CLAIM, TWO), NOW)
    outcome = database.merge(Update(7, 5400, CLAIM, ONE), NOW)
    assert isinstance(outcome, Stale)
    assert outcome.tie


def test_tombstone_loses_to_claim_at_equal_seqno_on_both_sides() -> None:
    """Counterexample CE2: an ordinary roam with an explicit departure; both nodes took seqno + 1."""
    old_ap, new_ap = Database(), Database()
    old_ap.merge(Update(1, 600, CLAIM, b""), NOW)
    new_ap.merge(Update(1, 5400, CLAIM, TWO), NOW)
    assert isinstance(old_ap.merge(Update(1, 5400, CLAIM, TWO), NOW), Replaced)
    assert isinstance(new_ap.merge(Update(1, 600, CLAIM, b""), NOW), Stale)
    assert old_ap.digest == new_ap.digest


@pytest.mark.parametrize(
    ("key", "value", "cap"),
    [
        (LEASE, ALICE, constants.LEASE_LIFE_MAX),
        (PREFIX, ALICE, constants.LEASE_LIFE_MAX),
        (CLAIM, ONE, constants.ASSOCIATION_LIFE),
        (NODE, b"", constants.NODE_LIFE),
        (FUTURE, b"anything", constants.ASSOCIATION_LIFE),
    ],
)
def test_lifetime_is_capped_by_type(key: bytes, value: bytes, cap: int) -> None:
    database = Database()
    database.merge(Update(7, 0xFFFFFFFF, key, value), NOW)
    datum = database.get(key)
    assert datum is not None
    assert datum.remaining(NOW) == cap == life_cap(key)


def test_unknown_key_with_lifetime_zero_does_not_come_back() -> None:
    database = Database()
    assert database.merge(Update(7, 0, CLAIM, ONE), NOW) == Same()
    assert database.get(CLAIM) is None


def test_newer_version_with_lifetime_zero_is_a_floor() -> None:
    """A released lease: no use to anybody, yet it beats the older version that others still send."""
    database = Database()
    database.merge(Update(7, 1800, LEASE, ALICE), NOW)
    assert isinstance(database.merge(Update(8, 0, LEASE, ALICE), NOW), Replaced)
    assert database.live(LEASE, NOW) is None
    assert isinstance(database.merge(Update(7, 1800, LEASE, ALICE), NOW), Stale)


# -- refresh of the same version


def test_same_version_with_more_life_within_slack_is_nothing_new() -> None:
    database = Database()
    database.merge(Update(7, 100, CLAIM, ONE), NOW)
    assert database.merge(Update(7, 100 + constants.SLACK, CLAIM, ONE), NOW) == Same()


def test_same_version_with_more_life_beyond_slack_is_a_refresh() -> None:
    """C nodes renew without a new seqno."""
    database = Database()
    database.merge(Update(7, 100, CLAIM, ONE), NOW)
    outcome = database.merge(Update(7, 101 + constants.SLACK, CLAIM, ONE), NOW)
    assert outcome == Refreshed(Datum(CLAIM, 7, ONE, NOW + 101 + constants.SLACK))


@pytest.mark.parametrize("travel", [0.0, 0.9, 29.0, 31.0, 45.0])
def test_echo_on_a_ring_ends(travel: float) -> None:
    """Defect M5 and counterexample CE8: one refresh goes round four nodes; `travel` is the time of one hop.

    A copy does not age while it travels, so it comes back with more life than is left. One second off per hop ends it.
    """
    ring = [Database() for _ in range(4)]
    for database in ring:
        database.merge(Update(7, 100, CLAIM, ONE), NOW)
    now, at, hops = NOW + 50, 0, 0
    update = Update(7, 4000, CLAIM, ONE)
    while isinstance(outcome := ring[at].merge(update, now), Refreshed | Replaced | Inserted):
        update = to_update(outcome.datum, now)
        at, hops, now = (at + 1) % 4, hops + 1, now + travel
        assert hops <= 4 * 4000, "the echo never ends"
    first_round_only = 4 * travel + 4 * constants.HOP_COST <= constants.SLACK
    assert hops == 4 if first_round_only else hops >= 4


def test_a_hop_costs_a_second_and_never_more_than_all() -> None:
    assert to_update(Datum(CLAIM, 7, ONE, NOW + 100.5), NOW) == Update(7, 99, CLAIM, ONE)
    assert to_update(Datum(CLAIM, 7, ONE, NOW + 0.5), NOW).lifetime == 0
    assert to_update(Datum(CLAIM, 7, ONE, NOW - 500), NOW).lifetime == 0


# -- own versions


def test_publish_goes_above_whatever_is_known() -> None:
    database = Database()
    assert database.publish(CLAIM, ONE, 60, NOW).seqno == 0
    database.merge(Update(41, 60, CLAIM, TWO), NOW)
    assert database.publish(CLAIM, ONE, 60, NOW) == Datum(CLAIM, 42, ONE, NOW + 60)


def test_publish_goes_above_an_expired_version_that_is_remembered() -> None:
    database = Database()
    database.merge(Update(41, 60, CLAIM, TWO), NOW)
    database.expire(CLAIM, NOW + 61)
    assert database.publish(CLAIM, ONE, 60, NOW + 61).seqno == 42


def test_publish_wraps_and_still_wins() -> None:
    database, peer = Database(), Database()
    for copy in (database, peer):
        copy.merge(Update(65535, 60, CLAIM, TWO), NOW)
    ours = database.publish(CLAIM, ONE, 60, NOW)
    assert ours.seqno == 0
    assert isinstance(peer.merge(Update(0, 60, CLAIM, ONE), NOW), Replaced)


# -- expiry, hold, forgetting


@pytest.mark.parametrize(("key", "value"), [(CLAIM, ONE), (LEASE, ALICE), (PREFIX, ALICE), (FUTURE, b"")])
def test_expired_datum_is_held_then_forgotten(key: bytes, value: bytes) -> None:
    database = Database()
    database.merge(Update(7, 60, key, value), NOW)
    assert database.expire(key, NOW + 59) == NOW + 60
    held_until = database.expire(key, NOW + 60)
    assert held_until == NOW + 60 + hold_time(key)
    assert database.live(key, NOW + 60) is None
    assert database.digest == bytes(8)
    assert database.expire(key, held_until - 1) == held_until
    assert database.expire(key, held_until) is None
    assert database.get(key) is None
    assert len(database) == 0


def test_leases_are_remembered_for_a_week_and_claims_for_ten_minutes() -> None:
    assert (hold_time(LEASE), hold_time(PREFIX), hold_time(CLAIM)) == (7 * 86400, 7 * 86400, 600)


def test_forgotten_lease_leaves_the_index_of_its_station() -> None:
    database = Database()
    database.merge(Update(7, 60, LEASE, ALICE), NOW)
    assert database.leases_of(ALICE) == {LEASE}
    database.expire(LEASE, NOW + 60 + hold_time(LEASE))
    assert database.leases_of(ALICE) == frozenset()


def test_lease_that_changes_hands_changes_the_index() -> None:
    database = Database()
    database.merge(Update(7, 60, LEASE, ALICE), NOW)
    database.merge(Update(8, 60, LEASE, BOB), NOW)
    assert database.leases_of(ALICE) == frozenset()
    assert database.leases_of(BOB) == {LEASE}


def test_expiring_an_unknown_key_is_nothing() -> None:
    assert Database().expire(CLAIM, NOW) is None


# -- refusals


def test_one_station_has_so_many_leases_and_what_is_declined_is_no_station_s() -> None:
    """Whatever is done for a station is done for each of its leases. Neither new nor changed ones get beyond that."""
    database, most = Database(), constants.LEASES_OF_STATION_MAX
    keys = [ipv4_lease_key(IPv4Address("192.0.2.0") + number) for number in range(most + 2)]
    for key in keys[:most]:
        assert isinstance(database.merge(Update(0, 60, key, ALICE), NOW), Inserted)
    assert isinstance(database.merge(Update(0, 60, keys[most], BOB), NOW), Inserted)
    refused = Refused("flood.leases-full")
    assert database.merge(Update(1, 60, keys[most], ALICE), NOW) == refused
    assert database.merge(Update(0, 60, keys[most + 1], ALICE), NOW) == refused
    assert isinstance(database.merge(Update(1, 60, keys[0], ALICE), NOW), Replaced)
    for key in keys[: most + 1]:
        assert isinstance(database.merge(Update(2, 60, key, NO_MAC), NOW), Replaced)
    assert isinstance(database.merge(Update(2, 60, keys[most + 1], NO_MAC), NOW), Inserted)


@pytest.mark.parametrize(
    ("key_of", "value", "reason"),
    [
        (node_key, b"\x03ap9" + bytes(20), "flood.nodes-full"),
        (links_key, b"\xfe\x80" + bytes(14), "flood.links-full"),
    ],
)
def test_only_so_many_nodes_are_believed(
    key_of: Callable[[NodeId], bytes], value: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "NODES_MAX", 3)
    database = Database()
    keys = [key_of(id_of(number)) for number in range(4)]
    assert all(isinstance(database.merge(Update(0, 60, key, value), NOW), Inserted) for key in keys[:3])
    assert database.merge(Update(0, 60, keys[3], value), NOW) == Refused(reason)
    assert isinstance(database.merge(Update(1, 60, keys[0], value), NOW), Replaced)
    database.expire(keys[0], NOW + 60 + constants.NODE_HOLD)
    assert isinstance(database.merge(Update(0, 60, keys[3], value), NOW), Inserted)


def test_keys_that_were_searched_for_one_bucket_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "BUCKET_MAX", 5)
    database = Database()
    crowd = [key for n in range(1 << 16) if bucket_of(key := b"\xc8" + n.to_bytes(2, "big")) == 7]
    assert len(crowd) > 5
    outcomes = [database.merge(Update(0, 60, key, b"v"), NOW) for key in crowd]
    assert outcomes[5:] == [Refused("flood.bucket-full")] * (len(crowd) - 5)
    assert len(database) == 5


def test_full_database_refuses_new_keys_and_takes_newer_versions() -> None:
    database = Database(limit=2)
    database.merge(Update(7, 60, CLAIM, ONE), NOW)
    database.merge(Update(7, 60, LEASE, ALICE), NOW)
    assert database.merge(Update(7, 60, PREFIX, ALICE), NOW) == Refused("flood.database-full")
    assert isinstance(database.merge(Update(8, 60, LEASE, BOB), NOW), Replaced)
    assert len(database) == 2
    assert database.counters["flood.database-full"] == 1


def test_all_versions_of_a_key_share_it_with_the_index() -> None:
    """There are 100,000 keys, and the routes refer to them too."""
    database = Database()
    for seqno in range(3):
        database.merge(Update(seqno, 60, bytes(bytearray(LEASE)), ALICE), NOW)
    database.publish(bytes(bytearray(LEASE)), ALICE, 60, NOW)
    datum = database.get(LEASE)
    (indexed,) = database.leases_of(ALICE)
    assert datum is not None
    assert datum.key is indexed
    assert datum.seqno == 3


def test_stations_of_a_node_are_found_as_long_as_their_claims_are_remembered() -> None:
    database = Database()
    database.merge(Update(1, 60, CLAIM, ONE), NOW)
    assert database.stations_at(NodeId(ONE)) == {CLAIM}
    database.merge(Update(2, 60, CLAIM, TWO), NOW)
    assert (database.stations_at(NodeId(ONE)), database.stations_at(NodeId(TWO))) == (frozenset(), {CLAIM})
    database.merge(Update(3, 60, CLAIM, b""), NOW)
    assert database.stations_at(NodeId(TWO)) == frozenset()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"", b""),
        (LEASE[:-1], ALICE),
        (LEASE + b"\0", ALICE),
        (LEASE, ALICE[:-1]),
        (LEASE, b""),
        (PREFIX + b"\0", ALICE),
        (PREFIX, b""),
        (CLAIM, ONE[:-1]),
        (CLAIM[:-1], ONE),
        (NODE, b"\xff"),
        (NODE, b"\x02\xc3\x28" + bytes(20)),
        (NODE, b"\x01a" + bytes(19)),
    ],
    ids=lambda octets: octets.hex() or "empty",
)
def test_malformed_datum_is_refused_and_counted(key: bytes, value: bytes) -> None:
    database = Database()
    assert database.merge(Update(7, 60, key, value), NOW) == Refused("flood.malformed-datum")
    assert (len(database), database.counters["flood.malformed-datum"]) == (0, 1)


def test_unknown_types_are_kept_for_those_who_know_them() -> None:
    assert isinstance(Database().merge(Update(7, 60, FUTURE, b"x" * 200), NOW), Inserted)


# -- digest


def test_digest_leaves_tombstones_out() -> None:
    with_tombstone, without = Database(), Database()
    for database in (with_tombstone, without):
        database.merge(Update(7, 60, LEASE, ALICE), NOW)
    with_tombstone.merge(Update(7, 600, CLAIM, b""), NOW)
    assert with_tombstone.digest == without.digest
    assert with_tombstone.alive == without.alive == 1


def test_digest_tells_versions_apart() -> None:
    digests = set()
    for seqno, value in ((7, ONE), (8, ONE), (7, TWO)):
        database = Database()
        database.merge(Update(seqno, 60, CLAIM, value), NOW)
        digests.add(database.digest)
    assert len(digests) == 3
