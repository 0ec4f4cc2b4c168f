"""Addresses that somebody uses of whom the database says nothing: found before they are given out."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.wire.datum import ipv4_lease_key, ipv6_lease_key
from sroamd.wire.dhcpv4 import MessageType
from sroamd.wire.flood import Update
from tests.core.answers import counted, kind_of
from tests.core.harness import ALICE, BOB, CAROL, POOL, Lab, mac
from tests.core.messages import GATEWAY, discover, init_reboot, release, renew, select

WISH = IPv4Address("192.0.2.77")


def first_of(lab: Lab) -> IPv4Address:
    """What Alice would be given."""
    found = lab[1].node.leases.choose_address(ALICE, None, lab.now)
    assert found is not None
    return found


def offered(lab: Lab, wish: IPv4Address | None = None) -> IPv4Address:
    """What Alice is offered in the end."""
    lab.do(1, ev.DhcpReceived("wlan0", ALICE, IPv4Address(0), discover(ALICE, wish)))
    lab.wait(3)
    (offer,) = lab[1].replies(MessageType.OFFER)
    return offer.message.yiaddr


# -- stations that have set an address by hand


@pytest.mark.spec("RFC 2131", "3.1")
@pytest.mark.parametrize("wish", [None, WISH])
def test_address_is_probed_on_every_interface_before_it_is_offered_for_the_first_time(wish: IPv4Address | None) -> None:
    lab = Lab(interfaces=("wlan0", "wlan1"))
    lab.join(1, ALICE)
    wanted = wish or first_of(lab)
    lab.do(1, ev.DhcpReceived("wlan0", ALICE, IPv4Address(0), discover(ALICE, wish)))
    assert lab[1].all(do.SendArpProbe) == [
        do.SendArpProbe("wlan0", GATEWAY, wanted),
        do.SendArpProbe("wlan1", GATEWAY, wanted),
    ]
    assert lab[1].replies() == []
    lab.wait(constants.CONTEST_TIME)
    (offer,) = lab[1].replies(MessageType.OFFER)
    assert offer.message.yiaddr == wanted
    assert len(lab[1].all(do.SendArpProbe)) == 2


def test_address_that_a_station_here_uses_is_offered_to_nobody_for_a_while_on_any_node() -> None:
    lab = Lab(2)
    for number, station in ((1, ALICE), (1, BOB), (2, CAROL)):
        lab.join(number, station)
    first = first_of(lab)
    lab.squatters[first] = (1, BOB)
    second = offered(lab)
    assert second != first
    assert counted(lab, "dhcp4.squatters") == 1
    (offer,) = lab.dhcp(2, discover(CAROL, first))
    assert offer.message.yiaddr != first
    lab.wait(constants.SQUATTED_TIME + constants.LEASE_GRACE)
    lab.squatters.clear()
    lab.join(2, mac(9))
    (offer,) = lab.dhcp(2, discover(mac(9), first))
    assert offer.message.yiaddr == first


def test_squatter_that_is_slow_to_answer_is_believed_until_the_lease_is_made() -> None:
    """A dozing station hears a broadcast at its next beacon, after our offer."""
    lab = Lab()
    lab.join(1, ALICE)
    lab.join(1, BOB)
    first = offered(lab)
    lab.do(1, ev.ProbeAnswered("wlan0", BOB, ev.Probe.ARP, first))
    (nak,) = lab.dhcp(1, select(ALICE, first))
    assert nak.message.message_type is MessageType.NAK
    lab[1].forget()
    assert offered(lab) != first


def test_lease_that_is_made_cannot_be_talked_away() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    lab.join(1, BOB)
    address = lab.lease(1, ALICE)
    lab.do(1, ev.ProbeAnswered("wlan0", BOB, ev.Probe.ARP, address))
    assert lab[1].address(ALICE, lab.now) == address


def test_own_answer_of_the_station_is_no_conflict() -> None:
    """It goes on using the address that it had before our database was lost."""
    lab = Lab()
    lab.join(1, ALICE)
    lab.squatters[WISH] = (1, ALICE)
    assert offered(lab, WISH) == WISH


@pytest.mark.parametrize("who", ["nobody authorised", "on another interface"])
def test_answer_of_a_stranger_counts_nothing(who: str) -> None:
    lab = Lab(interfaces=("wlan0", "wlan1"))
    lab.join(1, ALICE)
    if who != "nobody authorised":
        lab.join(1, BOB, "wlan1")
    first = first_of(lab)
    lab.do(1, ev.DhcpReceived("wlan0", ALICE, IPv4Address(0), discover(ALICE)))
    lab.do(1, ev.ProbeAnswered("wlan0", BOB, ev.Probe.ARP, first))
    assert lab[1].node.database.live(ipv4_lease_key(first), lab.now).value == ALICE  # type: ignore[union-attr]


def test_station_that_claims_every_address_is_believed_a_few_times_only() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    lab.join(1, BOB)
    lab.squatters = dict.fromkeys(POOL, (1, BOB))
    offered(lab)
    assert counted(lab, "dhcp4.squatters") == constants.SQUATS_MAX
    assert counted(lab, "dhcp4.squatter-ignored") > 0


def test_reuse_only_after_expiry_grace_and_probe() -> None:
    """Of an address that another station had, whose holder is gone: RFC 2131 section 4.3.1, the last resort."""
    lab = Lab(pool=IPv4Network("192.0.2.0/30"))  # one address
    lab.join(1, BOB)
    only = lab.lease(1, BOB)
    lab.join(1, ALICE)
    lab.dhcp(1, release(BOB, only))
    lab.leave(1, BOB)
    assert lab.dhcp(1, discover(ALICE)) == []
    lab.wait(constants.LEASE_GRACE)
    lab[1].forget()
    assert offered(lab) == only
    assert lab[1].all(do.SendArpProbe) == [do.SendArpProbe("wlan0", GATEWAY, only)]


def test_known_station_is_not_kept_waiting_by_a_probe() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    lab[1].forget()
    lab.do(1, ev.DhcpReceived("wlan0", ALICE, IPv4Address(0), discover(ALICE)))
    assert kind_of(lab[1].replies()) == ["OFFER"]
    lab.dhcp(1, init_reboot(ALICE, address))
    assert lab[1].all(do.SendArpProbe) == []


# -- routes of nodes that we do not hear


def test_address_that_another_node_routes_is_not_given_out() -> None:
    """The flood between two nodes is cut, Babel is not."""
    lab = Lab(2)
    lab.join(1, ALICE)
    first = first_of(lab)
    lab.foreign_routes.add(IPv4Network(first))
    second = offered(lab)
    assert second != first
    assert counted(lab, "lease.routed-elsewhere") == 1
    (ack,) = lab.dhcp(1, select(ALICE, second))
    assert ack.message.yiaddr == second


def test_route_to_what_the_station_had_or_asks_for_is_taken_for_its_own() -> None:
    """Where it was before, the route may still be there: flooding, 3.5 asks the kernel about new choices only."""
    lab = Lab()
    lab.join(1, ALICE)
    lab.foreign_routes.add(IPv4Network(WISH))
    assert offered(lab, WISH) == WISH
    lab.dhcp(1, select(ALICE, WISH))
    lab.dhcp(1, release(ALICE, WISH))
    lab[1].forget()
    lab.wait(1)
    assert offered(lab) == WISH


def test_route_to_the_prefix_that_every_node_would_give_the_station_is_taken_for_its_own() -> None:
    """A station walks while the flood is cut: it keeps its prefix, though here nobody knows that it had it."""
    lab = Lab(2)
    first = lab[1].node.leases.choose_prefix(ALICE, lab.now)
    assert first is not None
    lab.foreign_routes.add(first)
    lab.join(1, ALICE)
    lab.wait(1)
    assert lab[1].node.leases.prefix_of(ALICE, lab.now) == first
    assert lab[1].all(do.FindRoute) == []


def test_prefix_that_another_node_routes_is_not_given_out_nor_routed_here() -> None:
    lab = Lab(2)
    leases = lab[1].node.leases
    own = leases.choose_prefix(ALICE, lab.now)
    assert own is not None
    lab[1].node.database.merge(Update(0, 7200, ipv6_lease_key(own), bytes(BOB)), lab.now)
    first = leases.choose_prefix(ALICE, lab.now)
    assert first is not None
    lab.foreign_routes.add(first)
    lab.join(1, ALICE)
    lab.wait(1)
    told = [prefix.prefix for sent in lab[1].all(do.SendRouterAdvertisement) for prefix in sent.advertisement.prefixes]
    assert told
    assert first not in told
    assert first not in {effect.route.prefix for effect in lab[1].all(do.InstallRoute)}
    assert {prefix for prefix in lab[1].here() if prefix.version == 6} == set(told)


@pytest.mark.parametrize("times", [1, 3])
def test_lease_that_was_found_by_its_route_stays_with_its_station_when_the_flood_is_back(times: int) -> None:
    """However often the address was avoided meanwhile: its holder has renewed it more often than that."""
    lab = Lab(2, links=(), pool=IPv4Network("192.0.2.0/30"))  # one address
    lab.join(2, BOB)
    only = lab.lease(2, BOB)
    lab.join(1, ALICE)
    lab.foreign_routes.add(IPv4Network(only))
    for _ in range(times):
        lab.do(1, ev.DhcpReceived("wlan0", ALICE, IPv4Address(0), discover(ALICE)))
        for _ in range(int(constants.ROUTED_AVOIDED_TIME // 900)):
            lab.wait(900)
            lab.dhcp(2, renew(BOB, only))
        lab.wait(constants.LEASE_GRACE)
    assert counted(lab, "lease.routed-elsewhere") == times
    lab[2].forget()
    lab.connect(1, 2)
    lab.wait(5)
    assert [host.address(BOB, lab.now) for host in lab.hosts] == [only, only]
    assert lab[2].all(do.Disassociate) == []


def test_route_found_too_late_changes_nothing() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    lab.do(1, ev.ForeignRouteFound(IPv4Network(address)))
    assert lab[1].address(ALICE, lab.now) == address
    assert lab[1].node.leases.choose_address(ALICE, None, lab.now) == address


def test_rivals_version_of_an_offer_ends_our_say_in_it() -> None:
    """From then on it is the other node's to decide about."""
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.join(1, BOB)
    first = offered(lab)
    lab.do(1, ev.UpdatesReceived(2, (Update(7, 1800, ipv4_lease_key(first), bytes(ALICE)),)))
    lab.do(1, ev.ProbeAnswered("wlan0", BOB, ev.Probe.ARP, first))
    assert lab[1].address(ALICE, lab.now) == first
