"""`sroamctl check` on the real fleet: all in step, a planted difference by its name, a node that does not answer.

And the routes of a node: why each is there, what is wrong with them, that it is mended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sroamd.constants import REINSTALL_FREE
from tests.e2e.fleet import APS, SETTLED_WITHIN, Fleet, eventually, prefixes_of, tell

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


# -- this node's routes


STRAY, NEXTHOP = "192.0.2.250", "5"


def repair(fleet: Fleet, ap: str) -> tuple[int, str]:
    done = fleet.lab.run(ap, ["sroamctl", "check", "--repair"], check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def routes(fleet: Fleet, ap: str, *words: str) -> list[Any]:
    found: list[Any] = json.loads(fleet.run(ap, "sroamctl", "--json", "routes", *words))
    return found


def test_each_route_says_why_it_is_there(fleet: Fleet) -> None:
    station = fleet.joined(50, "ap1")
    fleet.joined(51, "ap2")
    wanted = prefixes_of(station)
    for ap, kind, why in (("ap1", "here", "authorised on wlan0"), ("ap3", "direct", "at ap1")):
        found = eventually(lambda ap=ap, kind=kind: assert_listed(fleet, ap, kind, station.mac, wanted), SETTLED_WITHIN)
        assert {row["why"] for row in found} == {why}
        assert {row["node"] for row in found} == {"ap1"}
    assert all(row["gateway"] for row in found)
    station = fleet.joined(50, "ap2")
    demoted = assert_listed(fleet, "ap1", "demoted", station.mac, wanted)
    assert all(row["why"].startswith("left for ap2, ") and row["since"] < SETTLED_WITHIN for row in demoted)
    text = fleet.run("ap1", "sroamctl", "routes", "--kind", "demoted", station.mac)
    assert text.splitlines()[0].split() == ["PREFIX", "KIND", "STATION", "NODE", "VIA", "WHY", "SINCE"]


def assert_listed(fleet: Fleet, ap: str, kind: str, mac: str, wanted: set[str]) -> list[Any]:
    found = routes(fleet, ap, "--kind", kind, mac)
    assert {row["prefix"].removesuffix("/32") for row in found} == wanted, found
    return found


def test_routes_that_are_not_right_are_named_and_mended(fleet: Fleet) -> None:
    """One that is gone for good, one that follows from nothing, and the nexthop object that it takes."""
    here, there = fleet.all_joined([(50, "ap1"), (51, "ap2")])
    eventually(lambda: assert_listed(fleet, "ap1", "direct", there.mac, prefixes_of(there)), SETTLED_WITHIN)
    status, text = check(fleet, "ap1")
    assert (status, "Routes of ap1 are right: " in text) == (0, True), text
    ipv4 = here.ipv4()
    assert ipv4
    gone = str(ipv4.ip)
    backbone = routes(fleet, "ap1", "--kind", "direct", there.mac)[0]["interface"]
    fleet.run("ap1", "ip", "nexthop", "add", "id", NEXTHOP, "via", "fe80::9", "dev", backbone, "proto", "47")
    fleet.run("ap1", "ip", "route", "add", f"{STRAY}/32", "nhid", NEXTHOP, "proto", "47", "metric", "64", "table", "47")
    remove_again_and_again(fleet, gone)
    installed = fleet.counter("ap1", "route.installed")
    status, document = check(fleet, "ap1", "--json")
    answer = json.loads(document)
    assert (status, answer["in_step"], answer["well"]) == (1, True, False), document
    wanted = {("missing", f"{gone}/32"), ("stray", f"{STRAY}/32"), ("stray", f"{NEXTHOP} of IPv6")}
    assert {(fault["fault"], fault["subject"]) for fault in answer["routes"]["faults"]} == wanted
    status, text = repair(fleet, "ap1")
    assert status == 0, text
    assert "MENDED in the kernel of ap1:" in text
    assert gone in fleet.here("ap1")
    assert STRAY not in {route.prefix for route in fleet.routes("ap1")}
    assert NEXTHOP not in {str(one["id"]) for one in fleet.ip("ap1", "nexthop", "show")}
    assert fleet.counter("ap1", "route.installed") == installed + 1, "it touches nothing that is right"
    status, text = check(fleet, "ap1")
    assert status == 0, text
    tell(f"check: {len(wanted)} faults of routes found in {answer['routes']['seconds']} s")


def remove_again_and_again(fleet: Fleet, prefix: str) -> None:
    """Until the agent leaves it out for so long that a check sees it missing."""
    for _ in range(REINSTALL_FREE + 4):
        eventually(lambda: assert_here(fleet, prefix), SETTLED_WITHIN)
        fleet.run("ap1", "ip", "route", "del", f"{prefix}/32", "proto", "44", "metric", "64")


def assert_here(fleet: Fleet, prefix: str) -> None:
    assert prefix in fleet.here("ap1")
