"""The walk of `make demo SIM=1`: one station through three access points, under traffic both ways, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from sroamd.sim.babel import FIRST, HOP
from sroamd.sim.scenario import Scenario
from sroamd.sim.settled import AGREEMENT, stations_reachable
from sroamd.sim.traffic import Flow, Traffic
from sroamd.sim.world import World

PACKET_INTERVAL = 0.01  # s: 100 packets a second in each flow
SETTLING_TIME = 5.0
SILENCE_MAX = 1.0  # s: beyond it the walk has failed
ARRIVAL = 4.0  # s: from its first association until packets begin to flow
# (access point, seconds there, whether the one it leaves is told). Some stays are shorter than Babel needs.
ROUTE = (
    (0, 3.0, False),
    (1, 3.0, False),
    (2, 3.0, True),
    (0, 2.0, False),
    (1, 0.4, False),
    (2, 0.2, False),
    (0, 0.1, True),
    (1, 3.0, False),
    (2, 3.0, True),
    (0, 4.0, False),
)


@dataclass(frozen=True, slots=True)
class Stay:
    """One row. Losses are of both IP versions together, silences (seconds) the longer of the two."""

    at: float
    ap: str
    address: str
    prefix: str
    lost: tuple[int, int]
    silence: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Walk:
    stays: tuple[Stay, ...]
    addresses: frozenset[tuple[str, str]]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems

    def silences(self) -> list[float]:
        """Of each roam: the longest time without a packet, in either direction and version."""
        return [max(stay.silence) for stay in self.stays[1:]]


def walk(seed: int) -> Walk:
    """Three access points that flood with each other, one station, one correspondent; and between all of them a router
    without an agent, the worst case (routing, section 3)."""
    scenario = Scenario(
        nodes=3, stations=1, topology="mesh", layout="hub", foreign=1, octets=True, poll_works=False, packets=0.0
    )
    world = World(seed, scenario)
    station, aps = world.stations[0], world.access_points
    traffic = Traffic(world, station, PACKET_INTERVAL)
    world.power_on_all()
    world.time.run(1.0)
    stays = []
    for number, (index, seconds, told) in enumerate(ROUTE):
        at = world.time.now
        world.walk(station, aps[index], "explicit" if told else "silent", ask_dhcp=number == 0)
        if number == 0:
            world.time.run(at + ARRIVAL)
            traffic.start()
        else:
            traffic.cut()
        world.time.run(world.time.now + seconds)
        stays.append((at, aps[index].name, str(station.address), str(station.prefix)))
    world.time.run(world.time.now + SETTLING_TIME)
    problems = [str(violation) for violation in world.checks.violations]
    problems += [problem for question in (*AGREEMENT.values(), stations_reachable) for problem in question(world)]
    problems += [f"nothing arrives any more: {name(flow)}" for flow in traffic.flows if is_dead(flow, world.time.now)]
    addresses = frozenset((address, prefix) for _, _, address, prefix in stays)
    if len(addresses) > 1 or "None" in next(iter(addresses)):
        problems.append(f"addresses: {sorted(addresses)}")
    rows = [row(stay, traffic.flows, number) for number, stay in enumerate(stays)]
    problems += [f"{max(r.silence):.3f} s without a packet at {r.ap}" for r in rows if max(r.silence) > SILENCE_MAX]
    return Walk(tuple(rows), addresses, tuple(problems))


def row(stay: tuple[float, str, str, str], flows: list[Flow], number: int) -> Stay:
    down, up = ([flow.tallies[number] for flow in flows if flow.to_station is way] for way in (True, False))
    return Stay(
        *stay,
        lost=(sum(tally.lost for tally in down), sum(tally.lost for tally in up)),
        silence=(max(tally.silence for tally in down), max(tally.silence for tally in up)),
    )


def name(flow: Flow) -> str:
    return f"IPv{flow.version} {'to' if flow.to_station else 'from'} the station"


def is_dead(flow: Flow, now: float) -> bool:
    return flow.last_arrival is None or now - flow.last_arrival > 1.0


def show(seed: int, say: Callable[[str], None]) -> bool:
    """Print the walk as a table; whether the station kept its addresses and everything agreed in the end."""
    likely, longest = (sum(FIRST) + sum(HOP)) / 2, FIRST[1] + HOP[1]
    babel = f"about {likely * 1000:.0f} ms, {longest * 1000:.0f} ms at most"
    say("SIMULATED: virtual time, one process. Every decision is the agent's own; radio, kernels, disks, links, Babel")
    say(f"are models. A change takes Babel {babel}, as measured with demoted routes. 100 packets/s")
    say("each way, in IPv4 and in IPv6, with a correspondent behind a router without an agent.")
    say("")
    say(f"{'time':>8}  {'AP':<5}{'IPv4 address':<17}{'IPv6 prefix':<27}{'to the station':>17}{'from the station':>20}")
    say(f"{'s':>8}  {'':<49}{'lost  silence':>17}{'lost  silence':>20}")
    result = walk(seed)
    for stay in result.stays:
        flows = "   ".join(f"{lost:>8} {silence:>8.3f}" for lost, silence in zip(stay.lost, stay.silence, strict=True))
        say(f"{stay.at:>8.2f}  {stay.ap:<5}{stay.address:<17}{stay.prefix:<27}{flows}")
    say("")
    silences = result.silences()
    say(
        f"{len(silences)} roams (three of them within 0.7 s), seed {seed}. "
        f"Longest silence of a roam: median {median(silences) * 1000:.0f} ms, worst {max(silences) * 1000:.0f} ms."
    )
    for problem in result.problems:
        say(f"PROBLEM: {problem}")
    if result.ok:
        say("Simulated: the addresses survived every roam, and all nodes agree where the station is.")
    else:
        say("Simulated: the addresses did NOT survive, or the nodes do not agree. See above.")
    return result.ok
