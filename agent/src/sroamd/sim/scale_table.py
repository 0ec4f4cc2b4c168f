"""What a run of `scale` has measured, for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sroamd.sim.scale import LINK_DELAY, Result

COLUMNS = ("topology", "nodes", "links", "hops", "roams", "p50", "p99", "max", "updates a roam", "a roam and link")
COSTS = ("summaries", "CPU of the busiest node", "CPU, mean")


def show(results: Sequence[Result], say: Callable[[str], None]) -> None:
    """The table, in Markdown."""
    columns = (*COLUMNS, *COSTS)
    say("| " + " | ".join(columns) + " |")
    say("|---" * len(columns) + "|")
    for result in results:
        plan = result.plan
        times = [f"{1000 * result.percentile(share):.0f} ms" for share in (0.5, 0.99, 1.0)]
        each = result.updates / result.roams
        row = [plan.topology, plan.nodes, result.links, result.hops, result.roams, *times, f"{each:.0f}"]
        row += [f"{each / result.links:.2f}", result.summaries, f"{result.load_most:.1%}", f"{result.load_mean:.1%}"]
        say("| " + " | ".join(map(str, row)) + " |")
    for result in results:
        plan, alone, shared = result.plan, result.octets_alone / 1e6, result.octets_a_node / 1e6
        say("")
        say(
            f"{plan.topology}: {plan.stations} stations, {plan.rate:.0f} roams/s for {plan.seconds:.0f} s, link delay "
            f"{LINK_DELAY * 1000:.0f} ms in the mean; a node alone takes {alone:.0f} MB, here (values are shared) "
            f"{shared:.0f} MB; measured in {result.real_time:.0f} s"
        )
        if not result.well:
            say(f"NOT WELL: {result.unfinished} roams unfinished, databases equal: {result.databases_equal}")
