"""The probes' log format."""

from __future__ import annotations

from lab.records import SIZE, Family, Kind, Record, decode, encode, times

EVENTS = [
    Record(Kind.SENT, Family.IPV4, 1, 12.5),
    Record(Kind.SENT, Family.IPV6, 1, 12.5),
    Record(Kind.RECEIVED, Family.IPV4, 4_000_000_000, 1e9 + 0.25),
    Record(Kind.TCP_CLOSED, Family.IPV6, 0, 13.0),
]


def test_what_was_written_is_read() -> None:
    assert list(decode(b"".join(map(encode, EVENTS)))) == EVENTS


def test_a_record_that_is_still_being_written_is_left_out() -> None:
    data = b"".join(map(encode, EVENTS))
    for missing in range(1, SIZE):
        assert list(decode(data[:-missing])) == EVENTS[:-1]


def test_times_picks_one_kind_and_family() -> None:
    assert times(EVENTS, Kind.SENT, Family.IPV6) == [(1, 12.5)]
    assert times(EVENTS, Kind.TCP_OPENED, Family.IPV4) == []
