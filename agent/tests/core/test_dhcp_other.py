"""DHCPv4 through the whole node: DECLINE, RELEASE, INFORM (RFC 2131 sections 4.3.3 to 4.3.5); who is heard at all."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from sroamd import constants
from sroamd.addresses import BROADCAST, NO_MAC, Mac
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.wire.dhcpv4 import DhcpMessage, MessageType
from tests.core.answers import counted, kind_of
from tests.core.harness import ALICE, BOB, Lab, lease_of
from tests.core.messages import GATEWAY, NOWHERE, decline, dhcp, discover, init_reboot, release, renew, select

OTHER_SERVER = IPv4Address("192.0.2.2")
FREE = IPv4Address("192.0.2.200")


# -- DECLINE


@pytest.mark.spec("RFC 2131", "4.3.3")
@pytest.mark.conformance("r2131_433_decline")
def test_r2131_433_decline_quarantines_and_tells_the_operator() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.join(2, BOB)
    address = lab.lease(1, ALICE)
    lab[1].forget()
    assert lab.dhcp(1, decline(ALICE, address)) == []
    assert any(note.level is do.Level.WARNING and str(address) in note.text for note in lab[1].all(do.Note))
    assert lab.lease(1, ALICE) != address
    (offer,) = lab.dhcp(2, discover(BOB, address))
    assert offer.message.yiaddr != address
    assert kind_of(lab.dhcp(1, renew(ALICE, address))) == ["NAK"]
    lab.wait(30)
    assert address not in [prefix.network_address for prefix in lab[1].kernel]


@pytest.mark.spec("RFC 2131", "4.3.3")
@pytest.mark.conformance("r2131_433_decline")
def test_r2131_433_decline_of_an_address_that_is_not_bound_to_the_station_is_ignored(lab: Lab) -> None:
    address = lab.lease(1, ALICE)
    lab.dhcp(1, decline(BOB, address))
    lab.dhcp(1, decline(BOB, FREE))
    lab.dhcp(1, decline(ALICE, address, OTHER_SERVER))
    lab.dhcp(1, dhcp(MessageType.DECLINE, ALICE))
    assert lab[1].address(ALICE, lab.now) == address
    assert lab[1].node.database.get(lease_of(FREE)) is None
    assert counted(lab, "dhcp4.decline-ignored") == 4


@pytest.mark.spec("RFC 2131", "4.3.3")
@pytest.mark.conformance("r2131_433_decline")
@pytest.mark.parametrize("in_ciaddr", [False, True], ids=["lwIP, connman", "systemd-networkd"])
def test_r2131_433_decline_without_a_server_identifier_is_believed(lab: Lab, in_ciaddr: bool) -> None:
    """Table 5 asks for one. Who sends none would be given the same address again and again."""
    address = lab.lease(1, ALICE)
    options = {} if in_ciaddr else {50: address.packed}
    lab.dhcp(1, dhcp(MessageType.DECLINE, ALICE, options, ciaddr=address if in_ciaddr else NOWHERE))
    (offer,) = lab.dhcp(1, discover(ALICE))
    assert offer.message.yiaddr != address
    assert counted(lab, "dhcp4.decline-ignored") == 0


@pytest.mark.conformance("r2131_433_decline", "c06")
def test_c06_three_declines_an_hour_are_believed(lab: Lab) -> None:
    for _ in range(5):
        (offer,) = lab.dhcp(1, discover(ALICE))
        lab.dhcp(1, select(ALICE, offer.message.yiaddr))
        lab.dhcp(1, decline(ALICE, offer.message.yiaddr))
    assert len(lab[1].node.database.leases_of(NO_MAC)) == 3
    assert counted(lab, "dhcp4.decline-limited") == 2
    lab.wait(constants.DECLINE_INTERVAL - 1)
    lab.dhcp(1, decline(ALICE, lab.lease(1, ALICE)))
    assert counted(lab, "dhcp4.decline-limited") == 3
    lab.wait(1)
    lab.dhcp(1, decline(ALICE, lab.lease(1, ALICE)))
    assert counted(lab, "dhcp4.decline-limited") == 3


# -- RELEASE


@pytest.mark.spec("RFC 2131", "4.3.4")
@pytest.mark.conformance("r2131_434_release")
def test_r2131_434_release_withdraws_the_route_and_remembers_the_address() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    assert address in [prefix.network_address for prefix in lab[1].here()]
    assert lab.dhcp(1, release(ALICE, address), source_ip=address) == []
    assert address not in [prefix.network_address for prefix in lab[1].here()]
    assert [host.address(ALICE, lab.now) for host in lab.hosts] == [None, None]
    lab.wait(4000)
    assert address not in [prefix.network_address for prefix in lab[1].kernel]
    (offer,) = lab.dhcp(1, discover(ALICE))
    assert offer.message.yiaddr == address


@pytest.mark.conformance("r2131_434_release")
def test_release_without_a_server_identifier_is_believed(lab: Lab) -> None:
    """As systemd-networkd 252 sends it."""
    address = lab.lease(1, ALICE)
    lab.dhcp(1, dhcp(MessageType.RELEASE, ALICE, ciaddr=address), source_ip=address)
    assert lab[1].address(ALICE, lab.now) is None
    assert counted(lab, "dhcp4.release-ignored") == 0


def test_released_lease_stays_released_over_a_restart() -> None:
    lab = Lab(1)
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    lab.dhcp(1, release(ALICE, address))
    lab.restart(1, stations=[ALICE])
    assert lab[1].address(ALICE, lab.now) is None
    (offer,) = lab.dhcp(1, discover(ALICE))
    assert offer.message.yiaddr == address


@pytest.mark.parametrize(
    ("what", "source_ip"),
    [("another's", None), ("another server's", None), ("from another address", IPv4Address("192.0.2.99"))],
)
@pytest.mark.conformance("c05")
def test_c05_release_that_is_not_the_holders_is_ignored(lab: Lab, what: str, source_ip: IPv4Address | None) -> None:
    address = lab.lease(1, ALICE)
    station = BOB if what == "another's" else ALICE
    server = OTHER_SERVER if what == "another server's" else GATEWAY
    lab.dhcp(1, release(station, address, server), source_ip=source_ip or address)
    assert lab[1].address(ALICE, lab.now) == address
    assert counted(lab, "dhcp4.release-ignored") == 1


# -- INFORM


@pytest.mark.spec("RFC 2131", "4.3.5")
@pytest.mark.conformance("r2131_435_inform")
def test_r2131_435_inform_gets_options_and_no_lease(lab: Lab) -> None:
    before = {datum.key: datum for datum in lab[1].node.database}
    lab[1].forget()
    address = IPv4Address("192.0.2.222")
    (ack,) = lab.dhcp(1, dhcp(MessageType.INFORM, ALICE, ciaddr=address))
    assert (kind_of([ack]), ack.destination, ack.message.ciaddr) == (["ACK"], address, address)
    assert ack.message.yiaddr == NOWHERE
    assert {51, 58, 59}.isdisjoint(ack.message.options)
    assert {1, 3, 6, 54, 121} <= set(ack.message.options)
    assert {datum.key: datum for datum in lab[1].node.database} == before
    assert lab[1].all(do.StoreLeases) == []


@pytest.mark.conformance("r2131_435_inform")
def test_r2131_435_inform_without_an_address_is_silence(lab: Lab) -> None:
    assert lab.dhcp(1, dhcp(MessageType.INFORM, ALICE)) == []
    assert counted(lab, "dhcp4.malformed-inform") == 1


# -- who is heard


@pytest.mark.parametrize("kind", [kind for kind in MessageType if kind not in (1, 3, 4, 7, 8)])
@pytest.mark.conformance("r2131_43_other", "r3203_6704")
def test_r2131_43_other_types_are_silence(lab: Lab, kind: MessageType) -> None:
    assert lab.dhcp(1, dhcp(kind, ALICE, {50: FREE.packed, 54: GATEWAY.packed})) == []
    assert counted(lab, "dhcp4.not-for-a-server") == 1


EVERYTHING = [
    discover(ALICE),
    select(ALICE, FREE),
    init_reboot(ALICE, FREE),
    renew(ALICE, FREE),
    decline(ALICE, FREE),
    release(ALICE, FREE),
    dhcp(MessageType.INFORM, ALICE, ciaddr=FREE),
]


def changes_nothing(lab: Lab, messages: list[DhcpMessage], **frame: object) -> None:
    before = {datum.key: datum for datum in lab[1].node.database}
    lab[1].forget()
    for message in messages:
        assert lab.dhcp(1, message, **frame) == []  # type: ignore[arg-type]
    assert {datum.key: datum for datum in lab[1].node.database} == before
    assert lab[1].all(do.StoreLeases) == lab[1].all(do.InstallRoute) == []
    assert counted(lab, "dhcp4.unauthorised") == len(messages)


@pytest.mark.conformance("c03")
def test_c03_chaddr_of_another_station_is_ignored_and_counted(lab: Lab) -> None:
    lab.dhcp(1, select(ALICE, FREE))
    changes_nothing(lab, EVERYTHING, source=BOB)


@pytest.mark.conformance("c01")
def test_c01_station_that_is_not_authorised_is_ignored_and_counted() -> None:
    changes_nothing(Lab(), EVERYTHING)


def test_station_authorised_on_another_interface_is_ignored_and_counted() -> None:
    lab = Lab(interfaces=("wlan0", "wlan1"))
    lab.join(1, ALICE, "wlan1")
    changes_nothing(lab, EVERYTHING, interface="wlan0")


def test_station_authorised_at_another_node_is_ignored_and_counted() -> None:
    lab = Lab(2)
    lab.join(2, ALICE)
    lab.wait(1)
    changes_nothing(lab, EVERYTHING)


@pytest.mark.parametrize("source", [BROADCAST, NO_MAC, Mac(b"\x03\0\0\0\0\x01")])
@pytest.mark.conformance("c23")
def test_c23_addresses_that_no_station_can_have_are_refused(source: Mac) -> None:
    lab = Lab()
    lab.do(1, ev.StationAuthorized("wlan0", source))
    changes_nothing(lab, [discover(source)])
