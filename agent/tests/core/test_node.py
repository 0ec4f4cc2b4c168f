"""The node as a whole: nothing that comes from outside can raise, hang, or fill the memory; stored leases come back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.status import report
from sroamd.core.values import StoredDatum
from sroamd.wire.datum import NodeRecord, association_key, node_key
from sroamd.wire.flood import Update
from sroamd.wire.icmpv6 import RouterSolicitation
from tests.core.harness import ALICE, BOB, POOL, Lab, config_of, id_of, lease_of, mac
from tests.core.messages import renew
from tests.core.strategies import events, waits


@given(st.lists(st.tuples(events, waits), min_size=20, max_size=60))
@settings(max_examples=50, deadline=None)
def test_nothing_from_outside_raises(story: list[tuple[ev.Event, float]]) -> None:
    lab = Lab()
    node = lab[1].node
    lab.join(1, ALICE)
    lab.join(1, BOB)
    lab.do(1, ev.PeerReady(1, "192.0.2.254"))
    for event, wait in story:
        node.handle(event, lab.now)
        lab.now += wait
        deadline = node.next_deadline()
        if deadline is not None and deadline <= lab.now:
            node.handle(ev.Tick(), lab.now)
            again_at = node.next_deadline()
            assert again_at is None or again_at > lab.now, "a Tick leaves something that is due"
        for topic in ("status", "stations", "database", "peers", "routes", "conflicts"):
            answer = report(node, topic, None, lab.now)
            if isinstance(answer, Iterator):
                assert all(isinstance(row, dict) for row in answer)
    assert all(prefix.prefixlen in (32, 64) for prefix in (route.prefix for route in node.routes.installed()))
    assert node.state.offers <= {datum.key for datum in node.database}
    assert set(node.associations.pings._under_way) <= set(node.state.present)


def test_tick_with_nothing_due_is_nothing() -> None:
    lab = Lab()
    lab.wait(60)
    assert lab.do(1, ev.Tick()) == []


# -- growth


def test_ten_thousand_stations_leave_nothing_behind_but_what_the_design_remembers() -> None:
    """C22: a random address for each association."""
    lab = Lab()
    node = lab[1].node
    for number in range(300):
        station = mac(number)
        lab.join(1, station)
        lab.dhcp(1, renew(station, IPv4Address("192.0.2.200")))
        lab.do(1, ev.RouterSolicited("wlan0", station, IPv6Address("fe80::1"), RouterSolicitation()))
        lab.leave(1, station)
    lab.wait(2 * constants.RA_INTERVAL + constants.ASSOCIATION_LIFE + constants.ASSOCIATION_HOLD)
    assert node.state.present == {}
    for table in (
        node.associations.pings._under_way,
        node.associations.pings._link_local,
        node.associations._waiting,
        node.associations._acknowledged,
        node.associations.conflicts.stations,
        node.announcements._begun,
        node.router_advertiser._answered,
        node.router_advertiser._unwritten,
        node.router_advertiser._contested,
        node.router_advertiser._lost,
        node.dhcp_server._contested,
        node.dhcp_server._declines,
        node.routes.demotions,
        node.routes.near,
        node.routes.direct.installed,
        node.routes.direct._waiting,
        node.state.offers,
    ):
        assert len(table) == 0
    assert {datum.key[0] for datum in node.database} <= {1, 128}
    lab.wait(constants.LEASE_HOLD + 4 * constants.RA_VALID_LIFETIME)
    assert [datum.key[0] for datum in node.database] == [128]
    assert len(node.state.agenda._valid) < 5


def test_forgotten_leases_leave_the_disk() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    lab.leave(1, ALICE)
    assert len(lab[1].disk) == 2
    lab.wait(constants.LEASE_HOLD + 3 * constants.RA_VALID_LIFETIME)
    assert lab[1].disk == {}


# -- the store


def test_all_nodes_keep_all_leases() -> None:
    lab = Lab(3)
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    for host in lab.hosts:
        assert {key[0] for key in host.disk} == {0, 1}
        assert host.disk[lease_of(address)][0].value == ALICE


def test_power_loss_of_everybody_loses_no_address() -> None:
    lab = Lab(3)
    for number in range(6):
        lab.join(1 + number % 3, mac(number))
        lab.lease(1 + number % 3, mac(number))
    before = {
        mac(n): (lab[1].address(mac(n), lab.now), lab[1].node.leases.prefix_of(mac(n), lab.now)) for n in range(6)
    }
    lab.wait(600)
    for host in lab.hosts:
        host.kernel.clear()
        lab.restart(host.number)
    lab.now += 7200  # the leases have run out meanwhile
    for number in range(6):
        station, at = mac(number), 3 - number % 3
        lab.join(at, station)
        assert (lab.lease(at, station), lab[at].node.leases.prefix_of(station, lab.now)) == before[station]


def test_restart_is_not_a_change_for_the_peers() -> None:
    """What was on disk is what they hold: nothing of it is flooded on."""
    lab = Lab(3)
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    lab.restart(2)
    lab[1].forget()
    lab[3].forget()
    lab.connect(1, 2)
    lab.connect(2, 3)
    leases = lab[1].node.database.leases_of(ALICE)
    for host in (lab[1], lab[3]):
        onward = {u.key for sent in host.all(do.SendUpdates) for u in sent.updates if sent.peer != 2}
        assert leases.isdisjoint(onward)


@pytest.mark.parametrize(
    "datum",
    [
        StoredDatum(b"", b"", 0, 100.0),
        StoredDatum(b"\x00\xc0", bytes(ALICE), 0, 100.0),
        StoredDatum(lease_of(IPv4Address("192.0.2.7")), b"short", 0, 100.0),
        StoredDatum(lease_of(IPv4Address("192.0.2.7")), bytes(ALICE), 70_000, 100.0),
        StoredDatum(lease_of(IPv4Address("192.0.2.7")), bytes(ALICE), -1, 100.0),
        StoredDatum(lease_of(IPv4Address("192.0.2.7")), bytes(ALICE), 0, float("nan")),
        StoredDatum(association_key(ALICE), bytes(id_of(2)), 0, 100.0),
    ],
    ids=["no key", "short key", "short value", "seqno too large", "seqno negative", "no number", "no lease"],
)
def test_h03_stored_datum_that_makes_no_sense_is_left_out_and_counted(datum: StoredDatum) -> None:
    lab = Lab()
    host = lab.add(config_of(2), start=False)
    good = StoredDatum(lease_of(IPv4Address("192.0.2.8")), bytes(BOB), 3, 100.0)
    lab.do(host, ev.LeasesLoaded((datum, good)))
    assert host.address(BOB, lab.now) == IPv4Address("192.0.2.8")
    assert host.address(ALICE, lab.now) is None
    assert host.node.counters["store.malformed-datum"] == 1


def test_h05_stored_lifetime_is_capped() -> None:
    """A clock that jumped must not make a lease eternal."""
    lab = Lab()
    host = lab.add(config_of(2), start=False)
    lab.do(host, ev.LeasesLoaded((StoredDatum(lease_of(IPv4Address("192.0.2.7")), bytes(ALICE), 3, 1e9),)))
    lab.wait(constants.LEASE_LIFE_MAX + 1)
    assert host.address(ALICE, lab.now) is None


# -- reload


def test_reload_is_told_to_the_peers_and_used_at_once() -> None:
    lab = Lab(2)
    config = lab[1].config
    node = replace(config.node, name="attic", router_ipv4=IPv4Address("10.255.0.77"))
    lab.do(1, ev.ConfigReloaded(replace(config, node=node, dhcp4=replace(config.dhcp4, lease_time=600))))
    assert lab[2].node.nodes.name(id_of(1)) == "attic"
    assert IPv4Address("10.255.0.77") in lab[2].all(do.WatchNextHops)[-1].addresses
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    datum = lab[1].node.database.get(lease_of(address))
    assert datum is not None
    assert datum.expires_at - lab.now == pytest.approx(600, abs=constants.CONTEST_TIME)
    assert address in POOL


# -- node records


def test_record_of_a_former_self_is_corrected() -> None:
    lab = Lab(2)
    old = NodeRecord("old name", None, None).encode()
    lab.do(1, ev.UpdatesReceived(2, (Update(7, 5000, node_key(id_of(1)), old),)))
    lab.wait(0.1)
    assert lab[2].node.nodes.name(id_of(1)) == "ap1"


def test_own_record_is_renewed_in_time() -> None:
    lab = Lab(2)
    lab.wait(4 * constants.NODE_LIFE)
    assert lab[2].node.nodes.name(id_of(1)) == "ap1"


def twins() -> Lab:
    """A copied memory card: the second and the third have one id. They meet through the first: no Hello tells."""
    lab = Lab(1)
    for number in (2, 3):
        twin = lab.add(config_of(number), start=False)
        twin.node.state.node_id = id_of(2)
        lab.start(twin)
    lab.connect(1, 2)
    lab.connect(1, 3)
    lab[1].forget()
    return lab


def sent_by_first(lab: Lab, key: bytes) -> int:
    return len({u.seqno for e in lab[1].all(do.SendUpdates) for u in e.updates if u.key == key})


def test_twins_correct_each_other_less_and_less() -> None:
    lab = twins()
    lab.wait(3600)
    first_hour = sent_by_first(lab, node_key(id_of(2)))
    lab[1].forget()
    lab.wait(3600)
    assert first_hour < 40
    assert sent_by_first(lab, node_key(id_of(2))) <= 2 * 3600 / constants.NODE_CORRECTION_MAX + 3


def test_twins_are_told_to_the_operator_of_each() -> None:
    lab = twins()
    lab.wait(60)
    for number, other in ((2, 3), (3, 2)):
        told = report(lab[number].node, "status", None, lab.now)
        assert isinstance(told, dict)
        (problem,) = told["problems"]
        assert problem == (
            f"another node has the id of this one, {id_of(2)}: 'ap{other}' 10.255.0.{other} fd00:255::{other}; "
            "give one of them a new id"
        )
        assert any("another node has the id of this one" in note.text for note in lab[number].all(do.Note))
    told = report(lab[1].node, "status", None, lab.now)
    assert isinstance(told, dict)
    assert told["problems"] == []


def test_former_self_is_no_twin() -> None:
    """Two peers, each with a record of it from another time."""
    lab = Lab(3, links=[(1, 2), (1, 3)])
    for number, name in ((2, "old"), (3, "older")):
        old = NodeRecord(name, None, None).encode()
        lab.do(1, ev.UpdatesReceived(number, (Update(7 * number, 5000, node_key(id_of(1)), old),)))
    lab.wait(10)
    assert [host.node.nodes.name(id_of(1)) for host in lab.hosts] == ["ap1"] * 3
    assert lab[1].node.own_record.twin(lab.now) is None


def test_station_of_a_twin_is_not_fought_over_for_ever() -> None:
    """Each withdraws what the other claims in the name of both."""
    lab = twins()
    lab.join(2, ALICE)
    lab.lease(2, ALICE)
    lab.wait(600)
    lab[1].forget()
    lab.wait(1000)
    assert sent_by_first(lab, association_key(ALICE)) <= 2 * 1000 / constants.RECLAIM_WAIT_MAX + 5
    lab.leave(2, ALICE)
    lab.wait(61)
    assert lab[1].owner(ALICE, lab.now) == b""
