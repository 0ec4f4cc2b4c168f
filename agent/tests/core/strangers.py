"""Peers that are not in the lab: what they say to its first node, and what they are sent."""

from __future__ import annotations

from sroamd.constants import HELLO_WAIT
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.wire.datum import association_key
from sroamd.wire.flood import Hello, Update
from tests.core.harness import Lab, id_of, mac

SOMEBODY = 51  # peer ids of nobody in the lab
ANOTHER = 52


def node() -> Lab:
    return Lab(1)


def hello(lab: Lab, number: int, *, digest: bytes | None = None, count: int = 0, repairs: bool = True) -> Hello:
    """As that node would say it, with the same database as ours unless told otherwise."""
    digest = lab[1].node.database.digest if digest is None else digest
    return Hello(id_of(number), 3, digest, count, f"ap{number}", repairs)


def connect(lab: Lab, peer: int = SOMEBODY, *, number: int | None = 9) -> list[do.Effect]:
    """A peer that is not in the lab, with an empty database; `number` None: the C daemon, which says no Hello.

    Returns what it is sent until it has everything that one write takes.
    """
    effects = lab.do(1, ev.PeerReady(peer, "192.0.2.254"))
    if number is not None:
        return effects + lab.do(1, ev.PeerSaidHello(peer, hello(lab, number, digest=bytes(8))))
    known = len(lab[1].effects)
    lab.wait(HELLO_WAIT)
    return effects + lab[1].effects[known:]


def claim(seqno: int, owner: int, number: int = 0) -> Update:
    return Update(seqno, 5000, association_key(mac(number)), bytes(id_of(owner)))


def sent_to(effects: list[do.Effect], peer: int) -> list[Update]:
    return [u for e in effects if isinstance(e, do.SendUpdates) and e.peer == peer for u in e.updates]


def keys(updates: list[Update]) -> set[bytes]:
    return {update.key for update in updates}


def says(lab: Lab, peer: int, *updates: Update) -> list[do.Effect]:
    return lab.do(1, ev.UpdatesReceived(peer, updates))
