"""One node: the only door to the core. An event in, what it means decided by the parts, effects out.

`handle` is the only mutation. A reaction runs in three steps: the event's own handler; then whatever the parts have to
do because data changed, until nothing changes any more; then routes and flooding, which are derived from the rest.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import assert_never

from sroamd.addresses import Mac, NodeId
from sroamd.config import Config
from sroamd.constants import SYNC_TIME
from sroamd.core import events
from sroamd.core.agenda import Entry, Job
from sroamd.core.announcements import Announcements
from sroamd.core.associations import Associations
from sroamd.core.census import Census
from sroamd.core.database import Database
from sroamd.core.decisions import Decisions
from sroamd.core.dhcp6_responder import Dhcp6Responder
from sroamd.core.dhcp_server import DhcpServer
from sroamd.core.effects import Effect, Level, Stop
from sroamd.core.guard import Guard
from sroamd.core.hostnames import Hostnames
from sroamd.core.leases import Leases
from sroamd.core.losses import Losses
from sroamd.core.merging import Merging
from sroamd.core.nodes import Nodes
from sroamd.core.own_record import OwnRecord
from sroamd.core.peering import Peering
from sroamd.core.probes import Probes
from sroamd.core.route_checks import RouteChecks
from sroamd.core.router_advertiser import RouterAdvertiser
from sroamd.core.routes import Routes
from sroamd.core.tickets import Tickets
from sroamd.core.turn import State, Turn
from sroamd.wire.datum import ASSOCIATION, LINKS, NODE, association_station


class Node:
    """`handle(event, now)`, `next_deadline()`. `now` is any clock that never goes back, in seconds."""

    def __init__(self, config: Config, node_id: NodeId, rng: Random) -> None:
        self.state = State(config, node_id, rng)
        self.nodes = Nodes(self.state)
        self.own_record = OwnRecord(self.state)
        self.leases = Leases(self.state, self.nodes)
        self.associations = Associations(self.state, self.leases, self.nodes)
        self.peering = Peering(self.state)
        self.census = Census(self.state, self.peering, self.nodes)
        self.routes = Routes(self.state, self.nodes)
        self.guard = Guard(self.state)
        self.route_checks = RouteChecks(self.state, self.routes)
        self.announcements = Announcements(self.state)
        self.tickets = Tickets()
        self.probes = Probes(self.state, self.leases)
        self.hostnames = Hostnames(self.state, self.leases)
        self.decisions = Decisions(self.state)
        self.dhcp_server = DhcpServer(
            self.state, self.leases, self.probes, self.tickets, self.hostnames, self.decisions
        )
        self.dhcp6_responder = Dhcp6Responder(self.state)
        self.router_advertiser = RouterAdvertiser(self.state, self.leases, self.peering, self.probes, self.tickets)
        self.losses = Losses(self.state, self.leases, self.router_advertiser)
        self.merging = Merging(self.state, self.peering, self.losses, self.associations)
        self.store_failing = False

    @property
    def database(self) -> Database:
        return self.state.database

    @property
    def counters(self) -> Counter[str]:
        told = self.dhcp_server, self.hostnames, self.decisions, self.dhcp6_responder, self.router_advertiser
        return sum((part.counters for part in (self.database, self.probes, *told, self.census)), Counter())

    def next_deadline(self) -> float | None:
        """When to send a `Tick`, on the clock of `now`."""
        return self.state.agenda.next_at()

    def handle(self, event: events.Event, now: float) -> list[Effect]:
        """Apply all effects, in order, before the next event."""
        turn = Turn(self.state, now)
        self._react(turn, event)
        while turn.unreacted:
            self._changed(turn, turn.unreacted.pop())
        self.nodes.watch(turn)
        self.leases.follow(turn.touched, turn.now)
        all_listed = self.associations.all_listed
        self.guard.reconcile(turn, all_listed=all_listed)  # before the routes, which take what is touched
        self.routes.reconcile(turn, all_listed=all_listed)
        self.peering.flush(turn)
        self.census.checks.settle()
        return turn.effects()

    # -- events

    def _react(self, turn: Turn, event: events.Event) -> None:
        if isinstance(event, events.FromStations):
            self._react_to_station(turn, event)
        elif isinstance(event, events.FromPeers):
            self._react_to_peer(turn, event)
        else:
            self._react_to_host(turn, event)

    def _react_to_station(self, turn: Turn, event: events.FromStations) -> None:
        match event:
            case events.StationAuthorized(interface, station):
                if self.associations.appeared(turn, interface, station):
                    self._welcome(turn, interface, station)
            case events.StationLeft(interface, station):
                self.associations.left(turn, interface, station)
            case events.StationsListed(interface, stations):
                for station in self.associations.listed(turn, interface, stations, self.routes.stations()):
                    self._welcome(turn, interface, station)
            case events.ProbeAnswered(interface, station, by, address):
                self.associations.answered(turn, interface, station, by)
                if address is not None:
                    self.probes.arp_answered(turn, interface, station, address)
            case events.DhcpReceived():
                self.dhcp_server.received(turn, event)
            case events.Dhcp6Received():
                self.dhcp6_responder.received(turn, event)
            case events.RouterSolicited(interface, source, source_ip, solicitation):
                if self.router_advertiser.solicited(turn, interface, source, solicitation.source_link_layer):
                    self.associations.solicited_from(source, source_ip)
            case _:
                assert_never(event)

    def _react_to_peer(self, turn: Turn, event: events.FromPeers) -> None:
        match event:
            case events.UpdatesReceived(peer, updates):
                self.merging.updates(turn, peer, updates)
            case events.PeerReady(peer, name, dialled):
                self.peering.ready(turn, peer, name, dialled=dialled)
            case events.PeerSaidHello(peer, hello):
                self.peering.said_hello(turn, peer, hello)
            case events.CensusReceived(peer, message):
                self.census.heard(turn, peer, message)
            case events.SummariesReceived(peer, summaries):
                self.peering.compared(turn, peer, summaries)
            case events.PeerBlocked(peer):
                self.peering.blocked(peer)
            case events.PeerWritable(peer):
                self.peering.writable(peer)
            case events.PeerClosed(peer):
                self.peering.closed(turn, peer)
                self.census.closed(peer)
            case _:
                assert_never(event)

    def _react_to_host(self, turn: Turn, event: events.FromHost) -> None:
        match event:
            case events.KernelRoutesListed(routes, direct):
                self.routes.listed(turn, routes, direct=direct)
            case events.KernelRouteLost(route):
                self.routes.lost(turn, route)
            case events.ForeignRouteFound(prefix):
                self.probes.route_found(turn, prefix)
            case events.GuardListed(permits, problem):
                self.guard.listed(turn, permits, problem)
            case events.NextHopChanged(address, next_hop):
                self.nodes.next_hop_changed(address, next_hop)
            case events.NextHopObjectsLost(lost):
                self.routes.direct.objects_lost(turn, lost)
            case events.LinkLocalsListed(addresses):
                self.own_record.links_listed(turn, addresses)
            case events.InterfaceChanged(interface, mac):
                self._interface_changed(interface, mac)
            case events.LeasesLoaded():
                self._loaded(turn, event)
            case events.LeasesStored(ticket, durable):
                self._stored(turn, ticket, durable)
            case events.CheckRequested(ticket):
                self.census.checks.start(turn, ticket)
            case events.RouteCheckRequested(ticket, repair):
                self.route_checks.start(turn, ticket, repair=repair)
            case events.KernelRead():
                self.route_checks.read(turn, event)
            case events.Tick():
                self._tick(turn)
            case events.ConfigReloaded(config):
                self.state.config = config
                self.associations.interfaces_changed(turn)
                self.leases.config_changed(turn.now)
                self.dhcp_server.config_changed()
                self.dhcp6_responder.config_changed()
                self.router_advertiser.config_changed(turn)
                self.routes.config_changed(turn)
                self.guard.config_changed(turn)
                self.own_record.publish(turn)
            case events.StopRequested():
                if self.state.config.node.flush_on_exit:
                    self.routes.flush(turn)
                turn.notes.append(Stop())
            case _:
                assert_never(event)

    def _welcome(self, turn: Turn, interface: str, station: Mac) -> None:
        turn.note(Level.INFO, f"station {station} is on {interface}")
        self.announcements.begin(turn, station)
        self.router_advertiser.arrived(turn, station)

    def _interface_changed(self, interface: str, mac: Mac | None) -> None:
        if mac is None:
            self.state.interfaces.pop(interface, None)
        else:
            self.state.interfaces[interface] = mac

    # -- store

    def _loaded(self, turn: Turn, event: events.LeasesLoaded) -> None:
        """What was known before the restart is said again only to peers that know less."""
        flood = self.state.config.flood
        if flood.peers or flood.listen is not None:
            self.state.settled_at = turn.now + SYNC_TIME
        for stored in event.data:
            datum = self.database.restore(stored, turn.now)
            if datum is not None:
                self.state.agenda.set_earlier(Job.EXPIRE, datum.key, datum.expires_at)
        self.leases.config_changed(turn.now)
        self.own_record.publish(turn)

    def _stored(self, turn: Turn, ticket: int, durable: bool) -> None:
        """A disk that fails must not take the network down: stations are served from memory, and operators told."""
        if durable == self.store_failing:
            text = "leases are on disk again" if durable else "leases cannot be written: a power loss would lose them"
            turn.note(Level.WARNING if durable else Level.ERROR, text)
        self.store_failing = not durable
        self.tickets.stored(turn, ticket)

    # -- what changed data lead to

    def _changed(self, turn: Turn, key: bytes) -> None:
        if key[0] == ASSOCIATION:
            self.associations.changed(turn, association_station(key))
        elif key[0] in (NODE, LINKS):
            if key[1:] == self.state.node_id:
                self.own_record.changed(turn)
            else:
                self.nodes.changed(turn, key)

    # -- time

    def _tick(self, turn: Turn) -> None:
        while (entry := self.state.agenda.pop_due(turn.now)) is not None:
            self._due(turn, entry)

    def _due(self, turn: Turn, entry: Entry) -> None:
        match entry.subject:
            case Mac() as station:
                self._station_due(turn, entry.job, station)
            case bytes() as key:
                self._key_due(turn, entry.job, key)
            case int() as ticket if entry.job is Job.CHECK:
                self.census.checks.due(turn, ticket)
            case int() as ticket if entry.job is Job.ROUTE_CHECK:
                self.route_checks.due(turn, ticket)
            case int() as peer if entry.job is Job.HELLO_WAIT:
                self.peering.hello_missing(turn, peer)
            case int() as peer:
                self.peering.hello_due(turn, peer)
            case None if entry.job is Job.REFRESH_NODE:
                self.own_record.refresh_due(turn)
            case None if entry.job is Job.RELAY:
                self.peering.relay_due(turn)
            case None if entry.job is Job.DECISIONS:
                self.decisions.report_due(turn)
            case None if entry.job is Job.DIRECT:
                self.routes.direct.slice_due(turn)
            case None if entry.job is Job.PERMITS_ADOPTED:
                self.guard.adoption_over(turn)
            case None:
                self.routes.adoption_over(turn)

    def _key_due(self, turn: Turn, job: Job, key: bytes) -> None:
        match job:
            case Job.EXPIRE:
                self.merging.expire(turn, key)
            case Job.LOSS:
                self.losses.due(turn, key)
            case Job.DEMOTED:
                self.routes.demotion_due(turn, key)
            case Job.REINSTALL:
                turn.touched.add(key)
            case Job.ASK_AGAIN:
                self.peering.ask_about(key)
            case Job.NEXT_HOP:
                self.routes.direct.next_hops.due(NodeId(key))
            case _:
                self.merging.raise_due(turn, key)

    def _station_due(self, turn: Turn, job: Job, station: Mac) -> None:
        match job:
            case Job.ANNOUNCE:
                self.announcements.due(turn, station)
            case Job.ADVERTISE:
                self.router_advertiser.due(turn, station)
            case Job.OFFER:
                self.dhcp_server.offer_due(turn, station)
            case Job.PING:
                self.associations.ping_due(turn, station)
            case Job.CLAIM:
                self.associations.claim_due(turn, station)
            case Job.CONFLICT:
                self.associations.conflicts.due(turn, station)
            case _:
                self.associations.refresh_due(turn, station)
