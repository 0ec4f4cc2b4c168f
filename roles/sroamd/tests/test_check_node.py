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
}


def address(local: str, length: int, **more: Any) -> dict[str, Any]:
    return {"local": local, "prefixlen": length, **more}


@pytest.fixture
def host(check_node: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What the host's programs answer; a test changes it."""
    answers: dict[str, Any] = {
        "systemctl is-active babeld sroamd": "active\nactive\n",
        "ip -json address show dev wlan0": [{"addr_info": [address("192.0.2.1", 32), address("fe80::1", 64)]}],
        "ip -json -4 route show proto babel": [{"dst": "10.255.0.2"}, {"dst": "198.51.100.0/24"}],
        "ip -json -6 route show proto babel": [{"dst": "fd00:255::2"}],
    }

    def run(*command: str) -> str:
        answer = answers[" ".join(command)]
        return answer if isinstance(answer, str) else json.dumps(answer)

    monkeypatch.setattr(check_node, "run", run)
    monkeypatch.setattr(check_node, "forwarding", lambda: iter(()))
    monkeypatch.setattr(check_node, "HOSTAPD_SOCKETS", tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as served:
        served.bind(str(tmp_path / "wlan0"))
        yield answers


def test_a_host_as_it_should_be(check_node: ModuleType, host: dict[str, Any]) -> None:
    assert list(check_node.differences(EXPECTED)) == []


def test_a_dead_service_is_named(check_node: ModuleType, host: dict[str, Any]) -> None:
    host["systemctl is-active babeld sroamd"] = "active\nfailed\n"
    assert list(check_node.differences(EXPECTED)) == ["sroamd is failed; see journalctl --unit sroamd"]


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
