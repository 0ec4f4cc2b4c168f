"""What several keys of a configuration must agree on: each check says what does not, and what would be right.

A section is None where something in it could not be read: then there is nothing to check it against.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from sroamd.config import BabelConfig, FloodConfig, InterfaceConfig, NetworkConfig, NodeConfig, RaConfig
from sroamd.config_pools import check_pools, check_reservations

Finding = tuple[str, str]  # where ("section.key") and "what is wrong; what would be right"
Sections = Mapping[str, Any]
Interfaces = tuple[InterfaceConfig, ...]


def _network(sections: Sections, _: Interfaces) -> Iterator[Finding]:
    network: NetworkConfig | None = sections["network"]
    if network is None:
        return
    gateway, prefix = network.ipv4_gateway, network.ipv4_prefix
    first = prefix.network_address + 1
    if gateway not in prefix:
        yield "network.ipv4_gateway", f"{gateway} is outside ipv4_prefix {prefix}; write one inside it, e.g. {first}"
    elif gateway in {prefix.network_address, prefix.broadcast_address}:
        kind = "network" if gateway == prefix.network_address else "broadcast"
        yield "network.ipv4_gateway", f"{gateway} is the {kind} address of {prefix}; write another, e.g. {first}"
    if not network.ipv6_gateway.is_link_local:
        yield "network.ipv6_gateway", f"{network.ipv6_gateway} is not link-local; write one of fe80::/64, e.g. fe80::1"


def _router_addresses(sections: Sections, _: Interfaces) -> Iterator[Finding]:
    node: NodeConfig | None = sections["node"]
    network: NetworkConfig | None = sections["network"]
    if node is None:
        return
    if node.router_ipv6 is not None and node.router_ipv6.is_link_local:
        yield "node.router_ipv6", f"{node.router_ipv6} is link-local; write one that is routed, e.g. fd00:255::1"
    if network is None:
        return
    if node.router_ipv4 is not None and node.router_ipv4 in network.ipv4_prefix:
        yield (
            "node.router_ipv4",
            f"{node.router_ipv4} is inside network.ipv4_prefix, where only stations are; "
            "write one of another prefix, e.g. 10.255.0.1",
        )
    if node.router_ipv6 is not None and node.router_ipv6 in network.ipv6_prefix:
        yield (
            "node.router_ipv6",
            f"{node.router_ipv6} is inside network.ipv6_prefix, where only stations are; "
            "write one of another prefix, e.g. fd00:255::1",
        )


def _flood(sections: Sections, interfaces: Interfaces) -> Iterator[Finding]:
    flood: FloodConfig | None = sections["flood"]
    network: NetworkConfig | None = sections["network"]
    if flood is None:
        return
    names = {interface.name for interface in interfaces}
    for host, port in flood.peers:
        zone = host.partition("%")[2]
        if zone in names:
            where = f"[{host}]:{port} is reached over the station interface {zone}"
            yield "flood.peers", f"{where}; peers are reached over the backbone"
    if network is None:
        return
    for allowed in flood.allow:
        stations = network.ipv4_prefix if isinstance(allowed, IPv4Network) else network.ipv6_prefix
        if allowed.overlaps(stations):
            yield "flood.allow", f"{allowed} would let in stations, who have {stations}; write the routers' prefix"


def _ra(sections: Sections, _: Interfaces) -> Iterator[Finding]:
    ra: RaConfig | None = sections["ra"]
    if ra is None:
        return
    lifetimes = ("router_lifetime", "preferred_lifetime", "valid_lifetime")
    for name in lifetimes:
        life = getattr(ra, name)
        if ra.interval * 2 >= life:
            yield (
                "ra.interval",
                f"{ra.interval} is not less than half of {name} ({life}), one lost advertisement would end it; "
                f"write less than {(life + 1) // 2}",
            )
    if ra.preferred_lifetime > ra.valid_lifetime:
        yield "ra.preferred_lifetime", f"is longer than valid_lifetime; write {ra.valid_lifetime} or less"


def _babel(sections: Sections, interfaces: Interfaces) -> Iterator[Finding]:
    babel: BabelConfig | None = sections["babel"]
    if babel is None:
        return
    names = {interface.name for interface in interfaces}
    for name in babel.interfaces:
        if name in names:
            yield "babel.interfaces", f"{name} is a station interface; Babel is spoken on the backbone"


CHECKS = (_network, _router_addresses, _flood, check_pools, check_reservations, _ra, _babel)
