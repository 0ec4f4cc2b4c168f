"""A member of the fleet that lies: it speaks the protocol, passes on what it hears, and says what it likes beside.

Everything it says is well-formed, and most of it about things that exist: claims of stations for others, leases of
theirs, versions far ahead of or behind those that are known, lives of nothing and for ever, digests of nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from sroamd.addresses import Mac, NodeId
from sroamd.config import Config
from sroamd.core.effects import Effect, SendHello, SendSummaries, SendUpdates
from sroamd.core.events import Event
from sroamd.core.node import Node
from sroamd.core.seqno import MODULUS
from sroamd.wire.datum import ASSOCIATION, IPV4_LEASE, IPV6_LEASE, NODE, NodeRecord
from sroamd.wire.flood import Update
from sroamd.wire.summary import DIGEST_SIZE, FAN_OUT, Summary

PAUSE = 30.0  # s, mean, between its lies
LIES_MAX = 10  # at a time, to one peer
STEPS = (-32768, -5, -1, 0, 0, 1, 1, 2, 5, 1000, 32767, 32768, 40000)
LIVES = (0, 1, 30, 60, 1800, 5400, 86400, 0x7FFFFFFF, 0xFFFFFFFF)
KEY_SIZES = {IPV4_LEASE: 4, IPV6_LEASE: 8, ASSOCIATION: 6, NODE: 8, 200: 8}


class Liar(Node):
    """`lied_about` hears every key of which it says something."""

    def __init__(self, config: Config, node_id: NodeId, rng: Random, lied_about: Callable[[bytes], None]) -> None:
        super().__init__(config, node_id, rng)
        self._rng = rng
        self._lied_about = lied_about
        self._next_lie_at = 0.0

    def next_deadline(self) -> float | None:
        deadline = super().next_deadline()
        return self._next_lie_at if deadline is None else min(deadline, self._next_lie_at)

    def handle(self, event: Event, now: float) -> list[Effect]:
        effects = super().handle(event, now)
        if now >= self._next_lie_at:
            self._next_lie_at = now + self._rng.expovariate(1 / PAUSE)
            for peer in self.peering.peers:
                effects.append(SendUpdates(peer, tuple(self._lie() for _ in range(self._rng.randint(1, LIES_MAX)))))
                if self._rng.random() < 0.2:
                    effects.append(SendSummaries(peer, (self._false_summary(),)))
        return [self._falsified(effect) for effect in effects]

    def _falsified(self, effect: Effect) -> Effect:
        if isinstance(effect, SendHello) and self._rng.random() < 0.5:
            return replace(effect, hello=replace(effect.hello, digest=self._rng.randbytes(DIGEST_SIZE)))
        return effect

    def _false_summary(self) -> Summary:
        depth = self._rng.randint(0, 2)
        digests = tuple(self._rng.randbytes(DIGEST_SIZE) for _ in range(FAN_OUT))
        return Summary(depth, self._rng.randrange(FAN_OUT**depth), digests)

    def _lie(self) -> Update:
        rng, database = self._rng, self.database
        known = [datum.key for datum in database]
        key = rng.choice(known) if known and rng.random() < 0.8 else self._invented_key()
        held = database.get(key)
        seqno = rng.randrange(MODULUS) if held is None else (held.seqno + rng.choice(STEPS)) % MODULUS
        self._lied_about(key)
        return Update(seqno, rng.choice(LIVES), key, self._value(key))

    def _invented_key(self) -> bytes:
        kind = self._rng.choice(tuple(KEY_SIZES))
        if kind == IPV4_LEASE:
            network = self.state.config.network.ipv4_prefix
            return bytes((kind,)) + network[self._rng.randrange(network.num_addresses)].packed
        return bytes((kind,)) + self._rng.randbytes(KEY_SIZES[kind])

    def _value(self, key: bytes) -> bytes:
        rng = self._rng
        if key[0] in (IPV4_LEASE, IPV6_LEASE):
            return rng.choice((*self._stations(), Mac(rng.randbytes(6)), Mac(bytes(6))))
        if key[0] == ASSOCIATION:
            return rng.choice((*self.nodes.records, self.state.node_id, NodeId(rng.randbytes(8)), b""))
        if key[0] == NODE:
            record = rng.choice((*self.nodes.records.values(), NodeRecord("liar", None, None)))
            return rng.choice((record.encode(), b""))
        held = self.database.get(key)
        return b"" if held is None else held.value

    def _stations(self) -> list[Mac]:
        return [Mac(datum.key[1:]) for datum in self.database if datum.key[0] == ASSOCIATION]
