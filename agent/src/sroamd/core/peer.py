"""One peer: who it is, what it has yet to be told, and how the comparison with its database stands.

What it has yet to be told is a set of keys, never a queue of octets: it is sent the version that is held when its turn
comes, so bursts coalesce and memory is bounded by the database. A dump is only a place in a walk over the database.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from sroamd import constants
from sroamd.addresses import NodeId
from sroamd.core.database import Database, is_association
from sroamd.rate import TokenBucket
from sroamd.wire.summary import BUCKETS

_WALKS = 2  # a dump goes over all buckets for the associations, then for the rest


class Outbox:
    """Keys in the order of their urgency: what has just changed, then owed associations, then the rest, then a dump."""

    def __init__(self) -> None:
        self._fresh: dict[bytes, None] = {}
        self._claims: dict[bytes, None] = {}
        self._rest: dict[bytes, None] = {}
        self._walk: int | None = None  # the next step of a dump
        self._told: set[bytes] = set()  # during a dump: what the peer knows, and the walk may leave out

    def __bool__(self) -> bool:
        return bool(self._fresh or self._claims or self._rest) or self._walk is not None

    def waiting(self, database: Database) -> int:
        """How many data are still to be sent; of a dump, about."""
        left = 0 if self._walk is None else len(database) * (_WALKS * BUCKETS - self._walk) // (_WALKS * BUCKETS)
        return len(self._fresh) + len(self._claims) + len(self._rest) + left

    def add(self, key: bytes) -> None:
        """It has changed just now."""
        self._claims.pop(key, None)
        self._rest.pop(key, None)
        self._fresh[key] = None

    def owe(self, keys: Iterable[bytes]) -> None:
        """The peer lacks them, as a comparison has shown."""
        for key in keys:
            if key not in self._fresh:
                (self._claims if is_association(key) else self._rest)[key] = None

    def drop(self, key: bytes) -> None:
        """The peer has said the same itself."""
        for keys in (self._fresh, self._claims, self._rest):
            keys.pop(key, None)
        if self._walk is not None:
            self._told.add(key)

    def dump(self, database: Database, now: float) -> None:
        """Everything that is alive, and tombstones, from the start."""
        self._told.clear()
        if len(database) <= constants.DUMP_LIST_MAX:
            self._walk = None
            self.owe(datum.key for datum in database if datum.expires_at > now)
        else:
            self._walk = 0

    def take(self, database: Database, now: float, limit: int) -> list[bytes]:
        """The next keys, at least `limit` of them if there are so many. They count as sent."""
        if len(self._fresh) <= limit and not (self._claims or self._rest or self._walk is not None):
            taken = list(self._fresh)  # as almost always, and for each of hundreds of peers
            self._fresh.clear()
            return taken
        taken = []
        for keys in (self._fresh, self._claims, self._rest):
            part = list(islice(keys, limit - len(taken)))
            for key in part:
                del keys[key]
            taken += part
        if self._walk is not None:
            self._told.update(taken)
            self._walk_on(taken, database, now, limit)
        return taken

    def _walk_on(self, taken: list[bytes], database: Database, now: float, limit: int) -> None:
        step = self._walk
        while step is not None and len(taken) < limit:
            claims, bucket = step < BUCKETS, step % BUCKETS
            for key in database.digests.keys(bucket):
                if is_association(key) is claims and key not in self._told and database.live(key, now) is not None:
                    taken.append(key)
            step = step + 1 if step + 1 < _WALKS * BUCKETS else None
        self._walk = step
        if step is None:
            self._told.clear()


@dataclass(slots=True)
class Comparison:
    """Of our database with a peer's: what is to be said next, and how often the digests were unequal in a row."""

    answers: TokenBucket  # messages of the peer that are answered
    summaries: dict[tuple[int, int], None] = field(default_factory=dict)  # (depth, prefix) to be said
    wanted: dict[int, tuple[bytes, ...]] = field(default_factory=dict)  # by bucket, to be asked for
    differs_since: float | None = None  # the first of the Hellos running that had another digest than ours
    unequal: int = 0  # Hellos running
    quiet: int = 0  # the same, with nothing new from the peer between
    repaired_at: float = float("-inf")
    interval: float = constants.REPAIR_INTERVAL  # at least, from one repair to the next
    digests: tuple[bytes, bytes] | None = None  # ours and the peer's at the last repair


@dataclass(slots=True)
class Peer:
    """`node` None: it has not said Hello, so it is the C daemon or has just come."""

    name: str
    since: float
    heard_at: float
    count: int  # of our data, as our first Hello said
    comparison: Comparison
    malformed: TokenBucket  # data that do not fit their key type
    dialled: bool  # by this node
    node: NodeId | None = None
    node_name: str = ""
    repairs: bool = False  # it compares databases by Summary
    awaited: bool = True  # whether it is the C daemon is open, and so is what it must be sent
    blocked: bool = False
    closing: bool = False  # we have asked for its end
    outbox: Outbox = field(default_factory=Outbox)
    updates_in: int = 0
    updates_out: int = 0

    @property
    def is_ours(self) -> bool:
        return self.node is not None

    @property
    def has_mail(self) -> bool:
        """Whether there is anything to be sent to it."""
        return bool(self.outbox or self.comparison.summaries or self.comparison.wanted)
