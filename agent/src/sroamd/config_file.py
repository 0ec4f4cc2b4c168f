"""The configuration file: TOML to `Config`, or every problem at once, each on a line that says where and what to do.

Which keys there are, and which of them may be left out, is what the dataclasses of `sroamd.config` say; the tables
below add how each is read. What several keys must agree on is in `_CHECKS`.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network, collapse_addresses
from pathlib import Path
from typing import Any, TypeVar

from sroamd import config_values as values
from sroamd.config import (
    BabelConfig,
    Config,
    ControlConfig,
    Dhcp4Config,
    FloodConfig,
    InterfaceConfig,
    NetworkConfig,
    NodeConfig,
    RaConfig,
    RoutesConfig,
)
from sroamd.constants import LEASE_LIFE_MAX
from sroamd.printable import printable

C = TypeVar("C")
Readers = Mapping[str, Callable[[object], object]]
Finding = tuple[str, str]  # where ("section.key") and "what is wrong; what would be right"

HOSTAPD_DIRECTORY = "/run/hostapd"

_READERS: Mapping[type, Readers] = {
    NodeConfig: {
        "name": values.node_name,
        "id": values.node_id,
        "state_dir": values.directory,
        "router_ipv4": values.ipv4,
        "router_ipv6": values.ipv6,
        "flush_on_exit": values.boolean,
    },
    NetworkConfig: {
        "ipv4_prefix": values.ipv4_prefix,
        "ipv6_prefix": values.ipv6_prefix,
        "ipv4_gateway": values.ipv4,
        "ipv6_gateway": values.ipv6,
        "nameservers": values.many(values.any_address, "addresses"),
    },
    InterfaceConfig: {
        "name": values.interface_name,
        "stations": values.station_source,
        "hostapd_socket": values.socket_path,
    },
    FloodConfig: {
        "listen": values.listen_endpoint,
        "peers": values.many(values.peer_endpoint, "address:port"),
        "allow": values.many(values.any_network, "prefixes"),
        "leaf": values.boolean,
    },
    ControlConfig: {"socket": values.socket_path},
    Dhcp4Config: {
        "lease_time": values.integer(60, LEASE_LIFE_MAX, "seconds"),
        "netmask": values.choice("host", "prefix"),
        "exclude": values.many(values.ipv4_network, "prefixes"),
    },
    RaConfig: {
        # RFC 4861 section 6.2.1 and RFC 8319 section 4; a prefix lives no longer than the lease that floods it.
        "interval": values.integer(4, 32767, "seconds"),
        "router_lifetime": values.integer(60, 65535, "seconds"),
        "preferred_lifetime": values.integer(60, LEASE_LIFE_MAX, "seconds"),
        "valid_lifetime": values.integer(60, LEASE_LIFE_MAX, "seconds"),
        "mtu": values.integer(1280, 65535, "octets"),
    },
    BabelConfig: {"interfaces": values.many(values.interface_name, "interface names")},
    RoutesConfig: {"direct": values.boolean},
}

_SECTIONS: Mapping[str, type] = {
    "node": NodeConfig,
    "network": NetworkConfig,
    "flood": FloodConfig,
    "control": ControlConfig,
    "dhcp4": Dhcp4Config,
    "ra": RaConfig,
    "babel": BabelConfig,
    "routes": RoutesConfig,
}


class ConfigError(Exception):
    """The file cannot be used. `problems`: one line each, "FILE: section.key: what is wrong; what would be right"."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load(path: str | Path) -> Config:
    """Read and judge a file. Raises ConfigError with all its problems."""
    try:
        source = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        problem = f"{path}: cannot be read: {error.strerror}; give its path with -c"
        raise ConfigError([problem]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: octet {error.start} is not UTF-8; save the file as UTF-8"]) from None
    return parse(source, str(path))


def parse(source: str, name: str) -> Config:
    """As `load`, from text; `name` stands for the file in the messages."""
    try:
        document = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{name}: is not TOML: {error}; strings need quotes, sections stand in brackets"]) from None
    findings: list[Finding] = []
    sections: dict[str, Any] = {
        section: _section(cls, section, document.get(section, {}), findings) for section, cls in _SECTIONS.items()
    }
    interfaces = _interfaces(document.get("interface", []), findings)
    known = {*_SECTIONS, "interface"}
    for section in document.keys() - known:
        what = "section" if isinstance(document[section], dict | list) else "key outside any section"
        findings.append((section, f"unknown {what}; {values.suggestion(section, known)}"))
    for check in _CHECKS:
        findings.extend(check(sections, interfaces))
    if findings:
        raise ConfigError([printable(f"{name}: {where}: {what}") for where, what in findings])
    return Config(interfaces=interfaces, **sections)


def _section(cls: type[C], where: str, table: object, findings: list[Finding]) -> C | None:
    """One section; None when something in it could not be read, so that no check is made on half of it."""
    if not isinstance(table, dict):
        header = "[[interface]]" if cls is InterfaceConfig else f"[{where}]"
        findings.append((where, f"is not a section; write {header} on a line of its own"))
        return None
    readers = _READERS[cls]
    before = len(findings)
    kept: dict[str, object] = {}
    for key, raw in table.items():
        if key not in readers:
            findings.append((f"{where}.{key}", f"unknown key; {values.suggestion(key, readers)}"))
            continue
        try:
            kept[key] = readers[key](raw)
        except values.Refused as refusal:
            findings.append((f"{where}.{key}", str(refusal)))
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        optional = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if not optional and field.name not in table:
            findings.append((f"{where}.{field.name}", "is missing; every node needs it"))
    return cls(**kept) if len(findings) == before else None


def _interfaces(tables: object, findings: list[Finding]) -> tuple[InterfaceConfig, ...]:
    if not isinstance(tables, list):
        findings.append(("interface", "is not a list of sections; write [[interface]], with two brackets"))
        return ()
    found: list[InterfaceConfig] = []
    for number, table in enumerate(tables, 1):
        name = table.get("name") if isinstance(table, dict) else None
        where = f"interface[{name if isinstance(name, str) and name else f'#{number}'}]"
        one = _section(InterfaceConfig, where, table, findings)
        if one is None:
            continue
        if any(one.name == other.name for other in found):
            findings.append((f"{where}.name", "is there twice; one [[interface]] for each"))
            continue
        path = one.hostapd_socket or f"{HOSTAPD_DIRECTORY}/{one.name}"
        found.append(dataclasses.replace(one, hostapd_socket=path))
    return tuple(found)


def _check_network(sections: Mapping[str, Any], _: tuple[InterfaceConfig, ...]) -> Iterator[Finding]:
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


def _check_router_addresses(sections: Mapping[str, Any], _: tuple[InterfaceConfig, ...]) -> Iterator[Finding]:
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


def _check_flood(sections: Mapping[str, Any], interfaces: tuple[InterfaceConfig, ...]) -> Iterator[Finding]:
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


def _check_exclude(sections: Mapping[str, Any], _: tuple[InterfaceConfig, ...]) -> Iterator[Finding]:
    dhcp4: Dhcp4Config | None = sections["dhcp4"]
    network: NetworkConfig | None = sections["network"]
    if dhcp4 is None or network is None:
        return
    outside = [excluded for excluded in dhcp4.exclude if not excluded.overlaps(network.ipv4_prefix)]
    for excluded in outside:
        where = f"{excluded} is outside network.ipv4_prefix {network.ipv4_prefix}"
        yield "dhcp4.exclude", f"{where} and excludes nothing; leave it out"
    merged = list(collapse_addresses(dhcp4.exclude))
    if any(network.ipv4_prefix.subnet_of(excluded) for excluded in merged):
        yield "dhcp4.exclude", f"leaves no address of {network.ipv4_prefix} to stations; exclude less"


def _check_ra(sections: Mapping[str, Any], _: tuple[InterfaceConfig, ...]) -> Iterator[Finding]:
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


def _check_babel(sections: Mapping[str, Any], interfaces: tuple[InterfaceConfig, ...]) -> Iterator[Finding]:
    babel: BabelConfig | None = sections["babel"]
    if babel is None:
        return
    names = {interface.name for interface in interfaces}
    for name in babel.interfaces:
        if name in names:
            yield "babel.interfaces", f"{name} is a station interface; Babel is spoken on the backbone"


_CHECKS = (_check_network, _check_router_addresses, _check_flood, _check_exclude, _check_ra, _check_babel)
