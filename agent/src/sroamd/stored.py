"""A lease as it is kept on a disk, and how much of it is left when it is read again.

A wall clock is not to be trusted: an access point without a battery wakes up in 1970 and jumps once it hears NTP. Each
row therefore carries both clocks: within one boot of the machine the time since boot counts, and only from one boot to
the next the wall clock, and that only if it has not gone back (then the lease lives as long as when it was written).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment on both clocks, in seconds; `since_boot` compares only within the same `boot`."""

    wall: float
    since_boot: float
    boot: str

    def until(self, later: Instant) -> float:
        """Seconds from here to `later`, never negative: 0 where the wall clock has gone back."""
        if self.boot == later.boot:
            return max(0.0, later.since_boot - self.since_boot)
        return max(0.0, later.wall - self.wall)


@dataclass(frozen=True, slots=True)
class Row:
    """`remaining` seconds were left at `written`."""

    value: bytes
    seqno: int
    remaining: float
    written: Instant

    def remaining_at(self, now: Instant) -> float:
        """Seconds; negative if it expired so long ago."""
        return self.remaining - self.written.until(now)
