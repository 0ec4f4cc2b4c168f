"""The role's Python files by name, and its templates as Ansible renders them."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).parents[1]

HOST: dict[str, Any] = {
    "inventory_hostname": "ap1",
    "group_names": ["sroamd_aps"],
    "ansible_managed": "Ansible managed",
    "ansible_facts": {"distribution": "Debian", "distribution_version": "12.11", "python_version": "3.11.2"},
    "sroamd_ipv4_prefix": "192.0.2.0/24",
    "sroamd_ipv6_prefix": "2001:db8:44::/48",
    # The two defaults that need the role's own filters.
    "sroamd_ipv4_gateway": "192.0.2.1",
    "sroamd_flood_peers": ["[fd00:255::2]:4444"],
    "groups": {"sroamd_aps": ["ap1"]},
    "sroamd_router_ipv4": "10.255.0.1",
    "sroamd_router_ipv6": "fd00:255::1",
    "sroamd_backbone_interfaces": ["bb0"],
}

Render = Callable[..., str]


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"role_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def fleet() -> ModuleType:
    return _module(ROLE / "filter_plugins/sroamd_fleet.py")


@pytest.fixture(scope="session")
def pools() -> ModuleType:
    return _module(ROLE / "filter_plugins/sroamd_pools.py")


@pytest.fixture(scope="session")
def flood() -> ModuleType:
    return _module(ROLE / "filter_plugins/sroamd_flood.py")


@pytest.fixture(scope="session")
def status() -> ModuleType:
    return _module(ROLE / "filter_plugins/sroamd_status.py")


@pytest.fixture(scope="session")
def build_release() -> ModuleType:
    return _module(ROLE / "files/build_release.py")


@pytest.fixture(scope="session")
def install_release() -> ModuleType:
    return _module(ROLE / "files/install_release.py")


@pytest.fixture(scope="session")
def check_node() -> ModuleType:
    return _module(ROLE / "files/check_node.py")


@pytest.fixture(scope="session")
def agent_state() -> ModuleType:
    return _module(ROLE / "files/agent_state.py")


@pytest.fixture(scope="session")
def stale_services() -> ModuleType:
    return _module(ROLE / "files/stale_services.py")


@pytest.fixture(scope="session")
def remove_addresses() -> ModuleType:
    return _module(ROLE / "files/remove_addresses.py")


@pytest.fixture(scope="session")
def render() -> Render:
    """render("babeld.conf.j2", sroamd_mtu=1400): a template on the host above, with the role's defaults."""
    loader = DataLoader()
    role: dict[str, Any] = {}
    for name in ("defaults/main.yml", "vars/main.yml"):
        role |= loader.load_from_file(str(ROLE / name), trusted_as_template=True)

    def rendered(template: str, **variables: Any) -> str:
        templar = Templar(loader=loader, variables={**role, **HOST, **variables})
        source = trust_as_template((ROLE / "templates" / template).read_text())
        return str(templar.copy_with_new_env(searchpath=[str(ROLE / "templates")]).template(source))

    return rendered
