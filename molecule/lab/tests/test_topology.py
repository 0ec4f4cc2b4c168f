"""The standard fleet, its addresses and its inventory."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from pathlib import Path

import pytest

from lab.inventory import inventory
from lab.saved import from_document, to_document
from lab.switch import management_port, namespace, port
from lab.topology import (
    GATEWAY_IPV4,
    ROUTER_IPV4,
    ROUTER_IPV6,
    STATION_IPV4,
    Kind,
    Topology,
    default_management,
    fleet,
    spoke_bridge,
)

LARGE = fleet(prefix="abcdefgh", aps=99, stations=254, servers=9, spokes=True)
SSH = Path("state/ssh")


def test_the_standard_fleet_has_the_nodes_of_the_demo() -> None:
    nodes = fleet(prefix="demo", stations=2).nodes
    assert [node.name for node in nodes] == ["ap1", "ap2", "ap3", "gw", "corr", "sta1", "sta2"]
    assert [link.name for link in nodes[0].links] == ["mgmt0", "bb0", "wlan0"]
    assert [link.bridge for link in nodes[1].links] == ["mgmt", "bb", "rf2"]
    assert [node.name for node in nodes if node.kind.boots] == ["ap1", "ap2", "ap3", "gw"]


def test_every_ap_has_an_air_of_its_own() -> None:
    airs = [node.link("wlan0").bridge for node in LARGE.of_kind(Kind.AP)]
    assert len(set(airs)) == 99
    spokes = [f"bb{number}" for number in range(1, 100)]
    assert set(LARGE.bridges) == {"bb", "lan", *airs, *spokes}


def test_on_a_spoke_an_ap_meets_only_the_router() -> None:
    spoked = fleet(prefix="demo", spokes=True)
    assert [link.bridge for link in spoked.node("gw").links] == ["bb", "bb1", "bb2", "bb3", "lan"]
    for ap in spoked.of_kind(Kind.AP):
        there = [node.name for node in spoked.nodes for link in node.links if link.bridge == spoke_bridge(ap)]
        assert there == ["gw"]


def test_a_server_can_be_the_gateway() -> None:
    small = fleet(prefix="demo", aps=1, servers=2, gateway=True)
    assert [node.name for node in small.nodes] == ["ap1", "srv1", "srv2", "corr", "sta1"]
    assert [node.name for node in small.nodes if node.has_lan] == ["srv1", "corr"]
    assert hosts(small, "sroamd_servers")["srv1"]["sroamd_uplink_interfaces"] == ["lan0"]
    assert "sroamd_uplink_interfaces" not in hosts(small, "sroamd_servers")["srv2"]
    for impossible in ({}, {"servers": 1, "spokes": True}):
        with pytest.raises(ValueError, match="gateway"):
            fleet(prefix="demo", gateway=True, **impossible)


def test_no_mac_and_no_address_is_given_twice() -> None:
    macs = [link.mac for node in LARGE.nodes for link in node.links]
    assert len(set(macs)) == len(macs)
    routers = LARGE.of_kind(Kind.AP, Kind.SERVER, Kind.ROUTER)
    assert len({node.router_ipv4 for node in routers}) == len(routers)
    assert len({node.router_ipv6 for node in routers}) == len(routers)
    managed = [LARGE.management_address(node).ip for node in LARGE.nodes if node.has_management]
    assert len(set(managed)) == len(managed) == 108
    assert LARGE.management_host.ip not in managed


def test_addresses_are_within_their_prefixes() -> None:
    for node in LARGE.of_kind(Kind.AP, Kind.SERVER, Kind.ROUTER):
        assert node.router_ipv4 in ROUTER_IPV4
        assert node.router_ipv6 in ROUTER_IPV6
    assert LARGE.node("ap12").router_ipv4 == IPv4Address("10.255.0.12")
    assert LARGE.node("ap12").router_ipv6 == IPv6Address("fd00:255::12")
    assert GATEWAY_IPV4 in STATION_IPV4


def test_station_macs_are_those_of_the_design() -> None:
    assert LARGE.node("sta1").link("wlan0").mac == "02:00:00:00:01:01"
    assert LARGE.node("sta60").link("wlan0").mac == "02:00:00:00:01:3c"


def test_names_on_the_machine_fit_into_fifteen_characters() -> None:
    for node in LARGE.nodes:
        assert namespace(LARGE, node).startswith("abcdefgh-")
        assert len(management_port(LARGE, node)) <= 15 or not node.has_management
        assert all(len(port(node, link)) <= 15 for link in node.links)


@pytest.mark.parametrize("prefix", ["", "Demo", "9lab", "a-b", "ninechars", "x/y"])
def test_a_prefix_that_would_break_names_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        fleet(prefix=prefix)


@pytest.mark.parametrize("counts", [{"aps": 0}, {"aps": 100}, {"stations": 255}, {"servers": 10}])
def test_a_fleet_that_the_address_plan_cannot_hold_is_refused(counts: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at most"):
        fleet(prefix="lab", **counts)


def test_labs_of_different_names_have_different_management_networks() -> None:
    networks = {default_management(prefix) for prefix in ("demo", "molecule", "e2e", "lab")}
    assert len(networks) == 4
    assert all(network.subnet_of(IPv4Network("10.99.0.0/16")) for network in networks)
    own = IPv4Network("10.99.0.0/24")
    assert str(fleet(prefix="demo", management=own).management_host) == "10.99.0.1/24"


def test_a_topology_is_the_same_after_it_was_saved() -> None:
    document = json.loads(json.dumps(to_document(LARGE)))
    assert from_document(document) == LARGE


def hosts(topology: Topology, group: str) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = inventory(topology, SSH)["all"]["children"][group]["hosts"]
    return found


def test_the_inventory_has_the_roles_variables_for_every_ap() -> None:
    small = fleet(prefix="demo", servers=1, management=IPv4Network("10.99.0.0/24"))
    aps = hosts(small, "sroamd_aps")
    assert list(aps) == ["ap1", "ap2", "ap3"]
    assert aps["ap2"] == {
        "ansible_host": "10.99.0.12",
        "sroamd_router_ipv4": "10.255.0.2",
        "sroamd_router_ipv6": "fd00:255::2",
        "sroamd_backbone_interfaces": ["bb0"],
        "sroamd_interfaces": [{"name": "wlan0"}],
    }
    servers = hosts(small, "sroamd_servers")
    assert servers["srv1"]["ansible_host"] == "10.99.0.211"
    assert "sroamd_interfaces" not in servers["srv1"]


def test_neither_router_nor_stations_are_ansibles_business() -> None:
    children = inventory(fleet(prefix="demo", stations=5), SSH)["all"]["children"]
    assert list(children) == ["sroamd_aps"]


def test_the_inventory_takes_further_variables_for_all_hosts() -> None:
    variables = inventory(fleet(prefix="demo"), SSH, {"sroamd_nameservers": [], "sroamd_mtu": 1400})["all"]["vars"]
    assert variables["sroamd_nameservers"] == []
    assert variables["sroamd_mtu"] == 1400
    assert variables["ansible_ssh_private_key_file"] == "state/ssh/id_ed25519"
