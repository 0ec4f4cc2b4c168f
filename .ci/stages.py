#!/usr/bin/env python3
"""Run Makefile targets one after the other, stop at the first that fails, and close with the number of tests.

Each pytest target leaves a JUnit file in .reports/; a target without one (lint, Molecule) counts as no test.
"""

import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import deque
from dataclasses import dataclass
from pathlib import Path

REPORTS = Path(".reports")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# How ruff, mypy, pytest, the scripts of this project and Ansible begin to say what failed.
COMPLAINT = re.compile(r"\b(FAILED(?! - RETRYING)|fatal:|error:|ERROR)|^E  ")
COMPLAINT_LINES = 4  # a complaint and what follows it, such as Ansible's msg
COMPLAINTS_MAX = 24  # the last lines of them; they are repeated at the end, where a long log is read first
COMPLAINT_MAX = 300  # characters of each line


@dataclass(frozen=True, slots=True)
class Result:
    """What one stage came to; `tests` and `skipped` are 0 where the stage is not a pytest run."""

    stage: str
    exit_status: int
    seconds: float
    tests: int
    skipped: int
    complaints: list[str]


def make(stage: str) -> tuple[int, list[str]]:
    """Run a target: its exit status, and what it last complained of."""
    complaints: deque[str] = deque(maxlen=COMPLAINTS_MAX)
    command = ["make", "--no-print-directory", stage]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=subprocess.STDOUT) as process:
        assert process.stdout
        rest = 0
        for line in process.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            said = COLOUR.sub("", line.decode(errors="replace")).rstrip()
            rest = COMPLAINT_LINES if COMPLAINT.search(said) else rest - 1
            if rest > 0:
                complaints.append(said[:COMPLAINT_MAX])
    return process.returncode, list(complaints)


def run(stage: str) -> Result:
    report = REPORTS / f"{stage}.xml"
    report.unlink(missing_ok=True)
    print(f"\n==> {stage}", flush=True)
    started_at = time.monotonic()
    exit_status, complaints = make(stage)
    seconds = time.monotonic() - started_at
    suites = list(ElementTree.parse(report).getroot().iter("testsuite")) if report.exists() else []
    return Result(
        stage,
        exit_status,
        seconds,
        tests=sum(int(suite.get("tests", "0")) for suite in suites),
        skipped=sum(int(suite.get("skipped", "0")) for suite in suites),
        complaints=complaints,
    )


def main(stages: list[str]) -> int:
    results: list[Result] = []
    for stage in stages:
        results.append(run(stage))
        if results[-1].exit_status != 0:
            break

    print(f"\n{'stage':<16}{'seconds':>8}{'tests':>8}")
    for result in results:
        print(f"{result.stage:<16}{result.seconds:>8.0f}{result.tests or '-':>8}")
    print(f"{'all':<16}{sum(result.seconds for result in results):>8.0f}{sum(result.tests for result in results):>8}")

    last = results[-1]
    if last.exit_status != 0:
        print("\nIts last complaints:", *last.complaints, sep="\n  ")
        not_run = stages[len(results) :]
        print(f"\nFAILED at {last.stage}; `make {last.stage}` repeats it. Not run: {', '.join(not_run) or 'nothing'}.")
        return 1
    skipped = sum(result.skipped for result in results)
    if skipped:
        print(f"\nFAILED: {skipped} tests were skipped, and a test that CI skips is not run anywhere.")
        return 1
    passed = sum(result.tests for result in results)
    print(f"\n{passed} passed, 0 failed")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
