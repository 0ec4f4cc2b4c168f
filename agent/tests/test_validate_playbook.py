"""Broken inventories stop `ansible-playbook` before any host is touched, and the message says what is wrong where."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "inventory.example").read_text()

BROKEN = {
    "duplicate node name": (
        ("sroamd_channel: 11", "sroamd_node_name: ap1"),
        "ap2: sroamd_node_name is ap1, which ap1 has too; each host needs its own",
    ),
    "impossible prefix": (
        ("sroamd_ipv4_prefix: 192.0.2.0/24", "sroamd_ipv4_prefix: 192.0.2.0/42"),
        "ap1, ap2, ap3 and 1 more: sroamd_ipv4_prefix is 192.0.2.0/42, which is no IPv4 prefix; "
        "write one like 192.0.2.0/24",
    ),
    "anycast address outside its prefix": (
        ("sroamd_ipv4_prefix: 192.0.2.0/24", "sroamd_ipv4_prefix: 192.0.2.0/24\n    sroamd_ipv4_gateway: 203.0.113.1"),
        "ap1, ap2, ap3 and 1 more: sroamd_ipv4_gateway is 203.0.113.1, outside sroamd_ipv4_prefix 192.0.2.0/24; "
        "write one inside it, for example 192.0.2.1",
    ),
    "unknown variable": (
        ("sroamd_country: DE", "sroamd_country: DE\n    sroamd_contry: DE"),
        "ap1, ap2, ap3 and 1 more: sroamd_contry is no variable of the role; did you mean sroamd_country?",
    ),
    "reservation outside the pool": (
        (
            "sroamd_ssid: Example",
            'sroamd_ssid: Example\n    sroamd_reservations: [{mac: "02:00:00:00:01:07", address: 198.51.100.7}]',
        ),
        "ap1: sroamd_reservations[1]: address 198.51.100.7 is outside sroamd_ipv4_prefix 192.0.2.0/24; "
        "write one within it",
    ),
    "undefined in a template": (
        ("sroamd_ssid: Example", 'sroamd_ssid: "{{ name_of_the_network }}"'),
        "'name_of_the_network' is undefined",
    ),
}


def play(directory: Path, inventory: str, playbook: str, *options: str) -> tuple[int, str]:
    path = directory / "inventory"
    path.write_text(inventory)
    command = ["ansible-playbook", "-i", path, f"playbooks/{playbook}", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def broken(change: tuple[str, str]) -> str:
    assert change[0] in EXAMPLE
    return EXAMPLE.replace(*change)


@pytest.mark.parametrize(("change", "sentence"), BROKEN.values(), ids=BROKEN.keys())
def test_validate_says_what_is_wrong(tmp_path: Path, change: tuple[str, str], sentence: str) -> None:
    status, output = play(tmp_path, broken(change), "validate.yml")
    assert status != 0
    assert sentence in output


def by_number(inventory: str) -> str:
    """As roles/sroamd/README.md proposes for a large fleet: a number for each host, and the addresses written once."""
    pair = r"sroamd_router_ipv4: 10\.255\.0\.(\d+)\n *sroamd_router_ipv6: fd00:255::\1\n"
    numbered, hosts = re.subn(pair, r"number: \1\n", inventory)
    assert hosts == 4
    both = 'sroamd_router_ipv4: "10.255.0.{{ number }}"\n    sroamd_router_ipv6: "fd00:255::{{ number }}"\n    '
    return numbered.replace("sroamd_router_ipv4_prefix:", f"{both}sroamd_router_ipv4_prefix:", 1)


def test_router_addresses_may_follow_from_a_number(tmp_path: Path) -> None:
    status, output = play(tmp_path, by_number(EXAMPLE), "validate.yml")
    assert status == 0, output


def test_a_number_that_two_hosts_have_is_found(tmp_path: Path) -> None:
    status, output = play(tmp_path, by_number(EXAMPLE).replace("number: 3", "number: 1"), "validate.yml")
    assert status != 0
    assert "ap3: sroamd_router_ipv4 is 10.255.0.1, which ap1 has too; each host needs its own" in output


def test_site_stops_before_it_contacts_a_host(tmp_path: Path) -> None:
    status, output = play(tmp_path, broken(BROKEN["duplicate node name"][0]), "site.yml")
    assert status != 0
    assert BROKEN["duplicate node name"][1] in output
    # The addresses of the example are nobody's: a try to reach one would show as unreachable.
    assert "UNREACHABLE" not in output
    assert "Set up the fleet" not in output


def test_the_playbooks_are_found_from_any_directory(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    inventory.write_text(EXAMPLE)
    command = ["ansible-playbook", "-i", inventory, ROOT / "playbooks/validate.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
