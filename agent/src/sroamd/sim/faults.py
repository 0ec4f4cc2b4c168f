"""What goes wrong with nodes and the backbone, and when: drawn from the seed before the run, so that nothing a node
does can change it. What stations do is in `wandering`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import exp, log
from random import Random

from sroamd.sim.machine import WATCHDOG, Machine
from sroamd.sim.wandering import Wandering
from sroamd.sim.world import World

DOWN_PROCESS = (0.05, 3.0)  # s until the agent runs again; systemd restarts it at once
DOWN_POWER = (1.0, 20.0)
SLOW_TIME = (1.0, 60.0)
FLAPS = (2, 6)  # how often
FLAP_TIME = (0.005, 2.0)  # s for each down and up, as often below 0.1 as above
ISLAND = 0.4  # share of the nodes that a partition cuts off, about
# s that a wall clock is off after a power loss without a battery: back to 1970, a wrong zone, a little ahead. Far ahead
# is no fault that can be survived: all leases seem to have run out long ago.
CLOCK_ERRORS = (-1.7e9, -3600.0, 120.0)
LEASE_TIMES = (600, 3600)  # s that a reloaded configuration may say


class Trouble:
    """Plans a scenario's moves and faults in a world, and ends all of it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = Random(world.rng.getrandbits(64))
        self._wandering = Wandering(world, Random(world.rng.getrandbits(64)))
        self._over = False

    def plan(self) -> None:
        scenario, world, rng = self._world.scenario, self._world, self._rng
        world.air.loss = scenario.frame_loss
        self._wandering.plan()
        for _ in range(scenario.blackouts):
            world.time.at(world.some_time(rng), self._blackout)
        for number in range(scenario.partitions):
            self._plan_cut(partition_of(world, number + 1, rng.random() < 0.5), world.repair)
        for _ in range(scenario.flood_cuts):
            self._plan_cut(block_of(world, rng.random() < 0.5), world.unblock_flooding)
        for _ in range(scenario.link_cuts):
            self._plan_link_cut(world.some_time(rng), rng.uniform(*scenario.partition_time))
        for _ in range(scenario.link_flaps):
            self._plan_flaps(world.some_time(rng))
        for _ in range(scenario.transit_kills):
            world.time.at(world.some_time(rng), self._kill, self._transit())
        for _ in range(scenario.broken_connections):
            world.time.at(world.some_time(rng), self._break_connection)
        for what, number in (
            (self._slow, scenario.slow_nodes),
            (self._kill, scenario.kills),
            (self._hang, scenario.hangs),
            (self._power_loss, scenario.power_losses),
            (self._disk_loss, scenario.disk_losses),
            (self._clock_jump, scenario.clock_jumps),
            (self._restart, scenario.restarts),
            (self._reload, scenario.reloads),
            (self._hostapd_restart, scenario.hostapd_restarts),
            (self._route_loss, scenario.lost_routes),
            (self._disk_failure, scenario.disk_failures),
        ):
            for _ in range(number):
                world.time.at(world.some_time(rng), what, rng.choice(world.machines))

    def stop(self) -> None:
        """Everything works from now on, and every station is somewhere and stays."""
        world = self._world
        self._over = True
        world.note("trouble ends")
        world.air.loss = 0.0
        for machine in world.machines:
            machine.service = 0.0
            machine.disk.failing = False
            world.start(machine)
        for liar in world.liars:
            world.kill(liar)
        world.repair(world.network.machines)
        if world.backbone.closed:
            world.mend(world.backbone.closed)
        world.unblock_flooding(world.machines)
        self._wandering.stop()

    # -- the backbone

    def _plan_cut(self, cut: Callable[[list[Machine]], None], mend: Callable[[list[Machine]], None]) -> None:
        world = self._world
        island = [machine for machine in world.machines if self._rng.random() < ISLAND] or [world.machines[-1]]
        begin = world.some_time(self._rng)
        world.time.at(begin, self._unless_over, cut, island)
        world.time.at(begin + self._rng.uniform(*world.scenario.partition_time), self._unless_over, mend, island)

    def _unless_over(self, what: Callable[[list[Machine]], None], island: list[Machine]) -> None:
        if not self._over:
            what(island)

    def _plan_link_cut(self, begin: float, seconds: float) -> None:
        """A cable is cut, or a machine's port of a switch: something in the middle fails, or the carrier goes."""
        ports, carrier = self._some_link(), self._rng.random() < 0.5
        self._world.time.at(begin, self._cut_link, ports, carrier)
        self._world.time.at(begin + seconds, self._mend_link, ports)

    def _plan_flaps(self, begin: float) -> None:
        ports = self._some_link()
        for _ in range(self._rng.randint(*FLAPS)):
            down, up = (exp(self._rng.uniform(*map(log, FLAP_TIME))) for _ in range(2))
            self._world.time.at(begin, self._cut_link, ports, False)
            self._world.time.at(begin + down, self._mend_link, ports)
            begin += down + up

    def _some_link(self) -> list[tuple[int, int]]:
        """Both ends of a cable, or one port of a switch."""
        segments = self._world.backbone.segments
        segment = self._rng.randrange(len(segments))
        members = segments[segment]
        return [(router, segment) for router in (members if len(members) == 2 else [self._rng.choice(members)])]

    def _cut_link(self, ports: list[tuple[int, int]], carrier: bool) -> None:
        if not self._over:
            self._world.cut(ports, carrier=carrier)

    def _mend_link(self, ports: list[tuple[int, int]]) -> None:
        if not self._over:
            self._world.mend(ports)

    def _transit(self) -> Machine:
        """A machine with more cables than one, if there is any."""
        machines = self._world.machines
        inner = [machine for machine in machines if len(self._world.backbone.ports[machine.index]) > 1]
        return self._rng.choice(inner or machines)

    def _break_connection(self) -> None:
        if not self._over:
            broken = self._world.network.break_connection(self._rng)
            self._world.note(f"connection {broken} reset" if broken else "no connection to reset")

    # -- nodes

    def _slow(self, machine: Machine) -> None:
        if not self._over:
            self._world.note(f"{machine.name} is slow")
            machine.service = self._world.scenario.service_time
            self._world.time.after(self._rng.uniform(*SLOW_TIME), self._swift, machine)

    def _swift(self, machine: Machine) -> None:
        machine.service = 0.0

    def _kill(self, machine: Machine) -> None:
        if not self._over and machine.running:
            self._world.kill(machine)
            self._world.time.after(self._rng.uniform(*DOWN_PROCESS), self._world.start, machine)

    def _hang(self, machine: Machine) -> None:
        if not self._over and machine.running:
            self._world.hang(machine)
            self._world.time.after(WATCHDOG + self._rng.uniform(*DOWN_PROCESS), self._world.start, machine)

    def _power_loss(self, machine: Machine) -> None:
        if not self._over and machine.powered:
            self._world.power_off(machine)
            self._world.time.after(self._rng.uniform(*DOWN_POWER), self._world.start, machine)

    def _clock_jump(self, machine: Machine) -> None:
        self._power_loss(machine)
        machine.wall_offset = self._rng.choice(CLOCK_ERRORS)
        self._world.note(f"the wall clock of {machine.name} will be {machine.wall_offset:+.0f} s off")

    def _blackout(self) -> None:
        for machine in self._world.machines:
            self._power_loss(machine)

    def _disk_loss(self, machine: Machine) -> None:
        if not self._over and machine.powered:
            self._world.power_off(machine)
            self._world.lose_disk(machine)
            self._world.time.after(self._rng.uniform(*DOWN_POWER), self._world.start, machine)

    def _restart(self, machine: Machine) -> None:
        if not self._over and machine.running:
            self._world.restart(machine)
            self._world.time.after(self._rng.uniform(*DOWN_PROCESS), self._world.start, machine)

    def _reload(self, machine: Machine) -> None:
        """Another name, another lease time."""
        if not self._over:
            config = machine.config
            node = replace(config.node, name=f"{machine.name}-again")
            dhcp4 = replace(config.dhcp4, lease_time=self._rng.choice(LEASE_TIMES))
            self._world.reload(machine, replace(config, node=node, dhcp4=dhcp4))

    def _hostapd_restart(self, machine: Machine) -> None:
        if not self._over and machine.on_air:
            self._world.stop_hostapd(machine)
            self._world.time.after(self._rng.uniform(*DOWN_PROCESS), self._world.start, machine)

    def _route_loss(self, machine: Machine) -> None:
        if not self._over and machine.kernel.routes:
            prefix = self._rng.choice(sorted(machine.kernel.routes, key=str))
            self._world.note(f"somebody deletes {prefix} on {machine.name}")
            machine.kernel.delete_behind_our_back(prefix)

    def _disk_failure(self, machine: Machine) -> None:
        if not self._over:
            self._world.note(f"the disk of {machine.name} takes nothing")
            machine.disk.failing = True
            self._world.time.after(self._rng.uniform(*DOWN_POWER), self._disk_works, machine)

    def _disk_works(self, machine: Machine) -> None:
        machine.disk.failing = False


def partition_of(world: World, number: int, silent: bool) -> Callable[[list[Machine]], None]:
    return lambda island: world.partition(island, number, silent=silent)


def block_of(world: World, silent: bool) -> Callable[[list[Machine]], None]:
    return lambda island: world.block_flooding(island, silent=silent)
