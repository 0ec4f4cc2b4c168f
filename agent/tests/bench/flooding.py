"""What flooding costs, octets to database and back, and what a reconnection costs: `make bench`. No socket."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

from core_paths import HERE, PEERS, SIZES, THERE, filled

from sroamd.config import Config, NodeConfig
from sroamd.core.effects import Effect, SendHello, SendSummaries, SendUpdates
from sroamd.core.events import (
    Event,
    PeerClosed,
    PeerReady,
    PeerSaidHello,
    PeerWritable,
    UpdatesReceived,
    said_by,
)
from sroamd.core.node import Node
from sroamd.core.peering import to_update
from sroamd.wire.flood import HANDSHAKE, Hello, Message, StreamDecoder, Update, encode, encode_updates

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
    """To a peer that has just come with nothing, and takes everything as fast as it is encoded."""
    node.handle(PeerReady(NEWCOMER, "newcomer"), 3.0)
    effects = node.handle(PeerSaidHello(NEWCOMER, Hello(THERE, 3, bytes(8), 0, "newcomer")), 3.0)
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


@dataclass
class Cost:
    """Of a reconnection, both directions together."""

    messages: int = 0
    octets: int = 0
    seconds: float = 0.0


def reconnected(size: int, differing: int, *, compare: bool) -> Cost:
    """Two nodes that hold `size` stations, and of `differing` data each another version, meet again.

    `compare` False: as if neither knew anything of digests, so that each sends everything.
    """
    nodes = [filled(size) for _ in range(2)]
    nodes[1].state.node_id = THERE
    for number, node in enumerate(nodes):
        for peer in range(PEERS):
            node.handle(PeerClosed(peer), 2.0)
        node.handle(PeerReady(0, "a peer"), 2.0)
        keys = sorted(datum.key for datum in node.database)[:differing]
        values = (node.database.get(key) for key in keys)
        newer = tuple(Update(2 + number, 5000, datum.key, datum.value) for datum in values if datum is not None)
        node.handle(UpdatesReceived(0, newer), 2.0)
        node.handle(PeerClosed(0), 2.0)
    cost = Cost()
    began = perf_counter()
    ways = [StreamDecoder() for _ in nodes]
    waiting: deque[tuple[int, Effect]] = deque()
    for number, node in enumerate(nodes):
        ways[number].feed(HANDSHAKE)
        waiting.extend((number, effect) for effect in node.handle(PeerReady(NEWCOMER, "the other"), 3.0))
    while waiting:
        number, effect = waiting.popleft()
        for event in arrivals(effect, ways[1 - number], cost, compare=compare):
            waiting.extend((1 - number, follows) for follows in nodes[1 - number].handle(event, 3.0))
        if isinstance(effect, SendUpdates | SendSummaries) and effect.more:
            waiting.extend((number, follows) for follows in nodes[number].handle(PeerWritable(NEWCOMER), 3.0))
    cost.seconds = perf_counter() - began
    assert nodes[0].database.digest == nodes[1].database.digest
    return cost


def arrivals(effect: Effect, way: StreamDecoder, cost: Cost, *, compare: bool) -> Iterable[Event]:
    """What the other end hears of it."""
    messages: tuple[Message, ...] = ()
    if isinstance(effect, SendUpdates):
        messages = effect.updates
    elif isinstance(effect, SendSummaries):
        messages = effect.summaries
    elif isinstance(effect, SendHello):
        messages = (effect.hello if compare else replace(effect.hello, repairs=False, digest=bytes(8)),)
    octets = b"".join(map(encode, messages))
    cost.messages += len(messages)
    cost.octets += len(octets)
    return said_by(NEWCOMER, way.feed(octets))


def show_reconnections() -> None:
    size = SIZES[-1]
    print(f"\na reconnection of two nodes with {size:,} stations: both directions, both nodes' work")
    print(f"{'data that differ':<40}{'messages':>12}{'octets':>14}{'ms':>10}")
    for compare in (False, True):
        for differing in (0, 10, size, 3 * size):
            cost = reconnected(size, differing, compare=compare)
            what = f"{differing:,}, {'by comparison' if compare else 'by dump'}"
            print(f"{what:<40}{cost.messages:>12,}{cost.octets:>14,}{cost.seconds * 1e3:>10.1f}")


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
    show_reconnections()


if __name__ == "__main__":
    main()
