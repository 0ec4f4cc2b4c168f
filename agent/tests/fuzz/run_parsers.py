"""make fuzz-parsers: hostile input for each parser of `wire/`, guided by what of the parser it reaches.

First a corpus is grown with a share of the inputs (`guide`), then the rest is made from it at full speed, in sessions
that are spread over all cores. An input is a finding if it raises anything but DecodeError, if what is decoded is
encoded as something else, or if it takes longer than SLOW of processor time, each of TRIES times. The clock costs as
much as a small parser, so it is asked once for BATCH of them; where they took longer than SLOW together, each is timed
alone. Within a session a parser must keep nothing. A finding is its octets: with them alone it can be had again.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from types import FrameType

from tests.fuzz.damage import damaged
from tests.fuzz.guide import corpus
from tests.fuzz.parsers import PARSERS, DecodeError, Parser
from tests.fuzz.run import peak_memory

SESSION = 20_000  # inputs
GUIDED = 50  # one in so many
SLOW = 0.002  # seconds of processor time
TRIES = 10
ENDLESS = 2.0  # seconds of processor time, after which an input is torn out of its parser
BATCH = 20  # inputs between two looks at the clock
REARMED = 500  # inputs
WARM = 1_000  # inputs, before growth is looked for
GROWTH_MAX = 2_000  # blocks of memory in a session
FINDINGS_MAX = 5  # of a parser: more say nothing new
PROGRESS = 20.0  # seconds from line to line


class Endless(Exception):
    """An input has taken ENDLESS and was not done."""


@dataclass(frozen=True, slots=True)
class Finding:
    parser: str
    octets: bytes
    what: str
    trace: str = ""

    def __str__(self) -> str:
        again = f"make fuzz-parsers PARSER={self.parser} OCTETS={self.octets.hex()}"
        return "\n".join(part for part in (f"{self.parser}: {self.what}", self.trace, f"  again: {again}") if part)


@dataclass
class Tally:
    """Of one parser. `seconds`: in it, by the clock. `memory`: kB that a process had at most."""

    inputs: int = 0
    accepted: int = 0
    seconds: float = 0.0
    memory: int = 0
    findings: list[Finding] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.inputs += other.inputs
        self.accepted += other.accepted
        self.seconds += other.seconds
        self.memory = max(self.memory, other.memory)
        self.findings += other.findings


@contextmanager
def torn_out_if_endless() -> Iterator[None]:
    """Whatever runs for ENDLESS seconds of processor time raises Endless. For a whole session: see `session`."""

    def expired(_signal: int, _frame: FrameType | None) -> None:
        raise Endless(f"was not done after {ENDLESS:.0f} s")

    before = signal.signal(signal.SIGVTALRM, expired)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def rearm() -> None:
    signal.setitimer(signal.ITIMER_VIRTUAL, ENDLESS)


def attempt(name: str, parser: Parser, octets: bytes) -> Finding | None:
    """What is wrong with how the parser takes the input."""
    try:
        parser.judge(octets)
    except DecodeError:
        return None
    except Exception as error:
        return found(name, octets, error)
    return None


def found(name: str, octets: bytes, error: Exception) -> Finding:
    return Finding(name, octets, f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error)))


def slow(name: str, parser: Parser, octets: bytes) -> Finding | None:
    """Does the input take longer than SLOW by the processor's time, each time?"""
    times = []
    for _ in range(TRIES):
        began = time.thread_time()
        attempt(name, parser, octets)
        times.append(time.thread_time() - began)
        if times[-1] <= SLOW:
            return None
    return Finding(name, octets, f"takes {min(times) * 1000:.1f} ms")


def session(name: str, parser: Parser, kept: list[bytes], seed: str, inputs: int) -> Tally:
    """So many inputs, made from the corpus."""
    rng, tally, blocks = Random(seed), Tally(), 0
    with torn_out_if_endless():
        while tally.inputs < inputs and len(tally.findings) < FINDINGS_MAX:
            if tally.inputs % REARMED == 0:
                rearm()
            if tally.inputs == WARM:
                blocks = blocks_in_use(parser)
            batch = [damaged(rng, kept) for _ in range(min(BATCH, inputs - tally.inputs))]
            judge_all(name, parser, batch, tally)
    grown = blocks_in_use(parser) - blocks if blocks else 0
    if grown > GROWTH_MAX and not tally.findings:
        tally.findings.append(Finding(name, batch[-1], f"{grown} blocks of memory more than at the start of a session"))
    tally.memory = peak_memory()
    return tally


def judge_all(name: str, parser: Parser, batch: list[bytes], tally: Tally) -> None:
    judge, refused = parser.judge, 0
    findings: list[Finding] = []
    began = time.perf_counter()
    for octets in batch:
        try:
            judge(octets)
        except DecodeError:
            refused += 1
        except Exception as error:
            findings.append(found(name, octets, error))
            rearm()  # the next may be endless again
    took = time.perf_counter() - began
    if took > SLOW and not findings:
        findings += [finding for octets in batch if (finding := slow(name, parser, octets)) is not None]
    tally.inputs += len(batch)
    tally.accepted += len(batch) - refused - len(findings)
    tally.seconds += took
    tally.findings += findings[: FINDINGS_MAX - len(tally.findings)]


def blocks_in_use(parser: Parser) -> int:
    parser.forget()
    gc.collect()
    return sys.getallocatedblocks()


# -- a run


def grow(name: str, seed: str, inputs: int) -> list[bytes]:
    """The corpus of a parser, and nothing if it hangs: then the first session finds that."""
    parser = PARSERS[name]
    with torn_out_if_endless():
        return corpus(parser, Random(f"{seed}/{name}"), inputs, rearm)


def share(name: str, kept: list[bytes], seed: str, inputs: int) -> tuple[str, Tally]:
    return name, session(name, PARSERS[name], kept, seed, inputs)


def run(names: list[str], seed: str, inputs: int, workers: int) -> dict[str, Tally]:
    """So many inputs for each of the parsers; a line whenever one of them is done, and now and then between."""
    guided = inputs // GUIDED
    sessions = -(-(inputs - guided) // SESSION)
    tallies = {name: Tally(inputs=guided) for name in names}
    left = dict.fromkeys(names, sessions)
    said = time.monotonic()
    with ProcessPoolExecutor(workers) as pool:
        grown = {name: pool.submit(grow, name, seed, guided) for name in names}
        work = []
        for name in names:
            kept = grown[name].result()
            size = -(-(inputs - guided) // sessions)
            work += [pool.submit(share, name, kept, f"{seed}/{name}/{number}", size) for number in range(sessions)]
        for done in as_completed(work):
            name, part = done.result()
            tallies[name].add(part)
            left[name] -= 1
            if not left[name]:
                print(line(name, tallies[name]), flush=True)
            elif time.monotonic() - said > PROGRESS:
                said = time.monotonic()
                total = sum(tally.inputs for tally in tallies.values())
                print(f"  {total:,} of {inputs * len(names):,} inputs", file=sys.stderr, flush=True)
    return tallies


def line(name: str, tally: Tally) -> str:
    inputs = max(tally.inputs, 1)
    return (
        f"{name:<14}{tally.inputs:>12,} inputs, {tally.accepted / inputs:>4.0%} accepted, "
        f"{tally.seconds / inputs * 1e6:.1f} us each, {tally.memory >> 10} MB, {len(tally.findings)} findings"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Hostile input for the parsers.")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="for each parser")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--parser", choices=PARSERS, action="append", help="only this one (default: all)")
    parser.add_argument("--octets", type=bytes.fromhex, help="only these, in hexadecimal, as a finding names them")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    names = options.parser or list(PARSERS)
    began = time.monotonic()
    if options.octets is not None:
        kept = [
            attempt(name, PARSERS[name], options.octets) or slow(name, PARSERS[name], options.octets) for name in names
        ]
        findings = [finding for finding in kept if finding is not None]
    else:
        tallies = run(names, options.seed, options.inputs, options.workers)
        findings = [finding for tally in tallies.values() for finding in tally.findings]
        total = sum(tally.inputs for tally in tallies.values())
        print(f"{total:,} inputs in {time.monotonic() - began:.0f} s (seed {options.seed}), {len(findings)} findings")
    for finding in findings:
        print(f"\nFOUND {finding}", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
