#!/usr/bin/env python3
"""Run Makefile targets one after the other, stop at the first that fails, and close with the number of tests.

Each pytest target leaves a JUnit file in .reports/; a target without one (lint, Molecule) counts as no test.
"""

import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

REPORTS = Path(".reports")


@dataclass(frozen=True, slots=True)
class Result:
    """What one stage came to; `tests` and `skipped` are 0 where the stage is not a pytest run."""

    stage: str
    exit_status: int
    seconds: float
    tests: int
    skipped: int


def run(stage: str) -> Result:
    report = REPORTS / f"{stage}.xml"
    report.unlink(missing_ok=True)
    print(f"\n==> {stage}", flush=True)
    started_at = time.monotonic()
    exit_status = subprocess.run(
        ["make", "--no-print-directory", stage], stdin=subprocess.DEVNULL, check=False
    ).returncode
    seconds = time.monotonic() - started_at
    suites = list(ElementTree.parse(report).getroot().iter("testsuite")) if report.exists() else []
    return Result(
        stage,
        exit_status,
        seconds,
        tests=sum(int(suite.get("tests", "0")) for suite in suites),
        skipped=sum(int(suite.get("skipped", "0")) for suite in suites),
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
