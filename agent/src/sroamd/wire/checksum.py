"""The Internet checksum (RFC 1071), without a loop: a sum in ones' complement is a remainder modulo 65535."""

from __future__ import annotations

_MODULUS = 0xFFFF


def internet_checksum(data: bytes) -> int:
    """What goes into the checksum field, with the field itself zero in `data`. Between 0 and 0xFFFF.

    The remainder stands for both zeros of ones' complement; the sum of octets that are not all zero is never the
    positive one, hence a remainder of 0 means 0xFFFF and its complement 0.
    """
    if len(data) % 2:
        data += b"\0"
    total = int.from_bytes(data, "big") % _MODULUS
    return _MODULUS - total if total else 0


def checksum_holds(data: bytes) -> bool:
    """Whether `data`, its checksum field included, sums up as it must. All zeros do not."""
    if len(data) % 2:
        data += b"\0"
    number = int.from_bytes(data, "big")
    return number != 0 and number % _MODULUS == 0
