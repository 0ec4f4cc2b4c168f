"""What a node answers when it is asked: every topic is JSON, and tells the truth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sroamd.core import events as ev
from sroamd.core.status import NotFound, UnknownTopic, report
from sroamd.wire.datum import ipv4_lease_key
from sroamd.wire.flood import Update
from tests.core.harness import ALICE, BOB, CAROL, Lab, config_of, id_of, lease_of
from tests.core.messages import decline, release
from tests.core.strangers import SOMEBODY, connect, hello

TOPICS = ("status", "stations", "database", "peers", "routes", "conflicts")


@pytest.fixture
def lab() -> Lab:
    """Alice at the first node with both addresses, Bob at the second with his /64, a hostile record or two."""
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    lab.join(2, BOB)
    hostile = (
        Update(1, 60, b"\xc8\xff\xfe", b"\xff\x00"),
        Update(1, 60, b"\x00\x00\x00\x00\x00", b"\xff" * 6),
        Update(1, 60, b"\x02" + b"\xff" * 6, b"\xff" * 8),
        Update(1, 60, b"\x80" + b"\x77" * 8, b"\x04\x1b[2J" + bytes(20)),
        Update(1, 60, b"\x80" + b"\x78" * 8, b""),
    )
    lab.do(1, ev.UpdatesReceived(2, hostile))
    return lab


def ask(lab: Lab, topic: str, argument: str | None = None, number: int = 1) -> Any:
    """As sroamctl gets it: through JSON."""
    answer = report(lab[number].node, topic, argument, lab.now)
    return json.loads(json.dumps(list(answer) if isinstance(answer, Iterator) else answer, allow_nan=False))


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_is_json_and_changes_nothing(lab: Lab, topic: str) -> None:
    before = lab[1].node.next_deadline(), lab[1].node.database.digest, len(lab[1].node.database)
    assert ask(lab, topic) == ask(lab, topic)
    assert before == (lab[1].node.next_deadline(), lab[1].node.database.digest, len(lab[1].node.database))


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_works_before_anything_is_known(topic: str) -> None:
    lab = Lab(0)
    host = lab.add(config_of(1), start=False)
    assert host.effects == []
    assert ask(lab, topic) is not None


def test_a_peer_whose_database_has_been_another_for_long_is_a_problem() -> None:
    lab = Lab(1)
    connect(lab)
    said: list[bool] = []
    for second in range(0, 300, 3):
        lab.wait(3)
        digest = None if second == 90 else b"another."  # once it is equal: from then on the time runs anew
        lab.do(1, ev.PeerSaidHello(SOMEBODY, hello(lab, 9, digest=digest)))
        answer = ask(lab, "status")
        said.append("peer ap9 has held another database for 3 min: sroamctl check" in answer["problems"])
        assert answer["healthy"] is not said[-1]
    assert said.index(True) == (90 + 180) // 3 + 1
    lab.do(1, ev.PeerSaidHello(SOMEBODY, hello(lab, 9)))
    assert ask(lab, "status")["problems"] == []


def test_unknown_topic_says_which_there_are(lab: Lab) -> None:
    with pytest.raises(UnknownTopic, match="database, leases, peers, routes, stations, status, where"):
        report(lab[1].node, "weather", None, lab.now)


def test_status_counts(lab: Lab) -> None:
    status = ask(lab, "status")
    assert status["node"] == {"name": "ap1", "id": str(id_of(1)), "version": status["node"]["version"]}
    assert (status["stations"], status["peers"], status["routes"]) == (1, 1, 2)
    assert status["digest"] == lab[1].node.database.digest.hex()
    assert status["counters"]["dhcp4.ack"] == 1
    assert status["healthy"] is (status["problems"] == [])


def test_healthy_node_has_no_problems() -> None:
    assert ask(Lab(1), "status")["healthy"] is True


@pytest.mark.parametrize("what", ["hostapd", "interface", "disk"])
def test_problems_are_named(what: str) -> None:
    lab = Lab(1)
    if what == "hostapd":
        lab.restart(1, stations=None)
    elif what == "interface":
        lab.do(1, ev.InterfaceChanged("wlan0", None))
    else:
        lab.do(1, ev.LeasesStored(0, durable=False))
    status = ask(lab, "status")
    assert status["healthy"] is False
    (problem,) = status["problems"]
    assert {"hostapd": "hostapd", "interface": "wlan0", "disk": "/var/lib/sroamd"}[what] in problem


def test_disk_that_works_again_is_no_problem_any_more() -> None:
    lab = Lab(1)
    lab.do(1, ev.LeasesStored(0, durable=False))
    lab.do(1, ev.LeasesStored(0))
    assert ask(lab, "status")["problems"] == []


def test_stations_tells_where_each_is_and_what_it_has(lab: Lab) -> None:
    found = {entry["station"]: entry for entry in ask(lab, "stations")}
    alice, bob = found[str(ALICE)], found[str(BOB)]
    address = lab[1].address(ALICE, lab.now)
    assert (alice["node"], alice["interface"], alice["ipv4"]) == ("ap1", "wlan0", [str(address)])
    assert (bob["node"], bob["interface"], bob["ipv4"]) == ("ap2", None, [])
    assert len(alice["ipv6"]) == len(bob["ipv6"]) == 1


def test_where_by_mac_by_address_and_by_any_address_in_the_prefix(lab: Lab) -> None:
    alice = ask(lab, "where", str(ALICE))
    prefix = alice["ipv6"][0].removesuffix("::/64")
    for argument in (alice["ipv4"][0], alice["ipv6"][0].removesuffix("/64"), f"{prefix}:1234:5678:9abc:def0"):
        assert ask(lab, "where", argument) == alice
        assert ask(lab, "where", argument, number=2)["node"] == "ap1"
    assert ask(lab, "where", str(ALICE).upper()) == alice


@pytest.mark.parametrize(
    "argument",
    [str(CAROL), "192.0.2.250", "2001:db8:44:dead::1", "", "alice", "192.0.2", "02:00:00:00:01", "fe80::1%wlan0", None],
)
def test_where_of_nobody_is_not_found(lab: Lab, argument: str | None) -> None:
    with pytest.raises(NotFound, match=r".+"):
        report(lab[1].node, "where", argument, lab.now)


def test_where_of_a_station_that_left_remembers_its_addresses_but_no_place(lab: Lab) -> None:
    lab.leave(1, ALICE)
    alice = ask(lab, "where", str(ALICE))
    assert (alice["node"], alice["interface"]) == (None, None)
    assert len(alice["ipv4"]) == 1


def test_where_of_a_declined_or_released_address_is_nobody(lab: Lab) -> None:
    address = lab[1].address(ALICE, lab.now)
    assert address is not None
    lab.dhcp(1, decline(ALICE, address))
    with pytest.raises(NotFound):
        ask(lab, "where", str(address))
    second = lab.lease(1, ALICE)
    lab.dhcp(1, release(ALICE, second))
    with pytest.raises(NotFound):
        ask(lab, "where", str(second))
    kinds = {entry["key"]: entry["value"] for entry in ask(lab, "database")}
    assert kinds[str(address)] == "declined"


def test_database_names_kinds_keys_and_values(lab: Lab) -> None:
    entries = {(entry["kind"], entry["key"]): entry for entry in ask(lab, "database")}
    address = lab[1].address(ALICE, lab.now)
    assert entries["ipv4", str(address)]["value"] == str(ALICE)
    assert entries["association", str(ALICE)]["value"] == "ap1"
    assert entries["association", str(BOB)]["value"] == "ap2"
    assert entries["node", str(id_of(2))]["value"] == "ap2 10.255.0.2 fd00:255::2"
    assert entries["200", "fffe"]["value"] == "ff00"
    assert len(entries) == len(lab[1].node.database)


def test_database_shows_what_is_expired_and_remembered(lab: Lab) -> None:
    address = lab[1].address(ALICE, lab.now)
    assert address is not None
    lab.leave(1, ALICE)
    lab.do(1, ev.UpdatesReceived(2, (Update(90, 0, ipv4_lease_key(address), bytes(ALICE)),)))
    (entry,) = [entry for entry in ask(lab, "database") if entry["key"] == str(address)]
    assert entry["remaining"] == 0
    assert lab[1].node.database.get(lease_of(address)) is not None


@pytest.mark.parametrize("topic", ["stations", "database"])
def test_long_lists_are_of_one_moment_whatever_happens_between_two_rows(lab: Lab, topic: str) -> None:
    """Who asks reads them while stations come and go."""
    key = {"stations": "station", "database": "key"}[topic]
    before = {row[key] for row in ask(lab, topic)}
    rows = report(lab[1].node, topic, None, lab.now)
    assert isinstance(rows, Iterator)
    told = [next(rows)]
    lab.join(1, CAROL)
    lab.lease(1, CAROL)
    lab.leave(1, ALICE)
    for datum in list(lab[1].node.database):
        lab[1].node.database.expire(datum.key, lab.now + 1e9)  # and is forgotten
    told += rows
    assert {row[key] for row in told} == before  # type: ignore[index, call-overload]
    assert len(told) == len(before)
    assert {row[key] for row in ask(lab, topic)} < {*before, str(CAROL)}, "and of now now"


def test_peers_tells_names_and_figures(lab: Lab) -> None:
    (peer,) = ask(lab, "peers")
    assert (peer["peer"], peer["node"], peer["id"]) == ("ap2", "ap2", str(id_of(2)))
    assert peer["updates_in"] > 0
    assert peer["updates_out"] > 0
    assert peer["waiting"] == 0


def test_node_that_is_dialled_by_others_knows_that_it_has_lost_them_all() -> None:
    lab = Lab(2)
    assert ask(lab, "status")["healthy"]
    lab.cut(1, 2)
    assert ask(lab, "status")["problems"] == ["no peer is connected: moves of stations are not known here"]


def test_node_that_has_lost_all_peers_says_how_long_its_direct_routes_stay(lab: Lab) -> None:
    assert (ask(lab, "status")["routes"], ask(lab, "status")["direct_routes"]) == (2, 1)
    lab.cut(1, 2)
    (problem,) = ask(lab, "status")["problems"]
    assert problem.endswith("; its direct routes (1) stay until their data expire, 90 min at most")


def test_node_that_has_never_heard_of_another_is_well_alone() -> None:
    assert ask(Lab(1), "status")["healthy"]
