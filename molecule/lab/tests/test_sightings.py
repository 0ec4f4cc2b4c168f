"""What a roam is said to have cost, from what was sent and where it was seen."""

from __future__ import annotations

import math

import pytest

from lab.records import Family
from lab.sightings import SENT, SIGHTING, UNDER_WAY, Stream, longest_pause_ms, percentile, settled, streams

DELAY = 0.0005


def stream(lost: set[int] = frozenset(), radiated: set[int] | None = None) -> Stream:  # type: ignore[assignment]
    """A packet each millisecond for a second, from second 10 on."""
    sent = [(number, 10 + number / 1000) for number in range(1000)]
    arrived = {number: time + DELAY for number, time in sent if number not in lost}
    return Stream(Family.IPV4, sent, arrived, frozenset(range(1000)) if radiated is None else frozenset(radiated))


def test_a_roam_without_a_loss_is_settled_with_the_first_packet() -> None:
    found = settled(stream(), 10.1002, 10.9)
    assert found.ms == pytest.approx(0.8 + DELAY * 1000)
    assert (found.lost, found.astray) == (0, 0)


def test_a_roam_is_settled_when_nothing_is_lost_any_more() -> None:
    found = settled(stream({101, 102, 130}), 10.1005, 10.9)
    assert found.ms == pytest.approx(30.5 + DELAY * 1000)
    assert found.lost == 3


def test_what_is_lost_before_the_association_is_the_radios() -> None:
    assert settled(stream(set(range(50, 100))), 10.0995, 10.9).lost == 0


def test_a_roam_that_never_settles_is_infinite() -> None:
    assert settled(stream(set(range(300, 1000))), 10.1, 10.9).ms == math.inf


def test_what_no_access_point_has_sent_into_the_air_went_astray() -> None:
    seen = set(range(1000)) - {102}
    found = settled(stream({101, 102}, seen), 10.1005, 10.9)
    assert (found.lost, found.astray) == (2, 1)


def test_the_logs_are_told_apart_by_target_family_and_place() -> None:
    sent = b"".join(SENT.pack(number, 1.0 + number) for number in range(4))
    seen = [
        SIGHTING.pack(4, 0, 60, 0, 1.1),  # to target 0
        SIGHTING.pack(6, 1, 61, 1, 2.1),  # to target 1
        SIGHTING.pack(6, 1, 50, 1, 2.2),  # again
        SIGHTING.pack(4, 3, 62, 2, 3.1),  # in the air, and nowhere else
        SIGHTING.pack(4, 1, 62, 2, 3.1),  # target 0's, where target 1 is: not an arrival
    ]
    first, second = streams(sent, b"".join(seen) + b"cut off", 2, frozenset({2, 3}))
    assert first[Family.IPV4].sent == [(0, 1.0), (2, 3.0)]
    assert first[Family.IPV4].arrived == {0: 1.1}
    assert first[Family.IPV4].radiated == {2}
    assert first[Family.IPV4].forwards == 4
    assert second[Family.IPV6].arrived == {1: 2.1}
    assert second[Family.IPV6].forwards == 14


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(value) for value in range(40, 0, -1)]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [20, 38, 40, 40]


def test_a_sender_that_stood_still_is_noticed() -> None:
    assert longest_pause_ms([(0, 1.0), (1, 1.001), (2, 1.061), (3, 1.062)]) == pytest.approx(60)


def test_a_pause_of_the_sender_counts_for_the_roam_that_it_falls_into() -> None:
    late = dict.fromkeys(range(120, 1000), 0.04)  # seconds, from packet 120 on
    sent = [(number, 10 + number / 1000 + late.get(number, 0.0)) for number in range(1000)]
    arrived = {number: time + DELAY for number, time in sent if number not in {110, 125}}
    paused = Stream(Family.IPV4, sent, arrived, frozenset(range(1000)))
    within = settled(paused, 10.1005, 10.2)
    assert within.pause_ms == pytest.approx(41)
    assert (within.undisturbed, within.ms > 41) == (False, True)
    before, after = settled(paused, 10.1005, 10.115 + UNDER_WAY), settled(paused, 10.3, 10.9)
    assert [before.pause_ms, after.pause_ms] == pytest.approx([1, 1])
    assert before.undisturbed
    assert settled(paused, 10.13, 10.9).pause_ms == pytest.approx(41), "the association is in the middle of it"


def test_what_is_under_way_when_the_station_leaves_is_not_judged() -> None:
    assert settled(stream({895}), 10.1002, 10.9).lost == 0
    assert settled(stream({875}), 10.1002, 10.9).lost == 1
