"""The configuration file: what is read, and what the operator is told when it cannot be."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest

from sroamd.addresses import NodeId
from sroamd.config import (
    Config,
    Dhcp4Config,
    DhcpOption,
    FloodConfig,
    GuardConfig,
    InterfaceConfig,
    Ipv4Route,
    Ipv6Route,
    NetworkConfig,
    NodeConfig,
    RaConfig,
)
from sroamd.config_file import ConfigError, load, parse

NETWORK = """
[network]
ipv4_prefix = "192.0.2.0/24"
ipv6_prefix = "2001:db8:44::/48"
ipv4_gateway = "192.0.2.1"
ipv6_gateway = "fe80::1"
"""

MINIMAL = '[node]\nname = "ap1"\n' + NETWORK

FULL = """
[node]
name = "ap1"
id = "02:00:00:ff:fe:00:00:01"
state_dir = "/var/lib/sroamd/ap1"
router_ipv4 = "10.255.0.1"
router_ipv6 = "fd00:255::1"
flush_on_exit = true
[network]
ipv4_prefix = "192.0.2.0/24"
ipv6_prefix = "2001:db8:44::/48"
ipv4_gateway = "192.0.2.1"
ipv6_gateway = "fe80::1"
nameservers = ["192.0.2.53", "2001:db8::53"]
domain = "Example.org."
search = ["example.org", "lab.example.org"]
ntp_servers = ["192.0.2.123", "2001:db8::123"]
captive_portal = "https://portal.example.org/api"
former_ipv6_prefixes = ["2001:db8:33::/48"]
mtu = 1400
[[interface]]
name = "wlan0"
[[interface]]
name = "wlan1"
stations = "hostapd"
hostapd_socket = "/run/other/wlan1"
[flood]
listen = "[::]:4444"
peers = ["10.255.0.2:4444", "[fd00:255::3]:4445", "[fe80::3%bb0]:4444"]
allow = ["10.255.0.0/24", "fd00:255::/64"]
[control]
socket = "/run/sroamd/ap1.sock"
[dhcp4]
lease_time = 600
netmask = "prefix"
exclude = ["192.0.2.2", "192.0.2.64/28"]
renew_at = 0.4
rebind_at = 0.8
rapid_commit = true
ipv6_only = 1800
auto_configure = false
routes = [{ prefix = "10.0.0.0/8" }, { prefix = "198.51.100.0/24", via = "192.0.2.9" }]
options = [
  { code = 66, text = "boot.example.org", always = true },
  { code = 43, hex = "01:04 c0000205" },
  { code = 150, addresses = ["192.0.2.5", "192.0.2.6"] },
  { code = 2, u32 = 3600 },
  { code = 13, u16 = 513 },
  { code = 19, u8 = 1 },
]
[ra]
interval = 600
router_lifetime = 1800
preferred_lifetime = 1900
valid_lifetime = 7200
nat64_prefix = "64:ff9b::/96"
routes = [{ prefix = "2001:db8:1::/48", preference = "high" }, { prefix = "::/0" }]
withdraw = true
[dhcp6]
stateless = true
[babel]
interfaces = ["bb0", "bb1"]
[guard]
enabled = true
isolate = true
"""


def problems(source: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(source, "ap.toml")
    return caught.value.problems


def test_every_key_is_read() -> None:
    config = parse(FULL, "ap.toml")
    assert config.node == NodeConfig(
        name="ap1",
        id=NodeId.parse("02:00:00:ff:fe:00:00:01"),
        state_dir="/var/lib/sroamd/ap1",
        router_ipv4=IPv4Address("10.255.0.1"),
        router_ipv6=IPv6Address("fd00:255::1"),
        flush_on_exit=True,
    )
    assert config.network == NetworkConfig(
        ipv4_prefix=IPv4Network("192.0.2.0/24"),
        ipv6_prefix=IPv6Network("2001:db8:44::/48"),
        ipv4_gateway=IPv4Address("192.0.2.1"),
        ipv6_gateway=IPv6Address("fe80::1"),
        nameservers=(IPv4Address("192.0.2.53"), IPv6Address("2001:db8::53")),
        domain="example.org",
        search=("example.org", "lab.example.org"),
        ntp_servers=(IPv4Address("192.0.2.123"), IPv6Address("2001:db8::123")),
        captive_portal="https://portal.example.org/api",
        former_ipv6_prefixes=(IPv6Network("2001:db8:33::/48"),),
        mtu=1400,
    )
    assert config.interfaces == (
        InterfaceConfig(name="wlan0", stations="hostapd", hostapd_socket="/run/hostapd/wlan0"),
        InterfaceConfig(name="wlan1", stations="hostapd", hostapd_socket="/run/other/wlan1"),
    )
    assert config.flood == FloodConfig(
        listen=("::", 4444),
        peers=(("10.255.0.2", 4444), ("fd00:255::3", 4445), ("fe80::3%bb0", 4444)),
        allow=(IPv4Network("10.255.0.0/24"), IPv6Network("fd00:255::/64")),
    )
    assert config.control.socket == "/run/sroamd/ap1.sock"
    assert config.dhcp4 == Dhcp4Config(
        lease_time=600,
        netmask="prefix",
        exclude=(IPv4Network("192.0.2.2/32"), IPv4Network("192.0.2.64/28")),
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
            DhcpOption(66, b"boot.example.org", always=True),
            DhcpOption(43, bytes((1, 4, 192, 0, 2, 5))),
            DhcpOption(150, bytes((192, 0, 2, 5, 192, 0, 2, 6))),
            DhcpOption(2, bytes((0, 0, 14, 16))),
            DhcpOption(13, b"\2\1"),
            DhcpOption(19, b"\1"),
        ),
    )
    assert config.ra == RaConfig(
        interval=600,
        router_lifetime=1800,
        preferred_lifetime=1900,
        valid_lifetime=7200,
        nat64_prefix=IPv6Network("64:ff9b::/96"),
        routes=(Ipv6Route(IPv6Network("2001:db8:1::/48"), "high"), Ipv6Route(IPv6Network("::/0"))),
        withdraw=True,
    )
    assert config.dhcp6.stateless
    assert config.babel.interfaces == ("bb0", "bb1")
    assert config.guard == GuardConfig(enabled=True, isolate=True)


def test_what_may_be_left_out_has_the_defaults_of_the_dataclasses() -> None:
    network = parse(MINIMAL, "ap.toml").network
    assert parse(MINIMAL, "ap.toml") == Config(node=NodeConfig(name="ap1"), network=network)


def test_load_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "sroamd.toml"
    path.write_text(MINIMAL)
    assert load(path).node.name == "ap1"
    path.write_bytes(b'[node]\nname = "\xff"\n')
    with pytest.raises(ConfigError, match=r"sroamd\.toml: octet 15 is not UTF-8"):
        load(path)
    with pytest.raises(ConfigError, match=r"cannot be read: No such file or directory; give its path with -c"):
        load(tmp_path / "absent.toml")


def test_all_problems_are_told_at_once_each_on_its_line() -> None:
    found = problems(FULL.replace('name = "ap1"', 'nmae = "ap1"').replace("fe80::1", "2001:db8::1").replace("600", "1"))
    assert found == [
        "ap.toml: node.nmae: unknown key; did you mean name?",
        "ap.toml: node.name: is missing; every node needs it",
        "ap.toml: dhcp4.lease_time: 1 is out of range; write 60 to 86400 seconds",
        "ap.toml: ra.interval: 1 is out of range; write 4 to 32767 seconds",
        "ap.toml: network.ipv6_gateway: 2001:db8::1 is not link-local; write one of fe80::/64, e.g. fe80::1",
    ]


def test_a_message_cannot_write_to_the_terminal() -> None:
    (found,) = problems(MINIMAL.replace('"ap1"', '"ap1"\n"\\u001b[2J\\n" = 1'))
    assert found.startswith(r"ap.toml: node.\x1b[2J\x0a: unknown key")


KNOWN = "babel, control, dhcp4, dhcp6, flood, guard, interface, network, node, ra, reservation, routes"
SECONDS = "write a whole number, 60 to 86400 seconds, without quotes"

REPLACED = [
    # what stands in the full file, what stands there instead, the whole message
    ('name = "ap1"', "name = 1", "node.name: is a number; write a string in quotes"),
    ('name = "ap1"', 'name = ""', "node.name: is empty; leave the key out to have its default"),
    (
        'name = "ap1"',
        'name = "a b"',
        "node.name: 'a b' has spaces or control characters; write the machine's short name",
    ),
    ('name = "ap1"', f'name = "{"x" * 64}"', "node.name: is too long; at most 63 octets"),
    (
        ":00:01",
        ":00",
        'node.id: "02:00:00:ff:fe:00:00" is not a node id; write 8 octets like "02:00:00:ff:fe:00:00:01"',
    ),
    (
        "02:00:00:ff:fe:00:00:01",
        "00:00:00:00:00:00:00:00",
        "node.id: is all zero; leave the key out and the node makes one itself",
    ),
    ('"/var/lib/sroamd/ap1"', '"var"', "node.state_dir: 'var' is not an absolute path; start it with /"),
    ("exit = true", 'exit = "yes"', "node.flush_on_exit: is a string; write true or false, without quotes"),
    (
        '"10.255.0.1"',
        '"192.0.2.9"',
        "node.router_ipv4: 192.0.2.9 is inside network.ipv4_prefix, where only stations are; "
        "write one of another prefix, e.g. 10.255.0.1",
    ),
    (
        '"fd00:255::1"',
        '"2001:db8:44:1::1"',
        "node.router_ipv6: 2001:db8:44:1::1 is inside network.ipv6_prefix, where only stations are; "
        "write one of another prefix, e.g. fd00:255::1",
    ),
    (
        '"fd00:255::1"',
        '"fe80::9"',
        "node.router_ipv6: fe80::9 is link-local; write one that is routed, e.g. fd00:255::1",
    ),
    (
        'router_ipv4 = "10.255.0.1"',
        'router_ipv4 = "fd00:255::1"',
        'node.router_ipv4: "fd00:255::1" is not an IPv4 address; write one like "192.0.2.1"',
    ),
    (
        'router_ipv4 = "10.255.0.1"',
        'router_ipv4 = "224.0.0.1"',
        "node.router_ipv4: 224.0.0.1 is no machine's own address; write one like 192.0.2.1",
    ),
    (
        '"192.0.2.0/24"',
        '"192.0.2.1/24"',
        'network.ipv4_prefix: "192.0.2.1/24" has bits set beyond its length; write "192.0.2.0/24"',
    ),
    (
        '"192.0.2.0/24"',
        '"192.0.2.0/25"',
        "network.ipv4_prefix: 192.0.2.0/25 is too small; write /24 or a larger pool, e.g. 192.0.2.0/24",
    ),
    ('"192.0.2.0/24"', '"0.0.0.0/0"', "network.ipv4_prefix: 0.0.0.0/0 is too large; write /8 to /24"),
    (
        '"192.0.2.0/24"',
        '"224.1.0.0/16"',
        "network.ipv4_prefix: 224.1.0.0/16 is not for stations' addresses; write one like 192.0.2.0/24",
    ),
    (
        '"192.0.2.0/24"',
        '"192.0.2.0/33"',
        'network.ipv4_prefix: "192.0.2.0/33" is not a prefix; write one like "192.0.2.0/24"',
    ),
    (
        '"2001:db8:44::/48"',
        '"2001:db8:44::/57"',
        "network.ipv6_prefix: 2001:db8:44::/57 is too small, each station gets a /64; "
        "write /56 or shorter, e.g. 2001:db8:44::/56",
    ),
    (
        '"2001:db8:44::/48"',
        '"2001:db8:44::1/48"',
        'network.ipv6_prefix: "2001:db8:44::1/48" has bits set beyond its length; write "2001:db8:44::/48"',
    ),
    (
        'ipv4_gateway = "192.0.2.1"',
        'ipv4_gateway = "198.51.100.1"',
        "network.ipv4_gateway: 198.51.100.1 is outside ipv4_prefix 192.0.2.0/24; write one inside it, e.g. 192.0.2.1",
    ),
    (
        'ipv4_gateway = "192.0.2.1"',
        'ipv4_gateway = "192.0.2.0"',
        "network.ipv4_gateway: 192.0.2.0 is the network address of 192.0.2.0/24; write another, e.g. 192.0.2.1",
    ),
    (
        'ipv4_gateway = "192.0.2.1"',
        'ipv4_gateway = "192.0.2.255"',
        "network.ipv4_gateway: 192.0.2.255 is the broadcast address of 192.0.2.0/24; write another, e.g. 192.0.2.1",
    ),
    ('"fe80::1"', '"fe80::1%bb0"', "network.ipv6_gateway: fe80::1%bb0 names an interface; leave out %bb0"),
    (
        '["192.0.2.53", ',
        '["dns", ',
        'network.nameservers: item 1: "dns" is not an IP address; write one like "192.0.2.53"',
    ),
    (
        'nameservers = ["192.0.2.53", "2001:db8::53"]',
        'nameservers = "192.0.2.53"',
        "network.nameservers: is a string; write a list of addresses, in brackets",
    ),
    ('name = "wlan1"', 'name = "wlan0"', "interface[wlan0].name: is there twice; one [[interface]] for each"),
    (
        'name = "wlan1"',
        'name = "averylonginterface"',
        'interface[averylonginterface].name: "averylonginterface" is too long; an interface name has at most 15 octets',
    ),
    (
        'name = "wlan1"',
        'name = "a/b"',
        "interface[a/b].name: 'a/b' is not an interface name; no spaces, slashes or colons",
    ),
    ('name = "wlan1"\n', "", "interface[#2].name: is missing; every node needs it"),
    (
        'stations = "hostapd"',
        'stations = "nl80211"',
        'interface[wlan1].stations: "nl80211" is not supported; write "hostapd" '
        "(a station is here only when hostapd has authorised it)",
    ),
    (
        '"/run/other/wlan1"',
        f'"/{"x" * 107}"',
        "interface[wlan1].hostapd_socket: is 108 octets long; a socket's path has at most 107",
    ),
    (
        '"[::]:4444"',
        '":::4444"',
        'flood.listen: ":::4444": brackets are for IPv6, and IPv6 needs them; '
        'write "10.255.0.2:4444" or "[2001:db8::b]:4444"',
    ),
    (
        '"[::]:4444"',
        '"[ff02::1]:4444"',
        "flood.listen: ff02::1 is a group's address; write [::]:4444 for all of this machine's",
    ),
    (
        '"10.255.0.2:4444"',
        '"10.255.0.2"',
        'flood.peers: item 1: "10.255.0.2" has no port; write "10.255.0.2:4444" or "[2001:db8::b]:4444"',
    ),
    ('"10.255.0.2:4444"', '"10.255.0.2:0"', "flood.peers: item 1: port 0 does not exist; write 1 to 65535"),
    (
        '"10.255.0.2:4444"',
        '"ap2:4444"',
        'flood.peers: item 1: "ap2:4444" has no address before its port; '
        'write "10.255.0.2:4444" or "[2001:db8::b]:4444", names are not looked up',
    ),
    (
        '"10.255.0.2:4444"',
        '"[fe80::2]:4444"',
        "flood.peers: item 1: fe80::2 is link-local; name the interface too, as in [fe80::2%bb0]:4444",
    ),
    (
        "fe80::3%bb0",
        "fe80::3%wlan1",
        "flood.peers: [fe80::3%wlan1]:4444 is reached over the station interface wlan1; "
        "peers are reached over the backbone",
    ),
    (
        '"[fd00:255::3]:4445"',
        '"10.255.0.2:4444"',
        "flood.peers: item 2: 10.255.0.2:4444 is there twice; name each once",
    ),
    (
        '"10.255.0.0/24"',
        '"192.0.0.0/16"',
        "flood.allow: 192.0.0.0/16 would let in stations, who have 192.0.2.0/24; write the routers' prefix",
    ),
    (
        '"fd00:255::/64"',
        '"::/0"',
        "flood.allow: ::/0 would let in stations, who have 2001:db8:44::/48; write the routers' prefix",
    ),
    ("lease_time = 600", "lease_time = 59", "dhcp4.lease_time: 59 is out of range; write 60 to 86400 seconds"),
    ("lease_time = 600", "lease_time = 600.5", "dhcp4.lease_time: is a fraction; " + SECONDS),
    ("lease_time = 600", "lease_time = true", "dhcp4.lease_time: is a boolean; " + SECONDS),
    ('netmask = "prefix"', 'netmask = "24"', 'dhcp4.netmask: "24" is not known; write "host" or "prefix"'),
    (
        '"192.0.2.2"',
        '"198.51.100.0/24"',
        "dhcp4.exclude: 198.51.100.0/24 is outside network.ipv4_prefix 192.0.2.0/24 and excludes nothing; leave it out",
    ),
    (
        '"192.0.2.2", "192.0.2.64/28"',
        '"192.0.2.0/25", "192.0.2.128/25"',
        "dhcp4.exclude: leaves no address of 192.0.2.0/24 to stations; exclude less",
    ),
    (
        "interval = 600",
        "interval = 900",
        "ra.interval: 900 is not less than half of router_lifetime (1800), one lost advertisement would end it; "
        "write less than 900",
    ),
    (
        "valid_lifetime = 7200",
        "valid_lifetime = 1500",
        "ra.preferred_lifetime: is longer than valid_lifetime; write 1500 or less",
    ),
    ("mtu = 1400", "mtu = 1279", "network.mtu: 1279 is out of range; write 1280 to 65535 octets"),
    (
        '"Example.org."',
        '"-x.org"',
        'network.domain: "-x.org" is not a domain; write one like "example.org" (other letters in their xn-- form)',
    ),
    (
        '["example.org", "lab.example.org"]',
        str(["a" * 60 + f".{n}.example" for n in range(4)]).replace("'", '"'),
        "network.search: takes 288 octets, more than the 255 of option 119; write fewer domains",
    ),
    (
        '"https://portal.example.org/api"',
        '"http://portal.example.org/"',
        'network.captive_portal: "http://portal.example.org/" is not the URL of a portal\'s API; write one that starts '
        'with https://, or "urn:ietf:params:capport:unrestricted"',
    ),
    (
        '"https://portal.example.org/api"',
        '"https://' + "p" * 250 + '"',
        "network.captive_portal: is 258 octets long; write at most 255",
    ),
    (
        '"2001:db8:33::/48"',
        '"2001:db8:44:100::/56"',
        "network.former_ipv6_prefixes: 2001:db8:44:100::/56 overlaps ipv6_prefix 2001:db8:44::/48; "
        "leave out what is in use",
    ),
    (
        '"192.0.2.123", "2001:db8::123"',
        ", ".join(f'"192.0.2.{n}"' for n in range(1, 18)),
        "network.ntp_servers: has 17 addresses; write 16 or fewer",
    ),
    (
        "renew_at = 0.4",
        'renew_at = "half"',
        "dhcp4.renew_at: is a string; write a fraction of lease_time like 0.5, without quotes",
    ),
    (
        "renew_at = 0.4",
        "renew_at = 1",
        "dhcp4.renew_at: 1 is out of range; write 0.1 to 0.95, a fraction of lease_time",
    ),
    (
        "rebind_at = 0.8",
        "rebind_at = 0.43",
        "dhcp4.rebind_at: 0.43 is not later than renew_at (0.4) by 0.04 of the lease; "
        "write renew_at = 0.5 and rebind_at = 0.875",
    ),
    ("ipv6_only = 1800", "ipv6_only = 299", "dhcp4.ipv6_only: 299 is out of range; write 300 to 4294967295 seconds"),
    (
        'via = "192.0.2.9"',
        'via = "192.0.3.9"',
        "dhcp4.routes: 192.0.3.9 is outside network.ipv4_prefix 192.0.2.0/24; leave via out, or write one inside",
    ),
    (
        'netmask = "prefix"',
        'netmask = "host"',
        'dhcp4.routes: 192.0.2.9 is not reached with netmask "host" but by way of 192.0.2.1; leave via out',
    ),
    (
        'prefix = "10.0.0.0/8"',
        'prefix = "0.0.0.0/0"',
        "dhcp4.routes: item 1: 0.0.0.0/0 is the gateway's anyway; leave it out",
    ),
    (
        '{ prefix = "10.0.0.0/8" }',
        '"10.0.0.0/8"',
        'dhcp4.routes: item 1: is a string; write a table like { prefix = "10.0.0.0/8" }',
    ),
    (
        '{ prefix = "10.0.0.0/8" }',
        '{ via = "192.0.2.9" }',
        'dhcp4.routes: item 1: prefix is missing; write a table like { prefix = "10.0.0.0/8" }',
    ),
    (
        'prefix = "10.0.0.0/8"',
        'prefix = "10.0.0.0/8", metric = 3',
        "dhcp4.routes: item 1: unknown key metric; known are prefix, via",
    ),
    (
        'prefix = "10.0.0.0/8"',
        'prefix = "10.0.0.0/8", via = "x"',
        'dhcp4.routes: item 1: via: "x" is not an IPv4 address; write one like "192.0.2.1"',
    ),
    ("code = 66", "code = 6", "dhcp4.options: item 1: 6 is not free; set network.nameservers"),
    ("code = 66", "code = 43", "dhcp4.options: 43 is there twice; write one value for it"),
    (
        'text = "boot.example.org"',
        'text = "boot", u8 = 7',
        "dhcp4.options: item 1: has 2 values; write one of text, hex, addresses, u8, u16, u32, as in "
        '{ code = 66, text = "boot.example.org" }',
    ),
    (
        'text = "boot.example.org"',
        'text = "' + "x" * 256 + '"',
        "dhcp4.options: item 1: 66 has 256 octets; write at most 255",
    ),
    (
        '"01:04 c0000205"',
        '"0104c"',
        'dhcp4.options: item 2: hex: "0104c" is not hexadecimal; write pairs of digits like "01 04 c0 00 02 05"',
    ),
    ("u8 = 1", "u8 = 256", "dhcp4.options: item 6: u8: 256 is out of range; write 0 to 255"),
    (
        '"64:ff9b::/96"',
        '"64:ff9b::/90"',
        "ra.nat64_prefix: 64:ff9b::/90 cannot be translated; write /96 (or /64, /56, /48, /40, /32), "
        'e.g. "64:ff9b::/96"',
    ),
    (
        'preference = "high"',
        'preference = "top"',
        'ra.routes: item 1: preference: "top" is not known; write "low" or "medium" or "high"',
    ),
    ("[flood]", "[flod]", "flod: unknown section; did you mean flood?"),
    (
        '["bb0", "bb1"]',
        '["bb0", "wlan1"]',
        "babel.interfaces: wlan1 is a station interface; Babel is spoken on the backbone",
    ),
    (
        "enabled = true",
        "enabled = false",
        "guard.isolate: is the guard's work; write enabled = true, or isolate = false",
    ),
    ("withdraw = true", "withdraw = true\n[xyz]", "xyz: unknown section; known are " + KNOWN),
    ("[control]\nsocket", "[control]\nsokcet", "control.sokcet: unknown key; did you mean socket?"),
    ("\n[node]", "\ndebug = 3\n[node]", "debug: unknown key outside any section; known are " + KNOWN),
]


@pytest.mark.parametrize(("before", "after", "message"), REPLACED, ids=[row[2].partition(";")[0] for row in REPLACED])
def test_one_wrong_value_gives_one_line_that_says_what_would_be_right(before: str, after: str, message: str) -> None:
    assert before in FULL
    assert problems(FULL.replace(before, after, 1)) == [f"ap.toml: {message}"]


@pytest.mark.conformance("r8910_unres")
def test_r8910_unres_the_urn_is_the_one_portal_that_is_no_url() -> None:
    portal = 'captive_portal = "urn:ietf:params:capport:unrestricted"\n'
    assert parse(MINIMAL + portal, "ap.toml").network.captive_portal == "urn:ietf:params:capport:unrestricted"
    assert problems(MINIMAL + 'captive_portal = "urn:ietf:params:capport:other"\n')


@pytest.mark.conformance("r4861_621_vars")
@pytest.mark.parametrize("ra", ["interval = 3", "interval = 1800", "router_lifetime = 65536", "router_lifetime = 0"])
def test_r4861_621_vars_beyond_the_bounds_are_refused(ra: str) -> None:
    """At least those of the RFC, and an interval is less than half of every lifetime."""
    assert all(problem.startswith("ap.toml: ra.") for problem in problems(f"{MINIMAL}[ra]\n{ra}\n"))


@pytest.mark.conformance("r4861_621_vars")
@pytest.mark.parametrize("ra", ["interval = 4", "interval = 1799", "router_lifetime = 9000", "router_lifetime = 65535"])
def test_r4861_621_vars_within_the_bounds_are_taken(ra: str) -> None:
    """The largest lifetime is that of RFC 8319."""
    assert parse(f"{MINIMAL}[ra]\n{ra}\n", "ap.toml").ra != RaConfig()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("[node", "ap.toml: is not TOML: "),
        (MINIMAL.replace("[node]\nname", "node"), "ap.toml: node: is not a section; write [node] on a line of its own"),
        (MINIMAL + '[interface]\nname="x"\n', "ap.toml: interface: is not a list of sections; write [["),
        ('interface = ["wlan0"]\n' + MINIMAL, "ap.toml: interface[#1]: is not a section; write [["),
    ],
)
def test_a_file_of_the_wrong_shape_is_explained(source: str, message: str) -> None:
    (found,) = problems(source)
    assert found.startswith(message)


def test_an_empty_file_names_what_every_node_needs() -> None:
    assert [line.split(": ")[1] for line in problems("")] == [
        "node.name",
        "network.ipv4_prefix",
        "network.ipv6_prefix",
        "network.ipv4_gateway",
        "network.ipv6_gateway",
    ]
