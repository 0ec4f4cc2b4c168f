"""What windows of traffic say about packets, silences and connections."""

from __future__ import annotations

import pytest

from lab.outage import Connection, Direction, Flow, connection, first_arrival, flow, longest_gap
from lab.records import Family


def steady(first: int, last: int, *, delay: float = 0.0) -> list[tuple[int, float]]:
    """Packet n at n hundredths of a second."""
    return [(number, number / 100 + delay) for number in range(first, last + 1)]


def measured(received: list[tuple[int, float]], start: float, end: float) -> Flow:
    return flow(Direction.UP, Family.IPV4, steady(1, 400), received, start, end)


def test_nothing_is_lost_when_everything_arrives() -> None:
    seen = measured(steady(1, 400, delay=0.002), 1.0, 2.0)
    assert (seen.sent, seen.lost, seen.duplicated) == (101, 0, 0)
    assert seen.silence_ms == pytest.approx(10)
    assert seen.send_gap_ms == pytest.approx(10)


def test_an_outage_shows_as_loss_and_as_silence() -> None:
    received = steady(1, 149) + steady(170, 400)
    seen = measured(received, 1.0, 2.0)
    assert (seen.sent, seen.lost) == (101, 20)
    assert seen.silence_ms == pytest.approx(210)


def test_a_late_packet_is_not_a_lost_one() -> None:
    received = steady(1, 149) + [(number, 1.9) for number in range(150, 170)] + steady(190, 400)
    seen = measured(received, 1.0, 1.695)
    assert seen.lost == 0
    assert seen.silence_ms == pytest.approx(410)


def test_a_packet_sent_within_and_received_after_the_window_counts() -> None:
    assert measured(steady(1, 400, delay=0.5), 1.0, 2.0).lost == 0


def test_losses_outside_the_window_do_not_count() -> None:
    received = steady(1, 50) + steady(80, 400)
    assert measured(received, 1.0, 2.0).lost == 0
    assert measured(received, 0.4, 0.6).lost == 10


def test_duplicates_are_counted_and_do_not_hide_losses() -> None:
    received = sorted(steady(1, 149) + steady(120, 120) + steady(151, 400))
    seen = measured(received, 1.0, 2.0)
    assert (seen.lost, seen.duplicated) == (1, 1)


def test_silence_that_reaches_beyond_the_window_counts_whole() -> None:
    assert longest_gap([0.5, 3.5], 1.0, 2.0) == pytest.approx(3.0)


def test_silence_without_any_packet_is_the_whole_window() -> None:
    assert longest_gap([], 1.0, 2.0) == pytest.approx(1.0)
    assert measured([], 1.0, 2.0).lost == 101


def test_the_first_arrival_after_a_moment_is_of_a_packet_sent_after_it() -> None:
    received = [*steady(1, 100), (150, 2.01), *steady(210, 400, delay=0.002)]
    assert first_arrival(steady(1, 400), received, 2.0) == pytest.approx(2.102)
    assert first_arrival(steady(1, 400), steady(1, 199), 2.0) == float("inf")


def test_a_busy_machine_shows_as_a_pause_of_the_sender() -> None:
    sent = steady(1, 150) + [(number, number / 100 + 0.3) for number in range(151, 400)]
    seen = flow(Direction.DOWN, Family.IPV6, sent, sent, 1.0, 2.0)
    assert seen.lost == 0
    assert seen.send_gap_ms == pytest.approx(310)


LINES = [(number, number / 20) for number in range(1, 41)]


def line_test(echoed: list[tuple[int, float]], *, opened: bool = True, closed: bool = False) -> Connection:
    return connection(Family.IPV6, opened, closed, LINES, echoed, 0.5, 1.5)


def test_a_connection_that_stalls_but_goes_on_has_survived() -> None:
    echoed = LINES[:15] + [(number, max(time, 1.2)) for number, time in LINES[15:]]
    seen = line_test(echoed)
    assert seen.survived
    assert seen.stall_ms == pytest.approx(450)


@pytest.mark.parametrize(
    ("echoed", "opened", "closed"),
    [
        (LINES, False, False),
        (LINES, True, True),
        (LINES[:20], True, False),
        (LINES[:10] + LINES[11:], True, False),
        ([], True, False),
    ],
    ids=["never opened", "closed", "silent since", "a line missing", "no echo at all"],
)
def test_a_connection_has_not_survived(echoed: list[tuple[int, float]], opened: bool, closed: bool) -> None:
    assert not line_test(echoed, opened=opened, closed=closed).survived
