"""A small one of the large fleets that `python3 -m sroamd.sim scale` measures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sroamd.sim import scale, scale_table
from sroamd.sim.preload import Population, data_of, informed, started
from sroamd.sim.topologies import TOPOLOGIES, hops
from sroamd.wire.datum import association_key

PLAN = scale.Plan("star", nodes=20, stations=200, movers=80, seconds=2.0)


@pytest.mark.parametrize("topology", sorted(TOPOLOGIES))
def test_everybody_hears_of_every_walk_soon_and_few_updates_are_needed(topology: str) -> None:
    result = scale.measure(replace(PLAN, topology=topology))
    assert result.well
    assert len(result.convergence) == result.roams > 20
    assert result.percentile(1.0) < (result.hops + 2) * 5 * scale.LINK_DELAY
    assert 1 <= result.updates / result.roams / result.links < 2.5
    assert result.summaries == 0


def test_one_seed_is_one_run() -> None:
    one, again, other = (scale.measure(replace(PLAN, seed=seed)) for seed in (1, 1, 2))
    assert (one.convergence, one.updates) == (again.convergence, again.updates)
    assert one.convergence != other.convergence


def test_node_of_the_fleet_holds_what_it_would_if_it_had_been_told() -> None:
    population = Population(nodes=5, access_points=3, stations=30, movers=10)
    model = informed(population)
    nodes = [started(number, population, model) for number in range(5)]
    assert len(data_of(population)) == 5 + 30 + 2 * 10
    for number, node in enumerate(nodes):
        known = {datum.key: datum.value for datum in node.database}
        assert known == {datum.key: datum.value for datum in model.database}
        assert len(node.state.present) == (10 if number < 3 else 0)
        assert node.next_deadline() is not None
    station = min(nodes[0].state.present)
    nodes[0].handle(scale.StationLeft("wlan0", station), 1.0)
    held = [node.database.get(association_key(station)) for node in nodes]
    assert [datum is not None and bool(datum.value) for datum in held] == [False, True, True, True, True]


@pytest.mark.parametrize("nodes", [6, 9, 20, 33, 100])
@pytest.mark.parametrize("topology", sorted(TOPOLOGIES))
def test_topologies_tie_no_pair_twice_and_leave_nobody_out(topology: str, nodes: int) -> None:
    links = TOPOLOGIES[topology](nodes)
    assert len({frozenset(link) for link in links}) == len(links)
    assert all(one != other for one, other in links)
    assert hops(nodes, links) >= 1


def test_table_is_markdown_and_says_what_was_measured() -> None:
    lines: list[str] = []
    scale_table.show([scale.measure(PLAN)], lines.append)
    assert lines[2].startswith("| star | 20 | 37 | 2 |")
    assert {line.count("|") for line in lines[:3]} == {len(scale_table.COLUMNS) + len(scale_table.COSTS) + 1}
