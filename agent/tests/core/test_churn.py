"""A datum that changes faster than any node that keeps to the rules could change it is not believed for a while."""

from __future__ import annotations

from sroamd import constants
from sroamd.core.churn import Churn
from sroamd.core.database import Database, Refused, Replaced
from sroamd.core.effects import SendUpdates
from sroamd.core.events import UpdatesReceived
from sroamd.core.memory import SPARE
from sroamd.wire.datum import association_key
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, BOB, Lab, id_of

KEY = association_key(ALICE)
CIRCLE = (0, 21846, 43691)  # each is newer than the one before


def version(number: int) -> Update:
    return Update(CIRCLE[number % 3], 5400, KEY, bytes(id_of(number % 3 + 11)))


def test_versions_that_chase_one_another_are_heard_for_a_burst_only_and_later_again() -> None:
    database = Database()
    outcomes = [database.merge(version(number), 0.0) for number in range(1000)]
    assert sum(isinstance(outcome, Replaced) for outcome in outcomes) == constants.CHURN_BURST
    assert any(isinstance(outcome, Refused) for outcome in outcomes[-3:])
    assert database.counters["flood.changes-too-fast"] > 0
    held = database.get(KEY)
    assert held is not None
    following = CIRCLE.index(held.seqno) + 1
    assert isinstance(database.merge(version(following), constants.CHURN_REST), Replaced)


def test_other_data_are_not_affected() -> None:
    database = Database()
    for number in range(100):
        database.merge(version(number), 0.0)
    other = association_key(BOB)
    database.merge(Update(1, 60, other, b""), 0.0)
    assert isinstance(database.merge(Update(2, 60, other, b""), 0.0), Replaced)


def test_who_has_rested_takes_no_room() -> None:
    churn = Churn()
    for number in range(2 * SPARE):
        assert churn.take(number.to_bytes(4, "big"), 1, float(number))
    assert len(churn) <= SPARE


def test_versions_that_chase_one_another_in_a_ring_come_to_rest() -> None:
    """Three nodes, each with another version: without a limit they exchange them for ever, 300 a second."""
    lab = Lab(3, links=())
    lab.delay = 0.01
    for number in range(3):
        lab[number + 1].node.database.merge(version(number), lab.now)
    for a, b in ((1, 2), (2, 3), (3, 1)):
        lab.connect(a, b)
    lab.wait(10.0)
    for host in lab.hosts:
        host.forget()
    lab.wait(30.0)
    said = [update for host in lab.hosts for sent in host.all(SendUpdates) for update in sent.updates]
    assert [update for update in said if update.key == KEY] == []
    assert lab[1].node.database.counters["flood.changes-too-fast"] > 0


def test_node_that_was_held_up_asks_for_the_last_word() -> None:
    """It meets at once what a station that bounces has led to meanwhile: more than it may hear, the last is lost."""
    lab = Lab(2)
    lab.join(1, ALICE)
    claims = tuple(Update(number, 5400, KEY, bytes(id_of(number % 2 + 11))) for number in range(2, 60))
    lab[1].node.database.merge(claims[-1], lab.now)
    lab.do(2, UpdatesReceived(1, claims))
    assert lab[2].node.database.counters["flood.changes-too-fast"] > 0
    lab.wait(constants.CHURN_REST + 0.1)
    held = lab[2].node.database.get(KEY)
    assert held is not None
    assert held.seqno == 59
