"""make diff-dhcp: the same sequences of client messages to Kea, to dnsmasq and to the agent, and what they answer.

Each difference between what Kea and dnsmasq agree on and what we say has a reason in `reasons`, or the run fails; it
also fails if a reason has lost its difference. Needs root.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.differential.compare import Answers, Difference, Findings, compare, judge
from tests.differential.play import Air, play
from tests.differential.reasons import REASONS
from tests.differential.sequences import Sequence, sequences
from tests.differential.servers import Judge, servers
from tests.e2e.capture import Capture, read

TOGETHER = 300  # sequences that are played side by side; an access point knows 2,000 stations at most


def gather(everything: Iterable[Sequence]) -> Findings:
    """Play them to all three, each batch to servers of its own."""
    findings = Findings()
    sequences = list(everything)
    for at in range(0, len(sequences), TOGETHER):
        asyncio.run(_play(sequences[at : at + TOGETHER], findings))
    return findings


async def _play(batch: list[Sequence], findings: Findings) -> None:
    with servers() as made:
        airs = [Air(server) for server in made]
        try:
            await asyncio.gather(*(air.open(batch) for air in airs))
            answers = await asyncio.gather(*(_played(air, batch) for air in airs))
            findings.faults += _faults(airs)
        except BaseException:
            print(*(f"-- {air.server.name}\n{air.server.log()[-4000:]}" for air in airs), sep="\n")
            raise
        finally:
            for air in airs:
                air.close()
    for sequence, kea, dnsmasq, ours in zip(batch, *answers, strict=True):
        findings.differences += compare(sequence, kea, dnsmasq, ours, findings)


def _faults(airs: list[Air]) -> list[str]:
    """What tshark finds wrong in our messages. Whichever judge is first has a room for it."""
    (ours,) = [air for air in airs if air.server.name == "ours"]
    inside = next(air.server.room for air in airs if isinstance(air.server, Judge))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ours.pcap"
        capture = Capture(path)
        for frame in ours.frames:
            capture.add(frame)
        capture.close()
        return [str(each) for each in read(inside, path, ours.server.mac.hex(":")) if not each.is_sound]


async def _played(air: Air, batch: list[Sequence]) -> list[Answers]:
    return await asyncio.gather(*(play(air, sequence) for sequence in batch))


def _of_each_sort(differences: list[Difference]) -> Iterator[tuple[Difference, int]]:
    """The first of those that are alike, and how many they are."""
    sorts: dict[object, list[Difference]] = {}
    for each in differences:
        sorts.setdefault((each.aspect, each.theirs, each.ours, each.step.kind), []).append(each)
    for alike in sorts.values():
        yield alike[0], len(alike)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    started = time.monotonic()
    findings = gather(sequences(arguments.seed, arguments.sequences))
    unexplained, unused = judge(findings.differences, REASONS)
    for difference, times in _of_each_sort(unexplained):
        print(f"{times} like: {difference}")
    for reason in unused:
        print(f"no difference any more: {reason.difference}")
    print(
        f"{arguments.sequences} sequences, {findings.compared} messages compared, "
        f"{findings.disagreements} that Kea and dnsmasq answer differently; "
        f"{len(findings.differences)} differences, {len(unexplained)} of them without a reason; "
        f"{time.monotonic() - started:.0f} s"
    )
    print(*findings.faults, sep="\n")
    return bool(unexplained or unused or findings.faults)


if __name__ == "__main__":
    sys.exit(main())
