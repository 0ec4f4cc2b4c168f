"""What we say to the kernel and what we read, judged by pyroute2's own parser."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from pyroute2.netlink import nlmsg
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from sroamd.addresses import Mac
from sroamd.core.effects import InstallRoute, RemoveRoute
from sroamd.core.values import NextHop, Route, RouteKind
from sroamd.io import netlink, netlink_address, netlink_nexthop, route_rules, route_templates
from sroamd.io.netlink import RouteMessage
from sroamd.io.netlink_address import AddressMessage
from sroamd.io.netlink_nexthop import NextHopMessage
from sroamd.io.route_places import Place
from sroamd.io.route_socket import RouteSocket

V4, V6 = IPv4Network("192.0.2.7/32"), IPv6Network("2001:db8:44:7::/64")
INDEX = 5
TABLE = {RouteKind.HERE: 254, RouteKind.DEMOTED: 254, RouteKind.DIRECT: 47}
OWN = Place(47, 47)
BASE = {"table": 254, "type": 1, "tos": 0, "src_len": 0}


class nhmsg(nlmsg):  # type: ignore[misc]
    """linux/nexthop.h, for pyroute2's parser."""

    fields = (("family", "B"), ("scope", "B"), ("protocol", "B"), ("resvd", "B"), ("flags", "I"))
    nla_map = (
        ("NHA_UNSPEC", "none"),
        ("NHA_ID", "uint32"),
        ("NHA_GROUP", "hex"),
        ("NHA_GROUP_TYPE", "uint16"),
        ("NHA_BLACKHOLE", "flag"),
        ("NHA_OIF", "uint32"),
        ("NHA_GATEWAY", "target"),
    )


def oracle(octets: bytes) -> tuple[dict[str, object], dict[str, object]]:
    """(header fields, attributes) as pyroute2 reads them."""
    message = rtmsg(octets)
    message.decode()
    fields = {
        key: message[key] for key in ("family", "dst_len", "src_len", "tos", "table", "proto", "scope", "type", "flags")
    }
    return {**message["header"], **{"rt_" + key: value for key, value in fields.items()}}, dict(message["attrs"])


def encoded(change: InstallRoute | RemoveRoute) -> list[bytes]:
    routes = RouteSocket(lambda name: INDEX)
    try:
        return [one.request for one in routes._encode(change)]
    finally:
        routes.close()


@pytest.mark.parametrize(
    ("prefix", "gateway", "scope", "onlink", "attributes"),
    [
        (V4, None, 253, False, {}),
        (V4, IPv4Address("10.255.0.2"), 0, True, {"RTA_GATEWAY": "10.255.0.2"}),
        (V4, IPv6Address("fe80::2"), 0, True, {"RTA_VIA": {"family": socket.AF_INET6, "addr": "fe80::2"}}),
        (V6, None, 0, False, {}),
        (V6, IPv6Address("fe80::2"), 0, False, {"RTA_GATEWAY": "fe80::2"}),
        (V6, IPv6Address("fd00:255::2"), 0, True, {"RTA_GATEWAY": "fd00:255::2"}),
    ],
)
@pytest.mark.parametrize("kind", list(RouteKind))
def test_install_says_what_ip_route_replace_says(
    prefix: IPv4Network | IPv6Network,
    gateway: IPv4Address | IPv6Address | None,
    scope: int,
    onlink: bool,
    attributes: dict[str, object],
    kind: RouteKind,
) -> None:
    (octets,) = encoded(InstallRoute(Route(prefix, kind, NextHop("bb0", gateway))))
    header, found = oracle(octets)

    assert header["length"] == len(octets)
    assert len(octets) % 4 == 0, "several stand behind one another in one write"
    assert (header["type"], header["flags"]) == (24, 0x505)  # RTM_NEWROUTE; REQUEST, ACK, REPLACE, CREATE
    assert (header["rt_table"], header["rt_type"], header["rt_proto"]) == (TABLE[kind], 1, kind)
    assert (header["rt_scope"], header["rt_dst_len"]) == (scope, prefix.prefixlen)
    assert bool(header["rt_flags"] & 4) is onlink  # type: ignore[operator]
    expected = {"RTA_DST": str(prefix.network_address), "RTA_PRIORITY": 64, "RTA_OIF": INDEX, **attributes}
    assert found == expected


@pytest.mark.parametrize("prefix", [V4, V6])
def test_removal_names_metric_and_protocol_so_that_it_hits_ours_only(prefix: IPv4Network | IPv6Network) -> None:
    requests = [oracle(octets) for octets in encoded(RemoveRoute(prefix))]

    places = [(header["rt_proto"], header["rt_table"]) for header, _ in requests]
    assert places == list(TABLE.items()), "any of ours, where we do not know which"
    for header, found in requests:
        assert (header["type"], header["flags"], header["rt_scope"]) == (25, 0x005, 255)
        assert found == {"RTA_DST": str(prefix.network_address), "RTA_PRIORITY": 64}


@pytest.mark.parametrize(
    "expected",
    [
        RouteMessage(V4, 254, 44, 1, 64, 5, None),
        RouteMessage(V4, 254, 42, 1, 1024, 5, IPv4Address("10.255.0.2")),
        RouteMessage(IPv4Network("0.0.0.0/0"), 254, 3, 1, 0, 5, IPv4Address("10.99.0.1")),
        RouteMessage(V6, 254, 45, 1, 64, 6, IPv6Address("fe80::2")),
        RouteMessage(IPv6Network("::/0"), 1000, 3, 7, 0, 0, None),
    ],
)
def test_route_messages_are_read_as_they_were_meant(expected: RouteMessage) -> None:
    message = rtmsg()
    v4 = isinstance(expected.prefix, IPv4Network)
    message["family"], message["dst_len"] = socket.AF_INET if v4 else socket.AF_INET6, expected.prefix.prefixlen
    message["table"], message["proto"], message["type"] = min(expected.table, 252), expected.protocol, expected.kind
    attributes: list[tuple[str, object]] = [("RTA_TABLE", expected.table)]
    if expected.prefix.prefixlen:
        attributes.append(("RTA_DST", str(expected.prefix.network_address)))
    if expected.metric:
        attributes.append(("RTA_PRIORITY", expected.metric))
    if expected.interface_index:
        attributes.append(("RTA_OIF", expected.interface_index))
    if expected.gateway is not None:
        attributes.append(("RTA_GATEWAY", str(expected.gateway)))
    message["attrs"] = attributes
    message.encode()
    (read,) = netlink.messages(bytes(message.data))

    assert netlink.parse_route(read.body) == expected


@pytest.mark.parametrize(
    ("version", "gateway", "family", "onlink"),
    [
        (4, IPv4Address("10.255.0.2"), socket.AF_INET, True),
        (4, IPv6Address("fe80::2"), socket.AF_INET6, False),
        (4, IPv6Address("fd00:255::2"), socket.AF_INET6, True),
        (4, None, socket.AF_INET, False),
        (6, IPv6Address("fe80::2"), socket.AF_INET6, False),
        (6, IPv6Address("fd00:255::2"), socket.AF_INET6, True),
        (6, None, socket.AF_INET6, False),
    ],
)
def test_nexthop_says_what_ip_nexthop_says(
    version: int, gateway: IPv4Address | IPv6Address | None, family: int, onlink: bool
) -> None:
    octets = netlink_nexthop.set_request(netlink_nexthop.CREATE, 9, 77, version, INDEX, gateway)
    message = nhmsg(octets)
    message.decode()
    attributes = dict(message["attrs"])

    assert (message["header"]["type"], message["header"]["flags"]) == (104, 0x605)  # REQUEST, ACK, EXCL, CREATE
    assert (message["family"], message["protocol"], message["scope"], message["resvd"]) == (family, 47, 0, 0)
    assert message["flags"] == (4 if onlink else 0)
    assert (attributes.pop("NHA_ID"), attributes.pop("NHA_OIF")) == (77, INDEX)
    assert attributes == ({} if gateway is None else {"NHA_GATEWAY": str(gateway)})
    (read,) = netlink.messages(octets)
    assert netlink_nexthop.parse_nexthop(read.body) == NextHopMessage(77, 47, INDEX, gateway)


def test_replacement_of_a_nexthop_never_creates_one_and_removal_names_the_number_alone() -> None:
    replaced = netlink_nexthop.set_request(netlink_nexthop.REPLACE, 9, 77, 4, INDEX, None)
    removed = nhmsg(netlink_nexthop.delete_request(9, 77))
    removed.decode()

    assert nhmsg(replaced).decode() is None
    assert int.from_bytes(replaced[6:8], "little") == 0x105  # REQUEST, ACK, REPLACE
    assert (removed["header"]["type"], removed["header"]["flags"], removed["family"]) == (105, 0x005, 0)
    assert dict(removed["attrs"]) == {"NHA_ID": 77}


@pytest.mark.parametrize("prefix", [V4, V6])
def test_route_behind_a_nexthop_names_its_number_and_nothing_else(prefix: IPv4Network | IPv6Network) -> None:
    octets = route_templates.install_behind(9, prefix, OWN, 77)
    header, found = oracle(octets)

    assert (header["type"], header["flags"], header["rt_proto"], header["rt_flags"]) == (24, 0x505, 47, 0)
    assert header["rt_table"] == 47
    assert found.pop("UNKNOWN")["header"] == {"length": 8, "type": 30}  # type: ignore[index]  # RTA_NH_ID
    assert found == {"RTA_DST": str(prefix.network_address), "RTA_PRIORITY": 64}
    (read,) = netlink.messages(octets)
    route = netlink.parse_route(read.body)
    assert route is not None
    assert (route.prefix, route.nexthop, route.interface_index) == (prefix, 77, 0)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_rule_says_what_ip_rule_says(family: int) -> None:
    octets = route_rules.request(9, family)
    message = fibmsg(octets)
    message.decode()

    assert (message["header"]["type"], message["header"]["flags"]) == (32, 0x605)  # REQUEST, ACK, EXCL, CREATE
    assert [message[key] for key in ("family", "dst_len", "src_len", "tos", "table", "action", "flags")] == [
        family, 0, 0, 0, 47, 1, 0,
    ]  # fmt: skip
    assert dict(message["attrs"]) == {"FRA_PRIORITY": 32765, "FRA_PROTOCOL": 47}
    assert route_rules.is_ours(octets[16:])
    assert not route_rules.is_ours(octets[16:20] + bytes((254,)) + octets[21:])


@pytest.mark.parametrize(("flags", "usable"), [(0x80, True), (0xC0, False), (0x88, False), (0x04, True)])
def test_addresses_are_read(flags: int, usable: bool) -> None:
    message = ifaddrmsg()
    message["family"], message["prefixlen"], message["index"] = socket.AF_INET6, 64, 7
    message["attrs"] = [("IFA_ADDRESS", "fe80::9"), ("IFA_LOCAL", "fe80::7"), ("IFA_FLAGS", flags)]
    message.encode()
    (read,) = netlink.messages(bytes(message.data))

    assert netlink_address.parse_address(read.body) == AddressMessage(IPv6Address("fe80::7"), 7, usable)


@pytest.mark.parametrize(("flags", "works"), [(0, True), (4, True), (16, False), (1, False)])
def test_route_over_a_link_without_a_carrier_does_not_work(flags: int, works: bool) -> None:
    body = netlink.RTMSG.pack(socket.AF_INET, 32, 0, 0, 254, 44, 0, 1, flags)
    route = netlink.parse_route(body + netlink.attribute(netlink.RTA_DST, V4.network_address.packed))

    assert route is not None
    assert route.works is works


PARSERS = [
    netlink.parse_route,
    netlink.parse_link,
    netlink_address.parse_address,
    netlink_nexthop.parse_nexthop,
    route_rules.is_ours,
]


@pytest.mark.parametrize("parse", PARSERS)
def test_whatever_is_cut_off_or_garbled_is_read_without_a_fuss(parse: Callable[[bytes], object]) -> None:
    """The kernel says nothing of the kind, but a daemon that falls over an octet would be a poor one."""
    rng = random.Random(7)
    wholes = [
        encoded(InstallRoute(Route(V4, RouteKind.DEMOTED, NextHop("bb0", IPv6Address("fe80::2")))))[0][16:],
        route_templates.install_behind(9, V6, OWN, 77)[16:],
        netlink_nexthop.set_request(netlink_nexthop.CREATE, 9, 77, 6, INDEX, IPv6Address("fe80::2"))[16:],
        netlink.RTMSG.pack(socket.AF_INET, 32, 0, 0, 254, 44, 0, 1, 0) + netlink.attribute(netlink.RTA_MULTIPATH, b"1"),
    ]
    for whole in wholes:
        for end in range(len(whole) + 1):
            parse(whole[:end])
        for _ in range(2000):
            garbled = bytearray(whole)
            for _ in range(rng.randint(1, 4)):
                garbled[rng.randrange(len(garbled))] = rng.randrange(256)
            parse(bytes(garbled))


def test_first_of_several_next_hops_counts() -> None:
    message = rtmsg()
    message["family"], message["dst_len"], message["table"] = socket.AF_INET, 32, 254
    hops = [{"oif": 5, "attrs": [("RTA_GATEWAY", "10.255.0.2")]}, {"oif": 6, "attrs": [("RTA_GATEWAY", "10.255.0.3")]}]
    message["attrs"] = [("RTA_DST", "192.0.2.7"), ("RTA_MULTIPATH", hops)]
    message.encode()
    (read,) = netlink.messages(bytes(message.data))
    route = netlink.parse_route(read.body)

    assert route is not None
    assert (route.interface_index, route.gateway) == (5, IPv4Address("10.255.0.2"))


def test_gateway_of_the_other_family_is_read() -> None:
    (octets,) = encoded(InstallRoute(Route(V4, RouteKind.DEMOTED, NextHop("bb0", IPv6Address("fe80::2")))))
    (read,) = netlink.messages(octets)

    assert netlink.parse_route(read.body) == RouteMessage(V4, 254, 45, 1, 64, INDEX, IPv6Address("fe80::2"))


@pytest.mark.parametrize("up", [True, False])
def test_link_messages_are_read(up: bool) -> None:
    message = ifinfmsg()
    message["index"], message["flags"] = 7, 1 if up else 0
    message["attrs"] = [("IFLA_IFNAME", "wlan0"), ("IFLA_ADDRESS", "02:00:00:00:00:01")]
    message.encode()
    (read,) = netlink.messages(bytes(message.data))
    link = netlink.parse_link(read.body + netlink.attribute(54, Mac.parse("00:00:5e:00:53:01")))  # IFLA_PERM_ADDRESS

    assert link is not None
    assert (link.index, link.name, link.up) == (7, "wlan0", up)
    assert (link.mac, link.burnt_in) == (Mac.parse("02:00:00:00:00:01"), Mac.parse("00:00:5e:00:53:01"))


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(
            # family, type, index, flags, change; IFLA_IFNAME; IFLA_WIRELESS with SIOCGIWSCAN: a scan is complete
            "00000100 07000000 43100100 00000000  0a000300 776c616e30000000  14000b00 1000198b000000000000000000000000",
            id="wireless event",
        ),
        pytest.param(
            # What Linux 6.18 sends when a veth leaves a bridge, with RTM_DELLINK. It ends with IFLA_LINK.
            "07000100 04000000 02100000 00000000  0a000300 776c616e30000000  08000a0002000000  08000400dc050000"
            "0500100002000000  0a000100ca79a780ac9d0000  0800050003000000",
            id="leaves a bridge",
        ),
    ],
)
def test_message_that_is_not_about_the_link_as_such_is_passed_over(octets: str) -> None:
    """Taken for one it would have no MAC any more, or be gone."""
    assert netlink.parse_link(bytes.fromhex(octets)) is None


@pytest.mark.parametrize("octets", [b"", b"\x10", b"\xff\xff\xff\xff" * 4, bytes(16), bytes(64)])
def test_nonsense_ends_the_walk(octets: bytes) -> None:
    assert list(netlink.messages(octets)) == []


def test_unknown_interface_is_an_error_that_names_it() -> None:
    routes = RouteSocket(lambda name: None)
    (failure,) = routes.apply([InstallRoute(Route(V4, RouteKind.HERE, NextHop("wlan9", None)))])
    routes.close()

    assert failure.error.strerror == "No such device: wlan9"
    assert routes.known == {}
    assert routes.counters["route.refused"] == 1
