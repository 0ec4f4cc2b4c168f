"""DHCPv6 messages: exact octets, and scapy as the oracle."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from scapy.layers.dhcp6 import (
    DUID_LL,
    DHCP6_InfoRequest,
    DHCP6_Reply,
    DHCP6NTPSubOptSrvAddr,
    DHCP6OptClientId,
    DHCP6OptDNSDomains,
    DHCP6OptDNSServers,
    DHCP6OptElapsedTime,
    DHCP6OptNTPServer,
    DHCP6OptOptReq,
)

from sroamd.wire import dhcpv6
from sroamd.wire.cursor import DecodeError
from sroamd.wire.dhcpv6 import Dhcp6Message, decode, encode, encode_ntp
from sroamd.wire.domains import encode_domains
from tests.wire.strategies import dhcp6_messages, thorough

DUID = bytes.fromhex("0003 0001 020000000007")
REQUEST = Dhcp6Message(11, 0x123456, {1: DUID, 6: bytes((0, 23, 0, 24)), 8: bytes(2)})
OCTETS = bytes.fromhex("0b 123456 0001 000a 00030001020000000007 0006 0004 0017 0018 0008 0002 0000")


@thorough
@given(dhcp6_messages)
def test_a_message_survives(message: Dhcp6Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.spec("RFC 8415", "8")
def test_a_message_has_exactly_these_octets_and_scapy_writes_the_same() -> None:
    client_id = DHCP6OptClientId(duid=DUID_LL(lladdr="02:00:00:00:00:07"))
    theirs = DHCP6_InfoRequest(trid=0x123456) / client_id / DHCP6OptOptReq(reqopts=[23, 24]) / DHCP6OptElapsedTime()
    assert bytes(theirs) == OCTETS == encode(REQUEST)
    assert decode(OCTETS) == REQUEST
    assert decode(OCTETS).option_request == (23, 24)


def test_scapy_reads_a_reply() -> None:
    servers = [IPv6Address("2001:db8::53"), IPv6Address("2001:db8::35")]
    options = {
        1: DUID,
        23: b"".join(server.packed for server in servers),
        24: encode_domains(["example.org", "lab.example.org"]),
        56: encode_ntp(servers),
    }
    read = DHCP6_Reply(encode(Dhcp6Message(dhcpv6.REPLY, 7, options)))
    assert read.trid == 7
    assert read[DHCP6OptDNSServers].dnsservers == ["2001:db8::53", "2001:db8::35"]
    assert [name.rstrip(".") for name in read[DHCP6OptDNSDomains].dnsdomains if name != "."] == [
        "example.org",
        "lab.example.org",
    ]
    clocks = read[DHCP6OptNTPServer].ntpserver
    assert [clock[DHCP6NTPSubOptSrvAddr].addr for clock in clocks] == ["2001:db8::53", "2001:db8::35"]


def test_of_a_repeated_option_the_first_counts() -> None:
    assert decode(OCTETS + bytes.fromhex("0001 0003 000301")).options[1] == DUID


def test_a_message_cut_anywhere_is_refused() -> None:
    whole = {0, 4, 18, 26, 32}  # between two options
    for length in set(range(len(OCTETS))) - whole:
        with pytest.raises(DecodeError):
            decode(OCTETS[:length])


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "message of 0 octets"),
        (bytes(4), "message type 0"),
        (bytes.fromhex("0c 00") + bytes(32), "message type 12"),
        (bytes.fromhex("0b 000001 0001 0002 0003"), "DUID of 2"),
        (bytes.fromhex("0b 000001 0002 0083") + bytes(131), "DUID of 131"),
        (bytes.fromhex("0b 000001 0006 0003 001700"), "half an option"),
        (bytes.fromhex("0b 000001") + bytes.fromhex("0010 0000") * 65, "more than 64"),
        (bytes.fromhex("0b 000001") + bytes(1500), "message of 1504 octets"),
        (bytes.fromhex("0b 000001 0008 ffff 00"), "octets wanted"),
    ],
)
def test_what_is_no_message_is_refused(octets: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode(octets)
