"""The filter `hostvars | sroamd_check_fleet(groups)`: every problem of the inventory, one sentence each, or none.

A sentence says which host, which variable, what is wrong and what would be right. It judges what the hosts must have
in common, what must differ between them, and each value by itself; names and types come from meta/argument_specs.yml.
Values of secret variables appear in no sentence.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.parsing.convert_bool import boolean

Variables = Mapping[str, Any]
Finding = tuple[str, str]  # the host, and the rest of the sentence

ROLE = Path(__file__).resolve().parents[1]
IPV4_PREFIX_MAX = 24  # at least 253 stations
IPV6_PREFIX_MAX = 56  # at least 256 stations, a /64 each
INTERFACE_NAME_MAX = 15  # octets, IFNAMSIZ without its final zero
HIGHEST_AT_2_4_GHZ = 14  # channel
NODE_NAME_MAX = 63  # octets; what the agent takes
PLAYBOOK_VARIABLES = {"sroamd_serial", "sroamd_remove_state"}  # given by --extra-vars, which every host then has
NO_PORTAL = "urn:ietf:params:capport:unrestricted"
HOSTS_NAMED = 3  # in a sentence that holds for many

EVERYWHERE = (
    "ipv4_prefix ipv6_prefix ipv4_gateway ipv6_gateway router_ipv4_prefix router_ipv6_prefix flood_port "
    "babel_host_routes former_ipv6_prefixes"
)
ON_APS = (
    "ssid security passphrase nameservers domain search ntp_servers captive_portal mtu nat64_prefix "
    "dhcp_netmask dhcp_lease_time dhcp_ranges dhcp_exclude reservations dhcp_renew_at dhcp_rebind_at dhcp_rapid_commit "
    "dhcp_ipv6_only dhcp_auto_configure dhcp_routes dhcp_options dhcp6_stateless "
    "ra_routes ra_interval ra_router_lifetime ra_preferred_lifetime ra_valid_lifetime isolate"
)
UNIQUE = "node_name router_ipv4 router_ipv6"


@cache
def specification() -> dict[str, Any]:
    text = (ROLE / "meta/argument_specs.yml").read_text(encoding="utf-8")
    options: dict[str, Any] = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    return options


@cache
def plain_defaults() -> dict[str, Any]:
    """The role's defaults that need no templating. `defaults_of` knows the others."""
    loaded: dict[str, Any] = yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8"))
    return {name: value for name, value in loaded.items() if "{{" not in str(value)}


def defaults_of(host: str, is_ap: bool, given: Variables) -> dict[str, Any]:
    """The defaults as they are on this host; tests hold them against defaults/main.yml."""
    prefix = _network(given.get("sroamd_ipv4_prefix"))
    return plain_defaults() | {
        "sroamd_node_name": host,
        "sroamd_interfaces": [{"name": "wlan0"}] if is_ap else [],
        "sroamd_ipv4_gateway": str(prefix.network_address + 1) if prefix else "",
    }


def check_fleet(hostvars: Mapping[str, Variables], groups: Mapping[str, Sequence[str]]) -> list[str]:
    """Takes Ansible's own `hostvars` and `groups`. The sentences are in the order of the inventory's hosts."""
    aps = list(groups.get("sroamd_aps", []))
    servers = list(groups.get("sroamd_servers", []))
    findings: list[Finding] = []
    if not aps:
        findings.append(("group sroamd_aps", "has no host; name the access points in it"))
    findings += [(host, "is in sroamd_aps and in sroamd_servers; leave it in one") for host in aps if host in servers]
    fleet: dict[str, Variables] = {}
    for host in dict.fromkeys(aps + servers):
        given, unreadable = _given(hostvars[host])
        judged = [*unreadable, *_names(given), *_types(given)]
        findings += [(host, text) for text in judged]
        if not judged:  # a value of the wrong kind has been spoken about; what would follow from it has not to be
            fleet[host] = _booleans(defaults_of(host, host in aps, given) | given)
    findings += _same(fleet, EVERYWHERE) + _same({host: fleet[host] for host in fleet if host in aps}, ON_APS)
    findings += _unique(fleet) + _entrances(fleet)
    for host, variables in fleet.items():
        findings += [(host, text) for check in CHECKS for text in check(variables, host in aps)]
    return _sentences(findings)


def _sentences(findings: list[Finding]) -> list[str]:
    """What holds for many hosts (it stands in group_vars) is said once."""
    hosts = defaultdict(list)
    for host, text in findings:
        hosts[text].append(host)
    return [
        f"{', '.join(who[:HOSTS_NAMED])}{f' and {len(who) - HOSTS_NAMED} more' * (len(who) > HOSTS_NAMED)}: {text}"
        for text, who in hosts.items()
    ]


def _given(variables: Variables) -> tuple[dict[str, Any], list[str]]:
    """The host's own sroamd_ variables, templated, and what is to be said about those that cannot be."""
    given, problems = {}, []
    for name in sorted(name for name in variables if name.startswith("sroamd_")):
        try:
            given[name] = _plain(variables[name])
        except AnsibleError as error:
            problems.append(f"{name} cannot be worked out: {error}")
        if "{{" in str(given.get(name)):  # before ansible-core 2.19 what is undefined stays as it is written
            problems.append(f"{name} cannot be worked out: a variable that it names is not defined")
    return given, problems


def _plain(value: Any) -> Any:
    """Without Ansible's own classes of str and list, which carry tags. Raises AnsibleError where templating fails."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, str) else value


def _names(given: Variables) -> Iterator[str]:
    known = specification()
    for name in given.keys() - known.keys() - PLAYBOOK_VARIABLES:
        near = get_close_matches(name, known, n=1)
        yield f"{name} is no variable of the role; " + (f"did you mean {near[0]}?" if near else "see its README.md")


def _types(given: Variables) -> Iterator[str]:
    options = specification()
    known = {name: value for name, value in given.items() if name in options}
    secret = {name for name, option in options.items() if option.get("no_log")}
    validator = ArgumentSpecValidator({name: _spec(option) for name, option in options.items()})
    for message in validator.validate(known).error_messages:
        named = next((name for name in secret if name in message), None)
        yield f"{named} is not of its type; see the role's README.md" if named else message


def _spec(option: Mapping[str, Any]) -> dict[str, Any]:
    keys = {key: value for key, value in option.items() if key not in {"description", "no_log"}}
    if "options" in keys:
        keys["options"] = {name: _spec(each) for name, each in keys["options"].items()}
    return keys


def _same(fleet: Mapping[str, Variables], names: str) -> list[Finding]:
    findings: list[Finding] = []
    for name in _variables(names):
        hosts = defaultdict(list)
        for host, variables in fleet.items():
            hosts[repr(variables[name])].append(host)
        if len(hosts) > 1:
            secret = specification()[name].get("no_log")
            what = ", ".join(f"{'another value' if secret else value} on {who[0]}" for value, who in hosts.items())
            findings.append(("the fleet", f"{name} differs between hosts ({what}); it has to be the same on all"))
    return findings


def _unique(fleet: Mapping[str, Variables]) -> list[Finding]:
    findings: list[Finding] = []
    for name in _variables(UNIQUE):
        first: dict[Any, str] = {}
        for host, variables in fleet.items():
            value = variables[name]
            other = first.setdefault(_address(value) or value, host)
            if other != host:
                findings.append((host, f"{name} is {value}, which {other} has too; each host needs its own"))
    return findings


def _entrances(fleet: Mapping[str, Variables]) -> list[Finding]:
    """Where Babel does not say where the stations are, only hosts with the agent know it."""
    if all(variables["sroamd_babel_host_routes"] for variables in fleet.values()):
        return []
    if any(
        variables["sroamd_uplink_interfaces"] or variables["sroamd_babel_redistribute"] for variables in fleet.values()
    ):
        return []
    return [
        (
            "the fleet",
            "sroamd_babel_host_routes is false and no host leads to the rest of the world, so a router without the "
            "agent does, which would not find the stations; name sroamd_uplink_interfaces of a gateway",
        )
    ]


def _booleans(variables: dict[str, Any]) -> dict[str, Any]:
    """With every word for true and false as a bool: --extra-vars gives strings."""
    options = specification()
    kinds = {name for name in variables if options.get(name, {}).get("type") == "bool"}
    return {name: boolean(value) if name in kinds else value for name, value in variables.items()}


def _variables(names: str) -> list[str]:
    return [f"sroamd_{name}" for name in names.split()]


def _network(text: object) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(str(text))
    except ValueError:
        return None


def _address(text: object) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(str(text))
    except ValueError:
        return None


def _prefix(variables: Variables, name: str, version: int, longest: int, example: str) -> Iterator[str]:
    text = variables[name]
    network = _network(text)
    if network is None or network.version != version:
        try:
            loose = ip_network(str(text), strict=False)
            instead = f"{loose} is the prefix" if loose.version == version else f"write one like {example}"
        except ValueError:
            instead = f"write one like {example}"
        yield f"{name} is {text}, which is no IPv{version} prefix; {instead}"
    elif network.prefixlen > longest:
        yield f"{name} is {network}, too small; it has to be a /{longest} or larger"
    elif network.is_multicast or network.is_loopback or network.is_link_local or not int(network.network_address):
        yield f"{name} is {network}, which is not for hosts; write one like {example}"


def check_prefixes(variables: Variables, _: bool) -> Iterator[str]:
    yield from _prefix(variables, "sroamd_ipv4_prefix", 4, IPV4_PREFIX_MAX, "192.0.2.0/24")
    yield from _prefix(variables, "sroamd_ipv6_prefix", 6, IPV6_PREFIX_MAX, "2001:db8:44::/48")
    yield from _prefix(variables, "sroamd_router_ipv4_prefix", 4, 32, "10.255.0.0/24")
    yield from _prefix(variables, "sroamd_router_ipv6_prefix", 6, 128, "fd00:255::/64")
    for version in ("ipv4", "ipv6"):
        stations, routers = (_network(variables[f"sroamd_{kind}{version}_prefix"]) for kind in ("", "router_"))
        if stations and routers and stations.version == routers.version and stations.overlaps(routers):
            yield (
                f"sroamd_router_{version}_prefix {routers} overlaps sroamd_{version}_prefix {stations}, where only "
                "stations are; write one outside it"
            )


def check_gateways(variables: Variables, _: bool) -> Iterator[str]:
    prefix, gateway = _network(variables["sroamd_ipv4_prefix"]), _address(variables["sroamd_ipv4_gateway"])
    if isinstance(prefix, IPv4Network):
        ends = (prefix.network_address, prefix.broadcast_address)
        right = f"write one inside it, for example {prefix.network_address + 1}"
        what = f"sroamd_ipv4_gateway is {variables['sroamd_ipv4_gateway']}, "
        if not isinstance(gateway, IPv4Address):
            yield f"{what}which is no IPv4 address; {right}"
        elif gateway not in prefix:
            yield f"{what}outside sroamd_ipv4_prefix {prefix}; {right}"
        elif gateway in ends:
            yield f"{what}the {'network' if gateway == ends[0] else 'broadcast'} address of {prefix}; {right}"
    gateway = _address(variables["sroamd_ipv6_gateway"])
    if not isinstance(gateway, IPv6Address) or not gateway.is_link_local:
        yield (
            f"sroamd_ipv6_gateway is {variables['sroamd_ipv6_gateway']}, which is not link-local; "
            "write one of fe80::/64, for example fe80::1"
        )


def check_router_addresses(variables: Variables, _: bool) -> Iterator[str]:
    for version in ("ipv4", "ipv6"):
        name, within = f"sroamd_router_{version}", _network(variables[f"sroamd_router_{version}_prefix"])
        address = _address(variables[name])
        if within is not None and (address is None or address not in within):
            right = f"write one inside it, for example {within.network_address + 1}"
            yield f"{name} is {variables[name]}, outside sroamd_router_{version}_prefix {within}; {right}"


def check_names(variables: Variables, is_ap: bool) -> Iterator[str]:
    name = str(variables["sroamd_node_name"])
    if not name.isprintable() or not re.fullmatch(r"\S+", name) or len(name.encode()) > NODE_NAME_MAX:
        yield f"sroamd_node_name {name!r} is no name; write 1 to {NODE_NAME_MAX} visible characters without spaces"
    stations = [str(each["name"]) for each in variables["sroamd_interfaces"]]
    backbone = [str(each) for each in variables["sroamd_backbone_interfaces"]]
    if is_ap and not stations:
        yield "sroamd_interfaces is empty; name the interface with the stations, or move the host to sroamd_servers"
    if is_ap and not backbone:
        yield "sroamd_backbone_interfaces is empty; name the interface that leads to the other nodes"
    uplinks = [str(each) for each in variables["sroamd_uplink_interfaces"]]
    if uplinks and not backbone:
        yield "sroamd_uplink_interfaces has no use without sroamd_backbone_interfaces, where Babel tells of the uplink"
    every = stations + backbone + uplinks
    for interface in dict.fromkeys(each for each in every if every.count(each) > 1):
        yield f"interface {interface} is named twice; stations, backbone and uplink need interfaces of their own"
    for interface in every:
        if not re.fullmatch(r"[^\s/:*?\[\]!\"']+", interface) or len(interface.encode()) > INTERFACE_NAME_MAX:
            yield f"{interface!r} is no interface name; write one as `ip link` shows it"


def check_routes(variables: Variables, _: bool) -> Iterator[str]:
    if not variables["sroamd_babel_host_routes"] and not variables["sroamd_direct_routes"]:
        yield (
            "sroamd_babel_host_routes and sroamd_direct_routes are both false, so nothing would lead to the "
            "stations of other hosts; leave one of them true"
        )


def check_guard(variables: Variables, _: bool) -> Iterator[str]:
    if variables["sroamd_isolate"] and not variables["sroamd_source_guard"]:
        yield "sroamd_isolate is the source guard's work, and sroamd_source_guard is false; leave it true"


def check_wifi(variables: Variables, is_ap: bool) -> Iterator[str]:
    if not is_ap:
        return
    if variables["sroamd_hostapd_driver"] == "wired":
        if not variables["sroamd_eap_users"]:
            yield "sroamd_eap_users is empty; with sroamd_hostapd_driver wired somebody has to be let in"
        return
    if not 1 <= len(str(variables["sroamd_ssid"]).encode()) <= 32:
        yield "sroamd_ssid is not 1 to 32 octets long; name the network"
    if not re.fullmatch(r"[ -~]{8,63}", str(variables["sroamd_passphrase"])):
        yield "sroamd_passphrase is not 8 to 63 ASCII characters long; keep one in a vault"
    if not re.fullmatch(r"[A-Z]{2}", str(variables["sroamd_country"])):
        yield f"sroamd_country is {variables['sroamd_country']!r}; write two capital letters, for example DE"
    for interface in variables["sroamd_interfaces"]:
        yield from check_radio(variables, interface)


def check_radio(variables: Variables, interface: dict[str, Any]) -> Iterator[str]:
    """What hostapd finds out only when it has the radio in its hands."""
    name, mode = interface["name"], interface.get("hw_mode", variables["sroamd_hw_mode"])
    channel = int(interface.get("channel", variables["sroamd_channel"]))
    if channel and (channel > HIGHEST_AT_2_4_GHZ) != (mode == "a"):
        right = "36 or more" if mode == "a" else f"1 to {HIGHEST_AT_2_4_GHZ}"
        yield f"{name} has channel {channel} with hw_mode {mode}; write {right}, or 0 to let hostapd choose"
    if "ssid" in interface and not 1 <= len(str(interface["ssid"]).encode()) <= 32:
        yield f"the ssid of {name} is not 1 to 32 octets long; name the network"


def check_numbers(variables: Variables, _: bool) -> Iterator[str]:
    ranges = {
        "sroamd_flood_port": (1, 65535),
        "sroamd_dhcp_lease_time": (60, 86400),
        "sroamd_dhcp_decline_time": (60, 86400),
        "sroamd_pool_alarm": (0, 100),
        "sroamd_ra_interval": (4, 32767),
        "sroamd_ra_router_lifetime": (60, 65535),
        "sroamd_ra_preferred_lifetime": (60, 86400),
        "sroamd_ra_valid_lifetime": (60, 86400),
        "sroamd_keep_releases": (1, 100),
        "sroamd_health_timeout": (5, 600),
        "sroamd_babel_kernel_priority": (65, 65535),
        "sroamd_babel_metric_here": (1, 32767),
        "sroamd_babel_metric_demoted": (1024, 65534),
        "sroamd_neighbour_table": (128, 1 << 20),
    }
    for name, (low, high) in ranges.items():
        if not low <= int(variables[name]) <= high:
            yield f"{name} is {variables[name]}; write {low} to {high}"
    for name, least, most in (("sroamd_mtu", 1280, 65535), ("sroamd_dhcp_ipv6_only", 300, 0xFFFFFFFF)):
        if int(variables[name]) and not least <= int(variables[name]) <= most:
            yield f"{name} is {variables[name]}; write {least} to {most}, or 0 to tell stations nothing"


def check_told(variables: Variables, _: bool) -> Iterator[str]:
    """What stations are told. The agent judges all of it when it is installed; this much is seen before that."""
    renew, rebind = float(variables["sroamd_dhcp_renew_at"]), float(variables["sroamd_dhcp_rebind_at"])
    if not (renew >= 0.1 and renew + 0.04 <= rebind <= 0.95):
        yield (
            f"sroamd_dhcp_renew_at is {renew} and sroamd_dhcp_rebind_at {rebind}; write fractions of the lease, "
            "0.1 to 0.95, the second at least 0.04 later"
        )
    for name in ("router_lifetime", "preferred_lifetime", "valid_lifetime"):
        life, interval = int(variables[f"sroamd_ra_{name}"]), int(variables["sroamd_ra_interval"])
        if interval * 2 >= life:
            yield f"sroamd_ra_interval is {interval}, not less than half of sroamd_ra_{name} ({life}); write less"
    if int(variables["sroamd_ra_preferred_lifetime"]) > int(variables["sroamd_ra_valid_lifetime"]):
        yield "sroamd_ra_preferred_lifetime is longer than sroamd_ra_valid_lifetime; write that or less"
    portal = str(variables["sroamd_captive_portal"])
    if portal and portal != NO_PORTAL and not portal.startswith("https://"):
        yield f"sroamd_captive_portal is {portal}; write a URL that starts with https://, or {NO_PORTAL}"
    for option in variables["sroamd_dhcp_options"]:
        values = [key for key in option if key not in ("code", "always")]
        if len(values) != 1 or not 1 <= int(option["code"]) <= 254:
            yield f"sroamd_dhcp_options has {option}; write a code from 1 to 254, and one value"
    former = [(text, _network(text)) for text in variables["sroamd_former_ipv6_prefixes"]]
    current = _network(variables["sroamd_ipv6_prefix"])
    for text, prefix in former:
        if not isinstance(prefix, IPv6Network):
            yield f"sroamd_former_ipv6_prefixes has {text}, which is no IPv6 prefix; write what sroamd_ipv6_prefix was"
        elif isinstance(current, IPv6Network) and prefix.overlaps(current):
            yield f"sroamd_former_ipv6_prefixes has {prefix}, which is in use by sroamd_ipv6_prefix; leave it out"


CHECKS = (
    check_prefixes,
    check_gateways,
    check_router_addresses,
    check_names,
    check_routes,
    check_guard,
    check_wifi,
    check_numbers,
    check_told,
)


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        return {"sroamd_check_fleet": check_fleet}
