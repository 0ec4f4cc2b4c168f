"""A station: where its radio is, its addresses, and whom it takes for its gateway."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network
from random import Random
from typing import TYPE_CHECKING

from sroamd.addresses import Mac
from sroamd.core.events import DhcpReceived, RouterSolicited
from sroamd.sim.dhcp_client import DhcpClient, Lease
from sroamd.sim.machine import INTERFACE
from sroamd.wire.dhcpv4 import DhcpMessage
from sroamd.wire.icmpv6 import RouterAdvertisement, RouterSolicitation

if TYPE_CHECKING:
    from sroamd.sim.machine import Machine
    from sroamd.sim.world import World

SOLICIT_INTERVAL = 4.0  # RFC 4861 section 10: RTR_SOLICITATION_INTERVAL
SOLICITATIONS = 3
DRIVER_OPENS = 0.028  # s: so late after hostapd's word the kernel lets frames through (lab, section 9)


def interface_identifier(mac: Mac) -> int:
    """RFC 4291 appendix A: modified EUI-64."""
    return int.from_bytes(bytes((mac[0] ^ 2, mac[1], mac[2], 0xFF, 0xFE, mac[3], mac[4], mac[5])), "big")


class Station:
    """`ap` is where its radio is: the truth that the fleet has to find out. None: nowhere."""

    def __init__(self, world: World, name: str, mac: Mac, seed: int) -> None:
        self.world = world
        self.name = name
        self.mac = mac
        self.rng = Random(seed)
        self.dhcp = DhcpClient(world.time, Random(self.rng.getrandbits(64)), mac, self)
        self.ap: Machine | None = None
        self.stay = 0  # counts associations
        self.away = False  # it has vanished, and comes back by itself
        self.asleep_until = 0.0  # it answers nothing before
        self.is_clone = False  # somebody with another station's MAC: nobody owes it anything
        self.gateway: dict[int, Mac] = {}  # by IP version: the neighbour entry of its default router
        self.address_changes = 0
        self.last_address: IPv4Address | None = None
        self._open_at = 0.0
        self._router_until = 0.0
        self._prefix: IPv6Network | None = None
        self._prefix_until = 0.0

    # -- the radio

    def arrive(self, ap: Machine, *, ask_dhcp: bool) -> None:
        """Authentication is over at `ap`."""
        self.ap = ap
        self.stay += 1
        self.away = False
        self._open_at = self.world.time.now + self.rng.uniform(0, DRIVER_OPENS)
        assert ap.hostapd is not None
        ap.hostapd.authorize(self.mac)
        delay = self.rng.uniform(0.001, 0.05)
        if ask_dhcp or self.dhcp.wants_link_up:
            self.world.time.after(delay, self._link_up, self.stay)
        if ask_dhcp or not self._router_known:
            self._router_until = 0.0
            self.world.time.after(delay, self._solicit, self.stay, SOLICITATIONS)

    def depart(self) -> Machine | None:
        """The radio is off. Returns the AP it was at."""
        left, self.ap = self.ap, None
        self.stay += 1
        self.dhcp.link_down()
        return left

    def hears(self, ap: Machine) -> bool:
        return self.ap is ap and self.world.time.now >= self._open_at

    def _link_up(self, stay: int) -> None:
        if stay == self.stay:
            self.dhcp.link_up()

    @property
    def asleep(self) -> bool:
        return self.world.time.now < self.asleep_until

    def forget_everything(self) -> None:
        """It was switched off, and its memory with it."""
        self.dhcp.forget()
        self._prefix, self._router_until = None, 0.0

    # -- IPv4

    @property
    def address(self) -> IPv4Address | None:
        return None if self.dhcp.lease is None else self.dhcp.lease.address

    def send_dhcp(self, source: IPv4Address, message: DhcpMessage) -> None:
        self.world.air.sent(self, DhcpReceived(INTERFACE, self.mac, source, self.world.air.through_codec(message)))

    def bound(self, lease: Lease) -> None:
        if self.last_address != lease.address:
            if self.last_address is not None:
                self.address_changes += 1
                self.world.checks.renumbered(self, self.last_address, lease.address)
            self.last_address = lease.address
            self.world.note(f"{self.name} has {lease.address} at {self.where()}")

    def unbound(self, address: IPv4Address, reason: str) -> None:
        self.world.checks.given_up(self, address)
        self.world.note(f"{self.name} gives up {address}: {reason}")

    def declined(self, address: IPv4Address) -> None:
        self.world.checks.declined(self, address)

    # -- IPv6

    @property
    def link_local(self) -> IPv6Address:
        return IPv6Address((0xFE80 << 112) | interface_identifier(self.mac))

    @property
    def _router_known(self) -> bool:
        return self.world.time.now < self._router_until

    @property
    def prefix(self) -> IPv6Network | None:
        """Until its valid lifetime is over."""
        return self._prefix if self.world.time.now < self._prefix_until else None

    @property
    def global_address(self) -> IPv6Address | None:
        """SLAAC, RFC 4862 section 5.5.3."""
        prefix = self.prefix
        return None if prefix is None else prefix[interface_identifier(self.mac)]

    def advertised(self, router: Mac, advertisement: RouterAdvertisement) -> None:
        if advertisement.lifetime == 0:
            self.world.checks.violated("routers stay", f"{self.name} was told that its router is none any more")
        now = self.world.time.now
        self._router_until = now + advertisement.lifetime
        self.gateway.setdefault(6, advertisement.source_link_layer or router)
        for information in advertisement.prefixes:
            if not information.autonomous or information.preferred == 0:
                continue
            if self._prefix != information.prefix:
                if self._prefix is not None:
                    self.world.checks.renumbered(self, self._prefix, information.prefix)
                self._prefix = information.prefix
                self.world.note(f"{self.name} has {self._prefix} at {self.where()}")
            self._prefix_until = now + information.valid

    def solicit(self) -> None:
        """Once more, having given up when all that it said and was told was lost."""
        self._solicit(self.stay, SOLICITATIONS)

    def _solicit(self, stay: int, left: int) -> None:
        if stay != self.stay or self._router_known or not left:
            return
        self.world.air.sent(
            self, RouterSolicited(INTERFACE, self.mac, self.link_local, RouterSolicitation(source_link_layer=self.mac))
        )
        self.world.time.after(SOLICIT_INTERVAL, self._solicit, stay, left - 1)

    # -- both

    def owns(self, target: IPv4Address | IPv6Address) -> bool:
        """Whether it answers an ARP request or a neighbour solicitation for the address."""
        return target in (self.address, self.link_local, self.global_address)

    def gateway_is(self, version: int, mac: Mac) -> None:
        self.gateway[version] = mac

    def where(self) -> str:
        return self.ap.name if self.ap is not None else "no AP"
