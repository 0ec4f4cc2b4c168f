"""A budget of hostile inputs in every test run, and proof that faults of every kind would be found."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

import sroamd
from sroamd import constants
from sroamd.core import events as ev
from sroamd.core.effects import Effect, SendHello
from sroamd.wire.flood import Hello
from tests.fuzz import run
from tests.fuzz.grammar import NODES
from tests.fuzz.port import HONEST, LIMITS, Port

SEED = "quick"
SESSIONS = 12
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("number", range(SESSIONS))
def test_hostile_input_raises_nothing_hangs_nothing_and_fills_nothing(number: int) -> None:
    tally = run.session(SEED, number, run.INPUTS)
    assert tally.failures == [], run.describe(tally.failures[0], SEED)
    assert tally.inputs == run.INPUTS


REACHING = (3, 7, 8, 20)  # of two dozen sessions those that get furthest


@pytest.fixture
def at_leisure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session goes on to its end, however slow the machine is."""
    monkeypatch.setattr(run, "SLOW", float("inf"))


@pytest.mark.usefixtures("at_leisure")
def test_all_of_it_is_reached() -> None:
    """Else a budget of inputs would show nothing: what a session counts tells where its inputs got to."""
    tally = run.Tally()
    for number in REACHING:
        tally.add(run.session("reach", number, run.INPUTS))
    wanted = (
        "flood.dumps flood.database-full flood.malformed-datum flood.leases-full flood.nodes-full flood.bucket-full "
        "census.unasked census.no-way census.too-many-questions census.dropped"
    )
    assert set(wanted.split()) - tally.counters.keys() == set()
    assert tally.octets > 100_000


@pytest.mark.usefixtures("at_leisure")
def test_a_session_is_the_same_each_time() -> None:
    first, second = (run.run_once("same", 3, 200, Port) for _ in range(2))
    assert (first.octets, first.counters, first.elements) == (second.octets, second.counters, second.elements)


def test_limits_are_as_before_afterwards() -> None:
    before = {name: getattr(constants, name) for name in LIMITS}
    run.run_once("limits", 0, 3, Port)
    assert {name: getattr(constants, name) for name in LIMITS} == before


# -- what it would find


class Faulty(Port):
    """At the 50th event that is an update something is wrong with the node."""

    def __init__(self, rng: Random) -> None:
        self.updates = 0
        super().__init__(rng)
        handle = self.node.handle

        def faulty(event: ev.Event, now: float) -> list[Effect]:
            effects = handle(event, now)
            if isinstance(event, ev.UpdatesReceived):
                self.updates += 1
                if self.updates >= 50:
                    effects += self.fault()
            return effects

        self.node.handle = faulty  # type: ignore[method-assign]

    def fault(self) -> list[Effect]:
        raise KeyError("a bug")


class Slow(Faulty):
    def fault(self) -> list[Effect]:
        until = time.thread_time() + 2 * run.SLOW
        while time.thread_time() < until:
            pass
        return []


class Leaking(Faulty):
    def fault(self) -> list[Effect]:
        questions = self.node.census._asked
        for number in range(constants.CENSUS_QUESTIONS_MAX + 1):
            questions[NODES[0], number.to_bytes(8, "big")] = None  # type: ignore[assignment]
        return []


class Hoarding(Faulty):
    """A table that nobody has thought of."""

    def fault(self) -> list[Effect]:
        hoard = self.node.__dict__.setdefault("hoard", [])
        hoard += range(1000)
        return []


class Unsayable(Faulty):
    def fault(self) -> list[Effect]:
        return [SendHello(HONEST, Hello(NODES[0], 3, bytes(7), 0, ""))]


class Restless(Faulty):
    def fault(self) -> list[Effect]:
        self._queue.append(ev.UpdatesReceived(HONEST, ()))
        return []


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (Faulty, "KeyError: 'a bug'"),
        (Slow, "took 1"),
        (Leaking, "questions remembered: "),
        (Hoarding, "elements in all containers of the node"),
        (Unsayable, "ValueError: a digest of 7 octets"),
        (Restless, "events without end"),
    ],
)
def test_a_fault_is_found_and_named(kind: type[Port], what: str) -> None:
    tally = run.session("faults", 1, 300, kind)
    (failure,) = tally.failures
    assert failure.what.startswith(what) or what in failure.what
    said = run.describe(failure, "faults")
    assert "make fuzz FUZZ_SEED=faults FUZZ_SESSION=1" in said
    assert failure.octets.hex()[:100] in said


def test_a_process_that_grows_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter((100, 100 + run.GROWTH_MAX + 1))
    monkeypatch.setattr(run, "peak_memory", lambda: next(sizes))
    monkeypatch.setattr(run, "WARM", 1)
    (failure,) = run.share("grow", range(3), 2).failures
    assert "has grown by 64 MB" in failure.what


def test_the_command_says_what_it_has_done() -> None:
    source = str(Path(sroamd.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.run", "--inputs", "40", "--seed", "x", "--workers", "2"],
        env={**os.environ, "PYTHONPATH": f"{source}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("500 inputs, ")
    assert "(seed x); the slowest took" in done.stdout
