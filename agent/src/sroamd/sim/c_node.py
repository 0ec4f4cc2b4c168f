"""The C daemon of 2021 in the place of a node: the same events and effects, the original's behaviour and its defects.

M, A and L with a number are the defects' names (flooding, sections 1.1 to 1.3). What it does to sockets (T1 to T10) is
not here but in the stand-in of the tests that speaks TCP. Left out: it sleeps 100 ms for every station that arrives
(A9), and tells its stations at a stop that their router is none any more.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Network
from random import Random

from sroamd.addresses import Mac, NodeId
from sroamd.config import Config
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.values import NextHop, Prefix, Route, RouteKind
from sroamd.sim.c_clients import Clients
from sroamd.sim.c_database import CDatabase, Record
from sroamd.sim.c_prefixes import prefix_of, random_prefix
from sroamd.wire.datum import ASSOCIATION, IPV4_LEASE, IPV6_LEASE, association_key
from sroamd.wire.dhcpv4 import BOOTREPLY, DhcpMessage, MessageType
from sroamd.wire.flood import Update
from sroamd.wire.icmpv6 import RouterAdvertisement
from sroamd.wire.ndisc_options import PrefixInformation

ASSOCIATION_TIME = 5400
LEASE_TIME = 1800
OFFER_TIME = 10
PREFIX_TIME = 3600
LEASE_FUDGE = 10
SHORTEST = 60  # s: what has less left is refused


class CNode:
    """`handle(event, now)`; it has no timers. `rng` is only what unused memory happens to hold."""

    def __init__(self, config: Config, node_id: NodeId, rng: Random) -> None:
        self.node_id = node_id
        self.database = CDatabase(rng.randbytes)
        self.clients = Clients()
        self.installed: dict[Prefix, Route] = {}
        self._network = config.network
        self._draw = Random(0)  # L3: never seeded, so every C node draws the same
        self._interfaces: dict[str, Mac] = {}
        self._peers: list[ev.PeerId] = []
        self._effects: list[do.Effect] = []
        self._now = 0

    def next_deadline(self) -> float | None:
        return None

    def handle(self, event: ev.Event, now: float) -> list[do.Effect]:
        self._now, self._effects = int(now), []
        match event:
            case ev.PeerReady(peer, _):
                self._peers.append(peer)
                self._send(peer, *self.database.records())
            case ev.PeerClosed(peer):
                self._peers.remove(peer)
            case ev.UpdatesReceived(peer, updates):
                for update in updates:
                    self._merge(peer, update)
            case ev.StationAuthorized(interface, station):
                self._station_added(interface, station)
            case ev.StationsListed(interface, stations):  # A3: before any peer has said a word
                for station in sorted(stations):
                    self._station_added(interface, station)
            case ev.StationLeft(_, station):
                self._flush_association(station)
            case ev.DhcpReceived(interface, _, _, message):
                self._dhcp(interface, message)
            case ev.RouterSolicited(interface, _, _, solicitation):
                if solicitation.source_link_layer is not None:
                    self._solicited(interface, solicitation.source_link_layer)
            case ev.InterfaceChanged(interface, mac) if mac is not None:
                self._interfaces[interface] = mac
            case ev.StopRequested():
                for index in self.clients:
                    self._flush_routes(index)
                self._effects.append(do.Stop())
            case _:
                pass  # no disk, no pings, no routes of others, no Hellos
        return self._effects

    # -- flooding

    def _merge(self, peer: ev.PeerId, update: Update) -> None:
        merged = self.database.merge(update.key, update.seqno, update.value, update.lifetime, self._now)
        if merged.updated:
            self._react(merged.record, conflict=merged.conflict)
            self._flood(merged.record, peer)

    def _flood(self, record: Record, origin: ev.PeerId | None = None) -> None:
        for peer in self._peers:
            if peer != origin:
                self._send(peer, record)

    def _send(self, peer: ev.PeerId, *records: Record) -> None:
        updates = [Update(each.seqno, each.remaining(self._now), each.key, each.value) for each in records]
        last = self._effects[-1] if self._effects else None
        if isinstance(last, do.SendUpdates) and last.peer == peer:
            self._effects[-1] = do.SendUpdates(peer, (*last.updates, *updates))
        elif updates:
            self._effects.append(do.SendUpdates(peer, tuple(updates)))

    def _react(self, record: Record, *, conflict: bool) -> None:
        kind = record.key[:1]
        if kind in (bytes((IPV4_LEASE,)), bytes((IPV6_LEASE,))):
            self._lease_changed(record)
        elif (
            kind == bytes((ASSOCIATION,)) and len(record.key) == 7 and len(record.value) == 8
        ):  # A5: a tombstone is no news
            station = Mac(record.key[1:])
            index = self.clients.find(station)
            if index is not None and record.value != self.node_id:  # A2: whoever says so, is believed
                for interface in self._interfaces:
                    self._effects.append(do.Disassociate(interface, station))
                self._flush_client(station)
                if conflict:
                    self._flush_association(self.clients.station(index))  # A7: whoever stands there now

    # -- where stations are

    def _station_added(self, interface: str, station: Mac) -> None:
        if interface not in self._interfaces:
            return
        index = self._claim(station)
        for kind in (IPV4_LEASE, IPV6_LEASE):
            lease = self.database.lease_of(station, kind)
            if lease is not None:
                self._set_route(index, lease.key[1:])
        self._effects.append(do.SendGratuitousArp(interface, station, self._network.ipv4_gateway))
        self._effects.append(do.SendNeighborAdvertisement(interface, station, self._network.ipv6_gateway))

    def _claim(self, station: Mac) -> int:
        """The client's index."""
        index = self.clients.add(station)
        key, value = association_key(station), bytes(self.node_id)
        record = self.database.get(key)
        if record is not None and record.value == value:
            self.database.extend(record, ASSOCIATION_TIME, self._now)  # A1: a return is no new claim
        else:
            seqno = 0 if record is None else (record.seqno + 1) & 0xFFFF
            record = self.database.merge(key, seqno, value, ASSOCIATION_TIME, self._now).record
        self._flood(record)
        return index

    def _flush_association(self, station: Mac) -> None:
        self._flush_client(station)
        record = self.database.get(association_key(station))
        if record is not None and record.value == self.node_id:
            seqno = (record.seqno + 1) & 0xFFFF  # A4: as the next AP does at the same moment
            self._flood(self.database.merge(record.key, seqno, b"", ASSOCIATION_TIME, self._now).record)

    def _flush_client(self, station: Mac) -> None:
        index = self.clients.find(station)
        if index is not None:
            self._flush_routes(index)
            self.clients.remove(index)

    # -- routes

    def _flush_routes(self, index: int) -> None:
        self._set_route(index, bytes(4))
        self._set_route(index, bytes(8))

    def _set_route(self, index: int, address: bytes) -> None:
        """`address`: 4 or 8 octets; zero for none."""
        before = self.clients.address(index, ipv6=len(address) == 8)
        if before == address:
            return
        if any(before):
            self.installed.pop(prefix_of(before), None)
            self._effects.append(do.RemoveRoute(prefix_of(before)))
        if any(address):
            route = Route(prefix_of(address), RouteKind.HERE, NextHop(next(iter(self._interfaces)), None))
            self.installed[route.prefix] = route
            self._effects.append(do.InstallRoute(route))
        self.clients.set_address(index, address)

    def _lease_changed(self, record: Record) -> None:
        address = record.key[1:]
        if len(record.value) == 6 and len(address) in (4, 8):
            for index in self.clients:
                same = self.clients.address(index, ipv6=len(address) == 8) == address
                if same and self.clients.station(index) != record.value:  # L6: and nobody is told
                    self._set_route(index, bytes(len(address)))

    # -- leases

    def _lease(self, station: Mac, kind: int, suggested: bytes | None, life: int) -> Record:
        record = self.database.lease_of(station, kind)
        if record is None:
            record = self._new_lease(station, kind, suggested)
            self.database.extend(record, life, self._now)
            for index in self.clients:
                if self.clients.station(index) == station:
                    self._set_route(index, record.key[1:])
        else:
            self.database.extend(record, life, self._now)
        self._flood(record)
        return record

    def _new_lease(self, station: Mac, kind: int, suggested: bytes | None) -> Record:
        if suggested is not None:
            known = self.database.get(bytes((kind,)) + suggested)
            if known is not None and known.until + LEASE_FUDGE < self._now and len(known.value) == 6:
                known.write(bytes(station))
                return known
        if kind == IPV4_LEASE:
            pool, size = self._network.ipv4_prefix, 32
        else:
            pool, size = self._network.ipv6_prefix, 64  # type: ignore[assignment]
        address = random_prefix(pool.network_address.packed[: size // 8], pool.prefixlen, self._draw)
        key = bytes((kind,)) + address
        return self.database.merge(key, 0, bytes(station), 0, self._now).record  # L1, L2: whosever it is

    def _dhcp(self, interface: str, message: DhcpMessage) -> None:
        gateway = self._network.ipv4_gateway
        kind = message.message_type
        if message.server_id not in (None, gateway) or interface not in self._interfaces:
            return
        if kind not in (MessageType.DISCOVER, MessageType.REQUEST):
            return  # L6: RELEASE and DECLINE are nothing to it
        discover = kind is MessageType.DISCOVER
        wanted = message.requested_address or IPv4Address(0)
        if not discover and int(message.ciaddr):
            wanted = message.ciaddr
        if not discover and not int(wanted):
            self._reply(interface, message, MessageType.NAK)
            return
        index = self._claim(message.chaddr)  # A11: a packet says where a station is
        suggested = wanted.packed if int(wanted) else None
        lease = self._lease(message.chaddr, IPV4_LEASE, suggested, OFFER_TIME if discover else LEASE_TIME)
        address = IPv4Address(lease.key[1:])
        left = LEASE_TIME if discover else lease.remaining(self._now)
        if not discover and wanted != address:
            self._reply(interface, message, MessageType.NAK)
            return
        self._set_route(index, address.packed)
        if left >= SHORTEST:
            self._reply(interface, message, MessageType.OFFER if discover else MessageType.ACK, address, left)
        elif not discover:
            self._reply(interface, message, MessageType.NAK)

    def _reply(
        self, interface: str, request: DhcpMessage, kind: MessageType, address: IPv4Address | None = None, life: int = 0
    ) -> None:
        gateway = self._network.ipv4_gateway
        options = {54: gateway.packed, 3: gateway.packed}
        if address is not None:
            options |= {51: _u32(life), 58: _u32(min(1600, life - 10)), 59: _u32(min(1700, life - 15)), 1: b"\xff" * 4}
        reply = DhcpMessage(
            op=BOOTREPLY,
            message_type=kind,
            xid=request.xid,
            chaddr=request.chaddr,
            yiaddr=address or IPv4Address(0),
            siaddr=gateway,
            options=options,
        )
        broadcast = IPv4Address("255.255.255.255")
        self._effects.append(do.SendDhcp(interface, request.chaddr, gateway, broadcast, reply))

    def _solicited(self, interface: str, station: Mac) -> None:
        if interface not in self._interfaces:
            return
        index = self._claim(station)
        lease = self._lease(station, IPV6_LEASE, None, PREFIX_TIME)
        self._set_route(index, lease.key[1:])
        left = lease.remaining(self._now)  # L8: and nothing is said again before it is over
        prefix = prefix_of(lease.key[1:])
        assert isinstance(prefix, IPv6Network)
        advertisement = RouterAdvertisement(
            hop_limit=0,
            managed=False,
            other=False,
            lifetime=min(left, 0xFFFF),
            source_link_layer=self._interfaces[interface],
            prefixes=(PrefixInformation(prefix, True, True, left, 2 * left // 3),),
        )
        gateway = self._network.ipv6_gateway
        self._effects.append(do.SendRouterAdvertisement(interface, station, gateway, advertisement))


def _u32(number: int) -> bytes:
    return number.to_bytes(4, "big")
