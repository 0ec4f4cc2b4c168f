"""An access point that the others cannot hear for a while."""

from __future__ import annotations

import time
from collections.abc import Mapping

from sroamd.constants import PEER_DEAD_TIME
from tests.e2e.fleet import SETTLED_WITHIN, Fleet, assert_reaches, eventually, tell

TOGETHER_S = 3.0
BABEL_BACK_S = 3.0  # it is asked as soon as a neighbour is heard again


def test_peer_lost_and_found(fleet: Fleet) -> None:
    """Frames stop passing, and nobody is told: noticed in 10 s. Both sides live on, and agree 3 s after Babel does."""
    walker, hermit = fleet.all_joined([(30, "ap1"), (31, "ap3")])
    fleet.lab.cut("ap3", "bb0", silent=True)
    try:
        cut = time.monotonic()
        eventually(lambda: assert_peers(fleet, {"ap1": 1, "ap2": 1, "ap3": 0}), PEER_DEAD_TIME + 1)
        noticed = time.monotonic() - cut
        walker.roam("ap2")
        eventually(lambda: assert_named(fleet, walker.mac, {"ap1": "ap2", "ap2": "ap2", "ap3": "ap1"}), SETTLED_WITHIN)
        lease = hermit.dhcp_client.renew()
        assert lease.address == hermit.ipv4()
    finally:
        fleet.lab.heal("ap3", "bb0")
    healed = time.monotonic()
    eventually(lambda: assert_routed(fleet), BABEL_BACK_S)
    routed = time.monotonic()
    eventually(lambda: assert_peers(fleet, {"ap1": 2, "ap2": 2, "ap3": 2}), TOGETHER_S)
    connected = time.monotonic()
    eventually(fleet.assert_agreement, TOGETHER_S - (connected - routed))
    agreed = time.monotonic()
    tell(f"silent backbone: noticed after {noticed:.1f} s; Babel routes {routed - healed:.1f} s after the repair,")
    tell(f"  peers connected {connected - routed:.1f} s and of one mind {agreed - routed:.1f} s after Babel")
    fleet.assert_places([(walker, "ap2"), (hermit, "ap3")])
    for station in (walker, hermit):
        eventually(lambda station=station: assert_reaches(station), SETTLED_WITHIN)  # type: ignore[misc]


def assert_routed(fleet: Fleet) -> None:
    """ap3 and the others have routes to each other's router addresses."""
    for here, there in (("ap1", "ap3"), ("ap2", "ap3"), ("ap3", "ap1"), ("ap3", "ap2")):
        assert fleet.ip(here, "route", "get", str(fleet.lab.topology.node(there).router_ipv6))


def assert_peers(fleet: Fleet, wanted: Mapping[str, int]) -> None:
    assert {ap: fleet.ask(ap, "status")["peers"] for ap in wanted} == wanted


def assert_named(fleet: Fleet, mac: str, wanted: Mapping[str, str]) -> None:
    assert {ap: fleet.ask(ap, "where", mac)["node"] for ap in wanted} == wanted
