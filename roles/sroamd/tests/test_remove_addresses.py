"""Addresses that an interface should no longer have."""

from __future__ import annotations

import json
from types import ModuleType

import pytest

ANY = ["0.0.0.0/0", "::/0"]


@pytest.mark.parametrize(
    ("found", "keep", "within", "removed"),
    [
        (["192.0.2.1/32", "fe80::1/64"], ["192.0.2.1/32", "fe80::1/64"], ANY, []),
        (["192.0.2.1/32", "192.0.2.9/32"], ["192.0.2.9/32"], ANY, ["192.0.2.1/32"]),
        (["192.0.2.1/24", "192.0.2.1/32"], ["192.0.2.1/32"], ANY, ["192.0.2.1/24"]),
        (["fe80::1/64", "fe80::ff:fe00:7/64"], ["fe80::1/64"], ANY, ["fe80::ff:fe00:7/64"]),
        (["198.51.100.7/24", "10.255.0.1/32"], ["10.255.0.2/32"], ["10.255.0.0/24"], ["10.255.0.1/32"]),
    ],
)
def test_only_unwanted_addresses_go(
    remove_addresses: ModuleType, found: list[str], keep: list[str], within: list[str], removed: list[str]
) -> None:
    assert remove_addresses.unwanted(found, keep, within) == removed


def test_nothing_goes_while_the_new_address_is_not_there(
    remove_addresses: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def ip(*arguments: str) -> str:
        asked.append(arguments)
        return json.dumps([{"addr_info": [{"local": "192.0.2.1", "prefixlen": 32}]}])

    monkeypatch.setattr(remove_addresses, "ip", ip)
    with pytest.raises(SystemExit, match=r"wlan0 lacks 192.0.2.9/32; .* Nothing was removed"):
        remove_addresses.clean("wlan0", ["192.0.2.9/32"], ANY)
    assert asked == [("-json", "address", "show", "dev", "wlan0")]
