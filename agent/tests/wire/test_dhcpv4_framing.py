"""DHCPv4 framing, row by row of the conformance list: what is refused, what is joined, what is skipped."""

from __future__ import annotations

import pytest
from scapy.layers.dhcp import BOOTP, DHCP

from sroamd.addresses import Mac
from sroamd.wire import dhcpv4
from sroamd.wire.cursor import DecodeError
from sroamd.wire.dhcpv4 import DhcpMessage, MessageType, decode, encode

STATION = Mac.parse("02:00:00:00:00:07")
FIXED = bytes.fromhex("01 01 06 00 01020304 0000 0000") + bytes(16) + STATION + bytes(10)
COOKIE = bytes.fromhex("63825363")
DISCOVER = b"\x35\x01\x01"
END = b"\xff"


def option(code: int, value: bytes) -> bytes:
    return bytes((code, len(value))) + value


def message(options: bytes, *, file: bytes = b"", sname: bytes = b"", cookie: bytes = COOKIE) -> bytes:
    return FIXED + sname.ljust(64, b"\0") + file.ljust(128, b"\0") + cookie + options


def changed(at: int, octet: int) -> bytes:
    return (whole := message(DISCOVER + END))[:at] + bytes((octet,)) + whole[at + 1 :]


# -- the fixed part


@pytest.mark.spec("RFC 2131", "2")
@pytest.mark.parametrize(
    ("at", "octet"),
    [(0, 0), (0, 3), (1, 0), (1, 6), (2, 0), (2, 8), (2, 16), (236, 0), (239, 98)],
    ids=[
        "op 0", "op 3", "htype 0", "htype 6", "hlen 0", "hlen 8", "hlen 16", "cookie's first octet", "and last",
    ],
)  # fmt: skip
@pytest.mark.conformance("r2131_2_op")
def test_r2131_2_op_what_is_not_dhcp_over_ethernet_is_refused(at: int, octet: int) -> None:
    assert decode(changed(at, changed(0, 1)[at])).message_type is MessageType.DISCOVER
    with pytest.raises(DecodeError):
        decode(changed(at, octet))


@pytest.mark.spec("RFC 2131", "3")
@pytest.mark.conformance("r2131_2_op")
def test_r2131_2_op_bootp_is_refused() -> None:
    """Neither without a cookie nor with a vendor area that has no message type."""
    with pytest.raises(DecodeError, match="cookie"):
        decode(bytes(BOOTP(chaddr=bytes(STATION), options=b"")).ljust(300, b"\0"))
    with pytest.raises(DecodeError, match="message type"):
        decode(message(option(12, b"phone") + END))


@pytest.mark.spec("RFC 2131", "2")
@pytest.mark.parametrize("flags", [0x8000, 0xFFFF])
def test_only_the_broadcast_flag_is_read(flags: int) -> None:
    octets = message(DISCOVER + END)
    assert decode(octets[:10] + flags.to_bytes(2, "big") + octets[12:]).broadcast
    assert not decode(octets[:10] + (flags & 0x7FFF).to_bytes(2, "big") + octets[12:]).broadcast


def test_hops_and_the_padding_of_chaddr_are_not_read() -> None:
    octets = bytearray(message(DISCOVER + END))
    octets[3] = 7
    octets[34:44] = b"\xee" * 10
    assert decode(bytes(octets)) == decode(message(DISCOVER + END))


@pytest.mark.spec("RFC 2132", "9.6")
@pytest.mark.parametrize("value", [b"", b"\0", b"\x0e", b"\xff", b"\1\1"])
def test_an_unknown_message_type_is_refused(value: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(message(option(53, value) + END))


@pytest.mark.parametrize("kind", list(MessageType))
def test_every_known_message_type_is_read(kind: MessageType) -> None:
    assert decode(message(option(53, bytes((kind,))) + END)).message_type is kind


# -- the options field


@pytest.mark.spec("RFC 2131", "4.1")
@pytest.mark.conformance("r2131_41_end")
def test_r2131_41_end_without_an_end_option_it_is_refused() -> None:
    with pytest.raises(DecodeError, match="without an end"):
        decode(message(DISCOVER))
    with pytest.raises(DecodeError, match="without an end"):
        decode(message(DISCOVER + bytes(60)))


@pytest.mark.spec("RFC 2132", "3.1")
@pytest.mark.conformance("r2131_41_end")
def test_r2131_41_end_padding_is_skipped() -> None:
    octets = message(b"\0" + DISCOVER + bytes(3) + option(12, b"phone") + b"\0" + END)
    assert decode(octets).options == {12: b"phone"}


@pytest.mark.spec("RFC 2132", "3.2")
@pytest.mark.conformance("r2131_41_end")
def test_r2131_41_end_nothing_behind_it_is_read() -> None:
    assert decode(message(DISCOVER + END + option(12, b"phone") + END)).options == {}
    assert decode(message(DISCOVER + END + b"\x0c\xff")).options == {}


@pytest.mark.parametrize("rest", ["0c", "0c01", "0cff6162", "0c046162ff"])
@pytest.mark.conformance("r2131_41_end")
def test_r2131_41_end_an_option_that_runs_over_the_end_is_refused(rest: str) -> None:
    with pytest.raises(DecodeError, match="over the end"):
        decode(message(DISCOVER + bytes.fromhex(rest)))


def test_a_message_cut_before_its_end_option_is_refused() -> None:
    octets = message(DISCOVER + option(50, b"\xc0\0\2\7") + option(61, b"\1" + STATION) + END)
    for length in range(len(octets)):
        with pytest.raises(DecodeError):
            decode(octets[:length])
    assert decode(octets + bytes(100)) == decode(octets)


@pytest.mark.parametrize(("code", "lengths"), [(50, {4}), (51, {4}), (54, {4}), (57, {2}), (61, set(range(2, 136)))])
def test_an_option_that_we_read_must_have_its_length(code: int, lengths: set[int]) -> None:
    accepted = set()
    for length in range(256):
        try:
            decode(message(DISCOVER + option(code, bytes(length)) + END))
        except DecodeError:
            continue
        accepted.add(length)
    assert accepted == lengths


@pytest.mark.spec("RFC 2132", "9.14")
@pytest.mark.parametrize("client_id", [b"", b"\1"])
@pytest.mark.conformance("r2132_914_min")
def test_r2132_914_min_a_short_client_identifier_is_refused(client_id: bytes) -> None:
    with pytest.raises(DecodeError, match="client identifier"):
        decode(message(DISCOVER + option(61, client_id) + END))
    assert decode(message(DISCOVER + option(61, b"\1\2") + END)).client_id == b"\1\2"


@pytest.mark.spec("RFC 4361", "6.1")
@pytest.mark.conformance("r4361_63_duid")
def test_r4361_63_duid_the_longest_duid_is_read_unaltered() -> None:
    client_id = b"\xff" + b"IAID" + bytes(range(130))
    assert decode(message(DISCOVER + option(61, client_id) + END)).client_id == client_id


# -- long options


@pytest.mark.spec("RFC 3396", "7")
@pytest.mark.conformance("r3396_concat")
def test_r3396_concat_parts_are_joined_in_order_wherever_they_are() -> None:
    octets = message(
        option(43, b"one ")
        + DISCOVER
        + option(12, b"pho")
        + option(43, b"")
        + option(43, b"two")
        + option(12, b"ne")
        + END
    )
    assert decode(octets).options == {43: b"one two", 12: b"phone"}


@pytest.mark.spec("RFC 3396", "5")
@pytest.mark.parametrize("length", [0, 1, 255, 256, 510, 511, 700])
@pytest.mark.conformance("r3396_concat")
def test_r3396_concat_what_is_longer_than_255_octets_is_split_on_output(length: int) -> None:
    value = bytes(at % 251 for at in range(length))
    ours = DhcpMessage(op=2, message_type=MessageType.ACK, xid=1, chaddr=STATION, options={43: value, 12: b"phone"})
    octets = encode(ours, max_size=1500)
    parts = [value[at : at + 255] for at in range(0, length, 255)] or [b""]
    assert octets[243:].startswith(b"".join(option(43, part) for part in parts) + option(12, b"phone") + END)
    assert decode(octets).options == ours.options


@pytest.mark.conformance("r3396_concat")
def test_r3396_concat_we_join_what_scapy_splits() -> None:
    value = bytes(range(200)) * 2
    theirs = BOOTP(chaddr=bytes(STATION)) / DHCP(
        options=[("message-type", "discover"), (43, value[:255]), (43, value[255:]), "end"]
    )
    assert decode(bytes(theirs)).options[43] == value


@pytest.mark.conformance("r3396_concat")
def test_r3396_concat_a_client_identifier_is_not_made_of_two() -> None:
    """Joined it would be longer than any; C08 sends 300 of them."""
    with pytest.raises(DecodeError, match="client identifier"):
        decode(message(DISCOVER + option(61, b"\1" + STATION) * 20 + END))


@pytest.mark.conformance("c08")
def test_c08_a_message_type_or_an_address_that_comes_twice_is_refused() -> None:
    for twice in (DISCOVER, option(50, b"\xc0\0\2\7"), option(54, b"\xc0\0\2\1")):
        with pytest.raises(DecodeError):
            decode(message(DISCOVER + twice + twice + END))


# -- option 52


@pytest.mark.spec("RFC 2131", "4.1")
@pytest.mark.parametrize(("overload", "expected"), [(1, b"optfile"), (2, b"optsname"), (3, b"optfilesname")])
@pytest.mark.conformance("r2131_41_overload")
def test_r2131_41_overload_file_is_read_before_sname(overload: int, expected: bytes) -> None:
    octets = message(
        DISCOVER + option(43, b"opt") + option(52, bytes((overload,))) + END,
        file=option(43, b"file") + END,
        sname=option(43, b"sname") + END,
    )
    assert decode(octets).options == {43: expected}


@pytest.mark.spec("RFC 2132", "9.3")
@pytest.mark.conformance("r2131_41_overload")
def test_r2131_41_overload_without_option_52_nothing_there_is_read() -> None:
    octets = message(DISCOVER + END, file=option(43, b"file") + END, sname=option(43, b"sname") + END)
    assert decode(octets).options == {}


@pytest.mark.conformance("r2131_41_overload")
def test_r2131_41_overload_the_message_type_may_be_in_file() -> None:
    assert decode(message(option(52, b"\1") + END, file=DISCOVER + END)).message_type is MessageType.DISCOVER


@pytest.mark.parametrize("value", [b"", b"\0", b"\4", b"\xff", b"\1\2"])
@pytest.mark.conformance("r2131_41_overload")
def test_r2131_41_overload_other_values_are_refused(value: bytes) -> None:
    with pytest.raises(DecodeError, match="overload"):
        decode(message(DISCOVER + option(52, value) + END, file=END, sname=END))


@pytest.mark.conformance("r2131_41_overload")
def test_r2131_41_overload_twice_is_refused() -> None:
    with pytest.raises(DecodeError, match="overload"):
        decode(message(DISCOVER + option(52, b"\1") + option(52, b"\2") + END, file=END, sname=END))


@pytest.mark.conformance("c08")
def test_c08_option_52_pointing_at_itself_is_refused() -> None:
    with pytest.raises(DecodeError):
        decode(message(DISCOVER + option(52, b"\1") + END, file=option(52, b"\1") + END))
    with pytest.raises(DecodeError):
        decode(message(DISCOVER + option(52, b"\3") + END, file=END, sname=option(52, b"\3") + END))


@pytest.mark.conformance("r2131_41_overload")
def test_r2131_41_overload_each_field_needs_its_own_end() -> None:
    with pytest.raises(DecodeError, match="without an end"):
        decode(message(DISCOVER + option(52, b"\3") + END, file=option(43, b"f"), sname=END))
    with pytest.raises(DecodeError, match="over the end"):
        decode(message(DISCOVER + option(52, b"\2") + END, sname=option(43, b"s" * 61) + b"\x0c"))


def test_we_read_an_overloaded_message_of_scapy() -> None:
    theirs = BOOTP(chaddr=bytes(STATION), file=option(12, b"phone") + END) / DHCP(
        options=[("message-type", "discover"), ("dhcp-option-overload", 1), "end"]
    )
    assert decode(bytes(theirs)).hostname == b"phone"


# -- limits


@pytest.mark.conformance("c08")
def test_c08_a_longer_message_than_fits_a_frame_is_refused() -> None:
    octets = message(DISCOVER + END)
    assert decode(octets.ljust(dhcpv4.MESSAGE_MAX, b"\0")) == decode(octets)
    with pytest.raises(DecodeError):
        decode(octets.ljust(dhcpv4.MESSAGE_MAX + 1, b"\0"))


@pytest.mark.conformance("c08")
def test_c08_more_options_than_any_client_sends_are_refused() -> None:
    most = option(43, b"") * (dhcpv4.OPTION_INSTANCES_MAX - 1)
    assert decode(message(DISCOVER + most + END)).options == {43: b""}
    with pytest.raises(DecodeError, match="more than"):
        decode(message(DISCOVER + most + option(43, b"") + END))


@pytest.mark.conformance("c08")
def test_c08_a_parameter_request_list_of_1000_octets_is_read() -> None:
    wanted = bytes(range(1, 251)) * 4
    octets = message(DISCOVER + b"".join(option(55, wanted[at : at + 250]) for at in range(0, 1000, 250)) + END)
    assert decode(octets).parameter_request_list == tuple(wanted)
