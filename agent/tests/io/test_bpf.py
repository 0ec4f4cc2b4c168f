"""The filter of a station interface, run by the kernel itself on a pair of Unix sockets: no root needed."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, TCP, UDP, IPOption
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6ND_RS, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet

from sroamd.constants import MUTED_MAX
from sroamd.io import bpf

Pair = tuple[socket.socket, socket.socket]
STATION = Ether(src="02:00:00:00:00:07", dst="02:00:00:00:00:01")
REQUEST = UDP(sport=68, dport=67) / BOOTP() / DHCP(options=[("message-type", 1), "end"])


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


def passes(pair: Pair, packet: Packet | bytes) -> bool:
    ours, theirs = pair
    theirs.send(bytes(packet))
    try:
        taken = ours.recv(1 << 16)
    except BlockingIOError:
        return False
    assert taken == bytes(packet), "the whole frame"
    return True


@pytest.mark.parametrize(
    "packet",
    [
        STATION / ARP(op=2),
        STATION / IP() / REQUEST,
        STATION / IP(options=[IPOption(b"\x94\x04\x00\x00")]) / REQUEST,
        STATION / IPv6() / ICMPv6ND_RS(),
        STATION / IPv6() / ICMPv6ND_NA(),
        STATION / IPv6() / UDP(sport=546, dport=547),
    ],
    ids=["arp-reply", "dhcp", "dhcp-ip-options", "rs", "na", "dhcp6"],
)
def test_what_the_core_asks_for_passes(pair: Pair, packet: Packet) -> None:
    bpf.attach(pair[0], bpf.STATION_FRAMES)

    assert passes(pair, packet)


@pytest.mark.parametrize(
    "packet",
    [
        STATION / ARP(op=1),
        STATION / IP() / UDP(sport=67, dport=68),
        STATION / IP() / TCP(dport=67),
        STATION / IP(flags="MF") / REQUEST,
        STATION / IP(frag=5) / REQUEST,
        STATION / IPv6() / ICMPv6ND_NS(),
        STATION / IPv6() / ICMPv6ND_RA(),
        STATION / IPv6() / UDP(dport=67),
        STATION / IPv6() / UDP(sport=547, dport=546),
        STATION / IPv6(nh=44) / UDP(sport=546, dport=547),
        STATION / Dot1Q(vlan=5) / ARP(op=2),
        STATION / b"x",
        b"",
        b"\0" * 13,
        bytes(STATION / ARP(op=2))[:21],
        bytes(STATION / IP() / REQUEST)[:37],
    ],
    ids=[
        "arp-request",
        "dhcp-reply",
        "tcp",
        "first-fragment",
        "later-fragment",
        "ns",
        "ra",
        "udp6",
        "dhcp6-reply",
        "dhcp6-fragment",
        "tagged",
        "other",
        "empty",
        "no-ethertype",
        "cut-arp",
        "cut-udp",
    ],
)
def test_everything_else_stays_in_the_kernel(pair: Pair, packet: Packet | bytes) -> None:
    bpf.attach(pair[0], bpf.STATION_FRAMES)

    assert not passes(pair, packet)


def test_nothing_passes_the_filter_of_the_port_holder(pair: Pair) -> None:
    bpf.attach(pair[0], bpf.NOTHING)

    assert not passes(pair, STATION / IP() / REQUEST)


def test_jump_to_a_label_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError, match="nowhere"):
        bpf.assemble((bpf.Op(bpf.IF_EQUAL, 1, then="nowhere"), bpf.Op(bpf.RETURN, 0)))


@pytest.mark.parametrize("count", [1, 2, MUTED_MAX])
def test_whoever_is_muted_does_not_pass_and_all_others_do(pair: Pair, count: int) -> None:
    muted = [bytes((2, 0, 0, 0, 1, number)) for number in range(count)]
    bpf.attach(pair[0], bpf.station_frames(muted))
    for mac in muted:
        for frame in (ARP(op=2), IP() / REQUEST, IPv6() / ICMPv6ND_RS()):
            assert not passes(pair, Ether(src=mac.hex(":"), dst="02:00:00:00:00:01") / frame)
        for at in range(6):
            other = mac[:at] + bytes((mac[at] ^ 0x80,)) + mac[at + 1 :]
            assert passes(pair, Ether(src=other.hex(":"), dst="02:00:00:00:00:01") / ARP(op=2))
    assert not passes(pair, STATION / ARP(op=1))
    bpf.attach(pair[0], bpf.station_frames(()))
    assert passes(pair, Ether(src=muted[-1].hex(":"), dst="02:00:00:00:00:01") / ARP(op=2))
