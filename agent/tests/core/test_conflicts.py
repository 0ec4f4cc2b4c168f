"""A MAC that answers at two nodes: both ask it, the quarrel stays small, operators see the evidence of both sides."""

from __future__ import annotations

import json
from ipaddress import IPv6Address
from typing import Any

import pytest

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.status import NotFound, report
from sroamd.wire.datum import EVIDENCE, Evidence, association_key, evidence_key
from sroamd.wire.flood import Update
from sroamd.wire.icmpv6 import RouterSolicitation
from tests.core.claims import owners, seqno_of
from tests.core.harness import ALICE, BOB, Lab, id_of, mac

HOUR = 3600.0
LINK_LOCAL = IPv6Address("fe80::107")


def cloned(count: int = 3, *, delay: float = 0.01) -> Lab:
    """Alice is at the first node and at the last, and answers at both."""
    lab = Lab(count)
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    lab.wait(10)
    lab.delay, lab.air = delay, 0.005
    for host in lab.hosts:
        host.forget()
    lab.join(count, ALICE)
    lab.really_at[ALICE] = 1
    lab.clones[ALICE] = {count}
    return lab


def told(lab: Lab, number: int, argument: str | None = None) -> list[dict[str, Any]]:
    """`sroamctl conflicts`, through JSON."""
    answer = json.loads(json.dumps(report(lab[number].node, "conflicts", argument, lab.now), allow_nan=False))
    assert isinstance(answer, list)
    return answer


def versions_of(lab: Lab, number: int, key: bytes) -> int:
    """How many versions of it this node has sent, to any peer."""
    sent = {u.seqno for e in lab[number].all(do.SendUpdates) for u in e.updates if u.key == key}
    return len(sent)


def test_both_nodes_ask_the_station() -> None:
    lab = cloned()
    lab.wait(1)
    for number in (1, 3):
        assert len(lab[number].all(do.SendArpRequest)) >= constants.RECLAIM_FREE
        assert lab[number].all(do.Disassociate) == []
        assert ALICE in lab[number].node.state.present


def test_quarrel_becomes_quiet() -> None:
    lab = cloned()
    before = seqno_of(lab, 2)
    lab.wait(HOUR)
    first = seqno_of(lab, 2)
    assert first - before <= 2 * (constants.RECLAIM_FREE + 6 + HOUR / constants.RECLAIM_WAIT_MAX)
    lab.wait(HOUR)
    assert seqno_of(lab, 2) - first <= 2 * HOUR / constants.RECLAIM_WAIT_MAX + 2


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.5])
def test_quarrel_never_floods_more_than_the_limit(delay: float) -> None:
    lab = cloned(delay=delay)
    before = seqno_of(lab, 2)
    for seconds in range(1, 31):
        lab.wait(1)
        assert seqno_of(lab, 2) - before <= constants.CLAIM_BURST + constants.CLAIM_RATE * seconds


def test_clone_that_arrives_again_and_again_at_both_nodes_never_floods_more_than_the_limit() -> None:
    """An arrival is always news, so only the limit helps. Ten a second at each node, for a minute."""
    lab = cloned()
    before = seqno_of(lab, 2)
    for number in range(600):
        lab.do(1 + 2 * (number % 2), ev.StationAuthorized("wlan0", ALICE))
        lab.wait(0.05)
        lab.do(3 - 2 * (number % 2), ev.StationAuthorized("wlan0", ALICE))
        lab.wait(0.05)
        lab[number % 3 + 1].forget()
    assert seqno_of(lab, 2) - before <= constants.CLAIM_BURST + constants.CLAIM_RATE * 61
    lab.leave(3, ALICE)
    lab.clones.clear()
    lab.wait(1)
    assert owners(lab) == [id_of(1)] * 3


def test_when_the_clone_leaves_and_says_so_the_other_is_routed_within_a_second() -> None:
    lab = cloned()
    lab.wait(600)
    while lab[1].owner(ALICE, lab.now) == id_of(1):  # else it would not be disturbed at all
        lab.wait(0.1)
    lab.clones.clear()
    lab.leave(3, ALICE)
    lab.wait(1)
    assert owners(lab) == [id_of(1)] * 3
    assert [bool(host.here()) for host in lab.hosts] == [True, False, False]


@pytest.mark.parametrize("after", [1.0, 7.5, 100.0, 600.0, 630.0])
def test_when_the_clone_vanishes_the_other_is_routed_within_a_minute_and_a_ping(after: float) -> None:
    lab = cloned()
    lab.wait(after)
    lab.clones.clear()
    lab.wait(constants.RECLAIM_WAIT_MAX + 1)
    assert owners(lab) == [id_of(1)] * 3
    lab.wait(constants.RECLAIM_WAIT_MAX + 1)
    assert owners(lab) == [id_of(1)] * 3
    assert [bool(host.here()) for host in lab.hosts] == [True, False, False]
    assert ALICE not in lab[3].node.state.present


def test_station_that_comes_back_after_a_quarrel_is_claimed_at_once() -> None:
    lab = cloned()
    lab.wait(HOUR)
    lab.clones.clear()
    lab.leave(1, ALICE)
    lab.leave(3, ALICE)
    lab.wait(10)
    lab.delay = 0.0
    lab.join(3, ALICE)
    assert owners(lab) == [id_of(3)] * 3


# -- what operators see


def test_ordinary_roams_are_no_conflicts() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    for number in (2, 1, 2, 1):
        lab.wait(10)
        lab.join(number, ALICE)
    lab.wait(10)
    assert told(lab, 1) == told(lab, 2) == []


def test_every_node_shows_the_evidence_of_both_sides() -> None:
    lab = cloned()
    lab.do(1, ev.RouterSolicited("wlan0", ALICE, LINK_LOCAL, RouterSolicitation(ALICE)))
    lab.wait(60)
    for number in (1, 2, 3):
        mine, other = told(lab, number)
        assert (mine["node"], mine["against"], other["node"], other["against"]) == ("ap1", "ap3", "ap3", "ap1")
        for row in (mine, other):
            assert row["station"] == str(ALICE)
            assert row["contested"] is True
            assert row["state"] == "answers"
            assert row["claims"] > constants.RECLAIM_FREE
            assert row["arp"]["asked"] >= row["arp"]["answered"] > 0
            assert row["poll"] == {"asked": 0, "answered": 0}
            assert 55 <= row["since"] <= 62
        assert mine["nd"]["asked"] > 0
        assert other["nd"]["asked"] == 0


def test_conflicts_of_one_station_can_be_asked_for() -> None:
    lab = cloned()
    lab.join(2, BOB)
    lab.wait(60)
    address = lab[1].address(ALICE, lab.now)
    assert told(lab, 2, str(ALICE)) == told(lab, 2, str(address)) == told(lab, 2)
    assert told(lab, 2, str(BOB)) == []
    with pytest.raises(NotFound):
        told(lab, 2, "02:00:00:00:0f:0f")


def test_evidence_is_flooded_seldom_and_only_beyond_the_free_claims() -> None:
    lab = cloned()
    lab.wait(0.2)
    assert lab[2].node.database.evidence == set()
    lab.wait(600)
    assert 2 < versions_of(lab, 1, evidence_key(ALICE, id_of(1))) <= 600 / constants.EVIDENCE_INTERVAL + 2


def test_evidence_is_taken_back_when_it_is_over_and_remembered_by_who_was_concerned() -> None:
    lab = cloned()
    lab.wait(600)
    lab.clones.clear()
    lab.wait(constants.RECLAIM_WAIT_MAX + constants.CONFLICT_OVER + 2 * constants.EVIDENCE_INTERVAL)
    assert told(lab, 2) == []
    (mine,) = told(lab, 1)
    assert (mine["contested"], mine["state"]) == (False, "answers")
    (other,) = told(lab, 3)
    assert (other["contested"], other["state"]) == (False, "does not answer")
    lab.wait(constants.CONFLICT_KEEP + 1)
    assert told(lab, 1) == told(lab, 3) == []
    assert all(host.node.associations.conflicts.stations == {} for host in lab.hosts)


def test_evidence_of_a_node_that_dies_runs_out() -> None:
    lab = cloned()
    lab.wait(60)
    lab.cut(2, 3)
    lab.wait(constants.EVIDENCE_LIFE)
    assert [row["node"] for row in told(lab, 2)] in (["ap1"], [])


def test_each_decision_is_one_line_in_the_log() -> None:
    lab = cloned()
    lab.wait(60)
    lines = [note.text for note in lab[1].all(do.Note) if "answers here" in note.text]
    assert len(lines) == told(lab, 1)[0]["claims"]
    assert lines[0] == f"station {ALICE} answers here (arp): claimed from ap3, time 1"
    assert any("a copied MAC? Not asked again for 1 s" in line for line in lines)


# -- limits


def test_conflicts_of_many_stations_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "CONFLICTS_MAX", 5)
    lab = Lab(2)
    for number in range(20):
        lab.join(1, mac(number))
        lab.do(1, ev.UpdatesReceived(2, (Update(1, 5400, association_key(mac(number)), bytes(id_of(2))),)))
    conflicts = lab[1].node.associations.conflicts.stations
    assert list(conflicts) == [mac(number) for number in range(15, 20)]


def test_rivals_beyond_the_limit_are_forgotten_one_by_one() -> None:
    lab = cloned(2, delay=0.0)
    lab.wait(10)
    for number in range(100):
        seqno = seqno_of(lab, 1) + 1
        lab.do(1, ev.UpdatesReceived(2, (Update(seqno, 5400, association_key(ALICE), bytes(id_of(100 + number))),)))
    assert len(lab[1].node.associations.conflicts.stations[ALICE].rivals) == constants.CONFLICT_RIVALS_MAX


def test_evidence_beyond_the_limit_is_refused_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "EVIDENCE_MAX", 5)
    lab = Lab(2)
    evidence = Evidence(id_of(7), 1, 2, 3, (4, 5, 6), (7, 8, 9)).encode()
    lab.do(1, ev.UpdatesReceived(2, tuple(Update(1, 99, evidence_key(mac(n), id_of(8)), evidence) for n in range(20))))
    assert len(lab[1].node.database.evidence) == 5
    assert lab[1].node.counters["flood.evidence-full"] == 15
    lab.wait(constants.EVIDENCE_LIFE + constants.ASSOCIATION_HOLD + 1)
    assert lab[1].node.database.evidence == set()


def test_malformed_evidence_is_refused_and_that_of_a_later_version_not_shown() -> None:
    lab = Lab(2)
    updates = [Update(1, 99, evidence_key(ALICE, id_of(8)), value) for value in (b"\0", b"\x01", b"\x01" * 30)]
    lab.do(1, ev.UpdatesReceived(2, (*updates, Update(1, 99, evidence_key(BOB, id_of(8)), b"\x02new"))))
    assert {datum.key for datum in lab[1].node.database if datum.key[0] == EVIDENCE} == {evidence_key(BOB, id_of(8))}
    assert lab[1].node.counters["flood.malformed-datum"] == 3
    assert told(lab, 1) == []


def test_life_of_evidence_is_capped() -> None:
    lab = Lab(2)
    evidence = Evidence(id_of(7), 10, 2, 3, (4, 5, 6), (7, 8, 9)).encode()
    lab.do(1, ev.UpdatesReceived(2, (Update(1, 2**31, evidence_key(mac(1), id_of(8)), evidence),)))
    (row,) = told(lab, 1)
    assert (row["since"], row["heard"], row["nd"]) == (10, 0.0, {"asked": 5, "answered": 8})
    lab.wait(constants.EVIDENCE_LIFE)
    assert told(lab, 1) == []
