"""What became of a stream of packets, roam by roam: arithmetic on what was sent and where it was seen."""

from __future__ import annotations

import math
import struct
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .records import Family

SENT = struct.Struct("<Id")  # number, monotonic seconds
SIGHTING = struct.Struct("<BBHId")  # family, place, hops left, number, monotonic seconds

UNDER_WAY = 0.02  # seconds
STOOD_STILL_MS = 10.0  # of a sender that sends each millisecond: it had no processor, and others had none either
FIRST_HOPS = 64  # what senders begin with


@dataclass(frozen=True, slots=True)
class Stream:
    """The packets of one family to one station. Times in monotonic seconds, packets by number.

    `sent` is in the order of time; `arrived` has the first arrival of each; `radiated` those that any access point sent
    to where it believed the station to be; `forwards`: how often any arrival had been forwarded at most.
    """

    family: Family
    sent: Sequence[tuple[int, float]]
    arrived: Mapping[int, float]
    radiated: frozenset[int]
    forwards: int = 0


@dataclass(frozen=True, slots=True)
class Settled:
    """What one roam was for one stream. Only packets sent after the association count: before it there was no radio.

    `ms`: from the association to the arrival of the first packet after the last one that was lost; infinite if that was
    the last of all. `lost`: how many; `astray`: those of them that no access point has sent into the air, so that the
    network lost them, and not the radio of an access point that did not know yet. `pause_ms`: how long the sender stood
    still at most until then, which is part of `ms`.
    """

    family: Family
    ms: float
    lost: int
    astray: int
    pause_ms: float = 0.0

    @property
    def undisturbed(self) -> bool:
        """The sender did not stand still: it is the fleet that is measured, and not the machine."""
        return self.pause_ms <= STOOD_STILL_MS


def streams(sent: bytes, seen: bytes, targets: int, airs: frozenset[int]) -> list[dict[Family, Stream]]:
    """Read the logs of stream.py; `airs` are the places that are air, place t is where target t receives."""
    times = list(SENT.iter_unpack(sent[: len(sent) - len(sent) % SENT.size]))
    arrived: list[dict[Family, dict[int, float]]] = [{family: {} for family in Family} for _ in range(targets)]
    radiated: list[dict[Family, set[int]]] = [{family: set() for family in Family} for _ in range(targets)]
    forwards = [dict.fromkeys(Family, 0) for _ in range(targets)]
    for family, place, hops, number, time in SIGHTING.iter_unpack(seen[: len(seen) - len(seen) % SIGHTING.size]):
        target = number % targets
        if place in airs:
            radiated[target][Family(family)].add(number)
        elif place == target:
            arrived[target][Family(family)].setdefault(number, time)
            forwards[target][Family(family)] = max(forwards[target][Family(family)], FIRST_HOPS - hops)
    return [
        {
            family: Stream(
                family,
                times[target::targets],
                arrived[target][family],
                frozenset(radiated[target][family]),
                forwards[target][family],
            )
            for family in Family
        }
        for target in range(targets)
    ]


def settled(stream: Stream, association: float, until: float) -> Settled:
    """How the stream fared from an association until the end of its window: when the station leaves again, say.

    What is still under way then is not judged.
    """
    window = [(number, time) for number, time in stream.sent if association <= time < until - UNDER_WAY]
    lost = [index for index, (number, _) in enumerate(window) if number not in stream.arrived]
    after = window[lost[-1] + 1 :] if lost else window
    ms = (stream.arrived[after[0][0]] - association) * 1000 if after else math.inf
    astray = sum(window[index][0] not in stream.radiated for index in lost)
    first = bisect_left(stream.sent, association, key=lambda each: each[1])
    until_settled = first + (lost[-1] + 1 if lost else 0) + 1
    pause = longest_pause_ms(stream.sent[max(0, first - 1) : until_settled])
    return Settled(stream.family, ms, len(lost), astray, pause)


def longest_pause_ms(sent: Iterable[tuple[int, float]]) -> float:
    """How long the sender stood still at most. Much above its interval, it is the machine that is measured."""
    return max((later - earlier for (_, earlier), (_, later) in pairwise(sent)), default=0.0) * 1000


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
