"""So many frames of a station are looked at; then it is muted for a while, and so are so many at a time."""

from __future__ import annotations

from sroamd.addresses import Mac
from sroamd.constants import MUTE_TIME, MUTED_MAX, STATION_FRAMES_BURST, STATION_FRAMES_RATE
from sroamd.io.frame_limit import SPARE, FrameLimit

LOUD, OTHER = Mac.parse("02:00:00:00:00:07"), Mac.parse("02:00:00:00:00:08")


def test_burst_then_so_many_a_second_and_others_are_not_touched() -> None:
    limit = FrameLimit()
    assert [limit.take(LOUD, 10.0) for _ in range(STATION_FRAMES_BURST + 1)].count(True) == STATION_FRAMES_BURST
    assert limit.take(OTHER, 10.0)
    heard = sum(limit.take(LOUD, 10.0 + number / 10_000) for number in range(10_000))
    assert abs(heard - STATION_FRAMES_RATE) <= 1


def test_who_is_muted_is_heard_again() -> None:
    limit = FrameLimit()
    assert limit.mute(LOUD, 10.0)
    assert not limit.mute(LOUD, 10.1), "it is already"
    assert limit.mute(OTHER, 10.5)
    assert limit.muted == (LOUD, OTHER)
    assert limit.unmute(10.6) == 10.0 + MUTE_TIME
    assert limit.unmute(10.0 + MUTE_TIME) == 10.5 + MUTE_TIME
    assert limit.muted == (OTHER,)
    assert limit.unmute(20.0) is None
    assert limit.muted == ()


def test_so_many_are_muted_at_a_time() -> None:
    limit = FrameLimit()
    assert [limit.mute(Mac(bytes((2, 0, 0, 0, 1, number))), 10.0) for number in range(MUTED_MAX + 1)].count(False) == 1
    assert len(limit.muted) == MUTED_MAX


def test_sources_that_have_been_quiet_are_forgotten() -> None:
    limit = FrameLimit()
    for number in range(20 * SPARE):
        assert limit.take(Mac(number.to_bytes(6, "big")), 10.0 + number / 1000)
    assert len(limit._full_at) <= 2 * SPARE
