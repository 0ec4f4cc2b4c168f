"""The fleets on which routes are proved, and what is told to Ansible and to BIRD about them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lab import bird
from lab.inventory import inventory
from lab.shapes import APS, FOREIGNER, GATEWAY, Shape, shaped
from lab.switch import port
from lab.topology import Kind, Topology


def made(shape: Shape) -> Topology:
    return shaped(prefix="abcdefgh", shape=shape, stations=254)


@pytest.mark.parametrize("shape", Shape)
def test_each_pair_has_a_link_of_its_own_and_nobody_else_is_on_it(shape: Shape) -> None:
    nodes = made(shape).nodes
    ends = Counter(link.bridge for node in nodes for link in node.links if link.name in node.backbone)
    assert {name for name, count in ends.items() if count == 2} == {"-".join(pair) for pair in shape.joined}
    assert max(ends.values()) == 2


@pytest.mark.parametrize("shape", Shape)
def test_all_shapes_have_the_same_nodes_interfaces_and_addresses(shape: Shape) -> None:
    def without_bridges(topology: Topology) -> list[object]:
        return [(node.name, node.kind, [(link.name, link.mac) for link in node.links]) for node in topology.nodes]

    assert without_bridges(made(shape)) == without_bridges(made(Shape.RING))


def test_no_mac_is_given_twice_and_names_fit() -> None:
    topology = made(Shape.TREE)
    macs = [link.mac for node in topology.nodes for link in node.links]
    assert len(set(macs)) == len(macs)
    assert all(len(port(node, link)) <= 15 and len(link.bridge) <= 15 for node in topology.nodes for link in node.links)


def test_only_the_foreign_shape_has_a_router_without_the_agent() -> None:
    for shape in Shape:
        joined = {name for pair in shape.joined for name in pair}
        assert joined == {GATEWAY, *APS, *({FOREIGNER} if shape is Shape.FOREIGN else ())}
    assert [node.name for node in made(Shape.RING).of_kind(Kind.ROUTER)] == [FOREIGNER]


def test_the_longest_way_there_and_back_is_no_circle() -> None:
    assert Shape.CHAIN.most_forwards == 8
    assert Shape.FOREIGN.most_forwards == 10


def test_ansible_learns_of_each_nodes_own_links() -> None:
    groups = inventory(made(Shape.TREE), Path("ssh"))["all"]["children"]
    gateway = groups["sroamd_servers"]["hosts"][GATEWAY]
    assert gateway["sroamd_backbone_interfaces"] == ["bb0", "bb1"]
    assert gateway["sroamd_babel_redistribute"] == ["ip 198.51.100.0/24 eq 24 allow", "ip 2001:db8:c0::/64 eq 64 allow"]
    assert groups["sroamd_aps"]["hosts"]["ap1"]["sroamd_backbone_interfaces"] == ["bb0", "bb1", "bb2"]
    assert "sroamd_babel_redistribute" not in groups["sroamd_aps"]["hosts"]["ap1"]


def test_bird_speaks_as_often_as_it_is_told() -> None:
    node = made(Shape.RING).node("ap2")
    assert "router id 10.255.0.2;" in bird.configuration(node)
    assert "hello interval" not in bird.configuration(node)
    assert "hello interval 200 ms;" in bird.configuration(node, 0.2)
