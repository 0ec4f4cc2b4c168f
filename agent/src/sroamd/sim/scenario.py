"""What a run consists of. A scenario and a seed decide everything; `seeds` lets the seed choose the scenario too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from sroamd.constants import HELLO_INTERVAL, LEASE_LIFE

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

    one_channel: bool = False  # all radios are on one: any AP's POLL_STA is acknowledged, wherever the station is
    hello_interval: float = HELLO_INTERVAL  # longer ones make quiet hours cheap; the dead time is in proportion

    # When most of the trouble happens: (from, until) each. None at all: the whole duration is trouble.
    episodes: tuple[tuple[float, float], ...] = ()
    lease_time: int = LEASE_LIFE  # of DHCP
    last_quiet: float = 0.0  # after all else, until what two stations have once been given must be one's alone

    # -- stations
    stay: float = 10.0  # mean time of a station at one AP during an episode, if it takes part
    restless: float = 1.0  # share of stations that take part in an episode
    quiet_stay: float | None = None  # mean time at one AP for the rest; None: they stay
    explicit_departures: float = 0.3  # share of roams that the old AP is told of; the others it does not notice
    ping_pong: float = 0.2  # share of roams followed by three more within 100 ms
    asks_dhcp: float = 0.5  # share of roams after which the station confirms its address (INIT-REBOOT)
    appear_within: float = 5.0  # all stations come within this time; 0: at one instant
    bounces: int = 0  # a station changes to and fro every 200 ms
    sleeps: int = 0  # a station answers nothing for a while, though it is here
    vanishings: int = 0  # a station is gone for `absence`, and no AP is told
    absence: tuple[float, float] = (1.0, 900.0)
    clones: int = 0  # somebody takes a station's MAC at another AP for a while
    releases: int = 0  # DHCPRELEASE, then it asks anew
    declines: int = 0  # DHCPDECLINE: its address is in use by a stranger, it says
    informs: int = 0  # DHCPINFORM

    # -- nodes and the backbone
    partitions: int = 0
    partition_time: tuple[float, float] = (0.5, 25.0)  # shorter and longer than a silent connection lives
    flood_cuts: int = 0  # only the flooding port is blocked; Babel goes on
    broken_connections: int = 0
    kills: int = 0  # of the agent's process
    power_losses: int = 0
    disk_losses: int = 0
    clock_jumps: int = 0  # a power loss after which the wall clock is wrong
    blackouts: int = 0  # all nodes lose power at once, and get it back one by one
    restarts: int = 0  # of the agent, by systemctl
    reloads: int = 0  # of its configuration
    hostapd_restarts: int = 0  # all its stations are thrown out and come back
    lost_routes: int = 0  # somebody else deletes a route of ours
    disk_failures: int = 0  # nothing can be written for a while
    slow_nodes: int = 0  # for an episode
    service_time: float = 0.003  # of a slow node, mean, for one event
    liars: int = 0  # nodes, beyond `nodes`, that say what they like until the trouble ends
    c_nodes: int = 0  # at most so many run the C daemon, none linked to another
    layout: str = "lan"  # of the backbone
    foreign: int = 0  # routers on it without an agent
    lost_retractions: float = 0.0  # share of Babel's that nobody hears, as of babeld 1.12.1
    link_cuts: int = 0  # of a cable, or of a machine's port of a switch
    link_flaps: int = 0  # the same, several times in a row
    transit_kills: int = 0  # of an agent through whose machine others reach each other
    hangs: int = 0  # of an agent, until the watchdog ends it
    packets: float = 1.0  # share of a station's moves after which packets are sent to it, to see where they go
    budget: int = 3_000_000  # actions of the whole run, beyond which it is endless

    @property
    def trouble_times(self) -> tuple[tuple[float, float], ...]:
        return self.episodes or ((0.0, self.duration),)

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
