"""`python3 -m sroamd.sim run | replay | walk | leases | scale`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing import Pool

from sroamd.sim import partitions, scale, scale_table
from sroamd.sim.mixed import mixed_of_seed, run_mixed
from sroamd.sim.packets import LONGEST
from sroamd.sim.run import Result, run
from sroamd.sim.seeds import of_seed
from sroamd.sim.topologies import TOPOLOGIES
from sroamd.sim.walk import show

NODES, STATIONS = 5, 20
PROGRESS_INTERVAL = 10.0  # s
CHUNK = 4  # seeds that a process takes at a time


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all well. 1: something that must hold did not. 2: usage."""
    parser = argparse.ArgumentParser(prog="python3 -m sroamd.sim", description="Simulate a fleet in virtual time.")
    commands = parser.add_subparsers(dest="command", required=True)
    many = commands.add_parser("run", help="run many seeds, each with a scenario of its own, on all cores")
    many.add_argument("--seeds", type=int, default=20, metavar="N")
    many.add_argument("--start", type=int, default=0, metavar="S")
    many.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), metavar="N", help="processes")
    one = commands.add_parser("replay", help="run one seed again, the same to the last event")
    one.add_argument("--seed", type=int, required=True)
    one.add_argument("-v", "--verbose", action="store_true", help="print every event and effect")
    for command in (many, one):
        command.add_argument("--nodes", type=int, default=NODES)
        command.add_argument("--stations", type=int, default=STATIONS)
        command.add_argument("--mixed", action="store_true", help="with C daemons among the nodes")
    stroll = commands.add_parser("walk", help="one station walks through three access points")
    stroll.add_argument("--seed", type=int, default=1)
    twice = commands.add_parser("leases", help="how likely two sides of a partition give out one address twice")
    twice.add_argument("--trials", type=int, default=partitions.TRIALS, metavar="N")
    large = commands.add_parser("scale", help="a large fleet in steady roaming: how soon does everybody know?")
    large.add_argument("--topology", action="append", choices=sorted(TOPOLOGIES), help="default: each of them")
    large.add_argument("--full", action="store_true", help="300 nodes, 30,000 stations, 100 roams/s: some minutes each")
    large.add_argument("--nodes", type=int)
    options = parser.parse_args(arguments)
    if options.command == "scale":
        return _scale(options.topology or list(TOPOLOGIES), options.full, options.nodes)
    if options.command == "leases":
        partitions.show(options.trials, print)
        return 0
    if options.command == "walk":
        return 0 if show(options.seed, print) else 1
    if options.nodes < 2 or options.stations < 1:
        parser.error("at least two nodes and one station")
    if options.command == "replay":
        return _replay(options.seed, options.nodes, options.stations, options.verbose, mixed=options.mixed)
    seeds = range(options.start, options.start + options.seeds)
    return _run_many(seeds, options.nodes, options.stations, options.jobs, mixed=options.mixed)


def _scale(topologies: Sequence[str], full: bool, nodes: int | None) -> int:
    """Each in a process of its own, since none gives its memory back."""
    plans = [scale.full(topology) if full else scale.Plan(topology) for topology in topologies]
    if nodes is not None:
        plans = [replace(plan, nodes=nodes) for plan in plans]
    with Pool(1, maxtasksperchild=1) as pool:
        results = pool.map(scale.measure, plans, chunksize=1)
    scale_table.show(results, print)
    return 0 if all(result.well for result in results) else 1


def _run_many(seeds: range, nodes: int, stations: int, jobs: int, *, mixed: bool = False) -> int:
    failed = []
    began = shown_at = time.perf_counter()
    virtual = 0.0
    totals: Counter[str] = Counter()
    for number, result in enumerate(_results(seeds, nodes, stations, jobs, mixed), start=1):
        virtual += result.virtual_time
        add_up(totals, result.counters)
        if not result.ok:
            failed.append(result.seed)
            print(verdict(result), flush=True)
        now = time.perf_counter()
        if now > shown_at + PROGRESS_INTERVAL:
            shown_at = now
            rate = number / (now - began)
            print(f"{number} of {len(seeds)} seeds, {len(failed)} failed, {rate:.1f} seeds/s", file=sys.stderr)
    elapsed = time.perf_counter() - began
    rate = len(seeds) / elapsed
    print(
        f"{len(seeds)} seeds, {nodes} nodes, {stations} stations: {len(seeds) - len(failed)} ok, {len(failed)} failed; "
        f"{virtual / 3600:.0f} virtual hours in {elapsed:.1f} s with {jobs} processes, {rate:.1f} seeds/s"
    )
    print("packets: " + ", ".join(f"{name} {totals[name]}" for name in sorted(totals) if is_of_packets(name)))
    return 1 if failed else 0


def add_up(totals: Counter[str], counters: Mapping[str, int]) -> None:
    """Of some counters the greatest is what matters."""
    for name, number in counters.items():
        totals[name] = max(totals[name], number) if name.startswith(LONGEST) else totals[name] + number


def is_of_packets(counter: str) -> bool:
    return any(word in counter for word in ("packets", "circles", "loop"))


def _results(seeds: range, nodes: int, stations: int, jobs: int, mixed: bool) -> Iterator[Result]:
    """In the order in which they end."""
    one = partial(run_seed, nodes=nodes, stations=stations, mixed=mixed)
    if jobs < 2 or len(seeds) < 2:
        yield from map(one, seeds)
        return
    with Pool(jobs) as pool:
        yield from pool.imap_unordered(one, seeds, CHUNK)


def run_seed(
    seed: int,
    nodes: int = NODES,
    stations: int = STATIONS,
    say: Callable[[str], None] | None = None,
    *,
    mixed: bool = False,
) -> Result:
    if mixed:
        return run_mixed(seed, mixed_of_seed(seed, nodes, stations), say)
    return run(seed, of_seed(seed, nodes, stations), say)


def _replay(seed: int, nodes: int, stations: int, verbose: bool, *, mixed: bool) -> int:
    result = run_seed(seed, nodes, stations, print if verbose else None, mixed=mixed)
    print(verdict(result))
    return 0 if result.ok else 1


def verdict(result: Result) -> str:
    """For people: what was run, what did not hold, and how to see it again."""
    scenario = result.scenario
    lines = [f"seed {result.seed}: {'ok' if result.ok else 'FAILED'}, trace {result.trace_hash}, {result.lines} lines"]
    lines += [f"  {violation}" for violation in result.violations]
    lines.append("  " + ", ".join(f"{name} {number}" for name, number in sorted(result.counters.items())))
    lines.append(f"  {scenario}")
    size = (
        ""
        if (scenario.nodes, scenario.stations) == (NODES, STATIONS)
        else (f" --nodes {scenario.nodes} --stations {scenario.stations}")
    )
    mixed = " --mixed" if scenario.c_nodes else ""
    lines.append(f"  again: PYTHONPATH=agent/src python3 -m sroamd.sim replay --seed {result.seed}{size}{mixed} -v")
    return "\n".join(lines)
