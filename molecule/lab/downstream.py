"""A stream of packets from one node to stations, seen where they arrive and in the air of every access point."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import cgroups, switch
from .cache import remove_tree
from .errors import LabError
from .records import Family
from .sightings import Stream, streams
from .station import Station
from .topology import Kind

_DRAIN = 1.0  # seconds after which nothing is under way any more


class Downstream:
    """Runs while the context is open; `streams` and `pause_ms` tell afterwards what became of it."""

    def __init__(
        self, stations: Sequence[Station], *, rate: float, sender: str = "corr", in_real_time: bool = False
    ) -> None:
        """Rate is packets per second, of each family, to each of the stations, which have their addresses already. In
        real time the sender waits for nobody, and others for it: where there are so many of these that it would."""
        self._stations = stations
        self._rate = rate
        self._sender = sender
        self._manner = ["--real-time"] if in_real_time else []
        self._lab = stations[0].lab
        self._directory = self._lab.state / "downstream"
        self._group = cgroups.group_name(self._lab.topology.prefix, "stream")
        self._processes: list[subprocess.Popen[bytes]] = []
        self.streams: list[dict[Family, Stream]] = []

    def __enter__(self) -> Downstream:
        remove_tree(self._directory)
        self._directory.mkdir(parents=True)
        topology = self._lab.topology
        airs = [switch.port(ap, ap.link("wlan0")) for ap in topology.of_kind(Kind.AP)]
        places = [
            *(station.namespace for station in self._stations),
            *(f"{switch.switch_namespace(topology)}/{air}" for air in airs),
        ]
        listener = self._launch([], "listen", *places)
        if not listener.stdout or listener.stdout.readline() != b"ready\n":
            raise LabError(f"nobody listens to the stream: {(self._directory / 'listen.err').read_text()}")
        targets = [",".join(self._addresses_of(station)) for station in self._stations]
        self._launch(self._lab.enter(self._sender, []), "send", *self._manner, str(self._rate * len(targets)), *targets)
        return self

    def __exit__(self, *_: object) -> None:
        listener, sender = self._processes
        for process, drain in ((sender, _DRAIN), (listener, 0.0)):
            # Its standard input ends, and so does it.
            process.communicate()
            time.sleep(drain)
        count = len(self._stations)
        places = range(count, count + len(self._lab.topology.of_kind(Kind.AP)))
        logs = [(self._directory / f"{name}.log").read_bytes() for name in ("send", "listen")]
        self.streams = streams(logs[0], logs[1], count, frozenset(places))

    def _launch(self, enter: list[str], command: str, *words: str) -> subprocess.Popen[bytes]:
        log = self._directory / f"{command}.log"
        # What measures must not wait for what is measured.
        join = [f"echo $$ > {path}" for path in cgroups.create(self._group)]
        cgroups.prefer(self._group)
        cgroups.allow_real_time(self._group)
        join.append('exec "$@"')
        with open(self._directory / f"{command}.err", "wb") as errors:
            process = subprocess.Popen(
                [
                    "sh",
                    "-ec",
                    "\n".join(join),
                    "sh",
                    *enter,
                    sys.executable,
                    "-m",
                    "lab.stream",
                    command,
                    str(log),
                    *words,
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def _addresses_of(self, station: Station) -> tuple[str, str]:
        ipv4, ipv6 = station.ipv4(), station.ipv6()
        if ipv4 is None or not ipv6:
            raise LabError(f"{station.name} has not got both addresses yet")
        return str(ipv4.ip), str(ipv6[0].ip)
