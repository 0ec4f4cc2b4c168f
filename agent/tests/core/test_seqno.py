"""The order of versions: antisymmetric and total for any two, transitive within the window."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sroamd.core.seqno import HALF, MODULUS, following, is_newer

seqnos = st.integers(0, MODULUS - 1)
values = st.binary(max_size=8)


@given(seqnos, values, seqnos, values)
def test_of_two_different_versions_exactly_one_is_newer(a: int, a_value: bytes, b: int, b_value: bytes) -> None:
    forth, back = is_newer(a, a_value, b, b_value), is_newer(b, b_value, a, a_value)
    assert forth + back == ((a, a_value) != (b, b_value))


@given(seqnos, st.lists(st.tuples(st.integers(0, HALF - 1), values), min_size=3, max_size=3))
def test_it_is_transitive_within_half_of_the_ring(base: int, versions: list[tuple[int, bytes]]) -> None:
    a, b, c = (((base + offset) % MODULUS, value) for offset, value in versions)
    if is_newer(*a, *b) and is_newer(*b, *c):
        assert is_newer(*a, *c)


@given(seqnos, values, values)
def test_the_following_seqno_beats_any_value(seqno: int, value: bytes, other: bytes) -> None:
    assert is_newer(following(seqno), value, seqno, other)


def test_the_seqno_wraps() -> None:
    assert following(65535) == 0
    assert is_newer(0, b"", 65535, b"zzzzzzzz")


def test_a_distance_of_half_the_ring_goes_to_the_larger_number() -> None:
    """Defect M6 of the C daemon: there both sides believe themselves newer."""
    assert is_newer(HALF, b"", 0, b"")
    assert not is_newer(0, b"", HALF, b"")


def test_a_claim_beats_a_tombstone_of_the_same_seqno() -> None:
    assert is_newer(7, b"\0", 7, b"")
    assert not is_newer(7, b"", 7, b"\0")
