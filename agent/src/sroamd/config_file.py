"""The configuration file: TOML to `Config`, or every problem at once, each on a line that says where and what to do.

Which keys there are, and which of them may be left out, is what the dataclasses of `sroamd.config` say; the tables
below add how each is read. What several keys must agree on is in `sroamd.config_checks`.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from sroamd import config_options as options
from sroamd import config_pools as pools
from sroamd import config_values as values
from sroamd.config import (
    BabelConfig,
    Config,
    ControlConfig,
    Dhcp4Config,
    Dhcp6Config,
    FloodConfig,
    GuardConfig,
    InterfaceConfig,
    NetworkConfig,
    NodeConfig,
    RaConfig,
    Reservation,
    RoutesConfig,
)
from sroamd.config_checks import CHECKS, Finding
from sroamd.constants import (
    FORMER_PREFIXES_MAX,
    LEASE_LIFE_MAX,
    NAMESERVERS_MAX,
    OPTIONS_MAX,
    ROUTES_MAX,
    V6ONLY_WAIT_MIN,
)
from sroamd.printable import printable

C = TypeVar("C")
Readers = Mapping[str, Callable[[object], object]]

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
        "pool_alarm": values.integer(0, 100, "percent"),
        "nameservers": values.many(values.any_address, "addresses", NAMESERVERS_MAX),
        "domain": options.domain,
        "search": values.many(options.domain, "domains"),
        "ntp_servers": values.many(values.any_address, "addresses", NAMESERVERS_MAX),
        "captive_portal": options.portal,
        "former_ipv6_prefixes": values.many(values.ipv6_prefix, "prefixes", FORMER_PREFIXES_MAX),
        "mtu": values.integer(1280, 65535, "octets"),  # IPv6 needs as much (RFC 8200 section 5)
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
        "decline_time": values.integer(60, LEASE_LIFE_MAX, "seconds"),
        "ranges": values.many(pools.ipv4_range, "ranges"),
        "exclude": values.many(values.ipv4_network, "prefixes"),
        "renew_at": options.fraction,
        "rebind_at": options.fraction,
        "rapid_commit": values.boolean,
        "ipv6_only": values.integer(V6ONLY_WAIT_MIN, 0xFFFFFFFF, "seconds"),
        "auto_configure": values.boolean,
        "routes": values.many(options.ipv4_route, "routes", ROUTES_MAX),
        "options": values.many(options.dhcp_option, "options", OPTIONS_MAX),
    },
    Dhcp6Config: {"stateless": values.boolean},
    RaConfig: {
        # RFC 4861 section 6.2.1 and RFC 8319 section 4; a prefix lives no longer than the lease that floods it.
        "interval": values.integer(4, 32767, "seconds"),
        "router_lifetime": values.integer(60, 65535, "seconds"),
        "preferred_lifetime": values.integer(60, LEASE_LIFE_MAX, "seconds"),
        "valid_lifetime": values.integer(60, LEASE_LIFE_MAX, "seconds"),
        "nat64_prefix": options.nat64_prefix,
        "routes": values.many(options.ipv6_route, "routes", ROUTES_MAX),
        "withdraw": values.boolean,
    },
    BabelConfig: {"interfaces": values.many(values.interface_name, "interface names")},
    RoutesConfig: {"direct": values.boolean, "announced": values.boolean},
    Reservation: pools.RESERVATION,
    GuardConfig: {"enabled": values.boolean, "isolate": values.boolean},
}

_SECTIONS: Mapping[str, type] = {
    "node": NodeConfig,
    "network": NetworkConfig,
    "flood": FloodConfig,
    "control": ControlConfig,
    "dhcp4": Dhcp4Config,
    "dhcp6": Dhcp6Config,
    "ra": RaConfig,
    "babel": BabelConfig,
    "routes": RoutesConfig,
    "guard": GuardConfig,
}

_LISTS: Mapping[type, str] = {InterfaceConfig: "interface", Reservation: "reservation"}  # each in brackets of its own


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
    sections["reservations"] = _reservations(document.get("reservation", []), findings)
    known = {*_SECTIONS, *_LISTS.values()}
    for section in document.keys() - known:
        what = "section" if isinstance(document[section], dict | list) else "key outside any section"
        findings.append((section, f"unknown {what}; {values.suggestion(section, known)}"))
    for check in CHECKS:
        findings.extend(check(sections, interfaces))
    if findings:
        raise ConfigError([printable(f"{name}: {where}: {what}") for where, what in findings])
    return Config(interfaces=interfaces, **sections)


def _section(cls: type[C], where: str, table: object, findings: list[Finding]) -> C | None:
    """One section; None when something in it could not be read, so that no check is made on half of it."""
    if not isinstance(table, dict):
        header = f"[[{_LISTS[cls]}]]" if cls in _LISTS else f"[{where}]"
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
    found: list[InterfaceConfig] = []
    for number, table in enumerate(_list("interface", tables, findings), 1):
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


def _reservations(tables: object, findings: list[Finding]) -> tuple[Reservation | None, ...]:
    listed = enumerate(_list("reservation", tables, findings), 1)
    return tuple(_section(Reservation, f"reservation[#{number}]", table, findings) for number, table in listed)


def _list(name: str, tables: object, findings: list[Finding]) -> list[object]:
    if isinstance(tables, list):
        return tables
    findings.append((name, f"is not a list of sections; write [[{name}]], with two brackets"))
    return []
