"""Ranges and reservations that cannot be: what is said about each."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

ALICE = {"mac": "02:00:00:00:01:07", "address": "192.0.2.9", "prefix": "2001:db8:44:7::/64", "hostname": "printer"}
GROUPS = {"sroamd_aps": ["ap1", "ap2"]}


def problems(pools: ModuleType, **variables: Any) -> list[str]:
    base = {"sroamd_ipv4_prefix": "192.0.2.0/24", "sroamd_ipv6_prefix": "2001:db8:44::/48"}
    found: list[str] = pools.check_pools(dict.fromkeys(GROUPS["sroamd_aps"], base | variables), GROUPS)
    return [problem.removeprefix("ap1: ") for problem in found]


def test_good_ones_have_no_problem(pools: ModuleType) -> None:
    bob = {"client_id": "ff:00:00:00:01", "address": "192.0.2.10"}
    ranges = ["192.0.2.10-192.0.2.99", "192.0.2.128/25", "192.0.2.5"]
    assert problems(pools, sroamd_reservations=[ALICE, bob], sroamd_dhcp_ranges=ranges) == []
    assert problems(pools) == []


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        ("192.0.2.9-192.0.2.7", "192.0.2.9-192.0.2.7 ends before it begins; write 192.0.2.7-192.0.2.9"),
        ("198.51.100.0/25", "198.51.100.0/25 is not within sroamd_ipv4_prefix 192.0.2.0/24; write what is"),
        ("7-9", "'7-9' is no range; write one like 192.0.2.10-192.0.2.99 or a prefix like 192.0.2.64/26"),
    ],
)
def test_a_range_that_cannot_be_is_explained(pools: ModuleType, one: str, sentence: str) -> None:
    assert problems(pools, sroamd_dhcp_ranges=[one]) == [f"sroamd_dhcp_ranges: {sentence}"]


BY_ONE = "names not just one of mac and client_id; write the one by which the station is known"
RESERVATIONS: list[tuple[dict[str, Any], str]] = [
    ({"mac": None, "prefix": None}, BY_ONE),
    ({"client_id": "01:02"}, BY_ONE),
    ({"mac": 7}, 'mac 7 is no station\'s; write one like "02:00:00:00:01:07", in quotes'),
    (
        {"mac": "03:00:00:00:01:07"},
        'mac 03:00:00:00:01:07 is no station\'s; write one like "02:00:00:00:01:07", in quotes',
    ),
    (
        {"mac": "", "client_id": "1", "prefix": ""},
        'client_id 1 is none; write its octets like "01:02:00:00:00:01:07", in quotes',
    ),
    ({"mac": "", "client_id": "01:02"}, "prefix needs mac; IPv6 knows no client_id"),
    (
        {"address": "", "prefix": "", "hostname": ""},
        "reserves nothing; write an address, a prefix or a hostname",
    ),
    (
        {"address": "198.51.100.7"},
        "address 198.51.100.7 is outside sroamd_ipv4_prefix 192.0.2.0/24; write one within it",
    ),
    (
        {"address": "192.0.2.1"},
        "address 192.0.2.1 is the gateway's, the network's or for broadcast; write another of 192.0.2.0/24",
    ),
    ({"address": "x"}, "address 'x' is no IPv4 address; write one of 192.0.2.0/24"),
    ({"prefix": "2001:db8:44::/63"}, "prefix '2001:db8:44::/63' is no IPv6 /64; write one of 2001:db8:44::/48"),
    (
        {"prefix": "2001:db8:45::/64"},
        "prefix 2001:db8:45::/64 is outside sroamd_ipv6_prefix 2001:db8:44::/48; write one within it",
    ),
    ({"hostname": "a b"}, "hostname 'a b' is none; write at most 63 letters, digits, hyphens and dots"),
]


@pytest.mark.parametrize(("change", "sentence"), RESERVATIONS)
def test_a_reservation_that_cannot_be_is_explained(pools: ModuleType, change: dict[str, Any], sentence: str) -> None:
    assert problems(pools, sroamd_reservations=[ALICE | change]) == [f"sroamd_reservations[1]: {sentence}"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"mac": "02:00:00:00:01:07"}, "mac 02:00:00:00:01:07 is in reservation 1 too; each may be there once"),
        ({"address": "192.0.2.9"}, "address 192.0.2.9 is in reservation 1 too; each may be there once"),
        (
            {"prefix": "2001:db8:44:7:0::/64"},
            "prefix 2001:db8:44:7:0::/64 is in reservation 1 too; each may be there once",
        ),
    ],
)
def test_what_is_reserved_twice_is_named(pools: ModuleType, change: dict[str, Any], sentence: str) -> None:
    bob = {"mac": "02:00:00:00:01:08", "address": "192.0.2.10"} | change
    assert problems(pools, sroamd_reservations=[ALICE, bob]) == [f"sroamd_reservations[2]: {sentence}"]


def test_what_the_check_of_the_fleet_speaks_about_is_passed_over(pools: ModuleType) -> None:
    assert problems(pools, sroamd_ipv4_prefix="192.0.2.0/42", sroamd_reservations=[{"mac": "x"}]) == []
    assert problems(pools, sroamd_reservations="x", sroamd_dhcp_ranges=None) == []
    assert pools.check_pools({}, {}) == []
