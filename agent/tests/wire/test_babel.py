"""The little of Babel that we read and say, octet by octet as RFC 8966 section 4 draws it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest

from sroamd.wire import babel
from sroamd.wire.cursor import DecodeError

# What babeld 1.12.1 sends at a hello interval of 0.2 s: a Hello and two IHUs.
HELLO = "0406 0000 8682 0014"
IHU = "050e 0300 0060 003c 20f4b1fffe023a40"
ROUTER_ID = "060a 0000 949bb3a27afb29b8"


def packet(*tlvs: str) -> bytes:
    body = bytes.fromhex("".join(tlvs))
    return b"\x2a\x02" + len(body).to_bytes(2, "big") + body


@pytest.mark.parametrize(
    ("octets", "interval"),
    [
        (packet(HELLO), 0.2),
        (packet(HELLO, IHU, IHU), 0.2),
        (packet("00", "0102 0000", HELLO), 0.2),
        (packet("0408 0000 8682 0190 0100"), 4.0),  # with a sub-TLV behind it
        (packet(HELLO) + bytes(16), 0.2),  # with a trailer, RFC 8966 section 4.2
        (packet(ROUTER_ID), None),
        (packet("0406 8000 8682 0014"), None),  # unicast: promises nothing about multicast
        (packet("0406 0000 8682 0000"), None),  # unscheduled
        (packet(), None),
    ],
)
def test_a_hello_promises_the_next(octets: bytes, interval: float | None) -> None:
    assert babel.decode_packet(octets).interval == (interval if interval is None else pytest.approx(interval))


def test_ihus_say_whom_it_hears() -> None:
    deaf, elsewhere = (
        "050e 0300 ffff 003c 020000fffe000001",
        "0506 0000 0060 003c",
    )  # to a link-local address; to anybody
    assert babel.decode_packet(packet(HELLO, IHU, deaf, elsewhere)).hears == (
        (IPv6Address("fe80::20f4:b1ff:fe02:3a40"), True),
        (IPv6Address("fe80::200:ff:fe00:1"), False),
    )


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x2a",
        b"\x2b\x02\x00\x00",
        b"\x2a\x03\x00\x00",
        b"\x2a\x02\x00\x01",
        packet("04"),
        packet("0406 0000 86"),
        packet("0404 0000 8682"),
        packet("050a 0300 0060 003c 20f4b1ff"),
    ],
    ids=["nothing", "one octet", "magic", "version", "body", "half a TLV", "cut off", "short Hello", "short IHU"],
)
def test_what_is_not_babel_is_refused(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        babel.decode_packet(octets)


def test_the_requests_are_for_addresses_and_for_everything() -> None:
    assert babel.encode_requests() == bytes.fromhex("2a02 0004 0902 0000")
    assert babel.encode_requests([IPv4Address("10.255.0.2"), IPv6Address("fd00:255::2")]) == bytes.fromhex(
        "2a02 0020 0906 0120 0aff0002 0912 0280 fd000255000000000000000000000002 0902 0000"
    )


def test_a_datagram_goes_from_babels_port_to_babels_port() -> None:
    datagram = babel.encode_datagram(b"abc")
    assert datagram == bytes.fromhex("1a28 1a28 000b 0000") + b"abc"
    assert babel.decode_datagram(datagram) == b"abc"
    with pytest.raises(DecodeError):
        babel.decode_datagram(datagram[:7])
