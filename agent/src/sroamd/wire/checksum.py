"""The Internet checksum (RFC 1071), without a loop: a sum in ones' complement is a remainder modulo 65535."""

from __future__ import annotations

_MODULUS = 0xFFFF


def internet_checksum(data: bytes) -> int:
    """What goes into the checksum field, with the field itself zero in `data`. Between 0 and 0xFFFF.

    A remainder of 0 stands for both zeros of ones' complement. Only octets that are all zero sum up to the positive
    one; any others to the negative one, 0xFFFF, whose complement is 0.
    """
    number = int.from_bytes(data if len(data) % 2 == 0 else data + b"\0", "big")
    if number == 0:
        return _MODULUS
    remainder = number % _MODULUS
    return _MODULUS - remainder if remainder else 0


def checksum_holds(data: bytes) -> bool:
    """Whether `data`, its checksum field included, sums up as it must. All zeros do not."""
    number = int.from_bytes(data if len(data) % 2 == 0 else data + b"\0", "big")
    return number != 0 and number % _MODULUS == 0
