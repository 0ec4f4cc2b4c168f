"""The C daemon's defects (flooding, 1.1 to 1.3), in the model that stands for it: each is there.

The model was compared with the daemon itself, octet by octet; here is what must not get lost of it.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random

import pytest

from sroamd.addresses import Mac, NodeId
from sroamd.config import Config, InterfaceConfig, NetworkConfig, NodeConfig
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.sim.c_clients import Clients
from sroamd.sim.c_database import CDatabase
from sroamd.sim.c_node import CNode
from sroamd.wire.datum import association_key, ipv4_lease_key
from sroamd.wire.dhcpv4 import OPTION_REQUESTED_ADDRESS, DhcpMessage, MessageType
from sroamd.wire.flood import Update

ALICE, BOB, CAROL = (Mac(bytes((2, 0, 0, 0, 0, number))) for number in (1, 2, 3))
KEY = association_key(ALICE)
MINE, OTHER, THIRD = (NodeId(bytes([number]) * 8) for number in (1, 2, 3))
POOL = IPv4Network("192.0.2.0/24")
LEFT, RIGHT = 1, 2  # its peers


def database() -> CDatabase:
    return CDatabase(lambda count: b"?" * count)


def node() -> CNode:
    network = NetworkConfig(POOL, IPv6Network("2001:db8:44::/48"), POOL[1], IPv6Address("fe80::1"))
    made = CNode(Config(NodeConfig("c"), network, (InterfaceConfig("wlan0"),)), MINE, Random(1))
    made.handle(ev.InterfaceChanged("wlan0", Mac(bytes((2, 0, 0, 0, 0, 99)))), 0.0)
    for peer in (LEFT, RIGHT):
        made.handle(ev.PeerReady(peer, ""), 0.0)
    return made


def says(made: CNode, update: Update, now: float = 0.0) -> list[do.Effect]:
    return made.handle(ev.UpdatesReceived(LEFT, (update,)), now)


def flooded(effects: list[do.Effect], peer: int = RIGHT) -> list[tuple[int, bytes, int]]:
    updates = [u for e in effects if isinstance(e, do.SendUpdates) and e.peer == peer for u in e.updates]
    return [(update.seqno, update.value, update.lifetime) for update in updates]


def test_m1_m4_loser_of_a_tie_keeps_its_value_and_floods_it_with_the_winners_lifetime() -> None:
    made = node()
    says(made, Update(5, 1000, KEY, OTHER))
    assert flooded(says(made, Update(5, 2000, KEY, THIRD))) == [(5, OTHER, 2000)]


def test_m2_tombstone_that_loses_brings_the_old_claim_back() -> None:
    made = database()
    made.merge(KEY, 5, OTHER, 1000, 0)
    made.merge(KEY, 6, b"", 1000, 0)
    assert made.merge(KEY, 6, THIRD, 1000, 0).record.value == OTHER
    made.merge(association_key(BOB), 6, b"", 1000, 0)
    assert made.merge(association_key(BOB), 6, THIRD, 1000, 0).record.value == b"?" * 8


def test_m3_winner_of_a_tie_says_nothing() -> None:
    made = node()
    says(made, Update(5, 1000, KEY, OTHER))
    assert says(made, Update(5, 999, KEY, THIRD)) == []


def test_m5_copy_that_has_travelled_for_a_second_is_flooded_again() -> None:
    made = node()
    says(made, Update(5, 1000, KEY, OTHER), 0.9)
    assert says(made, Update(5, 1000, KEY, OTHER), 0.99) == []
    assert flooded(says(made, Update(5, 1000, KEY, OTHER), 1.0)) == [(5, OTHER, 1000)]


@pytest.mark.parametrize(
    ("held", "said", "taken"), [(0, 1, True), (0, 32767, True), (0, 32768, False), (32768, 0, False), (1, 0, False)]
)
def test_m6_m7_seqnos_half_the_circle_apart_are_both_newer_and_nobody_is_told(
    held: int, said: int, taken: bool
) -> None:
    made = database()
    made.merge(KEY, held, OTHER, 1000, 0)
    assert made.merge(KEY, said, THIRD, 1000, 0).updated is taken


def test_m8_nothing_is_ever_forgotten() -> None:
    made = node()
    says(made, Update(5, 10, KEY, OTHER))
    dump = made.handle(ev.PeerReady(3, ""), 1e6)
    assert flooded(dump, 3) == [(5, OTHER, 0)]


def test_m9_long_lifetime_is_over_at_once() -> None:
    assert database().merge(KEY, 0, OTHER, 0x80000000, 100).record.until < 0
    assert database().merge(KEY, 0, OTHER, 0x7FFFFFFF, 100).record.until > 0


def test_m10_life_grows_without_a_new_seqno_unless_it_is_over() -> None:
    made = database()
    record = made.merge(KEY, 5, MINE, 100, 0).record
    made.extend(record, 5400, 50)
    assert (record.seqno, record.until) == (5, 5450)
    made.extend(record, 5400, 5451)
    assert (record.seqno, record.until) == (6, 10851)


def test_a1_a2_return_is_no_claim_and_any_foreign_one_disassociates() -> None:
    made = node()
    made.handle(ev.StationAuthorized("wlan0", ALICE), 0.0)
    made.handle(ev.StationAuthorized("wlan0", ALICE), 1.0)
    record = made.database.get(KEY)
    assert record is not None
    assert record.seqno == 0
    assert do.Disassociate("wlan0", ALICE) in says(made, Update(1, 5000, KEY, OTHER), 1.0)


def test_a3_restarted_it_claims_before_anybody_has_told_it_anything() -> None:
    made = node()
    effects = made.handle(ev.StationsListed("wlan0", frozenset({ALICE})), 0.0)
    assert flooded(effects) == [(0, MINE, 5400)]


def test_a4_withdrawal_takes_the_seqno_that_the_next_node_takes() -> None:
    made = node()
    made.handle(ev.StationAuthorized("wlan0", ALICE), 0.0)
    assert flooded(made.handle(ev.StationLeft("wlan0", ALICE), 0.0)) == [(1, b"", 5400)]


def test_a5_tombstone_of_a_station_that_is_here_is_believed() -> None:
    made = node()
    made.handle(ev.StationAuthorized("wlan0", ALICE), 0.0)
    assert [type(effect) for effect in says(made, Update(1, 600, KEY, b""))] == [do.SendUpdates]


def test_a6_taking_one_client_out_loses_the_last_one() -> None:
    clients = Clients()
    for station in (ALICE, BOB, CAROL):
        clients.add(station)
    clients.remove(0)
    assert [clients.station(index) for index in clients] == [ALICE, BOB]


def test_l1_l2_address_of_another_is_given_out() -> None:
    made = node()
    fresh = node()

    def discover(who: CNode, station: Mac) -> IPv4Address:
        message = DhcpMessage(op=1, message_type=MessageType.DISCOVER, xid=1, chaddr=station)
        effects = who.handle(ev.DhcpReceived("wlan0", station, IPv4Address(0), message), 0.0)
        (reply,) = [effect for effect in effects if isinstance(effect, do.SendDhcp)]
        return reply.message.yiaddr

    address = discover(fresh, ALICE)  # L3: what every C node draws first
    says(made, Update(5, 1000, ipv4_lease_key(address), bytes(CAROL)))
    assert discover(made, BOB) == address
    record = made.database.get(ipv4_lease_key(address))
    assert record is not None
    assert record.value == CAROL


def test_a11_dhcp_says_where_a_station_is() -> None:
    made = node()
    wanted = {OPTION_REQUESTED_ADDRESS: IPv4Address("192.0.2.9").packed}
    message = DhcpMessage(op=1, message_type=MessageType.REQUEST, xid=1, chaddr=ALICE, options=wanted)
    effects = made.handle(ev.DhcpReceived("wlan0", BOB, IPv4Address(0), message), 0.0)
    assert flooded(effects)[0] == (0, MINE, 5400)
