"""What a hostile station may send past its own kernel, each with the reason for which the source guard drops it; and
what every decent station sends, which must pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import DHCP6_Advertise
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
    RouterAlert,
)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

from tests.e2e.guarded import AP_MAC, BOB_MAC, GATEWAY, GATEWAY6, MALLORY_MAC, SERVER, SERVER6, Site, dhcp_request

EVERYBODY, ALL_NODES_MAC, ALL_ROUTERS_MAC = "ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01", "33:33:00:00:00:02"
BOBS, OWN = "{site.bob.ipv4}", "{site.mallory.ipv4}"
STRANGER = "02:00:00:00:00:99"

Build = Callable[[Site], Sequence[Packet]]


@dataclass(frozen=True)
class Attack:
    """`id`: the row of the list of threats. `reason`: the guard's counter; None where the kernel drops it before."""

    id: str
    what: str
    reason: str | None
    build: Build


def to_ap(*layers: Packet, src: str = MALLORY_MAC, dst: str = AP_MAC) -> Packet:
    packet: Packet = Ether(src=src, dst=dst)
    for layer in layers:
        packet = packet / layer
    return packet


def from4(source: str, **ip: object) -> Build:
    """An echo request to the server from this address."""
    return lambda site: [to_ap(IP(src=source.format(site=site), dst=SERVER, **ip) / ICMP())]


def from6(source: str) -> Build:
    return lambda site: [to_ap(IPv6(src=source.format(site=site), dst=SERVER6) / ICMPv6EchoRequest())]


def arp(
    op: int, mac: str, address: str, target: str = GATEWAY, *, src: str = MALLORY_MAC, dst: str = EVERYBODY
) -> Build:
    """Says that `mac` has the address."""
    return lambda site: [
        Ether(src=src, dst=dst) / ARP(op=op, hwsrc=mac, psrc=address.format(site=site), pdst=target.format(site=site))
    ]


def own6(site: Site, target: str = "ff02::1", *, dst: str = ALL_NODES_MAC) -> Packet:
    """The beginning of a packet from the hostile station's link-local address."""
    return to_ap(IPv6(src=site.mallory.link_local, dst=target, hlim=255), dst=dst)


def to_bob6(site: Site) -> Packet:
    """The same from its global address to the bystander, as a router would forward it."""
    return to_ap(IPv6(src=site.mallory.ipv6, dst=site.bob.ipv6, hlim=255))


RA = ICMPv6ND_RA(routerlifetime=1800) / ICMPv6NDOptPrefixInfo(prefix="2001:db8:bad::", prefixlen=64)
ADVERTISE = UDP(sport=547, dport=546) / DHCP6_Advertise(trid=1)
LONG = IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(44))])  # 48 octets


def pieces(site: Site, head: Packet, inner: Packet, size: int, *, kinds: Sequence[int] = ()) -> list[Packet]:
    """Fragments of `size` octets each; `kinds`: what each says that its first header is, where that is a lie."""
    whole = bytes(IPv6(src=head[IPv6].src, dst=head[IPv6].dst, nh=inner_kind(inner)) / inner)[40:]
    parts = [whole[at : at + size] for at in range(0, len(whole), size)]
    return [
        head.copy()
        / IPv6ExtHdrFragment(
            nh=kinds[number] if kinds else inner_kind(inner), offset=number * size // 8, m=number < len(parts) - 1, id=7
        )
        / Raw(part)
        for number, part in enumerate(parts)
    ]


def inner_kind(packet: Packet) -> int:
    if isinstance(packet, IPv6ExtHdrDestOpt):
        return 60
    return 17 if isinstance(packet, UDP) else 58


def claim(site: Site, target: str, mac: str = MALLORY_MAC) -> Packet:
    """A neighbour advertisement to the access point."""
    return own6(site, GATEWAY6, dst=AP_MAC) / ICMPv6ND_NA(tgt=target, R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac)


def solicit(site: Site, source: str | None = None, *options: Packet, target: str = GATEWAY6) -> Packet:
    packet = to_ap(IPv6(src=source or site.mallory.link_local, dst=GATEWAY6, hlim=255)) / ICMPv6ND_NS(tgt=target)
    for option in options:
        packet = packet / option
    return packet


def offer(site: Site) -> Packet:
    return (
        IP(src=site.mallory.ipv4, dst=site.bob.ipv4)
        / UDP(sport=67, dport=68)
        / BOOTP(op=2, yiaddr="192.0.2.250", siaddr=site.mallory.ipv4, chaddr=bytes.fromhex(BOB_MAC.replace(":", "")))
        / DHCP(options=[("message-type", "offer"), ("server_id", site.mallory.ipv4), "end"])
    )


ATTACKS = (
    Attack("C11", "ARP reply: the gateway is here", "arp_claim", arp(2, MALLORY_MAC, GATEWAY, dst=AP_MAC)),
    Attack("C11", "ARP announcement of the gateway", "arp_claim", arp(1, MALLORY_MAC, GATEWAY)),
    Attack("C11", "ARP request from the gateway", "arp_claim", arp(1, MALLORY_MAC, GATEWAY, "{site.bob.ipv4}")),
    Attack("C11", "NA for the gateway", "neighbour_claim", lambda site: [claim(site, GATEWAY6)]),
    Attack("C11", "NS from the gateway", "link_local_source", lambda site: [solicit(site, GATEWAY6)]),
    Attack("C11", "NA from the gateway", "neighbour_claim", lambda site: [
        to_ap(IPv6(src=GATEWAY6, dst="ff02::1", hlim=255), dst=ALL_NODES_MAC) / ICMPv6ND_NA(tgt=GATEWAY6)
    ]),
    Attack("C12", "ARP reply: the bystander is here", "arp_claim", arp(2, MALLORY_MAC, BOBS, dst=AP_MAC)),
    Attack("C12", "ARP announcement of the bystander", "arp_claim", arp(1, MALLORY_MAC, BOBS, BOBS)),
    Attack("C12", "ARP with the bystander's MAC inside", "arp_claim", arp(1, BOB_MAC, BOBS)),
    Attack("C12", "ARP of its own address with another MAC", "arp_claim", arp(2, STRANGER, OWN, dst=AP_MAC)),
    Attack("C12", "NA for the bystander's address", "neighbour_claim", lambda site: [claim(site, site.bob.ipv6)]),
    Attack("C12", "NA for the bystander's link-local", "link_local_source", lambda site: [
        to_ap(IPv6(src=site.bob.link_local, dst=GATEWAY6, hlim=255))
        / ICMPv6ND_NA(tgt=site.bob.link_local, S=0, O=1)
        / ICMPv6NDOptDstLLAddr(lladdr=MALLORY_MAC)
    ]),
    Attack("C12", "NA of its own address with another MAC", "neighbour_claim", lambda site: [
        claim(site, site.mallory.ipv6, STRANGER)
    ]),
    Attack("C12", "NS from the bystander's address", "ipv6_source", lambda site: [solicit(site, site.bob.ipv6)]),
    Attack("C12", "NS from the bystander's link-local", "link_local_source", lambda site: [
        solicit(site, site.bob.link_local, ICMPv6NDOptSrcLLAddr(lladdr=MALLORY_MAC))
    ]),
    Attack("C12", "NS with another's MAC", "neighbour_claim", lambda site: [
        solicit(site, None, ICMPv6NDOptSrcLLAddr(lladdr=BOB_MAC))
    ]),
    Attack("C12", "NS with another's MAC behind its own", "neighbour_claim", lambda site: [
        solicit(site, None, ICMPv6NDOptSrcLLAddr(lladdr=MALLORY_MAC), ICMPv6NDOptSrcLLAddr(lladdr=BOB_MAC))
    ]),
    Attack("C04", "RS with another's MAC", "neighbour_claim", lambda site: [
        own6(site, "ff02::2", dst=ALL_ROUTERS_MAC) / ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr=BOB_MAC)
    ]),
    Attack("C13", "from the bystander's lease", "ipv4_source", from4("{site.bob.ipv4}")),
    Attack("C13", "from an address that nobody has", "ipv4_source", from4("192.0.2.251")),
    Attack("C13", "from the gateway", "ipv4_source", from4(GATEWAY)),
    Attack("C13", "from the backbone", "ipv4_source", from4("203.0.113.77")),
    Attack("C13", "from 0/8", "ipv4_source", from4("0.1.2.3")),
    Attack("C13", "from nowhere", "ipv4_source", from4("0.0.0.0")),
    Attack("C13", "from loopback", "ipv4_source", from4("127.0.0.1")),
    Attack("C13", "from a multicast group", "ipv4_source", from4("224.0.0.5")),
    Attack("C13", "from broadcast", "ipv4_source", from4("255.255.255.255")),
    Attack("C13", "from autoconfiguration", "ipv4_source", from4("169.254.1.2")),
    Attack("C13", "a later fragment from the bystander", "ipv4_source", from4("{site.bob.ipv4}", frag=3)),
    Attack("C13", "from the bystander's prefix", "ipv6_source", from6("{site.bob.ipv6}")),
    Attack("C13", "from a prefix that nobody has", "ipv6_source", from6("2001:db8:44:ffff::1")),
    Attack("C13", "from the IPv6 backbone", "ipv6_source", from6("fd00:99::77")),
    Attack("C13", "from :: to the server", "ipv6_source", from6("::")),
    Attack("C13", "from a mapped address", "ipv6_source", from6("::ffff:192.0.2.7")),
    Attack("C13", "from IPv6 loopback", None, from6("::1")),
    Attack("C13", "from an IPv6 multicast group", None, from6("ff02::1")),
    Attack("C13", "from the gateway's link-local", "link_local_source", from6(GATEWAY6)),
    Attack("C13", "from a MAC that is no station", "unauthorised", lambda site: [
        to_ap(IP(src=site.mallory.ipv4, dst=SERVER) / ICMP(), src=STRANGER),
        to_ap(IPv6(src=site.mallory.ipv6, dst=SERVER6) / ICMPv6EchoRequest(), src=STRANGER),
        *arp(1, STRANGER, "{site.mallory.ipv4}", src=STRANGER)(site),
    ]),
    Attack("C24", "from the bystander in VLAN 0", "ipv4_source", lambda site: [
        to_ap(Dot1Q(vlan=0), IP(src=site.bob.ipv4, dst=SERVER) / ICMP())
    ]),
    Attack("C24", "in a VLAN", None, lambda site: [
        to_ap(Dot1Q(vlan=5), IP(src=site.mallory.ipv4, dst=SERVER) / ICMP())
    ]),
    Attack("C24", "in two VLANs", None, lambda site: [
        to_ap(Dot1AD(vlan=5), Dot1Q(vlan=6), IP(src=site.bob.ipv4, dst=SERVER) / ICMP())
    ]),
    Attack("C14", "OFFER to the bystander", "rogue_server", lambda site: [to_ap(offer(site))]),
    Attack("C14", "OFFER in fragments", "rogue_server", lambda site: [
        to_ap(
            IP(src=site.mallory.ipv4, dst=site.bob.ipv4, id=9, flags="MF", proto=17)
            / Raw(bytes(offer(site)[UDP])[:24])
        )
    ]),
    Attack("C14", "RA to everybody", "rogue_server", lambda site: [own6(site) / RA]),
    Attack("C14", "RA to the bystander", "rogue_server", lambda site: [to_bob6(site) / RA]),
    Attack("C14", "RA behind hop-by-hop options", "rogue_server", lambda site: [
        own6(site) / IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0\0\0\0")]) / RA
    ]),
    Attack("C14", "RA behind destination options twice", "rogue_server", lambda site: [
        to_bob6(site) / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / RA
    ]),
    Attack("C14", "RA behind a routing header", "rogue_server", lambda site: [
        to_bob6(site) / IPv6ExtHdrRouting() / RA
    ]),
    Attack("C14", "RA in one fragment", "rogue_server", lambda site: [own6(site) / IPv6ExtHdrFragment(nh=58) / RA]),
    Attack("C14", "RA's first fragment", "rogue_server", lambda site: pieces(site, own6(site), RA, 24)[:1]),
    Attack("C14", "RA whose type is in the second fragment", "headers", lambda site: [
        *pieces(site, own6(site), LONG / RA, 48), *pieces(site, to_bob6(site), LONG / RA, 24)
    ]),
    Attack("C14", "the same, with lies in the fragment headers", "headers", lambda site: (
        pieces(site, to_bob6(site), LONG / ADVERTISE, 48, kinds=(60, 17))[:1]
    )),
    Attack("C14", "redirect", "rogue_server", lambda site: [
        own6(site, dst=AP_MAC) / ICMPv6ND_Redirect(tgt=site.mallory.link_local, dst=SERVER6)
    ]),
    Attack("C14", "DHCPv6 ADVERTISE", "rogue_server", lambda site: [to_bob6(site) / ADVERTISE]),
    Attack("C14", "ADVERTISE from another port", "rogue_server", lambda site: [
        to_bob6(site) / UDP(sport=5000, dport=546) / DHCP6_Advertise()
    ]),
    Attack("C14", "ADVERTISE behind extension headers", "rogue_server", lambda site: [
        to_bob6(site) / IPv6ExtHdrDestOpt() / IPv6ExtHdrRouting() / ADVERTISE
    ]),
    Attack("C14", "ADVERTISE's first fragment", "rogue_server", lambda site: (
        pieces(site, to_bob6(site), ADVERTISE, 8)[:1]
    )),
    Attack("C14", "NS in a fragment", "headers", lambda site: [
        own6(site, GATEWAY6, dst=AP_MAC) / IPv6ExtHdrFragment(nh=58) / ICMPv6ND_NS(tgt=GATEWAY6)
    ]),
    Attack("C14", "NA behind destination options", "headers", lambda site: [
        own6(site, GATEWAY6, dst=AP_MAC) / IPv6ExtHdrDestOpt() / ICMPv6ND_NA(tgt=site.bob.ipv6)
    ]),
    Attack("C16", "to the server in a broadcast frame", "broadcast", lambda site: [
        to_ap(IP(src=site.mallory.ipv4, dst=SERVER) / ICMP(), dst=EVERYBODY)
    ]),
    Attack("C16", "to the bystander in a broadcast frame", "broadcast", lambda site: [
        to_ap(IP(src=site.mallory.ipv4, dst=site.bob.ipv4) / ICMP(), dst=EVERYBODY)
    ]),
    Attack("C16", "to the gateway in a multicast frame", "broadcast", lambda site: [
        to_ap(IP(src=site.mallory.ipv4, dst=GATEWAY) / ICMP(), dst="01:00:5e:00:00:01")
    ]),
    Attack("C16", "IPv6 to the bystander in a multicast frame", "broadcast", lambda site: [
        to_ap(IPv6(src=site.mallory.ipv6, dst=site.bob.ipv6) / ICMPv6EchoRequest(), dst=ALL_NODES_MAC)
    ]),
)  # fmt: skip

Decent = tuple[str, bool, Build]

# What it is, whether it goes on to the backbone, and the frames.
DECENT: tuple[Decent, ...] = (
    ("DHCP", False, lambda site: [dhcp_request(site.mallory, 99)]),
    ("ARP probe of its address", False, arp(1, MALLORY_MAC, "0.0.0.0", "{site.mallory.ipv4}")),
    ("ARP announcement of its address", False, arp(1, MALLORY_MAC, "{site.mallory.ipv4}", "{site.mallory.ipv4}")),
    ("ARP for the gateway", False, arp(1, MALLORY_MAC, "{site.mallory.ipv4}")),
    ("duplicate address detection", False, lambda site: [
        Ether(src=MALLORY_MAC, dst="33:33:ff:00:00:66")
        / IPv6(src="::", dst="ff02::1:ff00:66", hlim=255)
        / ICMPv6ND_NS(tgt=site.mallory.link_local)
    ]),
    ("RS from nowhere", False, lambda site: [
        Ether(src=MALLORY_MAC, dst=ALL_ROUTERS_MAC) / IPv6(src="::", dst="ff02::2", hlim=255) / ICMPv6ND_RS()
    ]),
    ("RS with its MAC", False, lambda site: [
        own6(site, "ff02::2", dst=ALL_ROUTERS_MAC) / ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr=MALLORY_MAC)
    ]),
    ("multicast report", False, lambda site: [
        Ether(src=MALLORY_MAC, dst="33:33:00:00:00:16")
        / IPv6(src=source, dst="ff02::16", hlim=1)
        / IPv6ExtHdrHopByHop(options=[RouterAlert(), PadN()])
        / ICMPv6MLReport2()
        for source in ("::", site.mallory.link_local)
    ]),
    ("NS for the gateway", False, lambda site: [
        solicit(site),
        solicit(site, None, ICMPv6NDOptSrcLLAddr(lladdr=MALLORY_MAC)),
        solicit(site, site.mallory.ipv6, ICMPv6NDOptSrcLLAddr(lladdr=MALLORY_MAC)),
    ]),
    ("NA of its addresses", False, lambda site: [
        claim(site, site.mallory.link_local),
        claim(site, site.mallory.in_prefix(0x77)),
    ]),
    ("ping", True, from4("{site.mallory.ipv4}")),
    ("ping in fragments", True, from4("{site.mallory.ipv4}", flags="MF")),
    ("IPv6 ping", True, from6("{site.mallory.ipv6}")),
    ("IPv6 ping from a privacy address", True, lambda site: from6(site.mallory.in_prefix(0xABCDEF0123456789))(site)),
    ("IPv6 fragments", True, lambda site: pieces(
        site, to_ap(IPv6(src=site.mallory.ipv6, dst=SERVER6)), UDP(sport=5000, dport=6000) / Raw(bytes(100)), 48
    )),
    ("IPv6 with destination options", True, lambda site: [
        to_ap(IPv6(src=site.mallory.ipv6, dst=SERVER6)) / IPv6ExtHdrDestOpt() / UDP(sport=5000, dport=6000)
    ]),
    ("multicast DNS", False, lambda site: [
        to_ap(IP(src=site.mallory.ipv4, dst="224.0.0.251") / UDP(sport=5353, dport=5353), dst="01:00:5e:00:00:fb"),
        to_ap(IPv6(src=site.mallory.link_local, dst="ff02::fb") / UDP(sport=5353, dport=5353), dst="33:33:00:00:00:fb"),
    ]),
    ("broadcast", False, lambda site: [
        to_ap(IP(src=site.mallory.ipv4, dst=target) / UDP(sport=137, dport=137), dst=EVERYBODY)
        for target in ("255.255.255.255", "192.0.2.255")
    ]),
)  # fmt: skip
