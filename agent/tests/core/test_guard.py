"""What the source guard lets each station send from: derived from the database and from who is here."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from sroamd.config import GuardConfig
from sroamd.constants import ADOPT_TIME
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.guard import in_order
from sroamd.core.status import problems
from sroamd.core.values import Permit
from sroamd.wire.datum import association_key, ipv4_lease_key, ipv6_lease_key
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, BOB, Lab, id_of
from tests.core.messages import discover, release

STRANGE = Permit("wlan0", BOB, IPv4Network("192.0.2.77/32"))


def prefixes(lab: Lab, number: int = 1) -> set[str]:
    return {str(permit.prefix) for permit in lab[number].permits if permit.prefix is not None}


def everything(lab: Lab, number: int = 1) -> bool:
    """What the node believes is what there is."""
    host = lab[number]
    return host.node.guard.permits() == host.permits


def with_alice(count: int = 1) -> tuple[Lab, str, str]:
    """She is at the first node; her address and her /64."""
    lab = Lab(count)
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    prefix = lab[1].node.leases.prefix_of(ALICE, lab.now)
    return lab, f"{address}/32", str(prefix)


def lease(lab: Lab, number: int, key: bytes, station: bytes, *, life: int = 600, seqno: int = 1) -> list[do.Effect]:
    """Says a peer that is heard for the first time, or again."""
    if 9 not in lab[number].node.peering.peers:
        lab.do(number, ev.PeerReady(9, "ap9"))
    return lab.do(number, ev.UpdatesReceived(9, (Update(seqno, life, key, station),)))


def test_station_may_use_its_address_and_its_prefix_from_the_moment_of_the_lease() -> None:
    lab, address, prefix = with_alice()
    assert lab[1].permits == {
        Permit("wlan0", ALICE),
        Permit("wlan0", ALICE, IPv4Network(address)),
        Permit("wlan0", ALICE, IPv6Network(prefix)),
    }
    assert everything(lab)


def test_what_is_only_offered_may_not_be_used() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    (offer,) = lab.dhcp(1, discover(ALICE))
    assert offer.message.yiaddr is not None
    assert all(permit.prefix is None or permit.prefix.version == 6 for permit in lab[1].permits)


def test_permit_comes_before_the_route_and_before_the_flood() -> None:
    lab, *_ = with_alice()
    lab.leave(1, ALICE)
    effects = lab.join(1, ALICE)
    kinds = [type(effect) for effect in effects]
    assert kinds[:3] == [do.AddPermit] * 3
    assert kinds[3:5] == [do.InstallRoute] * 2
    assert do.RemovePermit not in kinds


def test_station_that_has_left_may_do_nothing_and_that_comes_last() -> None:
    lab, *_ = with_alice()
    effects = lab.leave(1, ALICE)
    assert lab[1].permits == set()
    assert everything(lab)
    removed = [place for place, effect in enumerate(effects) if isinstance(effect, do.RemovePermit)]
    others = [place for place, effect in enumerate(effects) if not isinstance(effect, do.RemovePermit | do.Note)]
    assert len(removed) == 3
    assert all(place < min(removed) for place in others)


def test_roaming_station_is_heard_at_the_new_node_at_once_and_at_the_old_one_while_its_radio_lists_it() -> None:
    lab, address, prefix = with_alice(2)
    lab.join(2, ALICE)
    assert prefixes(lab, 2) == {address, prefix}
    assert prefixes(lab, 1) == {address, prefix}, "it may be the one that is right"
    lab.wait(1.0)
    assert lab[1].permits == set(), "it has not answered there"
    assert prefixes(lab, 2) == {address, prefix}


def test_station_whose_claim_has_to_wait_may_send_all_the_same() -> None:
    lab, address, prefix = with_alice(2)
    for _ in range(20):
        lab.join(2, ALICE)
        lab.join(1, ALICE)
    assert not lab[1].node.associations.names_us(ALICE, lab.now)
    assert prefixes(lab) == {address, prefix}


def test_lease_that_ends_is_no_permit() -> None:
    lab, address, prefix = with_alice()
    lab.dhcp(1, release(ALICE, IPv4Address(address.partition("/")[0])))
    assert prefixes(lab) == {prefix}
    assert Permit("wlan0", ALICE) in lab[1].permits


def test_lease_that_expires_is_no_permit() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    key = ipv4_lease_key(IPv4Address("192.0.2.99"))
    lease(lab, 1, key, ALICE, life=60)
    assert "192.0.2.99/32" in prefixes(lab)
    lab.wait(61)
    assert "192.0.2.99/32" not in prefixes(lab)
    assert everything(lab)


def test_lease_that_passes_to_another_station_takes_its_permit_along() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    lab.join(1, BOB)
    key = ipv4_lease_key(IPv4Address("192.0.2.99"))
    lease(lab, 1, key, ALICE)
    assert Permit("wlan0", ALICE, IPv4Network("192.0.2.99/32")) in lab[1].permits
    lease(lab, 1, key, BOB, seqno=2)
    holders = {permit.station for permit in lab[1].permits if permit.prefix == IPv4Network("192.0.2.99/32")}
    assert holders == {BOB}
    assert everything(lab)


def test_leases_of_stations_elsewhere_are_no_permits() -> None:
    lab, *_ = with_alice(2)
    assert lab[2].permits == set()
    assert lab[2].all(do.AddPermit) == []


def test_peer_cannot_invent_permits_for_the_gateway_or_for_other_peoples_networks() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    before = set(lab[1].permits)
    for text in ("192.0.2.0", "192.0.2.1", "192.0.2.255", "203.0.113.7", "10.255.0.1"):
        lease(lab, 1, ipv4_lease_key(IPv4Address(text)), ALICE)
    lease(lab, 1, ipv6_lease_key(IPv6Network("2001:db8:99::/64")), ALICE)
    assert lab[1].permits == before


def test_station_that_changes_the_interface_may_send_on_the_new_one_only() -> None:
    lab = Lab(interfaces=("wlan0", "wlan1"))
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    lab.join(1, ALICE, "wlan1")
    assert {permit.interface for permit in lab[1].permits} == {"wlan1"}
    assert everything(lab)


def test_two_stations_of_one_interface_have_each_its_own() -> None:
    lab, address, prefix = with_alice()
    lab.join(1, BOB)
    other = f"{lab.lease(1, BOB)}/32"
    by_station = {station: {str(p.prefix) for p in lab[1].permits if p.station == station} for station in (ALICE, BOB)}
    assert {address, prefix} <= by_station[ALICE]
    assert other in by_station[BOB]
    assert by_station[ALICE] & by_station[BOB] == {"None"}


# -- what the kernel has


def test_what_is_missing_in_the_kernel_is_put_back_and_what_is_strange_goes() -> None:
    lab, *_ = with_alice()
    before = set(lab[1].permits)
    lab.wait(ADOPT_TIME)
    lab[1].permits = {Permit("wlan0", ALICE), STRANGE}
    lab.do(1, ev.GuardListed(frozenset(lab[1].permits)))
    assert lab[1].permits == before
    assert everything(lab)


def test_restart_leaves_no_gap() -> None:
    """Nobody who was here before is cut off, and nothing has to be put in again."""
    lab, *_ = with_alice()
    before = set(lab[1].permits)
    lab[1].forget()
    lab.restart(1, stations=None)
    assert lab[1].permits == before
    lab.do(1, ev.StationsListed("wlan0", frozenset({ALICE})))
    lab.wait(ADOPT_TIME + 1)
    assert lab[1].permits == before
    assert lab[1].all(do.AddPermit) == lab[1].all(do.RemovePermit) == []


def test_permits_that_nothing_explains_after_a_restart_are_kept_while_the_peers_may_know() -> None:
    lab, *_ = with_alice()
    before = set(lab[1].permits)
    lab.restart(1, keep_disk=False, stations=[ALICE])
    assert before <= lab[1].permits
    lab.wait(ADOPT_TIME - 1)
    assert before <= lab[1].permits
    lab.wait(2)
    assert Permit("wlan0", ALICE) in lab[1].permits
    assert everything(lab)
    assert not prefixes(lab) & {str(p.prefix) for p in before if p.prefix and p.prefix.version == 4}


def test_station_that_has_left_during_a_restart_may_do_nothing_as_soon_as_hostapd_has_said_so() -> None:
    lab, *_ = with_alice()
    lab.restart(1, stations=())
    assert lab[1].permits == set()


def test_address_that_was_given_to_another_during_a_restart_is_not_kept() -> None:
    lab, address, _ = with_alice()
    key = ipv4_lease_key(IPv4Address(address.partition("/")[0]))
    lab.restart(1, keep_disk=False, stations=[ALICE])
    lease(lab, 1, key, BOB, seqno=9)
    assert address not in prefixes(lab)
    assert everything(lab)


def test_where_there_is_no_guard_nothing_is_asked_of_it() -> None:
    lab = Lab()
    config = lab[1].config
    lab.do(1, ev.ConfigReloaded(replace(config, guard=GuardConfig(enabled=False))))
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    assert lab[1].all(do.AddPermit) == []
    lab.do(1, ev.ConfigReloaded(config))
    assert {permit.station for permit in lab[1].permits} == {ALICE}
    assert everything(lab)


def test_problem_is_told_by_the_status() -> None:
    lab, *_ = with_alice()
    lab.do(1, ev.GuardListed(frozenset(lab[1].permits), "there is no nft"))
    assert "the source guard: there is no nft" in problems(lab[1].node, lab.now)
    lab.do(1, ev.GuardListed(frozenset(lab[1].permits)))
    assert not any("guard" in problem for problem in problems(lab[1].node, lab.now))


def test_claim_of_another_node_alone_changes_no_permit() -> None:
    lab, address, prefix = with_alice()
    lab[1].forget()
    lease(lab, 1, association_key(ALICE), bytes(id_of(7)), seqno=99)
    assert prefixes(lab) == {address, prefix}


def test_order_does_not_hang_on_the_process() -> None:
    permits = frozenset({STRANGE, Permit("wlan1", ALICE), Permit("wlan0", ALICE), Permit("wlan0", BOB)})
    assert in_order(permits) == [Permit("wlan0", ALICE), Permit("wlan0", BOB), STRANGE, Permit("wlan1", ALICE)]
