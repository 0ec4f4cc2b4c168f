"""The digest tree: what a database looks like, in 8 octets, and where two databases differ, in a few questions.

Each datum that counts has a fingerprint and, by its key alone, a bucket. A digest is the XOR of the fingerprints below
it: a bucket's, that of 16 buckets, of 256, and of all 4096. So it costs the same whatever the database holds, it does
not depend on the order in which things happened, and 16 digests at a time lead to the buckets that differ.
The tree's shape is that of `wire.summary`.
"""

from __future__ import annotations

from collections.abc import Iterator, KeysView
from functools import lru_cache
from hashlib import sha256

from sroamd.wire.summary import BUCKETS, DEPTH, DIGEST_SIZE, FAN_OUT, SHORT_SIZE


def fingerprint(key: bytes, seqno: int, value: bytes) -> int:
    """64 bits of a version: the first 8 octets of SHA-256(key length, key, seqno, value). Lifetimes take no part."""
    text = bytes((len(key),)) + key + seqno.to_bytes(2, "big") + value
    return int.from_bytes(sha256(text).digest()[:DIGEST_SIZE], "big")


@lru_cache(maxsize=1024)  # one change of a key asks for it some times
def bucket_of(key: bytes) -> int:
    """The first 12 bits of SHA-256(key)."""
    return int.from_bytes(sha256(key).digest()[:2], "big") // (0x10000 // BUCKETS)


class DigestTree:
    """`hold` and `forget` say which keys there are, `count` and `discount` which of their versions make the digest."""

    def __init__(self) -> None:
        self._levels = [[0] * FAN_OUT**depth for depth in range(DEPTH + 1)]
        self._counted: dict[bytes, int] = {}  # fingerprint of the version that counts
        self._keys: dict[int, dict[bytes, None]] = {}  # by bucket; also of what does not count

    @property
    def alive(self) -> int:
        """How many data make the digest."""
        return len(self._counted)

    def hold(self, key: bytes) -> None:
        self._keys.setdefault(bucket_of(key), {})[key] = None

    def forget(self, key: bytes) -> None:
        self.discount(key)
        bucket = bucket_of(key)
        keys = self._keys.get(bucket)
        if keys is not None:
            keys.pop(key, None)
            if not keys:
                del self._keys[bucket]

    def count(self, key: bytes, seqno: int, value: bytes) -> None:
        """This version makes the digest now, in place of any former one of the key."""
        new = fingerprint(key, seqno, value)
        self._flip(key, self._counted.get(key, 0) ^ new)
        self._counted[key] = new

    def discount(self, key: bytes) -> None:
        """No version of the key makes the digest any more."""
        self._flip(key, self._counted.pop(key, 0))

    def digest(self, depth: int = 0, prefix: int = 0) -> bytes:
        """8 octets; of everything, unless a part is named. IndexError if there is no such node."""
        return self._levels[depth][prefix].to_bytes(DIGEST_SIZE, "big")

    def children(self, depth: int, prefix: int) -> tuple[bytes, ...]:
        """The 16 digests below a node of depth 0 to 2, in order."""
        first = prefix * FAN_OUT
        below = self._levels[depth + 1][first : first + FAN_OUT]
        return tuple(digest.to_bytes(DIGEST_SIZE, "big") for digest in below)

    def keys(self, bucket: int) -> KeysView[bytes]:
        """All keys of a bucket that are held, also tombstones and what is expired and remembered."""
        return self._keys.get(bucket, {}).keys()

    def counted(self, bucket: int) -> Iterator[tuple[bytes, bytes]]:
        """Of a bucket, the keys whose version makes the digest, each with that version's short fingerprint."""
        for key in self.keys(bucket):
            bits = self._counted.get(key)
            if bits is not None:
                yield key, bits.to_bytes(DIGEST_SIZE, "big")[:SHORT_SIZE]

    def _flip(self, key: bytes, bits: int) -> None:
        if bits:
            prefix = bucket_of(key)
            for level in reversed(self._levels):
                level[prefix] ^= bits
                prefix //= FAN_OUT
