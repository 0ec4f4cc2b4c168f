"""The replicated database: one datum a key, and the merge that makes all copies equal.

The merge keeps the greatest version in the order of `core.seqno`, so it is commutative, associative and idempotent.
Lifetimes take no part in the order: they are no version, and travel as what remains of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass
from math import isnan

from sroamd import constants
from sroamd.addresses import NO_MAC, Mac, NodeId
from sroamd.core.churn import Churn
from sroamd.core.fingerprints import DigestTree, bucket_of
from sroamd.core.seqno import MODULUS, following, is_newer
from sroamd.core.values import StoredDatum
from sroamd.wire.cursor import DecodeError
from sroamd.wire.datum import ASSOCIATION, EVIDENCE, HOSTNAME, IPV4_LEASE, IPV6_LEASE, LINKS, NODE, check_datum
from sroamd.wire.flood import Update

LEASE_TYPES = (IPV4_LEASE, IPV6_LEASE)
_INDEXED = (IPV4_LEASE, IPV6_LEASE, ASSOCIATION)  # their keys can be found by their value
_LIFE_MAX = {
    IPV4_LEASE: constants.LEASE_LIFE_MAX,
    IPV6_LEASE: constants.LEASE_LIFE_MAX,
    EVIDENCE: constants.EVIDENCE_LIFE,
    HOSTNAME: constants.LEASE_LIFE_MAX,
}
_HOLD = {IPV4_LEASE: constants.LEASE_HOLD, IPV6_LEASE: constants.LEASE_HOLD, NODE: constants.NODE_HOLD}


@dataclass(frozen=True, slots=True)
class Datum:
    """A version of a key: in force until `expires_at`, and until it is forgotten a floor for the order of versions."""

    key: bytes
    seqno: int
    value: bytes
    expires_at: float

    def remaining(self, now: float) -> int:
        """Whole seconds, as they travel; 0 when expired."""
        return max(0, int(self.expires_at - now))


@dataclass(frozen=True, slots=True)
class Stale:
    """The incoming version loses to `held`; its sender does not know that one. `tie`: at the same seqno."""

    held: Datum
    tie: bool


@dataclass(frozen=True, slots=True)
class Same:
    """Nothing new."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    datum: Datum


@dataclass(frozen=True, slots=True)
class Inserted:
    datum: Datum


@dataclass(frozen=True, slots=True)
class Replaced:
    """`tie`: the version that lost had the same seqno, so two nodes spoke at once."""

    datum: Datum
    old: Datum
    tie: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """Malformed, or the table is full; `reason` is the name of a counter."""

    reason: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """Over already, and not known; it stays a floor for the order, since a C node holds it."""

    datum: Datum


MALFORMED = Refused("flood.malformed-datum")
FULL = Refused("flood.database-full")
_RARE_FULL = {
    EVIDENCE: Refused("flood.evidence-full"),
    NODE: Refused("flood.nodes-full"),
    LINKS: Refused("flood.links-full"),
    HOSTNAME: Refused("flood.hostnames-full"),
}
LEASES_FULL = Refused("flood.leases-full")
BUCKET_FULL = Refused("flood.bucket-full")
TOO_FAST = Refused("flood.changes-too-fast")

Outcome = Stale | Same | Refreshed | Inserted | Replaced | Remembered | Refused


def life_cap(key: bytes) -> int:
    """The longest life in seconds that is believed for this key."""
    return _LIFE_MAX.get(key[0], constants.ASSOCIATION_LIFE)


def hold_time(key: bytes) -> int:
    """How long an expired datum is remembered, in seconds."""
    return _HOLD.get(key[0], constants.ASSOCIATION_HOLD)


class Database:
    """The data by key, the leases by station, and a digest of what is alive."""

    def __init__(self, limit: int = constants.DATABASE_MAX) -> None:
        self._data: dict[bytes, Datum] = {}
        # By value, the keys that have it (a station's leases, a node's associations), and since when.
        self._keys_with: dict[bytes, dict[bytes, float]] = {}
        self._limit = limit
        self.beside_c = False  # C nodes are near: what is forgotten here is not forgotten there
        self.digests = DigestTree()
        self._rare: dict[int, set[bytes]] = {kind: set() for kind in _RARE_FULL}  # keys, expired ones too
        self._churn = Churn()
        self.counters: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Datum]:
        return iter(self._data.values())

    def get(self, key: bytes) -> Datum | None:
        """The datum, expired or not."""
        return self._data.get(key)

    def live(self, key: bytes, now: float) -> Datum | None:
        datum = self._data.get(key)
        return datum if datum is not None and datum.expires_at > now else None

    def leases_of(self, station: Mac) -> frozenset[bytes]:
        """Keys of all leases that name the station, expired ones too as long as they are remembered."""
        return frozenset(self._keys_with.get(station, ()))

    def stations_at(self, node: NodeId) -> frozenset[bytes]:
        """Keys of all associations that name the node, expired ones too as long as they are remembered."""
        return frozenset(self._keys_with.get(node, ()))

    def since(self, key: bytes) -> float | None:
        """Since when a lease or an association has said what it says, as far as this process knows."""
        datum = self._data.get(key)
        return self._keys_with.get(datum.value, {}).get(key) if datum is not None else None

    def has_many_leases(self, station: bytes) -> bool:
        """Whether no more are believed. What is kept from everybody is no station's, and may be more."""
        return station != NO_MAC and len(self._keys_with.get(station, ())) >= constants.LEASES_OF_STATION_MAX

    @property
    def evidence(self) -> Set[bytes]:
        """Keys of that type, expired ones too."""
        return self._rare[EVIDENCE]

    @property
    def digest(self) -> bytes:
        """XOR of the fingerprints of all data that are alive and not tombstones."""
        return self.digests.digest()

    @property
    def alive(self) -> int:
        return self.digests.alive

    def merge(self, update: Update, now: float) -> Outcome:
        """Take what a peer says. Never raises: what does not fit is `Refused`."""
        held = self._data.get(update.key)
        if held is None or held.value != update.value:
            try:
                check_datum(update.key, update.value)
            except DecodeError:
                return self._refuse(MALFORMED)
        life = min(update.lifetime, life_cap(update.key))
        key = update.key if held is None else held.key  # one object a key: there are 100,000
        incoming = Datum(key, update.seqno, update.value, now + life)
        if held is None:
            if life == 0 and self._has_room_for_floors(update.key):
                self._put(incoming, now)
                return Remembered(incoming)
            if life == 0:
                return Same()  # an expired version of something forgotten: it must not come back
            full = self._full(incoming)
            if full is not None:
                return self._refuse(full)
            self._put(incoming, now)
            return Inserted(incoming)
        if held.seqno == incoming.seqno and held.value == incoming.value:
            if life == 0 or incoming.expires_at <= held.expires_at + constants.SLACK:
                return Same()
            self._put(incoming, now)
            return Refreshed(incoming)
        tie = held.seqno == incoming.seqno
        if not is_newer(incoming.seqno, incoming.value, held.seqno, held.value):
            return Stale(held, tie)
        if held.value != incoming.value and is_lease(incoming.key) and self.has_many_leases(incoming.value):
            return self._refuse(LEASES_FULL)
        if not self._churn.take(update.key, (incoming.seqno - held.seqno) % MODULUS, now):
            return self._refuse(TOO_FAST)
        self._put(incoming, now)
        return Replaced(incoming, held, tie)

    def ask_at(self, key: bytes) -> float | None:
        """When to ask for a datum that was refused as TOO_FAST, if that may help."""
        return self._churn.ask_at(key)

    def has_room(self, key: bytes) -> bool:
        """Whether the key is held, or there is room for it: of what we could do without."""
        return key in self._data or self._full(Datum(key, 0, b"", 0.0)) is None

    def publish(self, key: bytes, value: bytes, life: float, now: float) -> Datum:
        """A version of our own, above whatever is known."""
        held = self._data.get(key)
        key = key if held is None else held.key
        datum = Datum(key, 0 if held is None else following(held.seqno), value, now + life)
        self._put(datum, now)
        return datum

    def restore(self, stored: StoredDatum, now: float) -> Datum | None:
        """Put back what the state directory kept, unless something newer is known already.

        None, and counted: it is no lease that we can have written. Its life is capped, since a clock may have jumped.
        """
        try:
            check_datum(stored.key, stored.value)
        except DecodeError:
            sound = False
        else:
            sound = is_lease(stored.key) and 0 <= stored.seqno < MODULUS and not isnan(stored.remaining)
        if not sound:
            self.counters["store.malformed-datum"] += 1
            return None
        life = min(stored.remaining, life_cap(stored.key))
        datum = Datum(stored.key, stored.seqno, stored.value, now + life)
        held = self._data.get(datum.key)
        if held is None or is_newer(datum.seqno, datum.value, held.seqno, held.value):
            self._put(datum, now)
        return datum

    def expire(self, key: bytes, now: float) -> float | None:
        """Bring the datum's state up to date. Returns when to call again; None when it is gone."""
        datum = self._data.get(key)
        if datum is None:
            return None
        if datum.expires_at > now:
            return datum.expires_at
        self.digests.discount(key)
        hold = hold_time(key)
        if self._has_room_for_floors(key):
            hold = max(hold, constants.C_FLOOR_HOLD)
        forget_at = datum.expires_at + hold
        if forget_at > now:
            return forget_at
        del self._data[key]
        self.digests.forget(key)
        if key[0] in self._rare:
            self._rare[key[0]].discard(key)
        self._unindex(datum)
        return None

    def _has_room_for_floors(self, key: bytes) -> bool:
        """Whether an expired version is worth remembering for the sake of C nodes."""
        return self.beside_c and key[0] != EVIDENCE and len(self._data) <= self._limit // 2

    def _put(self, datum: Datum, now: float) -> None:
        held = self._data.get(datum.key)
        if held is None:
            self.digests.hold(datum.key)
            if datum.key[0] in self._rare:
                self._rare[datum.key[0]].add(datum.key)
        elif held.value != datum.value:
            self._unindex(held)
        self._data[datum.key] = datum
        if datum.key[0] in _INDEXED and datum.value:
            keys = self._keys_with.setdefault(datum.value, {})
            if datum.key not in keys or (held is not None and held.expires_at <= now):
                keys[datum.key] = now
        if datum.expires_at > now and datum.value:
            self.digests.count(datum.key, datum.seqno, datum.value)
        else:
            self.digests.discount(datum.key)

    def _unindex(self, datum: Datum) -> None:
        keys = self._keys_with.get(datum.value)
        if keys is not None:
            keys.pop(datum.key, None)
            if not keys:
                del self._keys_with[datum.value]

    def _full(self, datum: Datum) -> Refused | None:
        """Which table has no room for a new key."""
        key = datum.key
        if len(self._data) >= self._limit:
            return FULL
        if key[0] in self._rare and len(self._rare[key[0]]) >= _rare_max(key[0]):
            return _RARE_FULL[key[0]]
        if is_lease(key) and self.has_many_leases(datum.value):
            return LEASES_FULL
        if len(self.digests.keys(bucket_of(key))) >= constants.BUCKET_MAX:
            return BUCKET_FULL
        return None

    def _refuse(self, outcome: Refused) -> Refused:
        self.counters[outcome.reason] += 1
        return outcome


def _rare_max(kind: int) -> int:
    return {EVIDENCE: constants.EVIDENCE_MAX, HOSTNAME: constants.HOSTNAMES_MAX}.get(kind, constants.NODES_MAX)


def is_association(key: bytes) -> bool:
    return key[0] == ASSOCIATION


def is_lease(key: bytes) -> bool:
    return key[0] in LEASE_TYPES
