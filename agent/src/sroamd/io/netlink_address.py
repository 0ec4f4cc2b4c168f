"""Addresses of interfaces in rtnetlink. Numbers are the kernel's, from linux/if_addr.h."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from sroamd.io import netlink
from sroamd.io.netlink import Address

RTM_GETADDR = 22

IFADDR = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, interface index

_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_IFA_FLAGS = 8
_DUPLICATE = 0x08  # IFA_F_DADFAILED
_TENTATIVE = 0x40  # IFA_F_TENTATIVE


@dataclass(frozen=True, slots=True)
class AddressMessage:
    """`usable`: duplicate address detection is over and has found none."""

    address: Address
    interface_index: int
    usable: bool


def parse_address(body: bytes) -> AddressMessage | None:
    """None for families that are not IP, and for what is not whole."""
    if len(body) < IFADDR.size:
        return None
    family, _, flags, _, index = IFADDR.unpack_from(body)
    found = netlink.attributes(body, IFADDR.size)
    # Of a point-to-point interface IFA_ADDRESS is the other end.
    address = netlink.address(family, found.get(_IFA_LOCAL, found.get(_IFA_ADDRESS, b"")))
    if address is None:
        return None
    usable = not netlink.u32(found.get(_IFA_FLAGS), flags) & (_DUPLICATE | _TENTATIVE)
    return AddressMessage(address, index, usable)
