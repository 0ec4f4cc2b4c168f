"""From hostapd's word to route and announcement, in microseconds, in a network namespace of its own. Needs root.

    PYTHONPATH=agent/src:agent python3 agent/tests/bench/arrival.py

"arrival" is one `StationAuthorized` handled whole: claim, permits, routes in the kernel, gratuitous ARP, neighbour and
router advertisement on the wire; "unguarded" the same without the source guard. "permit" is what the guard's tables
take for a station with both families, beside 2,000 others. "route" is one route replaced by the route socket alone,
"burst" one of sixty in a call.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

from sroamd.addresses import Mac
from sroamd.config import Config, ControlConfig, GuardConfig, InterfaceConfig, NetworkConfig, NodeConfig
from sroamd.core.effects import InstallRoute
from sroamd.core.events import StationAuthorized, StationLeft, StationsListed
from sroamd.core.values import NextHop, Permit, Route, RouteKind
from sroamd.daemon.service import Service
from sroamd.io.guard_rules import Guarded, What, rules
from sroamd.io.guard_table import GuardTable
from sroamd.io.nfnetlink import ARP, INET
from sroamd.io.nft import run_nft
from sroamd.io.route_socket import RouteSocket
from sroamd.io.rtnetlink import KernelWatch
from tests.e2e.netns import Namespace, namespace

ROUNDS = 300
BURST = 60


def config(directory: Path, *, guard: bool) -> Config:
    return Config(
        NodeConfig("bench", state_dir=str(directory / "state")),
        NetworkConfig(
            ipv4_prefix=IPv4Network("198.18.0.0/15"),
            ipv6_prefix=IPv6Network("2001:db8::/32"),
            ipv4_gateway=IPv4Address("198.18.0.1"),
            ipv6_gateway=IPv6Address("fe80::1"),
        ),
        interfaces=(InterfaceConfig("wlan0", hostapd_socket=str(directory / "none")),),
        control=ControlConfig(str(directory / "control.sock")),
        guard=GuardConfig(enabled=guard),
    )


def show(name: str, samples: list[float]) -> None:
    cuts = quantiles(samples, n=20)
    print(f"{name:>9}  p50 {median(samples) * 1e6:7.1f}  p95 {cuts[18] * 1e6:7.1f}  best {min(samples) * 1e6:7.1f} us")


def timed(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


async def arrivals(directory: Path, *, guard: bool) -> list[float]:
    """Stations that come back: the second time their leases are known, as in a roam."""
    service = Service(config(directory, guard=guard), directory / "none.toml", observe=False, trace=False)
    await service._start()
    emit = service._runtime.emit
    emit(StationsListed("wlan0", frozenset()))
    while guard and not service._guard.counters["guard.loads"]:
        await asyncio.sleep(0.05)
    samples: list[float] = []
    for _ in range(2):
        samples.clear()
        for number in range(ROUNDS):
            station = Mac(b"\x02\0\0\0" + number.to_bytes(2, "big"))
            samples.append(timed(lambda station=station: emit(StationAuthorized("wlan0", station))))
            await asyncio.sleep(0.001)
            emit(StationLeft("wlan0", station))
            await asyncio.sleep(0.001)
    await service._stop()
    return samples


def routes(interface: str) -> tuple[list[float], list[float]]:
    """Seconds for one route alone, and for one in a burst."""
    watch = KernelWatch([interface])
    table = RouteSocket(watch.index_of)
    first = int(IPv4Address("198.18.0.0"))
    changes = [
        InstallRoute(Route(IPv4Network((first + number, 32)), RouteKind.HERE, NextHop(interface, None)))
        for number in range(BURST)
    ]
    single = [timed(lambda change=change: table.apply([change])) for _ in range(20) for change in changes]
    burst = [timed(lambda: table.apply(changes)) / BURST for _ in range(ROUNDS)]
    table.close()
    watch.close()
    return single, burst


async def permits(directory: Path) -> list[float]:
    found = config(directory, guard=True)
    guarded = Guarded(("wlan0",), found.network, isolate=False)
    for family in (INET, ARP):
        problem = await run_nft(rules(family, guarded, (), What.REPLACE))
        assert problem is None, problem
    table = GuardTable()
    table.add((INET, ARP), [permit for number in range(2000) for permit in permits_of(number)])
    newcomers = [permits_of(number) for number in range(2000, 2300)]
    samples = [timed(lambda newcomer=newcomer: table.add((INET, ARP), newcomer)) for newcomer in newcomers]
    table.close()
    return samples


def permits_of(number: int) -> tuple[Permit, Permit, Permit]:
    station = Mac(b"\x02\0\0\0" + number.to_bytes(2, "big"))
    address, prefix = IPv4Network((0xC6120000 + number, 32)), IPv6Network(((0x20010DB8 << 96) + (number << 64), 64))
    return Permit("wlan0", station), Permit("wlan0", station, address), Permit("wlan0", station, prefix)


def measure(ns: Namespace, directory: Path) -> None:
    ns.ip("link add wlan0 type veth peer name sta0")
    for name in ("wlan0", "sta0"):
        ns.ip(f"link set {name} up")
    with ns.entered():
        single, burst = routes("wlan0")
        show("route", single)
        show("burst", burst)
        show("permit", asyncio.run(permits(directory)))
        show("arrival", asyncio.run(arrivals(directory, guard=True)))
        show("unguarded", asyncio.run(arrivals(directory, guard=False)))


if __name__ == "__main__":
    with namespace() as made, tempfile.TemporaryDirectory() as work:
        measure(made, Path(work))
