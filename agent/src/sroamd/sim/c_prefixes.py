"""Addresses as the C daemon keeps them, and how it draws new ones."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from random import Random

from sroamd.core.values import Prefix


def prefix_of(address: bytes) -> Prefix:
    """From 4 octets a /32, from 8 a /64."""
    return IPv4Network((address, 32)) if len(address) == 4 else IPv6Network((address + bytes(8), 64))


def random_prefix(pool: bytes, length: int, draw: Random) -> bytes:
    """The pool's address of so many octets with what lies behind `length` bits drawn: 0 to 254 for a whole octet."""
    address = bytearray(pool)
    at, bits = divmod(length, 8)
    if bits:
        mask = 0xFF >> bits
        address[at] = (address[at] & ~mask) | (draw.getrandbits(31) & mask)
        at += 1
    for index in range(at, len(address)):
        address[index] = draw.getrandbits(31) % 0xFF
    return bytes(address)
