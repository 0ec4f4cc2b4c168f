"""One machine of the fleet: the real `Node`, and around it a disk, a kernel, perhaps a radio, and connections.

`process` counts the lives of the agent: whatever was meant for a former one does not reach the next.
"""

from __future__ import annotations

from collections import deque
from ipaddress import IPv4Address, IPv6Address
from random import Random
from typing import TYPE_CHECKING

from sroamd.addresses import Mac, NodeId
from sroamd.config import Config
from sroamd.core.events import (
    Event,
    GuardListed,
    InterfaceChanged,
    KernelRoutesListed,
    LeasesLoaded,
    LinkLocalsListed,
    PeerId,
    Tick,
)
from sroamd.core.node import Node
from sroamd.sim.c_node import CNode
from sroamd.sim.disk import VirtualDisk
from sroamd.sim.executor import apply
from sroamd.sim.hostapd import VirtualHostapd
from sroamd.sim.kernel import VirtualKernel
from sroamd.sim.liar import Liar
from sroamd.sim.link import Connection, End
from sroamd.stored import Instant

if TYPE_CHECKING:
    from sroamd.sim.world import World

Agent = Node | CNode
INTERFACE = "wlan0"
WATCHDOG = 10.0  # s that a hung agent may be silent (the service's WatchdogSec)
EXEC_STOP_POST = (0.02, 0.3)  # s after the agent's end until systemd has flushed what nobody looks after
SPIN_MAX = 1000  # handled timers at one instant, beyond which the node spins


class Spinning(Exception):
    """The node asks for a time that it then does nothing with, again and again."""


class Machine:
    """Its clock runs at `rate` of the world's time. `service`: how long it takes over one event, when it is slow."""

    runs_c = False  # the C daemon in place of an agent of ours

    def __init__(
        self, world: World, index: int, config: Config, dials: tuple[int, ...], node_id: NodeId, rate: float, seed: int
    ) -> None:
        self.world = world
        self.index = index
        self.config = config
        self.name = config.node.name
        self.node_id = node_id
        self.rate = rate
        self.service = 0.0
        self.dials = dials
        self.mac = Mac(bytes((0x02, 0, 0, 0xFE, 0, index)))
        self.router_addresses: tuple[IPv4Address | IPv6Address, ...] = tuple(
            address for address in (config.node.router_ipv4, config.node.router_ipv6) if address is not None
        )
        self._rng = Random(seed)
        self._time = time = world.time
        self.disk = VirtualDisk(time, Random(self._rng.getrandbits(64)), world.scenario.disk_delay)
        self.kernel = VirtualKernel(time, lambda prefix, kind: world.route_changed(self, prefix, kind))
        self.hostapd = VirtualHostapd(time, Random(self._rng.getrandbits(64)), INTERFACE) if config.interfaces else None
        self.connections: dict[PeerId, tuple[Connection, End]] = {}
        self.node: Agent | None = None
        self.process = 0
        self.powered = False
        self.started_at = 0.0  # of the agent's present life, in the world's time
        self.ended_at = 0.0  # of its last one
        self.wall_offset = 0.0  # s that its wall clock is wrong
        self._boots = 0
        self._booted_at = 0.0
        self._armed: float | None = None
        self._waiting: deque[tuple[float, Event]] = deque()  # with the time of its arrival
        self.lag = 0.0  # s that the last event had waited
        self._busy = False
        self._ticks_now = (0.0, 0)

    # -- clocks

    @property
    def running(self) -> bool:
        return self.node is not None

    @property
    def on_air(self) -> bool:
        """Whether stations can associate."""
        return self.powered and self.hostapd is not None and self.hostapd.running

    def clock(self) -> float:
        """Monotonic, since its boot, as the node is told it."""
        return (self.world.time.now - self._booted_at) * self.rate

    def moment(self) -> Instant:
        """As its store writes it down."""
        return Instant(self.world.time.now * self.rate + self.wall_offset, self.clock(), str(self._boots))

    # -- life and death

    def power_on(self) -> None:
        self.powered = True
        self._boots += 1
        self._booted_at = self.world.time.now - 10.0
        self.world.babel.reborn(self.index)
        self.world.network.power_changed()
        self.start_agent()

    def start_agent(self) -> None:
        """In the order of the daemon: store, interfaces, routes, then the adapters."""
        if self.running or not self.powered:
            return
        self.process += 1
        self.started_at = self.world.time.now
        self._armed = None
        self.node = self._new_agent(Random(self._rng.getrandbits(64)))
        self.disk.stored = self.kernel.tell = self.deliver
        self.deliver(LeasesLoaded(self.disk.load(self.moment())))
        if self.hostapd is not None:
            self.deliver(InterfaceChanged(INTERFACE, self.mac))
        self.deliver(LinkLocalsListed(self.world.backbone.link_locals(self.index)))
        self.kernel.flush_direct()
        self.deliver(KernelRoutesListed(self.kernel.listed()))
        self.deliver(GuardListed(frozenset(self.kernel.permits)))
        if self.hostapd is not None:
            self.hostapd.attach(self.deliver)
        self.world.network.start(self)

    def _new_agent(self, rng: Random) -> Agent:
        """What decides on this machine. A subclass has another agent."""
        return Node(self.config, self.node_id, rng)

    def stop(self) -> None:
        """The daemon closes its adapters in order; the kernel's routes stay."""
        if self.running:
            self.disk.close()
            self.kill()

    def kill(self) -> None:
        """kill -9: kernel, hostapd and the committed part of the disk stay."""
        self._die(abrupt=False)
        self.world.time.after(self._rng.uniform(*EXEC_STOP_POST), self._exec_stop_post, self.process)

    def hang(self) -> None:
        """It does nothing more, and its kernel keeps its connections and routes until the watchdog ends it."""
        self._die(abrupt=True)
        self.world.time.after(WATCHDOG + self._rng.uniform(*EXEC_STOP_POST), self._exec_stop_post, self.process)

    def _exec_stop_post(self, process: int) -> None:
        if process == self.process:
            self.kernel.flush_direct()

    def power_off(self) -> None:
        self._die(abrupt=True)
        self.powered = False
        self.kernel.power_off()
        if self.hostapd is not None:
            self.hostapd.power_off()
        self.world.network.power_changed()

    def lose_disk(self, node_id: NodeId) -> None:
        """A new card: no leases, and another id. Only while the agent does not run."""
        self.world.checks.disk_lost(self)
        self.disk.wipe()
        self.node_id = node_id

    def _die(self, *, abrupt: bool) -> None:
        if not self.running:
            return
        self.node = None
        self.ended_at = self._time.now
        self.process += 1
        self._waiting.clear()
        self._busy = False
        self.disk.crash()
        self.kernel.forget_watcher()
        if self.hostapd is not None:
            self.hostapd.detach()
        self.world.network.process_died(self, abrupt)

    # -- events in

    def deliver(self, event: Event) -> None:
        """Handled at once, or when a slow machine comes to it; never within the handling of another."""
        if self.node is None:
            return
        self._waiting.append((self._time.now, event))
        if self._busy:
            return
        self._busy = True
        if self.service:
            self.world.time.after(self._service_time(), self._next, self.process)
            return
        while self._waiting:
            self._handle_next()
        self._busy = False

    def _service_time(self) -> float:
        return self._rng.expovariate(1 / self.service) if self.service else 0.0

    def _next(self, process: int) -> None:
        if process != self.process or self.node is None:
            return
        self._handle_next()
        self._busy = bool(self._waiting)
        if self._busy:
            self.world.time.after(self._service_time(), self._next, process)

    def _handle_next(self) -> None:
        node, at, trace = self.node, self._time.now, self.world.trace
        assert node is not None
        arrived_at, event = self._waiting.popleft()
        self.lag = at - arrived_at
        trace.event(at, self.index, self.name, event)
        now = (at - self._booted_at) * self.rate
        if type(event) is Tick:
            deadline = node.next_deadline()
            now = now if deadline is None or deadline - now > 1e-6 else max(now, deadline)
        effects = node.handle(event, now)
        if effects:
            trace.effects(at, self.name, effects)
            for effect in effects:
                apply(self, effect)
        self._arm()

    # -- the one timer

    def _arm(self) -> None:
        assert self.node is not None
        deadline = self.node.next_deadline()
        if deadline is None:
            return
        when = max(self._time.now, self._booted_at + deadline / self.rate)
        if self._armed is None or when < self._armed:
            self._armed = when
            self._time.at(when, self._timer, self.process, when)

    def _timer(self, process: int, when: float) -> None:
        if process != self.process or self.node is None or when != self._armed:
            return
        self._armed = None
        deadline = self.node.next_deadline()
        if deadline is None or deadline > self.clock() + 1e-6:
            self._arm()  # it has moved back since
            return
        at, number = self._ticks_now
        self._ticks_now = (when, number + 1 if at == when else 1)
        if self._ticks_now[1] > SPIN_MAX:
            raise Spinning(f"{self.name} wants to be called at {deadline:.6f} for ever (clock {self.clock():.6f})")
        self.deliver(Tick())


class LyingMachine(Machine):
    def _new_agent(self, rng: Random) -> Node:
        return Liar(self.config, self.node_id, rng, self.world.checks.lied_about)
