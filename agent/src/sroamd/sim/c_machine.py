"""Machines that run the C daemon, and where they may stand in a mixed fleet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from sroamd.config import Config
from sroamd.sim.c_node import CNode
from sroamd.sim.machine import Machine
from sroamd.sim.scenario import Dials

# Each C node draws from a part of the pool of its own (docs/operations.md): all of them draw the same numbers (L3), and
# none looks whether an address is taken (L1). So many bits longer are the parts' prefixes.
PART_BITS = 5
PARTS = 1 << PART_BITS


class CMachine(Machine):
    """Its agent has another id in each of its lives (A3), and no disk."""

    runs_c = True

    def _new_agent(self, rng: Random) -> CNode:
        self.node_id = self.world.new_id()
        return CNode(in_its_part(self.config, self.index), self.node_id, rng)


def in_its_part(config: Config, index: int) -> Config:
    """The same network with the last parts of its pools for C nodes, one for each."""

    number = PARTS - 1 - index % PARTS
    ipv4 = list(config.network.ipv4_prefix.subnets(PART_BITS))[number]
    ipv6 = list(config.network.ipv6_prefix.subnets(PART_BITS))[number]
    return replace(config, network=replace(config.network, ipv4_prefix=ipv4, ipv6_prefix=ipv6))


def place(dials: Dials, count: int, rng: Random) -> tuple[frozenset[int], Dials]:
    """At most `count` C nodes, and the dials with them: never two C nodes linked, and ours dial.

    Only as many as leave the fleet connected when the links between C nodes are gone.
    """
    links = {frozenset((node, other)) for node, others in enumerate(dials) for other in others if node != other}
    chosen: set[int] = set()
    for node in rng.sample(range(len(dials)), len(dials)):
        if len(chosen) < count and is_connected(len(dials), allowed(links, chosen | {node})):
            chosen.add(node)
    mixed: Dials = []
    for node, others in enumerate(dials):
        if node in chosen:
            mixed.append(())
            continue
        called_by = [c for c in sorted(chosen) if node in dials[c] and c not in others]
        mixed.append((*others, *called_by))
    return frozenset(chosen), mixed


def allowed(links: Iterable[frozenset[int]], c_nodes: set[int]) -> list[frozenset[int]]:
    return [link for link in links if not link <= c_nodes]


def is_connected(nodes: int, links: Iterable[frozenset[int]]) -> bool:
    reached, links = {0}, list(links)
    while True:
        further = {node for link in links if link & reached for node in link} - reached
        if not further:
            return len(reached) == nodes
        reached |= further
