"""A large fleet in steady roaming: hundreds of real nodes, tens of thousands of stations, virtual time, one process.

Measured are the time from a station's arrival until every node names its access point, how many updates that takes, and
what it costs each node. Left out: DHCP and router advertisements of stations (they are served locally), the renewal of
claims and leases (one in 1800 s for each station, so a sixth more at 100 roams/s), codecs, disk, kernel, Babel, and
the time that a node takes over an event: it decides at once, so what is measured is the delay of links, hop by hop.
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random

from sroamd.addresses import Mac
from sroamd.core import effects as do
from sroamd.core.events import (
    Event,
    LeasesStored,
    PeerReady,
    PeerSaidHello,
    PeerWritable,
    StationAuthorized,
    StationLeft,
    SummariesReceived,
    Tick,
    UpdatesReceived,
)
from sroamd.core.node import Node
from sroamd.sim.preload import INTERFACE, Population, id_of, informed, mac_of, started
from sroamd.sim.topologies import TOPOLOGIES, hops
from sroamd.wire.datum import association_key

LINK_DELAY = 0.005  # s, in the mean, exponential, in order: as in flooding, 8
EXPLICIT = 0.3  # of the departures are told to the access point that is left
SETTLE = 8.0  # s before anybody walks, in which the peers say Hello
DRAIN = 5.0  # s after the last step
DEPARTURE = 0.002


@dataclass(frozen=True, slots=True)
class Plan:
    topology: str
    nodes: int = 30
    stations: int = 600
    movers: int = 200
    rate: float = 20.0  # roams/s, in the mean
    seconds: float = 5.0
    seed: int = 1

    @property
    def population(self) -> Population:
        servers = 2 if self.topology == "star" else 0
        return Population(self.nodes, self.nodes - servers, self.stations, self.movers)


def full(topology: str) -> Plan:
    """What the fleet is to carry. It takes minutes, and some gigabytes."""
    return Plan(topology, nodes=300, stations=30_000, movers=3_000, rate=100.0, seconds=20.0)


@dataclass(slots=True)
class Roam:
    """Under way until all nodes name `owner`; `reached` has a bit for each that does."""

    began: float
    owner: bytes
    reached: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """Times in seconds; `load` is CPU time for each second of virtual time, of the core alone."""

    plan: Plan
    links: int
    hops: int
    roams: int
    unfinished: int
    convergence: tuple[float, ...]  # of each roam, sorted
    updates: int
    summaries: int
    load_most: float
    load_mean: float
    octets_a_node: int
    octets_alone: int
    databases_equal: bool
    real_time: float

    @property
    def well(self) -> bool:
        """Everybody has heard of everything."""
        return self.databases_equal and not self.unfinished

    def percentile(self, share: float) -> float:
        return self.convergence[min(len(self.convergence) - 1, int(share * len(self.convergence)))]


class Fleet:
    """Nodes, links and a clock."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.now = 0.0
        self._rng = Random(plan.seed)
        self._queue: list[tuple[float, int, int, Event | None]] = []  # None: the node's timer
        self._number = 0
        population = plan.population
        before = resident()
        model = informed(population)
        self.octets_alone = resident() - before
        self.nodes = [started(number, population, model) for number in range(plan.nodes)]
        self.octets_a_node = (resident() - before) // plan.nodes
        self._armed = [float("inf")] * plan.nodes
        self._last: dict[tuple[int, int], float] = {}
        self.spent = [0.0] * plan.nodes
        self.counters: Counter[str] = Counter()
        self.roaming: dict[bytes, Roam] = {}
        self.convergence: list[float] = []
        self.links = TOPOLOGIES[plan.topology](plan.nodes)
        for one, other in self.links:
            self._deliver_at(0.0, one, PeerReady(other, f"node{other}", dialled=True))
            self._deliver_at(0.0, other, PeerReady(one, f"node{one}", dialled=False))

    # -- time

    def run(self, until: float) -> None:
        queue = self._queue
        while queue and queue[0][0] <= until:
            self.now, _, number, event = heappop(queue)
            if event is None:
                if self.now != self._armed[number]:
                    continue
                self._armed[number] = float("inf")
                event = Tick()
            self._handle(number, event)
        self.now = until

    def walk(self, station: Mac, left: int, to: int, *, told: bool) -> None:
        """`told`: the access point that is left hears of it from the station."""
        self.roaming[association_key(station)] = Roam(self.now, bytes(id_of(to)))
        self._handle(to, StationAuthorized(INTERFACE, station))
        if told:
            self.later(DEPARTURE, left, StationLeft(INTERFACE, station))

    def later(self, seconds: float, number: int, event: Event) -> None:
        self._deliver_at(self.now + seconds, number, event)

    def _deliver_at(self, when: float, number: int, event: Event | None) -> None:
        self._number += 1
        heappush(self._queue, (when, self._number, number, event))

    def _handle(self, number: int, event: Event) -> None:
        node = self.nodes[number]
        began = time.thread_time()
        effects = node.handle(event, self.now)
        deadline = node.next_deadline()
        self.spent[number] += time.thread_time() - began
        if isinstance(event, UpdatesReceived | StationAuthorized):
            self._look(number, node, event)
        for effect in effects:
            self._apply(number, effect)
        if deadline is not None and deadline < self._armed[number]:
            self._armed[number] = max(deadline, self.now)
            self._deliver_at(self._armed[number], number, None)

    # -- links

    def _apply(self, number: int, effect: do.Effect) -> None:
        match effect:
            case do.SendUpdates(peer, updates, more):
                self.counters["updates"] += len(updates)
                self._send(number, peer, UpdatesReceived(number, updates), more=more)
            case do.SendHello(peer, hello):
                self._send(number, peer, PeerSaidHello(number, hello))
            case do.SendSummaries(peer, summaries, more):
                self.counters["summaries"] += len(summaries)
                self._send(number, peer, SummariesReceived(number, summaries), more=more)
            case do.StoreLeases(_, ticket) if ticket is not None:
                self.later(0.005, number, LeasesStored(ticket))
            case do.ClosePeer(_, reason):
                raise AssertionError(f"node{number} closes a connection: {reason}")
            case _:
                pass  # to stations and to the kernel, which nobody looks at here

    def _send(self, number: int, peer: int, event: Event, *, more: bool = False) -> None:
        """In order, however long each takes."""
        link = number, peer
        when = max(self._last.get(link, 0.0), self.now + self._rng.expovariate(1 / LINK_DELAY))
        self._last[link] = when
        self._deliver_at(when, peer, event)
        if more:
            self._deliver_at(self.now, number, PeerWritable(peer))

    # -- what is measured

    def _look(self, number: int, node: Node, event: UpdatesReceived | StationAuthorized) -> None:
        keys = (
            [update.key for update in event.updates]
            if isinstance(event, UpdatesReceived)
            else [association_key(event.station)]
        )
        for key in keys:
            roam = self.roaming.get(key)
            if roam is None or roam.reached >> number & 1:
                continue
            datum = node.database.get(key)
            if datum is not None and datum.value == roam.owner:
                roam.reached |= 1 << number
                roam.count += 1
                if roam.count == len(self.nodes):
                    self.convergence.append(self.now - roam.began)
                    del self.roaming[key]


def measure(plan: Plan) -> Result:
    """Let them settle, walk, and come to rest. Without the garbage collector, whose pauses here, among the objects of
    hundreds of nodes, would be put down to whichever node is at work."""
    gc.collect()
    gc.disable()
    try:
        return _measure(plan)
    finally:
        gc.enable()


def _measure(plan: Plan) -> Result:
    real = time.perf_counter()
    fleet = Fleet(plan)
    fleet.run(SETTLE)
    fleet.counters.clear()
    fleet.spent = [0.0] * plan.nodes
    roams = sum(1 for _ in _walks(fleet))
    fleet.run(fleet.now + DRAIN)
    loads = [spent / plan.seconds for spent in fleet.spent]
    return Result(
        plan=plan,
        links=len(fleet.links),
        hops=hops(plan.nodes, fleet.links),
        roams=roams,
        unfinished=len(fleet.roaming),
        convergence=tuple(sorted(fleet.convergence)),
        updates=fleet.counters["updates"],
        summaries=fleet.counters["summaries"],
        load_most=max(loads),
        load_mean=sum(loads) / len(loads),
        octets_a_node=fleet.octets_a_node,
        octets_alone=fleet.octets_alone,
        databases_equal=len({node.database.digest for node in fleet.nodes}) == 1,
        real_time=time.perf_counter() - real,
    )


def _walks(fleet: Fleet) -> Iterator[float]:
    """Let stations walk, and say when each did. Nobody does whose last walk is not known everywhere yet."""
    plan, rng = fleet.plan, Random(fleet.plan.seed + 1)
    population = plan.population
    at = {number: population.at_first(number) for number in range(population.movers)}
    when = SETTLE
    while (when := when + rng.expovariate(plan.rate)) < SETTLE + plan.seconds:
        number, to = rng.randrange(population.movers), rng.randrange(population.access_points)
        fleet.run(when)
        if association_key(mac_of(number)) not in fleet.roaming and to != at[number]:
            fleet.walk(mac_of(number), at[number], to, told=rng.random() < EXPLICIT)
            at[number] = to
            yield when


def resident() -> int:
    """Octets of memory of this process."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096
