"""How often each station has done something that is believed a few times only."""

from __future__ import annotations

from sroamd.addresses import Mac


class Strikes:
    """At most `most` of each station in `period` seconds; who has none in that time is forgotten."""

    def __init__(self, most: int, period: float) -> None:
        self._most = most
        self._period = period
        self._times: dict[Mac, list[float]] = {}

    def __len__(self) -> int:
        return len(self._times)

    def add(self, station: Mac, now: float) -> bool:
        """Whether it is believed once more."""
        since = now - self._period
        self._times = {mac: times for mac, times in self._times.items() if times[-1] > since}
        recent = [at for at in self._times.get(station, ()) if at > since]
        if len(recent) >= self._most:
            return False
        self._times[station] = [*recent, now]
        return True
