"""The shortest traces on which the C daemon fails (flooding section 2), played to our nodes."""

from __future__ import annotations

import pytest

from tests.sim.stage import Stage

FAR = 0.05  # s: mean delay of a link over which a station is faster than the flood


def test_ce1_two_aps_that_have_not_heard_of_each_other_end_with_one_route() -> None:
    stage = Stage(nodes=3, link_delay=FAR)
    stage.walk(1)
    stage.run(0.002)
    stage.walk(3)
    stage.run(0.002)
    claims = stage.versions()
    assert claims[0] == (0, stage.ap(1).node_id)
    assert claims[2] == (0, stage.ap(3).node_id)  # a tie: each is the first to speak
    stage.run(0.3)
    stage.walk(1)
    stage.settle()
    assert stage.routers() == {"ap1"}


def test_ce2_roam_with_explicit_departure_does_not_bring_the_old_claim_back() -> None:
    stage = Stage(link_delay=FAR)
    stage.walk(1)
    stage.run(1.0)
    first, ap1, ap2 = stage.versions()[0], stage.ap(1), stage.ap(2)
    assert first is not None
    stage.walk(2)
    assert ap1.hostapd is not None
    ap1.hostapd.remove(stage.station.mac)
    stage.run(0.003)
    assert stage.versions() == [(first[0] + 1, b""), (first[0] + 1, ap2.node_id)]  # they cross
    stage.settle()
    assert stage.routers() == {"ap2"}
    last = stage.versions()[1]
    assert last is not None
    assert last[0] <= first[0] + 2  # a claim beats a tombstone; the tie has cost one ping, and its answer a claim
    assert stage.disassociated() == 0


def test_ce3_fast_ping_pong_does_not_disassociate_the_live_station() -> None:
    stage = Stage(link_delay=FAR)
    stage.walk(1)
    stage.run(1.0)
    stage.walk(2)
    stage.run(0.003)
    stage.walk(1)
    stage.settle()
    assert stage.disassociated() == 0
    assert stage.routers() == {"ap1"}


def test_ce4_heal_does_not_disassociate_the_live_station() -> None:
    stage = Stage()
    stage.walk(1)
    stage.run(1.0)
    stage.world.partition([stage.ap(2)], 1, silent=False)
    stage.walk(2)
    stage.run(5.0)
    stage.walk(1)
    stage.run(5.0)
    stage.world.repair([stage.ap(2)])
    stage.settle()
    assert stage.disassociated() == 0
    assert stage.routers() == {"ap1"}


@pytest.mark.parametrize("same_id", [True, False])
def test_ce5_restart_does_not_disassociate_the_live_station(same_id: bool) -> None:
    stage = Stage()
    stage.walk(1)
    stage.run(1.0)
    ap1, address, prefix = stage.ap(1), stage.station.address, stage.station.prefix
    stage.world.kill(ap1)
    if not same_id:
        stage.world.lose_disk(ap1)
    stage.run(0.5)
    stage.world.start(ap1)
    stage.settle()
    assert stage.disassociated() == 0
    assert stage.routers() == {"ap1"}
    assert (stage.station.address, stage.station.prefix) == (address, prefix)


def test_ce6_tie_in_a_ring_of_four_ends() -> None:
    stage = Stage(nodes=4, topology="ring", link_delay=FAR)
    stage.walk(1)
    stage.run(0.001)
    stage.walk(3)
    stage.settle()  # counts the Updates, too
    assert stage.routers() == {"ap3"}


def test_ce8_lifetimes_do_not_echo_over_links_slower_than_a_second() -> None:
    stage = Stage(nodes=3, topology="mesh", link_delay=0.02)
    stage.walk(1)
    stage.run(10.0)
    stage.world.network.mean_delay = 1.2
    stage.walk(2)
    stage.run(50.0)
    sent = stage.world.network.sent
    stage.run(60.0)
    assert stage.world.network.sent == sent
