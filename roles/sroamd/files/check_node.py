"""Compare this host with what the role has made of it; one line per difference, exit status 1 if there is any.

    check_node.py '{"services": [NAME...], "stations": [INTERFACE...], "gateways": [ADDRESS/LENGTH...],
                    "routers": [ADDRESS...]}'

`gateways` are the only addresses that a station interface has. `routers` are the other nodes' own addresses, to each of
which Babel has a route in the kernel.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

FORWARDING = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")
HOSTAPD_SOCKETS = Path("/run/hostapd")


def run(*command: str) -> str:
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout


def ip(*arguments: str) -> list[dict[str, Any]]:
    parsed: list[dict[str, Any]] = json.loads(run("ip", "-json", *arguments) or "[]")
    return parsed


def services(names: list[str]) -> Iterator[str]:
    states = run("systemctl", "is-active", *names).split()
    for name, state in zip(names, states, strict=True):
        if state != "active":
            yield f"{name} is {state}; see journalctl --unit {name}"


def station_addresses(interface: str, gateways: Iterable[str]) -> Iterator[str]:
    found = {
        f"{each['local']}/{each['prefixlen']}": each
        for link in ip("address", "show", "dev", interface)
        for each in link.get("addr_info", [])
    }
    for missing in sorted(set(gateways) - found.keys()):
        yield f"{interface} lacks the shared address {missing}; see networkctl status {interface}"
    for other in sorted(found.keys() - set(gateways)):
        yield f"{interface} has the address {other} beside the shared ones; `ip address del {other} dev {interface}`"
    for address, each in found.items():
        if each.get("tentative") or each.get("dadfailed"):
            yield f"{interface}: the kernel looks for duplicates of {address}"
    if not (HOSTAPD_SOCKETS / interface).is_socket():
        yield f"hostapd does not serve {interface}"


def babel_routes(routers: Iterable[str]) -> Iterator[str]:
    routes = [*ip("-4", "route", "show", "proto", "babel"), *ip("-6", "route", "show", "proto", "babel")]
    reached = {route["dst"] for route in routes}
    for missing in sorted(set(routers) - reached):
        yield f"Babel has no route to {missing}; do the backbone interfaces of the two hosts see each other?"


def forwarding() -> Iterator[str]:
    for key in FORWARDING:
        if Path("/proc/sys", key).read_text().strip() != "1":
            yield f"{key.replace('/', '.')} is off; something else on this host sets it"


def differences(expected: dict[str, list[str]]) -> Iterator[str]:
    yield from services(expected["services"])
    for interface in expected["stations"]:
        yield from station_addresses(interface, expected["gateways"])
    yield from babel_routes(expected["routers"])
    yield from forwarding()


if __name__ == "__main__":
    found = list(differences(json.loads(sys.argv[1])))
    print("\n".join(found))
    sys.exit(1 if found else 0)
