"""When a Babel neighbour counts as heard anew, and when it is asked."""

from __future__ import annotations

import pytest

from sroamd.io.babel import ASK_AT, MISSED_HELLOS, NEIGHBOURS_MAX, Neighbourhood

HELLO = 0.2
THERE, ELSEWHERE = "fe80::2", "fe80::3"


def test_a_new_neighbour_is_asked_when_it_has_heard_a_hello_too_and_some_times_more() -> None:
    around = Neighbourhood()
    assert around.heard(THERE, HELLO, None, 10.0)
    asked = [step / 10 for step in range(100, 160) if around.due(step / 10)]
    assert asked == pytest.approx([10.3, 10.8, 11.3, 11.8, 12.4, 14.7], abs=0.11)


def test_hellos_in_time_ask_nothing_and_put_nothing_off() -> None:
    around = Neighbourhood()
    around.heard(THERE, HELLO, None, 0.0)
    asked = 0
    for step in range(100):
        assert step == 0 or not around.heard(THERE, HELLO, None, step * HELLO)
        asked += len(around.due(step * HELLO))
    assert asked == len(ASK_AT)


def test_a_neighbour_that_missed_too_many_hellos_is_asked_again() -> None:
    around = Neighbourhood()
    around.heard(THERE, HELLO, None, 0.0)
    around.due(5.0)
    for missed, anew in ((MISSED_HELLOS - 1, False), (MISSED_HELLOS + 1, True)):
        around.heard(THERE, HELLO, None, 10.0)
        around.due(20.0)
        around.heard(THERE, HELLO, None, 30.0)
        around.due(30.0 - 0.01)
        assert around.heard(THERE, HELLO, None, 30.0 + missed * HELLO) == anew


def test_the_limit_is_in_hellos_of_the_neighbour() -> None:
    around = Neighbourhood()
    around.heard(THERE, 4.0, None, 0.0)
    around.heard(ELSEWHERE, HELLO, None, 0.0)
    assert not around.heard(THERE, 4.0, None, 12.0)
    assert around.heard(ELSEWHERE, HELLO, None, 12.0)


def test_only_so_many_neighbours_are_remembered() -> None:
    around = Neighbourhood()
    for number in range(NEIGHBOURS_MAX + 1):
        around.heard(f"fe80::{number:x}", HELLO, None, 0.0)
    assert len(around.due(1.0)) == NEIGHBOURS_MAX
    assert around.heard("fe80::0", HELLO, None, 0.0), "the first was forgotten"
    assert not around.heard("fe80::2", HELLO, None, 0.0)


def test_a_neighbour_that_does_not_hear_us_any_more_is_asked_again_once() -> None:
    """A daemon that was restarted in no time is missed by nobody, but it must hear two Hellos before it hears us."""
    around = Neighbourhood()
    hears = (True, True, False, False, None, False, True, True, False)
    anew = [around.heard(THERE, HELLO, each, step * HELLO) for step, each in enumerate(hears)]
    assert anew == [True, False, True, False, False, False, False, False, True]
    asked = [step / 10 for step in range(16, 70) if around.due(step / 10)]
    assert len(asked) == len(ASK_AT)
