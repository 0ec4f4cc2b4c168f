"""How often a station's association may get a new version: CLAIM_BURST at once, then CLAIM_RATE a second.

All nodes hold the same chain of versions, each one seqno above the last, so each node can keep the account alone: every
step of the seqno that it takes or makes costs one token, and it makes none without a token. Thus the seqno advances no
faster than one node alone could drive it, however many nodes claim the station from each other; and two versions that
live at one time lie less than 2^15 apart, which the order of versions needs (core.seqno).

A token that is missing is a wait, never a refusal: the claim that waits is made if it is still true then.
"""

from __future__ import annotations

from typing import NamedTuple

from sroamd.addresses import Mac
from sroamd.constants import CLAIM_BURST, CLAIM_RATE
from sroamd.core.memory import Memory
from sroamd.core.seqno import MODULUS

INTERVAL = 1 / CLAIM_RATE  # seconds a token


class Account(NamedTuple):
    """`full_at`: when all tokens are there again, if none is spent. `seqno`: of the last version that was paid for."""

    full_at: float
    seqno: int


class ClaimLimit:
    """Tokens by station. Who has not moved of late has all of them, and no entry."""

    def __init__(self) -> None:
        self._accounts: Memory[Mac, Account] = Memory(lambda account, now: account.full_at <= now)

    def __len__(self) -> int:
        return len(self._accounts)

    def saw(self, station: Mac, seqno: int, now: float) -> None:
        """The database holds this version now: pay for it, once."""
        account = self._accounts.get(station)
        steps, full_at = 1, now
        if account is not None:
            if account.seqno == seqno:
                return
            if account.full_at > now:
                steps, full_at = (seqno - account.seqno) % MODULUS, account.full_at
        most = now + CLAIM_BURST * INTERVAL  # none left; there are no debts
        self._accounts.keep(station, Account(min(full_at + steps * INTERVAL, most), seqno), now)

    def ready_at(self, station: Mac, now: float, keep: int = 0) -> float:
        """When there is a token beside `keep` others: `now`, or later."""
        account = self._accounts.get(station)
        if account is None:
            return now
        return max(now, account.full_at - (CLAIM_BURST - keep - 1) * INTERVAL)
