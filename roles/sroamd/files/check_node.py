"""Compare this host with what the role has made of it; one line per difference, exit status 1 if there is any.

    check_node.py '{"services": [NAME...], "stations": [INTERFACE...], "gateways": [ADDRESS/LENGTH...],
                    "routers": [ADDRESS...], "direct": "on"|"off"|"only", "uplinks": [INTERFACE...]}'

`gateways` are the only addresses that a station interface has. `routers` are the other nodes' own addresses, to each of
which Babel has a route in the kernel. `direct`: whether there are to be routes to the stations of other nodes, or even
no others, and so a way to each of the routers. If there are `uplinks`, there is a default route by way of one of them.
What is not named is not looked at.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

FORWARDING = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")
HOSTAPD_SOCKETS = Path("/run/hostapd")
SROAMCTL = "/usr/local/bin/sroamctl"
DIRECT = "47"  # the kernel's protocol number of direct routes
SETTLED = 2.0  # seconds, longer than systemd waits to start what has died
IN_MOTION = 10  # direct routes that may come or go while they are counted, or a tenth of all


def run(*command: str) -> str:
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout


def ip(*arguments: str) -> list[dict[str, Any]]:
    parsed: list[dict[str, Any]] = json.loads(run("ip", "-json", *arguments) or "[]")
    return parsed


def states(names: list[str]) -> list[tuple[str, str]]:
    """Of each service, systemd's ActiveState and the number of its process."""
    told = run("systemctl", "show", "--property=MainPID,ActiveState", *names).split("\n\n") if names else []
    properties = [dict(line.split("=", 1) for line in each.splitlines() if line) for each in told]
    return [(each["ActiveState"], each["MainPID"]) for each in properties]


def services(names: list[str]) -> Iterator[str]:
    """Looked at twice, since what dies at once and is started again runs most of the time."""
    before = states(names)
    time.sleep(SETTLED)
    for name, (_, former), (state, process) in zip(names, before, states(names), strict=True):
        if state != "active":
            yield f"{name} is {state}; see journalctl --unit {name}"
        elif process != former:
            yield f"{name} has just been started anew, perhaps since it keeps dying; see journalctl --unit {name}"


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


def direct_routes(switch: str, routers: list[str]) -> Iterator[str]:
    """The kernel drops a direct route with its nexthop object, so each that is there has one; there may be 60,000."""
    objects = ip("nexthop", "show", "protocol", DIRECT)
    listings = [run("ip", version, "route", "show", "table", "all", "proto", DIRECT) for version in ("-4", "-6")]
    routes = sum(listing.count("\n") for listing in listings)
    yield from lookups(listings)
    if switch == "off":
        if objects or routes:
            yield f"direct routes are off, and there are {routes}, by {len(objects)} nexthop objects; restart sroamd"
        return
    if switch == "only" and len(objects) < 2 * len(routers):  # one for each IP version
        yield (
            f"direct routes alone lead to the stations, and of {2 * len(routers)} ways to the other hosts there are "
            f"{len(objects)}; is each up, does it make direct routes, and every router on the way, too?"
        )
    for each in objects:
        if {"dead", "linkdown"} & set(each.get("flags", [])):
            yield f"direct routes by way of {each['gateway']} lead to {each['dev']}, which has no carrier"
    told = json.loads(run(SROAMCTL, "--json", "status") or "{}").get("direct_routes", routes)
    if abs(routes - told) > max(IN_MOTION, told // 10):
        yield f"the agent knows of {told} direct routes, and the kernel has {routes}; see sroamctl check"


def lookups(listings: list[str]) -> Iterator[str]:
    """What is in a table of its own leads nobody anywhere without a rule, which the agent makes."""
    for version, listing in zip(("-4", "-6"), listings, strict=True):
        if " table " in listing and f"lookup {DIRECT}" not in run("ip", "-Numeric", version, "rule", "show"):
            yield f"no rule looks up table {DIRECT} of IPv{version[1:]}: somebody removes it; see journalctl -u sroamd"


def default_route(uplinks: list[str]) -> Iterator[str]:
    found = [ip(version, "route", "show", "default", "dev", uplink) for uplink in uplinks for version in ("-4", "-6")]
    if uplinks and not any(found):
        yield f"no default route leads to the uplink ({', '.join(uplinks)}), so none is announced to the others"


def forwarding() -> Iterator[str]:
    for key in FORWARDING:
        if Path("/proc/sys", key).read_text().strip() != "1":
            yield f"{key.replace('/', '.')} is off; something else on this host sets it"


def differences(expected: dict[str, Any]) -> Iterator[str]:
    routers = expected.get("routers", [])
    yield from services(expected.get("services", []))
    for interface in expected.get("stations", []):
        yield from station_addresses(interface, expected["gateways"])
    yield from babel_routes(routers)
    yield from direct_routes(expected["direct"], routers)
    yield from default_route(expected.get("uplinks", []))
    yield from forwarding()


if __name__ == "__main__":
    found = list(differences(json.loads(sys.argv[1])))
    print("\n".join(found))
    sys.exit(1 if found else 0)
