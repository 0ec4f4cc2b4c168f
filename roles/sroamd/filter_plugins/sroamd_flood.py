"""Filters that derive a host's settings from the inventory: the gateway, whom it dials, its interfaces' addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

FULL_MESH_MAX = 5  # nodes; beyond, a database change would arrive more often than it is worth


def first_address(prefix: str) -> str:
    """192.0.2.0/24 -> 192.0.2.1. What is no prefix comes back as it is, for the inventory check to speak about."""
    try:
        return str(ip_network(prefix).network_address + 1)
    except ValueError:
        return prefix


def partners(host: str, aps: Sequence[str], servers: Sequence[str]) -> list[str]:
    """Whom `host` dials. Each pair is named once, for one connection between two nodes is enough.

    With servers: a star, and the servers all know each other. Without: up to five APs are a full mesh; more are a
    ring with chords over the square root of its length. So each has four peers and none is a bottleneck, a change
    needs few hops (14 at most among 300 APs), and three APs that fail cut nobody off.
    """
    if host in servers:
        return [*servers[: servers.index(host)]]
    if servers:
        return [*servers]
    position, count = aps.index(host), len(aps)
    if count <= FULL_MESH_MAX:
        return [*aps[:position]]
    return [aps[(position + step) % count] for step in (1, round(count**0.5))]


def flood_peers(host: str, hostvars: Mapping[str, Mapping[str, Any]], groups: Mapping[str, Sequence[str]]) -> list[str]:
    """address:port of each partner, IPv6 in brackets. A host outside the two groups dials nobody."""
    servers = list(groups.get("sroamd_servers", []))
    aps = [name for name in groups.get("sroamd_aps", []) if name not in servers]
    if host not in servers and host not in aps:
        return []
    return [endpoint(hostvars[name]) for name in partners(host, aps, servers)]


def endpoint(variables: Mapping[str, Any]) -> str:
    address = str(variables.get("sroamd_flood_address") or variables["sroamd_router_ipv6"])
    port = variables.get("sroamd_flood_port", 4444)
    return f"[{address}]:{port}" if ip_address(address).version == 6 else f"{address}:{port}"


def addresses(interface: str, keep: Sequence[str], within: Sequence[str]) -> dict[str, Any]:
    """One argument of files/remove_addresses.py: which addresses an interface keeps of those within some prefixes."""
    return {"interface": interface, "keep": list(keep), "within": list(within)}


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        return {
            "sroamd_first_address": first_address,
            "sroamd_flood_peers": flood_peers,
            "sroamd_addresses": addresses,
        }
