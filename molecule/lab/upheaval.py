"""What else happens to a fleet under traffic: a crowd that moves, a link that is cut, an agent that is killed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from . import circling
from .circling import Circling
from .downstream import Downstream
from .proving import Proving
from .shapes import APS
from .sightings import Settled, Stream, longest_pause_ms, percentile, settled
from .station import Roam, Station, roam_all

CROWD = 60
_CROWD_RATE = 50.0  # packets per second and family, to each of them
_GROUP = 8  # stations that move while a link is cut
_GROUP_RATE = 250.0
_RATE = 1000.0
_BEFORE = 1.0  # seconds of traffic before anything happens
_CROWD_WAIT = 4.0
_AGENT_BACK = 5.0  # a killed agent runs again, and its routes are back


@dataclass(frozen=True, slots=True)
class Upheaval:
    """What one kind of event came to. `wrong`: routes that led astray when all was over, at most."""

    title: str
    settled: tuple[Settled, ...]
    circling: Circling
    pause_ms: float
    wrong: int


def crowd(fleet: Proving) -> Upheaval:
    """Sixty stations move on to the next access point, all in one instant."""
    stations = fleet.stations[:CROWD]
    found: list[tuple[Stream, float, float]] = []
    circling.watch(fleet.lab, fleet.setting.shape.most_forwards)
    with Downstream(stations, rate=_CROWD_RATE, in_real_time=True) as stream:
        time.sleep(_BEFORE)
        moves = roam_all(_onwards(fleet, stations), timeout=30)
        time.sleep(_CROWD_WAIT)
        end = time.monotonic()
    for station, move in enumerate(moves):
        found += [(each, move.authorized, end) for each in stream.streams[station].values()]
    return _concluded(fleet, f"{CROWD} stations at one instant", found, moves)


def cut(fleet: Proving, *, silent: bool, cuts: int = 4) -> Upheaval:
    """Eight stations move and in the same moment a link of the ring breaks; silent: no carrier goes, only all frames.

    The time is that from the cut, or from the association if that is later, until nothing is lost any more.
    """
    stations = fleet.stations[:_GROUP]
    found: list[tuple[Stream, float, float]] = []
    moves: list[Roam] = []
    wrong = 0
    circling.watch(fleet.lab, fleet.setting.shape.most_forwards)
    for pair in fleet.setting.shape.joined[:cuts]:
        with Downstream(stations, rate=_GROUP_RATE) as stream:
            time.sleep(_BEFORE)
            began = time.monotonic()
            fleet.cut(pair, silent=silent)
            moves = roam_all(_onwards(fleet, stations))
            time.sleep(max(4.0, 8 * fleet.setting.hello))
            wrong = max(wrong, len(fleet.misled([(each, move.ap) for each, move in zip(stations, moves, strict=True)])))
            end = time.monotonic()
        for station, move in enumerate(moves):
            found += [(each, max(began, move.authorized), end) for each in stream.streams[station].values()]
        fleet.heal(pair)
        fleet.wait()
    how = "silently" if silent else "with its carrier"
    return _concluded(fleet, f"{_GROUP} stations move while a link is cut {how}", found, moves, wrong)


def kill(fleet: Proving, node: str = "ap1", kills: int = 10) -> Upheaval:
    """The agent of a node in the middle is killed (SIGKILL), and at once a station roams between two others."""
    station = fleet.moving[0]
    ends = [ap for ap in APS if ap != node]
    moves: list[Roam] = []
    circling.watch(fleet.lab, fleet.setting.shape.most_forwards)
    station.roam(ends[-1])
    time.sleep(_BEFORE)
    with Downstream([station], rate=_RATE) as stream:
        time.sleep(_BEFORE)
        for number in range(kills):
            fleet.lab.run(node, ["systemctl", "kill", "--signal=KILL", "sroamd"])
            moves.append(station.roam(ends[number % len(ends)]))
            time.sleep(_AGENT_BACK)
    found = [
        (each, move.authorized, move.authorized + _AGENT_BACK) for each in stream.streams[0].values() for move in moves
    ]
    return _concluded(fleet, f"the agent of {node} is killed, and a station roams", found, moves[-1:])


def _onwards(fleet: Proving, stations: Sequence[Station]) -> list[tuple[Station, str]]:
    """Each to the access point after the one where it is."""
    here = fleet.places()
    return [(station, APS[(APS.index(here[station.name]) + 1) % len(APS)]) for station in stations]


def _concluded(
    fleet: Proving,
    title: str,
    found: Iterable[tuple[Stream, float, float]],
    moves: Sequence[Roam],
    wrong: int = 0,
) -> Upheaval:
    found = list(found)
    by_name = {station.name: station for station in fleet.stations}
    places = [(by_name[move.station], move.ap) for move in moves]
    return Upheaval(
        f"{fleet.setting}: {title}",
        tuple(settled(stream, since, end) for stream, since, end in found),
        circling.count(fleet.lab),
        max(longest_pause_ms(stream.sent) for stream, _, _ in found),
        max(wrong, len(fleet.misled(places))),
    )


HEADER = f"{'':<92}{'p50':>8}{'p95':>8}{'max':>8} ms   lost: mean, most (astray)   circling   stale routes   pause"


def row(found: Upheaval) -> str:
    """The table's row of one upheaval, both families together."""
    times = [each.ms for each in found.settled]
    cells = "".join(f"{percentile(times, share):>8.1f}" for share in (0.5, 0.95, 1.0))
    lost = [each.lost for each in found.settled]
    astray = sum(each.astray for each in found.settled)
    return (
        f"{found.title:<92}{cells}   {sum(lost) / len(lost):>11.1f},{max(lost):>5} ({astray})"
        f"{found.circling.circled:>14}{found.wrong:>15}{found.pause_ms:>8.0f}"
    )
