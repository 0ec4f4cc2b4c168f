"""make fuzz: hostile input for the flooding port, made from one seed, for as long as is asked for.

The work is cut into sessions of INPUTS inputs, each a node of its own with everything made from (seed, session): so any
session can be run again alone, and two runs do the same. A session fails at the first input that raises anything, takes
longer than SLOW, or leaves a table beyond its limit; what is slow must be so three times, for the machine has others to
serve. Between the sessions the process must not grow.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from sroamd import constants
from tests.fuzz.grammar import Grammar
from tests.fuzz.port import LIMITS, Broken, Port, elements

INPUTS = 500  # of a session
SLOW = 0.050  # seconds of processor time
TRIES = 3
ELEMENTS_MAX = 60 * LIMITS["DATABASE_MAX"] + 20_000  # of all containers of a node
FAILURES_MAX = 5  # in one process: more say nothing new
WARM = 20  # sessions, before growth is looked for
GROWTH_MAX = 64 << 10  # kB that the process may grow by afterwards
WAITS, HOW_OFTEN = (0.0, 0.01, 0.3, 3.0, 60.0, 700.0), (600, 200, 150, 40, 2, 0.5)


@dataclass(frozen=True, slots=True)
class Failure:
    """`number` is that of the input in its session; `trace`: of what was raised, if anything was."""

    session: int
    number: int
    octets: bytes
    what: str
    trace: str = ""
    slow: bool = False


@dataclass
class Tally:
    """Of some sessions. `slowest`: seconds, session and input."""

    inputs: int = 0
    octets: int = 0
    slowest: tuple[float, int, int] = (0.0, 0, 0)
    elements: int = 0
    counters: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.inputs += other.inputs
        self.octets += other.octets
        self.slowest = max(self.slowest, other.slowest)
        self.elements = max(self.elements, other.elements)
        self.counters.update(other.counters)
        self.failures += other.failures


@contextmanager
def small_limits() -> Iterator[None]:
    """The named limits so low that a session reaches them."""
    former = {name: getattr(constants, name) for name in LIMITS}
    for name, value in LIMITS.items():
        setattr(constants, name, value)
    try:
        yield
    finally:
        for name, value in former.items():
            setattr(constants, name, value)


def session(seed: str, number: int, inputs: int, make: Callable[[Random], Port] = Port) -> Tally:
    """One node's life, up to its first failure."""
    tally = run_once(seed, number, inputs, make)
    for _ in range(TRIES - 1):
        if not tally.failures or not tally.failures[0].slow:
            break
        again = run_once(seed, number, inputs, make)
        if not again.failures or not again.failures[0].slow:
            tally = again
    return tally


def run_once(seed: str, session: int, inputs: int, make: Callable[[Random], Port]) -> Tally:
    tally = Tally()
    with small_limits():
        rng = Random(f"{seed}/{session}")
        port = make(rng)
        grammar = Grammar(rng, port.known)
        for number in range(inputs):
            octets = grammar.next()
            failure = attempt(port, grammar, rng, octets, (session, number), tally)
            tally.inputs += 1
            tally.octets += len(octets)
            if failure is not None:
                tally.failures.append(failure)
                break
        tally.counters.update(port.node.counters)
        tally.elements = elements(port.node)
        if not tally.failures and tally.elements > ELEMENTS_MAX:
            what = f"{tally.elements} elements in all containers of the node, {ELEMENTS_MAX} are allowed"
            tally.failures.append(Failure(session, inputs - 1, b"", what))
    return tally


def attempt(
    port: Port, grammar: Grammar, rng: Random, octets: bytes, place: tuple[int, int], tally: Tally
) -> Failure | None:
    """One input, and what happens until the next."""
    pieces = grammar.cut(octets)
    try:
        began = time.thread_time()
        port.feed(pieces)
        took = time.thread_time() - began
        port.check_limits()
        if rng.random() < 0.2:
            port.live()
        port.pass_time(rng.choices(WAITS, HOW_OFTEN)[0])
        port.check_limits()
    except Broken as error:
        return Failure(*place, octets, str(error))
    except Exception as error:
        return Failure(*place, octets, f"{type(error).__name__}: {error}", traceback.format_exc())
    tally.slowest = max(tally.slowest, (took, *place))
    if took > SLOW:
        return Failure(*place, octets, f"took {took * 1000:.0f} ms", slow=True)
    return None


def share(seed: str, sessions: range, inputs: int) -> Tally:
    """Some of the sessions, in one process."""
    tally = Tally()
    baseline = 0
    for count, number in enumerate(sessions):
        tally.add(session(seed, number, inputs))
        if len(tally.failures) >= FAILURES_MAX:
            break
        if count == WARM:
            baseline = peak_memory()
    gc.collect()
    growth = peak_memory() - baseline
    if baseline and growth > GROWTH_MAX:
        what = f"the process has grown by {growth >> 10} MB after its first {WARM} sessions"
        tally.failures.append(Failure(sessions[-1], 0, b"", what))
    return tally


def peak_memory() -> int:
    """kB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def run(seed: str, inputs: int, workers: int) -> Tally:
    """All sessions that make up so many inputs."""
    sessions = -(-inputs // INPUTS)
    shares = [range(first, sessions, workers) for first in range(min(workers, sessions))]
    tally = Tally()
    with ProcessPoolExecutor(len(shares)) as pool:
        for part in pool.map(share, [seed] * len(shares), shares, [INPUTS] * len(shares)):
            tally.add(part)
    return tally


def describe(failure: Failure, seed: str) -> str:
    lines = [f"session {failure.session}, input {failure.number}: {failure.what}", failure.trace]
    if failure.octets:
        lines.append(f"  octets: {failure.octets[:400].hex()}{'...' if len(failure.octets) > 400 else ''}")
    lines.append(f"  again: make fuzz FUZZ_SEED={seed} FUZZ_SESSION={failure.session}")
    return "\n".join(line for line in lines if line)


def main() -> int:
    parser = argparse.ArgumentParser(description="Hostile input for the flooding port.")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--session", type=int, help="only this one, as a failure names it")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    began = time.monotonic()
    if options.session is not None:
        tally = session(options.seed, options.session, INPUTS)
    else:
        tally = run(options.seed, options.inputs, options.workers)
    took = time.monotonic() - began
    slowest, in_session, number = tally.slowest
    print(
        f"{tally.inputs:,} inputs, {tally.octets:,} octets in {took:.0f} s (seed {options.seed}); "
        f"the slowest took {slowest * 1000:.1f} ms (session {in_session}, input {number}); "
        f"the largest node held {tally.elements:,} elements"
    )
    print("counted: " + ", ".join(f"{name} {count:,}" for name, count in sorted(tally.counters.items())))
    for failure in tally.failures:
        print(f"\nFAILED {describe(failure, options.seed)}", file=sys.stderr)
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
