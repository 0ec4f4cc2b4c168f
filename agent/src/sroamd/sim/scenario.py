"""What a run consists of. A scenario and a seed decide everything; `of_seed` lets the seed choose the scenario too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

Dials = list[tuple[int, ...]]  # for each node, whom it dials


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Times in seconds, chances from 0 to 1. The first `servers` nodes have no radio."""

    nodes: int = 8
    stations: int = 20
    topology: str = "star"
    duration: float = 60.0  # of roaming and trouble, before the quiet time
    ipv4_prefix: str = "192.0.2.0/24"
    ipv6_prefix: str = "2001:db8:44::/48"
    link_delay: float = 0.005  # mean, exponential
    disk_delay: tuple[float, float] = (0.0005, 0.03)
    buffer: int = 65536  # octets that a connection takes before its sender is blocked
    octets: bool = False  # messages go through the real codecs
    poll_works: bool = True  # hostapd's POLL_STA, which a wired driver lacks
    drift: float = 50e-6  # of a node's clock, at most
    frame_loss: float = 0.0

    stay: float = 10.0  # mean time of a station at one AP
    explicit_departures: float = 0.3  # share of roams that the old AP is told of; the others it does not notice
    ping_pong: float = 0.2  # share of roams followed by three more within 100 ms
    asks_dhcp: float = 0.5  # share of roams after which the station confirms its address (INIT-REBOOT)
    appear_within: float = 5.0  # all stations come within this time; 0: at one instant

    partitions: int = 0
    broken_connections: int = 0
    kills: int = 0  # of the agent's process
    power_losses: int = 0
    disk_losses: int = 0
    blackouts: int = 0  # all nodes lose power at once, and get it back one by one
    restarts: int = 0  # of the agent, by systemctl
    hostapd_restarts: int = 0  # all its stations are thrown out and come back
    lost_routes: int = 0  # somebody else deletes a route of ours
    disk_failures: int = 0  # nothing can be written for a while
    slow_nodes: int = 0
    service_time: float = 0.003  # of a slow node, mean, for one event
    budget: int = 3_000_000  # actions of the whole run, beyond which it is endless

    @property
    def servers(self) -> int:
        return 2 if self.topology == "star" and self.nodes > 3 else 0

    @property
    def access_points(self) -> range:
        return range(self.servers, self.nodes)


def star(nodes: int, _rng: Random) -> Dials:
    """Two servers, to which every AP dials."""
    return [(1,), (), *[(0, 1)] * (nodes - 2)] if nodes > 3 else [(), *[(0,)] * (nodes - 1)]


def line(nodes: int, _rng: Random) -> Dials:
    return [(), *[(index - 1,) for index in range(1, nodes)]]


def ring(nodes: int, rng: Random) -> Dials:
    """With a chord for every other node."""
    dials = [[(index + 1) % nodes] for index in range(nodes)] if nodes > 2 else [[1], []]
    for index in range(0, nodes, 2):
        dials[index].append(rng.choice([other for other in range(nodes) if other != index]))
    return [tuple(dict.fromkeys(targets)) for targets in dials]


def mesh(nodes: int, _rng: Random) -> Dials:
    return [tuple(range(index)) for index in range(nodes)]


def careless(nodes: int, _rng: Random) -> Dials:
    """One list of peers for all, as an operator's template would have it: everybody dials everybody, itself too."""
    return [tuple(range(nodes))] * nodes


TOPOLOGIES: dict[str, Callable[[int, Random], Dials]] = {
    "star": star,
    "line": line,
    "ring": ring,
    "mesh": mesh,
    "careless": careless,
}


def of_seed(seed: int, nodes: int, stations: int) -> Scenario:
    """A different mixture of trouble for each seed; every fourth has none, so that plain roaming is looked at too."""
    rng = Random(seed)
    calm = seed % 4 == 0
    small_pool = rng.random() < 0.4  # stations then collide in their first choices
    most = 0 if calm else 3
    return Scenario(
        nodes=nodes,
        stations=stations,
        topology=rng.choice(("star", "star", "ring", "line", "mesh", "careless")),
        duration=rng.uniform(30.0, 90.0),
        ipv4_prefix="198.51.100.0/24" if not small_pool or stations > 40 else "198.51.100.0/26",
        ipv6_prefix="2001:db8:44::/56" if small_pool else "2001:db8:44::/48",
        link_delay=rng.choice((0.001, 0.005, 0.05)),
        octets=rng.random() < 0.5,
        poll_works=rng.random() < 0.5,
        drift=rng.choice((0.0, 50e-6, 1e-3)),
        frame_loss=0.0 if calm else rng.choice((0.0, 0.01, 0.1)),
        stay=rng.choice((3.0, 10.0, 30.0)),
        explicit_departures=rng.choice((0.0, 0.3, 1.0)),
        ping_pong=rng.choice((0.0, 0.2, 0.5)),
        asks_dhcp=rng.choice((0.0, 0.5, 1.0)),
        appear_within=rng.choice((0.0, 5.0)),
        partitions=rng.randint(0, most),
        broken_connections=rng.randint(0, 2 * most),
        kills=rng.randint(0, most),
        power_losses=rng.randint(0, most),
        disk_losses=rng.randint(0, 1) if most else 0,
        blackouts=0 if calm else rng.choice((0, 0, 1)),
        restarts=rng.randint(0, most),
        hostapd_restarts=rng.randint(0, most),
        lost_routes=rng.randint(0, 2 * most),
        disk_failures=rng.randint(0, 1) if most else 0,
        slow_nodes=rng.randint(0, 2) if most else 0,
        buffer=rng.choice((100, 1000, 65536)),
    )
