"""The flooding stream: a handshake of four octets, then TLVs (type, length, body), as the C daemon of 2021 speaks it.

    Pad1   0      one octet, no length
    PadN   1      length, anything
    Update 2      length, seqno u16, remaining lifetime u32 (seconds), key length u8, key, value
    Hello  128    length, version u8 = 1, flags u8, node id (8), interval u16 (seconds), digest (8), count u32, name

Types from 128 on are ours (`wire.summary`, `wire.census`): the C daemon ignores what it does not know. What a
key and a value mean is `wire.datum`'s affair.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import assert_never

from sroamd.addresses import NodeId
from sroamd.wire import census, summary
from sroamd.wire.census import Answer, Question
from sroamd.wire.cursor import DecodeError
from sroamd.wire.summary import Summary, Wanted

# To the C daemon a repeated handshake is TLV 44 of one octet and a Pad1, which it skips. So do we; and for that reason
# type 44 is taken for ever and the last octet must stay zero.
HANDSHAKE = bytes((44, 1, 0, 0))

TLV_PAD1 = 0
TLV_PADN = 1
TLV_UPDATE = 2
TLV_HANDSHAKE = 44
TLV_HELLO = 128

# Pad1s after the handshake, from whoever has been dialled. The C daemon dials again with what was in its buffer: half a
# TLV, or a length that every refused connection has made one lower, and so many octets of the new stream are lost to
# it. From the fifth on it would take the middle of a TLV for its beginning, and flood what it reads there. Padding of
# the longest TLV's size brings it back into step.
RESYNCHRONISATION = bytes(257)

KEY_AND_VALUE_MAX = 248  # the length of a TLV is one octet, and an Update's own fields take seven
LIFETIME_MAX = 0x7FFFFFFF  # the C daemon reads the field as a signed int: beyond this it would see the past
NAME_MAX = 63  # octets of UTF-8
HELLO_VERSION = 1
FLAG_REPAIRS = 1  # of a Hello; the other bits are zero, and ignored

_TLV_HEADER = 2
_UPDATE_FIELDS = struct.Struct("!HIB")
_UPDATE_TLV = struct.Struct("!BBHIB")
_HELLO_FIELDS = struct.Struct("!BB8sH8sI")


@dataclass(frozen=True, slots=True)
class Update:
    """One datum as it travels. `lifetime`: seconds that it has left, as a u32 on input; the receiver caps it."""

    seqno: int
    lifetime: int
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Hello:
    """Who speaks, how often (`interval`, seconds), and what its database looks like (8 octets of digest, and count).

    `repairs`: it compares databases by Summary, and need not be sent everything.
    """

    node_id: NodeId
    interval: int
    digest: bytes
    count: int
    name: str
    repairs: bool = False


Message = Update | Hello | Summary | Wanted | Question | Answer


def encode(message: Message) -> bytes:
    """The TLV. ValueError if the message does not fit into one."""
    match message:
        case Update():
            return encode_update(message)
        case Hello():
            return encode_hello(message)
        case Summary():
            return summary.encode_summary(message)
        case Wanted():
            return summary.encode_wanted(message)
        case Question() | Answer():
            return census.encode(message)
        case _:
            assert_never(message)


def encode_update(update: Update) -> bytes:
    """The TLV. ValueError if key and value do not fit into one, or the key is empty."""
    size = len(update.key) + len(update.value)
    if size > KEY_AND_VALUE_MAX or not update.key:
        raise ValueError(f"key of {len(update.key)} and value of {len(update.value)} octets do not make an Update")
    fields = _UPDATE_TLV.pack(
        TLV_UPDATE,
        _UPDATE_FIELDS.size + size,
        update.seqno,
        min(update.lifetime, LIFETIME_MAX),
        len(update.key),
    )
    return fields + update.key + update.value


def encode_updates(updates: Iterable[Update]) -> bytes:
    """The TLVs one after another, for one write."""
    return b"".join(map(encode_update, updates))


def encode_hello(hello: Hello) -> bytes:
    """The TLV. ValueError if the name or the digest has the wrong length."""
    name = hello.name.encode()
    if len(name) > NAME_MAX:
        raise ValueError(f"a name of {len(name)} octets, {NAME_MAX} are allowed")
    if len(hello.digest) != 8:
        raise ValueError(f"a digest of {len(hello.digest)} octets instead of 8")
    flags = FLAG_REPAIRS if hello.repairs else 0
    fields = _HELLO_FIELDS.pack(HELLO_VERSION, flags, hello.node_id, hello.interval, hello.digest, hello.count)
    return bytes((TLV_HELLO, len(fields) + len(name))) + fields + name


def _decode_update(body: bytes) -> Update:
    if len(body) < _UPDATE_FIELDS.size:
        raise DecodeError(f"an Update of {len(body)} octets")
    seqno, lifetime, key_length = _UPDATE_FIELDS.unpack_from(body)
    value_at = _UPDATE_FIELDS.size + key_length
    if not key_length or value_at > len(body):
        raise DecodeError(f"an Update of {len(body)} octets with a key of {key_length}")
    return Update(seqno, lifetime, body[_UPDATE_FIELDS.size : value_at], body[value_at:])


def _decode_hello(body: bytes) -> Hello | None:
    """None: of a version that we do not know, whose fields may be anything."""
    if not body:
        raise DecodeError("a Hello without a version")
    if body[0] != HELLO_VERSION:
        return None
    if not _HELLO_FIELDS.size <= len(body) <= _HELLO_FIELDS.size + NAME_MAX:
        raise DecodeError(f"a Hello of {len(body)} octets")
    _version, flags, node_id, interval, digest, count = _HELLO_FIELDS.unpack_from(body)
    try:
        name = body[_HELLO_FIELDS.size :].decode()
    except UnicodeDecodeError as error:
        raise DecodeError("a Hello whose name is not UTF-8") from error
    return Hello(NodeId(node_id), interval, digest, count, name, repairs=bool(flags & FLAG_REPAIRS))


# What follows a TLV's header, by its type. None: a version that we do not know, whose fields may be anything.
_DECODERS: dict[int, Callable[[bytes], Message | None]] = {
    TLV_UPDATE: _decode_update,
    TLV_HELLO: _decode_hello,
    summary.TLV_SUMMARY: summary.decode_summary,
    summary.TLV_WANTED: summary.decode_wanted,
    census.TLV_QUESTION: census.decode_question,
    census.TLV_ANSWER: census.decode_answer,
}


class StreamDecoder:
    """One direction of one connection. A new connection gets a new decoder: nothing may survive a close.

    `ignored` counts TLVs skipped on purpose (PadN, repeated handshakes, types and Hello versions of the future),
    `malformed` those dropped because their inside does not fit their length. Neither disturbs what follows. Only a
    wrong handshake is fatal, and stays so. What waits for its rest is shorter than one TLV, i.e. at most 256 octets.
    """

    __slots__ = ("_pending", "handshaken", "ignored", "malformed")

    def __init__(self) -> None:
        self._pending = b""
        self.handshaken = False
        self.ignored = 0
        self.malformed = 0

    def feed(self, data: bytes) -> list[Message]:
        """Take what was received; return what is complete, in order. DecodeError: the peer does not speak this."""
        if self._pending:
            data = self._pending + data
        at = 0
        if not self.handshaken:
            start = data[: len(HANDSHAKE)]
            if not HANDSHAKE.startswith(start):
                self._pending = start
                raise DecodeError(f"{start.hex()} is not the handshake")
            if len(start) < len(HANDSHAKE):
                self._pending = start
                return []
            self.handshaken = True
            at = len(HANDSHAKE)
        return self._split(data, at)

    def _split(self, data: bytes, at: int) -> list[Message]:
        messages: list[Message] = []
        end = len(data)
        while at < end:
            kind = data[at]
            if kind == TLV_PAD1:
                at += 1
                continue
            if at + _TLV_HEADER > end:
                break
            body_at = at + _TLV_HEADER
            after = body_at + data[at + 1]
            if after > end:
                break
            message = self._decode(kind, data[body_at:after])
            if message is not None:
                messages.append(message)
            at = after
        self._pending = data[at:]
        return messages

    def _decode(self, kind: int, body: bytes) -> Message | None:
        decode = _DECODERS.get(kind)
        try:
            message = None if decode is None else decode(body)
        except DecodeError:
            self.malformed += 1
            return None
        if message is None:
            self.ignored += 1
        return message
