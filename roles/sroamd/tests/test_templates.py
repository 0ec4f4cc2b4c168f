"""What the templates make of the variables, held against the programs' own rules where they can be asked."""

from __future__ import annotations

import configparser
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Any

import pytest

from sroamd import config_file
from sroamd.config import Dhcp4Config, Dhcp6Config, DhcpOption, Ipv4Route, Ipv6Route, NetworkConfig, RaConfig

Render = Callable[..., str]


def settings(text: str) -> dict[str, str]:
    """hostapd.conf as hostapd reads it: the last line of a name counts."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def hostapd(render: Render, **variables: Any) -> dict[str, str]:
    defaults = {
        "item": {"name": "wlan0"},
        "sroamd_ssid": "Example",
        "sroamd_country": "DE",
        "sroamd_passphrase": "12345678",
    }
    return settings(render("hostapd.conf.j2", **{**defaults, **variables}))


@pytest.mark.parametrize(("servers", "leaf"), [(["srv1", "srv2"], "true"), (["ap1"], "false"), ([], "false")])
def test_access_points_with_servers_are_leaves_of_the_flooding(render: Render, servers: list[str], leaf: str) -> None:
    groups = {"sroamd_aps": ["ap1"], "sroamd_servers": servers}
    assert f"leaf = {leaf}\n" in render("sroamd.toml.j2", groups=groups)


def test_the_agent_understands_its_configuration(render: Render) -> None:
    text = render("sroamd.toml.j2", sroamd_nameservers=["192.0.2.53"], sroamd_dhcp_exclude=["192.0.2.240/28"])
    config = config_file.parse(text, "sroamd.toml")
    assert config.node.name == "ap1"
    assert config.node.router_ipv4 == IPv4Address("10.255.0.1")
    assert [(one.name, one.hostapd_socket) for one in config.interfaces] == [("wlan0", "/run/hostapd/wlan0")]
    assert config.flood.listen == ("::", 4444)
    assert config.flood.peers == (("fd00:255::2", 4444),)
    assert IPv6Network("fd00:255::/64") in config.flood.allow
    assert not config.flood.leaf
    assert config.babel.interfaces == ("bb0",)
    assert (config.routes.direct, config.routes.announced) == (True, True)
    assert config.dhcp4.exclude == (IPv4Network("192.0.2.240/28"),)


def test_by_default_the_role_tells_stations_what_the_agent_would(render: Render) -> None:
    config = config_file.parse(render("sroamd.toml.j2"), "sroamd.toml")
    assert (config.dhcp4, config.dhcp6, config.ra) == (Dhcp4Config(), Dhcp6Config(), RaConfig())
    network = config.network
    assert network == NetworkConfig(
        network.ipv4_prefix, network.ipv6_prefix, network.ipv4_gateway, network.ipv6_gateway
    )


def test_all_that_stations_can_be_told_reaches_the_agent(render: Render) -> None:
    text = render(
        "sroamd.toml.j2",
        sroamd_domain="example.org",
        sroamd_search=["example.org", "lab.example.org"],
        sroamd_ntp_servers=["192.0.2.123"],
        sroamd_captive_portal="https://portal.example.org/api",
        sroamd_former_ipv6_prefixes=["2001:db8:33::/48"],
        sroamd_mtu=1400,
        sroamd_dhcp_netmask="prefix",
        sroamd_dhcp_renew_at=0.4,
        sroamd_dhcp_rebind_at=0.8,
        sroamd_dhcp_rapid_commit="yes",
        sroamd_dhcp_ipv6_only=1800,
        sroamd_dhcp_auto_configure="forbid",
        sroamd_dhcp_routes=[{"prefix": "10.0.0.0/8"}, {"prefix": "198.51.100.0/24", "via": "192.0.2.9"}],
        sroamd_dhcp_options=[
            {"code": 66, "text": 'boot "1"\n', "always": True},
            {"code": 150, "addresses": ["192.0.2.5"]},
            {"code": 13, "u16": 513},
        ],
        sroamd_dhcp6_stateless=True,
        sroamd_nat64_prefix="64:ff9b::/96",
        sroamd_ra_routes=[{"prefix": "2001:db8:1::/48", "preference": "high"}],
        sroamd_ra_interval=600,
        sroamd_ra_router_lifetime=1800,
        sroamd_ra_preferred_lifetime=1900,
        sroamd_ra_valid_lifetime=7300,
        sroamd_ra_withdraw=True,
    )
    config = config_file.parse(text, "sroamd.toml")
    network = config.network
    assert (network.domain, network.search) == ("example.org", ("example.org", "lab.example.org"))
    assert (network.ntp_servers, network.mtu) == ((IPv4Address("192.0.2.123"),), 1400)
    assert network.captive_portal == "https://portal.example.org/api"
    assert network.former_ipv6_prefixes == (IPv6Network("2001:db8:33::/48"),)
    assert config.dhcp4 == Dhcp4Config(
        netmask="prefix",
        renew_at=0.4,
        rebind_at=0.8,
        rapid_commit=True,
        ipv6_only=1800,
        auto_configure=False,
        routes=(
            Ipv4Route(IPv4Network("10.0.0.0/8")),
            Ipv4Route(IPv4Network("198.51.100.0/24"), IPv4Address("192.0.2.9")),
        ),
        options=(
            DhcpOption(66, b'boot "1"\n', always=True),
            DhcpOption(150, bytes((192, 0, 2, 5))),
            DhcpOption(13, b"\2\1"),
        ),
    )
    assert config.dhcp6.stateless
    assert config.ra == RaConfig(
        interval=600,
        router_lifetime=1800,
        preferred_lifetime=1900,
        valid_lifetime=7300,
        nat64_prefix=IPv6Network("64:ff9b::/96"),
        routes=(Ipv6Route(IPv6Network("2001:db8:1::/48"), "high"),),
        withdraw=True,
    )


def test_stations_keep_their_routes_to_former_prefixes(render: Render) -> None:
    former = {"sroamd_former_ipv6_prefixes": ["2001:db8:33::/48"]}
    assert "redistribute ip 2001:db8:33::/48 proto 45 metric 32768\n" in render("babeld.conf.j2", **former)
    gateway = render("sroamd-gateway.service.j2", **former)
    assert "ExecStart=/usr/bin/ip -6 route replace unreachable 2001:db8:33::/48 proto" in gateway
    assert gateway.count("ExecStop=") == 2


def test_the_agent_understands_ranges_and_reservations(render: Render) -> None:
    text = render(
        "sroamd.toml.j2",
        sroamd_dhcp_ranges=["192.0.2.10-192.0.2.99"],
        sroamd_reservations=[
            {
                "mac": "02:00:00:00:01:07",
                "address": "192.0.2.200",
                "prefix": "2001:db8:44:7::/64",
                "hostname": "printer",
            },
            {"client_id": "ff:00:01", "address": "192.0.2.201", "mac": None},
        ],
        sroamd_dhcp_decline_time=600,
        sroamd_pool_alarm=25,
    )
    config = config_file.parse(text, "sroamd.toml")
    assert config.dhcp4.ranges == ((IPv4Address("192.0.2.10"), IPv4Address("192.0.2.99")),)
    assert (config.dhcp4.decline_time, config.network.pool_alarm) == (600, 25)
    assert [one.address for one in config.reservations] == [IPv4Address("192.0.2.200"), IPv4Address("192.0.2.201")]
    assert [one.hostname for one in config.reservations] == ["printer", None]
    assert config.reservations[1].client_id == b"\xff\0\x01"


@pytest.mark.parametrize("off", [False, "false"])
def test_direct_routes_can_be_switched_off(render: Render, off: object) -> None:
    assert not config_file.parse(render("sroamd.toml.j2", sroamd_direct_routes=off), "sroamd.toml").routes.direct


@pytest.mark.parametrize("off", [False, "false"])
def test_what_babel_does_not_carry_it_does_not_see_and_it_is_looked_up_while_the_agent_is_away(
    render: Render, off: object
) -> None:
    assert "rule del" in render("sroamd.service.j2")
    without = {"sroamd_babel_host_routes": off}
    assert not config_file.parse(render("sroamd.toml.j2", **without), "sroamd.toml").routes.announced
    assert "rule del" not in render("sroamd.service.j2", **without)


@pytest.mark.parametrize("off", [False, "false"])
def test_source_guard_can_be_switched_off(render: Render, off: object) -> None:
    guard = config_file.parse(render("sroamd.toml.j2"), "sroamd.toml").guard
    assert (guard.enabled, guard.isolate) == (True, False)
    assert not config_file.parse(render("sroamd.toml.j2", sroamd_source_guard=off), "sroamd.toml").guard.enabled
    assert config_file.parse(render("sroamd.toml.j2", sroamd_isolate="true"), "sroamd.toml").guard.isolate


def test_a_server_has_no_interfaces(render: Render) -> None:
    config = config_file.parse(render("sroamd.toml.j2", sroamd_interfaces=[]), "sroamd.toml")
    assert config.interfaces == ()


def test_a_node_name_cannot_break_out_of_its_string(render: Render) -> None:
    name = 'ap"\\1'
    assert config_file.parse(render("sroamd.toml.j2", sroamd_node_name=name), "sroamd.toml").node.name == name


def test_babeld_has_the_configuration_that_was_measured(render: Render) -> None:
    lines = [line for line in render("babeld.conf.j2").splitlines() if not line.startswith("#")]
    assert lines == [
        "default type wired split-horizon false hello-interval 0.19 update-interval 16",
        "smoothing-half-life 0",
        "kernel-priority 1024",
        "interface bb0",
        "redistribute ip 10.255.0.0/24 ge 32 local allow",
        "redistribute ip fd00:255::/64 ge 128 local allow",
        "redistribute ip 192.0.2.0/24 proto 45 metric 32768",
        "redistribute ip 2001:db8:44::/48 proto 45 metric 32768",
        "redistribute proto 44 metric 256",
        "redistribute local deny",
        "redistribute deny",
    ]


def test_further_redistribution_comes_before_what_forbids_the_rest(render: Render) -> None:
    lines = render("babeld.conf.j2", sroamd_babel_redistribute=["ip ::/0 le 0 metric 128"]).splitlines()
    assert lines.index("redistribute ip ::/0 le 0 metric 128") < lines.index("redistribute local deny")


@pytest.mark.parametrize("off", [False, "false"])
def test_without_host_routes_babel_carries_the_hosts_own_addresses(render: Render, off: object) -> None:
    lines = render("babeld.conf.j2", sroamd_babel_host_routes=off).splitlines()
    assert [line for line in lines if line.startswith("redistribute")] == [
        "redistribute ip 10.255.0.0/24 ge 32 local allow",
        "redistribute ip fd00:255::/64 ge 128 local allow",
        "redistribute local deny",
        "redistribute deny",
    ]


def announced_by_a_gateway(render: Render, **variables: Any) -> list[str]:
    gateway = {"sroamd_interfaces": [], "sroamd_uplink_interfaces": ["eth0"], **variables}
    lines = render("babeld.conf.j2", **gateway).splitlines()
    return [line for line in lines if line.startswith("redistribute ip ") and "255" not in line]


def test_a_gateway_announces_the_default_routes_of_its_uplink_whoever_made_them(render: Render) -> None:
    defaults = [
        "redistribute ip 0.0.0.0/0 le 0 if eth0 metric 128",
        "redistribute ip 0.0.0.0/0 le 0 if eth0 proto 3 metric 128",
        "redistribute ip ::/0 le 0 if eth0 metric 128",
        "redistribute ip ::/0 le 0 if eth0 proto 3 metric 128",
    ]
    assert announced_by_a_gateway(render)[2:] == defaults


def test_a_gateway_announces_all_stations_at_once_where_babel_does_not_carry_each(render: Render) -> None:
    assert announced_by_a_gateway(render, sroamd_babel_host_routes=False)[4:] == [
        "redistribute ip 192.0.2.0/24 proto 46 metric 128",
        "redistribute ip 2001:db8:44::/48 proto 46 metric 128",
    ]


def test_packets_for_no_station_end_at_the_gateway(render: Render) -> None:
    unit = render("sroamd-gateway.service.j2", sroamd_uplink_interfaces=["eth0"])
    assert "ExecStart=/usr/bin/ip -4 route replace unreachable 192.0.2.0/24 proto 46 metric 4096\n" in unit
    assert "ExecStart=/usr/bin/ip -6 route replace unreachable 2001:db8:44::/48 proto 46 metric 4096\n" in unit
    after = next(
        line
        for line in render("sroamd.service.j2", sroamd_uplink_interfaces=["eth0"]).splitlines()
        if line.startswith("After=")
    )
    assert "sroamd-gateway.service" in after


@pytest.mark.parametrize(
    ("security", "key_management", "frame_protection", "fast_transition"),
    [
        ("wpa2-psk", "WPA-PSK FT-PSK", "1", True),
        ("wpa3-sae", "SAE", "2", False),
        ("wpa2-wpa3", "WPA-PSK SAE", "1", False),
    ],
)
def test_each_kind_of_security(
    render: Render, security: str, key_management: str, frame_protection: str, fast_transition: bool
) -> None:
    made = hostapd(render, sroamd_security=security)
    assert made["wpa_key_mgmt"] == key_management
    assert made["ieee80211w"] == frame_protection
    assert ("ft_psk_generate_local" in made) == fast_transition
    assert ("mobility_domain" in made) == fast_transition
    assert made["ap_isolate"] == "1"
    assert made["wpa_passphrase"] == "12345678"


def test_access_points_of_one_network_share_a_mobility_domain(render: Render) -> None:
    here = hostapd(render)["mobility_domain"]
    assert hostapd(render, inventory_hostname="ap2", sroamd_channel=11)["mobility_domain"] == here
    assert hostapd(render, sroamd_ssid="Another")["mobility_domain"] != here
    assert len(bytes.fromhex(here)) == 2


def test_an_interface_has_settings_of_its_own(render: Render) -> None:
    radio = {"name": "wlan1", "hw_mode": "a", "channel": 36, "ssid": "Five", "hostapd_extra": ["ieee80211ax=1"]}
    made = hostapd(render, item=radio, sroamd_hostapd_extra=["ap_max_inactivity=60"])
    assert (made["interface"], made["hw_mode"], made["channel"], made["ssid"]) == ("wlan1", "a", "36", "Five")
    assert (made["ieee80211ac"], made["ieee80211ax"], made["ap_max_inactivity"]) == ("1", "1", "60")


def test_a_wired_interface_speaks_8021x(render: Render) -> None:
    made = hostapd(render, sroamd_hostapd_driver="wired")
    assert made["driver"] == "wired"
    assert made["ieee8021x"] == "1"
    assert "ssid" not in made
    assert "wpa_passphrase" not in made


@pytest.mark.parametrize(
    ("interfaces", "files"),
    [
        (["wlan0"], "/etc/hostapd/hostapd.conf"),
        (
            ["wlan0", "wlan1", "wlan2"],
            "/etc/hostapd/hostapd.conf /etc/hostapd/hostapd-wlan1.conf /etc/hostapd/hostapd-wlan2.conf",
        ),
    ],
)
def test_one_daemon_gets_the_files_of_all_interfaces(render: Render, interfaces: list[str], files: str) -> None:
    text = render("hostapd.override.conf.j2", sroamd_interfaces=[{"name": name} for name in interfaces])
    assert f"ExecStart=/usr/sbin/hostapd -B -P /run/hostapd.pid {files}\n" in text


def test_hostapd_finds_out_what_the_country_allows(render: Render) -> None:
    reload = "ExecStartPre=-/usr/sbin/iw reg reload\n"
    assert reload in render("hostapd.override.conf.j2")
    assert reload not in render("hostapd.override.conf.j2", sroamd_hostapd_driver="wired")


def test_shared_addresses_are_never_looked_for_twice(render: Render) -> None:
    network = render("10-sroamd-stations.network.j2")
    assert network.count("[Address]") == network.count("DuplicateAddressDetection=none") == 2
    parameters = render("sysctl.conf.j2")
    assert "net/ipv6/conf/wlan0/accept_dad = 0" in parameters


def test_kernel_parameters_of_stations_are_not_those_of_the_backbone(render: Render) -> None:
    text = render("sysctl.conf.j2", sroamd_dhcp_netmask="prefix", sroamd_accept_ra_interfaces=["eth0"])
    assert "net/ipv4/conf/wlan0/proxy_arp = 1" in text
    assert "net/ipv4/conf/wlan0/proxy_arp_pvlan = 1" in text
    assert "bb0/proxy_arp" not in text
    assert "net/ipv6/conf/wlan0/accept_untracked_na = 1" in text
    assert "bb0/accept_untracked_na" not in text
    assert "net/ipv6/conf/eth0/accept_ra = 2" in text
    assert "proxy_arp = 0" in render("sysctl.conf.j2")


def test_a_host_accepts_advertisements_before_it_forwards(render: Render) -> None:
    """Else the kernel has dropped the default route when it learns that it may keep it."""
    text = render("sysctl.conf.j2", sroamd_accept_ra_interfaces=["eth0"])
    assert text.index("eth0/accept_ra = 2") < text.index("forwarding = 1")


def test_stations_never_reach_the_flooding_port(render: Render) -> None:
    rules = render("nftables.conf.j2", sroamd_flood_allow=["10.255.0.0/24", "fd00:255::/64", "203.0.113.7"])
    inbound = rules[rules.index("chain flooding") :]
    assert inbound.index("iifname @stations counter drop") < inbound.index("ip saddr @nodes4 accept")
    assert "elements = { 10.255.0.0/24, 203.0.113.7 }" in rules
    assert "@stations" not in render("nftables.conf.j2", sroamd_interfaces=[])


@pytest.mark.parametrize(
    ("distribution", "version", "has_switch"),
    [("Debian", "12.11", False), ("Debian", "13.1", True), ("Ubuntu", "24.04", False), ("Ubuntu", "25.10", True)],
)
def test_a_networkd_that_manages_nexthop_objects_leaves_those_of_others(
    render: Render, distribution: str, version: str, has_switch: bool
) -> None:
    text = render("networkd.conf.j2", ansible_facts={"distribution": distribution, "distribution_version": version})
    assert ("ManageForeignNextHops=no" in text) == has_switch


@pytest.mark.parametrize(
    "unit", ["sroamd.service.j2", "babeld.service.j2", "sroamd-firewall.service.j2", "sroamd-gateway.service.j2"]
)
def test_units_have_their_three_sections(render: Render, unit: str) -> None:
    parser = configparser.RawConfigParser(strict=False, delimiters="=")
    parser.read_string(render(unit))
    assert parser.sections() == ["Unit", "Service", "Install"]


def test_the_agent_starts_after_what_it_needs(render: Render) -> None:
    after = next(line for line in render("sroamd.service.j2").splitlines() if line.startswith("After="))
    assert after.split() == [
        *["After=network.target", "systemd-networkd.service", "sroamd-firewall.service", "babeld.service"],
        "hostapd.service",
    ]
    assert "hostapd.service" not in render("sroamd.service.j2", sroamd_interfaces=[])
