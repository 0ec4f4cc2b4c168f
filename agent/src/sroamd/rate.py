"""How often something may happen: a token bucket. It knows no clock; its caller says what time it is."""

from __future__ import annotations

# Of one token: what floating-point clocks may lose between "ready then" and "then".
_TOLERANCE = 1e-6


class TokenBucket:
    """`burst` at once, and `rate` a second in the long run. Full when made; `now` must not go back."""

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float) -> bool:
        """Whether it may happen now; if so, it has."""
        self._refill(now)
        if self._tokens < 1 - _TOLERANCE:
            return False
        self._tokens -= 1
        return True

    def spend(self, amount: float, now: float) -> float:
        """So much has happened, allowed or not. What is left; negative when it was too much."""
        self._refill(now)
        self._tokens -= amount
        return self._tokens

    def drain(self, now: float) -> None:
        """It has happened, allowed or not: the next has to wait for it, but never for more than a whole burst."""
        self._tokens = max(self.spend(1, now), -self.burst)

    def ready_at(self, now: float) -> float:
        """From when on `take` succeeds, if nothing is taken before."""
        self._refill(now)
        return now if self._tokens >= 1 - _TOLERANCE else now + (1 - self._tokens) / self.rate

    def _refill(self, now: float) -> None:
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
