"""rtnetlink as bytes: message headers, attributes, routes and links. Shared by `route_socket` and `rtnetlink`.

By hand rather than with pyroute2, because a Babel network brings hundreds of route events in a row: here one costs
4 us to read, there 180 us, in the loop that a roaming station waits for. Numbers are the kernel's, from
linux/netlink.h, linux/rtnetlink.h and linux/if_link.h.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from sroamd.addresses import Mac
from sroamd.constants import ROUTE_PROTOCOL_DEMOTED, ROUTE_PROTOCOL_DIRECT, ROUTE_PROTOCOL_HERE

NETLINK_NETFILTER = 12

NLMSG_ERROR = 2
NLMSG_DONE = 3
NLM_F_REQUEST = 0x001
NLM_F_ACK = 0x004
NLM_F_DUMP_INTR = 0x010
NLM_F_DUMP = 0x300
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400

RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_GETLINK = 18
RTM_NEWADDR = 20
RTM_DELADDR = 21
RTM_NEWROUTE = 24
RTM_DELROUTE = 25
RTM_GETROUTE = 26
RTM_NEWRULE = 32
RTM_DELRULE = 33

RTNLGRP = {
    "link": 1,
    "ipv4_address": 5,
    "ipv4_route": 7,
    "ipv4_rule": 8,
    "ipv6_address": 9,
    "ipv6_route": 11,
    "ipv6_rule": 19,
    "nexthop": 32,
}
NFNLGRP = {"nftables": 7}
GROUPS = {socket.NETLINK_ROUTE: RTNLGRP, NETLINK_NETFILTER: NFNLGRP}

RTA_DST = 1
RTA_OIF = 4
RTA_GATEWAY = 5
RTA_PRIORITY = 6
RTA_MULTIPATH = 9
RTA_TABLE = 15
RTA_VIA = 18
RTA_NH_ID = 30

RTN_UNICAST = 1
RT_TABLE_MAIN = 254
RT_SCOPE_UNIVERSE = 0
RT_SCOPE_LINK = 253
RT_SCOPE_NOWHERE = 255
RTNH_F_DEAD = 1
RTNH_F_ONLINK = 4
RTNH_F_LINKDOWN = 16
RTM_F_FIB_MATCH = 0x2000

IFLA_ADDRESS = 1
IFLA_IFNAME = 3
IFLA_WIRELESS = 11
IFLA_PERM_ADDRESS = 54
IFF_UP = 0x1
IFF_CARRIER = 0x10040  # IFF_RUNNING, IFF_LOWER_UP

SOL_NETLINK = 270
NETLINK_EXT_ACK = 11
NETLINK_GET_STRICT_CHK = 12
SO_RCVBUFFORCE = 33
MESSAGE_MAX = 1 << 16  # octets of one read; the kernel fills at most 32 KiB in a dump

HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
RTMSG = struct.Struct("=BBBBBBBBI")  # family, dst_len, src_len, tos, table, protocol, scope, type, flags
IFINFO = struct.Struct("=BxHiII")  # family, device type, index, flags, change
ATTRIBUTE = struct.Struct("=HH")  # length, type
U32 = struct.Struct("=I")
I32 = struct.Struct("=i")
VIA_IPV6 = struct.pack("=H", socket.AF_INET6)  # begins RTA_VIA: the family of a gateway that is not the route's own

OUR_PROTOCOLS = frozenset((ROUTE_PROTOCOL_HERE, ROUTE_PROTOCOL_DEMOTED, ROUTE_PROTOCOL_DIRECT))

Prefix = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Message:
    """One netlink message; `body` is what follows the header."""

    kind: int
    flags: int
    sequence: int
    port: int
    body: bytes


@dataclass(frozen=True, slots=True)
class RouteMessage:
    """A unicast or other route of any table. `interface_index` 0 and `gateway` None where the kernel said none.

    `nexthop`: the number of the nexthop object that it takes, or 0. `works`: the link of its next hop has a carrier.
    """

    prefix: Prefix
    table: int
    protocol: int
    kind: int
    metric: int
    interface_index: int
    gateway: Address | None
    nexthop: int = 0
    works: bool = True


@dataclass(frozen=True, slots=True)
class LinkMessage:
    """`burnt_in`: the MAC that the hardware came with, which virtual interfaces do not have."""

    index: int
    name: str
    mac: Mac | None
    up: bool
    burnt_in: Mac | None
    carrier: bool = True


class NetlinkError(OSError):
    """The kernel refused a request. `errno` is its reason; the text names the request."""


def open_socket(
    receive_buffer: int, groups: tuple[str, ...] = (), *, protocol: int = socket.NETLINK_ROUTE
) -> socket.socket:
    """A bound netlink socket. Its buffer is forced beyond rmem_max where we may. Raises OSError."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    try:
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, receive_buffer)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        # The kernel's own words for an error, and dumps that honour the filter of their request.
        sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        sock.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
        sock.bind((0, sum(1 << (GROUPS[protocol][group] - 1) for group in groups)))
    except OSError:
        sock.close()
        raise
    return sock


def attribute(kind: int, value: bytes) -> bytes:
    return ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) % 4)


def request(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    return HEADER.pack(HEADER.size + len(body), kind, NLM_F_REQUEST | flags, sequence, 0) + body


def sequence_of(encoded: bytes) -> int:
    """Of a request as `request` makes it."""
    return int(U32.unpack_from(encoded, 8)[0])


def messages(data: bytes) -> Iterator[Message]:
    """The messages of one datagram. What the kernel says is well formed; a length that is not ends the walk."""
    at, end = 0, len(data)
    while end - at >= HEADER.size:
        length, kind, flags, sequence, port = HEADER.unpack_from(data, at)
        if not HEADER.size <= length <= end - at:
            return
        yield Message(kind, flags, sequence, port, data[at + HEADER.size : at + length])
        at += (length + 3) & ~3


def attributes(data: bytes, at: int) -> dict[int, bytes]:
    """Attributes by type, from offset `at` to the end of `data`."""
    found: dict[int, bytes] = {}
    end = len(data)
    while end - at >= 4:
        length, kind = ATTRIBUTE.unpack_from(data, at)
        if not 4 <= length <= end - at:
            break
        found[kind & 0x3FFF] = data[at + 4 : at + length]  # without the nested and byte-order flags
        at += (length + 3) & ~3
    return found


def error_of(message: Message) -> OSError | None:
    """What an acknowledgement says: None for success. `message.kind` must be NLMSG_ERROR."""
    code = -I32.unpack_from(message.body)[0]
    if not code:
        return None
    text = os.strerror(code)
    if message.flags & 0x200:  # NLM_F_ACK_TLVS: the extended acknowledgement follows the (capped or whole) request
        capped = bool(message.flags & 0x100)
        inner = U32.unpack_from(message.body, 4)[0]
        found = attributes(message.body, 4 + (HEADER.size if capped else (inner + 3) & ~3))
        if said := found.get(1):  # NLMSGERR_ATTR_MSG
            text += ": " + said.rstrip(b"\0").decode(errors="replace")
    return NetlinkError(code, text)


def dump_error_of(message: Message) -> OSError | None:
    """What the end of a dump says: None for success. `message.kind` must be NLMSG_DONE."""
    code = -I32.unpack_from(message.body)[0] if len(message.body) >= I32.size else 0
    return NetlinkError(code, os.strerror(code)) if code > 0 else None


def is_missing(error: OSError) -> bool:
    """Whether a deletion failed because there was nothing to delete."""
    return error.errno in (errno.ESRCH, errno.ENOENT, errno.ENODEV)


def parse_link(body: bytes) -> LinkMessage | None:
    """None for what is not whole, and for what is not about a link as such.

    As RTM_NEWLINK the kernel also broadcasts the events of wireless extensions, such as the end of a scan, with next to
    nothing of the link; and as RTM_DELLINK in the family of bridges that the link is no longer a port of one.
    """
    if len(body) < IFINFO.size:
        return None
    family, _, index, flags, _ = IFINFO.unpack_from(body)
    found = attributes(body, IFINFO.size)
    if family != socket.AF_UNSPEC or IFLA_WIRELESS in found:
        return None
    name = found.get(IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace")
    mac, burnt_in = _mac(found.get(IFLA_ADDRESS, b"")), _mac(found.get(IFLA_PERM_ADDRESS, b""))
    return LinkMessage(index, name, mac, bool(flags & IFF_UP), burnt_in, bool(flags & IFF_CARRIER))


def _mac(octets: bytes) -> Mac | None:
    return Mac(octets) if len(octets) == Mac.length and any(octets) else None


def parse_route(body: bytes) -> RouteMessage | None:
    """None for families that are not IP, and for what is not whole."""
    if len(body) < RTMSG.size:
        return None
    family, length, _, _, table, protocol, _, kind, flags = RTMSG.unpack_from(body)
    if family not in (socket.AF_INET, socket.AF_INET6):
        return None
    found = attributes(body, RTMSG.size)
    v4 = family == socket.AF_INET
    destination = found.get(RTA_DST, bytes(4 if v4 else 16))
    prefix: Prefix
    try:
        prefix = IPv4Network((destination, length), False) if v4 else IPv6Network((destination, length), False)
    except ValueError:
        return None
    index, gateway = _next_hop(family, found)
    return RouteMessage(
        prefix=prefix,
        table=u32(found.get(RTA_TABLE), table),
        protocol=protocol,
        kind=kind,
        metric=u32(found.get(RTA_PRIORITY), 0),
        interface_index=index,
        gateway=gateway,
        nexthop=u32(found.get(RTA_NH_ID), 0),
        works=not flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN),
    )


def u32(value: bytes | None, default: int) -> int:
    return int(U32.unpack(value)[0]) if value is not None and len(value) == 4 else default


def address(family: int, octets: bytes) -> Address | None:
    """None where the octets are no address of the family."""
    if family == socket.AF_INET:
        return IPv4Address(octets) if len(octets) == 4 else None
    return IPv6Address(octets) if family == socket.AF_INET6 and len(octets) == 16 else None


def _next_hop(family: int, found: dict[int, bytes]) -> tuple[int, Address | None]:
    """(interface index, gateway); of several, the first, which is as good as any for a host route."""
    if RTA_OIF not in found and len(several := found.get(RTA_MULTIPATH, b"")) >= 8:
        length, _, _, index = struct.unpack_from("=HBBi", several)
        return index, _gateway(family, attributes(several[:length], 8))
    return u32(found.get(RTA_OIF), 0), _gateway(family, found)


def _gateway(family: int, found: dict[int, bytes]) -> Address | None:
    if (gateway := found.get(RTA_GATEWAY)) is not None:
        return address(family, gateway)
    via = found.get(RTA_VIA, b"")
    return address(socket.AF_INET6, via[2:]) if via[:2] == VIA_IPV6 else None
