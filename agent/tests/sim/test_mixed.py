"""Fleets with C daemons in them agree once all is quiet (flooding, 7.1)."""

from __future__ import annotations

from random import Random

import pytest

from sroamd.sim.c_machine import CMachine, is_connected, place
from sroamd.sim.mixed import mixed_of_seed, run_mixed
from sroamd.sim.scenario import TOPOLOGIES, Scenario
from sroamd.sim.world import World

FORGOTTEN = 47  # a station comes back when all but the C node in the middle of the line have forgotten it


@pytest.mark.parametrize("seed", [0, 1, 2, 3, FORGOTTEN])
def test_mixed_fleet_agrees_when_all_is_quiet(seed: int) -> None:
    result = run_mixed(seed, mixed_of_seed(seed))
    assert result.violations == ()


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("seed", range(5))
def test_c_nodes_are_never_linked_to_each_other_and_dial_nobody(topology: str, seed: int) -> None:
    rng = Random(seed)
    dials = TOPOLOGIES[topology](6, rng)
    c_nodes, mixed = place(dials, 3, rng)
    assert c_nodes
    links = [frozenset((node, other)) for node, others in enumerate(mixed) for other in others]
    assert not [link for link in links if link <= c_nodes and len(link) == 2]
    assert all(mixed[node] == () for node in c_nodes)
    assert is_connected(6, links)


def test_world_has_as_many_c_nodes_as_the_topology_bears() -> None:
    machines = World(1, Scenario(nodes=5, topology="line", c_nodes=2)).machines
    assert 1 <= sum(isinstance(machine, CMachine) for machine in machines) <= 2
    assert not any(machine.runs_c for machine in World(1, Scenario(nodes=5)).machines)
