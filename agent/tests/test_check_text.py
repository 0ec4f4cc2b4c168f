"""What an operator reads of a check, made by real nodes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sroamd import check_text
from sroamd.config import FloodConfig
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.check_json import progress_json
from sroamd.wire.datum import association_key, node_key
from sroamd.wire.flood import Update
from tests.core.checking import as_json, check, line_of_four, lose
from tests.core.harness import ALICE, BOB, Lab, id_of, lease_of, mac
from tests.core.strangers import SOMEBODY, connect, says


@pytest.fixture
def lab() -> Lab:
    return line_of_four()


def text(lab: Lab) -> str:
    return check_text.result(as_json(lab, check(lab)))


def unwrapped(shown: str) -> str:
    return " ".join(shown.split())


def test_all_in_step_is_said_in_two_lines(lab: Lab) -> None:
    records = lab[1].node.database.alive
    assert text(lab).splitlines() == [
        f"All in step: ap1 and 3 other nodes hold the same database ({records} records, 0 s).",
        "",
        "in step: ap2, ap3, ap4",
    ]


def test_differences_come_first_with_both_versions_in_words(lab: Lab) -> None:
    address = lab[1].address(ALICE, lab.now)
    assert address is not None
    lose(lab, 4, lease_of(address))
    lab[4].node.database.merge(Update(9, 500, association_key(BOB), b""), lab.now)
    shown = text(lab)
    assert shown.startswith("NOT IN STEP: ap1 has compared its database with 3 other nodes: 1 differs (")
    lines = [line.strip() for line in shown.splitlines()]
    assert f"lease {address}" in lines
    assert f"station {BOB}" in lines
    at = lines.index(f"lease {address}")
    assert lines[at + 1].startswith(f"here   of {ALICE}, seqno 1, 29m")
    assert lines[at + 2] == "there  nothing"
    at = lines.index(f"station {BOB}")
    assert lines[at + 1].startswith("here   at ap3, seqno 0, 1h29m")
    assert lines[at + 2].startswith("there  gone, seqno 9, 8m")
    assert "in step: ap2, ap3" in lines
    assert "if it stays, restart sroamd on the node that differs" in unwrapped(shown)


def test_who_does_not_answer_is_said_why_that_may_be(lab: Lab) -> None:
    lab.cut(3, 4)
    shown = text(lab)
    assert "1 does not answer" in shown.splitlines()[0]
    assert "ap4 does not answer.\n  It said who it is " in shown
    assert "It has gone down since, is cut off, or is only reached through a C daemon" in unwrapped(shown)
    assert "see sroamctl peers there and here" in shown


def test_who_has_long_not_said_who_it_is_is_probably_off() -> None:
    lab = Lab(1)
    connect(lab, number=None)
    says(lab, SOMEBODY, Update(0, 1200, node_key(id_of(9)), b"\x03ap9" + bytes(20)))
    assert "It last said who it is 1h10m ago" in unwrapped(text(lab))


def test_alone_is_no_failure_unless_peers_are_configured() -> None:
    lab = Lab(1)
    assert text(lab) == "ap1 knows no other node: nothing to compare with."
    lab[1].node.state.config = replace(lab[1].config, flood=FloodConfig(peers=(("10.255.0.2", 4444),)))
    found = as_json(lab, check(lab))
    assert found["in_step"] is False
    assert check_text.result(found).startswith("ap1 knows no other node, although peers are configured")


def test_many_differences_are_cut(lab: Lab) -> None:
    for number in range(200):
        lab.join(1, mac(number))
    lab.wait(5)
    for number in range(200):
        lose(lab, 4, association_key(mac(number)))
    shown = text(lab)
    assert shown.count("  station ") <= check_text.SHOWN_MAX
    assert "and more that is not shown" in shown


def test_hostile_records_cannot_steer_the_terminal(lab: Lab) -> None:
    hostile = (
        Update(1, 5000, b"\x80" + b"\x77" * 8, b"\x04\x1b[2J" + bytes(20)),
        Update(1, 5000, b"\xc8\x1b[2J", b"\x1b[2J"),
        Update(1, 5000, b"\x00" + bytes(4), bytes(6)),
    )
    for update in hostile:
        lab[4].node.database.merge(update, lab.now)
    shown = text(lab)
    assert all(line.isprintable() for line in shown.splitlines())
    assert "record of type 200 1b5b324a" in shown
    assert "there  declined, seqno 1" in shown


def test_progress_is_one_line(lab: Lab) -> None:
    lab.cut(3, 4)
    lab.do(1, ev.CheckRequested(1))
    lab.wait(1.5)
    told = lab[1].all(do.CheckProgressed)[-1].progress
    assert check_text.progress(progress_json(told)) == "look 1: 2 of 3 nodes have answered, 2 are in step"
