"""Whom each node dials, when the inventory does not say."""

from __future__ import annotations

from itertools import combinations
from types import ModuleType

import pytest

from sroamd.sim import topologies

ADDRESSES = {f"n{number}": {"sroamd_router_ipv6": f"fd00:255::{number}"} for number in range(60)}


def links(flood: ModuleType, aps: list[str], servers: list[str]) -> list[frozenset[str]]:
    return [frozenset({host, other}) for host in aps + servers for other in flood.partners(host, aps, servers)]


def reached(start: str, edges: list[frozenset[str]]) -> set[str]:
    seen, todo = {start}, [start]
    while todo:
        here = todo.pop()
        near = {node for edge in edges if here in edge for node in edge} - seen
        seen |= near
        todo += near
    return seen


@pytest.mark.parametrize("count", range(1, 41))
def test_without_servers_all_are_connected_even_when_one_is_gone(flood: ModuleType, count: int) -> None:
    aps = [f"n{number}" for number in range(count)]
    edges = links(flood, aps, [])
    for lost in aps[1:]:
        assert reached("n0", [edge for edge in edges if lost not in edge]) == set(aps) - {lost}


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 7, 8, 20, 21])
def test_no_pair_is_connected_twice_and_nobody_has_many_peers(flood: ModuleType, count: int) -> None:
    aps = [f"n{number}" for number in range(count)]
    edges = links(flood, aps, [])
    assert len(edges) == len(set(edges))
    assert all(len(edge) == 2 for edge in edges)
    assert max((sum(ap in edge for edge in edges) for ap in aps), default=0) <= 4


@pytest.mark.parametrize("count", [6, 10, 30, 100, 300])
def test_without_servers_the_topology_is_the_one_that_the_simulator_measures(flood: ModuleType, count: int) -> None:
    aps = [f"n{number}" for number in range(count)]
    measured = topologies.square_root(count)
    assert {frozenset((f"n{one}", f"n{other}")) for one, other in measured} == set(links(flood, aps, []))
    assert topologies.hops(count, measured) <= 14


@pytest.mark.parametrize("count", [3, 30, 300])
def test_with_two_servers_the_topology_is_the_one_that_the_simulator_measures(flood: ModuleType, count: int) -> None:
    nodes = [f"n{number}" for number in range(count)]
    assert {frozenset((f"n{one}", f"n{other}")) for one, other in topologies.star(count)} == set(
        links(flood, nodes[:-2], nodes[-2:])
    )


@pytest.mark.parametrize("count", [6, 7, 12, 25])
def test_without_servers_three_access_points_that_fail_cut_nobody_off(flood: ModuleType, count: int) -> None:
    aps = [f"n{number}" for number in range(count)]
    edges = links(flood, aps, [])
    for lost in combinations(aps[1:], 3):
        assert reached("n0", [edge for edge in edges if not edge & set(lost)]) == set(aps) - set(lost)


def test_with_servers_every_access_point_dials_each_of_them(flood: ModuleType) -> None:
    assert flood.partners("n3", ["n2", "n3"], ["n0", "n1"]) == ["n0", "n1"]


def test_servers_know_each_other(flood: ModuleType) -> None:
    assert [flood.partners(host, ["n9"], ["n0", "n1", "n2"]) for host in ("n0", "n1", "n2")] == [
        [],
        ["n0"],
        ["n0", "n1"],
    ]


def test_endpoints_are_router_addresses_unless_said_otherwise(flood: ModuleType) -> None:
    hosts = {
        "n0": {"sroamd_router_ipv6": "fd00:255::1"},
        "n1": {"sroamd_router_ipv6": "fd00:255::2", "sroamd_flood_address": "198.51.100.7", "sroamd_flood_port": 4445},
        "n2": {"sroamd_router_ipv6": "fd00:255::3"},
    }
    groups = {"sroamd_aps": ["n2"], "sroamd_servers": ["n0", "n1"]}
    assert flood.flood_peers("n2", hosts, groups) == ["[fd00:255::1]:4444", "198.51.100.7:4445"]


def test_a_host_outside_the_groups_dials_nobody(flood: ModuleType) -> None:
    assert flood.flood_peers("n5", ADDRESSES, {"sroamd_aps": ["n1"], "all": ["n1", "n5"]}) == []


@pytest.mark.parametrize(("prefix", "first"), [("192.0.2.0/24", "192.0.2.1"), ("10.8.0.0/13", "10.8.0.1"), ("x", "x")])
def test_the_gateway_is_the_first_address(flood: ModuleType, prefix: str, first: str) -> None:
    assert flood.first_address(prefix) == first


def test_what_an_interface_keeps_is_an_argument_of_the_script(flood: ModuleType) -> None:
    assert flood.addresses("bb0", ["10.255.0.1/32"], ["10.255.0.0/24"]) == {
        "interface": "bb0",
        "keep": ["10.255.0.1/32"],
        "within": ["10.255.0.0/24"],
    }
