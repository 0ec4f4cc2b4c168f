"""Hypothesis laws of the merge: whatever comes, in whatever order and how often, all copies end equal; and restore."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from sroamd.core.database import Database, Stale
from sroamd.core.fingerprints import bucket_of, fingerprint
from sroamd.core.seqno import HALF, MODULUS, is_newer
from sroamd.core.values import StoredDatum
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, BOB, id_of

LEASES = (bytes((0, 192, 0, 2, 7)), bytes((0, 192, 0, 2, 8)), bytes((1, *range(8))))
KEYS = (*LEASES, bytes((2, 2, 0, 0, 0, 0, 7)), b"\x63x")
NOW = 50.0

few = settings(max_examples=60, deadline=None)
mostly_close = st.integers(0, 5) | st.integers(0, HALF - 1)


@st.composite
def updates(draw: st.DrawFn, base: int = 0) -> Update:
    key = draw(st.sampled_from(KEYS))
    if key[0] in (0, 1):
        value = draw(st.sampled_from((b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02", bytes(6))))
    elif key[0] == 2:
        value = draw(st.sampled_from((b"", bytes(8), b"\xff" * 8)))
    else:
        value = draw(st.sampled_from((b"", b"a", b"ab")))
    return Update((base + draw(mostly_close)) % MODULUS, draw(st.sampled_from((1, 100, 5400, 2**32 - 1))), key, value)


@st.composite
def histories(draw: st.DrawFn) -> list[Update]:
    """Versions that exist at one time: their seqnos span less than half of the ring."""
    base = draw(st.integers(0, MODULUS - 1))
    return draw(st.lists(updates(base), min_size=1, max_size=12))


def merged(history: list[Update], now: float = NOW) -> Database:
    database = Database()
    for update in history:
        database.merge(update, now)
    return database


def versions(database: Database) -> dict[bytes, tuple[int, bytes]]:
    return {datum.key: (datum.seqno, datum.value) for datum in database}


def digest_from_scratch(database: Database, now: float) -> bytes:
    """The definition: XOR of the fingerprints of what is alive and no tombstone."""
    digest = 0
    for datum in database:
        if datum.expires_at > now and datum.value:
            digest ^= fingerprint(datum.key, datum.seqno, datum.value)
    return digest.to_bytes(8, "big")


@few
@given(histories(), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_leaves_equal_databases(history: list[Update], rng: Random) -> None:
    shuffled = history + rng.choices(history, k=len(history))
    rng.shuffle(shuffled)
    one, other = merged(history), merged(shuffled)
    assert versions(one) == versions(other)
    assert one.digest == other.digest


@few
@given(histories())
def test_merge_is_idempotent(history: list[Update]) -> None:
    once, twice = merged(history), merged(history)
    for update in history:
        twice.merge(update, NOW)
    assert {datum.key: datum for datum in once} == {datum.key: datum for datum in twice}


@few
@given(histories(), histories())
def test_merge_is_associative(left: list[Update], right: list[Update]) -> None:
    """Two copies that merged on their own and then each other equal one that merged all (same window)."""
    right = [Update((left[0].seqno + u.seqno % 3) % MODULUS, u.lifetime, u.key, u.value) for u in right]
    left = [Update((left[0].seqno + u.seqno % 3) % MODULUS, u.lifetime, u.key, u.value) for u in left]
    a, b = merged(left), merged(right)
    dump = [Update(d.seqno, d.remaining(NOW), d.key, d.value) for d in b]
    for update in dump:
        a.merge(update, NOW)
    assert versions(a) == versions(merged(left + right))


@few
@given(histories())
def test_merge_is_monotone(history: list[Update]) -> None:
    """A key's version only ever goes up."""
    database = Database()
    for update in history:
        before = database.get(update.key)
        database.merge(update, NOW)
        after = database.get(update.key)
        assert after is not None
        if before is not None and (before.seqno, before.value) != (after.seqno, after.value):
            assert is_newer(after.seqno, after.value, before.seqno, before.value)


@few
@given(histories())
def test_a_new_copy_is_equal_after_one_dump(history: list[Update]) -> None:
    old, new = merged(history), Database()
    for datum in old:
        new.merge(Update(datum.seqno, datum.remaining(NOW), datum.key, datum.value), NOW)
    assert versions(old) == versions(new)
    assert old.digest == new.digest


@few
@given(histories(), histories())
def test_restart_and_dump_is_the_identity(history: list[Update], later: list[Update]) -> None:
    """What was on disk, and then the dump of a peer that saw everything: as if nothing had happened."""
    base = history[0].seqno
    later = [Update((base + u.seqno % 5) % MODULUS, u.lifetime, u.key, u.value) for u in later]
    history = [Update((base + u.seqno % 5) % MODULUS, u.lifetime, u.key, u.value) for u in history]
    disk, peer, restarted = merged(history), merged(history + later), Database()
    for datum in disk:
        if datum.key[0] in (0, 1):
            restarted.restore(StoredDatum(datum.key, datum.value, datum.seqno, datum.expires_at - NOW), NOW)
    for datum in peer:
        outcome = restarted.merge(Update(datum.seqno, datum.remaining(NOW), datum.key, datum.value), NOW)
        assert not isinstance(outcome, Stale)
    assert versions(restarted) == versions(peer)
    assert restarted.digest == peer.digest


steps = st.tuples(st.sampled_from(("merge", "publish", "expire", "restore", "wait")), updates())


@few
@given(st.lists(steps, max_size=40))
def test_digest_counts_and_index_hold_after_anything(sequence: list[tuple[str, Update]]) -> None:
    database, now = Database(), NOW
    for what, update in sequence:
        match what:
            case "merge":
                database.merge(update, now)
            case "publish":
                database.publish(update.key, update.value, update.lifetime % 7000, now)
            case "restore":
                database.restore(StoredDatum(update.key, update.value, update.seqno, 50), now)
            case "wait":
                now += update.lifetime % 70_000
            case _:
                database.expire(update.key, now)
        for datum in list(database):
            if datum.expires_at <= now:
                database.expire(datum.key, now)
        assert database.digest == digest_from_scratch(database, now)
        assert database.alive == sum(d.expires_at > now and bool(d.value) for d in database)
        assert all((key in database.digests.keys(bucket_of(key))) == (database.get(key) is not None) for key in KEYS)
        for key in LEASES:
            datum = database.get(key)
            for value in (b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02", bytes(6)):
                holds = datum is not None and datum.value == value
                assert (key in database.leases_of(value)) == holds  # type: ignore[arg-type]
        for node in (id_of(1), id_of(2)):
            named = {datum.key for datum in database if datum.key[0] == 2 and datum.value == node}
            assert database.stations_at(node) == named


def test_restore_keeps_what_is_newer() -> None:
    database = Database()
    database.merge(Update(8, 60, LEASES[0], BOB), NOW)
    database.restore(StoredDatum(LEASES[0], ALICE, 7, 1000), NOW)
    held = database.get(LEASES[0])
    assert held is not None
    assert held.value == BOB


def test_restore_of_an_expired_lease_is_a_memory_only() -> None:
    database = Database()
    database.restore(StoredDatum(LEASES[0], ALICE, 7, -500), NOW)
    assert database.live(LEASES[0], NOW) is None
    assert database.leases_of(ALICE) == {LEASES[0]}
    assert database.digest == bytes(8)
