"""How many packets of a station the source guard has dropped, beside what the core says of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator
from typing import Protocol

from sroamd.addresses import Mac
from sroamd.core import status
from sroamd.core.node import Node


class Guard(Protocol):
    def dropped(self, stations: Container[Mac]) -> Counter[Mac]: ...


class Known(Container[Mac]):
    """All stations that a node knows, without a list of them."""

    def __init__(self, node: Node, now: float) -> None:
        self._node, self._now = node, now

    def __contains__(self, station: object) -> bool:
        return isinstance(station, Mac) and status.is_known(self._node, station, self._now)


def of_all(rows: Iterator[status.Json], guard: Guard, known: Container[Mac]) -> Iterator[status.Json]:
    """Of `stations`. All are counted now: one question to the kernel, however many rows there are."""
    dropped = guard.dropped(known)
    return (_with(row, dropped) for row in rows)


def of_one(row: status.Json, guard: Guard) -> status.Json:
    """Of `where`."""
    return _with(row, guard.dropped({_station(row)}))


def _with(row: status.Json, dropped: Counter[Mac]) -> status.Json:
    assert isinstance(row, dict)
    return row | {"dropped": dropped[_station(row)]}


def _station(row: status.Json) -> Mac:
    assert isinstance(row, dict)
    return Mac.parse(str(row["station"]))
