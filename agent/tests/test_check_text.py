"""What an operator reads of a check, made by real nodes."""

from __future__ import annotations

from collections.abc import Sequence
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
    return check_text.fleet(as_json(lab, check(lab)))


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
    assert check_text.fleet(found).startswith("ap1 knows no other node, although peers are configured")


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


# -- this node's routes

ROUTES = {"right": True, "installed": 7, "kernel": 7, "nexthops": 4, "looks": 1, "seconds": 0.2, "more": False}
MISSING = {
    "fault": "missing", "what": "route", "subject": "192.0.2.7/32",
    "wanted": "here, dev wlan0", "installed": "here, dev wlan0", "kernel": None,
}  # fmt: skip
STRAY = {
    "fault": "stray", "what": "nexthop", "subject": "1191182337 of IPv4",
    "wanted": None, "installed": None, "kernel": "via 10.255.0.9 dev bb0\x1b[2J",
}  # fmt: skip
UNDERIVED = {**MISSING, "fault": "underived", "installed": "demoted, via 10.255.0.9 dev bb0"}


def of_routes(faults: Sequence[object] = (), mended: Sequence[object] = (), **more: object) -> str:
    return check_text.routes({"name": "ap1"}, {**ROUTES, "faults": faults, "mended": mended, **more})


def test_routes_that_are_right_are_said_in_one_line() -> None:
    assert of_routes() == "Routes of ap1 are right: the 7 that it should have are in its kernel (0.2 s)."


def test_routes_that_are_not_right_come_with_what_should_be_and_what_is() -> None:
    assert of_routes([MISSING, STRAY, UNDERIVED]).splitlines() == [
        "NOT RIGHT: the kernel of ap1 has other routes than it should (0.2 s).",
        "  missing   192.0.2.7/32",
        "    wanted    here, dev wlan0",
        "    kernel    nothing",
        "  stray     nexthop 1191182337 of IPv4",
        "    wanted    nothing",
        r"    kernel    via 10.255.0.9 dev bb0\x1b[2J",
        "  underived 192.0.2.7/32",
        "    installed demoted, via 10.255.0.9 dev bb0",
        "    wanted    here, dev wlan0",
        "    kernel    nothing",
        "",
        "sroamctl check --repair mends that, and touches nothing else.",
    ]


def test_what_was_mended_is_said_before_what_was_not() -> None:
    shown = of_routes([STRAY], [MISSING]).splitlines()
    assert shown[:2] == ["MENDED in the kernel of ap1:", "  missing   192.0.2.7/32"]
    assert "NOT RIGHT: the kernel of ap1 has other routes than it should (0.2 s)." in shown
    assert shown[-1].startswith("What could not be mended is refused by the kernel, or put back by somebody")
    assert of_routes([], [MISSING]).splitlines()[-1].startswith("Routes of ap1 are right")


def test_many_faults_are_cut() -> None:
    shown = of_routes([MISSING] * 30)
    assert shown.count("missing") == check_text.SHOWN_MAX
    assert "and 10 more that are not shown" in shown
    cut = of_routes([], [MISSING], more=True)
    assert "run it again" in cut
    assert "are right" not in cut


def test_progress_tells_what_is_looked_at() -> None:
    assert check_text.progress({"look": 2, "routes": 23000}) == "look 2 at the routes: 23000 compared"


def test_the_whole_answer_tells_of_the_fleet_and_of_the_routes(lab: Lab) -> None:
    shown = check_text.result({**as_json(lab, check(lab)), "routes": {**ROUTES, "faults": [], "mended": []}})
    assert shown.startswith("All in step: ap1")
    assert shown.endswith("(0.2 s).")
