"""The name that a station gives itself: option 81 (RFC 4702), option 12."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sroamd.addresses import Mac
from sroamd.wire.cursor import DecodeError
from sroamd.wire.dhcpv4 import DhcpMessage, MessageType
from sroamd.wire.fqdn import fqdn_answer, fqdn_name, name_of

DNS = b"\x05phone\x07example\x00"
PARTIAL = b"\x05phone"


def message(options: dict[int, bytes]) -> DhcpMessage:
    return DhcpMessage(op=1, message_type=MessageType.REQUEST, xid=1, chaddr=Mac(bytes(6)), options=options)


@pytest.mark.spec("RFC 4702", "2.3")
@pytest.mark.conformance("r4702_fqdn")
@pytest.mark.parametrize(
    ("option", "name"),
    [
        (b"\x04\0\0" + DNS, b"phone.example"),
        (b"\x05\0\0" + PARTIAL, b"phone"),
        (b"\x01\0\0phone.example", b"phone.example"),
        (b"\x01\0\0phone.example.\0", b"phone.example"),
        (b"\x04\0\0", b""),
        (b"\x04\0\0\0", b""),
        (b"\xf4\x07\x08" + PARTIAL, b"phone"),  # what must be zero, and return codes of a client, mean nothing
    ],
)
def test_r4702_fqdn_is_read_in_either_encoding(option: bytes, name: bytes) -> None:
    assert fqdn_name(option) == name


@pytest.mark.spec("RFC 4702", "2.3")
@pytest.mark.conformance("r4702_fqdn")
@pytest.mark.parametrize(
    "option",
    [
        b"",
        b"\x04\0",
        b"\x04\0\0\x06phone",
        b"\x04\0\0\xc0\x0c",  # a pointer
        b"\x04\0\0\x40" + b"x" * 64,
        b"\x04\0\0" + DNS + b"x",
        b"\x04\0\0" + b"\x3f" + b"x" * 63 + (b"\x3f" + b"y" * 63) * 3,
        b"\0\0\0" + b"x" * 64,
        b"\0\0\0" + b"x." * 130,
    ],
)
def test_r4702_fqdn_that_is_malformed_is_none_and_the_hostname_counts(option: bytes) -> None:
    with pytest.raises(DecodeError):
        fqdn_name(option)
    assert fqdn_answer(option) is None
    assert name_of(message({81: option, 12: b"plain"})) == b"plain"


@pytest.mark.spec("RFC 4702", "3.1")
def test_fqdn_goes_before_the_hostname_unless_it_is_empty() -> None:
    assert name_of(message({81: b"\x04\0\0" + DNS, 12: b"plain"})) == b"phone.example"
    assert name_of(message({81: b"\x05\0\0", 12: b"plain"})) == b"plain"
    assert name_of(message({12: b"plain\0\0"})) == b"plain"
    assert name_of(message({})) == b""


N, E, O, S = 8, 4, 2, 1  # noqa: E741


@pytest.mark.spec("RFC 4702", "4")
@pytest.mark.conformance("r4702_fqdn")
@pytest.mark.parametrize(("asked", "answered"), [(S | E, N | E | O), (S, N | O), (E, N | E), (N | E, N | E), (0xF0, N)])
def test_r4702_fqdn_is_answered_by_who_updates_no_dns(asked: int, answered: int) -> None:
    """N, and so not S; O where the client wanted S; E as it was; return codes 255 (section 2.2); the name as it was."""
    assert fqdn_answer(bytes((asked, 7, 7)) + PARTIAL) == bytes((answered, 255, 255)) + PARTIAL


@given(st.binary(max_size=300))
def test_whatever_comes_is_a_name_or_none(option: bytes) -> None:
    name = name_of(message({81: option}))
    assert len(name) <= 255
    answer = fqdn_answer(option)
    assert answer is None or (answer[3:] == option[3:] and answer[0] & 9 == 8)
