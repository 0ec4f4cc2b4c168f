#!/usr/bin/env python3
"""Check the models with spin: `check.py [--large] [--jobs N] [--memory GB] [--junit FILE] [--show] [NAME...]`.

Each configuration states what is expected: that the model is verified in all its states, or that a counterexample is
found, and what happens in it. Anything else fails. NAME: only configurations whose name contains one of these words.
--show prints the counterexamples that were found.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from configurations import CONFIGURATIONS, Configuration, Judged

HERE = Path(__file__).parent
DEPTH = 2_000_000  # steps of the longest run that is looked at; beyond it the check would not be complete, and fails
BITSTATE_BITS = 33  # 1 GB
BITSTATE_MINUTES = 5  # then it ends with what it has seen

COMPILER = ("gcc", "-w", "-DVECTORSZ=4096")
COMPILED_FOR = {
    Judged.STATES: ("-DSAFETY",),
    Judged.SHORTEST: ("-DSAFETY", "-DBFS"),
    Judged.CYCLES: ("-DNP",),
    Judged.FORMULA: (),
}
RUN_FOR = {Judged.STATES: (), Judged.SHORTEST: (), Judged.CYCLES: ("-l",), Judged.FORMULA: ("-a",)}


@dataclass(frozen=True, slots=True)
class Result:
    """`verdict`: what spin says in a few words. `trail`: the steps of the counterexample, one a line."""

    configuration: Configuration
    verdict: str
    as_expected: bool
    states: int
    seconds: float
    trail: tuple[str, ...] = ()


def check(configuration: Configuration, memory_gb: float) -> Result:
    started_at = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="spin-"))
    try:
        build(configuration, directory, memory_gb)
        command = ["./pan", *RUN_FOR[configuration.judged], f"-m{DEPTH}"]
        if configuration.bitstate:
            command += [f"-w{BITSTATE_BITS}", "-k3", f"-Q{BITSTATE_MINUTES}"]
        report = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False).stdout
        trail = read_trail(configuration, directory) if (directory / "model.pml.trail").exists() else ()
    finally:
        shutil.rmtree(directory)
    verdict = verdict_of(report, configuration)
    states = re.search(r"^\s*([0-9.e+]+) states, stored", report, re.MULTILINE)
    return Result(
        configuration,
        verdict,
        is_expected(configuration, verdict, trail),
        int(float(states[1])) if states else 0,
        time.monotonic() - started_at,
        trail,
    )


def build(configuration: Configuration, directory: Path, memory_gb: float) -> None:
    """RuntimeError with the tool's words if the model does not translate: that is no verdict."""
    shutil.copy(HERE / f"{configuration.model}.pml", directory / "model.pml")
    # Small models, and those of C nodes, take longer to compile than to run.
    optimised = "-O1" if configuration.large and "C_NODES" not in configuration.options else "-O0"
    compiler = [*COMPILER, optimised, *COMPILED_FOR[configuration.judged], f"-DMEMLIM={int(memory_gb * 1024)}"]
    compiler.append("-DBITSTATE" if configuration.bitstate else "-DCOLLAPSE")
    for command in (["spin", "-a", *configuration.defines, "model.pml"], [*compiler, "-o", "pan", "pan.c"]):
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{configuration.name}: {' '.join(command)}:\n{done.stdout}{done.stderr}")


def verdict_of(report: str, configuration: Configuration) -> str:
    found = re.search(r"^pan:\d+: (.*?)(?: \(at depth \d+\))?$", report, re.MULTILINE)
    if found is not None and not found[1].startswith("max search depth"):
        return found[1]
    if "errors: 0" not in report or re.search("max search depth too small|out of memory|hash array is full", report):
        return "not completed: " + (report.strip().splitlines() or ["no output"])[0]
    return "no error found" if configuration.bitstate else "verified"


def read_trail(configuration: Configuration, directory: Path) -> tuple[str, ...]:
    command = ["spin", "-t", "-T", *configuration.defines, "model.pml"]
    text = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False).stdout
    lines = (line.rstrip() for line in text.split("#processes")[0].splitlines())
    return tuple(line for line in lines if line and not line.startswith(("spin:", "ltl", "Never", "starting")))


def is_expected(configuration: Configuration, verdict: str, trail: tuple[str, ...]) -> bool:
    if not configuration.found:
        return verdict == ("no error found" if configuration.bitstate else "verified")
    steps = iter(trail)
    return configuration.found in verdict and all(any(part in step for step in steps) for part in configuration.steps)


def line_of(result: Result) -> str:
    configuration = result.configuration
    mark = "ok    " if result.as_expected else "FAILED"
    what = "counterexample" if configuration.found and result.as_expected else result.verdict[:60]
    return f"{mark} {result.states:>11,} {result.seconds:>7.1f} s  {what:<15} {configuration.name}"


def write_junit(path: Path, results: list[Result]) -> None:
    failed = [result for result in results if not result.as_expected]
    suite = ElementTree.Element("testsuite", name="model", tests=str(len(results)), failures=str(len(failed)))
    for result in results:
        case = ElementTree.SubElement(
            suite, "testcase", classname=result.configuration.model, name=result.configuration.name
        )
        case.set("time", f"{result.seconds:.1f}")
        if not result.as_expected:
            ElementTree.SubElement(case, "failure", message=result.verdict).text = "\n".join(result.trail)
    path.parent.mkdir(exist_ok=True)
    ElementTree.ElementTree(suite).write(path)


def chosen(names: list[str], *, large: bool) -> Iterator[Configuration]:
    for configuration in CONFIGURATIONS:
        if (large or not configuration.large) and (not names or any(name in configuration.name for name in names)):
            yield configuration


def main() -> int:
    parser = argparse.ArgumentParser(description="Check the models with spin.")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--large", action="store_true", help="the large configurations too")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--memory", type=float, default=4.0, help="GB for each job")
    parser.add_argument("--junit", type=Path)
    parser.add_argument("--show", action="store_true", help="print the counterexamples")
    arguments = parser.parse_args()

    results: list[Result] = []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        configurations = chosen(arguments.names, large=arguments.large)
        for result in pool.map(lambda each: check(each, arguments.memory), configurations):
            results.append(result)
            print(line_of(result), flush=True)
            if result.trail and (arguments.show or not result.as_expected):
                print("\n".join(f"         {step}" for step in result.trail[:60]))
    if arguments.junit:
        write_junit(arguments.junit, results)
    failed = sum(not result.as_expected for result in results)
    print(f"{len(results) - failed} as expected, {failed} not")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
