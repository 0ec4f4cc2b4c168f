"""Traffic between a station and the correspondent, both ways and over both families, and what became of it."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from . import outage
from .cache import remove_tree
from .errors import LabError
from .outage import Connection, Direction, Flow
from .records import Family, Kind, Record, decode, times
from .station import Station
from .topology import CORRESPONDENT_IPV4, CORRESPONDENT_IPV6

# How long a packet may be under way before it counts as lost: a neighbour lookup queues it for up to three seconds,
# but nothing in this lab is silent that long unless it is lost.
_DRAIN = 1.0
_FLUSH = 0.2  # probes write to their logs every 0.1 s
_FIRST_PORT = 20000
_CORRESPONDENT = {Family.IPV4: str(CORRESPONDENT_IPV4.ip), Family.IPV6: str(CORRESPONDENT_IPV6.ip)}


@dataclass(frozen=True, slots=True)
class Report:
    """What all flows and connections of one station went through between two moments."""

    start: float
    end: float
    flows: tuple[Flow, ...]
    connections: tuple[Connection, ...]

    def flow(self, direction: Direction, family: Family) -> Flow:
        return next(each for each in self.flows if each.direction is direction and each.family is family)

    def connection(self, family: Family) -> Connection:
        return next(each for each in self.connections if each.family is family)

    @property
    def lost(self) -> int:
        return sum(each.lost for each in self.flows)

    @property
    def silence_ms(self) -> float:
        """The longest silence of any flow."""
        return max(each.silence_ms for each in self.flows)

    @property
    def machine_stalled_ms(self) -> float:
        """The longest pause of a sender. One much above its interval is this machine's: silences say nothing then."""
        return max(each.send_gap_ms for each in self.flows)

    @property
    def survived(self) -> bool:
        """Whether every TCP connection did."""
        return all(each.survived for each in self.connections)


class Traffic:
    """Runs from start() to stop(); report() may be asked at any time in between and after."""

    def __init__(
        self, station: Station, *, rate: float = 100.0, families: Collection[Family] = tuple(Family), tcp: bool = True
    ) -> None:
        """Rate is packets per second, in each direction and family."""
        self._station = station
        self._rate = rate
        self._families = tuple(families)
        self._tcp = tcp
        self._port = _FIRST_PORT + station.node.number
        self._directory = station.lab.state / "traffic" / station.name
        self._probes: dict[Direction, subprocess.Popen[bytes]] = {}
        self.started = 0.0
        self.stopped: float | None = None

    def __enter__(self) -> Traffic:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, timeout: float = 15.0) -> None:
        """Start both ends and return when packets arrive on every flow and every connection is open.

        Raises LabError when the station has no address, or when nothing arrives within timeout seconds.
        """
        remove_tree(self._directory)
        self._directory.mkdir(parents=True)
        own = self._own_addresses()
        deadline = time.monotonic() + timeout
        self._launch(Direction.DOWN, "corr", own, dial=False)
        # It listens before it sends. Whoever dials earlier is refused, and does not dial again.
        self._wait_for(lambda: [] if self._read(Direction.DOWN) else ["the correspondent's probe"], deadline)
        self._launch(Direction.UP, self._station.name, {each: _CORRESPONDENT[each] for each in own}, dial=self._tcp)
        self._wait_for(self._not_yet_seen, deadline)
        self.started = time.monotonic()

    def stop(self, drain: float = _DRAIN) -> None:
        """Stop sending, wait until what is under way has arrived, and end both probes."""
        if not self._probes:
            return
        self.stopped = time.monotonic()
        for probe in self._probes.values():
            if probe.stdin is not None:
                probe.stdin.close()
        time.sleep(drain)
        # The end that dialled first: to it, the other's end would look like a broken connection.
        for direction in (Direction.UP, Direction.DOWN):
            if direction in self._probes:
                probe = self._probes.pop(direction)
                probe.terminate()
                probe.wait()

    def report(self, start: float | None = None, end: float | None = None, *, drain: float = _DRAIN) -> Report:
        """What happened between two moments of time.monotonic(): from the start of the traffic, until now or its end.

        Waits until `drain` seconds after the end, so that packets under way then are not taken for lost.
        """
        start = self.started if start is None else start
        end = (self.stopped or time.monotonic()) if end is None else end
        if self._probes:
            time.sleep(max(0.0, end + drain + _FLUSH - time.monotonic()))
        logs = {direction: self._read(direction) for direction in Direction}
        flows = tuple(
            outage.flow(direction, family, *_both_ends(logs, direction, family), start, end)
            for direction, family in itertools.product(Direction, self._families)
        )
        connections = tuple(_connection(logs[Direction.UP], family, start, end) for family in self._families)
        return Report(start, end, flows, connections if self._tcp else ())

    def resumed(self, after: float) -> dict[tuple[Direction, Family], float]:
        """Seconds from a moment of time.monotonic() to the first arrival of each flow, as far as it has been logged.

        Infinite where none has come. Packets that were sent before, and waited in a queue, do not count.
        """
        logs = {direction: self._read(direction) for direction in Direction}
        return {
            (direction, family): outage.first_arrival(*_both_ends(logs, direction, family), after) - after
            for direction, family in itertools.product(Direction, self._families)
        }

    def _wait_for(self, what_is_missing: Callable[[], list[str]], deadline: float) -> None:
        while missing := what_is_missing():
            if time.monotonic() > deadline:
                self.stop()
                raise LabError(f"{self._station.name}: in time there was no sign of: {', '.join(missing)}")
            time.sleep(0.05)

    def _own_addresses(self) -> dict[Family, str]:
        own: dict[Family, str] = {}
        ipv4, ipv6 = self._station.ipv4(), self._station.ipv6()
        if ipv4 is not None:
            own[Family.IPV4] = str(ipv4.ip)
        if ipv6:
            own[Family.IPV6] = str(ipv6[0].ip)
        for family in self._families:
            if family not in own:
                raise LabError(f"{self._station.name} has no {family.name} address to send from")
        return {family: own[family] for family in self._families}

    def _launch(self, sends: Direction, node: str, addresses: dict[Family, str], *, dial: bool) -> None:
        options = [word for family, address in addresses.items() for word in (f"--{family.name.lower()}", address)]
        command = [
            sys.executable, "-m", "lab.probe", str(self._log(sends)), str(self._port),
            "--rate", str(self._rate), *options, *(["--dial"] if dial else []),
        ]  # fmt: skip
        with open(self._directory / f"{sends.name.lower()}.err", "wb") as errors:
            self._probes[sends] = subprocess.Popen(
                self._station.lab.enter(node, command),
                stdin=subprocess.PIPE,
                stdout=errors,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
                start_new_session=True,
            )

    def _log(self, sends: Direction) -> Path:
        """The log of the end that sends in this direction; it receives in the other."""
        return self._directory / f"{sends.name.lower()}.log"

    def _read(self, sends: Direction) -> list[Record]:
        try:
            return list(decode(self._log(sends).read_bytes()))
        except FileNotFoundError:
            return []

    def _not_yet_seen(self) -> list[str]:
        missing: list[str] = []
        for direction, family in itertools.product(Direction, self._families):
            receiver = Direction.DOWN if direction is Direction.UP else Direction.UP
            if not times(self._read(receiver), Kind.RECEIVED, family):
                missing.append(f"{family.name} {direction.value}")
        if self._tcp:
            up = self._read(Direction.UP)
            missing += [f"{family.name} TCP" for family in self._families if not times(up, Kind.TCP_ECHOED, family)]
        return missing


def _both_ends(
    logs: dict[Direction, list[Record]], direction: Direction, family: Family
) -> tuple[outage.Log, outage.Log]:
    receiver = Direction.DOWN if direction is Direction.UP else Direction.UP
    return times(logs[direction], Kind.SENT, family), times(logs[receiver], Kind.RECEIVED, family)


def _connection(records: Iterable[Record], family: Family, start: float, end: float) -> Connection:
    records = list(records)
    return outage.connection(
        family,
        bool(times(records, Kind.TCP_OPENED, family)),
        bool(times(records, Kind.TCP_CLOSED, family)),
        times(records, Kind.TCP_SENT, family),
        times(records, Kind.TCP_ECHOED, family),
        start,
        end,
    )
