"""What the garbage collector has to look at in a process with many data."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator

import pytest

from sroamd.daemon import collector

MANY = 10_000


class Cycle:
    """One that only the collector can free."""

    def __init__(self) -> None:
        self.itself = self


class Loop:
    """Calls nothing by itself."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, Callable[[], None]]] = []

    def later(self, delay: float, what: Callable[[], None]) -> None:
        self.calls.append((delay, what))


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    """Nothing is collected or frozen but what a test does."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def make(count: int) -> list[list[int]]:
    return [[number] for number in range(count)]


def grow_older(collections: int = collector.ENOUGH) -> None:
    """As allocations bring about by and by."""
    for _ in range(collections):
        gc.collect(1)


def test_it_looks_at_what_is_new_and_not_at_what_has_stayed() -> None:
    loop, kept = Loop(), make(MANY)
    grow_older()
    collector.tend(loop.later)
    frozen = gc.get_freeze_count()
    assert frozen > MANY
    assert len(gc.get_objects()) < MANY / 10, "what a collection has to look at"
    kept += make(MANY)
    grow_older(collector.ENOUGH - 1)
    loop.calls[-1][1]()
    assert gc.get_freeze_count() == frozen, "not for so little"
    grow_older(1)
    loop.calls[-1][1]()
    assert gc.get_freeze_count() >= frozen + MANY
    assert [delay for delay, _ in loop.calls] == [collector.INTERVAL] * 3
    kept.clear()
    assert gc.get_freeze_count() < frozen, "freed by their reference counts, frozen or not"


def test_cycles_are_freed_before_anything_is_frozen() -> None:
    cycle = Cycle()
    gone = weakref.ref(cycle)
    grow_older()
    del cycle
    collector.tend(Loop().later)
    assert gone() is None


def test_cycles_among_what_has_stayed_are_freed_in_the_end() -> None:
    loop, cycle = Loop(), Cycle()
    gone = weakref.ref(cycle)
    collector.tend(loop.later)
    del cycle
    grow_older()
    loop.calls[-1][1]()
    assert gone() is not None, "it was frozen"
    collector.tend(loop.later, collector.EVERYTHING)
    assert gone() is None
