"""A leaf of the flooding: what one of its peers says is told to another that does not say it itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sroamd.config import FloodConfig
from sroamd.constants import RELAY_WAIT
from sroamd.core import events as ev
from sroamd.wire.datum import association_key
from sroamd.wire.flood import Update
from tests.core.harness import Lab, config_of, mac
from tests.core.strangers import ANOTHER, SOMEBODY, claim, connect, says, sent_to

THIRD = 53
NEWS = claim(5, 9)


@pytest.fixture
def leaf() -> Lab:
    """A leaf with two peers."""
    lab = Lab(0)
    lab.add(replace(config_of(1), flood=FloodConfig(leaf=True)))
    connect(lab, SOMEBODY, number=8)
    connect(lab, ANOTHER, number=9)
    lab[1].forget()
    return lab


def told(lab: Lab, peer: int) -> list[int]:
    """The seqnos of the station's versions that the peer has been sent."""
    return [update.seqno for update in sent_to(lab[1].effects, peer) if update.key == NEWS.key]


def test_what_is_its_own_a_leaf_says_at_once_to_all(leaf: Lab) -> None:
    leaf.join(1, mac(0))
    assert (len(told(leaf, SOMEBODY)), len(told(leaf, ANOTHER))) == (1, 1)


def test_what_both_peers_say_is_told_to_neither(leaf: Lab) -> None:
    says(leaf, SOMEBODY, NEWS)
    leaf.wait(RELAY_WAIT / 2)
    says(leaf, ANOTHER, NEWS)
    leaf.wait(2 * RELAY_WAIT)
    assert (told(leaf, SOMEBODY), told(leaf, ANOTHER)) == ([], [])


def test_what_one_peer_does_not_say_it_is_told_after_a_while_once(leaf: Lab) -> None:
    says(leaf, SOMEBODY, NEWS)
    leaf.wait(RELAY_WAIT * 0.9)
    assert told(leaf, ANOTHER) == []
    leaf.wait(10 * RELAY_WAIT)
    assert (told(leaf, SOMEBODY), told(leaf, ANOTHER)) == ([], [5])


def test_of_three_peers_only_those_who_have_not_said_it_are_told(leaf: Lab) -> None:
    connect(leaf, THIRD, number=7)
    says(leaf, SOMEBODY, NEWS)
    says(leaf, THIRD, NEWS)
    leaf.wait(2 * RELAY_WAIT)
    assert (told(leaf, SOMEBODY), told(leaf, ANOTHER), told(leaf, THIRD)) == ([], [5], [])


def test_peer_that_says_something_older_is_told_at_once_and_not_again(leaf: Lab) -> None:
    says(leaf, SOMEBODY, NEWS)
    says(leaf, ANOTHER, replace(NEWS, seqno=4))
    assert told(leaf, ANOTHER) == [5]
    leaf.wait(2 * RELAY_WAIT)
    assert told(leaf, ANOTHER) == [5]


def test_own_version_above_what_waits_is_said_at_once_and_alone(leaf: Lab) -> None:
    says(leaf, SOMEBODY, NEWS)
    leaf.join(1, mac(0))
    leaf.wait(2 * RELAY_WAIT)
    assert (told(leaf, SOMEBODY), told(leaf, ANOTHER)) == ([6], [6])


def test_newer_version_waits_anew_for_those_who_have_not_said_it(leaf: Lab) -> None:
    says(leaf, SOMEBODY, NEWS)
    says(leaf, ANOTHER, NEWS, replace(NEWS, seqno=6))
    leaf.wait(2 * RELAY_WAIT)
    assert (told(leaf, SOMEBODY), told(leaf, ANOTHER)) == ([6], [])


def test_leaf_between_servers_that_do_not_hear_each_other_joins_them() -> None:
    lab = Lab(2, links=())
    lab.add(replace(config_of(3), flood=FloodConfig(leaf=True)))
    lab.connect(3, 1)
    lab.connect(3, 2)
    lab.join(1, mac(0))
    lab.wait(RELAY_WAIT)
    assert lab[2].owner(mac(0), lab.now) == lab[1].node.state.node_id


def test_dump_of_one_peer_that_the_other_holds_as_well_goes_no_further_and_leaves_nothing(leaf: Lab) -> None:
    everything = tuple(claim(5, 9, number) for number in range(500))
    says(leaf, SOMEBODY, *everything)
    leaf.wait(RELAY_WAIT / 2)
    says(leaf, ANOTHER, *everything)
    assert leaf[1].node.peering._relays.waiting == {}
    leaf.wait(2 * RELAY_WAIT)
    assert sent_to(leaf[1].effects, SOMEBODY) == sent_to(leaf[1].effects, ANOTHER) == []


def test_peer_that_came_meanwhile_is_told_and_one_that_went_is_not(leaf: Lab) -> None:
    says(leaf, SOMEBODY, NEWS)
    leaf.do(1, ev.PeerClosed(ANOTHER))
    leaf.do(1, ev.PeerReady(THIRD, "192.0.2.253"))
    leaf.wait(2 * RELAY_WAIT)
    assert (told(leaf, ANOTHER), told(leaf, THIRD)[:1]) == ([], [5])


def test_data_that_are_due_at_different_times_are_told_each_at_its_own(leaf: Lab) -> None:
    says(leaf, SOMEBODY, NEWS)
    leaf.wait(RELAY_WAIT / 2)
    says(leaf, SOMEBODY, claim(5, 9, 1))
    leaf.wait(RELAY_WAIT * 0.6)
    sent = [update.key for update in sent_to(leaf[1].effects, ANOTHER)]
    assert sent == [NEWS.key]
    leaf.wait(RELAY_WAIT)
    sent = [update.key for update in sent_to(leaf[1].effects, ANOTHER)]
    assert sent == [NEWS.key, association_key(mac(1))]


def test_version_that_was_refreshed_by_its_lifetime_is_passed_on_too(leaf: Lab) -> None:
    """As the C daemon refreshes."""
    says(leaf, SOMEBODY, replace(NEWS, lifetime=100))
    says(leaf, ANOTHER, replace(NEWS, lifetime=100))
    says(leaf, SOMEBODY, Update(NEWS.seqno, 5000, NEWS.key, NEWS.value))
    leaf.wait(2 * RELAY_WAIT)
    assert (told(leaf, SOMEBODY), told(leaf, ANOTHER)) == ([], [5])
