"""What a probe writes down: one fixed-size record for each packet or line, so that a reader can look at any time."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

_LAYOUT = struct.Struct("<BBxxId")
SIZE = _LAYOUT.size


class Kind(IntEnum):
    """What happened."""

    SENT = 0
    RECEIVED = 1
    TCP_OPENED = 2
    TCP_SENT = 3
    TCP_ECHOED = 4
    TCP_CLOSED = 5


class Family(IntEnum):
    """IP version."""

    IPV4 = 4
    IPV6 = 6


@dataclass(frozen=True, slots=True)
class Record:
    """One event: its number is the packet's or the line's; time is that of CLOCK_MONOTONIC, in seconds."""

    kind: Kind
    family: Family
    number: int
    time: float


def encode(record: Record) -> bytes:
    return _LAYOUT.pack(record.kind, record.family, record.number, record.time)


def decode(data: bytes) -> Iterator[Record]:
    """Read all whole records; a last one that is still being written is left for next time."""
    whole = len(data) - len(data) % SIZE
    for kind, family, number, time in _LAYOUT.iter_unpack(data[:whole]):
        yield Record(Kind(kind), Family(family), number, time)


def times(records: Iterable[Record], kind: Kind, family: Family) -> list[tuple[int, float]]:
    """(number, time) of one kind and family, in the order in which they were written."""
    return [(each.number, each.time) for each in records if each.kind is kind and each.family is family]
