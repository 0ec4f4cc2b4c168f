"""DHCPv4 through the whole node: the rows of RFC 2131 sections 4.3.1 to 4.3.5, and who is heard at all.

Names carry the id of the row in the conformance list.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from sroamd import constants
from sroamd.addresses import BROADCAST, NO_MAC, Mac
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.wire.dhcpv4 import DhcpMessage, MessageType
from tests.core.harness import (
    ALICE,
    BOB,
    GATEWAY,
    NOWHERE,
    Lab,
    decline,
    dhcp,
    discover,
    init_reboot,
    lease_of,
    mac,
    release,
    renew,
    select,
)

LIMITED_BROADCAST = IPv4Address("255.255.255.255")
OTHER_SERVER = IPv4Address("192.0.2.2")
FREE = IPv4Address("192.0.2.200")


@pytest.fixture
def lab() -> Lab:
    """One node, Alice and Bob there."""
    lab = Lab()
    lab.join(1, ALICE)
    lab.join(1, BOB)
    return lab


def counted(lab: Lab, name: str, number: int = 1) -> int:
    return lab[number].node.counters[name]


def kind_of(replies: list[do.SendDhcp]) -> list[str]:
    return [sent.message.message_type.name for sent in replies]


# -- DISCOVER


@pytest.mark.spec("RFC 2131", "4.3.1")
def test_r2131_431_current_address_is_offered_again(lab: Lab) -> None:
    address = lab.lease(1, ALICE)
    (offer,) = lab.dhcp(1, discover(ALICE, FREE))
    assert offer.message.yiaddr == address


@pytest.mark.spec("RFC 2131", "4.3.1")
def test_r2131_431_previous_address_is_offered_after_expiry(lab: Lab) -> None:
    lab.dhcp(1, select(ALICE, FREE))
    lab.leave(1, ALICE)
    lab.wait(2 * 86400)
    lab.join(1, ALICE)
    (offer,) = lab.dhcp(1, discover(ALICE))
    assert offer.message.yiaddr == FREE


@pytest.mark.spec("RFC 2131", "4.3.1")
def test_r2131_431_requested_address_is_offered_when_free(lab: Lab) -> None:
    (offer,) = lab.dhcp(1, discover(ALICE, FREE))
    assert offer.message.yiaddr == FREE
    (offer,) = lab.dhcp(1, discover(BOB, FREE))
    assert offer.message.yiaddr != FREE


@pytest.mark.spec("RFC 2131", "4.3.1")
def test_r2131_431_nopool_is_silence_and_an_alarm() -> None:
    lab = Lab(pool=IPv4Network("192.0.2.0/29"))
    for number in range(6):
        lab.join(1, mac(number))
    for number in range(5):
        lab.lease(1, mac(number))
    lab[1].forget()
    assert lab.dhcp(1, discover(mac(5))) == []
    assert [note.level for note in lab[1].all(do.Note)] == [do.Level.ERROR]
    assert counted(lab, "dhcp4.pool-exhausted") == 1


@pytest.mark.spec("RFC 2131", "4.3.1")
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
    assert datum.remaining(lab.now) == given


def times(message: DhcpMessage) -> tuple[int, int, int]:
    """T1, T2, lease."""
    t1, t2, life = (int.from_bytes(message.options[code], "big") for code in (58, 59, 51))
    return t1, t2, life


# -- REQUEST: SELECTING


@pytest.mark.spec("RFC 2131", "4.3.2")
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
def test_r2131_432_selecting_other_is_silence_and_frees_the_offer(lab: Lab) -> None:
    (offer,) = lab.dhcp(1, discover(ALICE))
    address = offer.message.yiaddr
    assert lab.dhcp(1, select(ALICE, OTHER_SERVER, OTHER_SERVER)) == []
    assert lab[1].address(ALICE, lab.now) is None
    assert lab[1].node.state.offers == set()
    assert lab[1].node.database.get(lease_of(address)) is not None  # remembered


@pytest.mark.spec("RFC 2131", "4.3.2")
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


def test_c25_copies_of_one_request_make_one_lease(lab: Lab) -> None:
    address = lab.lease(1, ALICE)
    replies = [sent for _ in range(50) for sent in lab.dhcp(1, select(ALICE, address))]
    assert {(sent.message.message_type, sent.message.yiaddr) for sent in replies} == {(MessageType.ACK, address)}
    assert {lease for lease in lab[1].node.database.leases_of(ALICE) if lease[0] == 0} == {lease_of(address)}


# -- REQUEST: INIT-REBOOT


@pytest.mark.spec("RFC 2131", "4.3.2")
def test_r2131_432_initreboot_ok_on_another_ap_is_acked() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    lab.join(2, ALICE)
    (ack,) = lab.dhcp(2, init_reboot(ALICE, address))
    assert (kind_of([ack]), ack.message.yiaddr) == (["ACK"], address)


@pytest.mark.spec("RFC 2131", "4.3.2")
def test_r2131_432_initreboot_ok_after_expiry(lab: Lab) -> None:
    address = lab.lease(1, ALICE)
    lab.leave(1, ALICE)
    lab.wait(86400)
    lab.join(1, ALICE)
    (ack,) = lab.dhcp(1, init_reboot(ALICE, address))
    assert (kind_of([ack]), ack.message.yiaddr) == (["ACK"], address)


@pytest.mark.spec("RFC 2131", "4.3.2")
@pytest.mark.parametrize("address", ["198.51.100.7", "192.0.2.0", "192.0.2.255", "192.0.2.1"])
def test_r2131_432_initreboot_wrongnet_is_nak_by_broadcast(lab: Lab, address: str) -> None:
    (nak,) = lab.dhcp(1, init_reboot(ALICE, IPv4Address(address)))
    assert kind_of([nak]) == ["NAK"]
    assert nak.destination == LIMITED_BROADCAST


@pytest.mark.spec("RFC 2131", "4.3.2")
def test_r2131_432_initreboot_wrongip_is_nak(lab: Lab) -> None:
    lab.lease(1, ALICE)
    lab.dhcp(1, select(BOB, FREE))
    (nak,) = lab.dhcp(1, init_reboot(ALICE, IPv4Address("192.0.2.201")))
    assert kind_of([nak]) == ["NAK"]
    (nak,) = lab.dhcp(1, init_reboot(ALICE, FREE))
    assert kind_of([nak]) == ["NAK"]


@pytest.mark.spec("RFC 2131", "4.3.2")
def test_r2131_432_initreboot_unknown_client_silent(lab: Lab) -> None:
    assert lab.dhcp(1, init_reboot(ALICE, FREE)) == []
    assert counted(lab, "dhcp4.unknown-client") == 1
    assert lab[1].address(ALICE, lab.now) is None


# -- REQUEST: RENEWING, REBINDING


@pytest.mark.spec("RFC 2131", "4.3.2")
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
def test_r2131_432_rebind_unknown_is_silence_and_known_wrong_is_nak(lab: Lab) -> None:
    assert lab.dhcp(1, renew(ALICE, FREE)) == []
    lab.lease(1, ALICE)
    assert kind_of(lab.dhcp(1, renew(ALICE, FREE))) == ["NAK"]


def test_r2131_432_renew_of_anothers_address_is_nak(lab: Lab) -> None:
    lab.dhcp(1, select(BOB, FREE))
    assert kind_of(lab.dhcp(1, renew(ALICE, FREE))) == ["NAK"]
    assert lab[1].address(BOB, lab.now) == FREE


@pytest.mark.spec("RFC 2131", "4.3.2")
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
def test_r2131_432_malformed_is_silence(lab: Lab, message: DhcpMessage) -> None:
    assert lab.dhcp(1, message) == []
    assert counted(lab, "dhcp4.malformed-request") == 1


# -- DECLINE


@pytest.mark.spec("RFC 2131", "4.3.3")
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
def test_r2131_433_decline_of_an_address_that_is_not_bound_to_the_station_is_ignored(lab: Lab) -> None:
    address = lab.lease(1, ALICE)
    lab.dhcp(1, decline(BOB, address))
    lab.dhcp(1, decline(BOB, FREE))
    lab.dhcp(1, decline(ALICE, address, OTHER_SERVER))
    lab.dhcp(1, dhcp(MessageType.DECLINE, ALICE))
    assert lab[1].address(ALICE, lab.now) == address
    assert lab[1].node.database.get(lease_of(FREE)) is None
    assert counted(lab, "dhcp4.decline-ignored") == 4


def test_c06_three_declines_an_hour_are_believed(lab: Lab) -> None:
    for _ in range(5):
        (offer,) = lab.dhcp(1, discover(ALICE))
        lab.dhcp(1, select(ALICE, offer.message.yiaddr))
        lab.dhcp(1, decline(ALICE, offer.message.yiaddr))
    assert len(lab[1].node.database.leases_of(NO_MAC)) == 3
    assert counted(lab, "dhcp4.decline-limited") == 2
    lab.wait(constants.DECLINE_LIFE + 1)
    lab.dhcp(1, decline(ALICE, lab.lease(1, ALICE)))
    assert counted(lab, "dhcp4.decline-limited") == 2


def test_declines_of_stations_long_gone_take_no_memory(lab: Lab) -> None:
    for number in range(40):
        lab.join(1, mac(number))
        lab.dhcp(1, decline(mac(number), lab.lease(1, mac(number))))
        lab.leave(1, mac(number))
        lab.wait(constants.DECLINE_LIFE)
    assert len(lab[1].node.dhcp_server._declines) < 3


# -- RELEASE


@pytest.mark.spec("RFC 2131", "4.3.4")
def test_r2131_434_release_withdraws_the_route_and_remembers_the_address() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    assert address in [prefix.network_address for prefix in lab[1].here()]
    assert lab.dhcp(1, release(ALICE, address), source_ip=address) == []
    assert address not in [prefix.network_address for prefix in lab[1].kernel]
    assert [host.address(ALICE, lab.now) for host in lab.hosts] == [None, None]
    lab.wait(4000)
    (offer,) = lab.dhcp(1, discover(ALICE))
    assert offer.message.yiaddr == address


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
def test_c05_release_that_is_not_the_holders_is_ignored(lab: Lab, what: str, source_ip: IPv4Address | None) -> None:
    address = lab.lease(1, ALICE)
    station = BOB if what == "another's" else ALICE
    server = OTHER_SERVER if what == "another server's" else GATEWAY
    lab.dhcp(1, release(station, address, server), source_ip=source_ip or address)
    assert lab[1].address(ALICE, lab.now) == address
    assert counted(lab, "dhcp4.release-ignored") == 1


# -- INFORM


@pytest.mark.spec("RFC 2131", "4.3.5")
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


def test_r2131_435_inform_without_an_address_is_silence(lab: Lab) -> None:
    assert lab.dhcp(1, dhcp(MessageType.INFORM, ALICE)) == []
    assert counted(lab, "dhcp4.malformed-inform") == 1


# -- who is heard


@pytest.mark.parametrize("kind", [kind for kind in MessageType if kind not in (1, 3, 4, 7, 8)])
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


def test_c03_chaddr_of_another_station_is_ignored_and_counted(lab: Lab) -> None:
    lab.dhcp(1, select(ALICE, FREE))
    changes_nothing(lab, EVERYTHING, source=BOB)


def test_c01_station_that_is_not_authorised_is_ignored_and_counted() -> None:
    changes_nothing(Lab(), EVERYTHING)


def test_station_authorised_on_another_interface_is_ignored_and_counted() -> None:
    lab = Lab(interfaces=("wlan0", "wlan1"))
    lab.join(1, ALICE, "wlan1")
    changes_nothing(lab, EVERYTHING, interface="wlan0")


def test_station_authorised_at_another_node_is_ignored_and_counted() -> None:
    lab = Lab(2)
    lab.join(2, ALICE)
    changes_nothing(lab, EVERYTHING)


@pytest.mark.parametrize("source", [BROADCAST, NO_MAC, Mac(b"\x03\0\0\0\0\x01")])
def test_c23_addresses_that_no_station_can_have_are_refused(source: Mac) -> None:
    lab = Lab()
    lab.do(1, ev.StationAuthorized("wlan0", source))
    changes_nothing(lab, [discover(source)])
