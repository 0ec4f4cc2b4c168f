"""Packets to stations now and then, to see where routes lead while they change, and how long they lead in a circle.

A packet is sent where something has just changed, and takes HOP_TIME a hop. One that comes back to a router may have
met two states of the routes, one after the other; if they lead in a circle as they are, it is watched until it is gone.
By whose routes it goes decides how long it may last: of agents alone, as long as the flood spreads; where a router goes
by Babel, as long as Babel's news spread. The time begins anew with whatever tells the routers something new: another
version of the station's claim or lease, a change in the backbone, an agent that starts or ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network
from math import inf
from random import Random
from typing import TYPE_CHECKING

from sroamd.core.node import Node
from sroamd.core.seqno import is_newer
from sroamd.core.values import Prefix, RouteKind
from sroamd.sim.forwarding import End, following, trace
from sroamd.sim.machine import EXEC_STOP_POST, WATCHDOG
from sroamd.sim.network import BABEL_LOOKS_AGAIN, BABEL_NOTICES
from sroamd.wire.datum import association_key, ipv4_lease_key, ipv6_lease_key

if TYPE_CHECKING:
    from sroamd.sim.station import Station
    from sroamd.sim.world import World

HOP_TIME = 0.001  # s
HOP_LIMIT = 64
SENT_WITHIN = 0.4  # s after what has changed
AFTER_MOVE = 3  # packets to the station
AFTER_DISTURBANCE = 6  # packets to some stations, when nodes or the backbone change
WATCHED_EVERY = (0.002, 0.05)  # s at least; and as a share of the time that the loop has lasted
# How long a loop may last: beyond what the news take, a queue of a node, and what was repeated by TCP.
DIES_WITHIN = WATCHDOG + EXEC_STOP_POST[1]  # s from the end of an agent to that of its direct routes
HOP_SPREAD = 10  # mean delays of a link that an Update may need for one link
SLACK = 0.1  # s
LONGEST = "ms of the longest loop "  # what counters of which the greatest counts begin with


class Kind(StrEnum):
    """Of loops: who goes by what is not true any more."""

    AGENTS = "of agents"
    CUT_OFF = "of agents cut off"  # they cannot flood with each other, or not with who has the station
    BABEL = "with Babel"  # one of the routers goes by it
    TWO_PLACES = "with Babel told wrong"
    DEAD = "with a dead agent"
    LIAR = "with a liar"


@dataclass(slots=True)
class Loop:
    """From `router` on. `news`: the last that could explain it; `since`: when that came, or it became of this kind."""

    station: Station
    prefix: Prefix
    router: int
    began: float
    since: float
    kind: Kind | None = None
    news: object = None


class Packets:
    """`chance`: how often packets are sent after a change."""

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._rng = rng
        self._chance = world.scenario.packets
        self._watched: set[Prefix] = set()

    # -- when

    def moved(self, station: Station) -> None:
        """Somebody sends something to a station that has just moved."""
        if self._rng.random() < self._chance:
            for _ in range(AFTER_MOVE):
                self._send_soon(station)

    def disturbed(self) -> None:
        """Something happens to a node, or to the backbone."""
        if self._rng.random() < self._chance:
            for _ in range(AFTER_DISTURBANCE):
                self._send_soon(self._rng.choice(self._world.stations))

    def _send_soon(self, station: Station) -> None:
        router = self._rng.choice(self._world.backbone.routers)
        version = self._rng.choice((4, 6))
        self._world.time.after(self._rng.uniform(0, SENT_WITHIN), self._send, station, version, router)

    # -- on its way

    def _send(self, station: Station, version: int, router: int) -> None:
        prefix: Prefix | None = station.prefix
        if version == 4:
            prefix = None if station.address is None else IPv4Network(station.address)
        if prefix is not None:
            self._world.counters["packets"] += 1
            self._at(station, prefix, [router])

    def _at(self, station: Station, prefix: Prefix, path: list[int]) -> None:
        world, router = self._world, path[-1]
        step = following(world, router, prefix)
        self._judge_direct(router, prefix)
        if step is End.RADIO:
            world.counters["packets that arrive"] += station.hears(world.network.machines[router])
        if isinstance(step, End) or len(path) > HOP_LIMIT:
            circled = len(path) - len(set(path))
            world.counters["packets that circle"] += circled > 0
            world.counters["hops in circles"] += circled
            return
        if step in path:
            self._look(station, prefix, step)
        world.time.after(HOP_TIME, self._at, station, prefix, [*path, step])

    def _judge_direct(self, router: int, prefix: Prefix) -> None:
        """Direct routes do not outlive the agent that looks after them by more than the watchdog's time."""
        world = self._world
        if router < len(world.network.machines):
            machine = world.network.machines[router]
            route = machine.kernel.routes.get(prefix)
            since = world.time.now - machine.ended_at
            if route is not None and route.kind is RouteKind.DIRECT and not machine.running and since > DIES_WITHIN:
                world.checks.violated(
                    "direct routes die", f"{machine.name} has {route}, and no agent for {since:.1f} s"
                )

    # -- in a circle

    def _look(self, station: Station, prefix: Prefix, router: int) -> None:
        if prefix not in self._watched and self._circle(router, prefix):
            now = self._world.time.now
            self._watched.add(prefix)
            self._world.counters["loops"] += 1
            self._watch(Loop(station, prefix, router, now, now))

    def _circle(self, router: int, prefix: Prefix) -> list[int]:
        """The routers of the loop that a packet from `router` ends in."""
        path, end = trace(self._world, router, prefix)
        return path[path.index(path[-1]) : -1] if end is None else []

    def _watch(self, loop: Loop) -> None:
        """Until it is gone, or has lasted too long."""
        world = self._world
        now, circle = world.time.now, self._circle(loop.router, loop.prefix)
        if not circle:
            self._watched.discard(loop.prefix)
            return
        kind, news = self._kind(loop, circle), self._news(loop)
        if (kind, news) != (loop.kind, loop.news) or kind is Kind.TWO_PLACES:
            loop.kind, loop.news, loop.since = kind, news, now
        limit = self._limit(circle, kind)
        self._count(loop)
        if now - loop.since > limit and self._can_hear(loop, circle, loop.since, limit):
            names = " ".join(map(world.name_of, circle))
            text = f"{loop.prefix} of {loop.station.name} goes round {names} for {now - loop.began:.3f} s"
            world.checks.violated(
                "loops end", f"{text}, unchanged for {now - loop.since:.3f} s; allowed: {limit:.3f} s"
            )
            return  # and is watched no more
        shortest, share = WATCHED_EVERY
        world.time.after(max(shortest, share * (now - loop.began)), self._watch, loop)

    def _count(self, loop: Loop) -> None:
        """For people: the longest loops, since the last news and in all."""
        world = self._world
        for name, since in ((str(loop.kind), loop.since), (f"{loop.kind}, with news", loop.began)):
            name = LONGEST + name
            world.counters[name] = max(world.counters[name], round(1000 * (world.time.now - since)))

    def _kind(self, loop: Loop, circle: list[int]) -> Kind:
        """By what is wrong, the worst first."""
        world = self._world
        if world.scenario.liars:
            return Kind.LIAR
        if self._dead(circle):
            return Kind.DEAD
        by_babel = any(self._goes_by_babel(router, loop.prefix) for router in circle)
        if by_babel and self._announced_twice(loop):
            return Kind.TWO_PLACES
        if not self._can_hear(loop, circle, world.time.now, 0.0):
            return Kind.CUT_OFF
        return Kind.BABEL if by_babel else Kind.AGENTS

    def _announced_twice(self, loop: Loop) -> bool:
        """A node tells Babel that the station is there, and the newest claim is another's: its agent is dead, has just
        begun, or cannot have heard of it."""
        claim = self._newest(association_key(loop.station.mac))
        return any(
            route.kind is RouteKind.HERE and (claim is None or machine.node_id != claim[1])
            for machine in self._world.machines
            if (route := machine.kernel.routes.get(loop.prefix)) is not None
        )

    def _goes_by_babel(self, router: int, prefix: Prefix) -> bool:
        machines = self._world.network.machines
        return router >= len(machines) or prefix not in machines[router].kernel.routes

    def _news(self, loop: Loop) -> object:
        """Whatever, when it changes, gives the routers something to agree upon anew."""
        world = self._world
        prefix = loop.prefix
        lease = ipv4_lease_key(prefix.network_address) if isinstance(prefix, IPv4Network) else ipv6_lease_key(prefix)
        return (
            *(self._newest(key) for key in (association_key(loop.station.mac), lease)),
            world.backbone.version,
            tuple(machine.process for machine in world.machines),
        )

    def _newest(self, key: bytes) -> tuple[int, bytes] | None:
        """The version that everybody will have in the end."""
        newest: tuple[int, bytes] | None = None
        for machine in self._world.machines:
            datum = None if machine.node is None else machine.node.database.get(key)
            if datum is not None and (newest is None or is_newer(datum.seqno, datum.value, *newest)):
                newest = datum.seqno, datum.value
        return newest

    def _limit(self, circle: list[int], kind: Kind) -> float:
        """s that nothing new has to have come."""
        world = self._world
        lag = 10 * max(machine.lag for machine in world.machines)
        limit = HOP_SPREAD * world.network.mean_delay * len(world.machines) + lag + SLACK
        match kind:
            case Kind.AGENTS | Kind.CUT_OFF:
                return limit
            case Kind.BABEL | Kind.TWO_PLACES:
                return limit + world.babel.slowest + BABEL_NOTICES[1] + len(circle) * BABEL_LOOKS_AGAIN[1]
            case Kind.DEAD:
                return self._limit(circle, Kind.BABEL) + DIES_WITHIN
            case Kind.LIAR:
                return inf

    def _dead(self, circle: list[int]) -> bool:
        machines = self._world.machines
        return any(router < len(machines) and not machines[router].running for router in circle)

    def _can_hear(self, loop: Loop, circle: list[int], since: float, limit: float) -> bool:
        """Whether the agents of the loop have been able to hear, for so long, each other and who has the station."""
        world = self._world
        claim = self._newest(association_key(loop.station.mac))
        agents = [r for r in circle if r < len(world.machines) and isinstance(world.machines[r].node, Node)]
        if agents and claim is not None:
            agents += [machine.index for machine in world.machines if machine.node_id == claim[1] and machine.running]
        return all(world.network.joined_for(agents[0], other, since, limit) for other in agents[1:])
