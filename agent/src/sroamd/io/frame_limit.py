"""Stations that send without end: so many frames of each are looked at, then the kernel drops its frames unseen.

All stations of an interface share one socket and one loop. Without this, one of them fills the queue faster than we
read it, and the frames of the others find no room. What a station needs to say is a few frames a minute.
"""

from __future__ import annotations

from sroamd.addresses import Mac
from sroamd.constants import MUTE_TIME, MUTED_MAX, STATION_FRAMES_BURST, STATION_FRAMES_RATE

SPARE = 1024  # sources remembered before those that have been quiet are forgotten


class FrameLimit:
    """Of one interface. `muted` is whom the kernel shall not let through; its caller says what time it is."""

    def __init__(self) -> None:
        # When all of a source's burst is there again, if it sends nothing more. Who has been quiet has no entry.
        self._full_at: dict[bytes, float] = {}
        self._forget_beyond = SPARE
        self._until: dict[Mac, float] = {}

    @property
    def muted(self) -> tuple[Mac, ...]:
        return tuple(self._until)

    def take(self, source: bytes, now: float) -> bool:
        """Whether a frame of this source, the octets of a MAC, is to be looked at."""
        before = self._full_at.get(source, now)
        full_at = (before if before > now else now) + 1 / STATION_FRAMES_RATE
        if full_at > now + STATION_FRAMES_BURST / STATION_FRAMES_RATE:
            return False
        if len(self._full_at) >= self._forget_beyond:
            self._full_at = {source: at for source, at in self._full_at.items() if at > now}
            self._forget_beyond = 2 * len(self._full_at) + SPARE
        self._full_at[source] = full_at
        return True

    def mute(self, source: Mac, now: float) -> bool:
        """It has sent too much. Whether it is muted now, and was not before."""
        if source in self._until or len(self._until) >= MUTED_MAX:
            return False
        self._until[source] = now + MUTE_TIME
        return True

    def unmute(self, now: float) -> float | None:
        """Let those be heard again whose time is over. When the next one's is, if there is one."""
        self._until = {source: until for source, until in self._until.items() if until > now}
        return min(self._until.values(), default=None)
