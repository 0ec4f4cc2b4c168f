"""What thousands of stations cost: the database and its direct routes on every node, and host routes in Babel.

They are at an access point that does not exist, under the router addresses of `rt`, so that routes to them have a way.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import preload
from .errors import LabError, execute
from .proving import Proving
from .shapes import FOREIGNER
from .switch import namespace
from .topology import Node

STATIONS = (10_000, 30_000)
BABEL_STATIONS = 1_000
_JOINING, _NEIGHBOUR = "ap4", "ap3"
_PYTHON = "/opt/sroamd/current/bin/python3"
_PORT = "4444"
_INSTALLED_WITHIN = 180.0
_BABEL_SETTLES = 30.0
_BABEL_WATCHED = 30.0
_DIRECT = "47"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Joined:
    """A node that begins with an empty disk: seconds from the start of its agent until its last direct route is in the
    kernel; processor seconds that the agent has used by then, and its memory in MB.
    """

    stations: int
    seconds: float
    processor: float
    memory: float


def join(fleet: Proving, stations: int) -> Joined:
    """Fill the databases of all nodes up to so many stations, then have one node begin with an empty disk."""
    foreigner = fleet.lab.topology.node(FOREIGNER)
    listed = fleet.ip(foreigner, "-6", "address", "show", "scope", "link")
    links = [each["local"] for interface in listed for each in interface.get("addr_info", ()) if "local" in each]
    node = fleet.lab.topology.node(_JOINING)
    fleet.lab.run(
        _JOINING,
        [
            _PYTHON, "-", str(node.router_ipv6), _PORT, str(stations),
            str(foreigner.router_ipv4), str(foreigner.router_ipv6), *links,
        ],
        stdin=Path(preload.__file__).read_text(),
        timeout=_INSTALLED_WITHIN,
    )  # fmt: skip
    for each in fleet.agents:
        _wait_for_routes(fleet, each, stations)
    fleet.lab.run(_JOINING, ["systemctl", "stop", "sroamd"])
    fleet.lab.run(_JOINING, ["find", "/var/lib/sroamd", "-mindepth", "1", "-delete"])
    began = time.monotonic()
    fleet.lab.run(_JOINING, ["systemctl", "start", "--no-block", "sroamd"])
    _wait_for_routes(fleet, node, stations)
    seconds = time.monotonic() - began
    used = _usage(fleet, node, "sroamd")
    return Joined(stations, seconds, used.processor, used.memory)


def babel_share(fleet: Proving, stations: int) -> float:
    """Which share of a processor babeld takes on a neighbour of `rt`, while that announces host routes of so many."""
    with _announced(fleet, stations):
        time.sleep(_BABEL_SETTLES)
        node = fleet.lab.topology.node(_NEIGHBOUR)
        before = _usage(fleet, node, "babeld")
        time.sleep(_BABEL_WATCHED)
        return (_usage(fleet, node, "babeld").processor - before.processor) / _BABEL_WATCHED


@contextlib.contextmanager
def _announced(fleet: Proving, stations: int) -> Iterator[None]:
    """Routes on `rt` as an access point has them for its stations; babeld announces them."""
    name = namespace(fleet.lab.topology, fleet.lab.topology.node(FOREIGNER))
    prefixes = {
        "-4": [f"198.19.{number // 250}.{number % 250}/32" for number in range(stations)],
        "-6": [f"2001:db8:1:{number:x}::/64" for number in range(stations)],
    }
    try:
        for version, all_of_them in prefixes.items():
            commands = [f"route add {prefix} dev lo proto 44 metric 64\n" for prefix in all_of_them]
            execute(["ip", version, "-n", name, "-batch", "-"], stdin="".join(commands))
        yield
    finally:
        for version in prefixes:
            execute(["ip", version, "-n", name, "route", "flush", "proto", "44"], check=False)


def _wait_for_routes(fleet: Proving, node: Node, stations: int) -> None:
    """Until a node has direct routes to so many stations, in both families."""
    deadline = time.monotonic() + _INSTALLED_WITHIN
    name = namespace(fleet.lab.topology, node)
    while True:
        counts = [
            execute(["ip", version, "-n", name, "route", "show", "table", "all", "proto", _DIRECT]).stdout.count("\n")
            for version in ("-4", "-6")
        ]
        if min(counts) >= stations:
            return
        if time.monotonic() > deadline:
            raise LabError(f"{node.name} has {counts} of {stations} direct routes")
        time.sleep(0.2)


@dataclass(frozen=True, slots=True)
class _Usage:
    """Processor seconds so far, MB of memory now."""

    processor: float
    memory: float


def _usage(fleet: Proving, node: Node, unit: str) -> _Usage:
    pid = fleet.lab.run(node.name, ["systemctl", "show", "--property=MainPID", "--value", unit]).stdout.strip()
    stat, status = (fleet.lab.run(node.name, ["cat", f"/proc/{pid}/{name}"]).stdout for name in ("stat", "status"))
    ticks = stat.rpartition(")")[2].split()[11:13]  # proc(5): utime, stime
    memory = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return _Usage(sum(map(int, ticks)) / _TICKS, int(memory) / 1024)


HEADER = "what thousands of stations cost"


def joined_row(found: Joined) -> str:
    return (
        f"{found.stations} stations: a node that begins with nothing has all direct routes after {found.seconds:.1f} s "
        f"({found.processor:.1f} s of processor time); its agent has {found.memory:.0f} MB"
    )


def babel_rows(fleet: Proving) -> list[str]:
    return [
        f"babeld, a neighbour has host routes of {stations} stations: {100 * babel_share(fleet, stations):.2f} % CPU"
        for stations in (0, BABEL_STATIONS)
    ]
