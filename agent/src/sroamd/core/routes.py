"""Host routes. They are derived, never commanded: desired = f(database, stations here, nodes, next hops), and the
difference to what is installed is what happens.

    here      the station is authorised here and the database names this node
    demoted   it was here, and the database now names another node, or nobody, or the lease is over: for a while
              (core.demotions), by way of the next hop towards that node, so that Babel announces it badly before it
              withdraws it. What Babel merely withdraws lives on at others for half a minute, and would draw the traffic
              of a station that gave its address up here and took it again elsewhere
    direct    the database names another node, to which there is a way (core.direct): it is reached as soon as the
              flood says where it is, and nobody waits for Babel
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from sroamd import constants
from sroamd.addresses import Mac, NodeId
from sroamd.core.agenda import Job
from sroamd.core.backoff import Backoffs
from sroamd.core.demotions import Demotions
from sroamd.core.direct import DirectRoutes, version_of
from sroamd.core.effects import InstallRoute, Level, RemoveRoute
from sroamd.core.nodes import Nodes
from sroamd.core.pools import StationPlaces
from sroamd.core.turn import State, Turn
from sroamd.core.values import NextHop, Prefix, Route, RouteKind, Towards, Via
from sroamd.wire.datum import association_key, ipv4_lease_key, ipv6_lease_key, lease_prefix


class Routes:
    """`near`: those that are *here* or demoted, by the key of the lease. The direct ones are in `direct`."""

    def __init__(self, state: State, nodes: Nodes) -> None:
        self._state = state
        self._nodes = nodes
        self.near: dict[bytes, Route] = {}
        self.direct = DirectRoutes(state, nodes)
        self.demotions = Demotions(state.agenda)
        self._adopted: set[bytes] = set()  # found in the kernel at the start, and not explained yet
        self._started = False
        self._losses: Backoffs[bytes] = Backoffs(
            free=constants.REINSTALL_FREE,
            first=constants.REINSTALL_WAIT_MIN,
            longest=constants.REINSTALL_WAIT_MAX,
            quiet=constants.REINSTALL_QUIET,
        )
        self._places = StationPlaces(state.config.network)

    # -- what there is

    def __len__(self) -> int:
        return len(self.near) + len(self.direct.installed)

    def installed(self) -> Iterator[Route]:
        """What we believe is in the kernel."""
        yield from self.near.values()
        for key, towards in self.direct.installed.items():
            yield route_of(key, towards)

    def keys(self) -> Iterator[bytes]:
        """Of the leases that have one."""
        yield from self.near
        yield from self.direct.installed

    def held(self, key: bytes) -> Route | Towards | None:
        """What we believe is in the kernel for the lease; of a direct route, where it leads."""
        return self.near.get(key) or self.direct.installed.get(key)

    def route(self, key: bytes) -> Route | None:
        """The same, as a route."""
        held = self.held(key)
        return route_of(key, held) if isinstance(held, Towards) else held

    def is_held_back(self, key: bytes, now: float) -> bool:
        """It is not installed yet, since somebody removes it again and again."""
        return self.held(key) is None and self._losses.ready_at(key, now) > now

    def stations(self) -> set[Mac]:
        """Those that have a route of kind *here* in the kernel, by leases that are known."""
        here = [key for key, route in self.near.items() if route.kind is RouteKind.HERE]
        leases = [self._state.database.get(key) for key in here]
        return {Mac(lease.value) for lease in leases if lease is not None}

    # -- events

    def listed(self, turn: Turn, routes: frozenset[Route], *, direct: bool) -> None:
        """The kernel's table is the truth about what is installed; about direct routes only if they are in it."""
        ours = {key_of(route.prefix): route for route in routes if is_stations(route.prefix)}
        before = self.near
        self.near = {key: ours[key] for key in sorted(ours) if isinstance(ours[key].next_hop, NextHop)}
        if not self._started:
            self._started = True
            self._adopted = {key for key, route in self.near.items() if route.kind is not RouteKind.DIRECT}
            self._state.agenda.set(Job.ADOPTED, None, turn.now + constants.ADOPT_TIME)
            for key, route in self.near.items():
                if route.kind is RouteKind.DEMOTED:
                    self.demotions.begin(key, turn.now)
        for key in self.near:
            self.direct.installed.pop(key, None)
        turn.touched.update(before, self.near)
        for station in self._state.present:
            turn.touch(station)
        if direct:
            found = {key: route.next_hop for key, route in ours.items() if isinstance(route.next_hop, Towards)}
            self.direct.listed(turn, found)

    def lost(self, turn: Turn, route: Route) -> None:
        """Install it again; but whoever removes it again and again must not keep us busy, nor fill the log."""
        if not is_stations(route.prefix):
            return
        key = key_of(route.prefix)
        if self._forget(key) is None:
            return
        wait = self._losses.done(key, turn.now)
        if wait:
            self._state.agenda.set(Job.REINSTALL, key, turn.now + wait)
            turn.note(Level.WARNING, f"route {route.prefix} is removed again and again; not installed for {wait:.0f} s")
        turn.touched.add(key)

    def kernel_has(self, turn: Turn, key: bytes, route: Route | None) -> None:
        """For the lease it has this, and not what we believed. Somebody wants that mended now, whatever was before."""
        self._losses.forgive(key)
        self._forget(key)
        if route is not None and isinstance(route.next_hop, Towards):
            self.direct.installed[key] = route.next_hop
        elif route is not None:
            self.near[key] = route
        turn.touched.add(key)

    def demotion_due(self, turn: Turn, key: bytes) -> None:
        """The blind part of it is over, or the whole."""
        self.demotions.due(key, turn.now)
        turn.touched.add(key)

    def adoption_over(self, turn: Turn) -> None:
        turn.touched.update(self._adopted)
        self._adopted.clear()

    def flush(self, turn: Turn) -> None:
        turn.broken.extend(RemoveRoute(route.prefix) for route in self.near.values())
        self.near.clear()
        self.demotions.clear()
        self.direct.flush(turn)

    def config_changed(self, turn: Turn) -> None:
        """Perhaps stations get their prefixes elsewhere now, and keep routes to those that they had, or lose them."""
        before, self._places = self._places, StationPlaces(self._state.config.network)
        if before.pools != self._places.pools:
            turn.touched.update(self.near)
            for station in self._state.present:
                turn.touch(station)
            self.direct.look_at_all(turn)

    # -- derivation

    def reconcile(self, turn: Turn, *, all_listed: bool) -> None:
        """Bring the next hops, and the routes of every touched lease, from what is installed to what is desired."""
        if not self._started:
            return  # what is in the kernel is not known yet; the list touches everything
        moved = self._nodes.take_moved()
        if moved:
            turn.touched.update(self.demotions)
        self.direct.follow(turn, moved)
        for key in sorted(turn.touched):  # not in the order of a set, which changes from process to process
            if self._adopted and key in self._adopted:
                if not self._is_decided(key, turn.now, all_listed):
                    continue
                self._adopted.discard(key)
            near, installed = self.near.get(key), self.held(key)
            desired = self._desired(key, near, turn.now)
            if desired is installed or desired == installed:
                continue
            if installed is None and self._losses.ready_at(key, turn.now) > turn.now:
                continue  # the agenda touches it again
            self._forget(key)
            if desired is None:
                turn.broken.append(RemoveRoute(lease_prefix(key)))
                continue
            if isinstance(desired, Towards):
                self.direct.installed[key] = desired
                turn.made.append(InstallRoute(route_of(key, desired)))
            else:
                self.near[key] = desired
                turn.made.append(InstallRoute(desired))
        turn.touched.clear()

    def _desired(self, key: bytes, near: Route | None, now: float) -> Route | Towards | None:
        """`near`: the route of the lease that is there, unless it is a direct one."""
        here, owner, in_force = self._whereabouts(key, now)
        if here is not None:
            self.demotions.end(key)
            return here
        demoted = self._demotion(key, near, owner if in_force else None, now)
        if demoted is None and in_force and owner is not None:
            return self.direct.desired(key, owner)
        return demoted

    def implied(self, key: bytes, now: float) -> Route | Towards | None:
        """What there should be, changing nothing. What nothing explains yet, and what is demoted, is right as it is."""
        held, until = self.held(key), self.demotions.until(key)
        demoted = isinstance(held, Route) and held.kind is RouteKind.DEMOTED and until is not None and now < until
        here, owner, in_force = self._whereabouts(key, now)
        if here is not None or not (demoted or key in self._adopted):
            return here or (self.direct.desired(key, owner) if in_force and owner is not None else None)
        return held

    def _whereabouts(self, key: bytes, now: float) -> tuple[Route | None, bytes | None, bool]:
        """The route to a station that is here; or else the other node that has it; whether the lease is in force."""
        lease = self._state.database.get(key)
        if lease is None:
            return None, None, False
        station = Mac(lease.value)
        claim = self._state.database.live(association_key(station), now)
        owner = claim.value if claim is not None and claim.value else None
        in_force = lease.expires_at > now and key not in self._state.offers and key in self._places
        if owner != self._state.node_id:
            return None, owner, in_force
        interface = self._state.present.get(station)
        if interface is None or not in_force:
            return None, None, in_force
        near = self.near.get(key)
        if near is not None and near.kind is RouteKind.HERE and is_link(near.next_hop, interface):
            return near, None, True  # the same, and need not be compared
        return Route(lease_prefix(key), RouteKind.HERE, NextHop(interface, None)), None, True

    def _demotion(self, key: bytes, near: Route | None, owner: bytes | None, now: float) -> Route | None:
        """What becomes of a route that was *here*: worse for a while. `owner`: another node, or nobody; nobody too
        where the lease is over, for then the owner has no route either, and who goes by Babel may send back to us.

        Where the way to the owner leads through a router that may still believe in us, packets in flight are lost here
        for DEMOTED_BLIND_TIME and do not circle; from then on Babel is believed.
        """
        if near is None:
            self.demotions.end(key)
            return None
        if self.demotions.until(key) is None:
            if near.kind is not RouteKind.HERE:
                return None
            self.demotions.begin(key, now)
        if owner is not None:
            self.demotions.inherit(key, owner)
        until = self.demotions.until(key)
        if until is None or until <= now:
            self.demotions.end(key)
            return None
        assert isinstance(near.next_hop, NextHop)
        way: NextHop | None = self._nowhere(near.next_hop)
        if owner is not None:
            node, version = NodeId(owner), version_of(key)
            safe = self._nodes.safe_next_hop(node, version)
            if safe is not None:
                way = safe
            elif not self.demotions.is_blind(key, now):
                way = self._nodes.next_hop(node, version)
        return Route(lease_prefix(key), RouteKind.DEMOTED, way) if way is not None else None

    def _nowhere(self, before: NextHop) -> NextHop:
        """Over the radio, where the station is no more: also where the route has led to another node meanwhile, which
        may send back to us what is not here."""
        interfaces = self._state.config.interfaces
        return NextHop(interfaces[0].name, None) if before.gateway is not None and interfaces else before

    def _is_decided(self, key: bytes, now: float, all_listed: bool) -> bool:
        """Whether what is known says where the station of a route found at the start is, rather than nothing at all."""
        lease = self._state.database.live(key, now)
        if lease is None or key in self._state.offers:
            return False
        station = Mac(lease.value)
        claim = self._state.database.live(association_key(station), now)
        owner = claim.value if claim is not None else b""
        if station in self._state.present:
            return bool(owner)
        return all_listed or owner not in (b"", self._state.node_id)

    def _forget(self, key: bytes) -> Route | Towards | None:
        """It is not in the kernel any more. Returns what was."""
        return self.near.pop(key, None) or self.direct.installed.pop(key, None)


def is_link(via: Via, interface: str) -> bool:
    """Whether it is the interface itself."""
    return isinstance(via, NextHop) and via.interface == interface and via.gateway is None


def route_of(key: bytes, towards: Towards) -> Route:
    return Route(lease_prefix(key), RouteKind.DIRECT, towards)


def is_stations(prefix: Prefix) -> bool:
    """Whether it has the length that a station gets. Others with our protocol number are somebody else's."""
    return prefix.prefixlen == (32 if prefix.version == 4 else 64)


def key_of(prefix: Prefix) -> bytes:
    return ipv4_lease_key(prefix.network_address) if isinstance(prefix, IPv4Network) else ipv6_lease_key(prefix)
