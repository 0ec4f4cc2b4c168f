"""What spoils an input: flipped bits, edges of numbers, pieces that are missing, doubled, or from another input."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

INPUT_MAX = 1500  # octets: nothing longer comes over a radio in one piece
CHANGES = (1, 1, 2, 4)
EDGES = (0, 1, 127, 128, 255)
WIDE_EDGES = (b"\0\0", b"\0\1", b"\x7f\xff", b"\x80\0", b"\xff\xff")
SIZES = (1, 1, 2, 2, 4, 8, 8, 16, 64, 300)
REPEATS = (1, 1, 1, 2, 3, 8, 40, 130)


def damaged(rng: Random, kept: Sequence[bytes]) -> bytes:
    """One of `kept` with one to four changes. Random numbers are drawn as bits: others cost more than changes."""
    draw = rng.getrandbits
    bits = draw(30)
    data = bytearray(kept[(bits >> 2) % len(kept)])
    for _ in range(CHANGES[bits & 3]):
        value, bits = draw(8), draw(24)
        kind, at = bits & 7, (bits >> 3) % (len(data) + 1)
        if kind < 4:
            if kind == 3:
                data[at:at] = rng.randbytes(SIZES[value % 7])
            elif kind == 2:
                data[at : at + 2] = WIDE_EDGES[value % len(WIDE_EDGES)]
            elif kind == 1 and at < len(data):
                data[at] = EDGES[value % len(EDGES)] if value & 1 else value
            elif at < len(data):
                data[at] ^= 1 << (value & 7)
        elif kind == 4:
            del data[at : at + SIZES[value % len(SIZES)]]
        elif kind == 5:
            piece = data[max(0, at - SIZES[value % len(SIZES)]) : at]
            data[at:at] = piece * REPEATS[value >> 4 & 7]
        elif kind == 6 and at < len(data):
            data[at] = (data[at] + (1 if value & 1 else -1)) & 0xFF
        else:
            other = kept[value % len(kept)]
            data[at:] = other[draw(20) % (len(other) + 1) :]
    return bytes(data[:INPUT_MAX])
