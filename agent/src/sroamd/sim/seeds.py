"""A scenario for each seed: every seed another mixture of trouble, spread over more than an hour of virtual time.

What is scaled, so that an hour costs a fraction of a second: Hellos come every 100 to 600 s, and the dead time with
them, except in three seeds of 32, which run with the 3 s of the product. (The simulated TCP notices a dead connection
after the product's 10 s in all of them.) Moves and faults crowd into a few episodes; between them leases are renewed,
claims and prefixes refreshed, things expire and are forgotten as slowly as in the product: no other timer is scaled.
Where a run lasts for days, a lease lasts for one.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from sroamd.constants import HELLO_INTERVAL, LEASE_LIFE
from sroamd.sim.scenario import Scenario

HOUR, DAY = 3600.0, 86400.0
TOPOLOGIES = ("star",) * 3 + ("line",) * 3 + ("ring",) * 3 + ("mesh", "mesh", "careless")
LAYOUTS = ("lan", "hub", "chain", "chain", "ring", "tree")
# A lease time of quiet follows: until every DHCP client has asked again.
TROUBLE = (HOUR - LEASE_LIFE, HOUR - LEASE_LIFE + 600.0)


def of_seed(seed: int, nodes: int = 5, stations: int = 20) -> Scenario:
    """Every fourth is calm: plain roaming is looked at too. One in 100 lasts for days, in one of 16 a node lies."""
    rng = Random(seed)
    calm, days, lied_to = seed % 4 == 0, seed % 100 == 21, seed % 16 == 3
    most = 0 if calm else 2
    small_pool = rng.random() < 0.4  # stations then collide in their first choices
    duration = rng.uniform(1.0, 9.0) * DAY if days else rng.uniform(*TROUBLE)

    def up_to(number: int) -> int:
        return rng.randint(0, min(number, most * number))

    def now_and_then(share: float) -> int:
        return int(rng.random() < share)

    scenario = Scenario(
        nodes=nodes,
        stations=stations,
        topology=rng.choice(("line", "star") if days else TOPOLOGIES),
        duration=duration,
        episodes=_episodes(rng, duration),
        last_quiet=(DAY if days else LEASE_LIFE) + 60.0,
        lease_time=int(DAY) if days else LEASE_LIFE,
        ipv4_prefix="198.51.100.0/24" if not small_pool or stations > 40 else "198.51.100.0/26",
        ipv6_prefix="2001:db8:44::/56" if small_pool else "2001:db8:44::/48",
        link_delay=rng.choice((0.001, 0.005, 0.05)),
        octets=rng.random() < 0.2,
        poll_works=rng.random() < 0.7,
        one_channel=rng.random() < 0.5,
        hello_interval=_hello_interval(rng, seed, days),
        drift=rng.choice((0.0, 50e-6, 1e-3)),
        frame_loss=0.0 if calm else rng.choice((0.0, 0.01, 0.1)),
        stay=rng.choice((3.0, 10.0, 30.0)),
        restless=rng.choice((0.1, 0.3, 0.6)),
        quiet_stay=None if days else rng.choice((HOUR, 4 * HOUR)),
        explicit_departures=rng.choice((0.0, 0.3, 1.0)),
        ping_pong=rng.choice((0.0, 0.2, 0.5)),
        asks_dhcp=rng.choice((0.0, 0.5, 1.0)),
        appear_within=rng.choice((0.0, 5.0, 60.0)),
        bounces=now_and_then(0.15),
        sleeps=up_to(2),
        vanishings=stations - 3 if days else up_to(4),
        absence=(HOUR, 9 * DAY) if days else (1.0, 1500.0),
        clones=now_and_then(0.15) if most else 0,
        releases=up_to(2),
        declines=now_and_then(0.2),
        informs=now_and_then(0.2),
        partitions=up_to(2),
        partition_time=rng.choice(((0.5, 25.0), (0.5, 25.0), (30.0, 900.0))) if not days else (0.5, DAY),
        flood_cuts=up_to(1),
        broken_connections=up_to(3),
        kills=up_to(2),
        power_losses=up_to(2),
        disk_losses=now_and_then(0.3) if most else 0,
        clock_jumps=now_and_then(0.2) if most else 0,
        blackouts=now_and_then(0.1) if most else 0,
        restarts=up_to(1),
        reloads=now_and_then(0.2),
        hostapd_restarts=up_to(2),
        lost_routes=up_to(3),
        disk_failures=now_and_then(0.3) if most else 0,
        slow_nodes=up_to(2),
        liars=1 if lied_to else 0,
        buffer=rng.choice((100, 1000, 65536, 65536)),
    )
    return _on_a_backbone(scenario, rng, calm=calm)


def _on_a_backbone(scenario: Scenario, rng: Random, *, calm: bool) -> Scenario:
    """With cables that break, and agents that die, where it is not calm."""
    scenario = replace(
        scenario,
        layout=rng.choice(LAYOUTS),
        foreign=rng.choice((0, 0, 1, 2)),
        lost_retractions=rng.choice((0.0, 0.0, 0.3)),
    )
    if calm:
        return scenario
    return replace(
        scenario,
        link_cuts=rng.randint(0, 2),
        link_flaps=int(rng.random() < 0.3),
        transit_kills=rng.randint(0, 1),
        hangs=int(rng.random() < 0.3),
    )


def _hello_interval(rng: Random, seed: int, days: bool) -> float:
    """What lies have left behind is found by Hellos, as soon as in the product."""
    longer = rng.choice((100.0, 300.0, 600.0))
    if days:
        return 600.0
    return HELLO_INTERVAL if seed % 16 == 3 or seed % 32 == 6 else longer


def _episodes(rng: Random, duration: float) -> tuple[tuple[float, float], ...]:
    """The first when the stations come, one at the end, perhaps one in between."""
    lengths = [rng.uniform(10.0, 60.0) for _ in range(rng.choice((2, 3, 3)))]
    begins = [0.0, *sorted(rng.uniform(lengths[0], duration - 60.0) for _ in lengths[2:]), duration - lengths[-1]]
    return tuple((begin, begin + length) for begin, length in zip(begins, lengths, strict=True))
