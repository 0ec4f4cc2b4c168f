"""Hand-written scenes: a small world without chance faults, in which a test moves the stations itself."""

from __future__ import annotations

from dataclasses import replace

from sroamd.core.values import RouteKind
from sroamd.sim.machine import Machine
from sroamd.sim.run import settle
from sroamd.sim.scenario import Scenario
from sroamd.sim.station import Station
from sroamd.sim.world import World
from sroamd.wire.datum import association_key

PLAIN = Scenario(
    nodes=2, stations=1, topology="line", octets=True, drift=0.0, budget=200_000, disk_delay=(0.001, 0.002)
)


class Stage:
    """A world that is up and connected. `ap(1)` is the first access point, as in flooding section 2."""

    def __init__(self, **changes: object) -> None:
        self.world = World(1, replace(PLAIN, **changes))  # type: ignore[arg-type]
        self.world.power_on_all()
        self.run(2.0)
        assert self.world.network.joined

    @property
    def station(self) -> Station:
        return self.world.stations[0]

    def ap(self, number: int) -> Machine:
        return self.world.machines[number - 1]

    def run(self, seconds: float) -> None:
        self.world.time.run(self.world.time.now + seconds)

    def walk(self, number: int, departure: str = "silent", *, station: int = 0, asks: bool = True) -> None:
        self.world.walk(self.world.stations[station], self.ap(number), departure, ask_dhcp=asks)

    def versions(self) -> list[tuple[int, bytes] | None]:
        """(seqno, value) of the station's association, at each node."""
        key = association_key(self.station.mac)
        data = [m.node.database.get(key) if m.node is not None else None for m in self.world.machines]
        return [None if datum is None else (datum.seqno, datum.value) for datum in data]

    def routers(self) -> set[str]:
        """Nodes that have a route of kind *here*."""
        return {
            machine.name
            for machine in self.world.machines
            if any(route.kind is RouteKind.HERE for route in machine.kernel.routes.values())
        }

    def disassociated(self) -> int:
        """Stations thrown out by an AP at which they really were."""
        return self.world.counters["stations disassociated"]

    def settle(self) -> None:
        """Everything that must hold after a quiet time does hold."""
        settle(self.world)
        assert [str(violation) for violation in self.world.checks.violations] == []
