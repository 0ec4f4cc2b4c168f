"""A fleet of five nodes on which routes are proved: one lab, deployed once, then rewired and reconfigured."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from . import bird, router, switch
from .cache import say
from .deploy import run_playbook
from .errors import LabError, execute
from .inventory import write_inventory
from .lab import Lab
from .shapes import APS, FOREIGNER, Shape, shaped
from .station import Station, join_all
from .topology import Kind, Node

# Larger than the lab's own prefixes: there is room for 30,000 stations.
POOL_IPV4, POOL_IPV6 = IPv4Network("198.18.0.0/16"), IPv6Network("2001:db8::/48")

OTHERS = 30  # stations on each access point, besides those that move
JOINING = 40  # stations at a time
CONVERGED_WITHIN = 120.0
_PARALLEL = 6
_AIR = "air"
_OWN_TABLE = "47"  # the agent's, looked up before main


class Daemon(Enum):
    """Who speaks Babel on all nodes."""

    BABELD = "babeld"
    BIRD = "bird"


@dataclass(frozen=True, slots=True)
class Setting:
    """What a measurement is of. `hello` is Babel's interval in seconds, for babeld; BIRD has its own default (4 s)."""

    shape: Shape
    daemon: Daemon = Daemon.BABELD
    hello: float = router.HELLO_INTERVAL
    direct: bool = True
    host_routes: bool = True

    def __str__(self) -> str:
        words = self.daemon.value if self.daemon is Daemon.BIRD else f"babeld, hello {self.hello:g} s"
        without = [text for text, there in (("direct", self.direct), ("Babel host", self.host_routes)) if not there]
        return f"{self.shape.value}, {words}" + "".join(f", no {text} routes" for text in without)

    @property
    def of_the_role(self) -> dict[str, Any]:
        """The variables that the role needs for it."""
        return {
            "sroamd_ipv4_prefix": str(POOL_IPV4),
            "sroamd_ipv6_prefix": str(POOL_IPV6),
            "sroamd_ipv4_gateway": str(POOL_IPV4[1]),
            "sroamd_babel_hello_interval": self.hello,
            "sroamd_direct_routes": self.direct,
            "sroamd_babel_host_routes": self.host_routes,
        }


class Proving:
    """The fleet, with its stations. Use as a context manager: the lab is gone afterwards, unless it is to be kept."""

    def __init__(self, setting: Setting, *, movers: int = 1, prefix: str = "routes", keep: bool = False) -> None:
        self.movers = movers
        self._keep = keep
        self.setting = setting
        self.lab = Lab(shaped(prefix=prefix, shape=setting.shape, stations=movers + OTHERS * len(APS)))
        self.stations: list[Station] = []
        self._prefixes: dict[str, tuple[str, str]] = {}

    def __enter__(self) -> Proving:
        try:
            self._bring_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for station in self.stations:
            station.close()
        if not self._keep:
            self.lab.destroy()

    @property
    def moving(self) -> list[Station]:
        return self.stations[: self.movers]

    @property
    def routers(self) -> list[Node]:
        """All nodes of the present shape that forward packets."""
        nodes = self.lab.topology.of_kind(Kind.AP, Kind.SERVER, Kind.ROUTER)
        return [node for node in nodes if any(node.name in pair for pair in self.setting.shape.joined)]

    @property
    def agents(self) -> list[Node]:
        return list(self.lab.topology.of_kind(Kind.AP, Kind.SERVER))

    def change(self, setting: Setting) -> None:
        """Reconfigure the fleet, and return when all ways and all databases are what they ought to be."""
        before, self.setting = self.setting, setting
        if before == setting:
            return
        say(f"setting up: {setting}")
        if before.daemon is Daemon.BIRD:
            self._everywhere(lambda node: bird.restore_babeld(self.lab, node), self._daemons())
        if setting.of_the_role != before.of_the_role:
            self._deploy("--tags", "babeld,agent")
        self._start_babel(before.shape)
        self.wait()

    def wait(self) -> None:
        """Return when ways, databases and routes of all stations are there. Raises LabError if they are not in time."""
        deadline = time.monotonic() + CONVERGED_WITHIN
        while missing := next(self._missing(), None):
            if time.monotonic() > deadline:
                raise LabError(f"{self.setting}: {missing}")
            time.sleep(0.5)

    def ip(self, node: Node, *words: str) -> list[dict[str, Any]]:
        """The answer of `ip -j` in a node's namespace."""
        found: list[dict[str, Any]] = json.loads(
            execute(["ip", "-n", switch.namespace(self.lab.topology, node), "-j", *words]).stdout or "[]"
        )
        return found

    def next_hops(self, node: Node, towards: Node) -> set[str]:
        """Neighbours by way of which the shortest ways lead."""
        distance = {towards.name: 0}
        while len(distance) < len(self.routers):
            for one, other in (*self.setting.shape.joined, *(pair[::-1] for pair in self.setting.shape.joined)):
                if one in distance and distance.get(other, 99) > distance[one] + 1:
                    distance[other] = distance[one] + 1
        pairs = (*self.setting.shape.joined, *(pair[::-1] for pair in self.setting.shape.joined))
        return {other for one, other in pairs if one == node.name and distance[other] < distance[node.name]}

    def places(self) -> dict[str, str]:
        """At which access point each station is, by name."""
        air = {node.link("wlan0").bridge: node.name for node in self.lab.topology.of_kind(Kind.AP)}
        inside = switch.switch_namespace(self.lab.topology)
        listed = json.loads(execute(["ip", "-n", inside, "-j", "link", "show", "type", "bridge_slave"]).stdout)
        masters = {each.get("ifname"): each.get("master", "") for each in listed}
        ports = {station.name: switch.port(station.node, station.node.link("wlan0")) for station in self.stations}
        return {name: air[masters[port]] for name, port in ports.items()}

    def cut(self, pair: tuple[str, str], *, silent: bool) -> None:
        """Break the link between two nodes. Both see their carrier go, unless silent: then only frames stop passing."""
        for name, interface in self._ends(pair):
            self.lab.cut(name, interface, silent=silent)

    def heal(self, pair: tuple[str, str]) -> None:
        """Repair a link that was cut."""
        for name, interface in self._ends(pair):
            self.lab.heal(name, interface)

    def _ends(self, pair: tuple[str, str]) -> list[tuple[str, str]]:
        nodes = [self.lab.topology.node(name) for name in pair]
        return [(node.name, link.name) for node in nodes for link in node.links if link.bridge == "-".join(pair)]

    def misled(self, places: Sequence[tuple[Station, str]]) -> list[str]:
        """What is wrong with the routes to these stations: from every router they have to lead to where each one is."""
        wrong: list[str] = []
        tables = {node.name: self._table(node) for node in self.routers}
        for station, ap in places:
            for prefix in self._prefixes_of(station):
                for start in tables:
                    at, way = start, [start]
                    while (step := tables[at].get(prefix, "nowhere")) in tables and step not in way:
                        way.append(step)
                        at = step
                    if (at, step) != (ap, _AIR):
                        wrong.append(f"{station.name} is at {ap}, but {prefix} leads {' '.join([*way, step])}")
        return wrong

    def _table(self, node: Node) -> dict[str, str]:
        """To which neighbour each route to a station leads, or to the air; of several the one that is used."""
        best: dict[str, tuple[bool, int, str]] = {}
        for version in ("-4", "-6"):
            for route in self._routes(node, version):
                bridge = node.link(route["dev"]).bridge if route.get("dev") in node.backbone else _AIR
                ends = [end for end in bridge.split("-") if end != node.name]
                found = (route.get("table") != _OWN_TABLE, route.get("metric", 0), ends[0])
                best[route["dst"]] = min(best.get(route["dst"], found), found)
        return {prefix: step for prefix, (*_, step) in best.items()}

    def _routes(self, node: Node, version: str, *words: str) -> list[dict[str, Any]]:
        """What is looked up of routes that are not the node's own addresses."""
        listed = self.ip(node, "-Numeric", version, "route", "show", "table", "all", *words)
        return [route for route in listed if route.get("table") in (None, _OWN_TABLE)]

    def _prefixes_of(self, station: Station) -> tuple[str, str]:
        """As `ip route` writes them."""
        key = station.name
        if key not in self._prefixes:
            ipv4, ipv6 = station.ipv4(), station.ipv6()
            if ipv4 is None or not ipv6:
                raise LabError(f"{key} has lost an address")
            self._prefixes[key] = (str(ipv4.ip), str(ipv6[0].network))
        return self._prefixes[key]

    # -- steps --------------------------------------------------------------------------------------------------

    def _bring_up(self) -> None:
        self.lab.create()
        self._everywhere(lambda node: self.lab.machine(node.name).prefer())
        self._deploy()
        self._everywhere(lambda node: self._configure_plain(node), [self.lab.topology.node(FOREIGNER)])
        self.stations = [Station(self.lab, node.name) for node in self.lab.topology.of_kind(Kind.STATION)]
        homes = [(station, APS[index % len(APS)]) for index, station in enumerate(self.stations)]
        for start in range(0, len(homes), JOINING):
            say(f"stations {start + 1} to {min(start + JOINING, len(homes))} join")
            join_all(homes[start : start + JOINING], timeout=60)
        if self.setting.daemon is Daemon.BIRD:
            self._start_babel(self.setting.shape)
        self.wait()

    def _deploy(self, *options: str) -> None:
        inventory = self.lab.state / "inventory.json"
        write_inventory(inventory, self.lab, self.setting.of_the_role)
        run_playbook("site.yml", inventory, *options)

    def _start_babel(self, before: Shape) -> None:
        """Have the daemons begin anew in the present shape, as if it had never been otherwise.

        babeld 1.12.1 needs a minute sometimes until it believes that ways have become longer.
        """
        units = ["babeld"] if self.setting.daemon is Daemon.BABELD else ["babeld", "bird"]
        self._everywhere(lambda node: self.lab.run(node.name, ["systemctl", "stop", *units], check=False))
        if self.setting.shape is not before:
            topology = self.lab.topology
            count = len(topology.of_kind(Kind.STATION))
            self.lab.rewire(
                shaped(prefix=topology.prefix, shape=self.setting.shape, stations=count, management=topology.management)
            )
        self._configure_plain(self.lab.topology.node(FOREIGNER))
        if self.setting.daemon is Daemon.BIRD:
            self._everywhere(lambda node: bird.replace_babeld(self.lab, node))
        else:
            self._everywhere(lambda node: self.lab.run(node.name, ["systemctl", "start", "babeld"]))

    def _configure_plain(self, node: Node) -> None:
        machine = self.lab.machine(node.name)
        router.configure_babeld(machine, node, self.setting.hello)

    def _daemons(self) -> list[Node]:
        return [*self.agents, self.lab.topology.node(FOREIGNER)]

    def _everywhere(self, work: Callable[[Node], object], nodes: Sequence[Node] | None = None) -> None:
        with ThreadPoolExecutor(_PARALLEL) as pool:
            list(pool.map(work, self._daemons() if nodes is None else nodes))

    # -- whether it is as it ought to be --------------------------------------------------------------------------

    def _missing(self) -> Iterator[str]:
        for node in self.routers:
            for other in self.routers:
                if node is not other:
                    yield from self._wrong_way(node, other)
        statuses = [
            json.loads(self.lab.run(node.name, ["sroamctl", "--json", "status"], check=False).stdout or "{}")
            for node in self.agents
        ]
        if len({status.get("digest") for status in statuses}) != 1:
            yield "databases differ"
        for node, status in zip(self.agents, statuses, strict=True):
            if not status.get("healthy"):
                yield f"{node.name} is not well: {status.get('problems')}"
        for node in self.agents:
            for version, network, length in (("-4", POOL_IPV4, 32), ("-6", POOL_IPV6, 64)):
                routes = self._routes(node, version, "root", str(network))
                prefixes = {
                    route["dst"] for route in routes if "/" not in route["dst"] or route["dst"].endswith(f"/{length}")
                }
                if len(prefixes) < len(self.stations):
                    yield f"{node.name} has routes to {len(prefixes)} of {len(self.stations)} stations"

    def _wrong_way(self, node: Node, other: Node) -> Iterator[str]:
        wanted = self.next_hops(node, other)
        for address in (other.router_ipv4, other.router_ipv6):
            found = execute(
                ["ip", "-n", switch.namespace(self.lab.topology, node), "-j", "route", "get", str(address)], check=False
            ).stdout
            device = json.loads(found)[0].get("dev") if found else None
            bridge = node.link(device).bridge if device in node.backbone else "none"
            if not wanted & set(bridge.split("-")):
                yield f"{node.name} reaches {address} by way of {bridge}, not {' or '.join(sorted(wanted))}"
