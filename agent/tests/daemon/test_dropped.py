"""What the source guard has dropped is told of stations that are known, and of nobody who was only made up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator

import pytest

from sroamd.addresses import Mac
from sroamd.core.status import report
from sroamd.daemon import dropped
from tests.core.harness import ALICE, BOB, CAROL, Lab


class FakeGuard:
    """It has dropped three packets of Alice and five of Carol. `asked`: how often."""

    def __init__(self) -> None:
        self.asked = 0

    def dropped(self, stations: Container[Mac]) -> Counter[Mac]:
        self.asked += 1
        return Counter({station: count for station, count in ((ALICE, 3), (CAROL, 5)) if station in stations})


@pytest.fixture
def lab() -> Lab:
    """Alice at the first node, Bob at the second; Carol is nowhere."""
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    lab.join(2, BOB)
    return lab


def test_every_station_that_is_listed_is_known_and_no_other(lab: Lab) -> None:
    known = dropped.Known(lab[1].node, lab.now)
    assert [station in known for station in (ALICE, BOB, CAROL, "Alice")] == [True, True, False, False]
    lab.leave(1, ALICE)
    assert ALICE in known, "for its leases"


def test_the_kernel_is_asked_once_for_all_rows(lab: Lab) -> None:
    guard, rows = FakeGuard(), report(lab[1].node, "stations", None, lab.now)
    assert isinstance(rows, Iterator)
    told = list(dropped.of_all(rows, guard, dropped.Known(lab[1].node, lab.now)))
    assert {row["station"]: row["dropped"] for row in told} == {str(ALICE): 3, str(BOB): 0}  # type: ignore[index, call-overload]
    assert guard.asked == 1


def test_one_station_is_told_its_own(lab: Lab) -> None:
    row = report(lab[1].node, "where", str(ALICE), lab.now)
    assert not isinstance(row, Iterator)
    assert dropped.of_one(row, FakeGuard())["dropped"] == 3  # type: ignore[index, call-overload]
