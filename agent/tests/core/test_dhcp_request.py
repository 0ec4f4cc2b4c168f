"""DHCPv4 through the whole node: REQUEST in its four states, the rows of RFC 2131 section 4.3.2."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from sroamd.constants import LEASE_GRACE
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.wire.dhcpv4 import DhcpMessage, MessageType
from sroamd.wire.flood import Update
from tests.core.answers import counted, kind_of
from tests.core.harness import ALICE, BOB, CAROL, Lab, lease_of, routers_of
from tests.core.messages import GATEWAY, dhcp, discover, init_reboot, release, renew, select

LIMITED_BROADCAST = IPv4Address("255.255.255.255")
OTHER_SERVER = IPv4Address("192.0.2.2")
FREE = IPv4Address("192.0.2.200")


# -- REQUEST: SELECTING


@pytest.mark.spec("RFC 2131", "4.3.2")
@pytest.mark.conformance("r2131_432_selecting_ok")
def test_r2131_432_selecting_ok_is_acked_when_on_disk(lab: Lab) -> None:
    lab[1].disk_is_slow = True
    (offer,) = lab.dhcp(1, discover(ALICE))
    lab[1].forget()
    assert lab.dhcp(1, select(ALICE, offer.message.yiaddr)) == []
    (stored,) = lab[1].all(do.StoreLeases)
    assert [(data.key, data.value) for data in stored.data] == [(lease_of(offer.message.yiaddr), ALICE)]
    assert stored.ticket is not None
    lab.do(1, ev.LeasesStored(stored.ticket))
    (ack,) = lab[1].replies()
    assert ack.message.message_type is MessageType.ACK
    assert ack.message.yiaddr == offer.message.yiaddr


def test_acks_wait_for_their_own_ticket(lab: Lab) -> None:
    lab[1].disk_is_slow = True
    for station in (ALICE, BOB):
        (offer,) = lab.dhcp(1, discover(station))
        lab.dhcp(1, select(station, offer.message.yiaddr))
    first, second = lab[1].unwritten[-2:]
    lab[1].forget()
    lab.do(1, ev.LeasesStored(first))
    assert [sent.station for sent in lab[1].replies()] == [ALICE]
    lab.do(1, ev.LeasesStored(first))
    assert [sent.station for sent in lab[1].replies()] == [ALICE]
    lab.do(1, ev.LeasesStored(second))
    assert [sent.station for sent in lab[1].replies()] == [ALICE, BOB]


def test_disk_that_fails_does_not_stop_the_service_but_is_said(lab: Lab) -> None:
    lab[1].disk_is_slow = True
    (offer,) = lab.dhcp(1, discover(ALICE))
    lab.dhcp(1, select(ALICE, offer.message.yiaddr))
    lab[1].forget()
    lab.do(1, ev.LeasesStored(lab[1].unwritten[-1], durable=False))
    assert kind_of(lab[1].replies()) == ["ACK"]
    assert do.Level.ERROR in [note.level for note in lab[1].all(do.Note)]
    assert lab[1].node.store_failing


@pytest.mark.spec("RFC 2131", "4.3.2")
@pytest.mark.conformance("r2131_432_selecting_other")
def test_r2131_432_selecting_other_is_silence_and_frees_the_offer(lab: Lab) -> None:
    (offer,) = lab.dhcp(1, discover(ALICE))
    address = offer.message.yiaddr
    assert lab.dhcp(1, select(ALICE, OTHER_SERVER, OTHER_SERVER)) == []
    assert lab[1].address(ALICE, lab.now) is None
    assert lab[1].node.state.offers == set()
    assert lab[1].node.database.get(lease_of(address)) is not None  # remembered


@pytest.mark.spec("RFC 2131", "4.3.2")
@pytest.mark.conformance("r2131_432_selecting_taken")
def test_r2131_432_selecting_taken_is_nak() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.join(2, BOB)
    lab.hold(1, 2)
    lab.dhcp(1, discover(ALICE, FREE))
    lab.dhcp(2, select(BOB, FREE))
    lab.release(1, 2)
    lab.release(2, 1)
    (nak,) = lab.dhcp(1, select(ALICE, FREE))
    assert kind_of([nak]) == ["NAK"]


def test_lease_lost_while_on_its_way_to_the_disk_is_nak() -> None:
    lab = Lab(2)
    lab[1].disk_is_slow = True
    lab.join(1, ALICE)
    lab.join(2, BOB)
    lab.hold(1, 2)
    lab.dhcp(1, select(ALICE, FREE))
    lab.dhcp(2, select(BOB, FREE))
    lab.dhcp(2, renew(BOB, FREE))
    lab.release(2, 1)
    lab[1].forget()
    lab.do(1, ev.LeasesStored(lab[1].unwritten[-1]))
    assert kind_of(lab[1].replies()) == ["NAK"]


def test_acked_offer_is_no_offer_any_more(lab: Lab) -> None:
    (offer,) = lab.dhcp(1, discover(ALICE))
    lab.dhcp(1, select(ALICE, offer.message.yiaddr))
    assert lab[1].node.state.offers == set()


def test_one_station_cannot_take_the_whole_pool(lab: Lab) -> None:
    """It asks for one free address after the other as if each had been offered, and gives each back."""
    taken = set()
    for last in range(2, 60):
        address = IPv4Address(f"192.0.2.{last}")
        if kind_of(lab.dhcp(1, select(ALICE, address))) == ["ACK"]:
            taken.add(address)
            lab.dhcp(1, release(ALICE, address))
    assert len(taken) == 1
    addresses = {lease for lease in lab[1].node.database.leases_of(ALICE) if lease[0] == 0}
    assert len(addresses) == 1


@pytest.mark.conformance("c25")
def test_c25_copies_of_one_request_make_one_lease(lab: Lab) -> None:
    address = lab.lease(1, ALICE)
    replies = [sent for _ in range(50) for sent in lab.dhcp(1, select(ALICE, address))]
    assert {(sent.message.message_type, sent.message.yiaddr) for sent in replies} == {(MessageType.ACK, address)}
    assert {lease for lease in lab[1].node.database.leases_of(ALICE) if lease[0] == 0} == {lease_of(address)}


# -- REQUEST: INIT-REBOOT


@pytest.mark.spec("RFC 2131", "4.3.2")
@pytest.mark.conformance("r2131_432_initreboot_ok")
def test_r2131_432_initreboot_ok_on_another_ap_is_acked() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    lab.join(2, ALICE)
    (ack,) = lab.dhcp(2, init_reboot(ALICE, address))
    assert (kind_of([ack]), ack.message.yiaddr) == (["ACK"], address)


@pytest.mark.spec("RFC 2131", "4.3.2")
@pytest.mark.conformance("r2131_432_initreboot_ok")
def test_r2131_432_initreboot_ok_after_expiry(lab: Lab) -> None:
    address = lab.lease(1, ALICE)
    lab.leave(1, ALICE)
    lab.wait(86400)
    lab.join(1, ALICE)
    (ack,) = lab.dhcp(1, init_reboot(ALICE, address))
    assert (kind_of([ack]), ack.message.yiaddr) == (["ACK"], address)


@pytest.mark.spec("RFC 2131", "4.3.2")
@pytest.mark.parametrize("address", ["198.51.100.7", "192.0.2.0", "192.0.2.255", "192.0.2.1"])
@pytest.mark.conformance("r2131_432_initreboot_wrongnet", "r2131_432_nak_bcast")
def test_r2131_432_initreboot_wrongnet_is_nak_by_broadcast(lab: Lab, address: str) -> None:
    (nak,) = lab.dhcp(1, init_reboot(ALICE, IPv4Address(address)))
    assert kind_of([nak]) == ["NAK"]
    assert nak.destination == LIMITED_BROADCAST


@pytest.mark.spec("RFC 2131", "4.3.2")
@pytest.mark.conformance("r2131_432_initreboot_wrongip")
def test_r2131_432_initreboot_wrongip_is_nak(lab: Lab) -> None:
    lab.lease(1, ALICE)
    lab.dhcp(1, select(BOB, FREE))
    (nak,) = lab.dhcp(1, init_reboot(ALICE, IPv4Address("192.0.2.201")))
    assert kind_of([nak]) == ["NAK"]
    (nak,) = lab.dhcp(1, init_reboot(ALICE, FREE))
    assert kind_of([nak]) == ["NAK"]


@pytest.mark.spec("RFC 2131", "4.3.2")
@pytest.mark.conformance("r2131_432_initreboot_unknown")
def test_r2131_432_initreboot_unknown_client_silent(lab: Lab) -> None:
    assert lab.dhcp(1, init_reboot(ALICE, FREE)) == []
    assert counted(lab, "dhcp4.unknown-client") == 1
    assert lab[1].address(ALICE, lab.now) is None


@pytest.mark.spec("RFC 2131", "4.3.2")
@pytest.mark.conformance("r2131_432_initreboot_unknown")
def test_offer_is_no_record_of_a_client(lab: Lab) -> None:
    """Found by comparing with Kea and dnsmasq: a NAK, as if it had a lease of something else."""
    lab.dhcp(1, discover(ALICE))
    assert lab.dhcp(1, init_reboot(ALICE, FREE)) == []
    assert counted(lab, "dhcp4.unknown-client") == 1


# -- REQUEST: RENEWING, REBINDING


@pytest.mark.spec("RFC 2131", "4.3.2")
@pytest.mark.conformance("r2131_432_renew_ok")
def test_r2131_432_renew_ok_extends_and_answers_to_ciaddr(lab: Lab) -> None:
    address = lab.lease(1, ALICE)
    lab.wait(900)
    (ack,) = lab.dhcp(1, renew(ALICE, address))
    assert (kind_of([ack]), ack.destination, ack.message.ciaddr) == (["ACK"], address, address)
    assert ack.message.yiaddr == address
    datum = lab[1].node.database.get(lease_of(address))
    assert datum is not None
    assert datum.remaining(lab.now) == 1800


@pytest.mark.spec("RFC 2131", "4.3.2")
@pytest.mark.conformance("r2131_432_renew_anywhere")
def test_r2131_432_renew_anywhere_is_acked() -> None:
    lab = Lab(3)
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    lab.wait(900)
    lab.join(3, ALICE)
    (ack,) = lab.dhcp(3, renew(ALICE, address))
    assert kind_of([ack]) == ["ACK"]
    lab.wait(1000)
    assert [host.address(ALICE, lab.now) for host in lab.hosts] == [address] * 3


@pytest.mark.spec("RFC 2131", "4.3.2")
@pytest.mark.conformance("r2131_432_rebind")
def test_r2131_432_rebind_unknown_is_silence_and_known_wrong_is_nak(lab: Lab) -> None:
    assert lab.dhcp(1, renew(ALICE, FREE)) == []
    lab.lease(1, ALICE)
    assert kind_of(lab.dhcp(1, renew(ALICE, FREE))) == ["NAK"]


@pytest.mark.conformance("r2131_432_rebind")
def test_r2131_432_renew_of_anothers_address_is_nak(lab: Lab) -> None:
    lab.dhcp(1, select(BOB, FREE))
    assert kind_of(lab.dhcp(1, renew(ALICE, FREE))) == ["NAK"]
    assert lab[1].address(BOB, lab.now) == FREE


@pytest.mark.parametrize("since", [bytes(CAROL), bytes(6)], ids=["another's", "nobody's"])
def test_renewal_of_what_is_nobodys_any_more_gets_it_back(lab: Lab, since: bytes) -> None:
    """Found by the simulator (seed 20419): the station used it all the time, and no route led to it."""
    lab[1].node.database.merge(Update(7, 1, lease_of(FREE), since), lab.now)
    lab.wait(LEASE_GRACE)
    assert kind_of(lab.dhcp(1, renew(ALICE, FREE))) == ["NAK"]
    lab.wait(2)
    assert lab.dhcp(1, init_reboot(ALICE, FREE)) == []  # it may come from anywhere
    assert kind_of(lab.dhcp(1, renew(ALICE, FREE))) == ["ACK"]
    assert IPv4Network(FREE) in lab[1].here()


def test_renewal_of_what_may_be_anothers_where_nothing_is_heard_from_is_silence() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    lab[1].node.database.merge(Update(7, 1, lease_of(FREE), bytes(BOB)), lab.now)
    lab.wait(LEASE_GRACE + 2)
    lab.cut(1, 2)
    for address in routers_of(lab[2].config):
        lab.do(1, ev.NextHopChanged(address, None))
    assert lab.dhcp(1, renew(ALICE, FREE)) == []


@pytest.mark.spec("RFC 2131", "4.3.2")
@pytest.mark.conformance("r2131_432_renew_afterloss")
def test_r2131_432_renew_afterloss_is_silence_until_the_database_is_back() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    lab.restart(1, keep_disk=False, stations=[ALICE])
    assert lab.dhcp(1, renew(ALICE, address)) == []
    lab.connect(1, 2)
    assert kind_of(lab.dhcp(1, renew(ALICE, address))) == ["ACK"]


@pytest.mark.spec("RFC 2131", "4.3.2")
@pytest.mark.parametrize(
    "message",
    [
        dhcp(MessageType.REQUEST, ALICE),
        dhcp(MessageType.REQUEST, ALICE, {54: GATEWAY.packed}),
        dhcp(MessageType.REQUEST, ALICE, {54: GATEWAY.packed, 50: FREE.packed}, ciaddr=FREE),
        dhcp(MessageType.REQUEST, ALICE, {54: GATEWAY.packed}, ciaddr=FREE),
        dhcp(MessageType.REQUEST, ALICE, {50: FREE.packed}, ciaddr=FREE),
    ],
    ids=["nothing", "server only", "server and ciaddr", "server and ciaddr only", "requested and ciaddr"],
)
@pytest.mark.conformance("r2131_432_malformed")
def test_r2131_432_malformed_is_silence(lab: Lab, message: DhcpMessage) -> None:
    assert lab.dhcp(1, message) == []
    assert counted(lab, "dhcp4.malformed-request") == 1
