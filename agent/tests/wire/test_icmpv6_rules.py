"""Which neighbour discovery packets are discarded, rule by rule of RFC 4861; each bad packet is made by scapy."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

import pytest
from scapy.layers.inet import UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6ND_RS,
    ICMPv6NDOptDNSSL,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6NDOptUnknown,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    in6_chksum,
)
from scapy.packet import Packet, Raw

from sroamd.addresses import Mac
from sroamd.wire.cursor import DecodeError
from sroamd.wire.icmpv6 import (
    Message,
    NeighborAdvertisement,
    NeighborSolicitation,
    RouterAdvertisement,
    RouterSolicitation,
    decode_packet,
)
from sroamd.wire.ndisc_options import OPTIONS_MAX

STATION = Mac.parse("02:00:00:00:00:07")
SLLAO = ICMPv6NDOptSrcLLAddr(lladdr=str(STATION))
TLLAO = ICMPv6NDOptDstLLAddr(lladdr=str(STATION))
TARGET = "2001:db8:44:7::1"
SOLICITED_NODE = "ff02::1:ff00:1"


def ip(**fields: object) -> Packet:
    return IPv6(**({"src": "fe80::7", "dst": "ff02::2", "hlim": 255} | fields))


def message(packet: Packet) -> Message:
    return decode_packet(bytes(packet)).message


def assert_refused(packet: Packet, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode_packet(bytes(packet))


KINDS = {
    "RS": ICMPv6ND_RS() / SLLAO,
    "RA": ICMPv6ND_RA() / SLLAO,
    "NS": ICMPv6ND_NS(tgt=TARGET) / SLLAO,
    "NA": ICMPv6ND_NA(tgt=TARGET, R=0, S=0) / TLLAO,
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_a_right_packet_is_read(kind: str) -> None:
    expected = {
        "RS": RouterSolicitation, "RA": RouterAdvertisement, "NS": NeighborSolicitation, "NA": NeighborAdvertisement,
    }  # fmt: skip
    assert type(message(ip() / KINDS[kind])) is expected[kind]


@pytest.mark.spec("RFC 4861", "6.1.1")
@every_kind
@pytest.mark.parametrize("hop_limit", [0, 1, 64, 254])
@pytest.mark.conformance("r4861_611_rs")
def test_r4861_611_rs_a_hop_limit_below_255_is_refused(kind: str, hop_limit: int) -> None:
    assert_refused(ip(hlim=hop_limit) / KINDS[kind], "hop limit")


@pytest.mark.spec("RFC 4861", "6.1.1")
@every_kind
@pytest.mark.conformance("r4861_611_rs")
def test_r4861_611_rs_a_code_other_than_0_is_refused(kind: str) -> None:
    bad = KINDS[kind].copy()
    bad.code = 1
    assert_refused(ip() / bad, "code 1")


@pytest.mark.spec("RFC 4861", "6.1.1")
@every_kind
@pytest.mark.conformance("r4861_611_rs")
def test_r4861_611_rs_one_wrong_bit_anywhere_is_refused(kind: str) -> None:
    octets = bytes(ip() / KINDS[kind])
    # Version, then everything from the payload length on; traffic class and flow label are not protected.
    for at in (0, *range(4, len(octets))):
        for bit in range(4 if at == 0 else 0, 8):
            changed = bytearray(octets)
            changed[at] ^= 1 << bit
            with pytest.raises(DecodeError):
                decode_packet(bytes(changed))


@every_kind
def test_a_checksum_that_the_kernel_has_yet_to_fill_in_is_not_checked(kind: str) -> None:
    bad = KINDS[kind].copy()
    bad.cksum = 0x1234
    assert_refused(ip() / bad, "checksum")
    assert decode_packet(bytes(ip() / bad), checksum_ready=False).message == message(ip() / KINDS[kind])


@pytest.mark.spec("RFC 4861", "6.1.1")
@pytest.mark.parametrize(
    ("length", "reason"), [(0, "payload length"), (3, "payload length"), (4, "4 wanted"), (7, "4 wanted")]
)
@pytest.mark.conformance("r4861_611_rs")
def test_r4861_611_rs_fewer_than_8_octets_are_refused(length: int, reason: str) -> None:
    """With the right checksum, so that nothing but the length is wrong."""
    octets = bytes((133, 0)).ljust(8, b"\0")[:length]
    if length >= 4:
        checksum = in6_chksum(58, ip(nh=58) / Raw(octets), octets)
        octets = octets[:2] + checksum.to_bytes(2, "big") + octets[4:]
    assert_refused(ip(nh=58) / Raw(octets), reason)


@pytest.mark.spec("RFC 4861", "6.1.1")
@every_kind
@pytest.mark.parametrize("kind_of_option", [1, 2, 3, 5, 14, 25, 31, 255])
@pytest.mark.conformance("r4861_611_rs", "c20")
def test_c20_an_option_of_length_0_is_refused(kind: str, kind_of_option: int) -> None:
    """Defect 8 of the C daemon: its parser stays there for ever."""
    empty = Raw(bytes((kind_of_option, 0)) + bytes(6))
    assert_refused(ip() / KINDS[kind] / empty, "length zero")


@every_kind
def test_more_options_than_anybody_has_to_say_are_refused(kind: str) -> None:
    """Each costs time; a frame has room for 180."""
    unknown = bytes((253, 1)) + bytes(6)
    assert_refused(ip() / KINDS[kind] / Raw((OPTIONS_MAX + 1) * unknown), "more than 32 options")


@pytest.mark.spec("RFC 4861", "4.6")
@every_kind
def test_an_option_that_runs_over_the_end_is_refused(kind: str) -> None:
    for rest in (bytes((14, 2)) + bytes(6), bytes((14, 255)) + bytes(6), bytes((14,))):
        assert_refused(ip() / KINDS[kind] / Raw(rest), "runs over the end")


@pytest.mark.spec("RFC 4861", "4.6")
@every_kind
def test_an_option_that_we_do_not_know_is_skipped(kind: str) -> None:
    """A nonce (type 14, RFC 3971) comes with each duplicate address detection of today."""
    unknown = ICMPv6NDOptUnknown(type=14, len=1, data=b"nonce!")
    assert message(ip() / KINDS[kind] / unknown) == message(ip() / KINDS[kind])


@pytest.mark.spec("RFC 4861", "6.1.1")
@pytest.mark.conformance("r4861_611_rs")
def test_r4861_611_rs_from_the_unspecified_address_no_sllao_is_allowed() -> None:
    assert message(ip(src="::") / ICMPv6ND_RS()) == RouterSolicitation(None)
    assert_refused(ip(src="::") / ICMPv6ND_RS() / SLLAO, "without a source address")


@every_kind
@pytest.mark.conformance("c04")
def test_c04_two_link_layer_addresses_that_differ_are_refused(kind: str) -> None:
    """One of them might pass the check against the Ethernet source, and the other be believed."""
    option = ICMPv6NDOptDstLLAddr if kind == "NA" else ICMPv6NDOptSrcLLAddr
    assert message(ip() / KINDS[kind] / option(lladdr=str(STATION))) == message(ip() / KINDS[kind])
    assert_refused(ip() / KINDS[kind] / option(lladdr="02:00:00:00:00:08"), "two link-layer")


@every_kind
def test_a_link_layer_address_that_is_not_ethernet_is_refused(kind: str) -> None:
    option = 2 if kind == "NA" else 1
    assert_refused(ip() / KINDS[kind] / Raw(bytes((option, 2)) + bytes(14)), "link-layer address of 14")


# -- what surrounds the message


@pytest.mark.spec("RFC 6980", "5")
@every_kind
@pytest.mark.conformance("r6980_5_frag")
def test_r6980_5_frag_a_fragment_header_is_refused(kind: str) -> None:
    """An atomic fragment, which a reassembling receiver would let through."""
    assert_refused(ip() / IPv6ExtHdrFragment(offset=0, m=0) / KINDS[kind], "next header 44")


@pytest.mark.spec("RFC 7113", "2")
@every_kind
@pytest.mark.parametrize("header", [IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt])
@pytest.mark.conformance("c14")
def test_c14_extension_headers_are_refused(kind: str, header: type[Packet]) -> None:
    assert_refused(ip() / header() / KINDS[kind], "next header")


@every_kind
@pytest.mark.parametrize("length", [0, 3, 7, 500, 65535])
def test_a_payload_length_that_is_not_true_is_refused(kind: str, length: int) -> None:
    assert_refused(ip(plen=length) / KINDS[kind], "checksum" if length == 7 else "payload length")


@every_kind
@pytest.mark.parametrize("version", [0, 4, 7])
def test_another_ip_version_is_refused(kind: str, version: int) -> None:
    assert_refused(ip(version=version) / KINDS[kind], "version 6")


@every_kind
@pytest.mark.spec("RFC 4291", "2.7")
def test_a_multicast_source_is_refused(kind: str) -> None:
    assert_refused(ip(src="ff02::1") / KINDS[kind], "multicast")


@pytest.mark.parametrize(
    "other", [ICMPv6EchoRequest(), ICMPv6ND_Redirect(), ICMPv6MLReport2()], ids=lambda packet: packet.name
)
def test_other_icmpv6_is_not_ours(other: Packet) -> None:
    assert_refused(ip() / other, "not ours")


def test_other_protocols_are_not_ours() -> None:
    assert_refused(ip() / UDP(sport=546, dport=547), "next header 17")


# -- neighbour solicitations and advertisements


@pytest.mark.spec("RFC 4861", "7.1.1")
@pytest.mark.parametrize("kind", ["NS", "NA"])
def test_a_multicast_target_is_refused(kind: str) -> None:
    bad = KINDS[kind].copy()
    bad.tgt = "ff02::1"
    assert_refused(ip() / bad, "multicast target")


@pytest.mark.spec("RFC 4861", "7.1.1")
def test_a_solicitation_from_the_unspecified_address_goes_to_a_solicited_node_address_without_sllao() -> None:
    solicitation = ICMPv6ND_NS(tgt=TARGET)
    assert message(ip(src="::", dst=SOLICITED_NODE) / solicitation) == NeighborSolicitation(IPv6Address(TARGET))
    assert_refused(ip(src="::", dst=SOLICITED_NODE) / solicitation / SLLAO, "without a source address")
    for destination in ("ff02::1", "fe80::1", "ff02::2:ff00:1", "ff05::1:ff00:1"):
        assert_refused(ip(src="::", dst=destination) / solicitation, "solicited-node")


@pytest.mark.spec("RFC 4861", "7.1.2")
def test_a_solicited_advertisement_is_not_for_everybody() -> None:
    for solicited in (0, 1):
        advertisement = ICMPv6ND_NA(tgt=TARGET, R=0, S=solicited) / TLLAO
        assert message(ip(dst="fe80::1") / advertisement) == NeighborAdvertisement(
            IPv6Address(TARGET), False, bool(solicited), True, STATION
        )
    assert_refused(ip(dst="ff02::1") / ICMPv6ND_NA(tgt=TARGET, R=0, S=1) / TLLAO, "to a multicast address")


# -- router advertisements


@pytest.mark.spec("RFC 4861", "6.1.2")
@pytest.mark.parametrize("source", ["2001:db8::1", "fec0::1", "::", "fe00::1"])
def test_an_advertisement_comes_from_a_link_local_address(source: str) -> None:
    assert_refused(ip(src=source) / ICMPv6ND_RA(), "link-local")
    assert isinstance(message(ip(src="febf::1") / ICMPv6ND_RA()), RouterAdvertisement)


@pytest.mark.spec("RFC 4861", "4.6.2")
def test_the_bits_behind_a_prefix_mean_nothing() -> None:
    read = message(ip() / ICMPv6ND_RA() / ICMPv6NDOptPrefixInfo(prefix="2001:db8:44:7::1", prefixlen=64))
    assert isinstance(read, RouterAdvertisement)
    assert [information.prefix for information in read.prefixes] == [IPv6Network("2001:db8:44:7::/64")]


def test_of_several_dns_options_all_are_read_and_the_shortest_lifetime_holds() -> None:
    """RFC 8106 section 5.3.1 counts each by itself; nobody who reads advertisements here needs that."""
    read = message(
        ip()
        / ICMPv6ND_RA()
        / ICMPv6NDOptRDNSS(lifetime=300, dns=["2001:db8::53"])
        / ICMPv6NDOptDNSSL(lifetime=200, searchlist=["example.org"])
        / ICMPv6NDOptRDNSS(lifetime=400, dns=["2001:db8::35"])
    )
    assert isinstance(read, RouterAdvertisement)
    assert read.rdnss == (IPv6Address("2001:db8::53"), IPv6Address("2001:db8::35"))
    assert (read.rdnss_lifetime, read.search) == (200, ("example.org",))


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        (ICMPv6NDOptPrefixInfo(prefixlen=129, prefix="2001:db8::"), "129 bits"),
        (Raw(bytes((3, 3)) + bytes(22)), "prefix information"),
        (Raw(bytes((3, 5)) + bytes(38)), "prefix information"),
        (Raw(bytes((5, 2)) + bytes(14)), "MTU"),
        (ICMPv6NDOptMTU(mtu=1500) / Raw(bytes((5, 2)) + bytes(14)), "MTU"),
        (Raw(bytes((25, 1)) + bytes(6)), "name servers"),
        (Raw(bytes((25, 2)) + bytes(14)), "name servers"),
        (Raw(bytes((25, 4)) + bytes(30)), "name servers"),
        (Raw(bytes((31, 1)) + bytes(6)), "search domain"),
        (Raw(bytes((31, 2)) + bytes(14)), "search domain"),
        (Raw(bytes((31, 2)) + bytes(6) + b"\7example"), "search domain"),
        (Raw(bytes((31, 2)) + bytes(6) + b"\7exampl\0"), "search domain"),
        (Raw(bytes((31, 2)) + bytes(6) + b"\x09example"), "octets wanted"),
        (Raw(bytes((31, 2)) + bytes(6) + b"\xc0\x08" + bytes(6)), "label of 192"),
        (Raw(bytes((31, 2)) + bytes(6) + b"\4\xc3\xbcab\0\0\0"), "not of a domain"),
        (Raw(bytes((31, 2)) + bytes(6) + b"\4a.bc\0\0\0"), "not of a domain"),
        (Raw(bytes((24, 4)) + bytes(30)), "route information"),
        (Raw(bytes((24, 1, 1)) + bytes(5)), "1 bits in 0 octets"),
        (Raw(bytes((24, 2, 65)) + bytes(13)), "65 bits in 8 octets"),
        (Raw(bytes((24, 3, 129)) + bytes(21)), "129 bits"),
        (Raw(bytes((24, 1, 0, 0x10)) + bytes(4)), "flags 0x10"),
        (Raw(bytes((38, 1)) + bytes(6)), "PREF64"),
        (Raw(bytes((38, 2, 0, 6)) + bytes(12)), "length code 6"),
        (Raw(bytes((37, 1)) + bytes(6)), "without a URI"),
        (Raw(bytes((37, 1)) + b"ab\0cd\0"), "without a URI"),
        (Raw(bytes((37, 1)) + b"ab\xc3\xbcd\0"), "without a URI"),
        (Raw(bytes((31, 34)) + bytes(6) + (b"\x3f" + b"l" * 63) * 4 + bytes(8)), "255 characters"),
    ],
    ids=[
        "prefix of 129 bits", "short prefix", "long prefix", "long MTU", "second MTU",
        "no name server", "half a name server", "one and a half", "no domain", "only padding", "domain without an end",
        "label into the padding", "label beyond the option", "compression", "not ASCII", "a dot in a label",
        "route of 32 octets", "route without its prefix", "half a route", "route of 129 bits", "reserved preference",
        "short PREF64", "unknown length code", "empty portal", "zero in a portal", "portal not ASCII",
        "domain too long",
    ],
)  # fmt: skip
def test_options_of_an_advertisement_that_do_not_fit_are_refused(option: Packet, reason: str) -> None:
    assert_refused(ip() / ICMPv6ND_RA() / option, reason)
