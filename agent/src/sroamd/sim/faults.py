"""What goes wrong, and when: drawn from the seed before the run, so that nothing a node does can change it."""

from __future__ import annotations

from random import Random

from sroamd.sim.machine import Machine
from sroamd.sim.scenario import Scenario
from sroamd.sim.station import Station
from sroamd.sim.world import World

PING_PONG = 0.1  # s: three further moves within this time
DOWN_PROCESS = (0.05, 3.0)  # s until the agent runs again; systemd restarts it at once
DOWN_POWER = (1.0, 20.0)
PARTITION = (0.5, 25.0)  # shorter and longer than a silent connection lives


class Trouble:
    """Plans a scenario's moves and faults in a world, and ends all of it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = Random(world.rng.getrandbits(64))
        self._over = False

    def plan(self) -> None:
        scenario, world = self._world.scenario, self._world
        world.air.loss = scenario.frame_loss
        for station in world.stations:
            world.time.at(self._rng.uniform(0, scenario.appear_within), self._move, station)
        for _ in range(scenario.slow_nodes):
            self._rng.choice(world.machines).service = scenario.service_time
        for _ in range(scenario.blackouts):
            world.time.at(self._some_time(scenario), self._blackout)
        for number in range(scenario.partitions):
            self._plan_partition(number + 1)
        for _ in range(scenario.broken_connections):
            world.time.at(self._some_time(scenario), self._break_connection)
        for what, number in (
            (self._kill, scenario.kills),
            (self._power_loss, scenario.power_losses),
            (self._disk_loss, scenario.disk_losses),
            (self._restart, scenario.restarts),
            (self._hostapd_restart, scenario.hostapd_restarts),
            (self._route_loss, scenario.lost_routes),
            (self._disk_failure, scenario.disk_failures),
        ):
            for _ in range(number):
                world.time.at(self._some_time(scenario), what, self._rng.choice(world.machines))

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
        world.repair(world.machines)
        for station in world.stations:
            if station.ap is None:
                world.come_back(station, station.stay, self._rng.choice(world.access_points))

    def _some_time(self, scenario: Scenario) -> float:
        return self._rng.uniform(0, scenario.duration)

    # -- moves

    def _move(self, station: Station) -> None:
        if self._over:
            return
        scenario, world = self._world.scenario, self._world
        self._walk(station)
        if self._rng.random() < scenario.ping_pong:
            for _ in range(3):
                world.time.after(self._rng.uniform(0, PING_PONG), self._walk, station)
        world.time.after(PING_PONG + self._rng.expovariate(1 / scenario.stay), self._move, station)

    def _walk(self, station: Station) -> None:
        if self._over:
            return
        scenario, world = self._world.scenario, self._world
        choices = [ap for ap in world.access_points if ap.on_air and ap is not station.ap]
        if choices:
            told = self._rng.random() < scenario.explicit_departures
            departure = "explicit" if told else self._rng.choice(("silent", "idle"))
            asks = self._rng.random() < scenario.asks_dhcp
            world.walk(station, self._rng.choice(choices), departure, ask_dhcp=asks)

    # -- faults

    def _plan_partition(self, number: int) -> None:
        world = self._world
        island = [machine for machine in world.machines if self._rng.random() < 0.4] or [world.machines[-1]]
        begin = self._some_time(world.scenario)
        silent = self._rng.random() < 0.5
        world.time.at(begin, self._partition, island, number, silent)
        world.time.at(begin + self._rng.uniform(*PARTITION), self._repair, island)

    def _partition(self, island: list[Machine], number: int, silent: bool) -> None:
        if not self._over:
            self._world.partition(island, number, silent=silent)

    def _repair(self, island: list[Machine]) -> None:
        if not self._over:
            self._world.repair(island)

    def _break_connection(self) -> None:
        if not self._over:
            broken = self._world.network.break_connection(self._rng)
            self._world.note(f"connection {broken} reset" if broken else "no connection to reset")

    def _kill(self, machine: Machine) -> None:
        if not self._over and machine.running:
            self._world.kill(machine)
            self._world.time.after(self._rng.uniform(*DOWN_PROCESS), self._world.start, machine)

    def _power_loss(self, machine: Machine) -> None:
        if not self._over and machine.powered:
            self._world.power_off(machine)
            self._world.time.after(self._rng.uniform(*DOWN_POWER), self._world.start, machine)

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
