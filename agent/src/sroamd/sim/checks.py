"""What must hold at every moment, however much goes wrong. `settled` holds what must hold after a quiet time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from sroamd.addresses import Mac
from sroamd.constants import LEASE_GRACE, LEASE_HOLD, OFFER_LIFE
from sroamd.core.database import is_lease
from sroamd.core.effects import SendDhcp
from sroamd.core.values import Prefix, StoredDatum
from sroamd.wire.datum import ipv4_lease_key, ipv6_lease_key, lease_prefix
from sroamd.wire.dhcpv4 import MessageType
from sroamd.wire.icmpv6 import RouterAdvertisement

if TYPE_CHECKING:
    from sroamd.sim.machine import Machine
    from sroamd.sim.station import Station
    from sroamd.sim.world import World

# So long two nodes must have been joined before the one must know what the other has granted. Beyond a flood, a dump,
# and the queue of a slow node.
HEARD_AFTER = 2.0
Resource = IPv4Address | IPv6Network


@dataclass(frozen=True, slots=True)
class Violation:
    at: float
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.at:.3f} s: {self.rule}: {self.text}"


@dataclass(frozen=True, slots=True)
class Grant:
    """A promise to a station, made by `node` at `at`; void from `expires_at`.

    `durable` False: from memory, while the disk of the node failed. Its next process cannot know of it.
    """

    station: Mac
    node: int
    at: float
    expires_at: float
    durable: bool = True


class Checks:
    def __init__(self, world: World) -> None:
        self._world = world
        self._grants: dict[Resource, dict[Mac, Grant]] = {}
        self._beliefs: dict[Resource, dict[Mac, Grant]] = {}
        self._latest: dict[Resource, Mac] = {}  # to whom each was granted last
        self._former: dict[tuple[Resource, Mac], Grant] = {}  # the last grant of each to each
        self._declined: set[tuple[Resource, Mac]] = set()
        self.violations: list[Violation] = []
        self.disputed: set[Resource] = set()  # granted twice by nodes that could not hear each other

    def violated(self, rule: str, text: str) -> None:
        self.violations.append(Violation(self._world.time.now, rule, text))
        self._world.note(f"VIOLATION {rule}: {text}")

    # -- replies only after they are durable; no address to two

    def reply_sent(self, ap: Machine, reply: SendDhcp) -> None:
        message = reply.message
        if ap.runs_c:  # it has no disk, and its promises are worth nothing (L1, L2)
            return
        self._world.counters[f"DHCP {message.message_type.name}"] += 1
        life = message.lease_time
        if message.message_type is MessageType.OFFER:
            self._believed(ap, message.yiaddr, reply.station, OFFER_LIFE)
        if message.message_type is not MessageType.ACK or life is None or not int(message.yiaddr):
            return
        # A client may believe in its lease a little longer than the database: that is what LEASE_GRACE is for.
        row = ap.disk.rows.get(ipv4_lease_key(message.yiaddr))
        failing = self._serves_from_memory(ap)
        if failing:
            self._world.counters["served from memory"] += 1
        elif row is None or row.value != reply.station or row.remaining_at(ap.moment()) < life - LEASE_GRACE:
            held = "nothing" if row is None else f"{row.value.hex(':')} for {row.remaining_at(ap.moment()):.0f} s"
            self.violated("durable", f"{ap.name} says ACK {message.yiaddr} to {reply.station}, its disk says {held}")
        self._granted(ap, message.yiaddr, reply.station, life)

    def _serves_from_memory(self, ap: Machine) -> bool:
        return ap.disk.failed_at > self._world.time.now - 1.0 - ap.lag

    def prefix_advertised(self, ap: Machine, station: Mac, advertisement: RouterAdvertisement) -> None:
        for information in advertisement.prefixes:
            if information.preferred and not ap.runs_c:
                self._granted(ap, information.prefix, station, information.valid)

    def _granted(self, ap: Machine, resource: Resource, station: Mac, life: float) -> None:
        now = self._world.time.now
        grants = self._grants.setdefault(resource, {})
        for other in list(grants.values()):
            if other.expires_at <= now:
                del grants[other.station]
            elif other.station != station and resource not in self.disputed:
                if self._must_know(ap, other):
                    self.violated(
                        "one holder",
                        f"{ap.name} grants {resource} to {station}; {self._world.machines[other.node].name} granted it "
                        f"to {other.station} at {other.at:.3f} s for {other.expires_at - now:.0f} s more",
                    )
                self.disputed.add(resource)
        grant = Grant(station, ap.index, now, now + life, durable=not self._serves_from_memory(ap))
        grants[station] = self._former[resource, station] = grant
        self._latest[resource] = station

    def claimed(self, ap: Machine, data: tuple[StoredDatum, ...]) -> None:
        """What a node stores it believes, before it promises it."""
        for datum in data:
            self._believed(ap, resource_of(datum.key), Mac(datum.value), datum.remaining)

    def _believed(self, ap: Machine, resource: Resource, station: Mac, life: float) -> None:
        """Where a node cannot know what another believes or has promised, the two will be in dispute."""
        if resource in self.disputed or life <= 0:
            return
        now = self._world.time.now
        beliefs = self._beliefs.setdefault(resource, {})
        for other in (*beliefs.values(), *self._grants.get(resource, {}).values()):
            if other.station != station and other.expires_at > now and not self._must_know(ap, other):
                self.disputed.add(resource)
        beliefs[station] = Grant(station, ap.index, now, now + life)

    def _must_know(self, ap: Machine, grant: Grant) -> bool:
        if grant.node == ap.index:
            return grant.durable or ap.started_at <= grant.at
        since = max(grant.at, ap.started_at)
        now = self._world.time.now
        heard_after = HEARD_AFTER + 10 * max(machine.lag for machine in self._world.machines)
        return now - since >= heard_after and self._world.network.joined_for(ap.index, grant.node, since, heard_after)

    def given_up(self, station: Station, address: IPv4Address) -> None:
        """It was refused the address, has let it expire, or says that it does not need it any more."""
        grant = self._grants.get(address, {}).pop(station.mac, None)
        if grant is not None and station.ap is not None and not self._must_know(station.ap, grant):
            self.disputed.add(address)

    def declined(self, station: Station, address: IPv4Address) -> None:
        """It does not want it."""
        self._declined.add((address, station.mac))

    def lied_about(self, key: bytes) -> None:
        """A member of the fleet can take any address from anybody, until it is thrown out."""
        if is_lease(key):
            self.disputed.add(resource_of(key))

    def disk_lost(self, machine: Machine) -> None:
        """What a node had granted and told nobody is forgotten with its disk; what others know, they must go by."""
        for resource, grants in self._grants.items():
            for grant in [each for each in grants.values() if each.node == machine.index]:
                knower = self._another_that_knows(resource, grant)
                if knower is None:
                    self.disputed.add(resource)
                else:
                    grants[grant.station] = replace(grant, node=knower.index, at=self._world.time.now)

    def _another_that_knows(self, resource: Resource, grant: Grant) -> Machine | None:
        key = ipv4_lease_key(resource) if isinstance(resource, IPv4Address) else ipv6_lease_key(resource)
        for machine in self._world.machines:
            if machine.index != grant.node and machine.node is not None:
                datum = machine.node.database.live(key, machine.clock())
                if datum is not None and datum.value == grant.station:
                    return machine
        return None

    # -- stations keep what they have

    def renumbered(self, station: Station, old: Resource, new: Resource) -> None:
        """It keeps what it has, unless it cannot: somebody else has got that since (which is judged elsewhere), its
        node cannot know of it, or it did not want it. Who has two at once (one from each side of a partition) may
        change from the one to the other.
        """
        if station.is_clone:
            return
        self._world.counters["stations renumbered"] += 1
        if self._world.scenario.c_nodes:  # whose promises are broken somewhere
            return
        now, mac = self._world.time.now, station.mac
        former, present = self._former.get((old, mac)), self._former.get((new, mac))
        has_both = present is not None and present.at < now and present.expires_at > now
        unknown = former is not None and station.ap is not None and not self._must_know(station.ap, former)
        forgotten = former is not None and former.expires_at + LEASE_HOLD <= now
        lost = self._latest.get(old) != mac or (old, mac) in self._declined
        if not ({old, new} & self.disputed or has_both or unknown or forgotten or lost):
            self.violated("addresses stay", f"{station.name} had {old} and gets {new}, and nobody disputes either")

    # -- a route of kind *here* is somebody's

    def route_here(self, machine: Machine, prefix: Prefix) -> None:
        """A node without a radio has no stations. Who is reached somewhere may also send there."""
        if machine.hostapd is None:
            self.violated("routes", f"{machine.name} has no radio and routes {prefix} as if it had")
        elif not machine.runs_c and all(permit.prefix != prefix for permit in machine.kernel.permits):
            self.violated("guard", f"{machine.name} routes {prefix} and lets nobody send from it")


def resource_of(key: bytes) -> Resource:
    """The address or the /64 that a lease is about."""
    prefix = lease_prefix(key)
    return prefix.network_address if isinstance(prefix, IPv4Network) else prefix
