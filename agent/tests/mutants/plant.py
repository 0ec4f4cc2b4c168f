"""Plant each bug of `planted.py` in a copy of the agent, one at a time, and show which test finds it.

    make planted                                        all of them
    cd agent && python3 -m tests.mutants.plant [--list] [NAME ...]

Exit status 0 if every bug was found, 1 if one was not (or no longer applies), 2 for a name that does not exist.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from tests.mutants.planted import BUGS, Bug

AGENT = Path(__file__).parents[2]
TIMEOUT = 180.0  # s for the tests of one bug: one that makes them hang is found too
PYTEST_OPTIONS = ("-x", "-q", "-p", "no:cacheprovider")
FIRST_FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`found_by`: the test that failed, None if none did."""

    bug: Bug
    found_by: str | None
    seconds: float


def planted(source: str, bug: Bug) -> str:
    """The source with the bug in it. ValueError if it does not say exactly once what the bug replaces."""
    times = source.count(bug.right)
    if times != 1:
        raise ValueError(f"{bug.name}: {bug.file} has {times} times what is to be replaced, instead of once")
    return source.replace(bug.right, bug.wrong)


def judge(copy: Path, bug: Bug) -> Verdict:
    """Plant it in `copy`, run its tests, take it out again."""
    path = copy / "agent" / "src" / "sroamd" / bug.file
    sound = path.read_text()
    path.write_text(planted(sound, bug))
    started_at = time.monotonic()
    try:
        found_by = first_failure(copy, bug)
    finally:
        path.write_text(sound)
    return Verdict(bug, found_by, time.monotonic() - started_at)


def first_failure(copy: Path, bug: Bug) -> str | None:
    tests = [f"agent/tests/{test}" for test in bug.tests]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        "agent/pyproject.toml",
        "--rootdir=.",
        "-xq",
        "-p",
        "no:cacheprovider",
    ]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*command, *tests], cwd=copy, env=environment, timeout=TIMEOUT, capture_output=True, text=True, check=False
        )
    except subprocess.TimeoutExpired:
        return f"hangs in {' '.join(bug.tests)}"
    if done.returncode == 0:
        return None
    failed = FIRST_FAILURE.search(done.stdout)
    if failed is None:
        raise RuntimeError(f"{bug.name}: pytest exits {done.returncode}:\n{done.stdout}{done.stderr}")
    return failed[1].removeprefix("agent/tests/")


def judge_all(bugs: list[Bug], workers: int) -> list[Verdict]:
    """In as many copies as there are workers; each verdict is printed as it comes."""
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory(prefix="sroamd-planted-") as directory:
        copies: Queue[Path] = Queue()
        for number in range(workers):
            copy = Path(directory) / str(number)
            shutil.copytree(AGENT, copy / "agent", ignore=shutil.ignore_patterns("__pycache__", ".*", "build", "dist"))
            copies.put(copy)

        def in_a_copy(bug: Bug) -> Verdict:
            copy = copies.get()
            try:
                return judge(copy, bug)
            finally:
                copies.put(copy)

        with ThreadPoolExecutor(workers) as pool:
            for done in as_completed([pool.submit(in_a_copy, bug) for bug in bugs]):
                verdicts.append(done.result())
                show(verdicts[-1])
    return verdicts


def show(verdict: Verdict) -> None:
    bug = verdict.bug
    print(f"{bug.name:<36} {verdict.seconds:>4.0f} s  {verdict.found_by or 'NOT FOUND'}", flush=True)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Plant bugs and show which test finds each.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these (default: all)")
    parser.add_argument("--list", action="store_true", help="say what there is, and plant nothing")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - {bug.name for bug in BUGS}
    if unknown:
        parser.error(f"no such bug: {', '.join(sorted(unknown))}; --list says which there are")
    bugs = [bug for bug in BUGS if not options.names or bug.name in options.names]
    if options.list:
        for bug in bugs:
            print(f"{bug.name:<36} {bug.defect or '-':<4} {bug.file:<28} {bug.what}")
        return 0
    verdicts = judge_all(bugs, os.cpu_count() or 1)
    missed = [verdict.bug.name for verdict in verdicts if verdict.found_by is None]
    print(f"\n{len(verdicts)} bugs planted, {len(verdicts) - len(missed)} found")
    if missed:
        print(f"not found: {' '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
