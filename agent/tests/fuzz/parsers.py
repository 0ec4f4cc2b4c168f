"""The parsers of `wire/` as a fuzzer sees them: octets go in, and a value, DecodeError or a finding comes out.

`judge` of each decodes, and where the parser has an inverse, encodes and decodes again: what comes out must be the
same, and be encoded the same. Checksums are mended in three inputs of four, else next to none would get past them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from sroamd.addresses import BROADCAST, Mac, NodeId, ipv4_address
from sroamd.io.frames import Receiver, read_frame
from sroamd.wire import (
    arp,
    babel,
    census,
    datum,
    dhcpv4,
    dhcpv6,
    domains,
    ethernet,
    flood,
    fqdn,
    hostapd,
    icmpv6,
    summary,
    udp4,
    udp6,
)
from sroamd.wire import ndisc_options as option
from sroamd.wire.checksum import internet_checksum
from sroamd.wire.cursor import DecodeError

TLV_MAX = 255  # octets of the body
STREAM_MAX = 4 * TLV_MAX
REDECODED = 4  # messages of one input: what is timed is above all the parser

STATION, ROUTER, NODE = Mac(b"\2\0\0\0\0\7"), Mac(b"\2\0\0\0\0\1"), NodeId(b"\2\0\0\xff\xfe\0\0\1")
ADDRESS, GATEWAY, NOWHERE = IPv4Address("192.0.2.7"), IPv4Address("192.0.2.1"), IPv4Address(0)
LINK_LOCAL, EVERYBODY = IPv6Address("fe80::7"), IPv6Address("ff02::1")
IP_AT = 14


class Unstable(Exception):
    """What was decoded is encoded as something else."""


def forget() -> None:
    """Empty whatever parsers keep between two inputs."""
    datum.lease_prefix.cache_clear()
    ipv4_address.cache_clear()


@dataclass(frozen=True, slots=True)
class Parser:
    """`seeds`: octets that it accepts. `forget`: empties whatever it keeps between two inputs."""

    judge: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    forget: Callable[[], object] = forget


def require(holds: bool, what: object) -> None:
    if not holds:
        raise Unstable(f"{what!r}")


def stable(value: object, encode: Callable[..., bytes], decode: Callable[[bytes], object]) -> bytes:
    """The value's octets, which must be decoded as the same value, and encoded as the same octets."""
    octets = encode(value)
    again = decode(octets)
    require(again == value and encode(again) == octets, value)
    return octets


# -- Ethernet, ARP, UDP


def judge_ethernet(octets: bytes) -> None:
    require(stable(ethernet.decode_frame(octets), ethernet.encode_frame, ethernet.decode_frame) == octets, octets)


def judge_arp(octets: bytes) -> None:
    encoded = stable(arp.decode_arp(octets), arp.encode_arp, arp.decode_arp)
    require(octets.startswith(encoded), octets)


def mended(octets: bytes, ip_at: int = 0) -> bytes:
    """With the right checksum in the IPv4 header, if there is one."""
    size = (octets[ip_at] & 15) * 4 if len(octets) > ip_at else 0
    if size < 20 or len(octets) < ip_at + size or not octets[-1] & 3:
        return octets
    header = octets[ip_at : ip_at + 10] + b"\0\0" + octets[ip_at + 12 : ip_at + size]
    checksum = internet_checksum(header).to_bytes(2, "big")
    return octets[:ip_at] + header[:10] + checksum + header[12:] + octets[ip_at + size :]


def judge_udp4(octets: bytes) -> None:
    octets = mended(octets)
    datagram = udp4.decode_datagram(octets, checksum_ready=not octets or not octets[-1] & 3)
    stable(datagram, udp4.encode_datagram, udp4.decode_datagram)


# -- DHCP


def encode_dhcp(message: dhcpv4.DhcpMessage) -> bytes:
    return dhcpv4.encode(message, max_size=dhcpv4.MESSAGE_MAX)


def judge_dhcpv4(octets: bytes) -> None:
    message = dhcpv4.decode(octets)
    numbers = message.lease_time or 0, message.max_message_size or 0, *message.parameter_request_list
    addresses = message.requested_address, message.server_id
    require(all(0 <= number < 1 << 32 for number in numbers), numbers)
    require(all(address is None or isinstance(address, IPv4Address) for address in addresses), addresses)
    encoded = encode_dhcp(message)
    if len(encoded) > dhcpv4.MESSAGE_MAX:
        return  # more of what is always sent than we would ever have to say
    again = dhcpv4.decode(encoded)
    require(encode_dhcp(again) == encoded and again.options.items() <= message.options.items(), message)
    require(again == message or len(again.options) < len(message.options), message)


def dhcp(kind: dhcpv4.MessageType, **options: bytes) -> bytes:
    codes = {name: getattr(dhcpv4, f"OPTION_{name.upper()}") for name in options}
    values = {codes[name]: value for name, value in options.items()}
    return dhcpv4.encode(dhcpv4.DhcpMessage(op=1, message_type=kind, xid=7, chaddr=STATION, options=values))


def overloaded() -> bytes:
    """Options in `file` and `sname`, and one in two parts."""
    octets = bytearray(dhcp(dhcpv4.MessageType.DISCOVER))
    octets[44:50], octets[108:114] = b"\x0c\3abc\xff", b"\x0c\3def\xff"
    return bytes(octets[:240]) + b"\x35\1\1\x34\1\3\x3d\3\1aa\x3d\2bb\xff" + bytes(60)


REQUEST = dhcp(
    dhcpv4.MessageType.REQUEST,
    server_id=GATEWAY.packed,
    requested_address=ADDRESS.packed,
    client_id=b"\1" + STATION,
    parameter_request_list=bytes((1, 3, 6, 15, 51, 121)),
    max_message_size=b"\5\xdc",
    hostname=b"laptop",
    lease_time=bytes((0, 0, 7, 8)),
)
DISCOVER = dhcp(dhcpv4.MessageType.DISCOVER)


def judge_domains(octets: bytes) -> None:
    stable(domains.decode_domains(octets), domains.encode_domains, domains.decode_domains)


def judge_fqdn(octets: bytes) -> None:
    """As option 81; what is said of a message that has it must not fail whatever it is."""
    code = dhcpv4.OPTION_CLIENT_FQDN
    message = dhcpv4.DhcpMessage(op=1, message_type=KIND, xid=7, chaddr=STATION, options={code: octets, 12: octets})
    fqdn.name_of(message)
    fqdn.fqdn_answer(octets)
    fqdn.fqdn_name(octets)


KIND = dhcpv4.MessageType.REQUEST


def judge_dhcpv6(octets: bytes) -> None:
    message = dhcpv6.decode(octets)
    require(all(code < 1 << 16 for code in message.option_request), message)
    stable(message, dhcpv6.encode, dhcpv6.decode)


def judge_udp6(octets: bytes) -> None:
    datagram = udp6.decode_datagram(octets, checksum_ready=not octets or not octets[-1] & 3)
    require(udp6.is_udp(octets), octets)
    stable(datagram, udp6.encode_datagram, udp6.decode_datagram)


def ipv6(payload: bytes) -> bytes:
    return udp6.encode_datagram(udp6.Datagram6(LINK_LOCAL, 546, dhcpv6.ALL_SERVERS, 547, payload))


ASKED = {dhcpv6.OPTION_CLIENT_ID: b"\0\3\0\1" + STATION, dhcpv6.OPTION_ORO: bytes((0, 23, 0, 24, 0, 32))}
INFORMATION_REQUEST = dhcpv6.encode(dhcpv6.Dhcp6Message(dhcpv6.INFORMATION_REQUEST, 7, ASKED))


# -- neighbour discovery


def judge_icmpv6(octets: bytes) -> None:
    packet = icmpv6.decode_packet(octets, checksum_ready=not octets or not octets[-1] & 3)
    stable(packet, lambda p: icmpv6.encode_packet(p.source, p.destination, p.message), icmpv6.decode_packet)


def inside(encoded: bytes) -> bytes:
    """The body of an option."""
    ((_kind, body),) = option.split_options(encoded)
    return body


# By kind of option: decoder of the body, encoder of the whole.
NDISC_OPTIONS: dict[int, tuple[Callable[[bytes], object], Callable[..., bytes]]] = {
    option.PREFIX_INFORMATION: (option.decode_prefix, option.encode_prefix),
    option.MTU: (option.decode_mtu, option.encode_mtu),
    option.ROUTE_INFORMATION: (option.decode_route, option.encode_route),
    option.RDNSS: (option.decode_rdnss, lambda value: option.encode_rdnss(*value)),
    option.DNSSL: (option.decode_search, lambda value: option.encode_search(*value)),
    option.CAPTIVE_PORTAL: (option.decode_portal, option.encode_portal),
    option.PREF64: (option.decode_nat64, option.encode_nat64),
}


def judge_ndisc_options(octets: bytes) -> None:
    for kind, body in option.split_options(octets):
        if kind in NDISC_OPTIONS:
            decode, encode = NDISC_OPTIONS[kind]
            stable(decode(body), encode, lambda encoded, decode=decode: decode(inside(encoded)))  # type: ignore[misc]
    option.find_link_layer(octets, option.SOURCE_LINK_LAYER)


PREFIX = option.PrefixInformation(IPv6Network("2001:db8:44:7::/64"), True, True, 7200, 3600)
ROUTE = option.RouteInformation(IPv6Network("2001:db8:45::/48"), "high", 600)
NAT64 = option.Nat64Prefix(IPv6Network("64:ff9b::/96"), 600)
ADVERTISEMENT = icmpv6.RouterAdvertisement(
    hop_limit=64, managed=False, other=False, lifetime=3600, source_link_layer=ROUTER, mtu=1400, prefixes=(PREFIX,),
    rdnss=(LINK_LOCAL, EVERYBODY), rdnss_lifetime=3600, search=("example.net", "a.example"), routes=(ROUTE,),
    nat64=(NAT64,), captive_portal="https://portal.example/api",
)  # fmt: skip
DISCOVERY = (
    icmpv6.RouterSolicitation(STATION),
    icmpv6.NeighborSolicitation(LINK_LOCAL, STATION),
    icmpv6.NeighborAdvertisement(LINK_LOCAL, False, True, True, STATION),
    ADVERTISEMENT,
)
PACKETS = tuple(icmpv6.encode_packet(LINK_LOCAL, LINK_LOCAL, message) for message in DISCOVERY)
OPTIONS = (
    option.encode_option(option.SOURCE_LINK_LAYER, STATION),
    option.encode_prefix(PREFIX),
    option.encode_mtu(1400),
    option.encode_rdnss(60, (LINK_LOCAL, EVERYBODY)),
    option.encode_search(60, ("example.net", "a.example")),
    option.encode_route(ROUTE),
    option.encode_nat64(NAT64),
    option.encode_portal("https://portal.example/api"),
)


# -- what comes in on an interface of stations, whole


def judge_frame(octets: bytes) -> object:
    octets = mended(octets, IP_AT)
    return read_frame(RECEIVER, octets, checksum_ready=not octets or not octets[-1] & 3)


def ipv4(payload: bytes) -> bytes:
    return udp4.encode_datagram(udp4.Datagram(NOWHERE, 68, IPv4Address("255.255.255.255"), 67, payload))


def frame(ethertype: int, payload: bytes, destination: Mac = ROUTER) -> bytes:
    return ethernet.encode_frame(ethernet.Frame(destination, STATION, ethertype, payload))


RECEIVER = Receiver("wlan0", ROUTER, GATEWAY)
ARP = arp.encode_arp(arp.ArpPacket(arp.REPLY, STATION, ADDRESS, ROUTER, GATEWAY))
FRAMES = (
    frame(ethernet.ETHERTYPE_ARP, ARP),
    frame(ethernet.ETHERTYPE_IPV4, ipv4(REQUEST), BROADCAST),
    frame(ethernet.ETHERTYPE_IPV4, ipv4(overloaded())),
    *(frame(ethernet.ETHERTYPE_IPV6, packet) for packet in (*PACKETS, ipv6(INFORMATION_REQUEST))),
)


# -- what nodes say


def redecoded(octets: bytes) -> flood.Message:
    (message,) = started().feed(octets)
    return message


def started() -> flood.StreamDecoder:
    decoder = flood.StreamDecoder()
    decoder.feed(flood.HANDSHAKE)
    return decoder


def judge_flood(octets: bytes) -> None:
    """At once and, of short ones, in two pieces; as if it began with the handshake, too, which it hardly ever does."""
    octets = octets[:STREAM_MAX]
    whole, pieces = started(), started()
    messages = whole.feed(octets)
    if 0 < len(octets) < 2 * TLV_MAX:
        cut = octets[0] % len(octets)
        require(pieces.feed(octets[:cut]) + pieces.feed(octets[cut:]) == messages, octets)
        require((whole.ignored, whole.malformed) == (pieces.ignored, pieces.malformed), octets)
    for message in messages[:REDECODED]:
        encoded = flood.encode(message)
        require(flood.encode(redecoded(encoded)) == encoded, message)
    with suppress(DecodeError):
        flood.StreamDecoder().feed(octets)


def with_kind(*kinds: tuple[Callable[[bytes], object], Callable[..., bytes]]) -> Callable[[bytes], None]:
    """A judge of bodies of TLVs, whose kind the first octet says."""

    def judge(octets: bytes) -> None:
        decode, encode = kinds[octets[0] % len(kinds)] if octets else kinds[0]
        value = decode(octets[1 : 1 + TLV_MAX])
        if value is not None:
            stable(value, lambda v: encode(v)[2:], decode)

    return judge


NONCE, DIGEST = b"question", bytes(range(8))
QUESTION = census.Question(NODE, NONCE, NODE, 3, 0xABC)
HELD = census.Held(DIGEST, 9, 5400, datum.association_key(STATION), NODE)
ANSWERS = (
    census.Answer(NODE, NONCE, NODE, 3, 0xABC, 7, held=HELD),
    census.Answer(NODE, NONCE, NODE, 1, 0xA, 7, bytes(128)),
)
SUMMARIES = summary.Summary(1, 0xA, (DIGEST,) * 16), summary.Summary(3, 0xABC, (b"abcd", b"efgh"))
WANTED = summary.Wanted(0xABC, (b"abcd",))
UPDATE = flood.Update(9, 5400, datum.association_key(STATION), NODE)
HELLO = flood.Hello(NODE, 3, DIGEST, 7, "ap1", repairs=True)
FLOOD = (UPDATE, HELLO, QUESTION, *ANSWERS, *SUMMARIES, WANTED)


# -- what they mean by it


def judge_datum(octets: bytes) -> None:
    """A key and a value of the length that its type should have, or about."""
    cut = {0: 5, 1: 9, 2: 7, datum.EVIDENCE: 15, datum.HOSTNAME: 7}.get(octets[0], 9) if octets else 0
    key, value = octets[:cut], octets[cut:]
    datum.check_datum(key, value)
    match key[0]:
        case datum.IPV4_LEASE | datum.IPV6_LEASE:
            prefix = datum.lease_prefix(key)
            made = datum.ipv4_lease_key(prefix[0]) if prefix.version == 4 else datum.ipv6_lease_key(prefix)
            require(made == key, key)
        case datum.ASSOCIATION:
            require(datum.association_key(datum.association_station(key)) == key, key)
        case datum.HOSTNAME:
            require(datum.hostname_key(datum.hostname_station(key)) == key, key)
        case datum.NODE if value:
            datum.node_id(key)
            stable(datum.NodeRecord.decode(value), datum.NodeRecord.encode, datum.NodeRecord.decode)
        case datum.LINKS:
            datum.links_node(key)
            encoded = datum.encode_links(datum.decode_links(value))
            require(datum.encode_links(datum.decode_links(encoded)) == encoded, value)
        case datum.EVIDENCE if value and value[0] == 1:
            datum.evidence_of(key)
            require(datum.Evidence.decode(value).encode() == value, value)


EVIDENCE = datum.Evidence(NODE, 60, 1, 2, (3, 4, 5), (6, 7, 8))
DATA = (
    datum.ipv4_lease_key(ADDRESS) + STATION,
    datum.ipv6_lease_key(PREFIX.prefix) + STATION,
    datum.association_key(STATION) + NODE,
    datum.node_key(NODE) + datum.NodeRecord("ap1", GATEWAY, IPv6Address("fd00::1")).encode(),
    datum.links_key(NODE) + datum.encode_links([LINK_LOCAL, IPv6Address("fe80::8")]),
    datum.evidence_key(STATION, NODE) + EVIDENCE.encode(),
    datum.hostname_key(STATION) + b"laptop",
)


# -- Babel, hostapd


def judge_babel(octets: bytes) -> None:
    said = babel.decode_packet(octets)
    require(said.interval is None or 0 < said.interval < 656, said)
    require(all(address.is_link_local for address, _ in said.hears), said)
    babel.decode_datagram(octets)


BABEL = bytes.fromhex("2a02 0018 0406 0000 8682 0014 050e 0300 0060 003c 20f4b1fffe023a40")


def judge_hostapd(octets: bytes) -> None:
    """An event, or a reply of several lines, as text of whatever encoding."""
    text = octets.decode(errors="replace")
    event = hostapd.parse_event(text)
    if event is not None and not isinstance(event, hostapd.Terminating):
        require(hostapd.parse_event(f"<3>AP-STA-CONNECTED {event.mac}") == hostapd.StationConnected(event.mac), event)
    if "\n" in text:
        hostapd.parse_station(text)


LINES = (
    b"<3>AP-STA-CONNECTED 02:00:00:00:00:07 auth_alg=open",
    b"IFNAME=wlan0 <3>AP-STA-POLL-OK 02:00:00:00:00:07",
    b"<3>CTRL-EVENT-TERMINATING ",
    b"02:00:00:00:00:07\nflags=[AUTH][AUTHORIZED]\naid=1\n",
)

PARSERS = {
    "ethernet": Parser(judge_ethernet, FRAMES),
    "arp": Parser(judge_arp, (ARP,)),
    "udp4": Parser(judge_udp4, (ipv4(b"payload"), ipv4(REQUEST))),
    "dhcpv4": Parser(judge_dhcpv4, (REQUEST, DISCOVER, overloaded())),
    "domains": Parser(judge_domains, (domains.encode_domains(("example.net", "a.example")) + bytes(3),)),
    "fqdn": Parser(judge_fqdn, (b"\1\0\0laptop.example.", b"\5\0\0\6laptop\7example\0")),
    "dhcpv6": Parser(judge_dhcpv6, (INFORMATION_REQUEST,)),
    "udp6": Parser(judge_udp6, (ipv6(INFORMATION_REQUEST), ipv6(b"payload"))),
    "icmpv6": Parser(judge_icmpv6, PACKETS),
    "ndisc_options": Parser(judge_ndisc_options, (*OPTIONS, b"".join(OPTIONS))),
    "frame": Parser(judge_frame, FRAMES),
    "flood": Parser(judge_flood, (*map(flood.encode, FLOOD), b"".join(map(flood.encode, FLOOD)))),
    "summary": Parser(
        with_kind((summary.decode_summary, summary.encode_summary), (summary.decode_wanted, summary.encode_wanted)),
        (*(b"\0" + flood.encode(message)[2:] for message in SUMMARIES), b"\1" + flood.encode(WANTED)[2:]),
    ),
    "census": Parser(
        with_kind((census.decode_question, census.encode), (census.decode_answer, census.encode)),
        (b"\0" + flood.encode(QUESTION)[2:], *(b"\1" + flood.encode(message)[2:] for message in ANSWERS)),
    ),
    "datum": Parser(judge_datum, DATA),
    "babel": Parser(judge_babel, (BABEL, babel.encode_requests([GATEWAY, LINK_LOCAL]))),
    "hostapd": Parser(judge_hostapd, LINES),
}

__all__ = ["PARSERS", "DecodeError", "Parser", "Unstable"]
