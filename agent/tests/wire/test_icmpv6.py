"""Neighbour discovery messages: exact octets, and scapy as the oracle in both directions."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

import pytest
from hypothesis import given
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    ICMPv6NDOptCaptivePortal,
    ICMPv6NDOptDNSSL,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPREF64,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptRouteInfo,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.packet import Packet

from sroamd.addresses import Mac
from sroamd.wire.cursor import DecodeError
from sroamd.wire.icmpv6 import (
    Icmpv6Packet,
    Message,
    Nat64Prefix,
    NeighborAdvertisement,
    NeighborSolicitation,
    PrefixInformation,
    RouteInformation,
    RouterAdvertisement,
    RouterSolicitation,
    decode_packet,
    encode_packet,
)
from sroamd.wire.ndisc_options import NAT64_LENGTHS, encode_nat64, encode_route
from tests.wire.strategies import against_scapy, discovery_messages, link_local, thorough

STATION = Mac.parse("02:00:00:00:00:07")
ROUTER = Mac.parse("02:00:00:00:00:01")
GATEWAY = IPv6Address("fe80::1")
HOST = IPv6Address("fe80::7")
ALL_NODES = IPv6Address("ff02::1")
ALL_ROUTERS = IPv6Address("ff02::2")

ADVERTISEMENT = RouterAdvertisement(
    hop_limit=64,
    managed=False,
    other=True,
    lifetime=3600,
    reachable=30000,
    retrans=1000,
    source_link_layer=ROUTER,
    mtu=1500,
    prefixes=(PrefixInformation(IPv6Network("2001:db8:44:7::/64"), False, True, 7200, 3600),),
    rdnss=(IPv6Address("2001:db8::53"), IPv6Address("2001:db8::35")),
    rdnss_lifetime=3600,
    search=("example.org", "lan.example.net"),
    routes=(RouteInformation(IPv6Network("2001:db8:1::/48"), "high", 3600),),
    nat64=(Nat64Prefix(IPv6Network("64:ff9b::/96"), 3600),),
    captive_portal="https://portal.example.org/api",
)
# Everything behind the checksum, option by option.
ADVERTISEMENT_CONTENT = (
    bytes.fromhex("40 40 0e10 00007530 000003e8")
    + bytes.fromhex("01 01 020000000001")
    + bytes.fromhex("05 01 0000 000005dc")
    + bytes.fromhex("03 04 40 40 00001c20 00000e10 00000000 20010db8004400070000000000000000")
    + bytes.fromhex("19 05 0000 00000e10 20010db8000000000000000000000053 20010db8000000000000000000000035")
    + bytes.fromhex("1f 05 0000 00000e10")
    + b"\x07example\x03org\0\x03lan\x07example\x03net\0"
    + bytes(2)
    + bytes.fromhex("18 02 30 08 00000e10 20010db800010000")
    + bytes.fromhex("26 02 0e10 0064ff9b0000000000000000")
    + b"\x25\x04https://portal.example.org/api"
)


def theirs(source: IPv6Address, destination: IPv6Address, message: Message) -> Packet:
    """The same packet, made by scapy."""
    packet = IPv6(src=str(source), dst=str(destination), hlim=255)
    match message:
        case RouterSolicitation(mac):
            return packet / ICMPv6ND_RS() / link_layer(ICMPv6NDOptSrcLLAddr, mac)
        case NeighborSolicitation(target, mac):
            return packet / ICMPv6ND_NS(tgt=str(target)) / link_layer(ICMPv6NDOptSrcLLAddr, mac)
        case NeighborAdvertisement(target, router, solicited, override, mac):
            flags = {"R": int(router), "S": int(solicited), "O": int(override)}
            return packet / ICMPv6ND_NA(tgt=str(target), **flags) / link_layer(ICMPv6NDOptDstLLAddr, mac)
        case RouterAdvertisement():
            return packet / their_advertisement(message)


def link_layer(option: type[Packet], mac: Mac | None) -> Packet | bytes:
    return b"" if mac is None else option(lladdr=str(mac))


def their_advertisement(message: RouterAdvertisement) -> Packet:
    packet = ICMPv6ND_RA(
        chlim=message.hop_limit,
        M=int(message.managed),
        O=int(message.other),
        prf=0,
        routerlifetime=message.lifetime,
        reachabletime=message.reachable,
        retranstimer=message.retrans,
    )
    packet /= link_layer(ICMPv6NDOptSrcLLAddr, message.source_link_layer)
    if message.mtu is not None:
        packet /= ICMPv6NDOptMTU(mtu=message.mtu)
    for information in message.prefixes:
        packet /= ICMPv6NDOptPrefixInfo(
            prefixlen=information.prefix.prefixlen,
            L=int(information.on_link),
            A=int(information.autonomous),
            R=0,
            validlifetime=information.valid,
            preferredlifetime=information.preferred,
            prefix=str(information.prefix.network_address),
        )
    if message.rdnss:
        packet /= ICMPv6NDOptRDNSS(lifetime=message.rdnss_lifetime, dns=[str(server) for server in message.rdnss])
    if message.search:
        packet /= ICMPv6NDOptDNSSL(lifetime=message.rdnss_lifetime, searchlist=[*message.search])
    for route in message.routes:
        packet /= ICMPv6NDOptRouteInfo(
            plen=route.prefix.prefixlen,
            len=1 + (route.prefix.prefixlen + 63) // 64,
            prf={"low": 3, "medium": 0, "high": 1}[route.preference],
            rtlifetime=route.lifetime,
            prefix=str(route.prefix.network_address),
        )
    for nat64 in message.nat64:
        packet /= ICMPv6NDOptPREF64(
            scaledlifetime=nat64.lifetime // 8,
            plc=NAT64_LENGTHS.index(nat64.prefix.prefixlen),
            prefix=str(IPv6Address(nat64.prefix.network_address.packed[:12] + bytes(4))),
        )
    if message.captive_portal:
        packet /= ICMPv6NDOptCaptivePortal(URI=message.captive_portal)
    return packet


def test_an_advertisement_has_exactly_these_octets() -> None:
    octets = encode_packet(GATEWAY, ALL_NODES, ADVERTISEMENT)
    length = 4 + len(ADVERTISEMENT_CONTENT)
    assert octets[:40] == bytes.fromhex(f"60000000 {length:04x} 3a ff") + GATEWAY.packed + ALL_NODES.packed
    assert octets[40:42] == bytes((134, 0))
    assert octets[44:].hex(" ") == ADVERTISEMENT_CONTENT.hex(" ")
    assert decode_packet(octets) == Icmpv6Packet(GATEWAY, ALL_NODES, 255, ADVERTISEMENT)


@pytest.mark.parametrize(
    ("message", "octets"),
    [
        (RouterSolicitation(), "85 00 00000000"),
        (RouterSolicitation(STATION), "85 00 00000000 01 01 020000000007"),
        (NeighborSolicitation(GATEWAY), "87 00 00000000 fe800000000000000000000000000001"),
        (NeighborAdvertisement(GATEWAY, True, False, False), "88 00 80000000 fe800000000000000000000000000001"),
        (NeighborAdvertisement(GATEWAY, False, True, False), "88 00 40000000 fe800000000000000000000000000001"),
        (
            NeighborAdvertisement(GATEWAY, False, False, True, ROUTER),
            "88 00 20000000 fe800000000000000000000000000001 02 01 020000000001",
        ),
    ],
    ids=["RS", "RS with SLLAO", "NS", "NA router", "NA solicited", "NA override with TLLAO"],
)
def test_messages_have_exactly_these_octets(message: Message, octets: str) -> None:
    packet = encode_packet(HOST, GATEWAY, message)
    assert packet[40:42] + packet[44:] == bytes.fromhex(octets)
    assert decode_packet(packet).message == message


@thorough
@given(link_local, link_local, discovery_messages)
def test_a_message_survives(source: IPv6Address, destination: IPv6Address, message: Message) -> None:
    packet = encode_packet(source, destination, message)
    assert decode_packet(packet) == Icmpv6Packet(source, destination, 255, message)


@against_scapy
@given(link_local, link_local, discovery_messages)
def test_scapy_writes_the_same_packet(source: IPv6Address, destination: IPv6Address, message: Message) -> None:
    """Checksum included; so we read what scapy writes, and scapy what we write."""
    assert bytes(theirs(source, destination, message)).hex(" ") == encode_packet(source, destination, message).hex(" ")


@pytest.mark.conformance("r4861_42_src")
def test_scapy_reads_our_advertisement() -> None:
    read = IPv6(encode_packet(GATEWAY, ALL_NODES, ADVERTISEMENT))
    assert (read.src, read.dst, read.hlim, read[ICMPv6ND_RA].routerlifetime) == ("fe80::1", "ff02::1", 255, 3600)
    assert (read[ICMPv6ND_RA].M, read[ICMPv6ND_RA].O) == (0, 1)
    assert read[ICMPv6NDOptSrcLLAddr].lladdr == str(ROUTER)
    assert read[ICMPv6NDOptMTU].mtu == 1500
    prefix = read[ICMPv6NDOptPrefixInfo]
    assert (prefix.prefix, prefix.prefixlen, prefix.L, prefix.A) == ("2001:db8:44:7::", 64, 0, 1)
    assert (prefix.validlifetime, prefix.preferredlifetime) == (7200, 3600)
    assert read[ICMPv6NDOptRDNSS].dns == ["2001:db8::53", "2001:db8::35"]
    assert [name.rstrip(".") for name in read[ICMPv6NDOptDNSSL].searchlist if name != "."] == [*ADVERTISEMENT.search]
    route = read[ICMPv6NDOptRouteInfo]
    assert (route.prefix, route.plen, route.prf, route.rtlifetime) == ("2001:db8:1::", 48, 1, 3600)
    assert (read[ICMPv6NDOptPREF64].scaledlifetime, read[ICMPv6NDOptPREF64].plc) == (450, 0)
    assert read[ICMPv6NDOptCaptivePortal].URI.rstrip(b"\0") == b"https://portal.example.org/api"


@pytest.mark.spec("RFC 8781", "4")
@pytest.mark.parametrize(
    ("seconds", "told"), [(0, 0), (1, 8), (1800, 1800), (1801, 1808), (65528, 65528), (65535, 65528)]
)
@pytest.mark.conformance("r8781_4")
def test_r8781_4_lifetime_is_rounded_up_and_has_13_bits(seconds: int, told: int) -> None:
    prefix = IPv6Network("64:ff9b::/96")
    said = replace(ADVERTISEMENT, nat64=(Nat64Prefix(prefix, seconds),))
    read = decode_packet(encode_packet(GATEWAY, ALL_NODES, said)).message
    assert isinstance(read, RouterAdvertisement)
    assert read.nat64 == (Nat64Prefix(prefix, told),)


@pytest.mark.spec("RFC 4191", "2.3")
@pytest.mark.parametrize(
    ("prefix", "units"), [("::/0", 1), ("2000::/3", 2), ("2001:db8::/64", 2), ("2001:db8::1/128", 3)]
)
@pytest.mark.conformance("r4191_23")
def test_r4191_23_a_route_is_as_long_as_its_prefix_needs(prefix: str, units: int) -> None:
    octets = encode_route(RouteInformation(IPv6Network(prefix), "low", 60))
    assert octets[:8] == bytes((24, units, IPv6Network(prefix).prefixlen, 0b11000)) + (60).to_bytes(4, "big")
    assert len(octets) == units * 8


def test_what_the_options_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="preference"):
        encode_route(RouteInformation(IPv6Network("::/0"), "highest", 60))
    with pytest.raises(ValueError, match="not in"):
        encode_nat64(Nat64Prefix(IPv6Network("64:ff9b::/95"), 60))


def test_padding_of_a_short_frame_is_not_read() -> None:
    packet = encode_packet(HOST, ALL_ROUTERS, RouterSolicitation())
    assert decode_packet(packet + b"\1\1ttttt\1" * 2) == decode_packet(packet)


@pytest.mark.parametrize(
    "message",
    [
        ADVERTISEMENT,
        RouterSolicitation(STATION),
        NeighborSolicitation(GATEWAY, STATION),
        NeighborAdvertisement(GATEWAY, True, False, True, ROUTER),
    ],
)
def test_a_packet_cut_anywhere_is_refused(message: Message) -> None:
    packet = encode_packet(GATEWAY, ALL_NODES, message)
    for length in range(len(packet)):
        with pytest.raises(DecodeError):
            decode_packet(packet[:length])


# -- what cannot be sent is our mistake


@pytest.mark.parametrize(
    "domain",
    ["", ".", "a..b", "l" * 64 + ".example", ".".join(["l" * 63] * 4), "exämple.org"],
    ids=["empty", "root", "empty label", "label of 64", "255 characters", "not ASCII"],
)
@pytest.mark.conformance("r8106_51")
def test_a_search_domain_that_is_none_cannot_be_sent(domain: str) -> None:
    with pytest.raises(ValueError):
        encode_packet(GATEWAY, ALL_NODES, RouterAdvertisement(64, False, False, 1800, search=(domain,)))


@pytest.mark.conformance("r8106_51")
def test_the_longest_search_domain_and_a_final_dot_are_fine() -> None:
    longest = ".".join(["l" * 63] * 3 + ["l" * 61])
    assert len(longest) == 253
    packet = encode_packet(
        GATEWAY, ALL_NODES, RouterAdvertisement(64, False, False, 1800, search=(longest, "example.org."))
    )
    message = decode_packet(packet).message
    assert isinstance(message, RouterAdvertisement)
    assert message.search == (longest, "example.org")


@pytest.mark.conformance("r8106_51")
def test_127_name_servers_fill_an_option_and_128_do_not_fit() -> None:
    servers = tuple(IPv6Address(f"2001:db8::{at:x}") for at in range(128))
    most = RouterAdvertisement(64, False, False, 1800, rdnss=servers[:127], rdnss_lifetime=9)
    assert decode_packet(encode_packet(GATEWAY, ALL_NODES, most)).message == most
    with pytest.raises(ValueError):
        encode_packet(GATEWAY, ALL_NODES, RouterAdvertisement(64, False, False, 1800, rdnss=servers))
