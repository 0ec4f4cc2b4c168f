"""The radio between an AP and the stations that really are there: late, and lossy if the run wants it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address
from random import Random
from typing import TYPE_CHECKING

from sroamd.addresses import Mac
from sroamd.core.effects import SendDhcp
from sroamd.core.events import Event, Probe, ProbeAnswered
from sroamd.sim.machine import INTERFACE
from sroamd.wire import dhcpv4
from sroamd.wire.dhcpv4 import DhcpMessage
from sroamd.wire.icmpv6 import RouterAdvertisement

if TYPE_CHECKING:
    from sroamd.sim.machine import Machine
    from sroamd.sim.station import Station
    from sroamd.sim.world import World

AIR_TIME = (0.0005, 0.003)  # s, one way
REASSOCIATION = (0.05, 0.5)  # s: a station that was thrown out comes back


class Air:
    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._rng = rng
        self.loss = 0.0  # of a frame, in either direction
        self._stations: dict[Mac, list[Station]] = {}

    @property
    def stations(self) -> Iterator[Station]:
        """All radios of stations, also of doubles."""
        return (station for doubles in self._stations.values() for station in doubles)

    def add(self, station: Station) -> None:
        self._stations.setdefault(station.mac, []).append(station)

    def forget(self, station: Station) -> None:
        self._stations[station.mac].remove(station)

    def anybody(self, mac: Mac, ap: Machine) -> bool:
        """Whether a radio with that MAC is associated with the AP."""
        return any(station.ap is ap for station in self._stations.get(mac, ()))

    # -- from the AP

    def gateway_announced(self, ap: Machine, mac: Mac, address: IPv4Address | IPv6Address) -> None:
        self._down(ap, mac, lambda station: station.gateway_is(address.version, ap.mac))

    def asked_for(self, ap: Machine, mac: Mac, target: IPv4Address | IPv6Address) -> None:
        self._down(ap, mac, lambda station: self._answer(station, target))

    def probed_for(self, ap: Machine, target: IPv4Address) -> None:
        """A broadcast: whichever stations here use the address answer."""
        for station in self.stations:
            if station.ap is ap and station.owns(target):
                self._down(ap, station.mac, lambda station: self._answer(station, target))

    def polled(self, ap: Machine, mac: Mac) -> None:
        """POLL_STA: the radio itself acknowledges, and if all APs are on one channel, to any of them, whichever it is
        associated with (seen in `make test-wifi`). A wired driver cannot do it.
        """
        scenario = self._world.scenario
        if not scenario.poll_works:
            return
        for station in self._stations.get(mac, ()):
            awake = station.ap is not None and not station.asleep
            hears = scenario.one_channel or station.hears(ap)
            if awake and hears and self._rng.random() >= self.loss:
                delay = self._rng.uniform(*AIR_TIME)
                self._world.time.after(delay, ap.deliver, ProbeAnswered(INTERFACE, mac, Probe.POLL))

    def disassociated(self, ap: Machine, mac: Mac) -> None:
        assert ap.hostapd is not None
        ap.hostapd.remove(mac)
        for station in self._stations.get(mac, ()):
            if station.ap is ap:
                self._world.counters["stations disassociated"] += 1
                station.depart()
                # Asleep, it finds out when it wakes.
                back = max(self._world.time.now, station.asleep_until) + self._rng.uniform(*REASSOCIATION)
                self._world.time.at(back, self._world.come_back, station, station.stay, ap)

    def dhcp_sent(self, ap: Machine, reply: SendDhcp) -> None:
        message = self.through_codec(reply.message, reply.max_size)
        self._down(ap, reply.station, lambda station: station.dhcp.received(message))

    def router_advertised(self, ap: Machine, mac: Mac, advertisement: RouterAdvertisement) -> None:
        self._world.checks.prefix_advertised(ap, mac, advertisement)
        self._down(ap, mac, lambda station: station.advertised(ap.mac, advertisement))

    def _down(self, ap: Machine, mac: Mac, received: Callable[[Station], None]) -> None:
        for station in self._stations.get(mac, ()):
            if self._rng.random() >= self.loss:
                self._world.time.after(self._rng.uniform(*AIR_TIME), self._arrive, ap, station, received)

    def _arrive(self, ap: Machine, station: Station, received: Callable[[Station], None]) -> None:
        if station.hears(ap):
            received(station)

    # -- from the station

    def sent(self, station: Station, event: Event) -> None:
        """A frame, as the agent at the AP where the station is will see it; by then the station may be elsewhere."""
        ap = station.ap
        if ap is not None and station.hears(ap) and self._rng.random() >= self.loss:
            self._world.time.after(self._rng.uniform(*AIR_TIME), ap.deliver, event)

    def _answer(self, station: Station, target: IPv4Address | IPv6Address) -> None:
        if station.owns(target) and not station.asleep:
            if isinstance(target, IPv4Address):
                self.sent(station, ProbeAnswered(INTERFACE, station.mac, Probe.ARP, target))
            else:
                self.sent(station, ProbeAnswered(INTERFACE, station.mac, Probe.NEIGHBOR))

    def through_codec(self, message: DhcpMessage, max_size: int = dhcpv4.PACKET_SIZE_MIN) -> DhcpMessage:
        """The same message, by way of its octets if the run wants that."""
        if not self._world.scenario.octets:
            return message
        return dhcpv4.decode(dhcpv4.encode(message, max_size=max_size))
