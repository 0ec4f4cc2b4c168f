"""What stands in a reply: RFC 2131 table 3, options and their order."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.dhcp_options import LISTS_MAX, ReplyOptions
from sroamd.wire.dhcpv4 import MessageType, decode, encode
from tests.core.harness import ALICE, BOB, SERVERS, Lab, config_of
from tests.core.messages import GATEWAY, NOWHERE, dhcp, discover, init_reboot, renew, select
from tests.core.reloading import reload

HOST_ROUTES = bytes((32, 192, 0, 2, 1, 0, 0, 0, 0)) + bytes((0, 192, 0, 2, 1))
CLIENT_ID = b"\xff\1\2\3\4opaque"


def lab_with_alice(**dhcp4: object) -> Lab:
    lab = Lab(**dhcp4)
    lab.join(1, ALICE)
    return lab


def offer_and_ack(lab: Lab, options: dict[int, bytes] | None = None, **fields: object) -> list[do.SendDhcp]:
    options = options or {}
    (offer,) = lab.dhcp(1, dhcp(MessageType.DISCOVER, ALICE, options, **fields))
    chosen = {50: offer.message.yiaddr.packed, 54: GATEWAY.packed}
    (ack,) = lab.dhcp(1, dhcp(MessageType.REQUEST, ALICE, {**options, **chosen}, **fields))
    return [offer, ack]


@pytest.mark.spec("RFC 2131", "4.3.1")
@pytest.mark.conformance("r2131_t3_fields", "r2132_97_sid")
def test_r2131_t3_offer_and_ack_carry_these_options_and_no_others() -> None:
    for sent in offer_and_ack(lab_with_alice(), {55: bytes((1, 3, 6, 12, 15, 50, 55, 57, 60, 255)), 57: b"\x05\xdc"}):
        options = sent.message.options
        assert set(options) == {1, 3, 6, 51, 54, 58, 59, 121}
        assert options[54] == options[3] == GATEWAY.packed
        assert options[6] == SERVERS[0].packed


@pytest.mark.spec("RFC 3442", "")
@pytest.mark.conformance("r3442_121")
def test_r3442_121_host_netmask_has_the_gateways_own_route_first() -> None:
    for sent in offer_and_ack(lab_with_alice(netmask="host")):
        assert sent.message.options[1] == bytes((255, 255, 255, 255))
        assert sent.message.options[121] == HOST_ROUTES


def test_what_is_remembered_of_a_list_is_no_clients_own_and_ends_with_the_configuration() -> None:
    """Replies to one list are made once: a client's name and identifier are not in what the next one gets."""
    lab = Lab(netmask="host")
    lab.join(1, ALICE)
    lab.join(1, BOB)
    listed = {55: bytes((3, 1, 6, 12))}
    alice = offer_and_ack(lab, listed | {61: CLIENT_ID, 81: b"\0\0\0phone"})
    (bobs,) = lab.dhcp(1, dhcp(MessageType.DISCOVER, BOB, listed))
    assert {61, 81} <= alice[0].message.options.keys()
    assert bobs.message.options.keys() == alice[0].message.options.keys() - {61, 81}
    assert bobs.message.options[1] == bytes((255, 255, 255, 255))
    reload(lab, netmask="prefix")
    assert offer_and_ack(lab, listed)[1].message.options[1] == bytes((255, 255, 255, 0))


def test_so_many_lists_are_remembered_and_no_more() -> None:
    made = ReplyOptions(config_of(1))
    for number in range(3 * LISTS_MAX):
        request = dhcp(MessageType.DISCOVER, ALICE, {55: number.to_bytes(2, "big")})
        options = made.parameters(request, MessageType.OFFER, 1800)
        assert list(options)[:5] == [54, 51, 58, 59, 1], "in the cache or not, the same"
        assert options == made.parameters(request, MessageType.OFFER, 1800)
    assert made.lists_remembered == LISTS_MAX


def test_prefix_netmask_has_the_default_route_only() -> None:
    for sent in offer_and_ack(lab_with_alice(netmask="prefix")):
        assert sent.message.options[1] == bytes((255, 255, 255, 0))
        assert sent.message.options[121] == bytes((0, 192, 0, 2, 1))


@pytest.mark.spec("RFC 2132", "9.8")
@pytest.mark.conformance("r2132_98_prl")
def test_r2132_98_prl_sets_the_order() -> None:
    for sent in offer_and_ack(lab_with_alice(), {55: bytes((1, 121, 6, 3, 15))}):
        assert [code for code in sent.message.options if code in (1, 3, 6, 121)] == [1, 121, 6, 3]


@pytest.mark.spec("RFC 2132", "3.3")
@pytest.mark.parametrize("wanted", [b"", bytes((3, 1)), bytes((121, 3, 6)), bytes((6, 3, 1, 121))])
def test_r2132_33_subnet_mask_stands_before_the_router(wanted: bytes) -> None:
    """MUST, whatever order the client lists."""
    for sent in offer_and_ack(lab_with_alice(), {55: wanted} if wanted else {}):
        order = list(sent.message.options)
        assert order.index(1) < order.index(3)


@pytest.mark.spec("RFC 6842", "3")
@pytest.mark.conformance("r6842_3_echo")
def test_r6842_3_client_id_is_echoed_in_every_reply_also_nak() -> None:
    lab = lab_with_alice()
    sent = offer_and_ack(lab, {61: CLIENT_ID})
    wrong = dhcp(MessageType.REQUEST, ALICE, {61: CLIENT_ID, 50: bytes((198, 51, 100, 7))})
    inform = dhcp(MessageType.INFORM, ALICE, {61: CLIENT_ID}, ciaddr=IPv4Address("192.0.2.9"))
    sent += lab.dhcp(1, wrong) + lab.dhcp(1, inform)
    kinds = [reply.message.message_type for reply in sent]
    assert kinds == [MessageType.OFFER, MessageType.ACK, MessageType.NAK, MessageType.ACK]
    assert [reply.message.options[61] for reply in sent] == [CLIENT_ID] * 4


@pytest.mark.conformance("r2563_116")
def test_options_that_nobody_has_configured_are_neither_answered_nor_an_obstacle() -> None:
    """A host name for a DNS, IPv6 only, a captive portal, no automatic address: asked for by phones every day."""
    asked = {55: bytes((1, 3, 6, 81, 108, 114, 116)), 81: b"\x01\x00\x00" + b"x" * 200, 116: b"\x01"}
    with_them, without = offer_and_ack(lab_with_alice(), asked), offer_and_ack(lab_with_alice(), {55: bytes((1, 3, 6))})
    assert [sent.message.options for sent in with_them] == [sent.message.options for sent in without]


@pytest.mark.conformance("r2131_31_secs")
@pytest.mark.parametrize("secs", [0, 1, 60, 0xFFFF])
def test_r2131_31_secs_whoever_has_waited_is_answered_as_who_has_not(secs: int) -> None:
    assert len(offer_and_ack(lab_with_alice(), secs=secs)) == 2


def test_without_client_id_none_is_made_up() -> None:
    assert all(61 not in sent.message.options for sent in offer_and_ack(lab_with_alice()))


@pytest.mark.spec("RFC 2131", "4.3.1")
@pytest.mark.conformance("r2131_t3_fields", "r2132_97_sid")
def test_r2131_t3_nak_has_no_lease_and_no_address() -> None:
    lab = lab_with_alice()
    (nak,) = lab.dhcp(1, init_reboot(ALICE, IPv4Address("198.51.100.7")))
    message = nak.message
    assert (message.ciaddr, message.yiaddr, message.siaddr) == (NOWHERE, NOWHERE, NOWHERE)
    assert set(message.options) == {54}


@pytest.mark.spec("RFC 2131", "4.3.1")
@pytest.mark.conformance("r2131_31_xid")
def test_r2131_31_xid_flags_and_chaddr_are_copied() -> None:
    for sent in offer_and_ack(lab_with_alice(), broadcast=True):
        message = sent.message
        assert (message.op, message.xid, message.chaddr, message.broadcast) == (2, 7, ALICE, True)
        assert (message.secs, message.siaddr, message.giaddr) == (0, NOWHERE, NOWHERE)


@pytest.mark.spec("RFC 2131", "4.1")
@pytest.mark.conformance("r2131_41_bcast", "r2131_41_srcport", "r2131_432_nak_bcast")
def test_r2131_41_bcast_replies_go_where_the_client_can_hear_them() -> None:
    lab = lab_with_alice()
    everybody = IPv4Address("255.255.255.255")
    offer, ack = offer_and_ack(lab, broadcast=True)
    assert [offer.destination, ack.destination] == [everybody, everybody]
    (offer,) = lab.dhcp(1, discover(ALICE))
    address = offer.message.yiaddr
    assert offer.destination == address
    (ack,) = lab.dhcp(1, select(ALICE, address))
    assert ack.destination == address
    (ack,) = lab.dhcp(1, renew(ALICE, address))
    assert ack.destination == address
    (nak,) = lab.dhcp(1, renew(ALICE, IPv4Address("192.0.2.250")))
    assert nak.destination == everybody
    for sent in lab[1].replies():
        assert (sent.source, sent.port, sent.interface, sent.station) == (GATEWAY, 68, "wlan0", ALICE)


@pytest.mark.spec("RFC 2132", "9.10")
@pytest.mark.conformance("r2132_910_max")
def test_r2132_910_reply_fits_what_the_client_takes() -> None:
    lab = lab_with_alice()
    (small,) = lab.dhcp(1, discover(ALICE))
    (large,) = lab.dhcp(1, dhcp(MessageType.DISCOVER, ALICE, {57: (1400).to_bytes(2, "big")}))
    assert (small.max_size, large.max_size) == (576, 1400)


def test_replies_survive_the_wire() -> None:
    for sent in offer_and_ack(lab_with_alice(), {61: CLIENT_ID, 55: bytes((1, 121, 3, 6))}):
        assert decode(encode(sent.message, max_size=sent.max_size)) == sent.message


def test_nameservers_are_told_in_their_own_family_only() -> None:
    lab = lab_with_alice()
    (offer,) = lab.dhcp(1, discover(ALICE))
    assert offer.message.options[6] == SERVERS[0].packed
    network = replace(lab[1].config.network, nameservers=SERVERS[1:])
    lab.do(1, ev.ConfigReloaded(replace(lab[1].config, network=network)))
    (offer,) = lab.dhcp(1, discover(ALICE))
    assert 6 not in offer.message.options
