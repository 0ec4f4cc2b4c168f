"""One run from beginning to verdict: trouble, then quiet, then the questions."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sroamd.constants import RECLAIM_WAIT_MAX
from sroamd.core.seqno import MODULUS
from sroamd.sim.checks import Violation
from sroamd.sim.clock import Endless
from sroamd.sim.faults import Trouble
from sroamd.sim.machine import Spinning
from sroamd.sim.scenario import Scenario
from sroamd.sim.settled import AGREEMENT, SERVICE
from sroamd.sim.world import World

JOIN_TIME = 10.0  # s: all connections must be up again by then
QUIET_TIME = 5.0  # s after that until all must agree
# The same after lies. Some came too fast to be heard by all (core.churn); those are found by digests, which are
# compared at leisure (core.repair).
LIES_HEAL_TIME = 300.0
SILENCE_TIME = 20.0  # s in which Updates are counted
CHANGES_MAX = 4  # of one datum in that time: an offer, an acknowledgement, and each of them once more
SERVICE_TIME = 60.0  # s until every station must be served: its DHCP client may be in a long back-off
PROBLEMS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Result:
    """`trace_hash`: 32 hexadecimal digits, the same for the same seed and scenario on any machine."""

    seed: int
    scenario: Scenario
    violations: tuple[Violation, ...]
    trace_hash: str
    lines: int
    virtual_time: float
    counters: Mapping[str, int]

    @property
    def ok(self) -> bool:
        return not self.violations


def run(seed: int, scenario: Scenario, say: Callable[[str], None] | None = None) -> Result:
    """`say` gets every line of the trace. Does not raise: what the nodes raise is a violation too."""
    return simulate(seed, scenario, settle, say)


def simulate(
    seed: int, scenario: Scenario, settling: Callable[[World], None], say: Callable[[str], None] | None = None
) -> Result:
    """As `run`, with other questions at the end."""
    world = World(seed, scenario, say)
    try:
        world.power_on_all()
        trouble = Trouble(world)
        trouble.plan()
        world.time.run(scenario.duration)
        trouble.stop()
        settling(world)
    except (Endless, Spinning) as error:
        world.checks.violated("comes to rest", str(error))
    except Exception:
        world.checks.violated("raises nothing", traceback.format_exc())
    return result_of(world)


def result_of(world: World) -> Result:
    counters = Counter(world.counters)
    counters["updates"] = world.network.sent
    return Result(
        world.seed,
        world.scenario,
        tuple(world.checks.violations),
        world.trace.digest,
        world.trace.lines,
        world.time.now,
        counters,
    )


def settle(world: World) -> None:
    """Let the world come to rest from now on, and ask it everything that must hold then; see `world.checks`."""
    stopped_at = world.time.now
    join(world)
    world.time.run(world.time.now + quiet_time(world.scenario))
    ask(world, AGREEMENT)
    sent, before = world.network.sent, versions(world)
    world.time.run(world.time.now + SILENCE_TIME)
    _check_silence(world, world.network.sent - sent, before, versions(world))
    world.time.run(max(world.time.now, stopped_at + SERVICE_TIME))
    ask(world, SERVICE)
    if world.scenario.last_quiet:
        world.time.run(world.time.now + world.scenario.last_quiet)
        world.checks.disputed.clear()  # by now every station has asked again, and a lost address was refused
        ask(world, SERVICE)


def quiet_time(scenario: Scenario) -> float:
    """Longer after lies; and where a station had a double, nobody is told that it has gone, and both access points wait
    their turn to ask (core.backoff)."""
    if scenario.liars:
        return LIES_HEAL_TIME
    return QUIET_TIME + (RECLAIM_WAIT_MAX if scenario.clones else 0.0)


def join(world: World) -> None:
    """Until all are connected: soon."""
    stopped_at = world.time.now
    while not world.network.joined and world.time.now < stopped_at + JOIN_TIME:
        world.time.run(world.time.now + 0.5)
    if not world.network.joined:
        world.checks.violated("joins again", f"not all nodes are connected {JOIN_TIME:.0f} s after the trouble")


def ask(world: World, questions: Mapping[str, Callable[[World], list[str]]]) -> None:
    """All of them at a moment when no Update is on its way: a station may renew its lease at any time."""
    for _ in range(100):
        if not world.network.updates_in_flight:
            break
        world.time.run(world.time.now + 0.05)
    for rule, question in questions.items():
        problems = question(world)
        for problem in problems[:PROBLEMS_SHOWN]:
            world.checks.violated(rule, problem)
        if len(problems) > PROBLEMS_SHOWN:
            world.checks.violated(rule, f"and {len(problems) - PROBLEMS_SHOWN} more")


def versions(world: World) -> dict[bytes, int]:
    """The seqno of every key that the first node holds."""
    node = world.machines[0].node
    return {} if node is None else {datum.key: datum.seqno for datum in node.database}


def _check_silence(world: World, sent: int, before: Mapping[bytes, int], after: Mapping[bytes, int]) -> None:
    """Stations renew and ask, and claims are refreshed, so it is not zero. But no datum changes again and again, and a
    change costs each link two Updates at most in each direction.
    """
    steps = {key: (seqno - before.get(key, seqno - 1)) % MODULUS for key, seqno in after.items()}
    for key, number in steps.items():
        if number > CHANGES_MAX:
            world.checks.violated("comes to rest", f"{number} versions of {key.hex()} in {SILENCE_TIME:.0f} quiet s")
    bound = 2 * 2 * world.network.links * (sum(steps.values()) + 1)
    if sent > bound:
        world.checks.violated("comes to rest", f"{sent} Updates in {SILENCE_TIME:.0f} quiet seconds, bound {bound}")
