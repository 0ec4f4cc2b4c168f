"""Who is at the other end, is it alive, and does it hold what we hold (flooding, section 4)."""

from __future__ import annotations

import pytest

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.peering import REPAIR_INTERVAL, UNEQUAL_HELLOS
from sroamd.wire.datum import association_key, ipv4_lease_key
from sroamd.wire.flood import Hello, Update
from tests.core.harness import ALICE, BOB, Lab, id_of, mac
from tests.core.messages import release
from tests.core.strangers import SOMEBODY, claim, connect, hello, keys, node, says, sent_to

# -- hello


def test_hello_is_said_every_three_seconds_with_the_digest() -> None:
    lab = node()
    connect(lab)
    lab.join(1, ALICE)
    lab[1].forget()
    lab.wait(3.1)
    (sent,) = lab[1].all(do.SendHello)
    database = lab[1].node.database
    assert sent == do.SendHello(SOMEBODY, Hello(id_of(1), 3, database.digest, database.alive, "ap1"))
    lab.wait(6)
    assert len(lab[1].all(do.SendHello)) == 3


def test_connection_with_oneself_is_closed() -> None:
    lab = node()
    connect(lab, number=None)
    effects = lab.do(1, ev.PeerSaidHello(SOMEBODY, hello(lab, 1)))
    assert [e.peer for e in effects if isinstance(e, do.ClosePeer)] == [SOMEBODY]


def test_b10_silent_peer_is_closed_within_the_dead_time() -> None:
    lab = node()
    connect(lab)
    lab.wait(constants.PEER_DEAD_TIME + constants.HELLO_INTERVAL + 0.1)
    assert [e.peer for e in lab[1].all(do.ClosePeer)] == [SOMEBODY]
    lab.do(1, ev.PeerClosed(SOMEBODY))
    lab[1].forget()
    lab.wait(60)
    assert lab[1].all(do.SendHello) == lab[1].all(do.ClosePeer) == []


@pytest.mark.parametrize("sign", ["hello", "updates"])
def test_peer_that_says_something_lives(sign: str) -> None:
    lab = node()
    connect(lab)
    for number in range(20):
        lab.wait(5)
        event = ev.PeerSaidHello(SOMEBODY, hello(lab, 9))
        lab.do(1, event if sign == "hello" else ev.UpdatesReceived(SOMEBODY, (claim(0, 9, number),)))
    assert lab[1].all(do.ClosePeer) == []


def test_c_daemon_may_be_silent_for_ever() -> None:
    lab = node()
    connect(lab, number=None)
    lab.wait(3600)
    assert lab[1].all(do.ClosePeer) == []


# -- repair


def unequal(lab: Lab, times: int) -> list[Update]:
    effects = [e for _ in range(times) for e in lab.do(1, ev.PeerSaidHello(SOMEBODY, hello(lab, 9, digest=b"x" * 8)))]
    return sent_to(effects, SOMEBODY)


def test_databases_that_stay_unequal_are_repaired_by_sending_everything() -> None:
    lab = node()
    lab.join(1, ALICE)
    connect(lab)
    assert unequal(lab, UNEQUAL_HELLOS - 1) == []
    everything = {datum.key for datum in lab[1].node.database}
    assert keys(unequal(lab, 1)) == everything
    assert lab[1].node.counters["flood.repairs"] == 1


def test_repair_happens_once_a_minute_at_most() -> None:
    lab = node()
    connect(lab)
    unequal(lab, UNEQUAL_HELLOS)
    assert unequal(lab, 10 * UNEQUAL_HELLOS) == []
    lab.now += REPAIR_INTERVAL
    assert unequal(lab, 1) != []


def test_updates_or_an_equal_digest_between_are_a_reason_to_wait() -> None:
    lab = node()
    connect(lab)
    for number in range(5):
        assert unequal(lab, UNEQUAL_HELLOS - 1) == []
        if number % 2:
            says(lab, SOMEBODY, claim(0, 9, number))
        else:
            lab.do(1, ev.PeerSaidHello(SOMEBODY, hello(lab, 9)))


def test_repair_does_not_forget_what_was_waiting() -> None:
    """A released lease has no life left and is in no dump, but the peer holds it alive."""
    lab = node()
    connect(lab)
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    lab.do(1, ev.PeerBlocked(SOMEBODY))
    lab.dhcp(1, release(ALICE, address))
    unequal(lab, UNEQUAL_HELLOS)
    effects = lab.do(1, ev.PeerWritable(SOMEBODY))
    assert ipv4_lease_key(address) in keys(sent_to(effects, SOMEBODY))


def test_two_nodes_that_differ_become_equal() -> None:
    """However it came about: here a bit flipped in memory."""
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.join(2, BOB)
    database = lab[2].node.database
    lost = database.get(association_key(ALICE))
    assert lost is not None
    database.digests.forget(lost.key)
    del database._data[lost.key]
    lab.wait(UNEQUAL_HELLOS * constants.HELLO_INTERVAL + 5)
    assert lab[1].node.database.digest == database.digest
    assert lab[2].owner(ALICE, lab.now) == id_of(1)


# -- strangers


def test_events_of_unknown_peers_are_nothing() -> None:
    lab = node()
    for event in (
        ev.UpdatesReceived(99, (claim(5, 9),)),
        ev.PeerSaidHello(99, hello(lab, 9)),
        ev.PeerBlocked(99),
        ev.PeerWritable(99),
        ev.PeerClosed(99),
    ):
        assert lab.do(1, event) == []
    assert lab[1].node.database.get(association_key(mac(0))) is None


def test_closed_peer_is_sent_nothing() -> None:
    lab = node()
    connect(lab)
    lab.do(1, ev.PeerClosed(SOMEBODY))
    effects = lab.join(1, ALICE)
    assert sent_to(effects, SOMEBODY) == []
