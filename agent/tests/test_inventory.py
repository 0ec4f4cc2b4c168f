"""inventory.example: what an operator copies is complete, valid, and explains itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "inventory.example"
DOCUMENTATION = [
    ip_network(prefix) for prefix in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]
ROUTERS = [ip_network("10.255.0.0/24"), ip_network("fd00:255::/64")]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Each host with its variables, as Ansible reads a copy named as the file itself proposes."""
    copy = tmp_path_factory.mktemp("operator") / "inventory"
    shutil.copy(EXAMPLE, copy)
    done = subprocess.run(["ansible-inventory", "-i", copy, "--list"], check=True, capture_output=True, text=True)
    listed: dict[str, dict[str, Any]] = json.loads(done.stdout)["_meta"]["hostvars"]
    return listed


def groups() -> dict[str, list[str]]:
    children = yaml.safe_load(EXAMPLE.read_text())["sroamd"]["children"]
    return {name: list(group["hosts"]) for name, group in children.items()}


def test_it_has_three_access_points_and_a_gateway() -> None:
    assert groups() == {"sroamd_aps": ["ap1", "ap2", "ap3"], "sroamd_servers": ["gw1"]}


def test_ansible_knows_how_to_reach_each_host(hosts: dict[str, dict[str, Any]]) -> None:
    assert sorted(hosts) == ["ap1", "ap2", "ap3", "gw1"]
    assert len({variables["ansible_host"] for variables in hosts.values()}) == 4


def test_it_has_every_variable_that_the_role_requires(hosts: dict[str, dict[str, Any]]) -> None:
    specification = yaml.safe_load((ROOT / "roles/sroamd/meta/argument_specs.yml").read_text())
    options = specification["argument_specs"]["main"]["options"]
    required = {name for name, option in options.items() if option.get("required")}
    assert required
    for variables in hosts.values():
        assert required <= variables.keys()


def test_all_addresses_are_for_documentation_or_private_routers() -> None:
    text = re.sub(r"#.*", "", EXAMPLE.read_text())
    words = re.findall(r"[0-9a-f]*(?:[.:][0-9a-f]*){2,}(?:/\d+)?", text)
    addresses = [ip_address(word.partition("/")[0]) for word in words]
    assert len(addresses) >= 14
    allowed = DOCUMENTATION + ROUTERS
    outside = [address for address in addresses if not any(address in network for network in allowed)]
    assert outside == []


def test_every_line_that_an_operator_edits_has_a_comment() -> None:
    """The first line of each name stands under a comment "Edit:", alone or in a group of lines without a gap."""
    explained: set[str] = set()
    under = False
    for line in EXAMPLE.read_text().splitlines():
        stripped = line.strip()
        name, _, value = stripped.partition(":")
        if stripped.startswith("# Edit:"):
            under = True
        elif stripped.startswith(("#", "- ")):
            continue
        elif value.strip():
            assert under or name in explained, f"nothing says what {stripped!r} is"
            explained.add(name)
        else:
            under = False
    assert len(explained) >= 14


def test_the_fleet_check_has_nothing_to_say(tmp_path: Path) -> None:
    copy = tmp_path / "inventory"
    shutil.copy(EXAMPLE, copy)
    command = ["ansible-playbook", "-i", copy, "playbooks/validate.yml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "4 hosts" in done.stdout
