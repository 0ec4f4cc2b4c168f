"""The world of one run: the fleet, its backbone, its stations; and what can be done to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from random import Random

from sroamd.addresses import Mac, NodeId
from sroamd.config import Config, Dhcp4Config, FloodConfig, InterfaceConfig, NetworkConfig, NodeConfig
from sroamd.core.events import ConfigReloaded, ForeignRouteFound, StopRequested
from sroamd.core.values import Prefix, RouteKind
from sroamd.sim.air import Air
from sroamd.sim.babel import Babel
from sroamd.sim.backbone import Backbone
from sroamd.sim.c_machine import CMachine, place
from sroamd.sim.checks import Checks
from sroamd.sim.clock import VirtualTime
from sroamd.sim.layouts import lay
from sroamd.sim.machine import INTERFACE, LyingMachine, Machine
from sroamd.sim.network import Network
from sroamd.sim.packets import Packets
from sroamd.sim.scenario import TOPOLOGIES, Scenario
from sroamd.sim.station import Station
from sroamd.sim.trace import Trace

IDLE_EXPIRY = (1.0, 30.0)  # s: an AP with a radio notices in the end that a station is gone
IN_EPISODES = 0.8  # share of the faults
RETURN_TO_LIFE = (0.3, 3.0)  # s: a station whose AP died looks for another


class World:
    """Nothing happens until `time` runs. `say`: called with each line of the trace."""

    def __init__(self, seed: int, scenario: Scenario, say: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self.scenario = scenario
        self.rng = Random(seed)
        self.time = VirtualTime(scenario.budget)
        self.trace = Trace(say)
        self.counters: Counter[str] = Counter()
        routers = scenario.nodes, scenario.liars, scenario.foreign
        segments = lay(scenario.layout, *routers, self._new_rng())
        self.backbone = Backbone(sum(routers), segments, self._is_powered)
        self.babel = Babel(self.time, self._new_rng(), self.backbone, scenario.lost_retractions)
        self.network = Network(self.time, self._new_rng(), scenario, self.backbone, self.babel)
        self.air = Air(self, self._new_rng())
        self.checks = Checks(self)
        self._ids = self._new_rng()
        dials = TOPOLOGIES[scenario.topology](scenario.nodes, self._new_rng())
        self._c_nodes: frozenset[int] = frozenset()
        if scenario.c_nodes:
            self._c_nodes, dials = place(dials, scenario.c_nodes, self._new_rng())
        self.machines = [self._make_machine(index, targets) for index, targets in enumerate(dials)]
        self.liars = [self._make_liar(scenario.nodes + number) for number in range(scenario.liars)]
        self.network.add(self.machines, self.liars)
        self.stations = [self._make_station(number) for number in range(scenario.stations)]
        self.packets = Packets(self, self._new_rng())

    def _new_rng(self) -> Random:
        return Random(self.rng.getrandbits(64))

    def new_id(self) -> NodeId:
        return NodeId(self._ids.getrandbits(64).to_bytes(8, "big"))

    def _make_machine(self, index: int, dials: tuple[int, ...]) -> Machine:
        scenario = self.scenario
        has_radio = index in scenario.access_points
        ipv4, ipv6 = IPv4Network(scenario.ipv4_prefix), IPv6Network(scenario.ipv6_prefix)
        number = index - scenario.servers + 1 if has_radio else index + 1
        config = Config(
            node=NodeConfig(
                name=f"{'ap' if has_radio else 'server'}{number}",
                router_ipv4=self.backbone.router_ipv4[index],
                router_ipv6=self.backbone.router_ipv6[index],
            ),
            network=NetworkConfig(ipv4, ipv6, ipv4[1], IPv6Address("fe80::1"), (IPv6Address("2001:db8::53"),)),
            interfaces=(InterfaceConfig(INTERFACE),) if has_radio else (),
            flood=FloodConfig(
                listen=("::", 4444),
                peers=tuple((str(self.backbone.router_ipv4[peer]), 4444) for peer in dials),
                leaf=scenario.servers > 0 and has_radio,
                hello_interval=scenario.hello_interval,
            ),
            dhcp4=Dhcp4Config(lease_time=scenario.lease_time),
        )
        rate = 1 + self.rng.uniform(-scenario.drift, scenario.drift)
        kind = CMachine if index in self._c_nodes else Machine if index < scenario.nodes else LyingMachine
        return kind(self, index, config, dials, self.new_id(), rate, self.rng.getrandbits(64))

    def _make_liar(self, index: int) -> Machine:
        """It dials one or two of the nodes."""
        nodes = range(self.scenario.nodes)
        return self._make_machine(index, tuple(self.rng.sample(nodes, k=min(len(nodes), self.rng.randint(1, 2)))))

    def _make_station(self, number: int) -> Station:
        mac = Mac(bytes((0x02, 0, 0, 0, number >> 8, number & 0xFF)))
        station = Station(self, f"sta{number}", mac, self.rng.getrandbits(64))
        self.air.add(station)
        return station

    def add_clone(self, station: Station, number: int) -> Station:
        """Another radio with the station's MAC."""
        clone = Station(self, f"clone{number}", station.mac, self.rng.getrandbits(64))
        clone.is_clone = True
        self.air.add(clone)
        return clone

    def some_time(self, rng: Random) -> float:
        """When something goes wrong: mostly in an episode."""
        if rng.random() < IN_EPISODES:
            return rng.uniform(*rng.choice(self.scenario.trouble_times))
        return rng.uniform(0, self.scenario.duration)

    # -- what is there

    def has_agent(self, router: int) -> bool:
        """Whether it is an honest node of ours: others may send it packets for stations, it knows where they are."""
        return router < len(self.machines) and not self.machines[router].runs_c

    def name_of(self, router: int) -> str:
        machines = self.network.machines
        return machines[router].name if router < len(machines) else f"foreign{router - len(machines) + 1}"

    @property
    def access_points(self) -> list[Machine]:
        return [self.machines[index] for index in self.scenario.access_points]

    def _is_powered(self, router: int) -> bool:
        """Those without an agent are not what this is about."""
        machines = self.network.machines
        return router >= len(machines) or machines[router].powered

    def note(self, text: str) -> None:
        self.trace.world(self.time.now, text)

    def route_changed(self, machine: Machine, prefix: Prefix, kind: RouteKind | None) -> None:
        self.babel.redistribute(machine.index, prefix, kind, silently=not machine.powered)

    def route_asked_for(self, machine: Machine, prefix: Prefix) -> None:
        """Whether Babel has told the machine of a route to just this prefix."""
        if self.babel.best(prefix, machine.index) is not None:
            self.time.after(0.0, machine.deliver, ForeignRouteFound(prefix))

    # -- what can be done

    def power_on_all(self) -> None:
        for machine in (*self.machines, *self.liars):
            machine.power_on()
        self.network.settle()

    def walk(self, station: Station, ap: Machine, departure: str = "silent", *, ask_dhcp: bool = True) -> None:
        """To another AP. `departure`: the old one is told ("explicit"), finds out late ("idle") or never ("silent")."""
        if not ap.on_air:
            return
        left = station.depart()
        self.note(f"{station.name} walks to {ap.name} ({departure} departure)")
        station.arrive(ap, ask_dhcp=ask_dhcp)
        self.packets.moved(station)
        if left is None or left is ap or left.hostapd is None:
            return
        if departure == "explicit":
            self.time.after(self.rng.expovariate(1 / 0.01), self.departed, left, station)
        elif departure == "idle":
            self.time.after(self.rng.uniform(*IDLE_EXPIRY), self.departed, left, station)

    def departed(self, ap: Machine, station: Station) -> None:
        """The AP notices that the station is not there any more, unless one with that MAC is."""
        if ap.hostapd is not None and not self.air.anybody(station.mac, ap):
            ap.hostapd.remove(station.mac)

    def come_back(self, station: Station, stay: int, ap: Machine) -> None:
        """A station without an AP associates again, there or, if that has no power, anywhere."""
        if station.stay != stay or station.ap is not None:
            return
        if ap.on_air:
            self.walk(station, ap)
            return
        on_air = [other for other in self.access_points if other.on_air]
        other = self.rng.choice(on_air) if on_air else ap
        if other.on_air:
            self.walk(station, other)
        else:
            self.time.after(self.rng.uniform(*RETURN_TO_LIFE), self.come_back, station, stay, ap)

    def partition(self, island: list[Machine], number: int, *, silent: bool) -> None:
        names = " ".join(machine.name for machine in island)
        self.note(f"partition: {names} cut off{', silently' if silent else ''}")
        self.network.partition([machine.index for machine in island], number, silent)
        self.packets.disturbed()

    def repair(self, island: list[Machine]) -> None:
        self.note(f"repair: {' '.join(machine.name for machine in island)} joined again")
        self.network.repair([machine.index for machine in island])
        self.packets.disturbed()

    def cut(self, ports: list[tuple[int, int]], *, carrier: bool) -> None:
        """Ports are (router, segment)."""
        self.note(f"nothing passes {self._ports(ports)} any more, {'with' if carrier else 'without'} a carrier")
        self.network.cut(ports, carrier=carrier)
        self.packets.disturbed()

    def mend(self, ports: list[tuple[int, int]]) -> None:
        self.note(f"{self._ports(ports)} mended")
        self.network.mend(ports)
        self.packets.disturbed()

    def _ports(self, ports: list[tuple[int, int]]) -> str:
        return " ".join(f"{self.name_of(router)}:{self.backbone.ports[router][segment]}" for router, segment in ports)

    def block_flooding(self, island: list[Machine], *, silent: bool) -> None:
        how = "drops" if silent else "rejects"
        self.note(f"a firewall {how} flooding with {' '.join(machine.name for machine in island)}")
        self.network.block([machine.index for machine in island], silent)

    def unblock_flooding(self, island: list[Machine]) -> None:
        self.note(f"flooding with {' '.join(machine.name for machine in island)} is allowed again")
        self.network.unblock([machine.index for machine in island])

    def reload(self, machine: Machine, config: Config) -> None:
        self.note(f"{machine.name} reloads its configuration")
        machine.config = config
        machine.deliver(ConfigReloaded(config))

    def kill(self, machine: Machine) -> None:
        self.note(f"kill -9 on {machine.name}")
        machine.kill()
        self.packets.disturbed()

    def hang(self, machine: Machine) -> None:
        self.note(f"the agent on {machine.name} hangs")
        machine.hang()
        self.packets.disturbed()

    def restart(self, machine: Machine) -> None:
        """systemctl restart."""
        self.note(f"restart of the agent on {machine.name}")
        machine.deliver(StopRequested())

    def stop_hostapd(self, machine: Machine) -> None:
        """It says goodbye to every station; each looks for an AP again."""
        self.note(f"hostapd stops on {machine.name}")
        assert machine.hostapd is not None
        machine.hostapd.stop()
        self._throw_out(machine)

    def _throw_out(self, machine: Machine) -> None:
        for station in list(self.air.stations):
            if station.ap is machine:
                station.depart()
                self.time.after(self.rng.uniform(*RETURN_TO_LIFE), self.come_back, station, station.stay, machine)

    def power_off(self, machine: Machine) -> None:
        self.note(f"power off at {machine.name}")
        self._throw_out(machine)
        machine.power_off()
        self.packets.disturbed()

    def lose_disk(self, machine: Machine) -> None:
        self.note(f"{machine.name} has lost its disk")
        machine.lose_disk(self.new_id())

    def start(self, machine: Machine) -> None:
        """Bring it to life, whatever it lacked."""
        if not machine.powered:
            self.note(f"power on at {machine.name}")
            machine.power_on()
            return
        if not machine.running:
            self.note(f"agent starts on {machine.name}")
            machine.start_agent()
        if machine.hostapd is not None and not machine.hostapd.running:
            self.note(f"hostapd starts on {machine.name}")
            machine.hostapd.start()
