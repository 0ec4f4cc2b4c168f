"""How often a datum may be replaced by what peers say: CHURN_BURST times at once, then CHURN_RATE a second.

The order of versions is a circle, so versions that a liar (or a broken memory) has scattered over it can each be newer
than the one before, for ever: three of them then chase one another through the fleet, and every node adopts and passes
on each in turn, as fast as links carry them. Nodes that keep to the rules never change a datum so fast (CLAIM_RATE). So
who hears more is deaf to that datum for CHURN_REST: the copies that are on their way die out, and nobody has anything
more to say. Where nodes then hold different versions their digests differ, and they compare at leisure (core.repair).

But a node that has been held up meets at once all that has changed meanwhile, of a station that bounces, say. Its
versions are close to one another, where those of a chase go round the circle: then it asks its peers, as soon as it
hears again, for the last word.
"""

from __future__ import annotations

from typing import NamedTuple

from sroamd.constants import CHURN_BURST, CHURN_RATE, CHURN_REST
from sroamd.core.memory import Memory
from sroamd.core.seqno import HALF

INTERVAL = 1 / CHURN_RATE  # seconds a token


class Account(NamedTuple):
    """`full_at`: when all tokens are there again, if none is spent. `advance`: of the seqno, by what was paid for."""

    full_at: float
    deaf_until: float
    advance: int


class Churn:
    """Tokens by key. Who has rested has all of them, and no entry."""

    def __init__(self) -> None:
        self._accounts: Memory[bytes, Account] = Memory(lambda account, now: account.full_at <= now)

    def __len__(self) -> int:
        return len(self._accounts)

    def ask_at(self, key: bytes) -> float | None:
        """Of what has been refused: when it is heard again, if there may be a last word."""
        account = self._accounts.get(key)
        return None if account is None or account.advance >= HALF else account.deaf_until

    def take(self, key: bytes, advance: int, now: float) -> bool:
        """Whether the datum may be replaced now, by a version so far ahead; if so, it is paid for."""
        account = self._accounts.get(key)
        if account is not None and now < account.deaf_until:
            return False
        full_at = now + INTERVAL
        if account is not None and account.full_at > now:
            full_at, advance = account.full_at + INTERVAL, account.advance + advance
        if full_at > now + CHURN_BURST * INTERVAL:
            self._accounts.keep(key, Account(now + CHURN_REST, now + CHURN_REST, advance), now)
            return False
        self._accounts.keep(key, Account(full_at, now, advance), now)
        return True
