"""Stateless DHCPv6: RFC 8415 section 18.3.6, only where it is configured."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from sroamd import constants
from sroamd.addresses import Mac
from sroamd.config import Dhcp6Config
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.wire.dhcpv6 import Dhcp6Message, decode, encode
from sroamd.wire.domains import decode_domains
from tests.core.harness import ALICE, BOB, GATEWAY6, Lab
from tests.core.options import config_with

LINK_LOCAL = IPv6Address("fe80::107")
DUID = bytes.fromhex("00030001020000000107")
EVERYTHING = {
    "nameservers": (IPv4Address("192.0.2.53"), IPv6Address("2001:db8::53")),
    "search": ("example.org", "lab.example.org"),
    "ntp_servers": (IPv4Address("192.0.2.123"), IPv6Address("2001:db8::123")),
    "captive_portal": "https://portal.example.org/api",
}
ALL = (23, 24, 56, 103, 32, 64, 17)


def lab_with(count: int = 1, *, stateless: bool = True, **keys: object) -> Lab:
    lab = Lab(0)
    for number in range(1, count + 1):
        lab.add(replace(config_with(number, **keys), dhcp6=Dhcp6Config(stateless)))
    return lab


def ask(
    lab: Lab, *wanted: int, number: int = 1, station: Mac = ALICE, kind: int = 11, **options: bytes
) -> list[do.SendDhcp6]:
    """`options` by number: _1=..."""
    asked = {int(name[1:]): value for name, value in options.items()}
    if wanted:
        asked[6] = b"".join(code.to_bytes(2, "big") for code in wanted)
    event = ev.Dhcp6Received("wlan0", station, LINK_LOCAL, Dhcp6Message(kind, 0x123456, asked))
    return [effect for effect in lab.do(number, event) if isinstance(effect, do.SendDhcp6)]


@pytest.mark.spec("RFC 8415", "18.3.6")
@pytest.mark.conformance("r8415_1836")
def test_r8415_1836_what_is_configured_and_asked_for_is_told() -> None:
    lab = lab_with(**EVERYTHING)
    lab.join(1, ALICE)
    (reply,) = ask(lab, *ALL, _1=DUID)
    assert (reply.interface, reply.station, reply.source, reply.destination) == ("wlan0", ALICE, GATEWAY6, LINK_LOCAL)
    message = reply.message
    assert (message.kind, message.transaction) == (7, 0x123456)
    assert [*message.options] == [2, 1, 23, 24, 56, 103, 32]
    assert message.options[1] == DUID
    assert message.options[23] == IPv6Address("2001:db8::53").packed
    assert decode_domains(message.options[24]) == ("example.org", "lab.example.org")
    assert message.options[56] == bytes((0, 1, 0, 16)) + IPv6Address("2001:db8::123").packed
    assert message.options[103] == b"https://portal.example.org/api"
    assert message.options[32] == (3600).to_bytes(4, "big")
    assert decode(encode(message)) == message


@pytest.mark.spec("RFC 8415", "18.3.6")
@pytest.mark.conformance("r8415_1836")
def test_r8415_1836_what_is_not_asked_for_or_not_configured_is_not_told() -> None:
    lab = lab_with(**EVERYTHING)
    lab.join(1, ALICE)
    (reply,) = ask(lab, 23)
    assert [*reply.message.options] == [2, 23]
    lab = lab_with(nameservers=())
    lab.join(1, ALICE)
    (reply,) = ask(lab, *ALL)
    assert [*reply.message.options] == [2, 32]


@pytest.mark.spec("RFC 8415", "16.12")
@pytest.mark.conformance("r8415_1612")
def test_r8415_1612_other_servers_and_those_who_want_addresses_get_no_answer() -> None:
    lab = lab_with()
    lab.join(1, ALICE)
    (reply,) = ask(lab)
    ours = reply.message.options[2]
    assert len(ask(lab, _2=ours)) == 1
    assert ask(lab, _2=DUID) == []
    for code in ("_3", "_4", "_25"):
        assert ask(lab, **{code: bytes(12)}) == []
    for kind in range(1, 11):
        assert ask(lab, kind=kind) == []
    assert lab[1].node.counters["dhcp6.ignored"] == 14


def test_all_nodes_are_one_server_for_ever() -> None:
    lab = lab_with(2, **EVERYTHING)
    lab.join(1, ALICE)
    lab.join(2, BOB)
    (one,), (other,) = ask(lab), ask(lab, number=2, station=BOB)
    assert one.message.options[2] == other.message.options[2] == bytes.fromhex("0004") + one.message.options[2][2:]
    assert len(one.message.options[2]) == 18


@pytest.mark.parametrize("stateless", [False, True])
@pytest.mark.spec("RFC 4861", "4.2")
def test_it_is_off_unless_configured_and_advertisements_say_so(stateless: bool) -> None:
    lab = lab_with(stateless=stateless)
    lab.join(1, ALICE)
    assert len(ask(lab)) == stateless
    (advertised,) = lab[1].all(do.SendRouterAdvertisement)
    assert (advertised.advertisement.managed, advertised.advertisement.other) == (False, stateless)
    changed = replace(lab[1].config, dhcp6=Dhcp6Config(not stateless))
    lab.do(1, ev.ConfigReloaded(changed))
    assert len(ask(lab)) == (not stateless)


def test_only_authorised_stations_are_heard_and_only_where_they_are() -> None:
    lab = lab_with(2)
    lab.connect(1, 2)
    lab.join(1, ALICE)
    assert ask(lab, station=BOB) == []
    assert ask(lab, number=2) == []
    event = ev.Dhcp6Received("wlan1", ALICE, LINK_LOCAL, Dhcp6Message(11, 1))
    assert lab.do(1, event) == []
    assert lab[1].node.counters["dhcp6.unauthorised"] == 2


def test_requests_without_end_are_not_answered_without_end() -> None:
    lab = lab_with()
    lab.join(1, ALICE)
    lab.join(1, BOB)
    assert sum(len(ask(lab)) for _ in range(100)) == constants.RA_SOLICITED_BURST
    assert len(ask(lab, station=BOB)) == 1
    lab.wait(constants.RA_SOLICITED_INTERVAL)
    assert len(ask(lab)) == 1
