"""Whatever the octets, a parser of the wire returns a value or raises DecodeError, and does so at once (C07)."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sroamd.addresses import Mac, NodeId
from sroamd.constants import PEER_READ_SIZE
from sroamd.wire import arp, babel, datum, dhcpv4, dhcpv6, ethernet, icmpv6, udp4, udp6
from sroamd.wire.cursor import DecodeError
from sroamd.wire.flood import HANDSHAKE, StreamDecoder, encode
from tests.wire.strategies import (
    answers,
    arp_packets,
    datagrams,
    datagrams6,
    dhcp6_messages,
    dhcp_messages,
    discovery_messages,
    frames,
    hellos,
    link_local,
    node_records,
    questions,
    summaries,
    thorough,
    updates,
    wants,
)

Decode = Callable[[bytes], object]


def _checked_key(octets: bytes) -> None:
    datum.check_datum(octets[:9], octets[9:])


def _flood(octets: bytes) -> object:
    return StreamDecoder().feed(octets)


# A parser, and octets that it accepts. Checksums are left out: no mutation would get past them.
PARSERS: dict[str, tuple[Decode, st.SearchStrategy[bytes]]] = {
    "ethernet": (ethernet.decode_frame, frames.map(ethernet.encode_frame)),
    "arp": (arp.decode_arp, arp_packets.map(arp.encode_arp)),
    "udp4": (lambda octets: udp4.decode_datagram(octets, checksum_ready=False), datagrams.map(udp4.encode_datagram)),
    "udp6": (lambda octets: udp6.decode_datagram(octets, checksum_ready=False), datagrams6.map(udp6.encode_datagram)),
    "dhcpv4": (dhcpv4.decode, dhcp_messages.map(dhcpv4.encode)),
    "dhcpv6": (dhcpv6.decode, dhcp6_messages.map(dhcpv6.encode)),
    "icmpv6": (
        lambda octets: icmpv6.decode_packet(octets, checksum_ready=False),
        st.builds(icmpv6.encode_packet, link_local, link_local, discovery_messages),
    ),
    "node record": (datum.NodeRecord.decode, node_records.map(datum.NodeRecord.encode)),
    "datum": (_checked_key, node_records.map(lambda record: datum.node_key(NodeId(bytes(8))) + record.encode())),
    "lease key": (datum.lease_prefix, st.sampled_from((bytes(5), b"\1" + bytes(8)))),
    "association key": (datum.association_station, st.just(datum.association_key(Mac(bytes(6))))),
    "node key": (datum.node_id, st.just(datum.node_key(NodeId(bytes(8))))),
    "babel": (
        lambda octets: babel.decode_packet(babel.decode_datagram(octets)),
        st.just(
            babel.encode_datagram(bytes.fromhex("2a02 0018 0406 0000 8682 0014 050e 0300 0060 003c 20f4b1fffe023a40"))
        ),
    ),
    "flood": (
        _flood,
        st.lists(updates | hellos | summaries | wants | questions | answers, max_size=3).map(
            lambda messages: HANDSHAKE + b"".join(map(encode, messages))
        ),
    ),
}
every_parser = pytest.mark.parametrize("name", PARSERS)
mutations = st.lists(
    st.tuples(st.sampled_from(("set", "insert", "delete", "repeat")), st.integers(0, 2**16), st.integers(0, 255)),
    min_size=1,
    max_size=5,
)


def mutate(octets: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    for what, where, value in changes:
        at = where % (len(octets) + 1)
        if what == "set":
            octets = octets[:at] + bytes((value,)) + octets[at + 1 :]
        elif what == "insert":
            octets = octets[:at] + bytes((value,)) + octets[at:]
        elif what == "delete":
            octets = octets[:at] + octets[at + 1 + value % 16 :]
        else:
            octets = octets[:at] + octets[max(0, at - value) : at] + octets[at:]
    return octets


def refused(decode: Decode, octets: bytes) -> bool:
    """Any other exception than DecodeError goes through and fails the test."""
    try:
        decode(octets)
    except DecodeError:
        return True
    return False


@every_parser
@thorough
@given(data=st.data())
@pytest.mark.conformance("c07")
def test_c07_what_was_encoded_is_accepted_and_mutated_is_accepted_or_refused(name: str, data: st.DataObject) -> None:
    decode, encoded = PARSERS[name]
    octets = data.draw(encoded)
    assert not refused(decode, octets)
    refused(decode, mutate(octets, data.draw(mutations)))


@every_parser
@thorough
@given(octets=st.binary(max_size=400))
@pytest.mark.conformance("c07")
def test_c07_random_octets_are_accepted_or_refused(name: str, octets: bytes) -> None:
    refused(PARSERS[name][0], octets)


@thorough
@given(dhcp_messages, mutations)
@pytest.mark.conformance("c07")
def test_c07_the_properties_of_any_accepted_dhcp_message_can_be_read(
    message: dhcpv4.DhcpMessage, changes: list[tuple[str, int, int]]
) -> None:
    octets = mutate(dhcpv4.encode(message), [(what, 236 + where % 100, value) for what, where, value in changes])
    try:
        read = dhcpv4.decode(octets)
    except DecodeError:
        return
    assert isinstance(read.requested_address, IPv4Address | None)
    assert isinstance(read.server_id, IPv4Address | None)
    assert read.lease_time is None or 0 <= read.lease_time < 2**32
    assert read.max_message_size is None or 0 <= read.max_message_size < 2**16
    assert read.client_id is None or dhcpv4.CLIENT_ID_MIN <= len(read.client_id) <= dhcpv4.CLIENT_ID_MAX
    assert read.options.keys().isdisjoint((0, 52, 53, 255))
    # What was read can be sent, and is read again as the same.
    assert dhcpv4.decode(dhcpv4.encode(read, max_size=1500)).options.keys() <= read.options.keys()


READ = 8 * PEER_READ_SIZE


def _bombs() -> dict[str, tuple[Decode, bytes]]:
    station = Mac(b"\2" * 6)
    base = dhcpv4.encode(dhcpv4.DhcpMessage(op=1, message_type=dhcpv4.MessageType.DISCOVER, xid=1, chaddr=station))
    packet = icmpv6.encode_packet(IPv6Address("fe80::7"), IPv6Address("ff02::2"), icmpv6.RouterSolicitation(station))
    payload = packet[40:] + (bytes((14, 1)) + bytes(6)) * 8189
    longest = packet[:4] + len(payload).to_bytes(2, "big") + packet[6:40] + payload
    return {
        "dhcpv4, 1200 zeros": (dhcpv4.decode, base[:243] + bytes(1200) + b"\xff"),
        "dhcpv4, empty options": (dhcpv4.decode, base[:243] + bytes((43, 0)) * 600 + b"\xff"),
        "icmpv6, 8189 options": (lambda octets: icmpv6.decode_packet(octets, checksum_ready=False), longest),
        # Eight times what is read of a peer in one go (PEER_READ_SIZE), between which stations have their turn.
        "flood, 16 kB of Pad1": (_flood, HANDSHAKE + bytes(READ)),
        "flood, 16 kB of empty TLVs": (_flood, HANDSHAKE + bytes((1, 0)) * (READ // 2)),
        "flood, 16 kB of bad Updates": (_flood, HANDSHAKE + bytes((2, 0)) * (READ // 2)),
    }


@pytest.mark.parametrize("name", _bombs())
@pytest.mark.conformance("c08")
def test_c08_the_worst_packet_of_its_kind_takes_less_than_50_ms(name: str) -> None:
    decode, octets = _bombs()[name]
    durations = []
    for _ in range(5):
        start = time.process_time()
        refused(decode, octets)
        durations.append(time.process_time() - start)
    assert min(durations) < 0.05


def test_values_of_the_wire_cannot_be_changed() -> None:
    packet = arp.gratuitous(Mac(b"\2" * 6), IPv4Address("192.0.2.1"))
    with pytest.raises(AttributeError):
        packet.operation = 2  # type: ignore[misc]
    assert not hasattr(packet, "__dict__")
