"""Nexthop objects in rtnetlink: numbered next hops that routes refer to, so that replacing one moves all of them.

Numbers are the kernel's, from linux/nexthop.h; objects are there since Linux 5.3.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv6Address

from sroamd.constants import ROUTE_PROTOCOL_DIRECT
from sroamd.io import netlink
from sroamd.io.netlink import Address, attribute

RTM_NEWNEXTHOP = 104
RTM_DELNEXTHOP = 105
RTM_GETNEXTHOP = 106

NHA_ID = 1
NHA_OIF = 5
NHA_GATEWAY = 6

NHMSG = struct.Struct("=BBBxI")  # family, scope, protocol, flags

ALL = NHMSG.pack(socket.AF_UNSPEC, 0, 0, 0)  # the body of a question for all objects

CREATE = netlink.NLM_F_CREATE | netlink.NLM_F_EXCL
# Not to be created: an object that the kernel has dropped meanwhile took its routes along, and somebody must hear.
REPLACE = netlink.NLM_F_REPLACE


@dataclass(frozen=True, slots=True)
class NextHopMessage:
    """`interface_index` 0 and `gateway` None where the kernel said none, as of a group of next hops."""

    number: int
    protocol: int
    interface_index: int
    gateway: Address | None


def set_request(how: int, sequence: int, number: int, version: int, index: int, gateway: Address | None) -> bytes:
    """Create or replace (`how`) an object for routes of that IP version, by way of a gateway of either."""
    v6 = (gateway.version if gateway is not None else version) == 6
    onlink = needs_onlink(gateway)
    body = NHMSG.pack(
        socket.AF_INET6 if v6 else socket.AF_INET, 0, ROUTE_PROTOCOL_DIRECT, netlink.RTNH_F_ONLINK if onlink else 0
    )
    body += attribute(NHA_ID, netlink.U32.pack(number)) + attribute(NHA_OIF, netlink.U32.pack(index))
    if gateway is not None:
        body += attribute(NHA_GATEWAY, gateway.packed)
    return netlink.request(RTM_NEWNEXTHOP, netlink.NLM_F_ACK | how, sequence, body)


def delete_request(sequence: int, number: int) -> bytes:
    body = NHMSG.pack(socket.AF_UNSPEC, 0, 0, 0) + attribute(NHA_ID, netlink.U32.pack(number))
    return netlink.request(RTM_DELNEXTHOP, netlink.NLM_F_ACK, sequence, body)


def needs_onlink(gateway: Address | None) -> bool:
    """A router's own address is on no subnet of ours, so it has to be declared to be on the link."""
    return gateway is not None and not (isinstance(gateway, IPv6Address) and gateway.is_link_local)


def parse_nexthop(body: bytes) -> NextHopMessage | None:
    """None for what is not whole."""
    if len(body) < NHMSG.size:
        return None
    family, _, protocol, _ = NHMSG.unpack_from(body)
    found = netlink.attributes(body, NHMSG.size)
    number = netlink.u32(found.get(NHA_ID), 0)
    gateway = netlink.address(family, found[NHA_GATEWAY]) if NHA_GATEWAY in found else None
    return NextHopMessage(number, protocol, netlink.u32(found.get(NHA_OIF), 0), gateway) if number else None
