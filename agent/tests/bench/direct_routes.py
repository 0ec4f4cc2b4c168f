"""What direct routes cost in the kernel: a roam, a crowd, a node that joins, a way that changes. Needs root.

    PYTHONPATH=agent/src:agent python3 agent/tests/bench/direct_routes.py [--plain] [--terse]

In a network namespace of its own, with NODES nodes and ROUTES routes; in CPU time of this process, the kernel's for it
included, whatever else the machine does. --plain: as on a kernel without nexthop objects. --terse: with
net.ipv4.nexthop_compat_mode off, so that the kernel does not tell of each route behind an object.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import islice
from statistics import median, quantiles
from time import perf_counter, process_time

from sroamd.addresses import NodeId
from sroamd.core.effects import InstallRoute, RemoveNextHop, SetNextHop
from sroamd.core.values import NextHop, Prefix, Route, RouteKind, Towards
from sroamd.io.route_socket import Change, RouteSocket
from sroamd.io.rtnetlink import KernelWatch
from tests.e2e.netns import Namespace, namespace

NODES = 300
ROUTES = 60_000  # half of them IPv4
BEHIND = 1_000  # routes of the node whose next hop changes
ROUNDS = 200
SLICE = 200  # changes in one call, as the core makes them


def main(ns: Namespace, *, plain: bool, terse: bool) -> None:
    ns.sysctl("net.ipv4.nexthop_compat_mode", int(not terse))
    for name in ("bb0", "bb1"):
        ns.ip(f"link add {name} type veth peer name {name}-peer")
        ns.ip(f"link set {name} up")
        ns.ip(f"link set {name}-peer up")
    with ns.entered():
        watch = KernelWatch([])
        tables = [RouteSocket(watch.index_of, objects=not plain) for _ in range(3)]
        watch.follow(tables[0].known, tables[0].direct, tables[0].port)
        measure(tables[0])
        fill(tables[0])
        once("flush at a start", tables[1].take_over)
    fill(tables[1])
    start = perf_counter()
    flush(ns)
    print(f"{'ip(8) flushes all':>24}  {perf_counter() - start:.2f} s by the clock")
    for table in tables:
        table.close()
    watch.close()


def measure(table: RouteSocket) -> None:
    gc.collect()
    tracemalloc.start()
    fill(table)
    gc.collect()
    print(f"{'books':>24}  {tracemalloc.get_traced_memory()[0] / 1e6:.1f} MB for {len(table.direct)} routes")
    tracemalloc.stop()
    table.apply([RemoveNextHop(node(n), version) for n in range(NODES) for version in (4, 6)])
    seconds = fill(table)
    print(f"{'all routes':>24}  {seconds:.2f} s, of a node that joins")
    roams = [[InstallRoute(route(v, n, n + 1)) for v in (4, 6)] for n in range(NODES)]
    each("a roam, two routes", table, roams)
    each("a roam to this node", table, [[InstallRoute(here(v, n)) for v in (4, 6)] for n in range(NODES)])
    each("and from it", table, [[InstallRoute(route(v, n, n)) for v in (4, 6)] for n in range(NODES)])
    crowd = [[InstallRoute(route(v, n * 60 + k, n + k + 1)) for k in range(60) for v in (4, 6)] for n in range(ROUNDS)]
    each("60 roams at once", table, crowd)
    for version in (4, 6):
        do(table, [InstallRoute(route(version, n, 0)) for n in range(BEHIND)])
        ways = [[SetNextHop(node(0), version, hop(version, n % 250))] for n in range(ROUNDS)]
        each(f"way of {BEHIND} IPv{version} routes", table, ways)
    ways = [[SetNextHop(node(n), v, hop(v, 7)) for n in range(NODES) for v in (4, 6)] for _ in range(5)]
    each("ways of all nodes", table, ways)
    every = [RemoveNextHop(node(n), version) for n in range(NODES) for version in (4, 6)]
    once("all removed", lambda: do(table, every))


def fill(table: RouteSocket) -> float:
    """All routes, as the core would; the seconds for that."""
    changes: Iterator[Change] = (InstallRoute(route(version, n, n)) for n in range(ROUTES // 2) for version in (4, 6))
    spent = timed(lambda: do(table, [SetNextHop(node(n), v, hop(v, n % 250)) for n in range(NODES) for v in (4, 6)]))
    while some := list(islice(changes, SLICE)):
        spent += timed(lambda some=some: do(table, some))
    return spent


def flush(ns: Namespace) -> None:
    """What the service manager does when the agent has ended."""
    for command in (
        "nexthop flush protocol 47",
        "-4 route flush table all proto 47",
        "-6 route flush table all proto 47",
    ):
        subprocess.run(["ip", "-n", ns.name, *command.split()], check=False, capture_output=True)


def do(table: RouteSocket, changes: Sequence[Change]) -> None:
    failures = table.apply(changes)
    assert not failures, failures[0]


def each(name: str, table: RouteSocket, calls: list[list[Change]]) -> None:
    samples = [timed(lambda call=call: do(table, call)) for call in calls]
    p95 = quantiles(samples, n=20)[18]
    print(f"{name:>24}  p50 {median(samples) * 1e6:8.0f}  p95 {p95 * 1e6:8.0f}  best {min(samples) * 1e6:8.0f} us")


def once(name: str, work: Callable[[], object]) -> None:
    print(f"{name:>24}  {timed(work):.2f} s")


def timed(work: Callable[[], object]) -> float:
    start = process_time()
    work()
    return process_time() - start


def node(number: int) -> NodeId:
    return NodeId((number % NODES).to_bytes(8, "big"))


def hop(version: int, last: int) -> NextHop:
    return NextHop("bb0", IPv4Address(f"10.255.0.{last + 1}") if version == 4 else IPv6Address(f"fe80::{last + 1}"))


def here(version: int, number: int) -> Route:
    return Route(route(version, number, 0).prefix, RouteKind.HERE, NextHop("bb1", None))


def route(version: int, number: int, at: int) -> Route:
    prefix: Prefix = (
        IPv4Network((int(IPv4Address("198.18.0.0")) + number, 32))
        if version == 4
        else IPv6Network((int(IPv6Address("2001:db8::")) + (number << 64), 64))
    )
    return Route(prefix, RouteKind.DIRECT, Towards(node(at)))


if __name__ == "__main__":
    with namespace() as made:
        main(made, plain="--plain" in sys.argv, terse="--terse" in sys.argv)
