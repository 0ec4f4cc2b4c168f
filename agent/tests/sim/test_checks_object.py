"""Nodes that are broken on purpose: a simulator that finds nothing wrong with them would prove nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sroamd import constants
from sroamd.addresses import NodeId
from sroamd.core.database import Database, Outcome, Same
from sroamd.core.direct import DirectRoutes
from sroamd.core.leases import Leases
from sroamd.core.next_hops import Changes, NextHops
from sroamd.core.node import Node
from sroamd.core.nodes import Nodes
from sroamd.core.peering import Peering
from sroamd.core.pings import Pings
from sroamd.core.repair import Repair
from sroamd.core.routes import Routes
from sroamd.core.tickets import Tickets
from sroamd.core.turn import Turn
from sroamd.core.values import NextHop, Route, Towards
from sroamd.sim.kernel import VirtualKernel
from sroamd.sim.run import run
from sroamd.sim.scenario import Scenario
from sroamd.wire.flood import Update

ROUGH = Scenario(
    nodes=4,
    stations=8,
    topology="ring",
    duration=20.0,
    stay=3.0,
    ping_pong=0.5,
    asks_dhcp=1.0,
    appear_within=0.5,
    kills=2,
    partitions=2,
    budget=60_000,
)
CHAIN: dict[str, object] = {"layout": "chain", "partitions": 0, "kills": 0, "budget": 120_000}
# Fewer addresses than stations: what nobody has had comes first, and there must be nothing of that.
CROWDED: dict[str, object] = {"ipv4_prefix": "192.0.2.0/29", "appear_within": 15.0, "kills": 0, "partitions": 0}
Break = Callable[[pytest.MonkeyPatch], None]


def keeps_its_own_value_in_a_tie(patch: pytest.MonkeyPatch) -> None:
    """Defect M1 of the C daemon."""
    merge = Database.merge

    def broken(database: Database, update: Update, now: float) -> Outcome:
        held = database.get(update.key)
        tie = held is not None and held.seqno == update.seqno and held.value != update.value
        return Same() if tie else merge(database, update, now)

    patch.setattr(Database, "merge", broken)


def never_pings(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Pings, "begin", lambda self, turn, station, ping, at: None)


def never_dumps(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Peering, "_dump", lambda self, peer_id, peer, now: None)
    patch.setattr(Repair, "begin", lambda self, peer: None)


def acknowledges_before_the_disk_does(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tickets, "wait", lambda self, turn, then: then(turn))


def gives_away_what_others_hold(patch: pytest.MonkeyPatch) -> None:
    """Defect L1 of the C daemon."""
    patch.setattr(Leases, "is_free", lambda self, key, station, now: True)


def leaves_its_routes(patch: pytest.MonkeyPatch) -> None:
    desired = Routes._desired

    def broken(routes: Routes, key: bytes, near: Route | None, now: float) -> Route | Towards | None:
        wanted = desired(routes, key, near, now)
        return wanted if near is None or isinstance(wanted, Route) else near

    patch.setattr(Routes, "_desired", broken)


def floods_lifetimes_for_ever(patch: pytest.MonkeyPatch) -> None:
    """Defect M5 of the C daemon."""
    patch.setattr(constants, "SLACK", -1)
    patch.setattr(constants, "HOP_COST", 0)


def forgets_what_was_stored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Database, "restore", lambda self, datum, now: None)


def goes_by_babel_past_other_routers(patch: pytest.MonkeyPatch) -> None:
    direct = Nodes.direct_next_hop

    def broken(nodes: Nodes, node: NodeId, version: int) -> NextHop | None:
        hop = direct(nodes, node, version)
        return hop if hop is not None and hop.gateway in nodes._gateways else None

    patch.setattr(Nodes, "direct_next_hop", broken)


def leaves_next_hops_as_they_were(patch: pytest.MonkeyPatch) -> None:
    derive = NextHops._derive

    def broken(hops: NextHops, turn: Turn, node: NodeId, version: int, changes: Changes) -> None:
        if (node, version) not in hops._set:
            derive(hops, turn, node, version, changes)

    patch.setattr(NextHops, "_derive", broken)


def sends_what_is_for_nobody_to_whom_had_it_last(patch: pytest.MonkeyPatch) -> None:
    """For longer than Babel takes to converge, which hides what is shorter."""
    patch.setattr(Routes, "_nowhere", lambda self, before: before)
    patch.setattr(constants, "DEMOTED_BLIND_TIME", 1.0)


def keeps_a_direct_route_as_it_is(patch: pytest.MonkeyPatch) -> None:
    desired = DirectRoutes.desired

    def broken(routes: DirectRoutes, key: bytes, owner: bytes) -> Towards | None:
        return routes.installed.get(key) or desired(routes, key, owner)

    patch.setattr(DirectRoutes, "desired", broken)


def is_not_cleaned_up_after(patch: pytest.MonkeyPatch) -> None:
    """The service without its ExecStopPost."""
    patch.setattr(VirtualKernel, "flush_direct", lambda self: None)


def raises_now_and_then(patch: pytest.MonkeyPatch) -> None:
    def broken(node: Node, turn: Turn, key: bytes) -> None:
        raise KeyError(key)

    patch.setattr(Node, "_changed", broken)


def test_sound_node_is_not_accused() -> None:
    assert run(1, replace(ROUGH, budget=20_000)).violations == ()
    assert run(2, ROUGH).violations == ()


@pytest.mark.parametrize(
    ("breaks", "rule", "changes"),
    [
        (keeps_its_own_value_in_a_tie, "databases equal", {}),
        (never_pings, "stations found", {}),
        (never_dumps, "databases equal", {}),
        (acknowledges_before_the_disk_does, "durable", {}),
        (gives_away_what_others_hold, "one holder", CROWDED),
        (leaves_its_routes, "nothing demoted", {}),
        (floods_lifetimes_for_ever, "comes to rest", {"partitions": 0, "kills": 0, "budget": 20_000}),
        (forgets_what_was_stored, "stations served", {"blackouts": 1, "asks_dhcp": 0.0}),
        (raises_now_and_then, "raises nothing", {}),
        (goes_by_babel_past_other_routers, "direct routes", {**CHAIN, "foreign": 1}),
        (leaves_next_hops_as_they_were, "direct routes", {**CHAIN, "layout": "ring", "link_cuts": 3, "kills": 3}),
        (sends_what_is_for_nobody_to_whom_had_it_last, "loops end", {**CHAIN, "foreign": 1}),
        (keeps_a_direct_route_as_it_is, "loops end", CHAIN),
        (is_not_cleaned_up_after, "direct routes die", {**CHAIN, "hangs": 2}),
    ],
)
def test_broken_node_is_found_out(
    breaks: Break, rule: str, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = replace(ROUGH, **changes)  # type: ignore[arg-type]
    breaks(monkeypatch)
    assert any(rule == violation.rule for seed in range(1, 4) for violation in run(seed, scenario).violations)
