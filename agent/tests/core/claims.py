"""Claims of a station: what a peer says of them, and what the lab's nodes hold."""

from __future__ import annotations

from sroamd.addresses import Mac
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.wire.datum import association_key
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, Lab, id_of


def claim(seqno: int, node: int | None, station: Mac = ALICE, life: int = 5400) -> Update:
    """As a peer says it; `node` None: it is gone."""
    return Update(seqno, life, association_key(station), b"" if node is None else bytes(id_of(node)))


def hears(lab: Lab, number: int, *updates: Update) -> list[do.Effect]:
    """From the next node in the line."""
    return lab.do(number, ev.UpdatesReceived(number + 1, updates))


def seqno_of(lab: Lab, number: int, station: Mac = ALICE) -> int:
    datum = lab[number].node.database.get(association_key(station))
    assert datum is not None
    return datum.seqno


def owners(lab: Lab, station: Mac = ALICE) -> list[bytes | None]:
    return [host.owner(station, lab.now) for host in lab.hosts]
