"""A token bucket: a burst at once, then a steady rate, and never more."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sroamd.rate import TokenBucket


def test_a_burst_passes_at_once_and_then_one_at_a_time() -> None:
    bucket = TokenBucket(4.0, 8, now=100.0)
    assert [bucket.take(100.0) for _ in range(9)] == [True] * 8 + [False]
    assert bucket.ready_at(100.0) == 100.25
    assert not bucket.take(100.24)
    assert bucket.take(100.25)
    assert not bucket.take(100.25)


def test_it_fills_no_further_than_its_burst() -> None:
    bucket = TokenBucket(4.0, 2, now=0.0)
    bucket.take(0.0)
    assert [bucket.take(3600.0) for _ in range(3)] == [True, True, False]


def test_what_happens_anyway_is_waited_for_but_not_for_ever() -> None:
    bucket = TokenBucket(1.0, 4, now=0.0)
    for _ in range(5):
        bucket.drain(0.0)
    assert bucket.ready_at(0.0) == pytest.approx(2.0)
    for _ in range(1000):
        bucket.drain(0.0)
    assert bucket.ready_at(0.0) == pytest.approx(5.0)


def test_what_has_happened_is_counted_whole() -> None:
    bucket = TokenBucket(1000.0, 500, now=0.0)
    assert bucket.spend(400, 0.0) == 100
    assert bucket.spend(2400, 0.0) == -2300
    assert bucket.spend(0, 2.0) == -300
    assert bucket.spend(0, 3600.0) == 500


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 2), max_size=60))
def test_in_no_interval_more_passes_than_a_burst_and_the_rate(gaps: list[float]) -> None:
    bucket, now, passed = TokenBucket(4.0, 8, now=0.0), 0.0, []
    for gap in gaps:
        now += gap
        ready = bucket.ready_at(now) == now
        taken = bucket.take(now)
        assert taken is ready
        if taken:
            passed.append(now)
    for i, start in enumerate(passed):
        for number, end in enumerate(passed[i:], 1):
            assert number <= 8 + 4.0 * (end - start) + 1e-6


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 1e7), st.sampled_from((0.05, 4.0, 256.0)), st.integers(0, 20))
def test_at_the_time_that_it_names_it_is_ready(now: float, rate: float, drained: int) -> None:
    bucket = TokenBucket(rate, 8, now)
    for _ in range(drained):
        bucket.drain(now)
    assert bucket.take(bucket.ready_at(now))
