"""Remove addresses that interfaces should not have, say, those that the role gave them before the inventory changed.

    remove_addresses.py '[{"interface": NAME, "keep": [ADDRESS/LENGTH...], "within": [PREFIX...]}...]'

Of the addresses inside the prefixes, only those to keep stay; others are not looked at. Prints what it removed.
It must run when the new addresses are there: with the last IPv4 address of an interface go all its routes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from ipaddress import ip_interface, ip_network
from typing import Any


def ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


def unwanted(found: Iterable[str], keep: Iterable[str], within: Iterable[str]) -> list[str]:
    """Which of the addresses ("192.0.2.1/32") have to go."""
    kept = {ip_interface(address) for address in keep}
    prefixes = [ip_network(prefix) for prefix in within]
    return [
        address
        for address in found
        if ip_interface(address) not in kept and any(ip_interface(address).ip in prefix for prefix in prefixes)
    ]


def clean(interface: str, keep: list[str], within: list[str]) -> list[str]:
    links: list[dict[str, Any]] = json.loads(ip("-json", "address", "show", "dev", interface))
    found = [f"{each['local']}/{each['prefixlen']}" for link in links for each in link.get("addr_info", [])]
    if not set(keep) <= set(found):
        lacking = ", ".join(sorted(set(keep) - set(found)))
        sys.exit(f"{interface} lacks {lacking}; see networkctl status {interface}. Nothing was removed")
    removed = unwanted(found, keep, within)
    for address in removed:
        ip("address", "delete", address, "dev", interface)
    return [f"{interface} {address}" for address in removed]


if __name__ == "__main__":
    for wish in json.loads(sys.argv[1]):
        for line in clean(**wish):
            print(line)
