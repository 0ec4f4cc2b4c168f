"""Two nodes that choose at one moment: who gets the address or the prefix, and what becomes of the other station."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from sroamd import constants
from sroamd.config import FloodConfig
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.wire.datum import ipv6_lease_key
from sroamd.wire.dhcpv4 import MessageType
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, BOB, Lab, config_of, mac
from tests.core.messages import discover, renew, select

FREE = IPv4Address("192.0.2.77")
LARGER, SMALLER = max(ALICE, BOB), min(ALICE, BOB)


def apart() -> Lab:
    """Two nodes with a station each, whose floods do not arrive before `release`."""
    lab = Lab(2)
    lab.join(1, LARGER)
    lab.join(2, SMALLER)
    lab.wait(1)
    lab.hold(1, 2)
    lab.hold(2, 1)
    return lab


def heal(lab: Lab) -> None:
    lab.release(1, 2)
    lab.release(2, 1)


def test_offers_of_one_address_to_two_stations_at_once_become_two_addresses() -> None:
    lab = apart()
    for number, station in ((1, LARGER), (2, SMALLER)):
        lab.do(number, ev.DhcpReceived("wlan0", station, IPv4Address(0), discover(station, FREE)))
        assert lab[number].replies() == []
    lab.wait(constants.CONTEST_TIME / 2)
    heal(lab)
    lab.wait(2 * constants.CONTEST_TIME)
    (one,), (other,) = lab[1].replies(MessageType.OFFER), lab[2].replies(MessageType.OFFER)
    assert one.message.yiaddr == FREE
    assert other.message.yiaddr != FREE
    for number, station, offer in ((1, LARGER, one), (2, SMALLER, other)):
        (ack,) = lab.dhcp(number, select(station, offer.message.yiaddr))
        assert ack.message.message_type is MessageType.ACK


def test_forty_stations_that_join_two_nodes_at_once_get_forty_addresses_without_a_nak() -> None:
    lab = Lab(2)
    stations = [mac(number) for number in range(40)]
    for number, station in enumerate(stations):
        lab.join(1 + number % 2, station)
    lab.hold(1, 2)
    lab.hold(2, 1)
    for number, station in enumerate(stations):
        lab.do(1 + number % 2, ev.DhcpReceived("wlan0", station, IPv4Address(0), discover(station)))
    lab.wait(constants.CONTEST_TIME / 2)
    heal(lab)
    lab.wait(1)
    offers = {sent.station: sent.message.yiaddr for host in lab.hosts for sent in host.replies(MessageType.OFFER)}
    for number, station in enumerate(stations):
        lab.dhcp(1 + number % 2, select(station, offers[station]))
    given = [sent.message.yiaddr for host in lab.hosts for sent in host.replies(MessageType.ACK)]
    assert len(given) == len(set(given)) == len(stations)
    assert [sent for host in lab.hosts for sent in host.replies(MessageType.NAK)] == []


def test_known_station_gets_its_offer_at_once() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    lab[1].forget()
    lab.do(1, ev.DhcpReceived("wlan0", ALICE, IPv4Address(0), discover(ALICE)))
    assert len(lab[1].replies(MessageType.OFFER)) == 1


def test_impatient_station_gets_one_offer_for_its_last_discover() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    for _ in range(5):
        lab.do(1, ev.DhcpReceived("wlan0", ALICE, IPv4Address(0), discover(ALICE)))
    lab.wait(1)
    assert len(lab[1].replies(MessageType.OFFER)) == 1


def test_station_that_left_meanwhile_gets_no_offer() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.do(1, ev.DhcpReceived("wlan0", ALICE, IPv4Address(0), discover(ALICE)))
    lab.leave(1, ALICE)
    lab.wait(1)
    assert lab[1].replies() == []


# -- a node that starts with nothing among others that know


def newcomer() -> Lab:
    """A node with Bob, who has his prefix, and one that starts with an empty disk and finds Alice there."""
    lab = Lab(1)
    lab.join(1, SMALLER)
    lab.lease(1, SMALLER)
    lab.wait(1)
    config = replace(config_of(2), flood=FloodConfig(listen=("::", 4444)))
    lab.start(lab.add(config, start=False), stations=[LARGER])
    return lab


def test_newcomer_gives_out_nothing_new_before_its_peers_could_tell_it_what_is_taken() -> None:
    lab = newcomer()
    lab.do(2, ev.DhcpReceived("wlan0", LARGER, IPv4Address(0), discover(LARGER)))
    lab.wait(constants.SYNC_TIME - 0.1)
    assert lab[2].replies() == lab[2].all(do.SendRouterAdvertisement) == []
    lab.connect(1, 2)
    lab.wait(1)
    assert len(lab[2].replies(MessageType.OFFER)) == 1
    assert len(lab[2].all(do.SendRouterAdvertisement)) >= 1


def test_newcomer_that_never_finds_its_peers_serves_all_the_same() -> None:
    lab = newcomer()
    lab.do(2, ev.DhcpReceived("wlan0", LARGER, IPv4Address(0), discover(LARGER)))
    lab.wait(constants.SYNC_TIME + 1)
    assert len(lab[2].replies(MessageType.OFFER)) == 1
    assert len(lab[2].all(do.SendRouterAdvertisement)) >= 1


@pytest.mark.conformance("r2131_432_renew_afterloss")
def test_r2131_432_renew_afterloss_request_for_what_is_not_known_yet_is_met_with_silence() -> None:
    lab = newcomer()
    assert lab.dhcp(2, select(LARGER, FREE)) == lab.dhcp(2, renew(LARGER, FREE)) == []
    lab.wait(constants.SYNC_TIME)
    (ack,) = lab.dhcp(2, select(LARGER, lab.lease(2, LARGER)))
    assert ack.message.message_type is MessageType.ACK


def test_incumbent_outranks_what_a_newcomer_chooses() -> None:
    """Whichever MAC is larger: a prefix in use has a newer seqno than a choice of somebody who knows nothing."""
    lab = Lab(2)
    lab.join(1, SMALLER)
    lab.wait(1)
    prefix = lab[1].node.leases.prefix_of(SMALLER, lab.now)
    assert prefix is not None
    lab.do(1, ev.UpdatesReceived(2, (Update(0, 7200, ipv6_lease_key(prefix), bytes(LARGER)),)))
    assert lab[1].node.leases.prefix_of(SMALLER, lab.now) == prefix
