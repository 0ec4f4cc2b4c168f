"""The table of playbooks/status.yml, and what it calls a problem."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any


def node(digest: str = "63c942e2", problems: tuple[str, ...] = (), direct: int | None = 60) -> dict[str, Any]:
    said = {
        "node": {"name": "ap1", "id": "02:00:00:ff:fe:00:00:01", "version": "0.1.0"},
        "healthy": not problems,
        "problems": list(problems),
        "stations": 12,
        "peers": 2,
        "peers_configured": 1,
        "records": 40,
        "digest": digest,
        "routes": 24,
        **({} if direct is None else {"direct_routes": direct}),
    }
    return {"__sroamd_status": {"stdout": json.dumps(said), "stderr": "", "rc": 0}}


SILENT = {"__sroamd_status": {"stdout": "", "stderr": "sroamctl: cannot reach the agent\n", "rc": 3}}
UNREACHABLE = {"__sroamd_status": {"unreachable": True, "msg": "no route to host"}}


def test_a_fleet_that_is_well(status: ModuleType) -> None:
    fleet = {"ap1": node(), "flood1": node(direct=None)}  # the second is of a release that had no direct routes
    assert status.table(fleet, ["ap1", "flood1"]) == [
        "HOST    HEALTH  VERSION  STATIONS  DIRECT  PEERS          RECORDS  DIGEST",
        "ap1     ok      0.1.0    12        60      2 (1 dialled)  40       63c942e2",
        "flood1  ok      0.1.0    12        -       2 (1 dialled)  40       63c942e2",
    ]
    assert status.problems(fleet, ["ap1", "flood1"]) == []


def test_every_kind_of_trouble_is_named(status: ModuleType) -> None:
    fleet = {"ap1": node(), "ap2": node(), "ap3": node("ffff0000"), "ap4": SILENT, "ap5": UNREACHABLE, "ap6": {}}
    fleet["ap2"] = node(problems=("wlan0: hostapd does not answer",))
    assert status.problems(fleet, list(fleet)) == [
        "ap2: wlan0: hostapd does not answer",
        "ap4: sroamctl: cannot reach the agent",
        "ap5: host unreachable",
        "ap6: host unreachable",
        "ap3: another database than ap1, ap2; ask again, a change may have been on its way",
    ]
    assert [line.split()[:2] for line in status.table(fleet, list(fleet))[4:6]] == [
        ["ap4", "sroamctl:"],
        ["ap5", "host"],
    ]
