"""What tests of repairs share: a peer with another database, and what it is said about the difference."""

from __future__ import annotations

from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.wire.summary import Summary, Wanted
from tests.core.harness import Lab
from tests.core.strangers import ANOTHER, SOMEBODY, claim, connect, hello, says, sent_to

NOTHING = bytes(8)  # the digest of an empty database
SOMETHING_ELSE = b"different"[:8]


def greet(lab: Lab, peer: int = SOMEBODY, number: int = 9, **said: object) -> list[do.Effect]:
    """A peer that says Hello with what its database looks like."""
    lab.do(1, ev.PeerReady(peer, "192.0.2.254"))
    return lab.do(1, ev.PeerSaidHello(peer, hello(lab, number, **said)))  # type: ignore[arg-type]


def again(lab: Lab, times: int = 1, **said: object) -> list[do.Effect]:
    """It says Hello so many times more, unequal unless told otherwise."""
    said = {"digest": SOMETHING_ELSE, **said}
    return [e for _ in range(times) for e in lab.do(1, ev.PeerSaidHello(SOMEBODY, hello(lab, 9, **said)))]  # type: ignore[arg-type]


def summaries(effects: list[do.Effect], peer: int = SOMEBODY) -> list[Summary | Wanted]:
    return [s for e in effects if isinstance(e, do.SendSummaries) and e.peer == peer for s in e.summaries]


def asks(lab: Lab, effects: list[do.Effect]) -> bool:
    """Whether the effects are the beginning of a comparison, and nothing else."""
    return summaries(effects) == [Summary(0, 0, lab[1].node.database.digests.children(0, 0))] and not sent_to(
        effects, SOMEBODY
    )


def full(lab: Lab) -> int:
    """More than is small. Returns how many data that is."""
    connect(lab, ANOTHER)
    says(lab, ANOTHER, *(claim(0, 8, number) for number in range(1000)))
    return lab[1].node.database.alive
