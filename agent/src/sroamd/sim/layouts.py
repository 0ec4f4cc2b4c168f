"""How the routers of a backbone hang together. A layout is a list of segments, each with the routers on it.

A segment of two is a cable. Routers without an agent stand anywhere among the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random

Segments = list[tuple[int, ...]]


def lan(routers: Sequence[int], _rng: Random) -> Segments:
    """All of them on one switch."""
    return [tuple(routers)]


def hub(routers: Sequence[int], _rng: Random) -> Segments:
    """A cable from the last to each of the others."""
    return [(routers[-1], router) for router in routers[:-1]]


def chain(routers: Sequence[int], _rng: Random) -> Segments:
    return list(pairwise(routers))


def ring(routers: Sequence[int], rng: Random) -> Segments:
    closing = [(routers[-1], routers[0])] if len(routers) > 2 else []
    return [*chain(routers, rng), *closing]


def tree(routers: Sequence[int], rng: Random) -> Segments:
    return [(routers[rng.randrange(index)], routers[index]) for index in range(1, len(routers))]


LAYOUTS: dict[str, Callable[[Sequence[int], Random], Segments]] = {
    "lan": lan,
    "hub": hub,
    "chain": chain,
    "ring": ring,
    "tree": tree,
}


def lay(layout: str, nodes: int, liars: int, foreign: int, rng: Random) -> Segments:
    """Routers 0 to nodes - 1, then the liars, each on a cable to one of the others, then those without an agent."""
    strangers = range(nodes + liars, nodes + liars + foreign)
    routers = [*range(nodes), *strangers]
    if layout != "hub":  # in whose middle is a stranger, if there is one
        rng.shuffle(routers)
    return [*LAYOUTS[layout](routers, rng), *((rng.choice(routers), nodes + number) for number in range(liars))]
