"""The filter `hostvars | sroamd_check_pools(groups)`: what is wrong with the ranges and the reservations, or none.

All APs have to have the same, which `sroamd_check_fleet` sees to, as to types; so here the first AP's are judged, and
what is not of its type is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from typing import Any

from ansible.errors import AnsibleError

MAC = r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}"
CLIENT_ID = r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){1,134}"
HOSTNAME = r"(?=.{1,63}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
KEYS = ("mac", "client_id", "address", "prefix", "hostname")


def check_pools(hostvars: Mapping[str, Mapping[str, Any]], groups: Mapping[str, Sequence[str]]) -> list[str]:
    """Takes Ansible's own `hostvars` and `groups`."""
    aps = groups.get("sroamd_aps", [])
    if not aps:
        return []
    variables = hostvars[aps[0]]
    try:
        ipv4, ipv6 = (
            IPv4Network(str(variables["sroamd_ipv4_prefix"])),
            IPv6Network(str(variables["sroamd_ipv6_prefix"])),
        )
        gateway = str(variables.get("sroamd_ipv4_gateway", ipv4[1]))
        ranges = variables.get("sroamd_dhcp_ranges", [])
        reservations = variables.get("sroamd_reservations", [])
    except (AnsibleError, KeyError, ValueError):
        return []  # said by sroamd_check_fleet
    problems = [f"{aps[0]}: sroamd_dhcp_ranges: {text}" for each in _listed(ranges) for text in _range(str(each), ipv4)]
    taken: dict[tuple[str, str], int] = {}
    for number, one in enumerate(_listed(reservations), 1):
        if isinstance(one, Mapping):
            found = [*_reservation(one, ipv4, ipv6, gateway), *_twice(one, number, taken)]
            problems += [f"{aps[0]}: sroamd_reservations[{number}]: {text}" for text in found]
    return problems


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else []


def _range(text: str, whole: IPv4Network) -> Iterator[str]:
    first, dash, last = text.partition("-")
    try:
        if dash:
            begin, end = IPv4Address(first.strip()), IPv4Address(last.strip())
        else:
            network = IPv4Network(text)
            begin, end = network[0], network[-1]
    except ValueError:
        yield f"{text!r} is no range; write one like 192.0.2.10-192.0.2.99 or a prefix like 192.0.2.64/26"
        return
    if begin > end:
        yield f"{text} ends before it begins; write {end}-{begin}"
    elif begin not in whole or end not in whole:
        yield f"{text} is not within sroamd_ipv4_prefix {whole}; write what is"


def _reservation(one: Mapping[str, Any], ipv4: IPv4Network, ipv6: IPv6Network, gateway: str) -> Iterator[str]:
    mac, client_id, address, prefix, hostname = (str(one[key]) if one.get(key) else "" for key in KEYS)
    if bool(mac) == bool(client_id):
        yield "names not just one of mac and client_id; write the one by which the station is known"
    if mac and (not re.fullmatch(MAC, mac) or int(mac[:2], 16) & 1 or not int(mac.replace(":", ""), 16)):
        yield f'mac {mac} is no station\'s; write one like "02:00:00:00:01:07", in quotes'
    if client_id and not re.fullmatch(CLIENT_ID, client_id):
        yield f'client_id {client_id} is none; write its octets like "01:02:00:00:00:01:07", in quotes'
    if not (address or prefix or hostname):
        yield "reserves nothing; write an address, a prefix or a hostname"
    if address:
        yield from _address(address, ipv4, gateway)
    if prefix:
        yield from _prefix(prefix, ipv6)
        if not mac:
            yield "prefix needs mac; IPv6 knows no client_id"
    if hostname and not re.fullmatch(HOSTNAME, hostname):
        yield f"hostname {hostname!r} is none; write at most 63 letters, digits, hyphens and dots"


def _address(text: str, whole: IPv4Network, gateway: str) -> Iterator[str]:
    try:
        address = IPv4Address(text)
    except ValueError:
        yield f"address {text!r} is no IPv4 address; write one of {whole}"
        return
    if address not in whole:
        yield f"address {address} is outside sroamd_ipv4_prefix {whole}; write one within it"
    elif str(address) in (gateway, str(whole[0]), str(whole[-1])):
        yield f"address {address} is the gateway's, the network's or for broadcast; write another of {whole}"


def _prefix(text: str, whole: IPv6Network) -> Iterator[str]:
    try:
        network = ip_network(text)
    except ValueError:
        network = None
    if not isinstance(network, IPv6Network) or network.prefixlen != 64:
        yield f"prefix {text!r} is no IPv6 /64; write one of {whole}"
    elif not network.subnet_of(whole):
        yield f"prefix {network} is outside sroamd_ipv6_prefix {whole}; write one within it"


def _twice(one: Mapping[str, Any], number: int, taken: dict[tuple[str, str], int]) -> Iterator[str]:
    for key in ("mac", "client_id", "address", "prefix"):
        if one.get(key):
            text = str(one[key])
            value = str(_network(text)) if key == "prefix" else text.lower()
            other = taken.setdefault((key, value), number)
            if other != number:
                yield f"{key} {text} is in reservation {other} too; each may be there once"


def _network(text: str) -> object:
    try:
        return ip_network(text)
    except ValueError:
        return text


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        return {"sroamd_check_pools": check_pools}
