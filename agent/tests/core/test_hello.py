"""Who is at the other end, and is it alive (flooding, section 4)."""

from __future__ import annotations

import pytest

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core import status
from sroamd.wire.datum import association_key
from sroamd.wire.flood import Hello
from tests.core.harness import ALICE, Lab, id_of, mac
from tests.core.strangers import ANOTHER, SOMEBODY, claim, connect, hello, node, sent_to

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


def closed(effects: list[do.Effect]) -> list[tuple[int, float]]:
    """Which connections are closed, and when they are dialled again."""
    return [(e.peer, e.redial_after) for e in effects if isinstance(e, do.ClosePeer)]


def greet(lab: Lab, peer: int, number: int, *, dialled: bool) -> list[tuple[int, float]]:
    """A connection with that node, to its first Hello. Returns what is closed over it."""
    lab.do(1, ev.PeerReady(peer, f"192.0.2.{peer}", dialled=dialled))
    return closed(lab.do(1, ev.PeerSaidHello(peer, hello(lab, number))))


def says_hello(lab: Lab, peer: int, number: int) -> list[tuple[int, float]]:
    return closed(lab.do(1, ev.PeerSaidHello(peer, hello(lab, number))))


MUCH_LATER = constants.REDIAL_SUPERFLUOUS


def twins(lab: Lab) -> list[str]:
    return [problem for problem in status.problems(lab[1].node, lab.now) if "has the id of this one" in problem]


def test_twin_that_we_have_dialled_is_closed_and_an_operator_told() -> None:
    lab = node()
    assert twins(lab) == []
    assert greet(lab, SOMEBODY, 1, dialled=True) == [(SOMEBODY, constants.REDIAL_LATER)]
    assert [note.level for note in lab[1].all(do.Note)].count(do.Level.ERROR) == 1
    assert twins(lab) == [
        f"another node has the id of this one, {id_of(1)}: 'ap1' at 192.0.2.51; give one of them a new id"
    ]
    lab.wait(constants.TWIN_MEMORY)
    assert twins(lab) == []


def test_twin_that_has_dialled_may_close_itself_and_is_closed_if_it_does_not() -> None:
    lab = node()
    assert greet(lab, SOMEBODY, 1, dialled=False) == []
    assert twins(lab) != []
    assert says_hello(lab, SOMEBODY, 1) == [(SOMEBODY, constants.REDIAL_LATER)]


def test_twin_is_told_nothing_of_what_is_known() -> None:
    lab = node()
    lab.join(1, ALICE)
    greet(lab, SOMEBODY, 1, dialled=False)
    lab.wait(2)
    assert sent_to(lab[1].effects, SOMEBODY) == []


@pytest.mark.parametrize("first", [SOMEBODY, ANOTHER])
def test_of_two_connections_dialled_by_either_node_the_one_of_the_smaller_id_stays(first: int) -> None:
    for number, expected in ((9, []), (0, [(SOMEBODY, MUCH_LATER)])):  # this node is number 1; it has dialled SOMEBODY
        lab = node()
        over = []
        for peer in (first, SOMEBODY + ANOTHER - first):
            over += greet(lab, peer, number, dialled=peer == SOMEBODY)
        assert over == expected


def test_of_two_connections_that_we_have_dialled_the_older_stays_while_it_is_alive() -> None:
    lab = node()
    greet(lab, SOMEBODY, 9, dialled=True)
    assert greet(lab, ANOTHER, 9, dialled=True) == [(ANOTHER, MUCH_LATER)]


def test_newer_connection_stays_where_the_older_has_fallen_silent() -> None:
    lab = node()
    greet(lab, SOMEBODY, 9, dialled=True)
    lab.wait(5)
    assert greet(lab, ANOTHER, 9, dialled=True) == [(SOMEBODY, MUCH_LATER)]


def test_connections_that_the_other_node_has_dialled_are_its_to_close() -> None:
    """We do not know which it would dial again at once."""
    lab = node()
    greet(lab, SOMEBODY, 0, dialled=False)
    greet(lab, ANOTHER, 0, dialled=False)
    assert says_hello(lab, ANOTHER, 0) == says_hello(lab, SOMEBODY, 0) == []


def test_connection_of_ours_stays_where_that_of_the_smaller_id_is_silent() -> None:
    lab = node()
    greet(lab, SOMEBODY, 0, dialled=False)
    lab.wait(5)
    assert greet(lab, ANOTHER, 0, dialled=True) == []


def test_closing_what_is_superfluous_is_no_warning() -> None:
    lab = node()
    greet(lab, SOMEBODY, 9, dialled=True)
    greet(lab, ANOTHER, 9, dialled=True)
    (note,) = lab.do(1, ev.PeerClosed(ANOTHER))
    assert isinstance(note, do.Note)
    assert note.level is do.Level.INFO


def test_loss_is_a_warning_only_where_no_other_connection_with_the_node_is_left() -> None:
    """The other end has closed what was superfluous to it; then it is gone altogether."""
    lab = node()
    for peer in (SOMEBODY, ANOTHER):
        greet(lab, peer, 0, dialled=False)
    levels = []
    for peer in (SOMEBODY, ANOTHER):
        lab[1].forget()
        lab.do(1, ev.PeerClosed(peer))
        levels += [note.level for note in lab[1].all(do.Note)]
    assert levels == [do.Level.INFO, do.Level.WARNING]


def test_connections_with_different_nodes_and_with_c_daemons_all_stay() -> None:
    lab = node()
    for peer, number in ((SOMEBODY, 8), (ANOTHER, 9)):
        assert greet(lab, peer, number, dialled=True) == []
    for peer in (53, 54):
        connect(lab, peer, number=None)
    lab.wait(3)
    assert lab[1].all(do.ClosePeer) == []


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
