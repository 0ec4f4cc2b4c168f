"""How many versions a station can make of its lease, and that an expired one is contested before it is acknowledged."""

from __future__ import annotations

from ipaddress import IPv4Address

from sroamd.addresses import Mac
from sroamd.constants import LEASE_VERSION_INTERVAL, LEASE_VERSIONS_BURST
from sroamd.core import events as ev
from sroamd.core.allowance import Allowance
from sroamd.core.memory import SPARE
from sroamd.wire.datum import ipv4_lease_key
from sroamd.wire.dhcpv4 import MessageType
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, BOB, Lab, mac
from tests.core.messages import discover, init_reboot, release, renew, select

SHARED = IPv4Address("192.0.2.77")


def seqno(lab: Lab, address: IPv4Address) -> int:
    datum = lab[1].node.database.get(ipv4_lease_key(address))
    assert datum is not None
    return datum.seqno


def test_requests_without_end_are_acknowledged_and_make_no_version() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    before = seqno(lab, address)
    replies = [sent for _ in range(1000) for sent in lab.dhcp(1, renew(ALICE, address))]
    assert [sent.message.message_type for sent in replies] == [MessageType.ACK] * 1000
    assert seqno(lab, address) == before


def test_acknowledgement_promises_no_more_than_the_lease_has() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    lab.wait(20)
    (ack,) = lab.dhcp(1, init_reboot(ALICE, address))
    datum = lab[1].node.database.live(ipv4_lease_key(address), lab.now)
    assert datum is not None
    assert ack.message.lease_time is not None
    assert ack.message.lease_time <= datum.expires_at - lab.now


def test_renewal_in_its_time_extends() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    before = seqno(lab, address)
    lab.wait(LEASE_VERSION_INTERVAL + 1)
    lab.dhcp(1, renew(ALICE, address))
    assert seqno(lab, address) == before + 1


def test_releases_and_requests_in_a_loop_make_a_burst_of_versions_then_one_in_thirty_seconds() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    for _ in range(600):  # a minute at least
        lab.dhcp(1, release(ALICE, address))
        lab.dhcp(1, discover(ALICE))
        lab.dhcp(1, select(ALICE, address))
        lab.wait(0.1)
    assert seqno(lab, address) <= LEASE_VERSIONS_BURST + 300 / LEASE_VERSION_INTERVAL
    assert lab[1].node.counters["dhcp4.rate-limited"] > 0


def test_two_nodes_that_remember_different_expired_leases_of_one_address_give_it_to_one_station() -> None:
    """Spin's counterexample to an acknowledgement at once (agent/tests/model/leases.pml, TOLD_AT_ONCE)."""
    lab = Lab(2)
    for number, station in ((1, ALICE), (2, BOB)):
        lab[number].node.database.merge(Update(3, 1, ipv4_lease_key(SHARED), bytes(station)), lab.now)
    lab.wait(30)
    lab.join(1, ALICE)
    lab.join(2, BOB)
    lab.hold(1, 2)
    for number, station in ((1, ALICE), (2, BOB)):
        lab.do(number, ev.DhcpReceived("wlan0", station, IPv4Address(0), init_reboot(station, SHARED)))
    lab.release(1, 2)
    lab.release(2, 1)
    lab.wait(1)
    acks = [sent.station for host in lab.hosts for sent in host.replies(MessageType.ACK)]
    assert set(acks) == {BOB}  # the larger MAC
    assert len({host.node.database.digest for host in lab.hosts}) == 1


def test_allowance_comes_back_with_time_and_is_each_stations_own() -> None:
    allowance = Allowance(2, 10.0)
    assert [allowance.take(ALICE, 0.0) for _ in range(3)] == [True, True, False]
    assert allowance.take(BOB, 0.0)
    assert [allowance.take(ALICE, 10.0) for _ in range(2)] == [True, False]


def test_stations_that_take_nothing_more_take_no_memory() -> None:
    allowance = Allowance(2, 10.0)
    for number in range(20_000):
        allowance.take(Mac(mac(number)), float(number))
    assert len(allowance) <= SPARE
