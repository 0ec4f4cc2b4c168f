"""Broken inventories: what is said about each, and that a good one passes."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

Inventory = tuple[dict[str, dict[str, Any]], dict[str, list[str]]]

APS = ["ap1", "ap2", "ap3"]
SERVERS = ["flood1"]


def good() -> Inventory:
    common = {
        "sroamd_ipv4_prefix": "192.0.2.0/24",
        "sroamd_ipv6_prefix": "2001:db8:44::/48",
        "sroamd_backbone_interfaces": ["eth1"],
        "sroamd_ssid": "Example",
        "sroamd_passphrase": "correct horse",
        "sroamd_country": "DE",
        "inventory_dir": "/tmp",
    }
    hosts = {
        host: {**common, "sroamd_router_ipv4": f"10.255.0.{number}", "sroamd_router_ipv6": f"fd00:255::{number}"}
        for number, host in enumerate(APS + SERVERS, 1)
    }
    return hosts, {"sroamd_aps": APS, "sroamd_servers": SERVERS}


def everywhere(**changes: Any) -> Inventory:
    hosts, groups = good()
    for variables in hosts.values():
        variables.update(changes)
    return hosts, groups


def on(host: str, **changes: Any) -> Inventory:
    hosts, groups = good()
    hosts[host].update(changes)
    return hosts, groups


def without(host: str, name: str) -> Inventory:
    hosts, groups = good()
    del hosts[host][name]
    return hosts, groups


def test_a_good_inventory_has_no_problem(fleet: ModuleType) -> None:
    assert fleet.check_fleet(*good()) == []


@pytest.mark.parametrize("off", [False, "false", "no"])
def test_babel_may_carry_no_stations_where_a_gateway_knows_them(fleet: ModuleType, off: object) -> None:
    hosts, groups = everywhere(sroamd_babel_host_routes=off)
    hosts["flood1"]["sroamd_uplink_interfaces"] = ["eth0"]
    assert fleet.check_fleet(hosts, groups) == []


def test_a_host_without_direct_routes_follows_babel(fleet: ModuleType) -> None:
    assert fleet.check_fleet(*on("ap2", sroamd_direct_routes=False)) == []


def test_what_playbooks_take_as_extra_variables_is_known(fleet: ModuleType) -> None:
    assert fleet.check_fleet(*everywhere(sroamd_serial=[1, 5])) == []


BROKEN: dict[str, tuple[Inventory, list[str]]] = {
    "duplicate node name": (
        on("ap2", sroamd_node_name="ap1"),
        ["ap2: sroamd_node_name is ap1, which ap1 has too; each host needs its own"],
    ),
    "duplicate router address, written differently": (
        on("ap3", sroamd_router_ipv6="fd00:255:0::1"),
        ["ap3: sroamd_router_ipv6 is fd00:255:0::1, which ap1 has too; each host needs its own"],
    ),
    "impossible prefix": (
        everywhere(sroamd_ipv4_prefix="192.0.2.0/33"),
        [
            "ap1, ap2, ap3 and 1 more: sroamd_ipv4_prefix is 192.0.2.0/33, which is no IPv4 prefix; "
            "write one like 192.0.2.0/24"
        ],
    ),
    "prefix with host bits": (
        everywhere(sroamd_ipv4_prefix="192.0.2.1/24", sroamd_ipv4_gateway="192.0.2.1"),
        [
            "ap1, ap2, ap3 and 1 more: sroamd_ipv4_prefix is 192.0.2.1/24, which is no IPv4 prefix; "
            "192.0.2.0/24 is the prefix"
        ],
    ),
    "IPv6 where IPv4 belongs": (
        everywhere(sroamd_ipv4_prefix="2001:db8::/32", sroamd_ipv4_gateway="192.0.2.1"),
        [
            "ap1, ap2, ap3 and 1 more: sroamd_ipv4_prefix is 2001:db8::/32, which is no IPv4 prefix; "
            "write one like 192.0.2.0/24"
        ],
    ),
    "pool too small": (
        everywhere(sroamd_ipv4_prefix="192.0.2.0/25"),
        ["ap1, ap2, ap3 and 1 more: sroamd_ipv4_prefix is 192.0.2.0/25, too small; it has to be a /24 or larger"],
    ),
    "IPv6 pool too small": (
        everywhere(sroamd_ipv6_prefix="2001:db8:44::/60"),
        ["ap1, ap2, ap3 and 1 more: sroamd_ipv6_prefix is 2001:db8:44::/60, too small; it has to be a /56 or larger"],
    ),
    "not a prefix for hosts": (
        everywhere(sroamd_ipv4_prefix="127.0.0.0/8"),
        [
            "ap1, ap2, ap3 and 1 more: sroamd_ipv4_prefix is 127.0.0.0/8, which is not for hosts; "
            "write one like 192.0.2.0/24"
        ],
    ),
    "prefixes differ": (
        on("ap2", sroamd_ipv4_prefix="198.51.100.0/24", sroamd_ipv4_gateway="198.51.100.1"),
        [
            "the fleet: sroamd_ipv4_prefix differs between hosts ('192.0.2.0/24' on ap1, '198.51.100.0/24' on ap2); "
            "it has to be the same on all",
            "the fleet: sroamd_ipv4_gateway differs between hosts ('192.0.2.1' on ap1, '198.51.100.1' on ap2); "
            "it has to be the same on all",
        ],
    ),
    "anycast address outside its prefix": (
        everywhere(sroamd_ipv4_gateway="203.0.113.1"),
        [
            "ap1, ap2, ap3 and 1 more: sroamd_ipv4_gateway is 203.0.113.1, outside sroamd_ipv4_prefix 192.0.2.0/24; "
            "write one inside it, for example 192.0.2.1"
        ],
    ),
    "anycast address is the broadcast address": (
        everywhere(sroamd_ipv4_gateway="192.0.2.255"),
        [
            "ap1, ap2, ap3 and 1 more: sroamd_ipv4_gateway is 192.0.2.255, the broadcast address of 192.0.2.0/24; "
            "write one inside it, for example 192.0.2.1"
        ],
    ),
    "IPv6 gateway not link-local": (
        everywhere(sroamd_ipv6_gateway="2001:db8:44::1"),
        [
            "ap1, ap2, ap3 and 1 more: sroamd_ipv6_gateway is 2001:db8:44::1, which is not link-local; "
            "write one of fe80::/64, for example fe80::1"
        ],
    ),
    "router address outside its prefix": (
        on("ap1", sroamd_router_ipv4="192.0.2.9"),
        [
            "ap1: sroamd_router_ipv4 is 192.0.2.9, outside sroamd_router_ipv4_prefix 10.255.0.0/24; "
            "write one inside it, for example 10.255.0.1"
        ],
    ),
    "router prefix among the stations": (
        everywhere(sroamd_ipv4_prefix="10.0.0.0/8", sroamd_ipv4_gateway="10.0.0.1"),
        [
            "ap1, ap2, ap3 and 1 more: sroamd_router_ipv4_prefix 10.255.0.0/24 overlaps sroamd_ipv4_prefix 10.0.0.0/8, "
            "where only stations are; write one outside it"
        ],
    ),
    "unknown variable": (
        on("ap1", sroamd_namesevers=["192.0.2.53"]),
        ["ap1: sroamd_namesevers is no variable of the role; did you mean sroamd_nameservers?"],
    ),
    "missing variable": (
        without("ap1", "sroamd_router_ipv4"),
        ["ap1: missing required arguments: sroamd_router_ipv4"],
    ),
    "choice that there is not": (
        on("ap1", sroamd_security="wep"),
        ["ap1: value of sroamd_security must be one of: wpa2-psk, wpa3-sae, wpa2-wpa3, got: wep"],
    ),
    "wrong type": (
        on("ap1", sroamd_mtu="large"),
        [
            "ap1: argument 'sroamd_mtu' is of type str and we were unable to convert to int: "
            "\"'large'\" cannot be converted to an int"
        ],
    ),
    "MTU that IPv6 cannot do with": (
        on("flood1", sroamd_mtu=576),
        ["flood1: sroamd_mtu is 576; write 1280 to 65535, or 0 to tell stations nothing"],
    ),
    "clients asked to do without IPv4 for a minute": (
        on("flood1", sroamd_dhcp_ipv6_only=60),
        ["flood1: sroamd_dhcp_ipv6_only is 60; write 300 to 4294967295, or 0 to tell stations nothing"],
    ),
    "T2 before T1": (
        on("flood1", sroamd_dhcp_renew_at=0.9),
        [
            "flood1: sroamd_dhcp_renew_at is 0.9 and sroamd_dhcp_rebind_at 0.875; write fractions of the lease, "
            "0.1 to 0.95, the second at least 0.04 later"
        ],
    ),
    "advertised too seldom": (
        on("flood1", sroamd_ra_interval=1800),
        [
            "flood1: sroamd_ra_interval is 1800, not less than half of sroamd_ra_router_lifetime (3600); write less",
            "flood1: sroamd_ra_interval is 1800, not less than half of sroamd_ra_preferred_lifetime (3600); write less",
        ],
    ),
    "preferred for longer than valid": (
        on("flood1", sroamd_ra_preferred_lifetime=7201),
        ["flood1: sroamd_ra_preferred_lifetime is longer than sroamd_ra_valid_lifetime; write that or less"],
    ),
    "portal that is none": (
        on("flood1", sroamd_captive_portal="http://portal.example.org/"),
        [
            "flood1: sroamd_captive_portal is http://portal.example.org/; write a URL that starts with https://, or "
            "urn:ietf:params:capport:unrestricted"
        ],
    ),
    "option without a value": (
        on("flood1", sroamd_dhcp_options=[{"code": 66}]),
        ["flood1: sroamd_dhcp_options has {'code': 66}; write a code from 1 to 254, and one value"],
    ),
    "former prefix that is in use": (
        everywhere(sroamd_former_ipv6_prefixes=["2001:db8:44:100::/56", "2001:db8:33::1/48"]),
        [
            "ap1, ap2, ap3 and 1 more: sroamd_former_ipv6_prefixes has 2001:db8:44:100::/56, which is in use by "
            "sroamd_ipv6_prefix; leave it out",
            "ap1, ap2, ap3 and 1 more: sroamd_former_ipv6_prefixes has 2001:db8:33::1/48, which is no IPv6 prefix; "
            "write what sroamd_ipv6_prefix was",
        ],
    ),
    "search list that is not the same everywhere": (
        on("ap2", sroamd_search=["example.org"]),
        [
            "the fleet: sroamd_search differs between hosts ([] on ap1, ['example.org'] on ap2); "
            "it has to be the same on all"
        ],
    ),
    "node name with a space": (
        on("ap1", sroamd_node_name="ap 1"),
        ["ap1: sroamd_node_name 'ap 1' is no name; write 1 to 63 visible characters without spaces"],
    ),
    "interface named twice": (
        on("ap1", sroamd_backbone_interfaces=["wlan0"]),
        ["ap1: interface wlan0 is named twice; stations, backbone and uplink need interfaces of their own"],
    ),
    "interface name too long": (
        on("ap1", sroamd_backbone_interfaces=["a-very-long-name"]),
        ["ap1: 'a-very-long-name' is no interface name; write one as `ip link` shows it"],
    ),
    "access point without backbone": (
        on("ap1", sroamd_backbone_interfaces=[]),
        ["ap1: sroamd_backbone_interfaces is empty; name the interface that leads to the other nodes"],
    ),
    "access point without stations": (
        on("ap1", sroamd_interfaces=[]),
        ["ap1: sroamd_interfaces is empty; name the interface with the stations, or move the host to sroamd_servers"],
    ),
    "uplink that is the backbone": (
        on("flood1", sroamd_uplink_interfaces=["eth1"]),
        ["flood1: interface eth1 is named twice; stations, backbone and uplink need interfaces of their own"],
    ),
    "uplink without backbone": (
        on("flood1", sroamd_uplink_interfaces=["eth0"], sroamd_backbone_interfaces=[]),
        [
            "flood1: sroamd_uplink_interfaces has no use without sroamd_backbone_interfaces, "
            "where Babel tells of the uplink"
        ],
    ),
    "host routes of one host only": (
        on("ap1", sroamd_babel_host_routes=False, sroamd_uplink_interfaces=["eth0"]),
        [
            "the fleet: sroamd_babel_host_routes differs between hosts (False on ap1, True on ap2); "
            "it has to be the same on all"
        ],
    ),
    "neither host routes nor direct routes": (
        everywhere(
            sroamd_babel_host_routes="no", sroamd_direct_routes="false", sroamd_babel_redistribute=["ip ::/0 le 0"]
        ),
        [
            "ap1, ap2, ap3 and 1 more: sroamd_babel_host_routes and sroamd_direct_routes are both false, "
            "so nothing would lead to the stations of other hosts; leave one of them true"
        ],
    ),
    "no host routes, and nobody knows the way in": (
        everywhere(sroamd_babel_host_routes=False),
        [
            "the fleet: sroamd_babel_host_routes is false and no host leads to the rest of the world, "
            "so a router without the agent does, which would not find the stations; "
            "name sroamd_uplink_interfaces of a gateway"
        ],
    ),
    "isolation without the guard": (
        everywhere(sroamd_isolate=True, sroamd_source_guard="no"),
        [
            "ap1, ap2, ap3 and 1 more: sroamd_isolate is the source guard's work, and sroamd_source_guard is false; "
            "leave it true"
        ],
    ),
    "isolation of one host only": (
        on("ap1", sroamd_isolate=True),
        ["the fleet: sroamd_isolate differs between hosts (True on ap1, False on ap2); it has to be the same on all"],
    ),
    "number out of range": (
        everywhere(sroamd_dhcp_lease_time=5),
        ["ap1, ap2, ap3 and 1 more: sroamd_dhcp_lease_time is 5; write 60 to 86400"],
    ),
    "no country": (
        everywhere(sroamd_country=""),
        ["ap1, ap2, ap3: sroamd_country is ''; write two capital letters, for example DE"],
    ),
    "channel of the other band": (
        on("ap1", sroamd_interfaces=[{"name": "wlan0"}, {"name": "wlan1", "hw_mode": "a"}]),
        ["ap1: wlan1 has channel 6 with hw_mode a; write 36 or more, or 0 to let hostapd choose"],
    ),
    "name of a network too long for the air": (
        on("ap1", sroamd_interfaces=[{"name": "wlan0", "ssid": "x" * 33}]),
        ["ap1: the ssid of wlan0 is not 1 to 32 octets long; name the network"],
    ),
    "802.1X without users": (
        everywhere(sroamd_hostapd_driver="wired"),
        ["ap1, ap2, ap3: sroamd_eap_users is empty; with sroamd_hostapd_driver wired somebody has to be let in"],
    ),
}


@pytest.mark.parametrize(("inventory", "sentences"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_inventory_is_described(fleet: ModuleType, inventory: Inventory, sentences: list[str]) -> None:
    assert fleet.check_fleet(*inventory) == sentences


def test_a_host_in_both_groups_is_named(fleet: ModuleType) -> None:
    hosts, groups = good()
    assert fleet.check_fleet(hosts, {**groups, "sroamd_servers": ["flood1", "ap2"]}) == [
        "ap2: is in sroamd_aps and in sroamd_servers; leave it in one"
    ]


def test_a_fleet_without_access_points_is_none(fleet: ModuleType) -> None:
    assert fleet.check_fleet({}, {}) == ["group sroamd_aps: has no host; name the access points in it"]


@pytest.mark.parametrize(
    "change",
    [
        lambda: on("ap2", sroamd_passphrase="another secret"),
        lambda: on("ap2", sroamd_passphrase="seven77"),
        lambda: on("ap2", sroamd_eap_users="a secret that is no list"),
        lambda: on("ap2", sroamd_eap_users=[{"name": "phone", "password": "hush-hush", "psk": "hush-hush"}]),
    ],
)
def test_no_secret_is_told(fleet: ModuleType, change: Callable[[], Inventory]) -> None:
    sentences = fleet.check_fleet(*change())
    assert len(sentences) >= 1
    for secret in ("secret", "seven77", "correct horse", "hush-hush"):
        assert secret not in " ".join(sentences)


def test_what_is_still_a_template_is_named(fleet: ModuleType) -> None:
    assert fleet.check_fleet(*on("ap1", sroamd_ssid="{{ site }}")) == [
        "ap1: sroamd_ssid cannot be worked out: a variable that it names is not defined"
    ]


def test_what_cannot_be_templated_is_named(fleet: ModuleType) -> None:
    from ansible.errors import AnsibleUndefinedVariable

    class Lazy(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            if name == "sroamd_ssid":
                raise AnsibleUndefinedVariable("'site' is undefined")
            return super().__getitem__(name)

    hosts, groups = good()
    hosts["ap1"] = Lazy(hosts["ap1"])
    assert fleet.check_fleet(hosts, groups) == ["ap1: sroamd_ssid cannot be worked out: 'site' is undefined"]
