"""Addresses and prefixes that are kept for certain stations."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network

import pytest

from sroamd import constants
from sroamd.config import FloodConfig, Reservation
from sroamd.core import effects as do
from sroamd.wire.datum import ipv4_lease_key, ipv6_lease_key
from sroamd.wire.dhcpv4 import OPTION_CLIENT_ID, DhcpMessage, MessageType
from sroamd.wire.icmpv6 import PrefixInformation
from tests.core.answers import kind_of
from tests.core.harness import ALICE, BOB, CAROL, POOL, Lab, mac
from tests.core.messages import OPTION_REQUESTED, decline, dhcp, discover, init_reboot, renew, select
from tests.core.reloading import kept_for, reload

NINE = IPv4Address("192.0.2.9")
SEVEN = IPv6Network("2001:db8:44:7::/64")
DUID = bytes.fromhex("ff00000001000100012a3b4c5d020000000107")
ALICES = (kept_for(ALICE, str(NINE), str(SEVEN)),)


def lab_of(count: int = 1, reservations: tuple[Reservation, ...] = ALICES, **dhcp4: object) -> Lab:
    lab = Lab(count, **dhcp4)
    reload(lab, reservations=reservations)
    return lab


def with_client_id(message: DhcpMessage, client_id: bytes = DUID) -> DhcpMessage:
    return dhcp(
        message.message_type, message.chaddr, {**message.options, OPTION_CLIENT_ID: client_id}, ciaddr=message.ciaddr
    )


def told(lab: Lab, number: int) -> tuple[PrefixInformation, ...]:
    """The prefixes of the last router advertisement."""
    return lab[number].all(do.SendRouterAdvertisement)[-1].advertisement.prefixes


# -- given to its station


@pytest.mark.parametrize("wish", [None, IPv4Address("192.0.2.77")])
def test_station_gets_what_is_reserved_for_it_at_any_node_whatever_it_asks_for(wish: IPv4Address | None) -> None:
    lab = lab_of(2, ranges=((IPv4Address("192.0.2.100"), IPv4Address("192.0.2.200")),))
    for number in (1, 2):
        lab.join(number, ALICE)
        (offer,) = lab.dhcp(number, discover(ALICE, wish))
        assert offer.message.yiaddr == NINE
        assert kind_of(lab.dhcp(number, select(ALICE, NINE))) == ["ACK"]
        lab.wait(1)
        assert [each.prefix for each in told(lab, number)] == [SEVEN]


def test_station_that_had_another_address_gets_what_has_been_reserved_when_it_asks_next() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    old = lab.lease(1, ALICE)
    reload(lab, reservations=ALICES)
    lab[1].forget()
    assert kind_of(lab.dhcp(1, renew(ALICE, old))) == ["NAK"]
    assert lab.lease(1, ALICE) == NINE
    assert [host.address(ALICE, lab.now) for host in lab.hosts] == [NINE, NINE]


def test_a_node_that_does_not_know_yet_what_others_know_refuses_nobody_for_a_reservation() -> None:
    """RFC 2131 section 4.3.2: right after a start the reserved address may be another's, for all that is known."""
    lab = Lab(2)
    lab.join(1, ALICE)
    old = lab.lease(1, ALICE)
    reload(lab, reservations=ALICES)
    lab[1].config = replace(lab[1].config, flood=FloodConfig(listen=("::", 4444)))
    lab.restart(1, stations=[ALICE])
    assert kind_of(lab.dhcp(1, renew(ALICE, old))) == ["ACK"]
    lab.wait(constants.SYNC_TIME)
    assert kind_of(lab.dhcp(1, renew(ALICE, old))) == ["NAK"]


# -- never given to another


def test_what_is_reserved_is_never_given_to_another_also_when_its_station_is_away() -> None:
    lab = lab_of(pool=IPv4Network("192.0.2.0/28"))
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    lab.leave(1, ALICE)
    lab.wait(constants.LEASE_HOLD + 2 * 86400)
    given = set()
    for number in range(14):
        lab.join(1, mac(number))
        for reply in lab.dhcp(1, discover(mac(number), NINE)):
            lab.dhcp(1, select(mac(number), reply.message.yiaddr))
            given.add(reply.message.yiaddr)
    assert given == set(lab[1].config.network.ipv4_prefix.hosts()) - {NINE, POOL[1]}


def test_another_that_asks_for_it_is_refused() -> None:
    lab = lab_of()
    lab.join(1, BOB)
    for message in (select(BOB, NINE), init_reboot(BOB, NINE), renew(BOB, NINE)):
        assert kind_of(lab.dhcp(1, message)) == ["NAK"]
    assert lab[1].all(do.Note)[-1].text == f"NAK {BOB}: {NINE} is reserved for another"


def test_a_prefix_that_is_reserved_is_given_to_its_station_only() -> None:
    lab = Lab()
    first = lab[1].node.leases.choose_prefix(BOB, lab.now)
    reload(lab, reservations=(kept_for(ALICE, prefix=str(first)),))
    assert lab[1].node.leases.choose_prefix(BOB, lab.now) not in (first, None)
    assert lab[1].node.leases.choose_prefix(ALICE, lab.now) == first


def test_a_loser_gets_nothing_back_that_is_reserved_for_another() -> None:
    """Two halves of a fleet, one with the old configuration: Bob has what Alice, who is nowhere now, was given."""
    lab = Lab(2)
    lab.cut(1, 2)
    reload(lab, 1, reservations=ALICES)
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    lab.wait(60)
    lab.dhcp(1, renew(ALICE, NINE))  # the newer version
    lab.leave(1, ALICE)
    lab.join(2, BOB)
    lab.dhcp(2, discover(BOB, NINE))
    assert kind_of(lab.dhcp(2, select(BOB, NINE))) == ["ACK"]
    reload(lab, 2, reservations=ALICES)
    lab.connect(1, 2)
    lab.wait(5)
    datum = lab[2].node.database.get(ipv4_lease_key(NINE))
    assert datum is not None
    assert datum.value == ALICE


# -- what another has from before


def test_who_has_it_from_before_keeps_it_until_it_asks_and_then_its_owner_gets_it() -> None:
    lab = Lab(2)
    lab.join(1, BOB)
    lab.dhcp(1, discover(BOB, NINE))
    lab.dhcp(1, select(BOB, NINE))
    reload(lab, reservations=ALICES)
    lab.join(2, ALICE)
    meanwhile = lab.lease(2, ALICE)
    assert meanwhile != NINE
    lab.wait(900)
    assert kind_of(lab.dhcp(1, renew(BOB, NINE))) == ["NAK"]
    other = lab.lease(1, BOB)
    assert other not in (NINE, meanwhile)
    assert kind_of(lab.dhcp(2, renew(ALICE, meanwhile))) == ["ACK"]  # the grace of Bob's lease
    lab.wait(constants.LEASE_GRACE)
    assert kind_of(lab.dhcp(2, renew(ALICE, meanwhile))) == ["NAK"]
    assert lab.lease(2, ALICE) == NINE
    assert [host.address(ALICE, lab.now) for host in lab.hosts] == [NINE, NINE]
    assert [host.address(BOB, lab.now) for host in lab.hosts] == [other, other]


def test_owner_gets_it_after_the_lease_of_another_that_never_asks_again() -> None:
    """Although that station is here: it has been refused, or does not renew what is over."""
    lab = Lab()
    lab.join(1, BOB)
    lab.dhcp(1, discover(BOB, NINE))
    lab.dhcp(1, select(BOB, NINE))
    reload(lab, reservations=ALICES)
    lab.join(1, ALICE)
    lab.wait(1800 + constants.LEASE_GRACE - 1)
    assert lab[1].node.leases.choose_address(ALICE, None, lab.now) != NINE
    lab.wait(1)
    assert lab[1].node.leases.choose_address(ALICE, None, lab.now) == NINE


def test_a_prefix_that_another_has_is_deprecated_there_and_given_when_its_valid_lifetime_is_over() -> None:
    lab = Lab()
    lab.join(1, BOB)
    lab.wait(1)
    bobs = lab[1].node.leases.prefix_of(BOB, lab.now)
    assert bobs is not None
    reload(lab, reservations=(kept_for(ALICE, prefix=str(bobs)),))
    lab.wait(constants.RA_INTERVAL * 1.2)
    current, deprecated = told(lab, 1)
    assert current.prefix != bobs
    assert (deprecated.prefix, deprecated.preferred) == (bobs, 0)
    datum = lab[1].node.database.live(ipv6_lease_key(bobs), lab.now)
    assert datum is not None
    assert deprecated.valid <= datum.remaining(lab.now) + constants.RA_INTERVAL
    lab.join(1, ALICE)
    assert lab[1].node.leases.choose_prefix(ALICE, lab.now) != bobs
    lab.wait(datum.remaining(lab.now) + constants.LEASE_GRACE + 1)
    assert lab[1].node.leases.choose_prefix(ALICE, lab.now) == bobs
    lab.wait(constants.RA_INTERVAL * 1.2)
    alices = [sent for sent in lab[1].all(do.SendRouterAdvertisement) if sent.station == ALICE][-1].advertisement
    assert alices.prefixes[0].prefix == bobs
    assert [each.preferred for each in alices.prefixes[1:]] == [0]


# -- by client identifier


BY_ID = (Reservation(client_id=DUID, address=NINE),)


@pytest.mark.spec("RFC 4361", "6.3")
@pytest.mark.conformance("r4361_63_duid")
def test_r4361_63_duid_selects_the_reserved_address_and_the_lease_is_the_macs() -> None:
    lab = lab_of(2, BY_ID)
    lab.join(1, ALICE)
    (offer,) = lab.dhcp(1, with_client_id(discover(ALICE)))
    assert offer.message.yiaddr == NINE
    (ack,) = lab.dhcp(1, with_client_id(select(ALICE, NINE)))
    assert (kind_of([ack]), ack.message.client_id) == (["ACK"], DUID)
    assert lab[2].address(ALICE, lab.now) == NINE
    lab.join(2, ALICE)
    assert kind_of(lab.dhcp(2, with_client_id(renew(ALICE, NINE)))) == ["ACK"]
    assert kind_of(lab.dhcp(2, renew(ALICE, NINE))) == ["NAK"]  # without it, it is anybody


@pytest.mark.spec("RFC 4361", "6.3")
@pytest.mark.conformance("r4361_63_duid")
def test_r4361_63_duid_from_another_mac_is_another_station() -> None:
    """It cannot take the lease of the first, and gets what is reserved when that is over."""
    lab = lab_of(1, BY_ID)
    lab.join(1, ALICE)
    lab.join(1, BOB)
    lab.dhcp(1, with_client_id(discover(ALICE)))
    lab.dhcp(1, with_client_id(select(ALICE, NINE)))
    assert kind_of(lab.dhcp(1, with_client_id(init_reboot(BOB, NINE)))) == ["NAK"]
    (offer,) = lab.dhcp(1, with_client_id(discover(BOB)))
    assert offer.message.yiaddr != NINE
    lab.dhcp(1, with_client_id(decline(BOB, NINE)))
    assert lab[1].address(ALICE, lab.now) == NINE
    lab.leave(1, ALICE)
    lab.wait(1800 + constants.LEASE_GRACE)
    (offer,) = lab.dhcp(1, with_client_id(discover(BOB)))
    assert offer.message.yiaddr == NINE


def test_the_reservation_of_the_mac_goes_before_that_of_the_identifier() -> None:
    lab = lab_of(1, (*BY_ID, kept_for(CAROL, "192.0.2.10")))
    lab.join(1, CAROL)
    (offer,) = lab.dhcp(1, with_client_id(discover(CAROL)))
    assert offer.message.yiaddr == IPv4Address("192.0.2.10")
    message = with_client_id(dhcp(MessageType.REQUEST, CAROL, {OPTION_REQUESTED: NINE.packed}))
    assert kind_of(lab.dhcp(1, message)) == ["NAK"]
