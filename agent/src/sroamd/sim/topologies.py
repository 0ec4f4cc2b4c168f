"""Which nodes of a large fleet flood with one another: what the role generates, and what it might.

A topology is a list of links (dialling node, dialled node). The role's own code is in its filter plugin; a test of the
role holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable

Links = list[tuple[int, int]]


def star(nodes: int) -> Links:
    """The last two nodes are servers, with which all others and themselves flood."""
    servers = (nodes - 2, nodes - 1)
    return [*((node, server) for node in range(nodes - 2) for server in servers), (servers[1], servers[0])]


def opposite(nodes: int) -> Links:
    """A ring, each also tied to the node opposite: what the role generated before it was measured."""
    half = nodes // 2
    return [*chords(nodes, 1), *((node, (node + half) % nodes) for node in range((nodes + 1) // 2))]


def square_root(nodes: int) -> Links:
    """A ring with chords over the square root of its length: four links each, and about that root of hops at most."""
    return _tied(nodes, (1, round(nodes**0.5)))


def cube_root(nodes: int) -> Links:
    """A ring with chords over the cube root of its length and over its square: six links each."""
    step = max(2, round(nodes ** (1 / 3)))
    return _tied(nodes, (1, step, step * step))


def chords(nodes: int, step: int) -> Links:
    return [(node, (node + step) % nodes) for node in range(nodes)]


def _tied(nodes: int, steps: tuple[int, ...]) -> Links:
    """No pair twice, and none with itself."""
    pairs: dict[frozenset[int], tuple[int, int]] = {}
    for step in steps:
        for one, other in chords(nodes, step):
            if one != other:
                pairs.setdefault(frozenset((one, other)), (one, other))
    return list(pairs.values())


TOPOLOGIES: dict[str, Callable[[int], Links]] = {
    "star": star,
    "ring-opposite": opposite,
    "ring-square-root": square_root,
    "ring-cube-root": cube_root,
}


def hops(nodes: int, links: Links) -> int:
    """The most hops between any two nodes; ValueError if they are not all connected."""
    near: list[list[int]] = [[] for _ in range(nodes)]
    for one, other in links:
        near[one].append(other)
        near[other].append(one)
    farthest = 0
    for start in range(nodes):
        distance = {start: 0}
        frontier = [start]
        for node in frontier:
            for each in near[node]:
                if each not in distance:
                    distance[each] = distance[node] + 1
                    frontier.append(each)
        if len(distance) < nodes:
            raise ValueError("not all nodes are connected")
        farthest = max(farthest, *distance.values())
    return farthest
