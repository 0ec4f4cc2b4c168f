"""The census: which nodes hold the same database, and in what does one differ? Two TLVs of the flooding stream.

    Question 130  version u8 = 1, asker (8), nonce (8), target (8; zero: everybody), depth u8, prefix u16
    Answer   131  version u8 = 1, asker (8), nonce (8), answering node (8), depth u8, prefix u16, count u32, then
                  depth 0 to 2  16 digests (8 each), those of the part's children
                  depth 3       nothing, or one datum: fingerprint (8), seqno u16, remaining u32, key length u8, key,
                                value

Depth and prefix name a part of the database as `core.fingerprints` divides it; everybody is asked for the whole (depth
0) only. `count` is how many data the answering node counts in its digest, and at depth 3 how many it holds in that
bucket. What the C daemon does with both types is nothing.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from sroamd.addresses import NodeId
from sroamd.wire.cursor import DecodeError
from sroamd.wire.summary import DEPTH, DIGEST_SIZE, FAN_OUT, is_subtree

TLV_QUESTION = 130
TLV_ANSWER = 131

VERSION = 1
EVERYBODY = NodeId(bytes(8))
NONCE_SIZE = 8
# The length of a TLV is one octet and 47 are spent before the key. A longer key or value is cut by the node that
# answers, for it is only shown; the fingerprint is that of the whole. There is always room for some of the value.
KEY_MAX = 160
KEY_AND_VALUE_MAX = 208

_QUESTION = struct.Struct("!B8s8s8sBH")
_ANSWER = struct.Struct("!B8s8s8sBHI")
_DATUM = struct.Struct("!8sHIB")


@dataclass(frozen=True, slots=True)
class Question:
    """What does `target` (None: does everybody) hold in this part of the database?"""

    asker: NodeId
    nonce: bytes
    target: NodeId | None
    depth: int
    prefix: int


@dataclass(frozen=True, slots=True)
class Held:
    """A version that the answering node holds. `remaining`: seconds. Key and value may be cut."""

    fingerprint: bytes
    seqno: int
    remaining: int
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """`digests`: 16 of 8 octets each, one after another; empty at depth 3, where `held` is one of `count` data."""

    asker: NodeId
    nonce: bytes
    node: NodeId
    depth: int
    prefix: int
    count: int
    digests: bytes = b""
    held: Held | None = None


def encode(message: Question | Answer) -> bytes:
    """The TLV. ValueError if key and value do not fit."""
    if isinstance(message, Question):
        kind, body = TLV_QUESTION, _encode_question(message)
    else:
        kind, body = TLV_ANSWER, _encode_answer(message)
    return bytes((kind, len(body))) + body


def _encode_question(question: Question) -> bytes:
    target = EVERYBODY if question.target is None else question.target
    return _QUESTION.pack(VERSION, question.asker, question.nonce, target, question.depth, question.prefix)


def _encode_answer(answer: Answer) -> bytes:
    part = (answer.depth, answer.prefix, answer.count)
    body = _ANSWER.pack(VERSION, answer.asker, answer.nonce, answer.node, *part) + answer.digests
    held = answer.held
    if held is None:
        return body
    if not 0 < len(held.key) <= KEY_AND_VALUE_MAX - len(held.value):
        raise ValueError(f"key of {len(held.key)} and value of {len(held.value)} octets do not make an Answer")
    return body + _DATUM.pack(held.fingerprint, held.seqno, held.remaining, len(held.key)) + held.key + held.value


def decode_question(body: bytes) -> Question | None:
    """The inside of TLV 130. None: of a version that we do not know. DecodeError if it does not fit."""
    if not _is_known(body):
        return None
    if len(body) != _QUESTION.size:
        raise DecodeError(f"a Question of {len(body)} octets")
    _version, asker, nonce, target, depth, prefix = _QUESTION.unpack(body)
    _check_part(depth, prefix)
    if target == EVERYBODY and depth:
        raise DecodeError(f"a Question to everybody at depth {depth}")
    return Question(NodeId(asker), nonce, None if target == EVERYBODY else NodeId(target), depth, prefix)


def decode_answer(body: bytes) -> Answer | None:
    """The inside of TLV 131, as above."""
    if not _is_known(body):
        return None
    if len(body) < _ANSWER.size:
        raise DecodeError(f"an Answer of {len(body)} octets")
    _version, asker, nonce, node, depth, prefix, count = _ANSWER.unpack_from(body)
    _check_part(depth, prefix)
    rest = body[_ANSWER.size :]
    if depth < DEPTH:
        if len(rest) != FAN_OUT * DIGEST_SIZE:
            raise DecodeError(f"an Answer with {len(rest)} octets of digests")
        return Answer(NodeId(asker), nonce, NodeId(node), depth, prefix, count, rest)
    held = _decode_held(rest) if rest else None
    return Answer(NodeId(asker), nonce, NodeId(node), depth, prefix, count, held=held)


def _decode_held(octets: bytes) -> Held:
    if len(octets) < _DATUM.size:
        raise DecodeError(f"an Answer with {len(octets)} octets of a datum")
    fingerprint, seqno, remaining, key_length = _DATUM.unpack_from(octets)
    value_at = _DATUM.size + key_length
    if not key_length or value_at > len(octets):
        raise DecodeError(f"an Answer with a key of {key_length} octets in {len(octets)}")
    return Held(fingerprint, seqno, remaining, octets[_DATUM.size : value_at], octets[value_at:])


def _is_known(body: bytes) -> bool:
    if not body:
        raise DecodeError("a message of the census without a version")
    return body[0] == VERSION


def _check_part(depth: int, prefix: int) -> None:
    if not is_subtree(depth, prefix):
        raise DecodeError(f"there is no part {prefix} at depth {depth}")
