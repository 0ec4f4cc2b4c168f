"""Host routes. They are derived, never commanded: desired = f(database, stations here, nodes, next hops), and the
difference to what is installed is what happens.

    here      the station is authorised here and the database names this node
    demoted   it was here, and the database now names another node, or nobody, or the lease is over: for DEMOTED_TIME,
              by way of the next hop towards that node, so that Babel announces it badly before it withdraws it. What
              Babel merely withdraws lives on at others for half a minute, and would draw the traffic of a station that
              gave its address up here and took it again elsewhere
    direct    (core.values.RouteKind knows it; nothing derives it yet)
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from sroamd import constants
from sroamd.addresses import Mac, NodeId
from sroamd.core.agenda import Job
from sroamd.core.backoff import Backoffs
from sroamd.core.effects import InstallRoute, Level, RemoveRoute
from sroamd.core.nodes import Nodes
from sroamd.core.turn import State, Turn
from sroamd.core.values import NextHop, Prefix, Route, RouteKind
from sroamd.wire.datum import association_key, ipv4_lease_key, ipv6_lease_key, lease_prefix


class Routes:
    def __init__(self, state: State, nodes: Nodes) -> None:
        self._state = state
        self._nodes = nodes
        self.installed: dict[Prefix, Route] = {}
        self._demoted: dict[Prefix, float] = {}  # until when
        self._adopted: set[Prefix] = set()  # found in the kernel at the start, and not explained yet
        self._started = False
        self._losses: Backoffs[Prefix] = Backoffs(
            free=constants.REINSTALL_FREE,
            first=constants.REINSTALL_WAIT_MIN,
            longest=constants.REINSTALL_WAIT_MAX,
            quiet=constants.REINSTALL_QUIET,
        )

    def stations(self) -> set[Mac]:
        """Those that have a route of kind *here* in the kernel, by leases that are known."""
        here = [key_of(prefix) for prefix, route in self.installed.items() if route.kind is RouteKind.HERE]
        leases = [self._state.database.get(key) for key in here]
        return {Mac(lease.value) for lease in leases if lease is not None}

    # -- events

    def listed(self, turn: Turn, routes: frozenset[Route]) -> None:
        """The kernel's table is the truth about what is installed."""
        ours = [route for route in routes if is_stations(route.prefix)]
        known = set(self.installed) | {route.prefix for route in ours}
        self.installed = {route.prefix: route for route in sorted(ours, key=lambda route: key_of(route.prefix))}
        if not self._started:
            self._started = True
            self._adopted = set(self.installed)
            self._state.agenda.set(Job.ADOPTED, None, turn.now + constants.ADOPT_TIME)
            for prefix, route in self.installed.items():
                if route.kind is RouteKind.DEMOTED:
                    self._demote(prefix, turn.now + constants.DEMOTED_TIME)
        turn.touched.update(key_of(prefix) for prefix in known)
        turn.touched.update(key for station in self._state.present for key in self._state.database.leases_of(station))

    def lost(self, turn: Turn, route: Route) -> None:
        """Install it again; but whoever removes it again and again must not keep us busy, nor fill the log."""
        prefix = route.prefix
        if self.installed.pop(prefix, None) is None:
            return
        wait = self._losses.done(prefix, turn.now)
        if wait:
            self._state.agenda.set(Job.REINSTALL, prefix, turn.now + wait)
            turn.note(Level.WARNING, f"route {prefix} is removed again and again; not installed for {wait:.0f} s")
        self.touch(turn, prefix)

    def touch(self, turn: Turn, prefix: Prefix) -> None:
        turn.touched.add(key_of(prefix))

    def next_hops_changed(self, turn: Turn) -> None:
        turn.touched.update(key_of(prefix) for prefix in self._demoted)

    def demotion_over(self, turn: Turn, prefix: Prefix) -> None:
        self._demoted.pop(prefix, None)
        self.touch(turn, prefix)

    def adoption_over(self, turn: Turn) -> None:
        turn.touched.update(key_of(prefix) for prefix in self._adopted)
        self._adopted.clear()

    def flush(self, turn: Turn) -> None:
        turn.broken.extend(RemoveRoute(prefix) for prefix in self.installed)
        self.installed.clear()
        self._demoted.clear()

    # -- derivation

    def reconcile(self, turn: Turn, *, all_listed: bool) -> None:
        """Bring the routes of every touched lease from what is installed to what is desired."""
        if not self._started:
            return  # what is in the kernel is not known yet; the list touches everything
        for key in sorted(turn.touched):  # not in the order of a set, which changes from process to process
            prefix = lease_prefix(key)
            if self._adopted and prefix in self._adopted:
                if not self._is_decided(key, turn.now, all_listed):
                    continue
                self._adopted.discard(prefix)
            installed = self.installed.get(prefix)
            desired = self._desired(key, prefix, installed, turn.now)
            if desired == installed:
                continue
            if desired is not None:
                if installed is None and self._losses.ready_at(prefix, turn.now) > turn.now:
                    continue  # the agenda touches it again
                self.installed[prefix] = desired
                turn.made.append(InstallRoute(desired))
            else:
                del self.installed[prefix]
                turn.broken.append(RemoveRoute(prefix))
        turn.touched.clear()

    def _desired(self, key: bytes, prefix: Prefix, installed: Route | None, now: float) -> Route | None:
        lease = self._state.database.get(key)
        if lease is None:
            return self._demotion(prefix, installed, None, now)
        station = Mac(lease.value)
        claim = self._state.database.live(association_key(station), now)
        owner = NodeId(claim.value) if claim is not None and claim.value else None
        if owner == self._state.node_id:
            owner = None
            interface = self._state.present.get(station)
            in_force = lease.expires_at > now and key not in self._state.offers
            if interface is not None and in_force and self._is_ours(prefix):
                self._forget_demotion(prefix)
                return Route(prefix, RouteKind.HERE, NextHop(interface, None))
        return self._demotion(prefix, installed, owner, now)

    def _demotion(self, prefix: Prefix, installed: Route | None, owner: NodeId | None, now: float) -> Route | None:
        """What becomes of a route that was *here*: worse for a while, then nothing. `owner`: another node or nobody."""
        if installed is None:
            self._forget_demotion(prefix)
            return None
        next_hop = self._nodes.next_hop(owner, prefix.version) if owner is not None else None
        until = self._demoted.get(prefix)
        if until is None:
            if installed.kind is not RouteKind.HERE:
                return None
            blind = owner is not None and next_hop is None
            until = now + (constants.DEMOTED_BLIND_TIME if blind else constants.DEMOTED_TIME)
            self._demote(prefix, until)
        if until <= now:
            return None
        return Route(prefix, RouteKind.DEMOTED, next_hop or installed.next_hop)

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

    def _is_ours(self, prefix: Prefix) -> bool:
        """No peer may make us announce the gateway, or other people's addresses, by a lease that it invents."""
        network = self._state.config.network
        if isinstance(prefix, IPv6Network):
            return prefix.subnet_of(network.ipv6_prefix)
        pool, address = network.ipv4_prefix, prefix.network_address
        return address in pool and address not in (pool.network_address, pool.broadcast_address, network.ipv4_gateway)

    def _demote(self, prefix: Prefix, until: float) -> None:
        self._demoted[prefix] = until
        self._state.agenda.set(Job.DEMOTED, prefix, until)

    def _forget_demotion(self, prefix: Prefix) -> None:
        if self._demoted and self._demoted.pop(prefix, None) is not None:
            self._state.agenda.clear(Job.DEMOTED, prefix)


def is_stations(prefix: Prefix) -> bool:
    """Whether it has the length that a station gets. Others with our protocol number are somebody else's."""
    return prefix.prefixlen == (32 if prefix.version == 4 else 64)


def key_of(prefix: Prefix) -> bytes:
    return ipv4_lease_key(prefix.network_address) if isinstance(prefix, IPv4Network) else ipv6_lease_key(prefix)
