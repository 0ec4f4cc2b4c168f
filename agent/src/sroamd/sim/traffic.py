"""A correspondent behind a Babel router, and packets between it and one station. A model of the data plane.

The correspondent is behind the last router. Towards the station each router sends on as `forwarding` says, so that a
packet may circle until its hop limit. From the station: to the MAC that it takes for its gateway, and only the AP that
has this MAC forwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network

from sroamd.core.values import Prefix
from sroamd.sim.forwarding import End, following
from sroamd.sim.machine import Machine
from sroamd.sim.station import Station
from sroamd.sim.world import World

HOP_TIME = 0.001  # s
HOP_LIMIT = 64


@dataclass(slots=True)
class Tally:
    """Of one flow in one stretch of time: packets, and the longest time in s in which none arrived."""

    sent: int = 0
    lost: int = 0
    silence: float = 0.0


@dataclass(slots=True)
class Flow:
    """One IP version, one direction. `tallies`: the last one is open; `cut` begins another."""

    version: int
    to_station: bool
    tallies: list[Tally] = field(default_factory=lambda: [Tally()])
    last_arrival: float | None = None

    @property
    def tally(self) -> Tally:
        return self.tallies[-1]

    def arrived(self, now: float) -> None:
        self.heard_until(now)
        self.last_arrival = now

    def heard_until(self, now: float) -> None:
        if self.last_arrival is not None:
            self.tally.silence = max(self.tally.silence, now - self.last_arrival)


class Traffic:
    """Four flows, each with a packet every `interval` seconds, from `start` until the end of the run."""

    def __init__(self, world: World, station: Station, interval: float) -> None:
        self._world = world
        self._station = station
        self._interval = interval
        self.flows = [Flow(version, to_station) for to_station in (True, False) for version in (4, 6)]

    def start(self) -> None:
        for flow in self.flows:
            self._world.time.after(0.0, self._send, flow)

    def cut(self) -> None:
        """What follows is counted apart."""
        for flow in self.flows:
            flow.tallies.append(Tally())

    def _send(self, flow: Flow) -> None:
        self._world.time.after(self._interval, self._send, flow)
        tally = flow.tally
        tally.sent += 1
        if flow.to_station:
            prefix = self._prefix(flow.version)
            if prefix is None:
                tally.lost += 1
            else:
                self._at(flow, tally, prefix, self._world.backbone.routers[-1], HOP_LIMIT)
            return
        station = self._station
        ap = station.ap
        if ap is not None and station.hears(ap) and station.gateway.get(flow.version) == ap.mac:
            self._world.time.after(2 * HOP_TIME, self._arrive, flow)
        else:
            tally.lost += 1

    def _prefix(self, version: int) -> Prefix | None:
        if version == 6:
            return self._station.prefix
        return None if self._station.address is None else IPv4Network(self._station.address)

    def _at(self, flow: Flow, tally: Tally, prefix: Prefix, router: int, hops_left: int) -> None:
        step = following(self._world, router, prefix) if hops_left else End.NOWHERE
        if step is End.NOWHERE:
            tally.lost += 1
        elif step is End.RADIO:
            self._world.time.after(HOP_TIME, self._over_radio, flow, tally, self._world.machines[router])
        else:
            self._world.time.after(HOP_TIME, self._at, flow, tally, prefix, step, hops_left - 1)

    def _over_radio(self, flow: Flow, tally: Tally, ap: Machine) -> None:
        if self._station.hears(ap):
            self._arrive(flow)
        else:
            tally.lost += 1

    def _arrive(self, flow: Flow) -> None:
        flow.arrived(self._world.time.now)
