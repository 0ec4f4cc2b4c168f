"""How two nodes of ours find out where their databases differ: the TLVs Summary and Wanted. The C daemon ignores both.

    Summary 129   version u8 = 1, depth u8, prefix u16, then 16 digests of 8 octets (depth 0 to 2),
                  or 4 octets for each datum that counts in a bucket (depth 3)
    Wanted  132   version u8 = 1, zero u8, bucket u16, then 4 octets for each datum that is asked for

`core.fingerprints` says what the digests are of. Its tree has this shape:

    depth        0     1      2       3
    nodes        1    16    256    4096 = the buckets
    prefix     none   4 bits  8 bits  12 bits: the leading bits of the bucket's number, right-aligned
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from sroamd.wire.cursor import DecodeError

TLV_SUMMARY = 129
TLV_WANTED = 132
VERSION = 1

FAN_OUT = 16
DEPTH = 3  # of the buckets
BUCKETS: int = FAN_OUT**DEPTH
DIGEST_SIZE = 8
SHORT_SIZE = 4  # the leading octets of a fingerprint, where it need only stand out in its bucket

_FIELDS = struct.Struct("!BBH")
SHORTS_MAX = (255 - _FIELDS.size) // SHORT_SIZE  # 62: what one TLV holds


@dataclass(frozen=True, slots=True)
class Summary:
    """What the sender holds below a node of the tree: the digests of its 16 children, or (a bucket) short fingerprints.

    `prefix` and `depth` name a node that the tree has.
    """

    depth: int
    prefix: int
    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The sender lacks these data of the bucket, and knows their short fingerprints from a Summary."""

    bucket: int
    fingerprints: tuple[bytes, ...]


def is_subtree(depth: int, prefix: int) -> bool:
    """Whether the tree has such a node."""
    return 0 <= depth <= DEPTH and 0 <= prefix < FAN_OUT**depth


def encode_summary(summary: Summary) -> bytes:
    """The TLV. ValueError if there is no such node, or its digests have the wrong number or size."""
    if not is_subtree(summary.depth, summary.prefix):
        raise ValueError(f"no node {summary.prefix} at depth {summary.depth}")
    if summary.depth < DEPTH and len(summary.digests) != FAN_OUT:
        raise ValueError(f"{len(summary.digests)} digests instead of {FAN_OUT}")
    size = DIGEST_SIZE if summary.depth < DEPTH else SHORT_SIZE
    return _encode(TLV_SUMMARY, summary.depth, summary.prefix, summary.digests, size)


def encode_wanted(wanted: Wanted) -> bytes:
    """The TLV. ValueError as for a Summary."""
    if not is_subtree(DEPTH, wanted.bucket):
        raise ValueError(f"no bucket {wanted.bucket}")
    return _encode(TLV_WANTED, 0, wanted.bucket, wanted.fingerprints, SHORT_SIZE)


def _encode(kind: int, depth: int, prefix: int, parts: tuple[bytes, ...], size: int) -> bytes:
    if any(len(part) != size for part in parts) or len(parts) > SHORTS_MAX:
        raise ValueError(f"{len(parts)} digests that are not of {size} octets, or too many")
    body = _FIELDS.pack(VERSION, depth, prefix) + b"".join(parts)
    return bytes((kind, len(body))) + body


def decode_summary(body: bytes) -> Summary | None:
    """None: of a version that we do not know."""
    fields = _fields(body)
    if fields is None:
        return None
    depth, prefix = fields
    if not is_subtree(depth, prefix):
        raise DecodeError(f"a Summary of node {prefix} at depth {depth}")
    digests = tuple(_split(body, DIGEST_SIZE if depth < DEPTH else SHORT_SIZE))
    if depth < DEPTH and len(digests) != FAN_OUT:
        raise DecodeError(f"a Summary with {len(digests)} digests")
    return Summary(depth, prefix, digests)


def decode_wanted(body: bytes) -> Wanted | None:
    """None: of a version that we do not know."""
    fields = _fields(body)
    if fields is None:
        return None
    _zero, bucket = fields
    if not is_subtree(DEPTH, bucket):
        raise DecodeError(f"a Wanted of bucket {bucket}")
    return Wanted(bucket, tuple(_split(body, SHORT_SIZE)))


def _fields(body: bytes) -> tuple[int, int] | None:
    if not body:
        raise DecodeError("a Summary or Wanted without a version")
    if body[0] != VERSION:
        return None
    if len(body) < _FIELDS.size:
        raise DecodeError(f"a Summary or Wanted of {len(body)} octets")
    _version, depth, prefix = _FIELDS.unpack_from(body)
    return depth, prefix


def _split(body: bytes, size: int) -> Iterable[bytes]:
    if (len(body) - _FIELDS.size) % size:
        raise DecodeError(f"{len(body) - _FIELDS.size} octets are no number of digests")
    return (body[at : at + size] for at in range(_FIELDS.size, len(body), size))
