"""The reader gives what is there and nothing more."""

from __future__ import annotations

import pytest

from sroamd.wire.cursor import DecodeError, Reader

DATA = bytes(range(16))


def test_fields_are_read_big_endian_and_in_order() -> None:
    reader = Reader(DATA)
    assert (reader.u8(), reader.u16(), reader.u32(), reader.take(2)) == (0, 0x0102, 0x03040506, b"\x07\x08")
    assert reader.remaining == 7
    assert reader.rest() == DATA[9:]
    assert reader.remaining == 0
    assert reader.rest() == b""


@pytest.mark.parametrize(("field", "size"), [("u8", 1), ("u16", 2), ("u32", 4)])
def test_a_field_beyond_the_end_is_refused_and_reads_nothing(field: str, size: int) -> None:
    reader = Reader(DATA[: size - 1])
    with pytest.raises(DecodeError):
        getattr(reader, field)()
    assert reader.remaining == size - 1


@pytest.mark.parametrize("count", [17, 1 << 40, -1])
def test_an_impossible_count_is_refused(count: int) -> None:
    reader = Reader(DATA)
    with pytest.raises(DecodeError):
        reader.take(count)
    with pytest.raises(DecodeError):
        reader.restrict(count)
    assert reader.remaining == 16


def test_a_part_cannot_read_what_follows_it() -> None:
    reader = Reader(DATA)
    reader.u8()
    part = reader.restrict(3)
    assert part.take(2) == b"\x01\x02"
    with pytest.raises(DecodeError):
        part.u16()
    assert part.rest() == b"\x03"
    assert reader.rest() == DATA[4:]


def test_a_part_that_is_not_read_to_its_end_is_refused() -> None:
    reader = Reader(DATA)
    with pytest.raises(DecodeError, match="1 octets left over"), reader.restrict(3) as part:
        part.u16()


def test_a_part_that_is_read_to_its_end_is_accepted() -> None:
    reader = Reader(DATA)
    with reader.restrict(3) as part:
        part.take(3)
    assert reader.remaining == 13


def test_an_error_inside_a_part_is_the_one_that_is_seen() -> None:
    with pytest.raises(ZeroDivisionError), Reader(DATA).restrict(3):
        raise ZeroDivisionError
