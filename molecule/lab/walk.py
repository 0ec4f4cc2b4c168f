"""A station's walk through a fleet under traffic, and what each roam was felt as. The demo and the tests share it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .outage import Direction
from .records import Family
from .station import Roam, Station
from .traffic import Report, Traffic

_SETTLED = 2.0  # seconds after the last roam that still belong to it


@dataclass(frozen=True, slots=True)
class Step:
    """Go to an AP, and stay for so many seconds before the next step."""

    ap: str
    stay: float


@dataclass(frozen=True, slots=True)
class Stage:
    """One roam, and what happened from then until the next."""

    roam: Roam
    ipv4: str | None
    prefix: str | None
    report: Report

    def silence_ms(self, direction: Direction, family: Family) -> float:
        return self.report.flow(direction, family).silence_ms

    def lost(self, direction: Direction) -> int:
        return sum(flow.lost for flow in self.report.flows if flow.direction is direction)


@dataclass(frozen=True, slots=True)
class Walk:
    """All of it. `before` are the addresses that the station set out with."""

    ipv4_before: str
    prefix_before: str
    stages: tuple[Stage, ...]
    whole: Report

    @property
    def kept_addresses(self) -> bool:
        wanted = (self.ipv4_before, self.prefix_before)
        return all((stage.ipv4, stage.prefix) == wanted for stage in self.stages)

    @property
    def survived(self) -> bool:
        """Whether addresses and every TCP connection came through."""
        return self.kept_addresses and self.whole.survived

    def silences(self, direction: Direction, family: Family) -> list[float]:
        """The longest silence of each roam, in ms."""
        return [stage.silence_ms(direction, family) for stage in self.stages]

    def median_ms(self, direction: Direction, family: Family) -> float:
        return statistics.median(self.silences(direction, family))

    @property
    def longest_ms(self) -> float:
        return max(stage.report.silence_ms for stage in self.stages)


def round_trip(aps: Sequence[str], rounds: int = 1, stay: float = 3.0, quick: float = 0.6) -> list[Step]:
    """From the first AP through all others, `rounds` times round, and then the same once more in a hurry."""
    order = [*aps[1:], aps[0]]
    return [*(Step(ap, stay) for _ in range(rounds) for ap in order), *(Step(ap, quick) for ap in order)]


def walk(
    station: Station, traffic: Traffic, steps: Sequence[Step], on_step: Callable[[Roam], None] = lambda roam: None
) -> Walk:
    """Walk, with traffic running. Raises LabError when an AP does not let the station in."""
    ipv4_before, prefix_before = addresses(station)
    roams: list[tuple[Roam, str | None, str | None]] = []
    for step in steps:
        roam = station.roam(step.ap)
        on_step(roam)
        time.sleep(max(0.0, roam.started + step.stay - time.monotonic()))
        roams.append((roam, *addresses(station)))
    time.sleep(_SETTLED)
    ends = [following[0].started for following in roams[1:]] + [time.monotonic()]
    stages = tuple(
        Stage(roam, ipv4, prefix, traffic.report(roam.started, end))
        for (roam, ipv4, prefix), end in zip(roams, ends, strict=True)
    )
    return Walk(ipv4_before or "none", prefix_before or "none", stages, traffic.report())


def addresses(station: Station) -> tuple[str | None, str | None]:
    """The station's IPv4 address and IPv6 prefix as its kernel has them now."""
    ipv4, ipv6 = station.ipv4(), station.ipv6()
    return (str(ipv4.ip) if ipv4 else None, str(ipv6[0].network) if ipv6 else None)
