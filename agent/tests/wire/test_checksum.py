"""The checksum without a loop against the one with, as RFC 1071 section 4.1 writes it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sroamd.wire.checksum import checksum_holds, internet_checksum
from tests.wire.strategies import thorough


def by_the_book(data: bytes) -> int:
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@pytest.mark.spec("RFC 1071", "3")
def test_the_example_of_the_rfc() -> None:
    """Section 3 sums 0001 f203 f4f5 f6f7 to ddf2."""
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


@pytest.mark.parametrize("octets", ["", "00", "0000", "ffff", "ffffffff", "fffe0001", "0001fffe", "ff00", "ff"])
def test_both_zeros_of_ones_complement_are_told_apart(octets: str) -> None:
    data = bytes.fromhex(octets)
    assert internet_checksum(data) == by_the_book(data)


@thorough
@given(st.binary(max_size=100))
def test_it_is_the_sum_by_the_book(data: bytes) -> None:
    assert internet_checksum(data) == by_the_book(data)


@thorough
@given(st.binary(max_size=101), st.binary(min_size=2, max_size=2))
def test_it_holds_where_it_was_put_and_nowhere_else(data: bytes, other: bytes) -> None:
    checksum = internet_checksum(b"\0\0" + data).to_bytes(2, "big")
    if any(checksum + data):
        assert checksum_holds(checksum + data)
    expected = by_the_book(other + data) == 0
    assert checksum_holds(other + data) == expected


def test_all_zeros_are_not_a_good_checksum() -> None:
    assert not checksum_holds(bytes(20))
