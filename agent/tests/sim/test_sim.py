"""Seeds, and what must hold for each: see `sroamd.sim.checks` and `sroamd.sim.settled`."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import sroamd
from sroamd.core.effects import Effect
from sroamd.core.events import Event, StationAuthorized
from sroamd.core.node import Node
from sroamd.sim import cli
from sroamd.sim.run import run
from sroamd.sim.scenario import TOPOLOGIES, Scenario
from sroamd.sim.seeds import of_seed
from tests.sim.stage import Stage

SEEDS = range(20)
QUIET = Scenario(nodes=4, stations=6, duration=10.0, budget=400_000)


@pytest.mark.parametrize("seed", SEEDS)
def test_five_nodes_and_twenty_stations_agree_after_any_trouble(seed: int) -> None:
    result = run(seed, of_seed(seed))
    assert result.ok, cli.verdict(result)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_every_topology_comes_to_rest(topology: str) -> None:
    result = run(1, replace(QUIET, topology=topology, ping_pong=0.5, kills=1, partitions=1))
    assert result.ok, cli.verdict(result)
    assert result.counters["updates"] > 0


def test_same_seed_has_the_same_trace_in_every_process() -> None:
    """Python hashes strings and octets anew in each process: nothing may depend on it."""
    command = [sys.executable, "-m", "sroamd.sim", "replay", "--seed", "5", "--nodes", "4", "--stations", "5"]
    environment = dict(os.environ, PYTHONPATH=str(Path(sroamd.__file__).parents[1]))
    said = {
        subprocess.run(
            command, env=dict(environment, PYTHONHASHSEED=seed), check=True, capture_output=True, text=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert run(5, of_seed(5, nodes=4, stations=5)).trace_hash in said.pop()


def test_another_seed_or_a_changed_scenario_has_another_trace() -> None:
    hashes = {
        run(seed, replace(QUIET, link_delay=delay)).trace_hash for seed, delay in ((1, 0.005), (2, 0.005), (1, 0.006))
    }
    assert len(hashes) == 3


def test_verbose_trace_has_the_hash_of_the_silent_one() -> None:
    lines: list[str] = []
    loud = run(3, QUIET, lines.append)
    assert loud.trace_hash == run(3, QUIET).trace_hash
    assert any("InstallRoute" in line for line in lines)
    assert any("walks to" in line for line in lines)


def test_sixty_stations_that_move_at_one_instant_keep_their_addresses_and_agree_in_five_seconds() -> None:
    stage = Stage(nodes=3, stations=60, topology="mesh", octets=False, budget=400_000)
    for number in range(60):
        stage.walk(number % 3 + 1, station=number)
        stage.run(0.2)
    stage.run(10.0)
    before = [(station.address, station.prefix) for station in stage.world.stations]
    assert None not in {address for address, _ in before}
    for number in range(60):
        stage.walk((number + 1) % 3 + 1, "silent" if number % 2 else "explicit", station=number, asks=number % 3 == 0)
    stage.settle()
    assert [(station.address, station.prefix) for station in stage.world.stations] == before
    assert stage.disassociated() == 0


def test_blackout_gives_every_station_its_old_addresses_back() -> None:
    stage = Stage(nodes=3, stations=10, topology="mesh")
    for number in range(10):
        stage.walk(number % 3 + 1, station=number)
    stage.run(10.0)
    before = [(station.address, station.prefix) for station in stage.world.stations]
    for machine in stage.world.machines:
        stage.world.power_off(machine)
    stage.run(30.0)
    for station in stage.world.stations:
        station.dhcp.lease = None  # the stations have been off, too, and remember nothing
    for machine in stage.world.machines:
        stage.world.start(machine)
    stage.settle()
    assert [(station.address, station.prefix) for station in stage.world.stations] == before


def test_partition_of_an_hour_heals() -> None:
    """Longer than tombstones and expired claims are remembered: what was forgotten must not come back."""
    stage = Stage(nodes=3, stations=6, topology="line", octets=False, budget=1_000_000)
    for number in range(6):
        stage.walk(number % 3 + 1, station=number)
    stage.run(10.0)
    stage.world.partition([stage.ap(3)], 1, silent=False)
    for number in range(6):
        stage.walk(2 - number % 2, "explicit", station=number)
    stage.run(3600.0)
    stage.world.repair([stage.ap(3)])
    stage.settle()


@pytest.mark.parametrize(
    "command", ["walk", "run --seeds 1 --start 3 --nodes 3 --stations 3", "replay --seed 1 --nodes 3"]
)
def test_command_line_exits_0_when_all_is_well(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(command.split()) == 0
    assert capsys.readouterr().out


def test_walk_says_that_it_is_simulated_and_that_addresses_survived(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["walk"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("SIMULATED")
    assert "the addresses survived every roam" in lines[-1]
    assert sum(" ap1 " in line or " ap2 " in line or " ap3 " in line for line in lines) >= 7


def test_command_line_says_which_seed_failed_and_how_to_see_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deafen(monkeypatch)
    assert cli.main("run --seeds 1 --start 4 --nodes 3 --stations 3".split()) == 1
    assert "replay --seed 4 --nodes 3 --stations 3" in capsys.readouterr().out
    assert cli.main(["walk"]) == 1
    assert "NOT" in capsys.readouterr().out.splitlines()[-1]


def deafen(monkeypatch: pytest.MonkeyPatch) -> None:
    """No node hears hostapd announce a station."""
    handle = Node.handle

    def hear(node: Node, event: Event, now: float) -> list[Effect]:
        return [] if isinstance(event, StationAuthorized) else handle(node, event, now)

    monkeypatch.setattr(Node, "handle", hear)
