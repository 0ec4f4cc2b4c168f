"""Ranges, exclusions and reservations in the configuration file, and what is said of those that cannot be."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Network

import pytest

from sroamd.addresses import Mac
from sroamd.config import Reservation
from sroamd.config_file import ConfigError, parse
from sroamd.config_pools import addresses_of
from sroamd.spans import Spans

BASE = """
[node]
name = "ap1"
[network]
ipv4_prefix = "192.0.2.0/24"
ipv6_prefix = "2001:db8:44::/48"
ipv4_gateway = "192.0.2.1"
ipv6_gateway = "fe80::1"
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(BASE + text, "ap.toml")
    return [problem.removeprefix("ap.toml: ") for problem in caught.value.problems]


def addresses(text: str) -> list[str]:
    config = parse(BASE + text, "ap.toml")
    return [str(IPv4Address(number)) for number in addresses_of(config.network, config.dhcp4)]


def test_ranges_are_first_and_last_or_a_prefix_without_exclusions_and_gateway() -> None:
    text = (
        '[dhcp4]\nranges = ["192.0.2.0 - 192.0.2.3", "192.0.2.248/29", "192.0.2.250"]\nexclude = ["192.0.2.252/31"]\n'
    )
    assert addresses(text) == [f"192.0.2.{each}" for each in (2, 3, 248, 249, 250, 251, 254)]


def test_without_ranges_all_of_the_prefix_is_given_out() -> None:
    assert len(addresses("")) == 253


def test_reservations_are_read() -> None:
    text = """
[[reservation]]
mac = "02:00:00:00:01:07"
address = "192.0.2.9"
prefix = "2001:db8:44:7::/64"
hostname = "printer.example"
[[reservation]]
client_id = "ff:00:00:00:01:00:01"
address = "192.0.2.10"
"""
    assert parse(BASE + text, "ap.toml").reservations == (
        Reservation(
            mac=Mac.parse("02:00:00:00:01:07"),
            address=IPv4Address("192.0.2.9"),
            prefix=IPv6Network("2001:db8:44:7::/64"),
            hostname="printer.example",
        ),
        Reservation(client_id=bytes.fromhex("ff000000010001"), address=IPv4Address("192.0.2.10")),
    )


ALICE = 'mac = "02:00:00:00:01:07"\n'

RANGES = {
    'ranges = ["192.0.2.9-192.0.2.7"]': (
        'dhcp4.ranges: item 1: "192.0.2.9-192.0.2.7" ends before it begins; write "192.0.2.7-192.0.2.9"'
    ),
    'ranges = ["192.0.2.9-198.51.100.9"]': (
        "dhcp4.ranges: 192.0.2.9-198.51.100.9 is not within network.ipv4_prefix 192.0.2.0/24; write what is"
    ),
    'ranges = ["192.0.2.1"]': "dhcp4.ranges: leaves no address of 192.0.2.0/24 to stations; write larger ranges",
    'ranges = ["192.0.2.9"]\nexclude = ["192.0.2.8/30"]': (
        "dhcp4.exclude: leaves no address of 192.0.2.0/24 to stations; exclude less"
    ),
}
RESERVATIONS = {
    'address = "192.0.2.9"': (
        "[#1]: names not just one of mac and client_id; write the one by which the station is known"
    ),
    ALICE: "[#1]: reserves nothing; write an address, a prefix or a hostname",
    ALICE + 'client_id = "01:02"\naddress = "192.0.2.9"': (
        "[#1]: names not just one of mac and client_id; write the one by which the station is known"
    ),
    ALICE + 'address = "198.51.100.9"': (
        "[#1].address: 198.51.100.9 is outside network.ipv4_prefix 192.0.2.0/24; write one within it"
    ),
    ALICE + 'address = "192.0.2.1"': "[#1].address: 192.0.2.1 is the gateway; write another of 192.0.2.0/24",
    ALICE
    + 'address = "192.0.2.255"': "[#1].address: 192.0.2.255 is the broadcast address; write another of 192.0.2.0/24",
    ALICE + 'prefix = "2001:db8:44::/63"': (
        "[#1].prefix: 2001:db8:44::/63 is no IPv6 /64; each station has one, like 2001:db8:44:7::/64"
    ),
    ALICE + 'prefix = "2001:db8:45::/64"': (
        "[#1].prefix: 2001:db8:45::/64 is outside network.ipv6_prefix 2001:db8:44::/48; write one within it"
    ),
    'client_id = "01:02"\nprefix = "2001:db8:44::/64"': "[#1].prefix: needs mac; IPv6 knows no client_id",
    'client_id = "01:2"\naddress = "192.0.2.9"': (
        '[#1].client_id: "01:2" is no client identifier; write its octets like "01:02:00:00:00:01:07", type first'
    ),
    'client_id = "01"\naddress = "192.0.2.9"': "[#1].client_id: has 1 octets; a client identifier has 2 to 135",
    'mac = "03:00:00:00:01:07"\naddress = "192.0.2.9"': (
        "[#1].mac: 03:00:00:00:01:07 is no station's; write that of one, like 02:00:00:00:01:07"
    ),
    ALICE + 'hostname = "a b"': (
        "[#1].hostname: 'a b' is no host name; write at most 63 letters, digits, hyphens and dots"
    ),
    ALICE + 'adress = "192.0.2.9"': "[#1].adress: unknown key; did you mean address?",
}
TWICE = {
    ALICE + 'address = "192.0.2.10"': "[#2].mac: 02:00:00:00:01:07 is in reservation #1 too; each may be there once",
    'mac = "02:00:00:00:01:08"\naddress = "192.0.2.9"': (
        "[#2].address: 192.0.2.9 is in reservation #1 too; each may be there once"
    ),
    'mac = "02:00:00:00:01:08"\nprefix = "2001:db8:44:7::/64"': (
        "[#2].prefix: 2001:db8:44:7::/64 is in reservation #1 too; each may be there once"
    ),
}


@pytest.mark.parametrize(("text", "message"), RANGES.items(), ids=range(len(RANGES)))
def test_ranges_that_cannot_be_are_explained(text: str, message: str) -> None:
    assert problems(f"[dhcp4]\n{text}\n") == [message]


@pytest.mark.parametrize(("text", "message"), RESERVATIONS.items(), ids=range(len(RESERVATIONS)))
def test_a_reservation_that_cannot_be_is_explained(text: str, message: str) -> None:
    assert problems(f"[[reservation]]\n{text}\n")[0] == f"reservation{message}"


@pytest.mark.parametrize(("text", "message"), TWICE.items(), ids=range(len(TWICE)))
def test_what_is_reserved_twice_is_named(text: str, message: str) -> None:
    first = f'[[reservation]]\n{ALICE}address = "192.0.2.9"\nprefix = "2001:db8:44:7::/64"\n'
    assert problems(f"{first}[[reservation]]\n{text}\n") == [f"reservation{message}"]


def test_a_reservation_that_cannot_be_read_does_not_hide_the_number_of_another() -> None:
    first, second = '[[reservation]]\nmac = "x"\n', '[[reservation]]\naddress = "192.0.2.1"\n' + ALICE
    assert [line.partition(":")[0] for line in problems(first + second)] == [
        "reservation[#1].mac",
        "reservation[#2].address",
    ]


def test_an_address_may_be_reserved_outside_the_ranges_and_nothing_else_be_given_out() -> None:
    text = f'[dhcp4]\nexclude = ["192.0.2.0/24"]\n[[reservation]]\n{ALICE}address = "192.0.2.9"\n'
    assert addresses(text) == []


def test_spans_count_and_find_like_a_list() -> None:
    spans = Spans([(10, 20), (15, 25), (40, 41), (1, 2)], without=[(12, 13), (24, 40), (100, 200)])
    plain = [1, 2, 10, 11, *range(14, 24), 41]
    assert list(spans) == plain
    assert spans.size == len(plain)
    assert [spans.index(number) for number in plain] == list(range(len(plain)))
    assert [spans.at(index) for index in range(len(plain))] == plain
    assert all((number in spans) == (number in plain) for number in range(50))
    with pytest.raises(IndexError):
        spans.at(len(plain))
