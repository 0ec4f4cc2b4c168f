"""What traffic suffered between two moments: arithmetic on logs of probes, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from math import inf

from .records import Family

# (number, monotonic seconds) in the order of time.
Log = Sequence[tuple[int, float]]


class Direction(Enum):
    """Which way packets go."""

    UP = "from the station"
    DOWN = "to the station"


@dataclass(frozen=True, slots=True)
class Flow:
    """One direction and family within a window of time. Times in ms, counts in packets."""

    direction: Direction
    family: Family
    sent: int
    lost: int
    duplicated: int
    silence_ms: float  # the longest time without any arrival
    send_gap_ms: float  # the longest pause of the sender: a busy machine, not the network


@dataclass(frozen=True, slots=True)
class Connection:
    """One long-lived TCP connection, from the station to the correspondent and back."""

    family: Family
    survived: bool
    sent: int
    echoed: int
    stall_ms: float  # the longest time without any echo within the window


def flow(direction: Direction, family: Family, sent: Log, received: Log, start: float, end: float) -> Flow:
    """Statistics of the packets sent in [start, end], and of the arrivals that overlap it.

    `received` must reach beyond the end by as long as a packet may be under way, lest those count as lost.
    """
    numbers = {number for number, time in sent if start <= time <= end}
    arrivals = [number for number, _ in received if number in numbers]
    return Flow(
        direction,
        family,
        sent=len(numbers),
        lost=len(numbers) - len(set(arrivals)),
        duplicated=len(arrivals) - len(set(arrivals)),
        silence_ms=longest_gap([time for _, time in received], start, end) * 1000,
        send_gap_ms=longest_gap([time for _, time in sent], start, end) * 1000,
    )


def first_arrival(sent: Log, received: Log, after: float) -> float:
    """When the first of the packets sent after this moment arrived; infinite if none did."""
    numbers = {number for number, time in sent if time >= after}
    return min((time for number, time in received if number in numbers), default=inf)


def connection(
    family: Family, opened: bool, closed: bool, sent: Log, echoed: Log, start: float, end: float
) -> Connection:
    """Whether a connection lives: opened, never closed, and every line sent until `end` came back, in order."""
    expected = [number for number, time in sent if time <= end]
    returned = [number for number, _ in echoed]
    in_order = returned == list(range(1, len(returned) + 1))
    complete = not expected or bool(returned and returned[-1] >= expected[-1])
    return Connection(
        family,
        survived=opened and not closed and in_order and complete,
        sent=len([time for _, time in sent if start <= time <= end]),
        echoed=len([time for _, time in echoed if start <= time <= end]),
        stall_ms=longest_gap([time for _, time in echoed], start, end) * 1000,
    )


def longest_gap(events: Sequence[float], start: float, end: float) -> float:
    """The longest time between two events in a row, of those gaps that overlap [start, end]; seconds.

    A gap that began before or ended after the window counts whole. Where nothing came before, it begins at the
    start; where nothing came after, it ends at the end.
    """
    before = [time for time in events if time < start][-1:] or [start]
    after = [time for time in events if time > end][:1] or [end]
    inside = [time for time in events if start <= time <= end]
    return max(later - earlier for earlier, later in pairwise([*before, *inside, *after]))
