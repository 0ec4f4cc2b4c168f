"""Every defect of the C daemon (flooding, section 1), and the test that would fail if we had it.

"core/seqno" is tests/core/test_seqno.py. What a language without pointers cannot have (T1, T9) is shown by what should
have been.

M1   core/database         test_tie_is_taken_over_completely
M2   core/database         test_tombstone_loses_to_claim_at_equal_seqno_on_both_sides
M2   core/counterexamples  test_ce2_departure_that_crosses_the_new_claim_brings_nothing_back
M3   core/seqno            test_of_two_different_versions_exactly_one_is_newer
M4   core/counterexamples  test_ce6_ring_carries_each_version_once
M5   core/database         test_echo_on_a_ring_ends
M5   core/counterexamples  test_ce8_lifetime_does_not_echo_over_links_slower_than_a_second
M6   core/seqno            test_a_distance_of_half_the_ring_goes_to_the_larger_number
M6   core/time             test_two_nodes_that_are_half_the_ring_apart_agree
M7   core/peering          test_r2_older_version_is_answered_with_ours
M8   core/database         test_expired_datum_is_held_then_forgotten
M8   core/node             test_ten_thousand_stations_leave_nothing_behind_but_what_the_design_remembers
M9   wire/flood            test_a_lifetime_that_the_c_daemon_would_take_for_negative_is_capped_on_output
M10  core/pings            test_claim_of_a_live_station_is_renewed_in_time
M11  wire/flood            test_the_longest_update_fills_its_tlv
A1   core/associations     test_a1_return_to_the_same_node_is_a_new_claim
A1   core/counterexamples  test_ce3_fast_pingpong_disassociates_nobody_who_is_here
A2   core/pings            test_a3_foreign_claim_pings_at_once_and_disassociates_nobody
A2   core/counterexamples  test_ce4_heal_disassociates_nobody_who_is_here
A3   core/counterexamples  test_ce5_restart_disassociates_nobody_who_is_here
A4   core/counterexamples  test_ce7_claim_and_tombstone_of_one_seqno_cross
A5   core/pings            test_a5_defect_tombstone_for_a_station_that_is_here_is_answered_with_a_claim
A6   core/defects          test_departure_takes_the_claim_and_the_routes_of_that_station_only
A7   core/defects          test_departure_takes_the_claim_and_the_routes_of_that_station_only
A8   core/routes           test_a8_lease_that_arrives_after_the_station_is_routed
A9   core/associations     test_list_after_reattachment_tells_who_came_and_who_left
A9   core/routes_kernel    test_move_of_everybody_at_once_ends_with_one_route_here_each
A10  core/routes_kernel    test_route_of_nobody_is_kept_ten_seconds_then_demoted_then_removed
A11  core/defects          test_packets_in_the_name_of_a_station_elsewhere_move_nothing
L1   core/leases           test_address_of_another_is_never_given
L2   core/dhcp_request     test_r2131_432_selecting_taken_is_nak
L3   core/leases           test_stations_are_spread_over_the_pool
L3   core/leases           test_network_broadcast_gateway_and_excluded_are_never_given
L4   core/leases           test_requested_address_is_given_when_free
L5   core/leases           test_of_two_own_addresses_the_requested_or_the_lowest
L6   core/losses           test_one_keeps_the_address_on_all_nodes_and_the_other_is_told_by_nak_and_gets_another
L6   core/dhcp_other       test_r2131_434_release_withdraws_the_route_and_remembers_the_address
L7   core/node             test_power_loss_of_everybody_loses_no_address
L8   core/router_advertiser test_it_is_advertised_again_before_half_of_any_lifetime
T1   io/peer_dialer        test_a_peer_that_hangs_up_at_once_is_not_dialled_without_end
T2   io/peer_dialer        test_a_lost_peer_is_back_within_a_second_and_a_half
T3   io/peer_transport     test_a_half_update_dies_with_its_connection
T4   core/hello            test_b10_silent_peer_is_closed_within_the_dead_time
T4   io/peer_pressure      test_a_peer_that_takes_nothing_at_all_is_cut
T5   io/peer_dialer        test_a_lost_peer_is_back_within_a_second_and_a_half
T6   io/peer_transport     test_all_updates_of_a_read_are_one_event
T7   io/peer_admission     test_two_thousand_half_open_connections_leave_peers_undisturbed
T8   core/hello            test_of_two_connections_dialled_by_either_node_the_one_of_the_smaller_id_stays
T8   io/peer_dialer        test_a_node_that_is_its_own_peer_notices_and_leaves_it
T9   wire/flood            test_garbage_after_the_handshake_never_raises_and_never_piles_up
T10  io/peer_admission     test_strangers_and_stations_are_refused_before_anything_is_read
"""

from __future__ import annotations

import ast
import re
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.values import RouteKind
from sroamd.wire.icmpv6 import RouterSolicitation
from tests.core.claims import owners, seqno_of
from tests.core.harness import ALICE, BOB, CAROL, Lab, id_of
from tests.core.messages import renew

TESTS = Path(__file__).parents[1]
COUNTS = {"M": 11, "A": 11, "L": 8, "T": 10}  # so many there are of each kind
ROWS = re.findall(r"^ *([MALT]\d+) +(\w+/\w+) +(test_\w+)$", __doc__ or "", re.MULTILINE)


def test_every_defect_is_in_the_table() -> None:
    wanted = {f"{kind}{number}" for kind, count in COUNTS.items() for number in range(1, count + 1)}
    assert {defect for defect, _, _ in ROWS} == wanted


@pytest.mark.parametrize(("defect", "file", "name"), ROWS, ids=[" ".join(row) for row in ROWS])
def test_test_that_the_table_names_exists(defect: str, file: str, name: str) -> None:
    directory, module = file.split("/")
    tree = ast.parse((TESTS / directory / f"test_{module}.py").read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("leaver", [ALICE, BOB, CAROL], ids=["the first", "the second", "the last"])
def test_departure_takes_the_claim_and_the_routes_of_that_station_only(leaver: bytes) -> None:
    """There the table lost its last entry instead of the one that left, and the next one was withdrawn."""
    lab = Lab(2)
    addresses = {}
    for station in (ALICE, BOB, CAROL):
        lab.join(1, station)
        addresses[station] = lab.lease(1, station)
    lab.wait(5)
    (station,) = (station for station in addresses if station == leaver)
    lab.leave(1, station)
    lab.wait(15)
    here = {prefix.network_address for prefix in lab[1].kernel if prefix.version == 4}
    assert here == {address for other, address in addresses.items() if other != leaver}
    assert {other: owners(lab, other) for other in addresses} == {
        other: [b"" if other == leaver else id_of(1)] * 2 for other in addresses
    }
    assert len(lab[1].node.state.present) == 2


def test_packets_in_the_name_of_a_station_elsewhere_move_nothing() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    address = lab.lease(1, ALICE)
    before = seqno_of(lab, 1)
    lab[1].forget()
    lab.dhcp(2, renew(ALICE, address))
    lab.do(2, ev.RouterSolicited("wlan0", ALICE, IPv6Address("fe80::107"), RouterSolicitation(ALICE)))
    lab.do(2, ev.ProbeAnswered("wlan0", ALICE, ev.Probe.ARP))
    lab.wait(30)
    assert owners(lab) == [id_of(1)] * 2
    assert seqno_of(lab, 1) == before
    assert lab[1].all(do.InstallRoute) == lab[1].all(do.RemoveRoute) == lab[1].all(do.SendArpRequest) == []
    assert lab[2].of_kind(RouteKind.HERE, RouteKind.DEMOTED) == set()
