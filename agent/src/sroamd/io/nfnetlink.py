"""nf_tables as bytes: batches that add and remove elements of sets, questions for what there is, and their answers.

Numbers are the kernel's, from linux/netfilter/nfnetlink.h and linux/netfilter/nf_tables.h. Everything of netfilter is
in network order, except for the netlink headers themselves.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from sroamd.io import netlink
from sroamd.io.netlink import Message, attribute

INET = 1  # NFPROTO_*
ARP = 3

SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
BATCH_BEGIN = 0x10
BATCH_END = 0x11
DELTABLE = 2
NEWSETELEM = 12
GETSETELEM = 13
DELSETELEM = 14
NEWGEN = 15
NEWOBJ = 18
GETOBJ = 19

_TABLE = 1  # NFTA_*_TABLE of whatever is in a table, and NFTA_TABLE_NAME
_SET, _ELEMENTS = 2, 3  # NFTA_SET_ELEM_LIST_*
_ELEMENT = 1  # NFTA_LIST_ELEM
_KEY, _EXPRESSION, _EXPRESSIONS = 1, 7, 11  # NFTA_SET_ELEM_*
_VALUE = 1  # NFTA_DATA_VALUE
_EXPRESSION_DATA = 2  # NFTA_EXPR_DATA
_OBJECT_NAME, _OBJECT_TYPE, _OBJECT_DATA = 2, 3, 4  # NFTA_OBJ_*
_OBJECT_COUNTER = 1  # NFT_OBJECT_COUNTER
_COUNTER_PACKETS = 2  # NFTA_COUNTER_PACKETS
_NESTED = 0x8000

_HEADER = struct.Struct("!BBH")  # family, version, resource: struct nfgenmsg
_NESTS = struct.Struct("=HHHHHH")
_U32 = struct.Struct("!I")
_U64 = struct.Struct("!Q")


@dataclass(frozen=True, slots=True)
class Elements:
    """Keys of one set, as the kernel packs them: each part of a concatenation padded to a multiple of four octets."""

    family: int
    set: str
    keys: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Element:
    """`packets`: of its counter, 0 where it has none."""

    key: bytes
    packets: int


def batch(sequence: int, requests: Sequence[bytes]) -> bytes:
    """One transaction: all or nothing. The sequence numbers of its requests are above `sequence`."""
    begin = netlink.request(BATCH_BEGIN, 0, sequence, _HEADER.pack(socket.AF_UNSPEC, 0, SUBSYSTEM))
    end = netlink.request(BATCH_END, 0, sequence, _HEADER.pack(socket.AF_UNSPEC, 0, SUBSYSTEM))
    return b"".join((begin, *requests, end))


def add_elements(sequence: int, table: str, elements: Elements, *, last: bool) -> bytes:
    """Those that are there already stay as they are. `last` of its batch: acknowledged; refusals are told anyway."""
    flags = netlink.NLM_F_CREATE | (netlink.NLM_F_ACK if last else 0)
    return _request(NEWSETELEM, flags, sequence, elements.family, _elements(table, elements))


def remove_elements(sequence: int, table: str, elements: Elements, *, last: bool) -> bytes:
    """ENOENT where one of them is not there."""
    flags = netlink.NLM_F_ACK if last else 0
    return _request(DELSETELEM, flags, sequence, elements.family, _elements(table, elements))


def remove_table(sequence: int, family: int, table: str) -> bytes:
    """ENOENT where it is not there. The last of its batch."""
    return _request(DELTABLE, netlink.NLM_F_ACK, sequence, family, attribute(_TABLE, _text(table)))


def list_elements(sequence: int, family: int, table: str, name: str) -> bytes:
    body = attribute(_TABLE, _text(table)) + attribute(_SET, _text(name))
    return _request(GETSETELEM, netlink.NLM_F_DUMP, sequence, family, body)


def list_counters(sequence: int, family: int, table: str) -> bytes:
    """All named counters of a table."""
    body = attribute(_TABLE, _text(table)) + attribute(_OBJECT_TYPE, _U32.pack(_OBJECT_COUNTER))
    return _request(GETOBJ, netlink.NLM_F_DUMP, sequence, family, body)


def is_message(message: Message, kind: int) -> bool:
    return message.kind == SUBSYSTEM << 8 | kind


def table_of(message: Message) -> str | None:
    """The table that an event is about; None for the end of a transaction, and for what is not of nf_tables."""
    if message.kind >> 8 != SUBSYSTEM or message.kind & 0xFF == NEWGEN:
        return None
    name = netlink.attributes(message.body, _HEADER.size).get(_TABLE)
    return None if name is None else name.rstrip(b"\0").decode(errors="replace")


def parse_elements(body: bytes, wanted: Callable[[bytes], bool] = lambda key: True) -> Iterator[Element]:
    """Those in one message of the answer to `list_elements` whose keys are wanted. Of others no more is read."""
    for nested in _all(netlink.attributes(body, _HEADER.size).get(_ELEMENTS, b"")):
        key = _first(_first(nested, _KEY), _VALUE)
        if not key or not wanted(key):
            continue
        found = netlink.attributes(nested, 0)
        expression = found.get(_EXPRESSION) or next(_all(found.get(_EXPRESSIONS, b"")), b"")
        yield Element(key, _packets(netlink.attributes(expression, 0).get(_EXPRESSION_DATA, b"")))


def parse_counter(body: bytes) -> tuple[str, int] | None:
    """The name of a counter and its packets; None for what is not whole."""
    found = netlink.attributes(body, _HEADER.size)
    name = found.get(_OBJECT_NAME)
    return (
        None if name is None else (name.rstrip(b"\0").decode(errors="replace"), _packets(found.get(_OBJECT_DATA, b"")))
    )


def _request(kind: int, flags: int, sequence: int, family: int, body: bytes) -> bytes:
    return netlink.request(SUBSYSTEM << 8 | kind, flags, sequence, _HEADER.pack(family, 0, 0) + body)


def _elements(table: str, elements: Elements) -> bytes:
    return _place(table, elements.set) + _nest(_ELEMENTS, b"".join(map(_element, elements.keys)))


@cache
def _place(table: str, name: str) -> bytes:
    return attribute(_TABLE, _text(table)) + attribute(_SET, _text(name))


def _element(key: bytes) -> bytes:
    """Three attributes, each in the other; keys need no padding."""
    size = len(key) + 4
    return _NESTS.pack(size + 8, _ELEMENT | _NESTED, size + 4, _KEY | _NESTED, size, _VALUE) + key


def _nest(kind: int, value: bytes) -> bytes:
    return attribute(kind | _NESTED, value)


def _text(name: str) -> bytes:
    return name.encode() + b"\0"


def _all(data: bytes) -> Iterator[bytes]:
    """The values of attributes that may repeat, as the elements of a list do."""
    at = 0
    while len(data) - at >= 4:
        length = int(netlink.ATTRIBUTE.unpack_from(data, at)[0])
        if not 4 <= length <= len(data) - at:
            return
        yield data[at + 4 : at + length]
        at += (length + 3) & ~3


def _first(data: bytes, kind: int) -> bytes:
    """The value of the first attribute of this kind; nothing if there is none."""
    at = 0
    while len(data) - at >= 4:
        length, found = netlink.ATTRIBUTE.unpack_from(data, at)
        if not 4 <= length <= len(data) - at:
            break
        if found & ~_NESTED == kind:
            return data[at + 4 : at + length]
        at += (length + 3) & ~3
    return b""


def _packets(counter: bytes) -> int:
    value = netlink.attributes(counter, 0).get(_COUNTER_PACKETS, b"")
    return int(_U64.unpack(value)[0]) if len(value) == _U64.size else 0


def keys_by_set(pairs: Iterable[tuple[int, str, bytes]]) -> list[Elements]:
    """(family, set, key) gathered so that each set is named once in a transaction."""
    gathered: dict[tuple[int, str], list[bytes]] = {}
    for family, name, key in pairs:
        gathered.setdefault((family, name), []).append(key)
    return [Elements(family, name, tuple(keys)) for (family, name), keys in gathered.items()]
