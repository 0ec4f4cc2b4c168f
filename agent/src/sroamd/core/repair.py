"""Two databases are compared by their digest trees, and each side is sent what it lacks: no dump, no full list.

    one                                             other
    Summary(0): my 16 digests           ─────────▶
                                        ◀─────────  Summary(1, n) for each n that differs
    Summary(2, n)                       ─────────▶
                                        ◀─────────  Summary(3, bucket): what I hold in this bucket that differs
    Updates that the other lacks        ─────────▶
    Wanted(bucket): what I lack         ─────────▶
                                        ◀─────────  Updates

Only data that count in the digest are compared. That is enough: digests differ because one side counts a version that
the other does not; that version is sent, and taken or, by rule R2, answered with the newer one (a tombstone, perhaps).
Nobody has to remember a question: what is said depends on nothing but the database and the message.
"""

from __future__ import annotations

from collections.abc import Iterable

from sroamd import constants
from sroamd.core.fingerprints import bucket_of
from sroamd.core.peer import Peer
from sroamd.core.turn import State
from sroamd.wire.flood import Hello
from sroamd.wire.summary import DEPTH, FAN_OUT, SHORTS_MAX, Summary, Wanted


class Repair:
    def __init__(self, state: State) -> None:
        self._state = state

    def begin(self, peer: Peer) -> None:
        """Ask the peer where its database differs."""
        peer.comparison.summaries[0, 0] = None

    def ask_about(self, peer: Peer, key: bytes) -> None:
        """Ask the peer for what it holds of the key's bucket, and is not held here."""
        peer.comparison.summaries[DEPTH, bucket_of(key)] = None

    def is_due(self, peer: Peer, hello: Hello, now: float) -> bool:
        """Whether the digests have been unequal for so long that something is missing. Counts this Hello."""
        comparison, ours = peer.comparison, self._state.database.digest
        if hello.digest == ours:
            comparison.unequal = comparison.quiet = 0
            comparison.differs_since = None
            comparison.interval = constants.REPAIR_INTERVAL
            return False
        if comparison.differs_since is None:
            comparison.differs_since = now
        comparison.unequal += 1
        comparison.quiet += 1
        quiet = constants.UNEQUAL_QUIET if peer.repairs else constants.UNEQUAL_DUMP
        busy = peer.repairs and comparison.unequal >= constants.UNEQUAL_BUSY
        if not busy and comparison.quiet < quiet:
            return False
        return now >= comparison.repaired_at + comparison.interval

    def needs_dump(self, peer: Peer, hello: Hello, now: float) -> bool:
        """Begin a repair that is due. Whether the peer must be sent everything, since it knows no better, or the last
        repair has changed nothing at all: then the digests themselves deceive.
        """
        comparison = peer.comparison
        digests = self._state.database.digest, hello.digest
        in_vain = comparison.digests == digests
        if in_vain:
            comparison.interval = min(2 * comparison.interval, constants.REPAIR_INTERVAL_MAX)
        comparison.digests, comparison.repaired_at = digests, now
        comparison.unequal = comparison.quiet = 0
        if in_vain or not peer.repairs:
            return True
        self.begin(peer)
        return False

    def received(self, peer: Peer, messages: Iterable[Summary | Wanted], now: float) -> None:
        """Each bucket is gone through once for what is said of it in one read, however often that is."""
        listed: dict[int, Summary] = {}
        wanted: dict[int, set[bytes]] = {}
        for message in messages:
            if not peer.comparison.answers.take(now):
                self._state.database.counters["flood.summaries-refused"] += 1
            elif isinstance(message, Wanted):
                wanted.setdefault(message.bucket, set()).update(message.fingerprints)
            elif message.depth < DEPTH:
                self._descend(peer, message)
            else:
                listed[message.prefix] = message
        for summary in listed.values():
            self._compare_bucket(peer, summary)
        for bucket, fingerprints in wanted.items():
            self._deliver(peer, bucket, fingerprints)

    def take(self, peer: Peer) -> tuple[Summary | Wanted, ...]:
        """What to say to the peer now, of what there is to say."""
        comparison = peer.comparison
        said: list[Summary | Wanted] = []
        while comparison.summaries and len(said) < constants.SUMMARY_BATCH:
            depth, prefix = next(iter(comparison.summaries))
            del comparison.summaries[depth, prefix]
            said.append(self._summary(peer, depth, prefix))
        while comparison.wanted and len(said) < constants.SUMMARY_BATCH:
            bucket = next(iter(comparison.wanted))
            said.append(Wanted(bucket, comparison.wanted.pop(bucket)))
        return tuple(said)

    def _descend(self, peer: Peer, theirs: Summary) -> None:
        """Its 16 digests are not ours: go on below those that differ."""
        if theirs.depth == 0:
            peer.comparison.unequal = peer.comparison.quiet = 0  # it has begun a repair, so we need not
        ours = self._state.database.digests.children(theirs.depth, theirs.prefix)
        for number, digest in enumerate(ours):
            if digest != theirs.digests[number]:
                peer.comparison.summaries[theirs.depth + 1, theirs.prefix * FAN_OUT + number] = None

    def _compare_bucket(self, peer: Peer, theirs: Summary) -> None:
        ours = tuple(self._state.database.digests.counted(theirs.prefix))
        known, held = frozenset(theirs.digests), frozenset(short for _key, short in ours)
        peer.outbox.owe(key for key, short in ours if short not in known)
        missing = tuple(short for short in theirs.digests if short not in held)
        if missing:
            peer.comparison.wanted[theirs.prefix] = missing

    def _deliver(self, peer: Peer, bucket: int, wanted: set[bytes]) -> None:
        peer.outbox.owe(key for key, short in self._state.database.digests.counted(bucket) if short in wanted)

    def _summary(self, peer: Peer, depth: int, prefix: int) -> Summary:
        digests = self._state.database.digests
        if depth < DEPTH:
            return Summary(depth, prefix, digests.children(depth, prefix))
        counted = tuple(digests.counted(prefix))
        if len(counted) > SHORTS_MAX:  # too many to list: the peer gets them all, and sends all of its own
            peer.outbox.owe(key for key, _short in counted)
            counted = ()
        return Summary(depth, prefix, tuple(short for _key, short in counted))
