"""DHCPv4 messages: field by field, with scapy as the oracle in both directions."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP

from sroamd.addresses import Mac
from sroamd.wire import dhcpv4
from sroamd.wire.dhcpv4 import DhcpMessage, MessageType, classless_routes, decode, encode
from tests.wire.strategies import against_scapy, dhcp_messages, dhcp_options, thorough

STATION = Mac.parse("02:00:00:00:00:07")
GATEWAY = IPv4Address("192.0.2.1")
ADDRESS = IPv4Address("192.0.2.7")
NO_ADDRESS = IPv4Address("0.0.0.0")

REQUEST = DhcpMessage(
    op=1,
    message_type=MessageType.REQUEST,
    xid=0x01020304,
    chaddr=STATION,
    secs=5,
    broadcast=True,
    ciaddr=IPv4Address("192.0.2.2"),
    yiaddr=IPv4Address("192.0.2.3"),
    siaddr=IPv4Address("192.0.2.4"),
    giaddr=IPv4Address("192.0.2.5"),
    options={50: ADDRESS.packed, 12: b"phone"},
)
REQUEST_OCTETS = (
    bytes.fromhex("01 01 06 00 01020304 0005 8000 c0000202 c0000203 c0000204 c0000205 020000000007")
    + bytes(10 + 64 + 128)
    + bytes.fromhex("63825363  35 01 03  32 04 c0000207  0c 05 70686f6e65  ff")
).ljust(300, b"\0")

ROUTES = [(IPv4Network("192.0.2.1/32"), NO_ADDRESS), (IPv4Network("0.0.0.0/0"), GATEWAY)]
ACK_OPTIONS = {
    54: GATEWAY.packed,
    51: (1800).to_bytes(4, "big"),
    58: (900).to_bytes(4, "big"),
    59: (1575).to_bytes(4, "big"),
    1: b"\xff" * 4,
    3: GATEWAY.packed,
    6: bytes.fromhex("c0000235 c6336435"),
    121: classless_routes(ROUTES),
    61: b"\x01" + STATION,
}


def test_a_message_has_exactly_these_octets() -> None:
    assert encode(REQUEST).hex(" ") == REQUEST_OCTETS.hex(" ")
    assert decode(REQUEST_OCTETS) == REQUEST


@thorough
@given(dhcp_messages)
def test_a_message_survives_with_the_order_of_its_options(message: DhcpMessage) -> None:
    """1500: nothing is dropped."""
    read = decode(encode(message, max_size=1500))
    assert read == message
    assert list(read.options) == list(message.options)


# -- scapy reads what we write


@against_scapy
@given(dhcp_messages)
def test_scapy_reads_our_fixed_fields(message: DhcpMessage) -> None:
    read = BOOTP(encode(message))
    assert (read.op, read.htype, read.hlen, read.hops) == (message.op, 1, 6, 0)
    assert (read.xid, read.secs, int(read.flags)) == (message.xid, message.secs, 0x8000 * message.broadcast)
    assert (read.ciaddr, read.yiaddr, read.siaddr, read.giaddr) == tuple(
        map(str, (message.ciaddr, message.yiaddr, message.siaddr, message.giaddr))
    )
    assert read.chaddr == message.chaddr + bytes(10)
    assert read.sname + read.file == bytes(192)
    assert read[DHCP].options[0] == ("message-type", message.message_type)


def test_scapy_reads_our_ack() -> None:
    ack = DhcpMessage(op=2, message_type=MessageType.ACK, xid=7, chaddr=STATION, yiaddr=ADDRESS, options=ACK_OPTIONS)
    options = [option for option in BOOTP(encode(ack))[DHCP].options if option != "pad"]
    assert options == [
        ("message-type", 5),
        ("server_id", "192.0.2.1"),
        ("lease_time", 1800),
        ("renewal_time", 900),
        ("rebinding_time", 1575),
        ("subnet_mask", "255.255.255.255"),
        ("router", "192.0.2.1"),
        ("name_server", "192.0.2.53", "198.51.100.53"),
        ("classless_static_routes", ["192.0.2.1/32:0.0.0.0", "0.0.0.0/0:192.0.2.1"]),
        ("client_id", b"\x01" + STATION),
        "end",
    ]


# -- we read what scapy writes


@against_scapy
@given(dhcp_messages)
def test_we_read_the_fixed_fields_of_scapy(message: DhcpMessage) -> None:
    theirs = BOOTP(
        op=message.op,
        xid=message.xid,
        secs=message.secs,
        flags=0x8000 * message.broadcast,
        ciaddr=str(message.ciaddr),
        yiaddr=str(message.yiaddr),
        siaddr=str(message.siaddr),
        giaddr=str(message.giaddr),
        chaddr=bytes(message.chaddr),
    ) / DHCP(options=[("message-type", int(message.message_type)), *message.options.items(), "end"])
    assert decode(bytes(theirs)) == message


def test_we_read_a_request_of_scapy() -> None:
    theirs = BOOTP(xid=9, chaddr=bytes(STATION)) / DHCP(
        options=[
            ("message-type", "request"),
            ("requested_addr", "192.0.2.7"),
            ("server_id", "192.0.2.1"),
            ("client_id", b"\xff\0\0\0\1DUID"),
            ("param_req_list", [121, 1, 3, 6, 108]),
            ("max_dhcp_size", 1400),
            ("lease_time", 3600),
            ("hostname", b"phone"),
            "end",
        ]
    )
    message = decode(bytes(theirs))
    assert (message.op, message.message_type, message.xid, message.chaddr) == (1, MessageType.REQUEST, 9, STATION)
    assert message.requested_address == ADDRESS
    assert message.server_id == GATEWAY
    assert message.client_id == b"\xff\0\0\0\1DUID"
    assert message.parameter_request_list == (121, 1, 3, 6, 108)
    assert (message.max_message_size, message.lease_time, message.hostname) == (1400, 3600, b"phone")
    assert (message.broadcast, message.ciaddr, message.giaddr) == (False, NO_ADDRESS, NO_ADDRESS)


@pytest.mark.parametrize("name", [name for name in MessageType if name <= 8])
def test_scapy_numbers_the_message_types_alike(name: MessageType) -> None:
    theirs = BOOTP(chaddr=bytes(STATION)) / DHCP(options=[("message-type", name.name.lower()), "end"])
    assert decode(bytes(theirs)).message_type is name


# -- properties, sizes, routes


def test_what_was_not_sent_is_none() -> None:
    message = DhcpMessage(op=1, message_type=MessageType.DISCOVER, xid=0, chaddr=STATION)
    assert (message.requested_address, message.server_id, message.client_id) == (None, None, None)
    assert (message.max_message_size, message.lease_time, message.hostname) == (None, None, None)
    assert message.parameter_request_list == ()


@pytest.mark.spec("RFC 1542", "2.1")
def test_a_short_message_is_padded_to_what_old_clients_demand() -> None:
    octets = encode(DhcpMessage(op=2, message_type=MessageType.NAK, xid=0, chaddr=STATION))
    assert len(octets) == 300
    assert octets[240:244] == bytes((53, 1, 6, 255))
    assert not any(octets[244:])


@pytest.mark.parametrize("max_size", [0, 1, 575, 576, 577, 1000, 1500, 65535], ids=lambda size: f"option 57 = {size}")
@pytest.mark.conformance("r2132_910_max")
def test_r2132_910_max_a_reply_fits_what_the_client_takes(max_size: int) -> None:
    """C08: nonsense in option 57 counts as the 576 that everybody takes, or as what one frame holds."""
    options = ACK_OPTIONS | dict.fromkeys(range(200, 224), b"v" * 60)
    message = DhcpMessage(op=2, message_type=MessageType.ACK, xid=7, chaddr=STATION, options=options)
    octets = encode(message, max_size=max_size)
    limit = min(max(max_size, 576), 1500)
    assert limit - 62 < len(octets) + 28 <= limit
    kept = decode(octets).options
    assert list(kept.items())[: len(ACK_OPTIONS)] == list(ACK_OPTIONS.items())


@pytest.mark.conformance("r2132_910_max")
def test_r2132_910_max_the_last_octet_is_used_and_not_one_more() -> None:
    """576 less headers of 28 and 240, message type and end leave 304: 300 in two parts."""
    for length, size in ((300, 548), (301, 300)):
        message = DhcpMessage(op=2, message_type=MessageType.ACK, xid=7, chaddr=STATION, options={43: b"v" * length})
        assert len(encode(message)) == size


def test_an_option_that_does_not_fit_makes_room_for_a_later_one_that_does() -> None:
    options = {12: b"h" * 200, 15: b"d" * 200, 119: b"s" * 20, 54: GATEWAY.packed}
    message = DhcpMessage(op=2, message_type=MessageType.OFFER, xid=7, chaddr=STATION, options=options)
    assert decode(encode(message)).options == {12: options[12], 119: options[119], 54: options[54]}


@given(dhcp_options)
@thorough
def test_whatever_is_asked_for_a_reply_keeps_what_a_client_needs(more: dict[int, bytes]) -> None:
    """The longest client identifier that is read can always be echoed with the rest in 576 octets."""
    needed = ACK_OPTIONS | {61: b"\xff" * dhcpv4.CLIENT_ID_MAX, 50: ADDRESS.packed}
    message = DhcpMessage(
        op=2, message_type=MessageType.ACK, xid=7, chaddr=STATION, options={43: b"v" * 200} | more | needed
    )
    octets = encode(message)
    assert len(octets) + 28 <= 576
    essential = {code: value for code, value in needed.items() if code != dhcpv4.OPTION_DNS}
    assert essential.items() <= decode(octets).options.items()


@pytest.mark.parametrize("code", [0, 52, 53, 255])
def test_framing_is_not_given_as_an_option(code: int) -> None:
    message = DhcpMessage(op=2, message_type=MessageType.ACK, xid=7, chaddr=STATION, options={code: b"\x05"})
    with pytest.raises(ValueError):
        encode(message)


@pytest.mark.spec("RFC 3442", "")
@pytest.mark.parametrize(
    ("prefix", "octets"),
    [
        ("0.0.0.0/0", "00"),
        ("10.0.0.0/8", "08 0a"),
        ("10.0.0.0/24", "18 0a 00 00"),
        ("10.17.0.0/16", "10 0a 11"),
        ("10.27.129.0/24", "18 0a 1b 81"),
        ("10.229.0.128/25", "19 0a e5 00 80"),
        ("10.198.122.47/32", "20 0a c6 7a 2f"),
    ],
)
@pytest.mark.conformance("r3442_121")
def test_r3442_121_the_table_of_the_rfc(prefix: str, octets: str) -> None:
    assert classless_routes([(IPv4Network(prefix), GATEWAY)]) == bytes.fromhex(octets) + GATEWAY.packed


@against_scapy
@given(
    st.lists(
        st.tuples(
            st.builds(
                lambda address, length: IPv4Network((address, length), strict=False),
                st.integers(0, 2**32 - 1),
                st.integers(0, 32),
            ),
            st.integers(0, 2**32 - 1).map(IPv4Address),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_scapy_reads_our_classless_routes(routes: list[tuple[IPv4Network, IPv4Address]]) -> None:
    message = DhcpMessage(
        op=2, message_type=MessageType.ACK, xid=7, chaddr=STATION, options={121: classless_routes(routes)}
    )
    assert BOOTP(encode(message))[DHCP].options[1] == (
        "classless_static_routes",
        [f"{prefix}:{router}" for prefix, router in routes],
    )
