"""The Ansible inventory of a lab: its machines, and the role's variables for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .cache import CACHE
from .lab import Lab
from .router import LAN
from .topology import (
    EAP_IDENTITY,
    EAP_PASSWORD,
    GATEWAY_IPV4,
    GATEWAY_IPV6,
    NAMESERVERS,
    ROUTER_IPV4,
    ROUTER_IPV6,
    STATION_IPV4,
    STATION_IPV6,
    Kind,
    Node,
    Topology,
)

_DOMAIN: dict[str, Any] = {
    "sroamd_ipv4_prefix": str(STATION_IPV4),
    "sroamd_ipv6_prefix": str(STATION_IPV6),
    "sroamd_ipv4_gateway": str(GATEWAY_IPV4),
    "sroamd_ipv6_gateway": str(GATEWAY_IPV6),
    "sroamd_nameservers": list(NAMESERVERS),
    "sroamd_router_ipv4_prefix": str(ROUTER_IPV4),
    "sroamd_router_ipv6_prefix": str(ROUTER_IPV6),
    "sroamd_hostapd_driver": "wired",
    "sroamd_eap_users": [{"name": EAP_IDENTITY, "password": EAP_PASSWORD}],
}


def inventory(topology: Topology, ssh: Path, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The inventory as plain values; ssh is the directory with the lab's key and known_hosts.

    Overrides are variables of the role for all hosts, in place of or besides the lab's own.
    """
    variables = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(ssh / "id_ed25519"),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={ssh / 'known_hosts'} -o IdentitiesOnly=yes",
        "ansible_python_interpreter": "/usr/bin/python3",
        # Built by root, who may be somebody else in this clone.
        "sroamd_wheelhouse": str(CACHE / "wheelhouse"),
        **_DOMAIN,
        **(overrides or {}),
    }
    groups: dict[str, Any] = {"sroamd_aps": {"hosts": _hosts(topology, Kind.AP)}}
    if servers := _hosts(topology, Kind.SERVER):
        groups["sroamd_servers"] = {"hosts": servers}
    return {"all": {"vars": variables, "children": groups}}


def write_inventory(path: Path, lab: Lab, overrides: Mapping[str, Any] | None = None) -> None:
    """Write the inventory of a lab, as JSON, which Ansible reads as the YAML that it also is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(inventory(lab.topology, lab.state / "ssh", overrides), indent=2) + "\n")


def _hosts(topology: Topology, kind: Kind) -> dict[str, Any]:
    return {node.name: _host(topology, node) for node in topology.of_kind(kind)}


def _host(topology: Topology, node: Node) -> dict[str, Any]:
    host: dict[str, Any] = {
        "ansible_host": str(topology.management_address(node).ip),
        "sroamd_router_ipv4": str(node.router_ipv4),
        "sroamd_router_ipv6": str(node.router_ipv6),
        "sroamd_backbone_interfaces": list(node.backbone),
    }
    if node.has_lan:
        host["sroamd_uplink_interfaces"] = ["lan0"]
        host["sroamd_babel_redistribute"] = [f"{network} allow" for network in LAN]
    if node.kind is Kind.AP:
        host["sroamd_interfaces"] = [{"name": "wlan0"}]
    return host
