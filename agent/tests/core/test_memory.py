"""What is over is forgotten in time, and what is not stays."""

from __future__ import annotations

from sroamd.core.memory import SPARE, Memory


def test_what_is_over_is_forgotten_before_it_is_many() -> None:
    until: Memory[int, float] = Memory(lambda until, now: until <= now)
    for number in range(100 * SPARE):
        until.keep(number, number + 10.0, float(number))
        assert len(until) <= SPARE + 2 * 10
    assert set(until) >= {100 * SPARE - number for number in range(1, 10)}


def test_looking_costs_little_where_nothing_is_over() -> None:
    looked = 0

    def is_over(what: None, now: float) -> bool:
        nonlocal looked
        looked += 1
        return False

    memory: Memory[int, None] = Memory(is_over)
    for number in range(100 * SPARE):
        memory.keep(number, None, 0.0)
        memory.keep(number, None, 0.0)
    assert len(memory) == 100 * SPARE
    assert looked < 2 * len(memory)
