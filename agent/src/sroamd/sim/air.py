"""The radio between an AP and the stations that really are there: late, and lossy if the run wants it."""

from __future__ import annotations

from collections.abc import Callable
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
        self.stations: dict[Mac, Station] = {}

    # -- from the AP

    def gateway_announced(self, ap: Machine, mac: Mac, address: IPv4Address | IPv6Address) -> None:
        self._down(ap, mac, lambda station: station.gateway_is(address.version, ap.mac))

    def asked_for(self, ap: Machine, mac: Mac, target: IPv4Address | IPv6Address) -> None:
        self._down(ap, mac, lambda station: self._answer(station, target))

    def polled(self, ap: Machine, mac: Mac) -> None:
        """POLL_STA: the radio itself acknowledges. A wired driver cannot do it."""
        if self._world.scenario.poll_works:
            self._down(ap, mac, lambda station: self.sent(station, ProbeAnswered(INTERFACE, station.mac, Probe.POLL)))

    def disassociated(self, ap: Machine, mac: Mac) -> None:
        assert ap.hostapd is not None
        ap.hostapd.remove(mac)
        station = self.stations.get(mac)
        if station is not None and station.ap is ap:
            self._world.counters["stations disassociated"] += 1
            station.depart()
            self._world.time.after(self._rng.uniform(*REASSOCIATION), self._world.come_back, station, station.stay, ap)

    def dhcp_sent(self, ap: Machine, reply: SendDhcp) -> None:
        message = self.through_codec(reply.message, reply.max_size)
        self._down(ap, reply.station, lambda station: station.dhcp.received(message))

    def router_advertised(self, ap: Machine, mac: Mac, advertisement: RouterAdvertisement) -> None:
        self._world.checks.prefix_advertised(ap, mac, advertisement)
        self._down(ap, mac, lambda station: station.advertised(ap.mac, advertisement))

    def _down(self, ap: Machine, mac: Mac, received: Callable[[Station], None]) -> None:
        if mac in self.stations and self._rng.random() >= self.loss:
            self._world.time.after(self._rng.uniform(*AIR_TIME), self._arrive, ap, self.stations[mac], received)

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
        if station.owns(target):
            by = Probe.ARP if target.version == 4 else Probe.NEIGHBOR
            self.sent(station, ProbeAnswered(INTERFACE, station.mac, by))

    def through_codec(self, message: DhcpMessage, max_size: int = dhcpv4.PACKET_SIZE_MIN) -> DhcpMessage:
        """The same message, by way of its octets if the run wants that."""
        if not self._world.scenario.octets:
            return message
        return dhcpv4.decode(dhcpv4.encode(message, max_size=max_size))
