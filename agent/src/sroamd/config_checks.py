"""What several keys of a configuration must agree on: each check says what does not, and what would be right.

A section is None where something in it could not be read: then there is nothing to check it against.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from sroamd.config import (
    BabelConfig,
    Dhcp4Config,
    FloodConfig,
    GuardConfig,
    InterfaceConfig,
    NetworkConfig,
    NodeConfig,
    RaConfig,
)
from sroamd.config_pools import check_pools, check_reservations
from sroamd.constants import SEARCH_MAX

REBIND_AFTER_RENEW = 0.04  # of a lease: 2 s of the shortest one

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
    for key, address, prefix, example in (
        ("ipv4", node.router_ipv4, network.ipv4_prefix, "10.255.0.1"),
        ("ipv6", node.router_ipv6, network.ipv6_prefix, "fd00:255::1"),
    ):
        if address is not None and address in prefix:
            wrong = f"{address} is inside network.{key}_prefix, where only stations are"
            yield f"node.router_{key}", f"{wrong}; write one of another prefix, e.g. {example}"


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


def _former_prefixes(sections: Sections, _: Interfaces) -> Iterator[Finding]:
    network: NetworkConfig | None = sections["network"]
    if network is None:
        return
    for former in network.former_ipv6_prefixes:
        if former.overlaps(network.ipv6_prefix):
            now = f"ipv6_prefix {network.ipv6_prefix}"
            yield "network.former_ipv6_prefixes", f"{former} overlaps {now}; leave out what is in use"


def _search(sections: Sections, _: Interfaces) -> Iterator[Finding]:
    network: NetworkConfig | None = sections["network"]
    size = 0 if network is None else sum(len(domain) + 2 for domain in network.search)
    if size > SEARCH_MAX:
        yield "network.search", f"takes {size} octets, more than the {SEARCH_MAX} of option 119; write fewer domains"


def _lease_times(sections: Sections, _: Interfaces) -> Iterator[Finding]:
    dhcp4: Dhcp4Config | None = sections["dhcp4"]
    if dhcp4 is not None and dhcp4.rebind_at - dhcp4.renew_at < REBIND_AFTER_RENEW:
        yield (
            "dhcp4.rebind_at",
            f"{dhcp4.rebind_at} is not later than renew_at ({dhcp4.renew_at}) by {REBIND_AFTER_RENEW} of the lease; "
            "write renew_at = 0.5 and rebind_at = 0.875",
        )


def _dhcp_options(sections: Sections, _: Interfaces) -> Iterator[Finding]:
    dhcp4: Dhcp4Config | None = sections["dhcp4"]
    network: NetworkConfig | None = sections["network"]
    if dhcp4 is None:
        return
    codes = [option.code for option in dhcp4.options]
    for code in sorted({code for code in codes if codes.count(code) > 1}):
        yield "dhcp4.options", f"{code} is there twice; write one value for it"
    if network is None:
        return
    gateway, prefix = network.ipv4_gateway, network.ipv4_prefix
    for via in (route.via for route in dhcp4.routes if route.via not in (None, gateway)):
        if via not in prefix:
            yield "dhcp4.routes", f"{via} is outside network.ipv4_prefix {prefix}; leave via out, or write one inside"
        elif dhcp4.netmask == "host":
            yield "dhcp4.routes", f'{via} is not reached with netmask "host" but by way of {gateway}; leave via out'


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


def _guard(sections: Sections, _: Interfaces) -> Iterator[Finding]:
    guard: GuardConfig | None = sections["guard"]
    if guard is not None and guard.isolate and not guard.enabled:
        yield "guard.isolate", "is the guard's work; write enabled = true, or isolate = false"


CHECKS = (
    _network,
    _router_addresses,
    _flood,
    check_pools,
    check_reservations,
    _former_prefixes,
    _search,
    _lease_times,
    _dhcp_options,
    _ra,
    _babel,
    _guard,
)
