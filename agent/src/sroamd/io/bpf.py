"""The filters of our sockets: frames of station interfaces, events of the kernel; and an assembler for them.

The kernel runs it on every frame that a station sends, so all the rest of the traffic never wakes us. It is a first
sieve, not a judge: `frames` checks again whatever it lets through.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

SO_ATTACH_FILTER = 26

# Instructions of linux/bpf_common.h that we use.
LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS; words are in network order
LOAD_BYTE = 0x30  # BPF_LD | BPF_B | BPF_ABS
LOAD_HALF = 0x28  # BPF_LD | BPF_H | BPF_ABS
LOAD_HALF_INDEXED = 0x48  # BPF_LD | BPF_H | BPF_IND
LOAD_IP_HEADER_LENGTH = 0xB1  # BPF_LDX | BPF_B | BPF_MSH: X = 4 * (octet & 15)
IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
IF_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
RETURN = 0x06  # BPF_RET | BPF_K

_ANCILLARY = 0xFFFFF000  # SKF_AD_OFF; loads from here read what the kernel knows beside the octets
_PACKET_TYPE = _ANCILLARY + 4  # SKF_AD_PKTTYPE
_VLAN_TAG_PRESENT = _ANCILLARY + 48  # SKF_AD_VLAN_TAG_PRESENT
_PACKET_OUTGOING = 4
_WHOLE_FRAME = 0x40000

_SOURCE, _ETHERTYPE, _IP = 6, 12, 14
_ARP_OPERATION = _IP + 6
_IPV4_FRAGMENT, _IPV4_PROTOCOL = _IP + 6, _IP + 9
_UDP_DESTINATION_PORT = _IP + 2  # behind the IPv4 header, whose length is in X
_IPV6_NEXT_HEADER = _IP + 6
_ICMPV6_TYPE = _IP + 40
_UDP6_DESTINATION_PORT = _IP + 42

_BEGIN = "begin"
_INSTRUCTION = struct.Struct("=HBBI")


@dataclass(frozen=True, slots=True)
class Op:
    """One instruction. A jump goes to the label `then` or else to `otherwise`; None is the next instruction."""

    code: int
    value: int
    then: str | None = None
    otherwise: str | None = None
    label: str | None = None


# ARP replies, IPv4 datagrams (whole ones) to UDP port 67, ICMPv6 router solicitations and neighbour advertisements, and
# IPv6 datagrams to UDP port 547.
STATION_FRAMES = (
    Op(LOAD_BYTE, _VLAN_TAG_PRESENT, label=_BEGIN),  # a tagged frame belongs to another network
    Op(IF_EQUAL, 0, otherwise="drop"),
    Op(LOAD_BYTE, _PACKET_TYPE),
    Op(IF_EQUAL, _PACKET_OUTGOING, then="drop"),
    Op(LOAD_HALF, _ETHERTYPE),
    Op(IF_EQUAL, 0x0806, then="arp"),
    Op(IF_EQUAL, 0x86DD, then="ipv6"),
    Op(IF_EQUAL, 0x0800, otherwise="drop"),
    Op(LOAD_BYTE, _IPV4_PROTOCOL),
    Op(IF_EQUAL, socket.IPPROTO_UDP, otherwise="drop"),
    Op(LOAD_HALF, _IPV4_FRAGMENT),
    Op(IF_ANY_BIT, 0x3FFF, then="drop"),  # more fragments, or an offset
    Op(LOAD_IP_HEADER_LENGTH, _IP),
    Op(LOAD_HALF_INDEXED, _UDP_DESTINATION_PORT),
    Op(IF_EQUAL, 67, then="take", otherwise="drop"),
    Op(LOAD_HALF, _ARP_OPERATION, label="arp"),
    Op(IF_EQUAL, 2, then="take", otherwise="drop"),
    Op(LOAD_BYTE, _IPV6_NEXT_HEADER, label="ipv6"),
    Op(IF_EQUAL, socket.IPPROTO_UDP, then="udp6"),
    Op(IF_EQUAL, socket.IPPROTO_ICMPV6, otherwise="drop"),
    Op(LOAD_BYTE, _ICMPV6_TYPE),
    Op(IF_EQUAL, 133, then="take"),
    Op(IF_EQUAL, 136, then="take", otherwise="drop"),
    Op(LOAD_HALF, _UDP6_DESTINATION_PORT, label="udp6"),
    Op(IF_EQUAL, 547, then="take"),
    Op(RETURN, 0, label="drop"),
    Op(RETURN, _WHOLE_FRAME, label="take"),
)

NOTHING = (Op(RETURN, 0),)


def station_frames(muted: Sequence[bytes]) -> tuple[Op, ...]:
    """STATION_FRAMES, but for those from these MACs."""
    labels = [f"muted {number}" for number in range(len(muted))] + [_BEGIN]
    checks = (_drop_from(mac, *place) for mac, place in zip(muted, pairwise(labels), strict=True))
    return (*chain.from_iterable(checks), *STATION_FRAMES)


def _drop_from(mac: bytes, label: str, otherwise: str) -> tuple[Op, ...]:
    """Its last four octets tell more MACs apart than its first two."""
    return (
        Op(LOAD_WORD, _SOURCE + 2, label=label),
        Op(IF_EQUAL, int.from_bytes(mac[2:], "big"), otherwise=otherwise),
        Op(LOAD_HALF, _SOURCE),
        Op(IF_EQUAL, int.from_bytes(mac[:2], "big"), then="drop", otherwise=otherwise),
    )


def not_caused_by(port: int) -> tuple[Op, ...]:
    """Netlink events but for those that the requests of this port have led to."""
    return (
        Op(LOAD_WORD, 12),  # nlmsg_pid, in the machine's order
        Op(IF_EQUAL, socket.htonl(port), otherwise="take"),
        Op(RETURN, 0),
        Op(RETURN, _WHOLE_FRAME, label="take"),
    )


def assemble(program: Sequence[Op]) -> bytes:
    """The instructions as the kernel takes them. KeyError for a label that is not there."""
    where = {op.label: number for number, op in enumerate(program) if op.label}

    def distance(number: int, label: str | None) -> int:
        return 0 if label is None else where[label] - number - 1

    return b"".join(
        _INSTRUCTION.pack(op.code, distance(number, op.then), distance(number, op.otherwise), op.value)
        for number, op in enumerate(program)
    )


def attach(sock: socket.socket, program: Sequence[Op]) -> None:
    """Let only what the program takes into the socket from now on. Raises OSError."""
    code = ctypes.create_string_buffer(assemble(program))
    # struct sock_fprog: the count, padding, the address of the instructions.
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code)))
