"""Fleets with C daemons in them: what they go through, and what holds for them (flooding, 7.1, "Mixed fleets").

Once all is quiet all databases are equal, name the true AP, and of our nodes exactly that one routes. Not promised: C
nodes disassociate stations that are there, give addresses out twice, lose routes; so services are not judged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from sroamd.constants import RAISE_DELAY
from sroamd.sim.run import Result, ask, join, simulate
from sroamd.sim.scenario import Scenario
from sroamd.sim.seeds import of_seed
from sroamd.sim.settled import AGREEMENT
from sroamd.sim.world import World

C_NODES_MAX = 2
# A C node that believed a tombstone claims its station again only when it renews its lease (A5). That may disassociate
# others, who come back; then ties are raised, one after the other along a chain.
RENEWALS = 3
TIES_END = 3 * RAISE_DELAY


def mixed_of_seed(seed: int, nodes: int = 5, stations: int = 20) -> Scenario:
    """The same trouble as in a fleet of ours alone, but for stations and nodes that lie."""
    rng = Random(-seed - 1)
    return replace(
        of_seed(seed, nodes, stations),
        c_nodes=rng.randint(1, C_NODES_MAX),
        topology=rng.choice(("star", "line", "line", "ring", "mesh")),
        ipv4_prefix="10.44.0.0/16",
        ipv6_prefix="2001:db8:44::/48",
        clones=0,
        liars=0,
        last_quiet=0.0,
    )


def run_mixed(seed: int, scenario: Scenario, say: Callable[[str], None] | None = None) -> Result:
    """As `run.run`."""
    return simulate(seed, scenario, settle, say)


def settle(world: World) -> None:
    join(world)
    for _ in range(RENEWALS):
        world.time.run(world.time.now + TIES_END)
        for station in world.stations:
            if station.ap is not None and station.ap.runs_c:
                station.dhcp.link_up()
    world.time.run(world.time.now + TIES_END)
    ask(world, AGREEMENT)
