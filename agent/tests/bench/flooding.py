"""What flooding costs, octets to database and back: `make bench`. No socket; the best of a few rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from time import perf_counter

from core_paths import HERE, SIZES, filled

from sroamd.config import Config, NodeConfig
from sroamd.core.effects import Effect, SendUpdates
from sroamd.core.events import PeerReady, PeerWritable, UpdatesReceived
from sroamd.core.node import Node
from sroamd.core.peering import to_update
from sroamd.wire.flood import HANDSHAKE, StreamDecoder, Update, encode_updates

ROUNDS = 3
CHUNK = 1 << 16  # octets that a socket gives at once
NEWCOMER = 99


def empty(like: Node) -> Node:
    node = Node(Config(NodeConfig("server"), like.state.config.network), HERE, like.state.rng)
    node.handle(PeerReady(0, "peer 0"), 0.0)
    return node


def decode(stream: bytes) -> None:
    decoder = StreamDecoder()
    for at in range(0, len(stream), CHUNK):
        decoder.feed(stream[at : at + CHUNK])


def ingest(node: Node, updates: list[Update]) -> None:
    for at in range(0, len(updates), 500):
        node.handle(UpdatesReceived(0, tuple(updates[at : at + 500])), 2.0)


def dump(node: Node) -> None:
    """To a peer that has just come, and takes everything as fast as it is encoded."""
    effects = node.handle(PeerReady(NEWCOMER, "newcomer"), 3.0)
    while encoded(effects):
        effects = node.handle(PeerWritable(NEWCOMER), 3.0)


def encoded(effects: Iterable[Effect]) -> int:
    batches = (effect.updates for effect in effects if isinstance(effect, SendUpdates) and effect.peer == NEWCOMER)
    return sum(len(encode_updates(batch)) for batch in batches)


def microseconds(prepare: Callable[[], Callable[[], object]]) -> float:
    """Of what `prepare` returns, prepared anew for each round."""
    best = float("inf")
    for _ in range(ROUNDS):
        work = prepare()
        began = perf_counter()
        work()
        best = min(best, perf_counter() - began)
    return best * 1e6


def main() -> None:
    rows: dict[str, list[float]] = {}
    for size in SIZES:
        full = filled(size)
        updates = [to_update(datum, 2.0) for datum in full.database]
        stream = HANDSHAKE + encode_updates(updates)
        measured: dict[str, Callable[[], Callable[[], object]]] = {
            "octets to values": lambda stream=stream: partial(decode, stream),
            "merge what is new": lambda full=full, updates=updates: partial(ingest, empty(full), updates),
            "merge what is known": lambda full=full, updates=updates: partial(ingest, full, updates),
            "dump to a new peer, to octets": lambda full=full: partial(dump, full),
        }
        for name, prepare in measured.items():
            rows.setdefault(name, []).append(microseconds(prepare) / len(updates))
    print(f"\nmicroseconds an update, best of {ROUNDS} rounds")
    print(f"{'stations in the database':<58}" + "".join(f"{size:>16,}" for size in SIZES))
    for name, cells in rows.items():
        print(f"{name:<58}" + "".join(f"{cell:>16.1f}" for cell in cells))


if __name__ == "__main__":
    main()
