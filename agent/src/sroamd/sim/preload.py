"""A large fleet in which everybody knows everything already, in the memory of one machine.

One node is told all data, as by a peer. The others get the same immutable values in containers of their own: what they
hold, decide and send is what it would be, and 300 databases of 30,000 stations fit into a few gigabytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from random import Random

from sroamd.addresses import Mac, NodeId
from sroamd.config import Config, FloodConfig, InterfaceConfig, NetworkConfig, NodeConfig
from sroamd.constants import ASSOCIATION_LIFE, DUMP_BATCH, LEASE_LIFE_MAX, NODE_LIFE
from sroamd.core.database import Database
from sroamd.core.events import (
    InterfaceChanged,
    KernelRoutesListed,
    LeasesLoaded,
    PeerClosed,
    PeerReady,
    StationsListed,
    UpdatesReceived,
)
from sroamd.core.node import Node
from sroamd.core.pools import Pool
from sroamd.wire.datum import NodeRecord, association_key, node_key
from sroamd.wire.flood import Update

INTERFACE = "wlan0"
POOL, POOL6 = IPv4Network("198.18.0.0/16"), IPv6Network("2001:db8::/48")
NETWORK = NetworkConfig(POOL, POOL6, POOL[1], IPv6Address("fe80::1"))
_PEER = 0


@dataclass(frozen=True, slots=True)
class Population:
    """`access_points` of the nodes (the first ones) have `stations`, of which `movers` have leases and may walk."""

    nodes: int
    access_points: int
    stations: int
    movers: int

    @property
    def servers(self) -> int:
        """The others, with which all flood."""
        return self.nodes - self.access_points

    def at_first(self, number: int) -> int:
        """The access point of a station."""
        return number % self.access_points


def id_of(node: int) -> NodeId:
    return NodeId(b"\x02\0\0\xff" + node.to_bytes(4, "big"))


def mac_of(station: int) -> Mac:
    return Mac(b"\x02\0" + station.to_bytes(4, "big"))


def config_of(node: int, population: Population) -> Config:
    interfaces = (InterfaceConfig(INTERFACE),) if node < population.access_points else ()
    leaf = population.servers > 0 and bool(interfaces)
    return Config(NodeConfig(f"node{node}"), NETWORK, interfaces, flood=FloodConfig(leaf=leaf))


def data_of(population: Population) -> list[Update]:
    """What everybody knows: the nodes, where the stations are, and an address and a prefix for each of the movers."""
    data = [
        Update(0, NODE_LIFE, node_key(id_of(node)), NodeRecord(f"node{node}", None, None).encode())
        for node in range(population.nodes)
    ]
    for number in range(population.stations):
        owner = bytes(id_of(population.at_first(number)))
        data.append(Update(0, ASSOCIATION_LIFE, association_key(mac_of(number)), owner))
    for number in range(population.movers):
        for pool in (Pool.of(POOL), Pool.of(POOL6)):
            data.append(Update(1, LEASE_LIFE_MAX, pool.key_of(pool.numbers.at(number + 2)), bytes(mac_of(number))))
    return data


def informed(population: Population) -> Node:
    """A node that has been told everything; it is none of the fleet."""
    node = Node(config_of(population.nodes, population), id_of(population.nodes), Random(0))
    node.handle(PeerReady(_PEER, "all", dialled=True), 0.0)
    data = data_of(population)
    for start in range(0, len(data), DUMP_BATCH):
        node.handle(UpdatesReceived(_PEER, tuple(data[start : start + DUMP_BATCH])), 0.0)
    node.handle(PeerClosed(_PEER), 0.0)
    return node


def started(number: int, population: Population, like: Node) -> Node:
    """A node of the fleet that knows what `like` does, and has its stations."""
    node = Node(config_of(number, population), id_of(number), Random(number))
    _copy_database(like.database, node.database)
    agenda, model = node.state.agenda, like.state.agenda
    agenda._heap, agenda._valid, agenda._number = list(model._heap), dict(model._valid), model._number
    node.nodes.records.update(like.nodes.records)
    if number < population.access_points:
        here = range(number, population.stations, population.access_points)
        node.state.present.update((mac_of(station), INTERFACE) for station in here)
        node.handle(InterfaceChanged(INTERFACE, Mac(b"\x02\x01" + number.to_bytes(4, "big"))), 0.0)
        node.handle(StationsListed(INTERFACE, frozenset(node.state.present)), 0.0)
    node.handle(KernelRoutesListed(frozenset()), 0.0)
    node.handle(LeasesLoaded(()), 0.0)
    return node


def _copy_database(model: Database, copy: Database) -> None:
    """The containers are its own, the values shared."""
    copy._data = dict(model._data)
    copy._keys_with = {value: dict(keys) for value, keys in model._keys_with.items()}
    copy.digests._levels = [list(level) for level in model.digests._levels]
    copy.digests._counted = dict(model.digests._counted)
    copy.digests._keys = {bucket: dict(keys) for bucket, keys in model.digests._keys.items()}
