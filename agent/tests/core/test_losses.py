"""One address or one prefix that two stations got while their nodes were apart: who keeps it, who is told, and how.

flooding, 3.5 "Lost". All orders in which the two sides may hear of each other again are played.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from itertools import permutations

import pytest

from sroamd import constants
from sroamd.addresses import Mac
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.peering import to_update
from sroamd.wire.datum import association_key, ipv4_lease_key, ipv6_lease_key
from sroamd.wire.dhcpv4 import MessageType
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, BOB, CAROL, POOL, Host, Lab, config_of, id_of
from tests.core.messages import decline, discover, release, renew, select
from tests.core.strangers import SOMEBODY, connect, says

SHARED = IPv4Address("192.0.2.77")
SHARED6 = IPv6Network("2001:db8:44:77::/64")
LARGER, SMALLER = max(ALICE, BOB), min(ALICE, BOB)


def lease(lab: Lab, number: int, station: Mac, address: IPv4Address) -> None:
    (offer,) = lab.dhcp(number, discover(station, address))
    (ack,) = lab.dhcp(number, select(station, offer.message.yiaddr))
    assert ack.message.yiaddr == address


def apart(*, renewals: int = 0) -> Lab:
    """Nodes 1 and 2, which do not hear each other, have given SHARED to the larger and to the smaller MAC."""
    lab = Lab(2, links=())
    for number, station in ((1, LARGER), (2, SMALLER)):
        lab.join(number, station)
        lab.wait(1)
        lease(lab, number, station, SHARED)
    for _ in range(renewals):  # by the smaller MAC only
        lab.wait(constants.LEASE_VERSION_INTERVAL + 1)
        lab.dhcp(2, renew(SMALLER, SHARED))
    return lab


def apart6() -> Lab:
    """The same with SHARED6, which both have had for a while."""
    lab = Lab(2, links=())
    for number, station in ((1, LARGER), (2, SMALLER)):
        lab[number].node.database.merge(Update(3, 7200, ipv6_lease_key(SHARED6), bytes(station)), lab.now)
        lab.join(number, station)
        lab.wait(1)
        assert lab[number].node.leases.prefix_of(station, lab.now) == SHARED6
    return lab


@dataclass(frozen=True)
class Order:
    """In which the versions of the other side arrive: `first` the node that hears first, `kinds` of keys in order."""

    first: int
    kinds: tuple[int, ...]


ORDERS = [Order(first, kinds) for first in (1, 2) for kinds in permutations((0, 1, 2))]


def tell(lab: Lab, to: int, kinds: tuple[int, ...]) -> None:
    """All that the other node holds, in this order, while the answers are still under way."""
    other = lab[3 - to].node.database
    data = sorted((d for d in other if d.key[0] in kinds), key=lambda d: (kinds.index(d.key[0]), d.key))
    for datum in data:
        lab.do(to, ev.UpdatesReceived(3 - to, (to_update(datum, lab.now),)))


def heal(lab: Lab, order: Order) -> None:
    """What each says arrives in that order, one side first; then the rest, until nobody has anything to say."""
    lab.hold(1, 2)
    lab.connect(1, 2)
    for number in (order.first, 3 - order.first):
        tell(lab, number, order.kinds)
        lab.wait(0.01)
    lab.release(1, 2)
    lab.release(2, 1)
    lab.wait(5)


def holders(lab: Lab, key: bytes) -> set[bytes]:
    data = [host.node.database.live(key, lab.now) for host in lab.hosts]
    return {datum.value for datum in data if datum is not None}


def advertised(host: Host) -> set[tuple[IPv6Network, bool]]:
    last = host.all(do.SendRouterAdvertisement)[-1].advertisement
    return {(each.prefix, each.preferred > 0) for each in last.prefixes}


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("renewals", [0, 1])
def test_one_keeps_the_address_on_all_nodes_and_the_other_is_told_by_nak_and_gets_another(
    order: Order, renewals: int
) -> None:
    """The newer seqno keeps it, so the one that has renewed; at equal seqnos the larger MAC."""
    lab = apart(renewals=renewals)
    winner, loser = (SMALLER, LARGER) if renewals else (LARGER, SMALLER)
    keeps, loses = (2, 1) if renewals else (1, 2)
    heal(lab, order)
    assert holders(lab, ipv4_lease_key(SHARED)) == {bytes(winner)}
    assert lab[loses].all(do.Disassociate) == [do.Disassociate("wlan0", loser)]
    assert lab[keeps].all(do.Disassociate) == []
    assert IPv4Network(SHARED) in lab[keeps].here() - lab[loses].here()
    lab.join(loses, loser)  # it comes back, and tries to keep it
    (nak,) = lab.dhcp(loses, renew(loser, SHARED))
    assert nak.message.message_type is MessageType.NAK
    assert lab.lease(loses, loser) != SHARED
    (ack,) = lab.dhcp(keeps, renew(winner, SHARED))
    assert ack.message.message_type is MessageType.ACK


@pytest.mark.spec("RFC 4862", "5.5.3")
@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.conformance("r4862_553_2h")
def test_one_keeps_the_prefix_on_all_nodes_and_the_others_is_deprecated_beside_a_new_one(order: Order) -> None:
    lab = apart6()
    for host in lab.hosts:
        host.forget()
    heal(lab, order)
    assert holders(lab, ipv6_lease_key(SHARED6)) == {bytes(LARGER)}
    new = lab[2].node.leases.prefix_of(SMALLER, lab.now)
    assert new not in (None, SHARED6)
    assert advertised(lab[2]) == {(new, True), (SHARED6, False)}
    assert {new} == {prefix for prefix in lab[2].here() if prefix.version == 6}
    assert SHARED6 in lab[1].here()
    assert [host.all(do.Disassociate) for host in lab.hosts] == [[], []]
    assert all((SHARED6, False) not in advertised(lab[1]) for _ in lab[1].all(do.SendRouterAdvertisement))


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_winner_that_is_nowhere_is_beaten_and_its_rival_notices_nothing(order: Order) -> None:
    """flooding, 3.5: a zombie's lease, with the higher seqno, against a station that is alive."""
    lab = apart()
    lab.leave(1, LARGER)
    heal(lab, order)
    assert holders(lab, ipv4_lease_key(SHARED)) == {bytes(SMALLER)}
    assert lab[2].all(do.Disassociate) == []
    assert IPv4Network(SHARED) in lab[2].here()
    (ack,) = lab.dhcp(2, renew(SMALLER, SHARED))
    assert ack.message.message_type is MessageType.ACK
    lab.join(1, LARGER)  # it comes back with what is not its own any more
    (nak,) = lab.dhcp(1, renew(LARGER, SHARED))
    assert nak.message.message_type is MessageType.NAK


def test_what_is_taken_from_a_station_that_has_too_many_leases_is_not_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a liar who gives it leases and takes them away, again and again, could make this node hold any number."""
    monkeypatch.setattr(constants, "LEASES_OF_STATION_MAX", 3)
    lab = Lab(1)
    connect(lab)
    lab.join(1, ALICE)
    keys = [ipv4_lease_key(POOL[number]) for number in range(100, 112)]
    for start in range(0, 12, 3):
        for seqno, mac in ((1, ALICE), (2, BOB)):
            says(lab, SOMEBODY, *(Update(seqno, 5000, key, bytes(mac)) for key in keys[start : start + 3]))
    lab.wait(5)
    assert len(lab[1].node.database.leases_of(ALICE)) == 3


def test_prefix_of_a_winner_that_is_nowhere_stays_with_its_rival() -> None:
    lab = apart6()
    lab.leave(1, LARGER)
    heal(lab, Order(2, (1, 0, 2)))
    assert holders(lab, ipv6_lease_key(SHARED6)) == {bytes(SMALLER)}
    assert advertised(lab[2]) == {(SHARED6, True)}


def test_expired_version_beats_no_living_station() -> None:
    """A newer version whose lease has run out: the station here goes on, above it."""
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.wait(1)
    lease(lab, 1, ALICE, SHARED)
    lab.do(1, ev.UpdatesReceived(2, (Update(40, 0, ipv4_lease_key(SHARED), bytes(BOB)),)))
    lab.wait(2)
    assert lab[1].address(ALICE, lab.now) == SHARED
    assert lab[1].all(do.Disassociate) == []


def test_station_that_walked_here_with_an_address_that_is_anothers_is_made_to_ask_again() -> None:
    """Here nothing was replaced: this node always held the winner's version."""
    lab = Lab(2)
    lab.join(1, LARGER)
    lease(lab, 1, LARGER, SHARED)
    lab.join(1, SMALLER)
    lab[1].forget()
    lab.do(1, ev.UpdatesReceived(2, (Update(0, 900, ipv4_lease_key(SHARED), bytes(SMALLER)),)))
    lab.wait(constants.LOSS_DELAY)
    assert lab[1].all(do.Disassociate) == [do.Disassociate("wlan0", SMALLER)]


def test_loser_that_has_another_address_already_is_left_alone() -> None:
    lab = apart()
    lab[2].node.database.merge(Update(0, 1800, ipv4_lease_key(IPv4Address("192.0.2.99")), bytes(SMALLER)), lab.now)
    heal(lab, Order(1, (2, 0, 1)))
    assert lab[2].all(do.Disassociate) == []


def test_address_that_was_only_offered_and_is_lost_disturbs_nobody() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    (offer,) = lab.dhcp(1, discover(ALICE))
    lab.do(1, ev.UpdatesReceived(2, (Update(9, 1800, ipv4_lease_key(offer.message.yiaddr), bytes(BOB)),)))
    lab.wait(2 * constants.LOSS_DELAY)
    assert lab[1].all(do.Disassociate) == []
    (nak,) = lab.dhcp(1, select(ALICE, offer.message.yiaddr))
    assert nak.message.message_type is MessageType.NAK


def test_station_that_left_meanwhile_is_not_told() -> None:
    lab = apart()
    lab.hold(1, 2)
    lab.connect(1, 2)
    lab.release(1, 2)
    lab.leave(2, SMALLER)
    lab.release(2, 1)
    lab.wait(5)
    assert lab[2].all(do.Disassociate) == []
    assert holders(lab, ipv4_lease_key(SHARED)) == {bytes(LARGER)}


def test_address_that_another_side_has_blocked_is_lost() -> None:
    """There, a stranger used it; theirs is the newer version."""
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.wait(1)
    lease(lab, 1, ALICE, SHARED)
    lab.do(1, ev.UpdatesReceived(2, (Update(40, 600, ipv4_lease_key(SHARED), bytes(6)),)))
    lab.wait(constants.LOSS_DELAY)
    assert lab[1].all(do.Disassociate) == [do.Disassociate("wlan0", ALICE)]


@pytest.mark.parametrize("where", [1, 2])
def test_declined_address_is_not_taken_back_for_the_station_that_declined_it(where: int) -> None:
    """Neither where it did, nor where it went next, though its old lease may still be under way to there."""
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.wait(1)
    lease(lab, 1, ALICE, SHARED)
    lab.dhcp(1, decline(ALICE, SHARED))
    lab.join(where, ALICE)
    lab.do(where, ev.UpdatesReceived(3 - where, (Update(1, 1700, ipv4_lease_key(SHARED), bytes(ALICE)),)))
    lab.wait(5)
    assert holders(lab, ipv4_lease_key(SHARED)) == {bytes(6)}
    assert lab.lease(where, ALICE) != SHARED


def test_prefix_that_is_lost_again_and_again_is_deprecated_once() -> None:
    lab = apart6()
    heal(lab, Order(1, (2, 0, 1)))
    for _ in range(3):  # from a peer that has not heard of it
        lab.do(2, ev.UpdatesReceived(1, (Update(1, 7200, ipv6_lease_key(SHARED6), bytes(SMALLER)),)))
        lab.wait(2)
    told = [each.prefix for each in lab[2].all(do.SendRouterAdvertisement)[-1].advertisement.prefixes]
    assert told.count(SHARED6) == 1
    assert len(told) == 2


def test_losses_that_are_settled_are_forgotten() -> None:
    lab = apart()
    heal(lab, Order(1, (0, 1, 2)))
    assert [host.node.losses._lost for host in lab.hosts] == [{}, {}]


def test_third_node_that_hears_of_both_sides_agrees() -> None:
    lab = apart()
    lab.add(lab[1].config, number=3)
    lab.connect(2, 3)
    lab.connect(3, 1)
    lab.join(3, CAROL)
    lab.wait(5)
    assert holders(lab, ipv4_lease_key(SHARED)) == {bytes(LARGER)}


def test_release_on_the_other_side_does_not_end_what_the_station_was_given_here_since() -> None:
    """Found by the simulator (seed 463): the station had no route until it renewed, a quarter of an hour later."""
    lab = Lab(2)
    lab.join(2, ALICE)
    lease(lab, 2, ALICE, SHARED)
    lab.hold(1, 2)
    lab.hold(2, 1)
    lab.dhcp(2, renew(ALICE, SHARED))
    lab.dhcp(2, release(ALICE, SHARED))
    lab.join(1, ALICE)
    lease(lab, 1, ALICE, SHARED)
    lab.release(1, 2)
    lab.release(2, 1)
    lab.wait(5)
    assert IPv4Network(SHARED) in lab[1].here()
    for host in lab.hosts:
        assert host.address(ALICE, lab.now) == SHARED


def acknowledged_here_and_only_offered_there() -> Lab:
    """While the nodes were apart. The station has walked on since, to the node that has offered it."""
    lab = Lab(2)
    lab.join(2, ALICE)
    lease(lab, 2, ALICE, SHARED)
    lab.cut(1, 2)
    lab.dhcp(2, release(ALICE, SHARED))
    lab.dhcp(2, discover(ALICE))
    lab.leave(2, ALICE)
    lab.join(1, ALICE)
    lease(lab, 1, ALICE, SHARED)
    lab.leave(1, ALICE)
    lab.join(2, ALICE)
    return lab


def test_offer_on_the_other_side_does_not_end_what_was_acknowledged_here_wherever_the_station_is_now() -> None:
    """Found by the simulator (seed 22294): the offer was the newer version, and the lease went with it."""
    lab = acknowledged_here_and_only_offered_there()
    lab.connect(1, 2)
    lab.wait(2 * constants.OFFER_LIFE)
    assert [host.address(ALICE, lab.now) for host in lab.hosts] == [SHARED, SHARED]
    assert IPv4Network(SHARED) in lab[2].here()


def test_lease_that_goes_on_above_an_offer_is_said_once_by_all_who_hold_it() -> None:
    """They say the same version, so none of them has to answer another."""
    lab = acknowledged_here_and_only_offered_there()
    lab.add(config_of(3))
    lab.connect(1, 3)
    before = lab[1].node.database.get(ipv4_lease_key(SHARED))
    offered = lab[2].node.database.get(ipv4_lease_key(SHARED))
    assert before is not None
    assert offered is not None
    assert offered.seqno > before.seqno
    lab.connect(2, 3)
    data = [host.node.database.get(ipv4_lease_key(SHARED)) for host in lab.hosts]
    assert [datum.seqno for datum in data if datum is not None] == [offered.seqno + 1] * 3


def test_prefix_that_was_only_offered_when_the_station_left_is_routed_when_it_comes_back() -> None:
    """Found by the simulator (seed 378): the lease stayed an offer to the node that had made it, so it had no route."""
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.wait(constants.CONTEST_TIME / 2)
    lab.leave(1, ALICE)
    lab.wait(1)
    lab.join(1, ALICE)
    lab.wait(1)
    prefix = lab[1].node.leases.prefix_of(ALICE, lab.now)
    assert prefix in lab[1].here()


@pytest.mark.parametrize("is_here", [True, False])
def test_release_at_another_node_stands_unless_the_station_answers_here(is_here: bool) -> None:
    """It may have been made there before the station came here: what else is heard of that node is as old."""
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.wait(1)
    lease(lab, 1, ALICE, SHARED)
    key = ipv4_lease_key(SHARED)
    held = lab[1].node.database.get(key)
    assert held is not None
    if not is_here:
        del lab.really_at[ALICE]
    claim = Update(40, 5400, association_key(ALICE), bytes(id_of(2)))
    lab.do(1, ev.UpdatesReceived(2, (claim, Update(held.seqno + 1, 0, key, bytes(ALICE)))))
    assert lab[1].node.database.live(key, lab.now) is None
    lab.wait(constants.LOSS_DELAY + 0.1)
    assert (lab[1].node.database.live(key, lab.now) is not None) is is_here
