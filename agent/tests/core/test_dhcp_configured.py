"""Options of DHCPv4 that operators configure, and that the client has to ask for: RFC 2132 and its successors."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP

from sroamd import constants
from sroamd.config import DhcpOption, Ipv4Route
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.wire.dhcpv4 import CLIENT_ID_MAX, MESSAGE_MAX, DhcpMessage, MessageType, decode, encode
from sroamd.wire.domains import decode_domains
from tests.core.harness import ALICE, BOB, POOL, Lab, config_of, mac
from tests.core.messages import GATEWAY, NOWHERE, dhcp, discover, init_reboot, renew, select
from tests.core.options import config_with, lab_with, reload
from tests.core.strategies import messages

PORTAL = "https://portal.example.org/api"
NO_PORTAL = "urn:ietf:params:capport:unrestricted"
V6ONLY = (1800).to_bytes(4, "big")
ALWAYS_THERE = {1, 3, 6, 51, 54, 58, 59, 121}
EVERYTHING = {
    "domain": "example.org",
    "search": ("example.org", "lab.example.org"),
    "ntp_servers": (IPv4Address("192.0.2.123"), IPv6Address("2001:db8::123"), IPv4Address("192.0.2.124")),
    "captive_portal": PORTAL,
    "mtu": 1400,
    "ipv6_only": 1800,
    "options": (DhcpOption(66, b"boot.example.org"), DhcpOption(43, b"\1\4\xc0\0\2\5", always=True)),
}


def offered(lab: Lab, *wanted: int, **fields: object) -> do.SendDhcp:
    """Alice's offer, with a parameter request list of what is wanted, or none."""
    if ALICE not in lab.really_at:
        lab.join(1, ALICE)
    (offer,) = lab.dhcp(1, dhcp(MessageType.DISCOVER, ALICE, {55: bytes(wanted)} if wanted else {}, **fields))
    return offer


@pytest.mark.spec("RFC 2132", "3.17, 5.1, 8.3")
@pytest.mark.spec("RFC 3397", "2")
def test_each_option_is_told_to_who_asks_for_it() -> None:
    options = offered(lab_with(**EVERYTHING), 15, 119, 26, 42, 114, 66).message.options
    assert options[15] == b"example.org"
    assert decode_domains(options[119]) == ("example.org", "lab.example.org")
    assert options[26] == (1400).to_bytes(2, "big")
    assert options[42] == bytes((192, 0, 2, 123, 192, 0, 2, 124))
    assert options[114] == PORTAL.encode()
    assert options[66] == b"boot.example.org"


@pytest.mark.spec("RFC 2132", "9.8")
def test_what_is_not_asked_for_is_not_told_but_for_what_always_is() -> None:
    assert set(offered(lab_with(**EVERYTHING), 1, 3).message.options) == ALWAYS_THERE | {43}


def test_who_does_not_say_what_it_wants_is_told_everything_but_to_do_without_ipv4() -> None:
    assert set(offered(lab_with(**EVERYTHING)).message.options) == ALWAYS_THERE | {15, 119, 26, 42, 114, 66, 43}


@pytest.mark.conformance("r2132_98_prl")
@pytest.mark.parametrize("wanted", [(66, 119, 15, 121, 26), (26, 15, 66, 121, 119)])
def test_r2132_98_prl_sets_the_order_of_configured_options_too(wanted: tuple[int, ...]) -> None:
    order = [code for code in offered(lab_with(**EVERYTHING), *wanted).message.options if code in wanted]
    assert order == [*wanted]


def test_nothing_that_is_not_configured_is_told() -> None:
    assert set(offered(lab_with(), *range(1, 255)).message.options) == ALWAYS_THERE


def test_another_configuration_is_told_from_the_next_reply_on() -> None:
    lab = lab_with(domain="example.org")
    assert offered(lab, 15).message.options[15] == b"example.org"
    reload(lab, 1, domain="example.net")
    assert offered(lab, 15).message.options[15] == b"example.net"
    reload(lab, 1)
    assert 15 not in offered(lab, 15).message.options


def test_scapy_reads_what_we_say() -> None:
    offer = offered(lab_with(**EVERYTHING), 15, 26, 42, 114, 121, 66)
    options = BOOTP(encode(offer.message)).payload.options
    read = {option[0]: [*option[1:]] for option in options if isinstance(option, tuple)}
    assert read["domain"] == [b"example.org"]
    assert read["interface-mtu"] == [1400]
    assert read["NTP_server"] == ["192.0.2.123", "192.0.2.124"]
    assert read["captive-portal"] == [PORTAL.encode()]
    assert read["tftp_server_name"] == [b"boot.example.org"]
    assert read["classless_static_routes"] == [["192.0.2.1/32:0.0.0.0", "0.0.0.0/0:192.0.2.1"]]


# -- when it does not fit


def test_whatever_is_configured_a_reply_of_576_octets_holds_what_its_client_cannot_do_without() -> None:
    routes = tuple(Ipv4Route(IPv4Network((0x0A000000 + (n << 8), 32))) for n in range(constants.ROUTES_MAX))
    lab = lab_with(
        **EVERYTHING
        | {"routes4": routes, "captive_portal": "https://" + "p" * 247, "rapid_commit": True, "auto_configure": False}
        | {"options": tuple(DhcpOption(code, bytes(255)) for code in range(160, 160 + constants.OPTIONS_MAX))}
    )
    lab.join(1, ALICE)
    asked = {61: b"c" * CLIENT_ID_MAX, 80: b"", 55: bytes((121, 114, *range(160, 192)))}
    (sent,) = lab.dhcp(1, dhcp(MessageType.DISCOVER, ALICE, asked))
    octets = encode(sent.message, max_size=sent.max_size)
    assert len(octets) <= 576 - 28
    assert set(decode(octets).options) >= {1, 3, 51, 54, 58, 59, 61, 80, 121}


def test_what_stands_first_in_the_list_is_dropped_last() -> None:
    long = tuple(DhcpOption(code, bytes(100)) for code in (160, 161, 162, 163))
    lab = lab_with(options=long)
    for wanted, left in (((163, 162, 161, 160), [163, 162]), ((160, 161, 162, 163), [160, 161])):
        offer = offered(lab, *wanted)
        read = decode(encode(offer.message, max_size=offer.max_size))
        assert [code for code in read.options if code in wanted] == left


def test_client_that_takes_more_is_told_more() -> None:
    long = tuple(DhcpOption(code, bytes(100)) for code in (160, 161, 162, 163))
    lab = lab_with(options=long)
    lab.join(1, ALICE)
    asked = {55: bytes((160, 161, 162, 163)), 57: MESSAGE_MAX.to_bytes(2, "big")}
    (offer,) = lab.dhcp(1, dhcp(MessageType.DISCOVER, ALICE, asked))
    assert set(decode(encode(offer.message, max_size=offer.max_size)).options) >= {160, 161, 162, 163}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_a_client_says_with_everything_configured_replies_are_whole_and_fit(data: st.DataObject) -> None:
    lab = lab_with(
        **EVERYTHING, rapid_commit=True, auto_configure=True, routes4=(Ipv4Route(IPv4Network("10.0.0.0/8")),)
    )
    lab.join(1, ALICE)
    more = st.fixed_dictionaries({}, optional={80: st.binary(max_size=1), 116: st.binary(max_size=2)})
    for _ in range(3):
        message = data.draw(messages)
        message = replace(message, op=1, chaddr=ALICE, options={**message.options, **data.draw(more)})
        lab.do(1, ev.DhcpReceived("wlan0", ALICE, message.ciaddr, message))
        lab.wait(constants.CONTEST_TIME)
    for sent in lab[1].replies():
        octets = encode(sent.message, max_size=sent.max_size)
        assert len(octets) <= max(576, min(sent.max_size, MESSAGE_MAX)) - 28
        read = decode(octets).options
        assert list(read) == [code for code in sent.message.options if code in read]
        if sent.message.message_type is not MessageType.NAK and sent.message.yiaddr != NOWHERE:
            assert {1, 3, 51, 54, 58, 59, 121} <= read.keys()


# -- times


@pytest.mark.spec("RFC 2131", "4.4.5")
@pytest.mark.conformance("r2131_431_time")
@pytest.mark.parametrize(("lease", "at"), [(60, (0.5, 0.875)), (1800, (0.1, 0.14)), (86400, (0.9, 0.95))])
def test_r2131_431_time_t1_t2_and_lease_are_in_order_as_configured(lease: int, at: tuple[float, float]) -> None:
    lab = lab_with(lease_time=lease, renew_at=at[0], rebind_at=at[1])
    lab.join(1, ALICE)
    for asked in ({}, {51: (60).to_bytes(4, "big")}):
        (offer,) = lab.dhcp(1, dhcp(MessageType.DISCOVER, ALICE, asked))
        life, t1, t2 = (int.from_bytes(offer.message.options[code], "big") for code in (51, 58, 59))
        assert (t1, t2) == (int(life * at[0]), int(life * at[1]))
        assert 0 < t1 < t2 < life


# -- routes


@pytest.mark.spec("RFC 3442", "")
@pytest.mark.conformance("r3442_121")
def test_r3442_121_operators_routes_stand_behind_the_built_in_ones() -> None:
    routes = (Ipv4Route(IPv4Network("10.0.0.0/8")), Ipv4Route(IPv4Network("198.51.100.0/24"), POOL[9]))
    built_in = bytes((0, 192, 0, 2, 1))
    ours = bytes((8, 10, 192, 0, 2, 1)) + bytes((24, 198, 51, 100, 192, 0, 2, 9))
    assert offered(lab_with(routes4=routes, netmask="prefix")).message.options[121] == built_in + ours
    host_first = bytes((32, 192, 0, 2, 1, 0, 0, 0, 0)) + built_in + bytes((8, 10, 192, 0, 2, 1))
    assert offered(lab_with(routes4=routes[:1])).message.options[121] == host_first


# -- a captive portal


@pytest.mark.spec("RFC 8910", "2.1")
@pytest.mark.conformance("r8910_21")
def test_r8910_21_portal_is_told_by_dhcp_and_advertisements_alike_and_only_if_there_is_one() -> None:
    lab = lab_with(captive_portal=PORTAL)
    assert offered(lab, 114).message.options[114] == PORTAL.encode()
    assert lab[1].all(do.SendRouterAdvertisement)[-1].advertisement.captive_portal == PORTAL
    lab = lab_with()
    assert 114 not in offered(lab, 114).message.options
    assert lab[1].all(do.SendRouterAdvertisement)[-1].advertisement.captive_portal == ""


@pytest.mark.spec("RFC 8910", "2")
@pytest.mark.conformance("r8910_unres")
def test_r8910_unres_that_there_is_no_portal_can_be_told() -> None:
    lab = lab_with(captive_portal=NO_PORTAL)
    assert offered(lab, 114).message.options[114] == NO_PORTAL.encode()
    assert lab[1].all(do.SendRouterAdvertisement)[-1].advertisement.captive_portal == NO_PORTAL


# -- stations that can do without IPv4


@pytest.mark.spec("RFC 8925", "3.3")
@pytest.mark.conformance("r8925_33")
def test_r8925_33_who_can_do_without_ipv4_is_offered_no_address_and_takes_none_of_the_pool() -> None:
    lab = lab_with(ipv6_only=1800)
    for number in range(300):  # more than a /24 has
        lab.join(1, mac(number))
        lab[1].forget()
        (offer,) = lab.dhcp(1, dhcp(MessageType.DISCOVER, mac(number), {55: bytes((1, 3, 108)), 61: b"\1id"}))
        assert (offer.message.message_type, offer.message.yiaddr) == (MessageType.OFFER, NOWHERE)
        assert offer.message.options == {54: GATEWAY.packed, 108: V6ONLY, 61: b"\1id"}
        assert offer.destination == IPv4Address("255.255.255.255")
        assert offer.station == mac(number)
        assert lab[1].address(mac(number), lab.now) is None
    assert lab[1].node.counters["dhcp4.pool-exhausted"] == 0


@pytest.mark.spec("RFC 8925", "3.3")
@pytest.mark.conformance("r8925_33")
def test_r8925_33_who_does_not_ask_or_where_it_is_not_configured_gets_an_address_and_no_option() -> None:
    for lab, wanted in ((lab_with(ipv6_only=1800), (1, 3)), (lab_with(ipv6_only=1800), ()), (lab_with(), (1, 108))):
        offer = offered(lab, *wanted)
        assert offer.message.yiaddr in POOL
        assert 108 not in offer.message.options


@pytest.mark.spec("RFC 8925", "3.3")
@pytest.mark.conformance("r8925_33")
def test_r8925_33_who_has_an_address_from_before_is_told_when_it_confirms_it() -> None:
    lab = lab_with(ipv6_only=1800)
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    for request in (init_reboot(ALICE, address), renew(ALICE, address)):
        asking = replace(request, options={**request.options, 55: bytes((1, 108, 3))})
        (ack,) = lab.dhcp(1, asking)
        assert (ack.message.message_type, ack.message.yiaddr) == (MessageType.ACK, address)
        assert [code for code in ack.message.options if code in (1, 3, 108)] == [1, 108, 3]
    (informed,) = lab.dhcp(1, dhcp(MessageType.INFORM, ALICE, {55: bytes((1, 108))}, ciaddr=address))
    assert 108 not in informed.message.options
    (nak,) = lab.dhcp(1, dhcp(MessageType.REQUEST, ALICE, {50: bytes((198, 51, 100, 7)), 55: b"\x6c"}))
    assert set(nak.message.options) == {54}


# -- what to do without an address


@pytest.mark.spec("RFC 2563", "2.3")
@pytest.mark.conformance("r2563_116")
@pytest.mark.parametrize("may", [False, True])
def test_r2563_116_who_asks_is_told_what_to_do_without_an_address(may: bool) -> None:
    lab = full(auto_configure=may)
    (offer,) = lab.dhcp(1, dhcp(MessageType.DISCOVER, ALICE, {116: b"\1"}))
    assert (offer.message.yiaddr, offer.message.options) == (NOWHERE, {54: GATEWAY.packed, 116: bytes((may,))})
    assert lab.dhcp(1, discover(BOB)) == []


@pytest.mark.conformance("r2563_116")
def test_r2563_116_without_a_policy_the_answer_is_silence() -> None:
    assert full().dhcp(1, dhcp(MessageType.DISCOVER, ALICE, {116: b"\1"})) == []


@pytest.mark.spec("RFC 8925", "3.3.1")
@pytest.mark.conformance("r2563_116")
def test_r2563_116_goes_with_ipv6_only_and_not_with_an_address() -> None:
    lab = lab_with(auto_configure=False, ipv6_only=1800)
    lab.join(1, ALICE)
    (offer,) = lab.dhcp(1, dhcp(MessageType.DISCOVER, ALICE, {116: b"\1", 55: b"\x6c"}))
    assert offer.message.options == {54: GATEWAY.packed, 116: b"\0", 108: V6ONLY}
    (offer,) = lab.dhcp(1, dhcp(MessageType.DISCOVER, ALICE, {116: b"\1"}))
    assert offer.message.yiaddr in POOL
    assert 116 not in offer.message.options


def full(**keys: object) -> Lab:
    """One address is in use, and there is no other."""
    lab = lab_with(**keys, exclude=tuple(IPv4Network(address) for address in POOL if address != POOL[9]))
    for station in (ALICE, BOB, mac(1)):
        lab.join(1, station)
    lab.lease(1, mac(1))
    return lab


# -- rapid commit


def rapid(station: object = ALICE, **more: bytes) -> DhcpMessage:
    return dhcp(MessageType.DISCOVER, station, {80: b"", 55: bytes((1, 3, 121))})  # type: ignore[arg-type]


@pytest.mark.spec("RFC 4039", "3")
@pytest.mark.conformance("r4039_3")
def test_r4039_3_rapid_commit_is_acknowledged_at_once_and_is_a_lease() -> None:
    lab = lab_with(2, rapid_commit=True)
    lab.join(1, ALICE)
    (ack,) = lab.dhcp(1, rapid())
    address = ack.message.yiaddr
    assert (ack.message.message_type, ack.message.options[80]) == (MessageType.ACK, b"")
    assert ack.message.options[51] == constants.LEASE_LIFE.to_bytes(4, "big")
    assert IPv4Network(address) in lab[1].here()
    assert [host.address(ALICE, lab.now) for host in lab.hosts] == [address, address]
    (renewed,) = lab.dhcp(1, renew(ALICE, address))
    assert 80 not in renewed.message.options
    (again,) = lab.dhcp(1, rapid())
    assert (again.message.message_type, again.message.yiaddr) == (MessageType.ACK, address)


@pytest.mark.spec("RFC 4039", "3")
@pytest.mark.conformance("r4039_3")
def test_r4039_3_rapid_commit_is_on_disk_before_its_client_hears_of_it() -> None:
    lab = lab_with(rapid_commit=True)
    lab.join(1, ALICE)
    lab[1].disk_is_slow = True
    assert lab.dhcp(1, rapid()) == []
    lab.do(1, ev.LeasesStored(lab[1].unwritten[-1]))
    (ack,) = lab[1].replies()
    assert ack.message.message_type is MessageType.ACK
    lab.restart(1, stations=[ALICE])
    assert lab[1].address(ALICE, lab.now) == ack.message.yiaddr


@pytest.mark.spec("RFC 4039", "3")
@pytest.mark.conformance("r4039_3")
def test_r4039_3_rapid_commit_waits_until_nobody_contests_the_address() -> None:
    """Two that come at one instant at nodes that cannot have heard of each other's choice yet."""
    lab = lab_with(2, rapid_commit=True, exclude=tuple(IPv4Network(a) for a in POOL if a not in (POOL[9], POOL[10])))
    lab.delay = constants.CONTEST_TIME / 2
    lab.join(1, ALICE)
    lab.join(2, BOB)
    for number, station in ((1, ALICE), (2, BOB)):
        lab.do(number, ev.DhcpReceived("wlan0", station, NOWHERE, rapid(station)))
    lab.wait(1)
    told = [sent.message.yiaddr for host in lab.hosts for sent in host.replies(MessageType.ACK)]
    assert len(told) == len(set(told)) == 2


def test_rapid_commit_is_an_offer_unless_it_is_enabled_asked_for_and_well_formed() -> None:
    for lab, option in (
        (lab_with(), {80: b""}),
        (lab_with(rapid_commit=True), {}),
        (lab_with(rapid_commit=True), {80: b"x"}),
    ):
        lab.join(1, ALICE)
        (offer,) = lab.dhcp(1, dhcp(MessageType.DISCOVER, ALICE, option))
        assert offer.message.message_type is MessageType.OFFER
        assert 80 not in offer.message.options
        assert IPv4Network(offer.message.yiaddr) not in lab[1].here()
        (ack,) = lab.dhcp(1, select(ALICE, offer.message.yiaddr))
        assert 80 not in ack.message.options


def test_helpers_know_the_sections_of_keys() -> None:
    assert config_with(3).network == config_of(3).network
