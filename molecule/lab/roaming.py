"""One station roams through the fleet under a stream of packets: how soon each roam is settled, and what it costs."""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass

from . import circling
from .circling import Circling
from .downstream import Downstream
from .proving import Proving
from .records import Family
from .shapes import APS
from .sightings import Settled, longest_pause_ms, percentile, settled

RATE = 1000.0  # packets per second and family
_SEED = 4  # the same roams in every run
_BEFORE = 0.5  # seconds of traffic before the first roam


@dataclass(frozen=True, slots=True)
class Roams:
    """What all roams of one run came to. `load` is the machine's load average, at the end of the run."""

    settled: tuple[Settled, ...]
    circling: Circling
    forwards: int
    pause_ms: float
    load: float

    def of(self, family: Family) -> list[Settled]:
        return [each for each in self.settled if each.family is family]


def roam(fleet: Proving, roams: int, stay: float) -> Roams:
    """Roam, each time to another access point, and stay there for so many seconds and up to a fifth more."""
    chance = random.Random(_SEED)
    station = fleet.moving[0]
    place = ""
    moves = []
    circling.watch(fleet.lab, fleet.setting.shape.most_forwards)
    with Downstream([station], rate=RATE) as stream:
        time.sleep(_BEFORE)
        for _ in range(roams + 1):
            place = chance.choice([ap for ap in APS if ap != place])
            moves.append(station.roam(place))
            time.sleep(stay * chance.uniform(1.0, 1.2))
        load = os.getloadavg()[0]
    ends = [move.started for move in moves[1:]]
    found = tuple(
        settled(each, move.authorized, end)
        for each in stream.streams[0].values()
        # The first only brings the station to a place that is known; a roam ends with the beginning of the next.
        for move, end in zip(moves[1:], [*ends[1:], moves[-1].authorized + stay], strict=True)
    )
    streams = stream.streams[0].values()
    return Roams(
        found,
        circling.count(fleet.lab),
        max(each.forwards for each in streams),
        max(longest_pause_ms(each.sent) for each in streams),
        load,
    )


HEADER = (
    f"{'':<46}{'IPv':>4}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}   undisturbed: p99 (roams)   "
    "lost a roam: mean, most (astray)"
    "   no loss   nothing astray   circling (forwards)   pause   load"
)


def rows(title: str, found: Roams) -> list[str]:
    """The table's rows of one run, settled times in ms."""
    lines = []
    for family in Family:
        of = found.of(family)
        times = [each.ms for each in of]
        cells = "".join(f"{percentile(times, share):>9.1f}" for share in (0.5, 0.95, 0.99, 1.0))
        quiet = [each.ms for each in of if each.undisturbed]
        cells += f"{percentile(quiet, 0.99):>19.1f} ({len(quiet):>3})" if quiet else f"{'none':>25}"
        lost, astray = [each.lost for each in of], [each.astray for each in of]
        whole, kept = (100 * sum(not count for count in each) / len(of) for each in (lost, astray))
        lines.append(
            f"{title:<46}{family.value:>4}{cells}   {sum(lost) / len(of):>8.1f},{max(lost):>6} ({sum(astray)})"
            f"{whole:>18.0f} %{kept:>15.0f} %"
            f"{found.circling.circled:>12} ({found.circling.forwards}){found.pause_ms:>14.0f}{found.load:>7.1f}"
        )
    return lines
