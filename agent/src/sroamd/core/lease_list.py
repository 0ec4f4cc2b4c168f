"""What `sroamctl leases` shows: who has which address and which /64, until when, and what is kept for whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sroamd.addresses import NO_MAC, Mac, NodeId
from sroamd.constants import OFFER_LIFE
from sroamd.core.database import Datum, is_lease
from sroamd.core.hostnames import Hostnames
from sroamd.core.leases import Leases
from sroamd.core.nodes import Nodes
from sroamd.core.turn import State
from sroamd.core.words import subject
from sroamd.wire.datum import association_key

Row = dict[str, str | float | None]

OFFERED, BOUND, EXPIRED, DECLINED, RESERVED = "offered", "bound", "expired", "declined", "reserved"


class Parts(NamedTuple):
    """Those of a node that know about leases."""

    state: State
    nodes: Nodes
    leases: Leases
    hostnames: Hostnames


class LeaseList:
    """Of one moment. Rows are made one at a time: there may be 100,000, and stations wait meanwhile."""

    def __init__(self, parts: Parts, now: float) -> None:
        self._state, self._nodes, self._leases, self._hostnames = parts
        self._now = now

    def all_keys(self) -> list[bytes]:
        """Of all leases that are remembered, and of all that is reserved."""
        held = [datum.key for datum in self._state.database if is_lease(datum.key)]
        return list(dict.fromkeys((*held, *self._leases.reservations.by_key)))

    def keys_of(self, station: Mac) -> Iterable[bytes]:
        """The same of one station."""
        own = self._leases.reservations.of(station, None)
        reserved = (key for key, one in self._leases.reservations.by_key.items() if one is own)
        return dict.fromkeys((*self._state.database.leases_of(station), *reserved))

    def rows(self, keys: Iterable[bytes], *, expired: bool) -> Iterator[Row]:
        """`expired`: also of what is over, and only remembered for its station."""
        for key in keys:
            datum = self._state.database.get(key)
            is_living = datum is not None and datum.expires_at > self._now
            if datum is not None and (is_living or (expired and datum.value != NO_MAC)):
                yield self._row(datum)
            elif key in self._leases.reservations.by_key:
                yield self._reserved(key)

    def _row(self, datum: Datum) -> Row:
        station = Mac(datum.value) if datum.value != NO_MAC else None
        return {
            "address": subject(datum.key),
            "station": str(station) if station is not None else None,
            "hostname": self._hostnames.of(station, self._now) if station is not None else None,
            "expires": round(datum.expires_at - self._now),
            "state": self._word(datum),
            "where": self._where(station),
        }

    def _where(self, station: Mac | None) -> str | None:
        claim = self._state.database.live(association_key(station), self._now) if station is not None else None
        return self._nodes.name(NodeId(claim.value)) if claim is not None and claim.value else None

    def _word(self, datum: Datum) -> str:
        """An offer of another node is known by its short life and its youth."""
        left = datum.expires_at - self._now
        if left <= 0:
            return EXPIRED
        if datum.value == NO_MAC:
            return DECLINED
        since = self._state.database.since(datum.key)
        is_young = since is not None and self._now - since <= OFFER_LIFE
        return OFFERED if datum.key in self._state.offers or (left <= OFFER_LIFE and is_young) else BOUND

    def _reserved(self, key: bytes) -> Row:
        one = self._leases.reservations.by_key[key]
        whose = str(one.mac) if one.mac is not None else f"client-id {(one.client_id or b'').hex(':')}"
        return {
            "address": subject(key),
            "station": whose,
            "hostname": one.hostname,
            "expires": None,
            "state": RESERVED,
            "where": self._where(one.mac),
        }
