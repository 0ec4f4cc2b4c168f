"""The order of versions: 16-bit serial numbers, then the value. Nothing else decides, and all nodes decide alike.

Serial arithmetic is that of RFC 1982, with its undefined case (a distance of exactly 2^15) given to the larger number,
so that any two versions are ordered. It is transitive while the versions of one key that exist at one time span less
than 2^15; versions die, and claims are rate-limited, long before.
"""

from __future__ import annotations

MODULUS = 1 << 16
HALF = 1 << 15


def following(seqno: int) -> int:
    return (seqno + 1) % MODULUS


def is_newer(seqno: int, value: bytes, than_seqno: int, than_value: bytes) -> bool:
    """Whether version (seqno, value) beats the other. False for equal versions.

    An empty value (a tombstone) sorts lowest, so a claim beats a tombstone of the same seqno.
    """
    distance = (seqno - than_seqno) % MODULUS
    if distance == 0:
        return value > than_value
    if distance == HALF:
        return seqno > than_seqno
    return distance < HALF
