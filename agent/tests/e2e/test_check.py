"""`sroamctl check` on the real fleet: all in step, a planted difference by its name, a node that does not answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e.fleet import APS, SETTLED_WITHIN, Fleet, eventually, tell

FULL = "ap3"
RELEASE = "/opt/sroamd/current/bin"
DROP_IN = "/etc/systemd/system/sroamd.service.d"
# The same agent with a table that is full from the start: what others say that is new to it is refused.
FULL_AGENT = f"""\
[Service]
ExecStart=
ExecStart={RELEASE}/python3 -c \
"from sroamd import constants; constants.DATABASE_MAX = 1; from sroamd.daemon import main; raise SystemExit(main())" \
-c /etc/sroamd/sroamd.toml -d 2
"""


def check(fleet: Fleet, ap: str, *words: str) -> tuple[int, str]:
    """Exit status and output."""
    done = fleet.lab.run(ap, ["sroamctl", *words, "check"], check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def nodes(fleet: Fleet, ap: str) -> dict[str, Any]:
    """Of the answer, by name, once it says that not all are in step."""
    status, document = check(fleet, ap, "--json")
    answer = json.loads(document)
    assert (status, answer["in_step"]) == (1, False), document
    return {node["node"]: node for node in answer["nodes"]}


def test_everybody_finds_everybody_in_step(fleet: Fleet) -> None:
    fleet.joined(50, "ap1")
    for ap in APS:
        status, text = check(fleet, ap)
        assert status == 0, text
        assert text.startswith(f"All in step: {ap} and 2 other nodes hold the same database"), text
        status, document = check(fleet, ap, "--json")
        answer = json.loads(document)
        assert status == 0
        assert {(node["node"], node["state"]) for node in answer["nodes"]} == {
            (other, "in step") for other in APS if other != ap
        }
        assert answer["digest"] == fleet.ask(ap, "status")["digest"]
    tell(f"check: all in step after {answer['seconds']} s and {answer['looks']} look")


def test_a_planted_difference_is_named(fleet: Fleet) -> None:
    """One agent has no room for what the others say: that can be repaired by nobody, and must be found."""
    station = fleet.joined(50, "ap1")
    with full(fleet):
        eventually(lambda: assert_named(fleet, station.mac), SETTLED_WITHIN)
        status, text = check(fleet, "ap1")
        assert status == 1
        assert "NOT IN STEP: ap1 has compared its database with 2 other nodes: 1 differs (" in text
        assert f"  station {station.mac}\n    here   at ap1, seqno " in text
        assert "in step: ap2" in text


def assert_named(fleet: Fleet, mac: str) -> None:
    found = nodes(fleet, "ap1")
    assert found["ap2"]["state"] == "in step"
    assert found[FULL]["state"] == "differs"
    (difference,) = [each for each in found[FULL]["differences"] if each["key"] == mac]
    assert (difference["kind"], difference["here"]["value"], difference["there"]) == ("association", "ap1", None)


@contextmanager
def full(fleet: Fleet) -> Iterator[None]:
    fleet.run(FULL, "mkdir", "-p", DROP_IN)
    fleet.run(FULL, "tee", f"{DROP_IN}/full.conf", stdin=FULL_AGENT)
    restart(fleet)
    try:
        yield
    finally:
        fleet.run(FULL, "rm", "-r", DROP_IN)
        restart(fleet)


def restart(fleet: Fleet) -> None:
    fleet.run(FULL, "systemctl", "daemon-reload")
    fleet.run(FULL, "systemctl", "restart", "sroamd")


def test_a_node_that_is_down_does_not_answer(fleet: Fleet) -> None:
    fleet.run("ap2", "systemctl", "stop", "sroamd")
    try:
        found = nodes(fleet, "ap1")
        assert (found["ap2"]["state"], found["ap2"]["known"]) == ("no answer", True)
        assert found["ap3"]["state"] == "in step"
        status, text = check(fleet, "ap3")
        assert status == 1
        assert "ap2 does not answer.\n  It said who it is " in text
    finally:
        fleet.run("ap2", "systemctl", "start", "sroamd")
    eventually(lambda: assert_in_step(fleet), SETTLED_WITHIN)


def assert_in_step(fleet: Fleet) -> None:
    status, text = check(fleet, "ap1")
    assert status == 0, text
