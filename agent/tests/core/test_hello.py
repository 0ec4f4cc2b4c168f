"""Who is at the other end, and is it alive (flooding, section 4)."""

from __future__ import annotations

import pytest

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.wire.datum import association_key
from sroamd.wire.flood import Hello
from tests.core.harness import ALICE, id_of, mac
from tests.core.strangers import SOMEBODY, claim, connect, hello, node, sent_to

# -- hello


def test_hello_is_said_every_three_seconds_with_the_digest() -> None:
    lab = node()
    connect(lab)
    lab.join(1, ALICE)
    lab[1].forget()
    lab.wait(3.1)
    (sent,) = lab[1].all(do.SendHello)
    database = lab[1].node.database
    assert sent == do.SendHello(SOMEBODY, Hello(id_of(1), 3, database.digest, database.alive, "ap1", repairs=True))
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
