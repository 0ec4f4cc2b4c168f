"""What a reload takes of a changed file: all of it, or so much that the parts still go together."""

from __future__ import annotations

from dataclasses import fields

import pytest

from sroamd import config_file
from sroamd.config import Config
from sroamd.config_checks import CHECKS
from sroamd.daemon.reload import adopt

BEFORE = """
[node]
name = "ap1"
router_ipv6 = "2001:db8:55::1"
[network]
ipv4_prefix = "192.0.2.0/24"
ipv6_prefix = "2001:db8:44::/48"
ipv4_gateway = "192.0.2.1"
ipv6_gateway = "fe80::1"
[dhcp4]
netmask = "prefix"
ranges = ["192.0.2.10-192.0.2.99"]
exclude = ["192.0.2.16/28"]
routes = [{ prefix = "10.0.0.0/8", via = "192.0.2.9" }]
[[interface]]
name = "wlan0"
[[reservation]]
mac = "02:00:00:00:00:07"
address = "192.0.2.7"
prefix = "2001:db8:44:7::/64"
"""
OTHER_PREFIX = BEFORE.replace("192.0.2.", "198.51.100.")
WITH_ADDRESSES = ["dhcp4.ranges", "dhcp4.exclude", "dhcp4.routes", "reservation"]


def parsed(text: str) -> Config:
    return config_file.parse(text, "sroamd.toml")


def faults(config: Config) -> list[tuple[str, str]]:
    sections = {section.name: getattr(config, section.name) for section in fields(config)}
    return [finding for check in CHECKS for finding in check(sections, config.interfaces)]


@pytest.mark.parametrize(
    ("after", "waiting"),
    [
        (OTHER_PREFIX, ["network.ipv4_prefix", "network.ipv4_gateway", *WITH_ADDRESSES]),
        (
            OTHER_PREFIX.replace("2001:db8:44:", "2001:db8:45:"),
            ["network.ipv4_prefix", "network.ipv4_gateway", "network.ipv6_prefix", *WITH_ADDRESSES],
        ),
        (
            BEFORE.replace('"192.0.2.1"', '"192.0.2.9"')
            .replace(', via = "192.0.2.9"', "")
            .replace('prefix"\nranges', 'host"\nranges'),
            ["network.ipv4_gateway", "dhcp4.netmask", "dhcp4.routes"],
        ),
        (
            BEFORE.replace("2001:db8:55::1", "2001:db8:56::1").replace("2001:db8:44:", "2001:db8:55:"),
            ["node.router_ipv6", "network.ipv6_prefix", "reservation"],
        ),
    ],
    ids=["prefix", "both-prefixes", "gateway", "router"],
)
def test_what_goes_with_addresses_that_wait_for_a_restart_waits_with_them(after: str, waiting: list[str]) -> None:
    """Else stations would be given addresses out of a prefix that is not in force."""
    mixed, told = adopt(parsed(BEFORE), parsed(after))
    assert told == waiting
    assert faults(mixed) == []
    assert adopt(mixed, parsed(after)) == (mixed, waiting), "and a second reload says the same"


def test_exclusions_stay_with_the_prefix_that_they_are_of() -> None:
    after = OTHER_PREFIX.replace('exclude = ["198.51.100.16/28"]', "")
    mixed, told = adopt(parsed(BEFORE), parsed(after))
    assert mixed.dhcp4.exclude == parsed(BEFORE).dhcp4.exclude
    assert "dhcp4.exclude" in told


def test_all_else_of_the_file_is_taken_meanwhile() -> None:
    more = OTHER_PREFIX.replace("[dhcp4]", 'nameservers = ["192.0.2.53"]\n[dhcp4]\nlease_time = 600')
    mixed, _ = adopt(parsed(BEFORE), parsed(more))
    assert (mixed.dhcp4.lease_time, mixed.network.nameservers) == (600, parsed(more).network.nameservers)


def test_pools_are_taken_where_the_prefix_stays() -> None:
    after = BEFORE.replace("192.0.2.10-192.0.2.99", "192.0.2.10-192.0.2.199").replace('"192.0.2.7"', '"192.0.2.8"')
    assert adopt(parsed(BEFORE), parsed(after)) == (parsed(after), [])


def test_interfaces_wait() -> None:
    mixed, told = adopt(parsed(BEFORE), parsed(BEFORE.replace("wlan0", "wlan1")))
    assert (mixed, told) == (parsed(BEFORE), ["interface"])
