"""Whose part of a pool a place is in, while the nodes are cut off from one another.

Each node has POINTS places on a ring of 2^64, at the first 8 octets of SHA-256(node id, u8 number). The key of a lease
lies at the first 8 octets of SHA-256(key), and belongs to the node whose point is the next one at or after it. Any node
that knows the same nodes finds the same owner; one node more or less moves only its own share.

A ring and not the highest of N hashes (rendezvous), which costs N hashes for every place that is looked at: with 300
nodes, one of them alone, that would be 50 ms for one DHCPDISCOVER.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from hashlib import sha256

from sroamd.addresses import NodeId

POINTS = 32  # of each node: shares then differ by less than a fifth of their size (one standard deviation)


class Ring:
    def __init__(self, nodes: Iterable[NodeId]) -> None:
        """At least one node."""
        placed = sorted((_position(node + bytes((number,))), node) for node in nodes for number in range(POINTS))
        self._points = [point for point, _ in placed]
        self._owners = [node for _, node in placed]

    def owner(self, key: bytes) -> NodeId:
        return self._owners[bisect_left(self._points, _position(key)) % len(self._owners)]


def _position(text: bytes) -> int:
    return int.from_bytes(sha256(text).digest()[:8], "big")
