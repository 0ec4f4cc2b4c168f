"""What spoils an input: flipped bits, edges of numbers, pieces that are missing, doubled, or from another input."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

EDGES = (0, 1, 127, 128, 255)
WIDE_EDGES = (b"\0\0", b"\0\1", b"\x7f\xff", b"\x80\0", b"\xff\xff")
SIZES = (1, 1, 2, 2, 4, 8, 8, 16, 64, 300)
REPEATS = (1, 1, 1, 2, 3, 8, 40, 130)


def damage(rng: Random, octets: bytes, others: Sequence[bytes]) -> bytes:
    """One to four changes. Numbers are cut out of one random one each: that is most of what an input costs."""
    data = bytearray(octets)
    for _ in range((1, 1, 2, 4)[rng.getrandbits(2)]):
        bits = rng.getrandbits(40)
        kind, value, at = bits & 7, bits >> 3 & 0xFF, (bits >> 16) % (len(data) + 1)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << (value & 7)
        elif kind == 1 and at < len(data):
            data[at] = EDGES[value % len(EDGES)] if value & 1 else value
        elif kind == 2:
            data[at : at + 2] = WIDE_EDGES[value % len(WIDE_EDGES)]
        elif kind == 3:
            data[at:at] = rng.randbytes(SIZES[value % 7])
        elif kind == 4:
            del data[at : at + SIZES[value % len(SIZES)]]
        elif kind == 5:
            piece = data[max(0, at - SIZES[value % len(SIZES)]) : at]
            data[at:at] = piece * REPEATS[value >> 4 & 7]
        elif kind == 6 and at < len(data):
            data[at] = (data[at] + (1 if value & 1 else -1)) & 0xFF
        elif others:
            other = others[value % len(others)]
            data[at:] = other[(bits >> 24) % (len(other) + 1) :]
    return bytes(data)
