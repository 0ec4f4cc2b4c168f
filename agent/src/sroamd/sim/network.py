"""The connections of the flooding protocol over the backbone: who dials whom, and when nodes could hear each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from random import Random
from typing import TYPE_CHECKING

from sroamd import constants
from sroamd.core.events import PeerClosed, PeerReady
from sroamd.sim.babel import Babel
from sroamd.sim.backbone import Backbone
from sroamd.sim.clock import VirtualTime
from sroamd.sim.link import Connection, End
from sroamd.sim.scenario import Scenario

if TYPE_CHECKING:
    from sroamd.sim.machine import Machine

# Babel finds a dead link, or a new one, in about this time (routing, section 3: 0.4 to 0.8 s with hello 0.2 s); sooner
# where the kernel tells one end of it that the carrier is gone.
BABEL_NOTICES = (0.4, 0.8)
BABEL_READS = (0.0, 0.02)  # s: of the carrier in a netlink message, and then takes its routes out of the kernel
BABEL_IS_TOLD = (0.02, 0.2)  # s: of that, by a neighbour
BABEL_LOOKS_AGAIN = (0.05, 0.15)  # a router that goes without a way until another has changed its own
RETRANSMISSION = (0.2, 1.0)  # s: TCP sends again what a partition swallowed


class Network:
    """`blocked` are nodes whose flooding port is closed by a firewall, while the backbone carries all else."""

    def __init__(self, time: VirtualTime, rng: Random, scenario: Scenario, backbone: Backbone, babel: Babel) -> None:
        self.time = time
        self.backbone = backbone
        self.babel = babel
        self.octets = scenario.octets
        self.buffer = scenario.buffer
        self.sent = 0  # Updates
        self.machines: list[Machine] = []
        self._honest = 0  # how many of the machines are
        self.blocked: set[int] = set()
        self._rng = rng
        self.mean_delay = scenario.link_delay
        self._connections: dict[End, Connection] = {}  # open ends
        self._held: set[Connection] = set()
        self._peer_ids = count(1)
        self._components: list[tuple[float, tuple[int, ...]]] = []

    def add(self, machines: Sequence[Machine], liars: Sequence[Machine] = ()) -> None:
        self.machines = [*machines, *liars]
        self._honest = len(machines)
        self._note_components()

    def delay(self) -> float:
        return self._rng.expovariate(1 / self.mean_delay)

    def reachable(self, a: int, b: int) -> bool:
        """By packets."""
        return self.babel.reaches(a, b) and self.babel.reaches(b, a)

    def can_flood(self, a: int, b: int) -> bool:
        """By connections of the flooding protocol."""
        return self.reachable(a, b) and (a == b or not self.blocked & {a, b})

    # -- dialling

    def start(self, machine: Machine) -> None:
        """The agent's transport begins to dial its peers."""
        for target in machine.dials:
            self.time.after(self._rng.uniform(0, 0.05), self._dial, machine, machine.process, target, 0.0)

    def _dial(self, machine: Machine, process: int, target: int, backoff: float) -> None:
        if machine.process != process or not machine.running:
            return
        if self.can_flood(machine.index, target) and self.machines[target].running:
            self.time.after(3 * self.delay(), self._establish, machine, process, target, backoff)
        else:
            self._dial_later(machine, process, target, backoff)

    def _dial_later(self, machine: Machine, process: int, target: int, delay: float) -> None:
        """After `delay`; each failure doubles it, as in the real transport."""
        wait = delay * self._rng.uniform(0.8, 1.0)
        longer = min(max(2 * delay, constants.DIAL_BACKOFF_MIN), constants.DIAL_BACKOFF_MAX)
        self.time.after(wait, self._dial, machine, process, target, longer)

    def _establish(self, machine: Machine, process: int, target: int, backoff: float) -> None:
        other = self.machines[target]
        if machine.process != process or not machine.running:
            return
        if not other.running or not self.can_flood(machine.index, target):
            self._dial_later(machine, process, target, backoff)
            return
        dialler, listener = End(machine, next(self._peer_ids)), End(other, next(self._peer_ids))
        dialler.target, dialler.backoff, dialler.born = target, backoff, self.time.now
        connection = Connection(self, dialler, listener, self._rng)
        self._connections[dialler] = self._connections[listener] = connection
        dialler.last_arrival = self.time.now + self.delay()  # nothing overtakes the listener's own readiness
        self.time.at(dialler.last_arrival, self._ready, listener, machine.name)
        self._ready(dialler, other.name)
        self._note_components()

    def _ready(self, end: End, name: str) -> None:
        if end.alive:
            end.machine.connections[end.peer] = (self._connections[end], end)
            end.machine.deliver(PeerReady(end.peer, name, dialled=end.target is not None))

    def end_closed(self, connection: Connection, end: End) -> None:
        """The transport of one end is told; if it was the one that dialled, it dials again."""
        self._connections.pop(end, None)
        self._held.discard(connection)
        self._note_components()
        machine = end.machine
        if machine.process != end.process or not machine.running:
            return
        if machine.connections.pop(end.peer, None) is not None:
            machine.deliver(PeerClosed(end.peer))
        if end.target is not None:
            lasted = self.time.now - end.born
            delay = end.redial_after or (0.0 if lasted > constants.DIAL_TIMEOUT else end.backoff)
            self._dial_later(machine, machine.process, end.target, delay)

    # -- what goes wrong

    def process_died(self, machine: Machine, abrupt: bool) -> None:
        """Its kernel closes its connections; if that is gone too, the peers find out late."""
        for end, connection in list(self._connections.items()):
            if end.machine is machine:
                self._connections.pop(end, None)
                end.is_open = False
                other = connection.ends[1 - connection.ends.index(end)]
                if abrupt:
                    self._go_silent(connection)
                else:
                    self.time.after(self.delay(), self.end_of, connection, other)
        machine.connections.clear()
        self._note_components()

    def end_of(self, connection: Connection, end: End) -> None:
        if end.is_open:
            connection.abort()

    def break_connection(self, chooser: Random) -> str | None:
        """Reset one connection, chosen by chance. None: there is none."""
        connections = sorted({c.ends[0].peer: c for c in self._connections.values()}.items())
        if not connections:
            return None
        connection = chooser.choice(connections)[1]
        connection.abort()
        return "-".join(end.machine.name for end in connection.ends)

    def partition(self, island: Sequence[int], number: int, silent: bool) -> None:
        """Cut `island` off. `silent`: connections die by neglect, or live if the repair comes soon; else at once."""
        self.backbone.set_islands(island, number)
        self._cut(silent)
        self._routers_look(BABEL_NOTICES)

    def repair(self, island: Sequence[int]) -> None:
        """`island` is one with the rest again."""
        self.backbone.set_islands(island, 0)
        self._routers_look(BABEL_NOTICES)

    def cut(self, ports: Sequence[tuple[int, int]], *, carrier: bool) -> None:
        """Nothing passes these ports (router, segment) any more; without `carrier` the kernels there know at once."""
        self.backbone.close(ports)
        self._cut(silent=True)
        for router, segment in ports:
            if not carrier:
                if router < len(self.machines):
                    self.machines[router].kernel.carrier_lost(self.backbone.ports[router][segment])
                self.time.after(self._rng.uniform(*BABEL_READS), self._look, router)
        self._routers_look(BABEL_NOTICES if carrier else BABEL_IS_TOLD)

    def mend(self, ports: Sequence[tuple[int, int]]) -> None:
        self.backbone.open(ports)
        for router, segment in ports:
            if router < len(self.machines):
                self.machines[router].kernel.carrier_back(self.backbone.ports[router][segment])
        self._routers_look(BABEL_NOTICES)

    def block(self, island: Sequence[int], silent: bool) -> None:
        """Flooding with these nodes is cut off: packets dropped (`silent`) or rejected. Babel notices nothing."""
        self.blocked.update(island)
        self._cut(silent)

    def unblock(self, island: Sequence[int]) -> None:
        self.blocked.difference_update(island)
        self._resume_soon()

    def _cut(self, silent: bool) -> None:
        for connection in dict.fromkeys(self._connections.values()):
            a, b = (end.machine.index for end in connection.ends)
            if not self.can_flood(a, b) and self.machines[a].powered and self.machines[b].powered:
                if silent:
                    self._go_silent(connection)
                else:
                    connection.abort()
        self._note_components()

    def _resume_soon(self) -> None:
        for connection in sorted(self._held, key=lambda c: c.ends[0].peer):
            self.time.after(self._rng.uniform(*RETRANSMISSION), self._resume, connection)

    def _go_silent(self, connection: Connection) -> None:
        connection.hold()
        self._held.add(connection)
        limit = constants.PEER_DEAD_TIME + self._rng.uniform(0, 1)
        self.time.after(limit, self._keepalive_fails, connection)

    def _keepalive_fails(self, connection: Connection) -> None:
        if connection in self._held:
            connection.abort()

    def _resume(self, connection: Connection) -> None:
        a, b = (end.machine for end in connection.ends)
        if connection in self._held and self.can_flood(a.index, b.index):
            self._held.discard(connection)
            if all(end.alive for end in connection.ends):
                connection.release()
            else:
                connection.abort()  # the other end has forgotten it, and answers with a reset
            self._note_components()

    # -- Babel's ways to the routers themselves

    def power_changed(self) -> None:
        """A machine went or came: the others notice one by one."""
        self.backbone.changed()
        self._routers_look(BABEL_NOTICES)

    def settle(self) -> None:
        """Babel has found all ways, as it has long before the first agent starts."""
        for router in self.backbone.routers:
            self._look(router)

    def _routers_look(self, delays: tuple[float, float]) -> None:
        for router in self.backbone.routers:
            self.time.after(self._rng.uniform(*delays), self._look, router)

    def _look(self, router: int) -> None:
        """Renew the ways of a router, and what its kernel says of the others' router addresses."""
        if self.babel.look(router):
            self.time.after(self._rng.uniform(*BABEL_LOOKS_AGAIN), self._look, router)
        if router < len(self.machines):
            kernel, ways, next_hop = self.machines[router].kernel, self.babel.ways[router], self.backbone.next_hop
            for other in self.machines:
                if other.index == router:
                    continue
                way = ways.get(other.index)
                for address in other.router_addresses:
                    hop = None if way is None else next_hop(router, way.neighbour, way.segment, address.version)
                    kernel.set_next_hop(address, hop)
        self._resume_soon()

    # -- who could hear whom

    def joined_for(self, a: int, b: int, since: float, long: float) -> bool:
        """Whether a chain of live connections has joined the two nodes for `long` without a break, after `since`."""
        end = self.time.now
        joined_from = end
        for start, component in reversed(self._components):
            if component[a] == component[b]:
                joined_from = max(start, since)
                if end - joined_from >= long:
                    return True
            else:
                end = start
            if start <= since:
                break
        return False

    @property
    def joined(self) -> bool:
        """Whether all honest nodes are in one component now."""
        return len(set(self._components[-1][1][: self._honest])) == 1

    @property
    def updates_in_flight(self) -> int:
        """On connections that are open."""
        return sum(connection.updates_in_flight for connection in set(self._connections.values()))

    @property
    def links(self) -> int:
        """Connections that are open."""
        return len(set(self._connections.values()))

    def _note_components(self) -> None:
        parent = list(range(len(self.machines)))

        def root(index: int) -> int:
            while parent[index] != index:
                index = parent[index]
            return index

        for end, connection in self._connections.items():
            dialler, listener = connection.ends
            if end is dialler and connection not in self._held and dialler.alive and listener.alive:
                a, b = root(dialler.machine.index), root(listener.machine.index)
                parent[max(a, b)] = min(a, b)
        component = tuple(root(index) for index in range(len(parent)))
        if not self._components or self._components[-1][1] != component:
            self._components.append((self.time.now, component))
