"""C02: stations that are really associated, and only discover. What is offered and not taken is soon another's."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from sroamd import constants
from sroamd.addresses import NO_MAC
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.wire.datum import ipv4_lease_key
from sroamd.wire.flood import Update
from tests.core.answers import counted, kind_of
from tests.core.harness import ALICE, BOB, CAROL, Lab, mac
from tests.core.messages import discover, renew, select

CROWD = 500
ROUND = 40.0  # s between two DHCPDISCOVERs of each


def discover_all(lab: Lab, stations: int) -> None:
    for number in range(stations):
        station = mac(number)
        lab.do(1, ev.DhcpReceived("wlan0", station, IPv4Network("0.0.0.0/32")[0], discover(station)))
    lab[1].forget()


@pytest.mark.conformance("c02")
def test_c02_associated_stations_that_only_discover_keep_nothing_from_others() -> None:
    """Twice as many as there are addresses: they have them all for some minutes, a few offers each, and then fewer
    than half of them, for half an hour."""
    lab = Lab(pool=IPv4Network("198.18.0.0/24"))
    for number in range(CROWD - 2):
        lab[1].node.state.present[mac(number)] = "wlan0"
    lab.join(1, ALICE)
    vacancies = lab[1].node.leases.vacancies[0]
    left = []
    for _ in range(12 * constants.OFFERS_BURST):
        discover_all(lab, CROWD - 2)
        lab.wait(ROUND)
        left.append(vacancies.left)
    assert min(left) == 0
    assert min(left[-3:]) >= 253 // 2 - 1
    assert counted(lab, "dhcp4.offers-limited") > 0
    (offer,) = lab.dhcp(1, discover(ALICE))
    assert kind_of(lab.dhcp(1, select(ALICE, offer.message.yiaddr, lab[1].config.network.ipv4_gateway))) == ["ACK"]
    assert len(lab[1].node.database) < 253 + 10  # addresses, and Alice's
    assert not lab[1].disk.keys() - {ipv4_lease_key(offer.message.yiaddr), *lab[1].node.database.leases_of(ALICE)}


def test_an_offer_that_is_not_taken_is_nobodys_at_all_nodes_although_its_station_stays() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.join(2, BOB)
    (offer,) = lab.dhcp(1, discover(ALICE))
    address = offer.message.yiaddr
    lab.wait(constants.OFFER_LIFE + 1)
    for host in lab.hosts:
        datum = host.node.database.get(ipv4_lease_key(address))
        assert datum is not None
        assert (datum.value, datum.remaining(lab.now)) == (NO_MAC, 0)
    (other,) = lab.dhcp(2, discover(BOB, address))
    assert other.message.yiaddr != address
    lab.wait(constants.OFFER_LIFE + constants.LEASE_GRACE)
    (other,) = lab.dhcp(2, discover(BOB, address))
    assert other.message.yiaddr == address


def test_an_offer_that_another_node_made_a_lease_of_is_not_withdrawn() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    (offer,) = lab.dhcp(1, discover(ALICE))
    lab.join(2, ALICE)
    assert kind_of(lab.dhcp(2, select(ALICE, offer.message.yiaddr))) == ["ACK"]
    lab.wait(2 * constants.OFFER_LIFE)
    assert [host.address(ALICE, lab.now) for host in lab.hosts] == [offer.message.yiaddr] * 2


def test_a_lease_outlives_a_withdrawal_by_who_did_not_hear_of_it() -> None:
    """Apart, one node offers again what the other has leased; the offer runs out, at a newer seqno."""
    lab = Lab(2)
    lab.cut(1, 2)
    lab.join(2, ALICE)
    address = lab.lease(2, ALICE)
    key = ipv4_lease_key(address)
    lab[1].node.database.merge(Update(7, 10, key, bytes(CAROL)), lab.now)
    lab.wait(200)
    lab.join(1, ALICE)
    (offer,) = lab.dhcp(1, discover(ALICE, address))
    assert offer.message.yiaddr == address
    lab.wait(constants.OFFER_LIFE + 1)
    lab.leave(1, ALICE)
    lab.join(2, ALICE)
    lab.connect(1, 2)
    lab.wait(5)
    assert [host.address(ALICE, lab.now) for host in lab.hosts] == [address, address]
    assert lab[2].all(do.Disassociate) == []
    assert kind_of(lab.dhcp(2, renew(ALICE, address))) == ["ACK"]


def test_a_station_that_takes_its_offers_is_not_limited() -> None:
    lab = Lab(pool=IPv4Network("192.0.2.0/28"))
    for number in range(8):  # more than half of the pool
        lab.join(1, mac(number))
        lab.lease(1, mac(number))
    lab.join(1, ALICE)
    for _ in range(5):
        (offer,) = lab.dhcp(1, discover(ALICE))
        assert kind_of(lab.dhcp(1, select(ALICE, offer.message.yiaddr))) == ["ACK"]
        lab.wait(4000)
        for number in range(8):
            lab.lease(1, mac(number))
    lab.wait(4000)
    for number in range(8):
        lab.lease(1, mac(number))
    for _ in range(constants.OFFERS_BURST):  # it passes by, and by again
        assert kind_of(lab.dhcp(1, discover(ALICE))) == ["OFFER"]
        lab.wait(constants.OFFER_LIFE + 1)
    assert lab.dhcp(1, discover(ALICE)) == []
    assert counted(lab, "dhcp4.offers-limited") == 1
