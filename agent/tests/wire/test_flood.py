"""The flooding stream, byte for byte as the C daemon of 2021 reads and writes it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sroamd.addresses import NodeId
from sroamd.wire.cursor import DecodeError
from sroamd.wire.flood import (
    HANDSHAKE,
    KEY_AND_VALUE_MAX,
    Hello,
    Message,
    StreamDecoder,
    Update,
    encode,
    encode_hello,
    encode_update,
    encode_updates,
)
from sroamd.wire.summary import Summary, Wanted
from tests.wire.strategies import hellos, summaries, thorough, updates, wants

ASSOCIATION = Update(0x0102, 5400, bytes.fromhex("02 020000000007"), bytes.fromhex("020000fffe000001"))
ASSOCIATION_TLV = bytes.fromhex("02 16 0102 00001518 07 02020000000007 020000fffe000001")
TOMBSTONE = Update(65535, 600, bytes.fromhex("02 020000000007"), b"")
TOMBSTONE_TLV = bytes.fromhex("02 0e ffff 00000258 07 02020000000007")
LEASE = Update(3, 1800, bytes.fromhex("00 c0000207"), bytes.fromhex("020000000007"))
LEASE_TLV = bytes.fromhex("02 12 0003 00000708 05 00c0000207 020000000007")
HELLO = Hello(NodeId(bytes.fromhex("020000fffe000001")), 10, bytes.fromhex("0123456789abcdef"), 258, "ap1")
HELLO_TLV = bytes.fromhex("80 1b 01 00 020000fffe000001 000a 0123456789abcdef 00000102 617031")

SUMMARY = Summary(2, 0xAB, tuple(bytes((0, 0, 0, 0, 0, 0, 0, number)) for number in range(16)))
SUMMARY_TLV = bytes.fromhex("81 84 01 02 00ab") + b"".join(bytes(7) + bytes((number,)) for number in range(16))
CONTENTS = Summary(3, 0xABC, (b"1234", b"5678"))
CONTENTS_TLV = bytes.fromhex("81 0c 01 03 0abc") + b"12345678"
WANTED = Wanted(0xABC, (b"5678",))
WANTED_TLV = bytes.fromhex("84 08 01 00 0abc") + b"5678"


def ready() -> StreamDecoder:
    decoder = StreamDecoder()
    assert decoder.feed(HANDSHAKE) == []
    return decoder


@pytest.mark.parametrize(
    ("message", "octets"),
    [
        (ASSOCIATION, ASSOCIATION_TLV),
        (TOMBSTONE, TOMBSTONE_TLV),
        (LEASE, LEASE_TLV),
        (HELLO, HELLO_TLV),
        (replace(HELLO, repairs=True), HELLO_TLV[:3] + b"\x01" + HELLO_TLV[4:]),
        (SUMMARY, SUMMARY_TLV),
        (CONTENTS, CONTENTS_TLV),
        (WANTED, WANTED_TLV),
    ],
    ids=["association", "tombstone", "lease", "hello", "hello that repairs", "summary", "contents", "wanted"],
)
def test_messages_have_exactly_these_octets(message: Message, octets: bytes) -> None:
    assert encode(message) == octets
    assert ready().feed(octets) == [message]


def test_updates_are_written_one_after_another() -> None:
    assert encode_updates(iter((ASSOCIATION, LEASE))) == ASSOCIATION_TLV + LEASE_TLV
    assert encode_updates(()) == b""


def test_a_lifetime_that_the_c_daemon_would_take_for_negative_is_capped_on_output() -> None:
    """Defect M9 of the C daemon: 2**31 seconds and more are already over."""
    update = Update(1, 2**32 - 1, LEASE.key, LEASE.value)
    assert encode_update(update)[4:8] == bytes.fromhex("7fffffff")


def test_a_lifetime_beyond_that_is_taken_as_it_comes() -> None:
    (update,) = ready().feed(LEASE_TLV[:4] + b"\xff" * 4 + LEASE_TLV[8:])
    assert isinstance(update, Update)
    assert update.lifetime == 2**32 - 1


def test_the_longest_update_fills_its_tlv() -> None:
    update = Update(1, 2, b"\x80" * 200, b"v" * (KEY_AND_VALUE_MAX - 200))
    octets = encode_update(update)
    assert len(octets) == 257
    assert octets[1] == 255
    assert ready().feed(octets) == [update]


@pytest.mark.parametrize(
    "update",
    [Update(1, 2, b"k", b"v" * KEY_AND_VALUE_MAX), Update(1, 2, b"", b"v")],
    ids=["M11 too long for the length octet", "no key"],
)
def test_an_update_that_cannot_be_sent_is_our_mistake(update: Update) -> None:
    with pytest.raises(ValueError):
        encode_update(update)


@pytest.mark.parametrize("change", [{"name": "é" * 32}, {"digest": b"1234567"}], ids=["name", "digest"])
def test_a_hello_that_cannot_be_sent_is_our_mistake(change: dict[str, object]) -> None:
    fields = {"node_id": HELLO.node_id, "interval": 10, "digest": HELLO.digest, "count": 1, "name": "ap1"}
    with pytest.raises(ValueError):
        encode_hello(Hello(**(fields | change)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "message",
    [
        Summary(0, 1, SUMMARY.digests),
        Summary(4, 0, ()),
        Summary(0, 0, SUMMARY.digests[1:]),
        Summary(0, 0, (b"1234",) * 16),
        Summary(3, 0, (b"1234",) * 63),
        Wanted(4096, ()),
        Wanted(0, (b"12345678",)),
    ],
)
def test_a_summary_that_cannot_be_sent_is_our_mistake(message: Message) -> None:
    with pytest.raises(ValueError):
        encode(message)


# -- the handshake


def test_nothing_comes_out_before_the_handshake_is_complete() -> None:
    decoder = StreamDecoder()
    for octet in HANDSHAKE[:-1]:
        assert decoder.feed(bytes((octet,))) == []
        assert not decoder.handshaken
    assert decoder.feed(HANDSHAKE[-1:] + LEASE_TLV) == [LEASE]
    assert decoder.handshaken


@pytest.mark.parametrize("at", range(4))
def test_a_wrong_handshake_is_refused_at_its_first_wrong_octet(at: int) -> None:
    decoder = StreamDecoder()
    assert decoder.feed(HANDSHAKE[:at]) == []
    with pytest.raises(DecodeError):
        decoder.feed(bytes((HANDSHAKE[at] ^ 1,)))
    assert not decoder.handshaken


def test_after_a_wrong_handshake_no_right_one_helps() -> None:
    decoder = StreamDecoder()
    with pytest.raises(DecodeError):
        decoder.feed(b"GET / HTTP/1.1\r\n" * 1000)
    with pytest.raises(DecodeError):
        decoder.feed(HANDSHAKE + LEASE_TLV)
    assert not decoder.handshaken


# -- what is skipped


@pytest.mark.parametrize(
    ("octets", "ignored"),
    [
        (b"\0", 0),
        (b"\0" * 5, 0),
        (bytes((1, 0)), 1),
        (bytes((1, 3, 2, 2, 2)), 1),
        (HANDSHAKE, 1),
        (bytes((3, 4)) + b"2222", 1),
        (bytes((255, 255)) + b"2" * 255, 1),
        (bytes((128, 1, 2)), 1),
        (bytes((128, 200, 2)) + b"2" * 199, 1),
        (bytes((129, 1, 2)), 1),
        (bytes((132, 6, 2)) + b"2" * 5, 1),
    ],
    ids=[
        "Pad1", "five Pad1", "empty PadN", "PadN", "T3 a repeated handshake is TLV 44 and Pad1",
        "type of the future", "longest of the future", "short Hello of the future", "long Hello of the future",
        "Summary of the future", "Wanted of the future",
    ],
)  # fmt: skip
def test_what_is_not_for_us_is_counted_and_the_stream_goes_on(octets: bytes, ignored: int) -> None:
    decoder = ready()
    assert decoder.feed(LEASE_TLV + octets) == [LEASE]
    assert (decoder.ignored, decoder.malformed) == (ignored, 0)
    assert decoder.feed(TOMBSTONE_TLV) == [TOMBSTONE]


@pytest.mark.parametrize(
    "octets",
    [
        bytes((2, 0)),
        bytes((2, 6)) + b"\0\1\0\0\0\1",
        bytes((2, 7)) + b"\0\1\0\0\0\1\0",
        bytes((2, 12)) + b"\0\1\0\0\0\1\0" + b"value",
        bytes((2, 11)) + b"\0\1\0\0\0\1\5" + b"four",
        bytes((2, 11)) + b"\0\1\0\0\0\1\xff" + b"four",
        bytes((128, 0)),
        bytes((128, 1, 1)),
        bytes((128, 23)) + HELLO_TLV[2:25],
        bytes((128, 88)) + HELLO_TLV[2:26] + b"n" * 64,
        bytes((128, 26)) + HELLO_TLV[2:26] + b"\xc3\x28",
        bytes((128, 25)) + HELLO_TLV[2:26] + b"\xff",
        bytes((129, 0)),
        bytes((129, 3, 1, 0, 0)),
        bytes((129, 4, 1, 0, 0, 0)),
        bytes((129, 132, 1, 0, 0, 1)) + bytes(128),
        bytes((129, 132, 1, 4, 0, 0)) + bytes(128),
        bytes((129, 140, 1, 0, 0, 0)) + bytes(136),
        bytes((129, 9, 1, 3, 0, 0)) + bytes(5),
        bytes((132, 8, 1, 0, 0x10, 0)) + bytes(4),
        bytes((132, 7, 1, 0, 0, 0)) + bytes(3),
    ],
    ids=[
        "empty Update", "Update of six octets", "B05 key length 0, no value", "B05 key length 0 and a value",
        "key one octet longer than its TLV", "B05 key length 255", "empty Hello", "Hello of a version only",
        "Hello without its last octet", "Hello with a long name", "Hello with half a letter", "Hello with no letter",
        "empty Summary", "short Summary", "Summary without digests", "Summary of a node that is not there",
        "Summary below the buckets", "Summary with 17 digests", "bucket with a fingerprint and a quarter",
        "Wanted of no bucket", "Wanted of most of a fingerprint",
    ],
)  # fmt: skip
def test_what_does_not_fit_its_tlv_is_counted_and_the_stream_goes_on(octets: bytes) -> None:
    decoder = ready()
    assert decoder.feed(LEASE_TLV + octets) == [LEASE]
    assert (decoder.ignored, decoder.malformed) == (0, 1)
    assert decoder.feed(TOMBSTONE_TLV) == [TOMBSTONE]


def test_a_hello_with_flags_of_the_future_is_read() -> None:
    assert ready().feed(HELLO_TLV[:3] + b"\xfe" + HELLO_TLV[4:]) == [HELLO]
    assert ready().feed(HELLO_TLV[:3] + b"\xff" + HELLO_TLV[4:]) == [replace(HELLO, repairs=True)]


# -- any division of the stream


def test_truncated_anywhere_it_waits_and_then_goes_on() -> None:
    stream = HANDSHAKE + ASSOCIATION_TLV + b"\0" + HELLO_TLV + TOMBSTONE_TLV
    for cut in range(len(stream) + 1):
        decoder = StreamDecoder()
        messages = decoder.feed(stream[:cut]) + decoder.feed(stream[cut:])
        assert messages == [ASSOCIATION, HELLO, TOMBSTONE]
        assert (decoder.ignored, decoder.malformed) == (0, 0)


@thorough
@given(st.lists(updates | hellos | summaries | wants, max_size=8), st.data())
def test_every_message_survives_every_split(messages: list[Message], data: st.DataObject) -> None:
    stream = HANDSHAKE + b"".join(map(encode, messages))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    decoder = StreamDecoder()
    out: list[Message] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        out += decoder.feed(stream[start:end])
    assert out == messages
    assert (decoder.ignored, decoder.malformed) == (0, 0)


@thorough
@given(st.lists(st.binary(max_size=600), max_size=6))
def test_garbage_after_the_handshake_never_raises_and_never_piles_up(chunks: list[bytes]) -> None:
    decoder = ready()
    for chunk in chunks:
        decoder.feed(chunk)
    together = ready()
    together.feed(b"".join(chunks))
    assert (decoder.ignored, decoder.malformed) == (together.ignored, together.malformed)
    # Everything is accounted for: what is still waiting is less than one TLV, so 257 zeros complete it ...
    decoder.feed(b"\0" * 257)
    # ... and after that an Update gets through.
    assert decoder.feed(LEASE_TLV) == [LEASE]
