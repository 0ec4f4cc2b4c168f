"""Inputs for the flooding port: messages that mean something at this moment, then whatever spoils them.

Random octets get no further than the decoder. So most of what is made here is well-formed and about what the node holds
and has said: its keys, its seqnos and those at the edges of their order, its stations, the nonces of its questions. A
part of it is then damaged, cut, doubled, or mixed with what was sent before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from random import Random

from sroamd.addresses import Mac, NodeId
from sroamd.core.database import Database
from sroamd.core.fingerprints import bucket_of
from sroamd.wire import datum
from sroamd.wire.census import KEY_AND_VALUE_MAX as ANSWER_MAX
from sroamd.wire.census import KEY_MAX, Answer, Held, Question
from sroamd.wire.flood import HANDSHAKE, KEY_AND_VALUE_MAX, Hello, Update, encode
from sroamd.wire.summary import BUCKETS, SHORTS_MAX, Summary, Wanted

INPUT_MAX = 32 * 1024  # sixteen times what the daemon reads at once
STATIONS = tuple(Mac(bytes((2, 0, 0, 0, 1, number))) for number in range(6))
NODES = tuple(NodeId(bytes((2, 0, 0, 0xFF, 0xFE, 0, 0, number))) for number in range(1, 7))  # the first is the node
ADDRESSES = tuple(IPv4Address(f"192.0.2.{number}") for number in (0, 1, 2, 3, 4, 5, 255))
PREFIXES = tuple(IPv6Network((f"2001:db8:44:{number}::", 64)) for number in range(4))
LIFETIMES = (0, 1, 2, 30, 59, 60, 61, 600, 5400, 86400, 2**31 - 1, 2**31, 2**32 - 1)
STEPS = (0, 0, 1, 1, 1, 2, -1, 100, 32767, 32768, 32769)  # from the seqno that the node holds
BUCKET = 0xABC
# Keys of a type of the future that all fall into one bucket, as somebody would choose who wants that.
CROWDED = tuple(key for number in range(1 << 19) if bucket_of(key := b"\xc8" + number.to_bytes(3, "big")) == BUCKET)


@dataclass
class Knowledge:
    """What the other end of a connection can know of the node."""

    database: Database
    nonces: list[Question] = field(default_factory=list)  # questions that it has sent
    former: list[bytes] = field(default_factory=list)  # inputs


class Grammar:
    def __init__(self, rng: Random, known: Knowledge) -> None:
        self._rng = rng
        self._known = known
        self._held: list[bytes] = []
        self._kinds = (
            (self._update, 50),
            (self._hello, 6),
            (self._summary, 6),
            (self._wanted, 4),
            (self._question, 8),
            (self._answer, 10),
            (self._nonsense, 8),
        )

    def next(self) -> bytes:
        """An input: at most INPUT_MAX octets, which may be taken as one read."""
        rng = self._rng
        self._held = [datum.key for datum in self._known.database]
        kind = rng.random()
        if kind < 0.9:
            octets = b"".join(self._message() for _ in range(rng.choice((1, 1, 1, 2, 3, 8))))
        elif kind < 0.93:
            octets = rng.randbytes(rng.randrange(300))
        elif kind < 0.994 or not self._known.former:
            octets = rng.choice(self._known.former or [b"\0"])
        else:
            octets = self._long()
        if rng.random() < 0.25:
            octets = self._spoil(octets)
        self._known.former.append(octets)
        del self._known.former[:-16]
        return octets[:INPUT_MAX]

    def cut(self, octets: bytes) -> list[bytes]:
        """The same in pieces, as TCP may deliver it."""
        rng = self._rng
        if rng.random() < 0.6 or len(octets) < 2:
            return [octets]
        at = sorted(rng.randrange(len(octets)) for _ in range(rng.choice((1, 1, 2, 5))))
        return [octets[a:b] for a, b in zip([0, *at], [*at, len(octets)], strict=True)]

    def _message(self) -> bytes:
        makers, weights = zip(*self._kinds, strict=True)
        made = self._rng.choices(makers, weights)[0]()
        return made if isinstance(made, bytes) else encode(made)

    def _long(self) -> bytes:
        """Full of one kind of thing, each as small as it can be."""
        rng = self._rng
        pattern = rng.choice(
            (
                b"\0",
                b"\0\1\0",
                b"\1\0",
                bytes((2, 0)),
                bytes((200, 0)),
                HANDSHAKE,
                b"".join(self._message() for _ in range(20)),
                b"".join(encode(self._update()) for _ in range(400)),
                b"".join(encode(self._claim(rng.randrange(1 << 16))) for _ in range(1400)),
                b"".join(encode(Update(0, 5000, key, b"v")) for key in CROWDED),
                b"".join(encode(self._question()) for _ in range(40)),
                b"".join(encode(self._summary()) for _ in range(40)),
                encode(Question(NODES[2], b"question", NODES[0], 3, BUCKET)),
                encode(Summary(3, BUCKET, ())),
                encode(Wanted(BUCKET, ())),
            )
        )
        return (pattern * (INPUT_MAX // len(pattern) + 1))[:INPUT_MAX]

    # -- messages

    def _update(self) -> Update:
        rng = self._rng
        kind = rng.random()
        if kind < 0.35:
            return self._claim()
        if kind < 0.6:
            held = rng.choice(self._held) if self._held else b"\xc8"
            return self._version(held, self._value_for(held))
        if kind < 0.9:
            key = self._key()
            return self._version(key, self._value_for(key))
        key = rng.randbytes(rng.choice((1, 2, 5, 7, 9, 15, 100)))
        return self._version(key, rng.randbytes(rng.choice((0, 1, 6, 8, 29, KEY_AND_VALUE_MAX - len(key)))))

    def _claim(self, number: int | None = None) -> Update:
        rng = self._rng
        station = rng.choice(STATIONS) if number is None else Mac(b"\2\0\0\1" + number.to_bytes(2, "big"))
        return self._version(datum.association_key(station), rng.choice((*map(bytes, NODES), b"", bytes(8))))

    def _version(self, key: bytes, value: bytes) -> Update:
        rng = self._rng
        held = self._known.database.get(key)
        seqno = (held.seqno + rng.choice(STEPS)) % 65536 if held is not None else rng.choice((0, 1, 32768, 65535))
        if held is not None and rng.random() < 0.2:
            value = held.value
        lifetime = rng.choice(LIFETIMES) if rng.random() < 0.5 else rng.choice((600, 5400))
        return Update(seqno, lifetime, key, value[: KEY_AND_VALUE_MAX - len(key)])

    def _key(self) -> bytes:
        rng = self._rng
        station, node = rng.choice(STATIONS), rng.choice(NODES)
        return rng.choice(
            (
                datum.ipv4_lease_key(rng.choice(ADDRESSES)),
                datum.ipv6_lease_key(rng.choice(PREFIXES)),
                datum.association_key(station),
                datum.node_key(node),
                datum.node_key(NodeId(rng.randbytes(8))),
                datum.links_key(node),
                datum.links_key(NodeId(rng.randbytes(8))),
                datum.evidence_key(station, node),
                rng.choice(CROWDED),
                bytes((rng.randrange(256),)) + rng.randbytes(rng.randrange(12)),
            )
        )

    def _value_for(self, key: bytes) -> bytes:
        rng = self._rng
        station, node = rng.choice(STATIONS), rng.choice(NODES)
        if rng.random() < 0.05:
            return rng.randbytes(rng.randrange(40))
        match key[0]:
            case datum.ASSOCIATION:
                return rng.choice((bytes(node), b""))
            case datum.IPV4_LEASE | datum.IPV6_LEASE:
                return rng.choice((bytes(station), bytes(station), bytes(6), b"\xff" * 6))
            case datum.NODE:
                name = rng.choice(("ap", "", "\x1b[2J", "n" * 63))
                router = rng.choice((None, IPv4Address("10.255.0.2"), IPv4Address("192.0.2.1")))
                return datum.NodeRecord(name, router, rng.choice((None, IPv6Address("fd00:255::2")))).encode()
            case datum.LINKS:
                return datum.encode_links(IPv6Address("fe80::") + rng.randrange(20) for _ in range(rng.randrange(14)))
            case datum.EVIDENCE:
                counts = (rng.randrange(9), 0, 65535)
                return datum.Evidence(node, rng.randrange(2**32), 9, 9, counts, counts).encode()
        return rng.randbytes(rng.randrange(30))

    def _hello(self) -> Hello:
        rng, database = self._rng, self._known.database
        digest = rng.choice((database.digest, bytes(8), rng.randbytes(8)))
        count = rng.choice((database.alive, 0, 2**32 - 1))
        name = rng.choice(("ap9", "", "x" * 63, "\x1b[2J"))
        return Hello(rng.choice(NODES), rng.choice((0, 3, 65535)), digest, count, name, rng.random() < 0.7)

    def _part(self) -> tuple[int, int]:
        depth = self._rng.randrange(4)
        if self._rng.random() < 0.5:
            return depth, self._bucket() >> 4 * (3 - depth)
        return depth, self._rng.randrange(16**depth)

    def _bucket(self) -> int:
        rng = self._rng
        if self._held and rng.random() < 0.7:
            return bucket_of(rng.choice(self._held))
        return rng.choice((BUCKET, 0, rng.randrange(BUCKETS)))

    def _summary(self) -> Summary:
        rng, (depth, prefix) = self._rng, self._part()
        if depth == 3:
            return Summary(depth, prefix, tuple(rng.randbytes(4) for _ in range(rng.choice((0, 1, 3, SHORTS_MAX)))))
        digests = list(self._known.database.digests.children(depth, prefix))
        for _ in range(rng.choice((0, 1, 1, 2, 16))):
            digests[rng.randrange(16)] = rng.randbytes(8)
        return Summary(depth, prefix, tuple(digests))

    def _wanted(self) -> Wanted:
        rng = self._rng
        return Wanted(self._bucket(), tuple(rng.randbytes(4) for _ in range(rng.choice((0, 1, 3, SHORTS_MAX)))))

    def _question(self) -> Question:
        rng = self._rng
        asker, nonce = rng.choice(NODES), rng.choice((bytes(8), rng.randbytes(8), rng.randbytes(8)))
        if rng.random() < 0.3:
            return Question(asker, nonce, None, 0, 0)
        return Question(asker, nonce, rng.choice(NODES), *self._part())

    def _answer(self) -> Answer:
        """Mostly to a question that the node has asked; by who was asked, or by somebody else."""
        rng = self._rng
        asked = rng.choice(self._known.nonces) if self._known.nonces and rng.random() < 0.8 else self._question()
        node = asked.target if asked.target is not None and rng.random() < 0.9 else rng.choice(NODES)
        if rng.random() < 0.2:
            node = NodeId(rng.randbytes(8))
        depth, prefix = (asked.depth, asked.prefix) if rng.random() < 0.9 else self._part()
        whole = asked.asker, asked.nonce, node, depth, prefix, rng.choice((0, 1, 2, 5, 300, 2**32 - 1))
        if depth == 3:
            return Answer(*whole, held=self._listed() if rng.random() < 0.8 else None)
        digests = bytearray(b"".join(self._known.database.digests.children(depth, prefix)))
        for _ in range(rng.choice((0, 1, 1, 2, 100))):
            digests[rng.randrange(128)] ^= 1 << rng.randrange(8)
        return Answer(*whole, bytes(digests))

    def _listed(self) -> Held:
        rng = self._rng
        key = (rng.choice(self._held) if self._held and rng.random() < 0.7 else self._key())[:KEY_MAX]
        value = self._value_for(key)[: ANSWER_MAX - len(key)]
        return Held(rng.randbytes(8), rng.randrange(65536), rng.choice(LIFETIMES), key, value)

    def _nonsense(self) -> bytes:
        """Padding, types of the future, repeated handshakes, versions of the future, wrong insides."""
        rng = self._rng
        length = rng.choice((0, 1, 2, 30, 255))
        kind = rng.choice((0, 1, 2, 3, 44, 127, 128, 129, 130, 131, 132, 133, 255))
        return rng.choice((b"\0" * length, HANDSHAKE, bytes((kind, length)) + rng.randbytes(length)))

    # -- damage

    def _spoil(self, octets: bytes) -> bytes:
        rng, data = self._rng, bytearray(octets)
        for _ in range(rng.choice((1, 1, 2, 4))):
            at = rng.randrange(len(data) + 1)
            match rng.randrange(6):
                case 0 if at < len(data):
                    data[at] ^= 1 << rng.randrange(8)
                case 1 if at < len(data):
                    data[at] = rng.choice((0, 1, 127, 128, 255))
                case 2:
                    data[at:at] = rng.randbytes(rng.choice((1, 2, 8)))
                case 3:
                    del data[at : at + rng.choice((1, 2, 8, 300))]
                case 4:
                    data[at:at] = data[max(0, at - rng.choice((2, 8, 64))) : at]
                case _:
                    other = rng.choice(self._known.former) if self._known.former else b""
                    data[at:] = other[rng.randrange(len(other) + 1) :]
        return bytes(data)
