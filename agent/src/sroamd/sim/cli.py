"""`python3 -m sroamd.sim run | replay | walk`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from sroamd.sim.run import Result, run
from sroamd.sim.scenario import of_seed
from sroamd.sim.walk import show

NODES, STATIONS = 8, 20


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all well. 1: something that must hold did not. 2: usage."""
    parser = argparse.ArgumentParser(prog="python3 -m sroamd.sim", description="Simulate a fleet in virtual time.")
    commands = parser.add_subparsers(dest="command", required=True)
    many = commands.add_parser("run", help="run many seeds, each with a scenario of its own")
    many.add_argument("--seeds", type=int, default=20, metavar="N")
    many.add_argument("--start", type=int, default=0, metavar="S")
    one = commands.add_parser("replay", help="run one seed again, the same to the last event")
    one.add_argument("--seed", type=int, required=True)
    one.add_argument("-v", "--verbose", action="store_true", help="print every event and effect")
    for command in (many, one):
        command.add_argument("--nodes", type=int, default=NODES)
        command.add_argument("--stations", type=int, default=STATIONS)
    stroll = commands.add_parser("walk", help="one station walks through three access points")
    stroll.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    if options.command == "walk":
        return 0 if show(options.seed, print) else 1
    if options.nodes < 2 or options.stations < 1:
        parser.error("at least two nodes and one station")
    if options.command == "replay":
        return _replay(options.seed, options.nodes, options.stations, options.verbose)
    return _run_many(range(options.start, options.start + options.seeds), options.nodes, options.stations)


def _run_many(seeds: range, nodes: int, stations: int) -> int:
    failed = []
    began = time.perf_counter()
    virtual = 0.0
    for seed in seeds:
        result = run(seed, of_seed(seed, nodes, stations))
        virtual += result.virtual_time
        if not result.ok:
            failed.append(seed)
            print(verdict(result), flush=True)
    elapsed = time.perf_counter() - began
    print(
        f"{len(seeds)} seeds, {nodes} nodes, {stations} stations: {len(seeds) - len(failed)} ok, {len(failed)} failed; "
        f"{virtual:.0f} virtual seconds in {elapsed:.1f} s"
    )
    return 1 if failed else 0


def _replay(seed: int, nodes: int, stations: int, verbose: bool) -> int:
    result = run(seed, of_seed(seed, nodes, stations), print if verbose else None)
    print(verdict(result))
    return 0 if result.ok else 1


def verdict(result: Result) -> str:
    """For people: what was run, what did not hold, and how to see it again."""
    scenario = result.scenario
    lines = [f"seed {result.seed}: {'ok' if result.ok else 'FAILED'}, trace {result.trace_hash}, {result.lines} lines"]
    lines += [f"  {violation}" for violation in result.violations]
    lines.append("  " + ", ".join(f"{name} {number}" for name, number in sorted(result.counters.items())))
    lines.append(f"  {scenario}")
    command = f"replay --seed {result.seed} --nodes {scenario.nodes} --stations {scenario.stations} -v"
    lines.append(f"  again: python3 -m sroamd.sim {command}")
    return "\n".join(lines)
