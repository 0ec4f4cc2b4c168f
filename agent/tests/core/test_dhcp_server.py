"""DHCPv4 through the whole node: DISCOVER, the rows of RFC 2131 section 4.3.1.

Names carry the id of the row in the conformance list.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from sroamd import constants
from sroamd.core import effects as do
from sroamd.wire.dhcpv4 import DhcpMessage, MessageType
from tests.core.answers import counted
from tests.core.harness import ALICE, BOB, Lab, lease_of, mac
from tests.core.messages import dhcp, discover, release, select

FREE = IPv4Address("192.0.2.200")


# -- DISCOVER


@pytest.mark.spec("RFC 2131", "4.3.1")
@pytest.mark.conformance("r2131_431_current")
def test_r2131_431_current_address_is_offered_again(lab: Lab) -> None:
    address = lab.lease(1, ALICE)
    (offer,) = lab.dhcp(1, discover(ALICE, FREE))
    assert offer.message.yiaddr == address


@pytest.mark.spec("RFC 2131", "4.3.1")
@pytest.mark.conformance("r2131_431_previous")
def test_r2131_431_previous_address_is_offered_after_expiry(lab: Lab) -> None:
    lab.dhcp(1, select(ALICE, FREE))
    lab.leave(1, ALICE)
    lab.wait(2 * 86400)
    lab.join(1, ALICE)
    (offer,) = lab.dhcp(1, discover(ALICE))
    assert offer.message.yiaddr == FREE


@pytest.mark.spec("RFC 2131", "4.3.1")
@pytest.mark.conformance("r2131_431_requested")
def test_r2131_431_requested_address_is_offered_when_free(lab: Lab) -> None:
    (offer,) = lab.dhcp(1, discover(ALICE, FREE))
    assert offer.message.yiaddr == FREE
    (offer,) = lab.dhcp(1, discover(BOB, FREE))
    assert offer.message.yiaddr != FREE


@pytest.mark.spec("RFC 2131", "4.3.1")
@pytest.mark.conformance("r2131_431_nopool")
def test_r2131_431_nopool_is_silence_and_an_alarm() -> None:
    lab = Lab(pool=IPv4Network("192.0.2.0/29"))
    for number in range(6):
        lab.join(1, mac(number))
    for number in range(5):
        lab.lease(1, mac(number))
    lab[1].forget()
    assert lab.dhcp(1, discover(mac(5))) == []
    assert [note.level for note in lab[1].all(do.Note)] == [do.Level.INFO, do.Level.ERROR]
    assert counted(lab, "dhcp4.pool-exhausted") == 1


@pytest.mark.spec("RFC 2131", "4.3.1")
@pytest.mark.conformance("r2131_431_nobind")
def test_r2131_431_nobind_discover_makes_no_route_no_lease_on_disk_and_moves_nobody(lab: Lab) -> None:
    """Defect 23 of the C daemon: there a DISCOVER already installs routes."""
    lab[1].forget()
    claims = lab[1].owner(ALICE, lab.now)
    (offer,) = lab.dhcp(1, discover(ALICE))
    assert lab[1].all(do.InstallRoute) == []
    assert lab[1].all(do.StoreLeases) == []
    assert lab[1].owner(ALICE, lab.now) == claims
    lab.wait(constants.OFFER_LIFE + 1)
    assert lab[1].address(ALICE, lab.now) is None
    assert lab[1].all(do.InstallRoute) == []
    assert offer.message.yiaddr not in [prefix.network_address for prefix in lab[1].kernel]


def test_offers_are_flooded_so_that_two_nodes_do_not_offer_one_address() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.join(2, BOB)
    (offer,) = lab.dhcp(1, discover(ALICE, FREE))
    (other,) = lab.dhcp(2, discover(BOB, FREE))
    assert offer.message.yiaddr == FREE != other.message.yiaddr
    assert FREE not in [lease.network_address for lease in lab[2].here()]
    assert all(lease_of(FREE) != data.key for stored in lab[2].all(do.StoreLeases) for data in stored.data)


@pytest.mark.conformance("r2132_97_sid")
def test_offer_to_a_station_that_roams_is_good_at_the_next_node() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    (offer,) = lab.dhcp(1, discover(ALICE))
    lab.join(2, ALICE)
    (ack,) = lab.dhcp(2, select(ALICE, offer.message.yiaddr))
    assert ack.message.message_type is MessageType.ACK


def test_offer_made_just_before_its_former_lease_is_forgotten_makes_no_route(lab: Lab) -> None:
    """The agenda still has the old expiry: it must not turn the offer into a lease."""
    address = lab.lease(1, ALICE)
    lab.dhcp(1, release(ALICE, address))
    lab.wait(constants.LEASE_HOLD - 5)
    lab[1].forget()
    lab.dhcp(1, discover(ALICE))
    lab.wait(30)
    assert [effect.route for effect in lab[1].all(do.InstallRoute) if effect.route.prefix.version == 4] == []


@pytest.mark.parametrize(
    ("asked", "given"),
    [(None, 1800), (600, 600), (60, 60), (1, 60), (0, 60), (86400, 1800), (0xFFFFFFFF, 1800)],
)
@pytest.mark.spec("RFC 2131", "4.3.1")
@pytest.mark.conformance("r2131_431_time")
def test_r2131_431_time_is_honoured_within_limits(lab: Lab, asked: int | None, given: int) -> None:
    options = {} if asked is None else {51: asked.to_bytes(4, "big")}
    (offer,) = lab.dhcp(1, dhcp(MessageType.DISCOVER, ALICE, options))
    assert times(offer.message) == (given // 2, given * 7 // 8, given)
    assert given // 2 < given * 7 // 8 < given
    request = select(ALICE, offer.message.yiaddr)
    (ack,) = lab.dhcp(1, dhcp(MessageType.REQUEST, ALICE, {**request.options, **options}))
    assert times(ack.message) == (given // 2, given * 7 // 8, given)
    datum = lab[1].node.database.get(lease_of(offer.message.yiaddr))
    assert datum is not None
    assert round(datum.expires_at - lab.now) == given


def times(message: DhcpMessage) -> tuple[int, int, int]:
    """T1, T2, lease."""
    t1, t2, life = (int.from_bytes(message.options[code], "big") for code in (58, 59, 51))
    return t1, t2, life
