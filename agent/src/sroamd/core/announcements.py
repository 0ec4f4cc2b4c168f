"""Telling a station that has just been authorised who its gateway is now: a gratuitous ARP and an unsolicited NA.

At once, and again at ANNOUNCE_AT: hostapd speaks before the kernel lets frames through, so the first may be lost.
"""

from __future__ import annotations

from sroamd.addresses import Mac
from sroamd.constants import ANNOUNCE_AT
from sroamd.core.agenda import Job
from sroamd.core.effects import SendGratuitousArp, SendNeighborAdvertisement
from sroamd.core.turn import State, Turn


class Announcements:
    def __init__(self, state: State) -> None:
        self._state = state
        self._begun: dict[Mac, tuple[float, int]] = {}  # when, and how many have been sent

    def begin(self, turn: Turn, station: Mac) -> None:
        self._begun[station] = (turn.now, 0)
        self.due(turn, station)

    def due(self, turn: Turn, station: Mac) -> None:
        begun = self._begun.get(station)
        interface = self._state.present.get(station)
        if begun is None or interface is None:
            self._begun.pop(station, None)
            return
        began_at, sent = begun
        network = self._state.config.network
        turn.said.append(SendGratuitousArp(interface, station, network.ipv4_gateway))
        turn.said.append(SendNeighborAdvertisement(interface, station, network.ipv6_gateway))
        sent += 1
        if sent == len(ANNOUNCE_AT):
            del self._begun[station]
        else:
            self._begun[station] = (began_at, sent)
            self._state.agenda.set(Job.ANNOUNCE, station, began_at + ANNOUNCE_AT[sent])
