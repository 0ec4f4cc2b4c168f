"""Whole numbers in a few stretches, such as the addresses of some ranges. Found by halving, not one by one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate

Span = tuple[int, int]  # first and last


class Spans:
    def __init__(self, spans: Iterable[Span], without: Iterable[Span] = ()) -> None:
        """All numbers of `spans` but those of `without`; both in any order, and they may overlap."""
        self._spans = list(_subtracted(_merged(spans), _merged(without)))
        self._firsts = [first for first, _ in self._spans]
        self._before = [0, *accumulate(last - first + 1 for first, last in self._spans)]

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return self._before[-1]

    def __contains__(self, number: int) -> bool:
        return self.index(number) is not None

    def __iter__(self) -> Iterator[int]:
        return (number for first, last in self._spans for number in range(first, last + 1))

    def index(self, number: int) -> int | None:
        """How many numbers come before it; None if it is none of them."""
        at = bisect_right(self._firsts, number) - 1
        if at < 0 or number > self._spans[at][1]:
            return None
        return self._before[at] + number - self._firsts[at]

    def at(self, index: int) -> int:
        """The inverse of `index`. IndexError if there are not so many."""
        if not 0 <= index < self.size:
            raise IndexError(index)
        at = bisect_right(self._before, index) - 1 if len(self._firsts) > 1 else 0
        return self._firsts[at] + index - self._before[at]


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], last)
        else:
            merged.append((first, last))
    return merged


def _subtracted(spans: list[Span], holes: list[Span]) -> Iterator[Span]:
    """Both are sorted, and none of one list overlaps another of it."""
    for first, last in spans:
        begin = first
        for hole_first, hole_last in holes:
            if hole_last < begin or hole_first > last:
                continue
            if hole_first > begin:
                yield begin, hole_first - 1
            begin = hole_last + 1
        if begin <= last:
            yield begin, last
