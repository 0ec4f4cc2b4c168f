"""What the agent's routes cost the babeld beside it, 40 roams a second, in one table or another. Root and babeld.

    PYTHONPATH=agent/src:agent python3 agent/tests/bench/babeld_load.py [STATIONS...]

In a network namespace of its own. A roam changes two routes; ROWS says how many of them are to or from this node, whose
routes Babel has to see where it carries host routes. CPU time of babeld, hence whatever else the machine does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import islice
from pathlib import Path

from sroamd.addresses import NodeId
from sroamd.constants import ROUTE_PROTOCOL_DEMOTED, ROUTE_PROTOCOL_HERE
from sroamd.core.effects import InstallRoute, SetNextHop
from sroamd.core.values import NextHop, Prefix, Route, RouteKind, Towards
from sroamd.io.netlink import RT_TABLE_MAIN
from sroamd.io.route_places import Place, Places, places
from sroamd.io.route_rules import RouteRules
from sroamd.io.route_socket import RouteSocket
from sroamd.io.rtnetlink import KernelWatch
from tests.e2e.netns import Namespace, namespace

STATIONS = (1_000, 5_000, 30_000)
NODES = 10
RATE = 40  # roams a second, in the whole fleet
SECONDS = 12.0
SETTLES = 3.0
SLICE = 200
_TICKS = os.sysconf("SC_CLK_TCK")
_MAIN: Places = {kind: Place(kind, RT_TABLE_MAIN) for kind in RouteKind}
# What it is, where routes are, whether Babel carries host routes, how many roams in a second are to this node.
ROWS = (
    ("direct routes in main", _MAIN, False, 0),
    ("in a table of their own", places(announced=True), False, 0),
    ("and Babel carries the stations, one roam a second to this node", places(announced=True), True, 1),
    ("the same, eight of them", places(announced=True), True, 8),
    ("Babel does not carry them, eight of them", places(announced=False), False, 8),
)
_CONFIGURATION = """\
default type wired split-horizon false hello-interval 0.19 update-interval 16
smoothing-half-life 0
kernel-priority 1024
interface bb0
redistribute ip 10.255.0.0/24 ge 32 local allow
redistribute ip fd00:255::/64 ge 128 local allow
"""
_CARRIES = f"""\
redistribute ip 198.18.0.0/15 proto {ROUTE_PROTOCOL_DEMOTED} metric 32768
redistribute ip 2001:db8::/32 proto {ROUTE_PROTOCOL_DEMOTED} metric 32768
redistribute proto {ROUTE_PROTOCOL_HERE} metric 256
"""
_ENDS = "redistribute local deny\nredistribute deny\n"


def main(ns: Namespace, stations: int, where: Places, carries: bool, here: int) -> float:
    """Which share of a core babeld takes."""
    for name in ("bb0", "wlan0"):
        ns.ip(f"link add {name} type veth peer name {name}-peer")
        ns.ip(f"link set {name} up")
        ns.ip(f"link set {name}-peer up")
    with ns.entered():
        watch = KernelWatch([])
        table = RouteSocket(watch.index_of, where)
        rules = RouteRules(time.monotonic, lambda delay, what: None)
        rules.hold()
        everything = (direct(version, number, 0) for number in range(stations) for version in (4, 6))
        apply(table, *(SetNextHop(node(n), version, hop(version, n)) for n in range(NODES) for version in (4, 6)))
        while some := list(islice(everything, SLICE)):
            apply(table, *some)
        with babeld(carries) as pid:
            time.sleep(SETTLES)
            before, began = used(pid), time.monotonic()
            roam(table, stations, here)
            share = (used(pid) - before) / (time.monotonic() - began)
    for part in (table, rules, watch):
        part.close()
    return share


def roam(table: RouteSocket, stations: int, here: int) -> None:
    began = time.monotonic()
    for turn in range(int(SECONDS * RATE)):
        time.sleep(max(0.0, began + turn / RATE - time.monotonic()))
        number, way = turn % stations, NextHop("wlan0", None)
        if here and turn % (RATE // here) == 0:
            comes = (InstallRoute(Route(prefix(version, number), RouteKind.HERE, way)) for version in (4, 6))
            apply(table, *comes)
        else:
            apply(table, *(direct(version, number, 1 + turn // stations) for version in (4, 6)))


@contextmanager
def babeld(carries: bool) -> Iterator[int]:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "conf")
        file.write_text(_CONFIGURATION + (_CARRIES if carries else "") + _ENDS)
        arguments = ["babeld", "-c", str(file), "-S", f"{directory}/state", "-I", f"{directory}/pid"]
        with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
            try:
                yield running.pid
            finally:
                running.terminate()


def used(pid: int) -> float:
    """Processor seconds so far; proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def apply(table: RouteSocket, *changes: InstallRoute | SetNextHop) -> None:
    failures = table.apply(changes)
    assert not failures, failures[0]


def node(number: int) -> NodeId:
    return NodeId((number % NODES).to_bytes(8, "big"))


def hop(version: int, last: int) -> NextHop:
    return NextHop("bb0", IPv4Address(f"10.255.0.{last + 2}") if version == 4 else IPv6Address(f"fe80::{last + 2}"))


def prefix(version: int, number: int) -> Prefix:
    if version == 4:
        return IPv4Network((int(IPv4Address("198.18.0.0")) + number, 32))
    return IPv6Network((int(IPv6Address("2001:db8::")) + (number << 64), 64))


def direct(version: int, number: int, moved: int) -> InstallRoute:
    """After so many moves."""
    return InstallRoute(Route(prefix(version, number), RouteKind.DIRECT, Towards(node(number + moved))))


if __name__ == "__main__":
    for count in map(int, sys.argv[1:] or STATIONS):
        for name, where, carries, here in ROWS:
            with namespace() as made:
                share = main(made, count, where, carries, here)
            print(f"{count:>6} stations: {name:<64} {100 * share:5.1f} % of a core", flush=True)
