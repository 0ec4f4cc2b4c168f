"""The digest tree: every digest is what its definition says, whatever has happened, and it leads to what differs."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sroamd.core.fingerprints import DigestTree, bucket_of, fingerprint
from sroamd.wire.summary import BUCKETS, DEPTH, FAN_OUT, is_subtree

few = settings(max_examples=60, deadline=None)
keys = st.sampled_from([bytes((2, 0, 0, 0, 0, 0, n)) for n in range(12)] + [b"\x80another", b"\x00"])
versions = st.tuples(st.integers(0, 3), st.sampled_from((b"one", b"two")))
acts = st.lists(st.tuples(st.sampled_from(("hold", "count", "discount", "forget")), keys, versions), max_size=40)


def test_fingerprint_and_bucket_are_those_that_every_implementation_computes() -> None:
    key, value = bytes.fromhex("02 020000000007"), bytes.fromhex("020000fffe000001")
    text = bytes.fromhex("07 02020000000007 0005 020000fffe000001")
    assert fingerprint(key, 5, value).to_bytes(8, "big") == sha256(text).digest()[:8]
    assert f"{bucket_of(key):03x}" == sha256(key).hexdigest()[:3]


def test_where_a_key_ends_and_its_value_begins_matters() -> None:
    assert fingerprint(b"ab", 0x6364, b"ef") != fingerprint(b"abcd", 0x6566, b"")


@few
@given(acts)
def test_every_digest_is_the_xor_of_what_counts_below_it(sequence: list[tuple[str, bytes, tuple[int, bytes]]]) -> None:
    tree = DigestTree()
    held: set[bytes] = set()
    counted: dict[bytes, int] = {}
    for act, key, version in sequence:
        if act == "hold" or (act == "count" and key not in held):
            tree.hold(key)
            held.add(key)
        if act == "count":
            tree.count(key, *version)
            counted[key] = fingerprint(key, *version)
        elif act == "discount":
            tree.discount(key)
            counted.pop(key, None)
        elif act == "forget":
            tree.forget(key)
            held.discard(key)
            counted.pop(key, None)
    assert tree.alive == len(counted)
    for depth in range(DEPTH + 1):
        expected = [0] * FAN_OUT**depth
        for key, bits in counted.items():
            expected[bucket_of(key) // FAN_OUT ** (DEPTH - depth)] ^= bits
        assert [tree.digest(depth, prefix) for prefix in range(FAN_OUT**depth)] == [
            one.to_bytes(8, "big") for one in expected
        ]
    assert {key for bucket in range(BUCKETS) for key in tree.keys(bucket)} == held
    assert all(bucket_of(key) == bucket for bucket in range(BUCKETS) for key in tree.keys(bucket))
    shorts = {key: short for bucket in range(BUCKETS) for key, short in tree.counted(bucket)}
    assert shorts == {key: bits.to_bytes(8, "big")[:4] for key, bits in counted.items()}


def test_children_of_all_nodes_make_up_the_next_depth() -> None:
    tree = DigestTree()
    for number in range(500):
        tree.hold(bytes((number % 256, number // 256)))
        tree.count(bytes((number % 256, number // 256)), number, b"")
    for depth in range(DEPTH):
        below = [digest for prefix in range(FAN_OUT**depth) for digest in tree.children(depth, prefix)]
        assert below == [tree.digest(depth + 1, prefix) for prefix in range(FAN_OUT ** (depth + 1))]


@few
@given(st.lists(st.binary(min_size=1, max_size=9), max_size=30), st.binary(min_size=1, max_size=9))
def test_one_that_differs_is_found_in_three_steps(common: list[bytes], key: bytes) -> None:
    one, other = DigestTree(), DigestTree()
    for tree in (one, other):
        for shared in common:
            tree.hold(shared)
            tree.count(shared, 0, b"")
    one.hold(key)
    one.count(key, 1, b"")
    prefix = 0
    for depth in range(DEPTH):
        pairs = zip(one.children(depth, prefix), other.children(depth, prefix), strict=True)
        (child,) = [number for number, (mine, theirs) in enumerate(pairs) if mine != theirs]
        prefix = prefix * FAN_OUT + child
    assert key in one.keys(prefix)


@pytest.mark.parametrize(
    ("depth", "prefix", "valid"),
    [(0, 0, True), (0, 1, False), (1, 15, True), (1, 16, False), (3, 4095, True), (3, 4096, False), (4, 0, False)],
)
def test_the_tree_has_only_these_nodes(depth: int, prefix: int, valid: bool) -> None:
    assert is_subtree(depth, prefix) is valid
