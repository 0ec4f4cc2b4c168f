"""hostapd's list of authorised stations on one interface, with the habits that were seen of the real one (lab, 6).

It does not notice that a station has gone elsewhere; a station that comes back while it is still listed is announced
again (EAP-SUCCESS); "disassociate" takes it off the list and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from sroamd.addresses import Mac
from sroamd.core.events import Event, StationAuthorized, StationLeft, StationsListed
from sroamd.sim.clock import VirtualTime

CONTROL_SOCKET = (0.0003, 0.002)  # s: a line reaches the agent


class VirtualHostapd:
    """Survives the agent; `tell` goes to the agent while one is attached. Lines arrive in order."""

    def __init__(self, time: VirtualTime, rng: Random, interface: str) -> None:
        self._time = time
        self._rng = rng
        self._last = 0.0
        self._attachment = 0
        self._tell: Callable[[Event], None] | None = None
        self.interface = interface
        self.running = True
        self.listed: set[Mac] = set()

    def attach(self, tell: Callable[[Event], None]) -> None:
        """ATTACH, then STA-FIRST and STA-NEXT: the list first, then events. Again after each start of hostapd."""
        self._attachment += 1
        self._tell = tell
        if self.running:
            self._say(StationsListed(self.interface, frozenset(self.listed)))

    def stop(self) -> None:
        """SIGTERM: AP-STA-DISCONNECTED for every station, then nothing more."""
        for station in sorted(self.listed):
            self.remove(station)
        self.running = False

    def start(self) -> None:
        self.running = True
        if self._tell is not None:
            self.attach(self._tell)

    def detach(self) -> None:
        self._attachment += 1
        self._tell = None

    def authorize(self, station: Mac) -> None:
        self.listed.add(station)
        self._say(StationAuthorized(self.interface, station))

    def remove(self, station: Mac) -> None:
        """The station said goodbye, was idle for too long, or is disassociated on the agent's wish."""
        if station in self.listed:
            self.listed.discard(station)
            self._say(StationLeft(self.interface, station))

    def power_off(self) -> None:
        self.detach()
        self.listed.clear()
        self.running = True  # when the power is back

    def _say(self, event: Event) -> None:
        if self._tell is not None:
            self._last = max(self._last, self._time.now + self._rng.uniform(*CONTROL_SOCKET))
            self._time.at(self._last, self._arrive, self._attachment, event)

    def _arrive(self, attachment: int, event: Event) -> None:
        if attachment == self._attachment and self._tell is not None:
            self._tell(event)
