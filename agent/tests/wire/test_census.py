"""The census, octet for octet."""

from __future__ import annotations

import pytest
from hypothesis import given

from sroamd.addresses import NodeId
from sroamd.wire import census
from sroamd.wire.census import Answer, Held, Question
from sroamd.wire.flood import HANDSHAKE, StreamDecoder, encode
from tests.wire.strategies import answers, questions, thorough

AP1, AP2 = NodeId(bytes.fromhex("020000fffe000001")), NodeId(bytes.fromhex("020000fffe000002"))
NONCE = bytes.fromhex("0011223344556677")
IDS = "020000fffe000001 0011223344556677 020000fffe000002"

EVERYBODY = Question(AP1, NONCE, None, 0, 0)
EVERYBODY_TLV = bytes.fromhex("82 1c 01 020000fffe000001 0011223344556677 0000000000000000 00 0000")
BUCKET = Question(AP1, NONCE, AP2, 3, 0xABC)
BUCKET_TLV = bytes.fromhex(f"82 1c 01 {IDS} 03 0abc")
DIGESTS = Answer(AP1, NONCE, AP2, 1, 10, 258, bytes(range(128)))
DIGESTS_TLV = bytes.fromhex(f"83 a0 01 {IDS} 01 000a 00000102") + bytes(range(128))
NOTHING = Answer(AP1, NONCE, AP2, 3, 0xABC, 0)
NOTHING_TLV = bytes.fromhex(f"83 20 01 {IDS} 03 0abc 00000000")
LEASE = Held(b"12345678", 3, 1800, bytes.fromhex("00c0000207"), bytes.fromhex("020000000007"))
DATUM = Answer(AP1, NONCE, AP2, 3, 0xABC, 2, held=LEASE)
DATUM_TLV = bytes.fromhex(f"83 3a 01 {IDS} 03 0abc 00000002 3132333435363738 0003 00000708 05 00c0000207 020000000007")


def decoded(octets: bytes) -> tuple[list[object], int, int]:
    decoder = StreamDecoder()
    messages = decoder.feed(HANDSHAKE + octets)
    return list(messages), decoder.ignored, decoder.malformed


@pytest.mark.parametrize(
    ("message", "octets"),
    [
        (EVERYBODY, EVERYBODY_TLV),
        (BUCKET, BUCKET_TLV),
        (DIGESTS, DIGESTS_TLV),
        (NOTHING, NOTHING_TLV),
        (DATUM, DATUM_TLV),
    ],
    ids=["to everybody", "for a bucket", "digests", "empty bucket", "datum"],
)
def test_messages_have_exactly_these_octets(message: Question | Answer, octets: bytes) -> None:
    assert encode(message).hex(" ") == octets.hex(" ")
    assert decoded(octets) == ([message], 0, 0)


@thorough
@given(questions | answers)
def test_what_was_encoded_is_decoded(message: Question | Answer) -> None:
    assert decoded(encode(message)) == ([message], 0, 0)


def test_the_longest_answer_fills_its_tlv() -> None:
    key, value = b"k" * census.KEY_MAX, b"v" * (census.KEY_AND_VALUE_MAX - census.KEY_MAX)
    longest = Answer(AP1, NONCE, AP2, 3, 0, 1, held=Held(b"12345678", 1, 2, key, value))
    assert len(census.encode(longest)) == 257
    assert decoded(census.encode(longest)) == ([longest], 0, 0)


@pytest.mark.parametrize(("key", "value"), [(b"", b"v"), (b"k" * 160, b"v" * 49)], ids=["no key", "too long"])
def test_an_answer_that_cannot_be_sent_is_our_mistake(key: bytes, value: bytes) -> None:
    with pytest.raises(ValueError):
        census.encode(Answer(AP1, NONCE, AP2, 3, 0, 1, held=Held(b"12345678", 1, 2, key, value)))


@pytest.mark.parametrize("octets", [bytes((130, 1, 2)), bytes((131, 200, 2)) + bytes(199)], ids=["question", "answer"])
def test_other_versions_are_ignored(octets: bytes) -> None:
    assert decoded(octets + EVERYBODY_TLV) == ([EVERYBODY], 1, 0)


def with_length(octets: bytes) -> bytes:
    return octets[:1] + bytes((len(octets) - 2,)) + octets[2:]


@pytest.mark.parametrize(
    "octets",
    [
        bytes((130, 0)),
        bytes((131, 0)),
        with_length(BUCKET_TLV[:-1]),
        with_length(BUCKET_TLV + b"\0"),
        with_length(EVERYBODY_TLV[:-3] + b"\1\0\0"),
        with_length(BUCKET_TLV[:-3] + b"\4\0\0"),
        with_length(BUCKET_TLV[:-3] + b"\3\x10\0"),
        with_length(DIGESTS_TLV[:-1]),
        with_length(DIGESTS_TLV + b"\0"),
        with_length(NOTHING_TLV[:-1]),
        with_length(NOTHING_TLV + b"\0"),
        with_length(DATUM_TLV[:40]),
        with_length(DATUM_TLV[:48] + b"\0" + DATUM_TLV[49:]),
        with_length(DATUM_TLV[:48] + b"\x0c" + DATUM_TLV[49:]),
    ],
    ids=[
        "empty question", "empty answer", "short question", "long question", "everybody at depth 1", "depth 4",
        "bucket 4096", "digest cut", "digest too long", "short answer", "one octet of a datum", "half a datum",
        "no key", "key longer than the rest",
    ],
)  # fmt: skip
def test_what_does_not_fit_its_tlv_is_counted_and_the_stream_goes_on(octets: bytes) -> None:
    assert decoded(octets + DATUM_TLV) == ([DATUM], 0, 1)
