"""The check at the end of a run: what it says about a host that is not as it should be."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

EXPECTED = {
    "services": ["babeld", "sroamd"],
    "stations": ["wlan0"],
    "gateways": ["192.0.2.1/32", "fe80::1/64"],
    "routers": ["10.255.0.2", "fd00:255::2"],
    "direct": "on",
    "uplinks": ["eth0"],
}
BY_OBJECT = {"id": 1191182336, "gateway": "10.255.0.2", "dev": "bb0", "protocol": "47", "flags": ["onlink"]}
SHOW_OBJECTS = "ip -json nexthop show protocol 47"
SHOW_ROUTES = "ip -4 route show table all proto 47"
SHOW_SERVICES = "systemctl show --property=MainPID,ActiveState babeld sroamd"
RUNNING = "MainPID=7\nActiveState=active\n\nMainPID=8\nActiveState=active\n"
STATUS = "/usr/local/bin/sroamctl --json status"


def address(local: str, length: int, **more: Any) -> dict[str, Any]:
    return {"local": local, "prefixlen": length, **more}


@pytest.fixture
def host(check_node: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What the host's programs answer; a test changes it."""
    answers: dict[str, Any] = {
        SHOW_SERVICES: RUNNING,
        "ip -json address show dev wlan0": [{"addr_info": [address("192.0.2.1", 32), address("fe80::1", 64)]}],
        "ip -json -4 route show proto babel": [{"dst": "10.255.0.2"}, {"dst": "198.51.100.0/24"}],
        "ip -json -6 route show proto babel": [{"dst": "fd00:255::2"}],
        SHOW_OBJECTS: [BY_OBJECT],
        SHOW_ROUTES: "192.0.2.7 nhid 1191182336 via 10.255.0.2 dev bb0 table sroamd metric 64 onlink \n",
        "ip -Numeric -4 rule show": "0:\tfrom all lookup 255\n32765:\tfrom all lookup 47 proto 47\n",
        "ip -6 route show table all proto 47": "",
        STATUS: {"direct_routes": 2},
        "ip -json -4 route show default dev eth0": [],
        "ip -json -6 route show default dev eth0": [{"dst": "default", "gateway": "fe80::9"}],
    }

    def run(*command: str) -> str:
        answer = answers[" ".join(command)]
        return answer if isinstance(answer, str) else json.dumps(answer)

    monkeypatch.setattr(check_node, "run", run)
    monkeypatch.setattr(check_node, "SETTLED", 0.0)
    monkeypatch.setattr(check_node, "forwarding", lambda: iter(()))
    monkeypatch.setattr(check_node, "HOSTAPD_SOCKETS", tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as served:
        served.bind(str(tmp_path / "wlan0"))
        yield answers


def test_a_host_as_it_should_be(check_node: ModuleType, host: dict[str, Any]) -> None:
    assert list(check_node.differences(EXPECTED)) == []


def test_a_dead_service_is_named(check_node: ModuleType, host: dict[str, Any]) -> None:
    host[SHOW_SERVICES] = RUNNING.replace("8\nActiveState=active", "0\nActiveState=failed")
    assert list(check_node.differences(EXPECTED)) == ["sroamd is failed; see journalctl --unit sroamd"]


def test_a_service_that_keeps_dying_is_named_though_it_runs(
    check_node: ModuleType, host: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def another_babeld(_seconds: float) -> None:
        host[SHOW_SERVICES] = RUNNING.replace("MainPID=7", "MainPID=9")

    monkeypatch.setattr(check_node.time, "sleep", another_babeld)
    assert list(check_node.differences(EXPECTED)) == [
        "babeld has just been started anew, perhaps since it keeps dying; see journalctl --unit babeld"
    ]


def test_addresses_are_the_shared_ones_and_no_others(check_node: ModuleType, host: dict[str, Any]) -> None:
    host["ip -json address show dev wlan0"] = [
        {"addr_info": [address("fe80::1", 64, tentative=True), address("fe80::7", 64)]}
    ]
    assert list(check_node.differences(EXPECTED)) == [
        "wlan0 lacks the shared address 192.0.2.1/32; see networkctl status wlan0",
        "wlan0 has the address fe80::7/64 beside the shared ones; `ip address del fe80::7/64 dev wlan0`",
        "wlan0: the kernel looks for duplicates of fe80::1/64",
    ]


def test_a_router_that_babel_does_not_reach_is_named(check_node: ModuleType, host: dict[str, Any]) -> None:
    host["ip -json -6 route show proto babel"] = []
    assert list(check_node.differences(EXPECTED)) == [
        "Babel has no route to fd00:255::2; do the backbone interfaces of the two hosts see each other?"
    ]


def test_an_interface_that_hostapd_does_not_serve_is_named(
    check_node: ModuleType, host: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "wlan0").unlink()
    assert list(check_node.differences(EXPECTED)) == ["hostapd does not serve wlan0"]


def test_direct_routes_that_the_kernel_does_not_have_are_missed(check_node: ModuleType, host: dict[str, Any]) -> None:
    host[STATUS] = {"direct_routes": 400}
    host[SHOW_ROUTES] *= 350
    assert list(check_node.differences(EXPECTED)) == [
        "the agent knows of 400 direct routes, and the kernel has 350; see sroamctl check"
    ]
    host[SHOW_ROUTES] = host[SHOW_ROUTES] + "192.0.2.8 nhid 1191182336 via 10.255.0.2 dev bb0 metric 64 onlink \n" * 15
    assert list(check_node.differences(EXPECTED)) == []  # stations come and go meanwhile


def test_an_agent_of_an_earlier_release_tells_of_no_direct_routes(check_node: ModuleType, host: dict[str, Any]) -> None:
    host[STATUS], host[SHOW_ROUTES] = {"routes": 2}, ""
    assert list(check_node.differences(EXPECTED)) == []


def test_a_nexthop_object_without_a_carrier_is_named(check_node: ModuleType, host: dict[str, Any]) -> None:
    host[SHOW_OBJECTS] = [{**BY_OBJECT, "flags": ["onlink", "linkdown"]}]
    assert list(check_node.differences(EXPECTED)) == [
        "direct routes by way of 10.255.0.2 lead to bb0, which has no carrier"
    ]


def test_table_that_nobody_looks_up_is_named(check_node: ModuleType, host: dict[str, Any]) -> None:
    host["ip -Numeric -4 rule show"] = "0:\tfrom all lookup 255\n"
    assert list(check_node.differences(EXPECTED)) == [
        "no rule looks up table 47 of IPv4: somebody removes it; see journalctl -u sroamd"
    ]
    host[SHOW_ROUTES] = host[SHOW_ROUTES].replace("table sroamd ", "")  # in main: an earlier release
    assert list(check_node.differences(EXPECTED)) == []


def test_direct_routes_that_are_switched_off_are_gone(check_node: ModuleType, host: dict[str, Any]) -> None:
    off = {**EXPECTED, "direct": "off"}
    assert list(check_node.differences(off)) == [
        "direct routes are off, and there are 1, by 1 nexthop objects; restart sroamd"
    ]
    host[SHOW_OBJECTS], host[SHOW_ROUTES] = [], ""
    assert list(check_node.differences(off)) == []


def test_a_gateway_without_a_default_route_is_named(check_node: ModuleType, host: dict[str, Any]) -> None:
    host["ip -json -6 route show default dev eth0"] = []
    assert list(check_node.differences(EXPECTED)) == [
        "no default route leads to the uplink (eth0), so none is announced to the others"
    ]
    assert list(check_node.differences({**EXPECTED, "uplinks": []})) == []


def test_where_only_direct_routes_lead_to_stations_there_is_a_way_to_every_router(
    check_node: ModuleType, host: dict[str, Any]
) -> None:
    only = {"routers": EXPECTED["routers"], "direct": "only"}
    assert list(check_node.differences(only)) == [
        "direct routes alone lead to the stations, and of 4 ways to the other hosts there are 1; "
        "is each up, does it make direct routes, and every router on the way, too?"
    ]
    host[SHOW_OBJECTS] = [BY_OBJECT] * 4
    assert list(check_node.differences(only)) == []
