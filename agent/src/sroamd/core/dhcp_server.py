"""The DHCPv4 server's decisions: RFC 2131 section 4.3, with the database in place of a table of our own.

A lease is the same on every node, so any node answers for a lease that any other made. An acknowledgement waits for the
disk: the state directory must know the lease before the client does.
"""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Address

from sroamd import constants
from sroamd.addresses import NO_MAC, Mac
from sroamd.core.agenda import Job
from sroamd.core.allowance import Allowance
from sroamd.core.database import Datum
from sroamd.core.decisions import Decisions
from sroamd.core.dhcp_reply import COUNTERS, UNSPECIFIED, DhcpReplies
from sroamd.core.effects import Level
from sroamd.core.events import DhcpReceived
from sroamd.core.hostnames import Hostnames
from sroamd.core.leases import Leases, address_of_key
from sroamd.core.probes import Probes
from sroamd.core.tickets import Tickets
from sroamd.core.turn import State, Turn
from sroamd.wire.datum import IPV4_LEASE, ipv4_lease_key
from sroamd.wire.dhcpv4 import DhcpMessage, MessageType

TIRING = "it asks again and again"


class DhcpServer:
    def __init__(
        self, state: State, leases: Leases, probes: Probes, tickets: Tickets, hostnames: Hostnames, decisions: Decisions
    ) -> None:
        self._state = state
        self._leases = leases
        self._probes = probes
        self._tickets = tickets
        self._replies = DhcpReplies(state, hostnames, decisions)
        self._hostnames = hostnames
        self._decisions = decisions
        self._contested: dict[Mac, DhcpReceived] = {}  # the last message of each station whose answer waits
        self._versions = Allowance(constants.LEASE_VERSIONS_BURST, constants.LEASE_VERSION_INTERVAL)
        self._offers = Allowance(constants.OFFERS_BURST, constants.OFFER_INTERVAL)
        self._declines = Allowance(constants.DECLINES_MAX, constants.DECLINE_INTERVAL)
        self.counters = self._replies.counters

    def config_changed(self) -> None:
        """What replies say may be something else now."""
        self._replies.config_changed()

    def received(self, turn: Turn, event: DhcpReceived) -> None:
        """Only a station that is authorised on this very interface is heard; where it is, is no packet's to say."""
        message = event.message
        if self._state.present.get(event.source) != event.interface:
            self._replies.ignore(turn, event, "unauthorised", f"it is not authorised on {event.interface}", NO_MAC)
            return
        if message.chaddr != event.source:
            self._replies.ignore(turn, event, "unauthorised", f"it speaks for {message.chaddr}")
            return
        self.counters[COUNTERS[message.message_type]] += 1
        match message.message_type:
            case MessageType.DISCOVER:
                self._discover(turn, event)
            case MessageType.REQUEST:
                self._request(turn, event)
            case MessageType.DECLINE:
                self._decline(turn, event)
            case MessageType.RELEASE:
                self._release(turn, event)
            case MessageType.INFORM:
                self._inform(turn, event)
            case _:
                self._replies.ignore(turn, event, "not-for-a-server", "that is for servers to say")

    # -- DISCOVER, section 4.3.1

    def _discover(self, turn: Turn, event: DhcpReceived, *, again: bool = False) -> None:
        """The offer is flooded for OFFER_LIFE, so that no other node offers the address; it is no lease: no route.

        What is offered for the first time is told CONTEST_TIME later, if it is still the station's then and nobody has
        been found to use it, and after a start not chosen before SYNC_TIME. `again`: it was not, or it was too early.
        """
        station = event.source
        if self._replies.options.wants_no_ipv4(event.message):  # nothing of the pool, and no record of it
            self._replies.without_address(turn, event, "it can do without")
            return
        if station in self._contested:
            self._contested[station] = event
            return
        if turn.now < self._state.settled_at and not self._leases.of_station(station, IPV4_LEASE):
            self._contested[station] = event
            self._state.agenda.set(Job.OFFER, station, self._state.settled_at)
            return
        if not again and not self._may_be_offered(station, turn.now):
            why = "it has not taken what it was offered, and little is left"
            self._replies.ignore(turn, event, "offers-limited", why)
            return
        message = event.message
        address = self._leases.choose_address(station, message.requested_address, turn.now, message.client_id)
        if address is None:
            self._nothing_left(turn, event)
            return
        key = ipv4_lease_key(address)
        held = self._state.database.live(key, turn.now)
        if held is None:
            self._offers.take(station, turn.now)
            self._offer(turn, event, address, had_it=address == message.requested_address)
        elif self._replies.options.wants_rapid_commit(message):
            self._acknowledge(turn, event, held, address)
        else:
            life = self._replies.life(message)
            self._replies.send(turn, event, MessageType.OFFER, address, life)
            self._decisions.note(turn, station, lambda: f"OFFER {station}: {address} for {life} s")

    def _nothing_left(self, turn: Turn, event: DhcpReceived) -> None:
        if self._replies.options.asks_what_to_do_without(event.message):
            self.counters["dhcp4.pool-exhausted"] += 1
            self._replies.without_address(turn, event, "nothing is left")
        else:
            self._replies.ignore(turn, event, "pool-exhausted", "nothing is left")
        self._leases.report_exhaustion(turn, IPV4_LEASE, event.source)

    def _may_be_offered(self, station: Mac, now: float) -> bool:
        """Many stations that only discover must not keep the last places from those that mean it, nor this node busy
        with looking for them."""
        vacancies = self._leases.vacancies[IPV4_LEASE]
        has_room = vacancies.left * 2 >= vacancies.size or self._offers.has(station, now)
        return has_room or self._leases.address_of(station, now) is not None

    def _offer(self, turn: Turn, event: DhcpReceived, address: IPv4Address, *, had_it: bool) -> None:
        """Flood a choice that is new, and answer when there was time to contest it."""
        station, key = event.source, ipv4_lease_key(address)
        if not self._may_publish(station, turn.now):
            self._replies.silence(turn, event, TIRING)
            return
        self._leases.report_shortage(turn, IPV4_LEASE)
        had_it = had_it or key in self._state.database.leases_of(station)
        self._state.offers.add(key)
        self._leases.grant(turn, key, station, constants.OFFER_LIFE, store=False)
        self._probes.ask(turn, key, had_it=had_it)
        self._contested[station] = event
        self._state.agenda.set(Job.OFFER, station, turn.now + constants.CONTEST_TIME)

    def offer_due(self, turn: Turn, station: Mac) -> None:
        """Nobody has contested it or uses it; or else another one is chosen."""
        event = self._contested.pop(station, None)
        if event is None or self._state.present.get(station) != event.interface:
            return
        if event.message.message_type is MessageType.REQUEST:
            self._request(turn, event)
        else:
            self._discover(turn, event, again=True)

    def _may_publish(self, station: Mac, now: float) -> bool:
        """A station that asks without end must not make a version of its lease, for all nodes and disks, each time."""
        allowed = self._versions.take(station, now)
        if not allowed:
            self.counters["dhcp4.rate-limited"] += 1
        return allowed

    # -- REQUEST, section 4.3.2

    def _request(self, turn: Turn, event: DhcpReceived) -> None:
        message = event.message
        server, requested, ciaddr = message.server_id, message.requested_address, message.ciaddr
        if server is not None:
            if ciaddr != UNSPECIFIED or requested is None:
                self._replies.ignore(turn, event, "malformed-request", "it has a server and an address, or wants none")
            elif server != self._state.config.network.ipv4_gateway:
                self._forget_offers(turn, event.source)
                self._replies.ignore(turn, event, "other-server", f"it has chosen the server {server}")
            else:
                self._decide(turn, event, requested, known=True)
        elif ciaddr != UNSPECIFIED and requested is None:  # RENEWING, REBINDING
            self._decide(turn, event, ciaddr, known=False)
        elif ciaddr == UNSPECIFIED and requested is not None:  # INIT-REBOOT
            self._decide(turn, event, requested, known=False)
        else:
            self._replies.ignore(turn, event, "malformed-request", "it names no address, or two")

    def _decide(self, turn: Turn, event: DhcpReceived, address: IPv4Address, *, known: bool) -> None:
        """ACK, NAK or silence. `known`: the client says that it has our offer. Another node may have made it, so it is
        perhaps news to us, but must be what we would offer: else one station could take address after address."""
        station, client_id = event.source, event.message.client_id
        key = ipv4_lease_key(address)
        why_not = self._why_not(event, key, turn.now)
        if why_not is not None:
            self._replies.refuse(turn, event, why_not)
            return
        datum = self._state.database.get(key)
        if station in self._contested:
            self._contested[station] = event  # what it asked before, it asks no more
        elif datum is not None and datum.value == station and datum.expires_at > turn.now:
            self._acknowledge(turn, event, datum, address)
        elif datum is not None and datum.value == station:
            # Another node may remember that it was another station's last, if they were apart, and be asked just now.
            self._offer(turn, event, address, had_it=True)
        elif datum is not None and not self._leases.is_free(key, station, turn.now):
            self._replies.refuse(turn, event, f"{address} belongs to {_holder(datum)}")
        elif turn.now < self._state.settled_at:  # the peers may know better in a moment
            self._replies.ignore(turn, event, "not-synchronised", "this node has just started, and others may know it")
        elif known and (offered := self._leases.choose_address(station, address, turn.now, client_id)) != address:
            self._replies.refuse(turn, event, f"{address} was not offered to it, {offered} would be")
        elif known:
            self._offer(turn, event, address, had_it=True)
        elif (own := self._bound(station, turn.now)) is not None:
            self._replies.refuse(turn, event, f"{address} is not its address, {own} is")
        elif datum is not None and self._renews_what_is_free(event, key, turn.now):
            self._offer(turn, event, address, had_it=True)
        else:  # no record: another node may know, and perhaps so shall we in a moment
            self._replies.ignore(turn, event, "unknown-client", f"nothing is known of it and {address}")

    def _bound(self, station: Mac, now: float) -> IPv4Address | None:
        """Its address. What we have only offered is no record of the client that section 4.3.2 speaks of."""
        addresses = self._leases.addresses_of(station, now)
        return next((each for each in addresses if ipv4_lease_key(each) not in self._state.offers), None)

    def _why_not(self, event: DhcpReceived, key: bytes, now: float) -> str | None:
        """Why the station may not have it, whoever has it now: another part of the pool, a reservation."""
        leases, station, client_id = self._leases, event.source, event.message.client_id
        if not leases.may_have(key, station, client_id):
            address = address_of_key(key)
            if leases.reservations.is_kept_from(key, station, client_id):
                return f"{address} is reserved for another"
            return f"{address} is not in the pool {self._state.config.network.ipv4_prefix}"
        if now >= self._state.settled_at and leases.is_superseded(key, station, now, client_id):
            return f"{address_of_key(key)} is not what is reserved for it"
        return None

    def _renews_what_is_free(self, event: DhcpReceived, key: bytes, now: float) -> bool:
        """It uses the address, and whoever had that meanwhile does not. It would hear nothing, and have no route, until
        its lease is over.
        """
        return event.message.ciaddr != UNSPECIFIED and self._leases.is_certainly_free(key, event.source, now)

    def _acknowledge(self, turn: Turn, event: DhcpReceived, held: Datum, address: IPv4Address) -> None:
        """A lease that is hardly older than what is asked for (a roam, a REQUEST that is repeated) stays as it is: that
        spares all nodes a version, and bounds how fast its seqno advances."""
        station, life = event.source, self._replies.life(event.message)
        self._forget_offers(turn, station, but=held.key)
        remaining = int(held.expires_at - turn.now)
        is_lease = held.key not in self._state.offers and remaining > constants.OFFER_LIFE
        if is_lease and remaining >= life - constants.LEASE_VERSION_INTERVAL:
            life = min(life, remaining)
        elif self._may_publish(station, turn.now):
            self._state.offers.discard(held.key)
            self._leases.grant(turn, held.key, station, life)
        elif is_lease:
            life = min(life, remaining)
        else:
            self._replies.silence(turn, event, TIRING)
            return
        self._offers.forgive(station)
        self._release_former(turn, event, held.key)
        self._tickets.wait(turn, partial(self._stored, event, address, life))

    def _stored(self, event: DhcpReceived, address: IPv4Address, life: int, turn: Turn) -> None:
        """The lease is on disk. It may have been lost to another station meanwhile: then say so."""
        datum = self._state.database.live(ipv4_lease_key(address), turn.now)
        if datum is not None and datum.value == event.source:
            self._replies.send(turn, event, MessageType.ACK, address, life)
            self._hostnames.learn(turn, event.message, life)
            self._decisions.note(turn, event.source, lambda: self._acknowledged(turn, event.source, address, life))
        else:
            self._replies.refuse(turn, event, f"{address} has just become another's")

    def _acknowledged(self, turn: Turn, station: Mac, address: IPv4Address, life: int) -> str:
        """For people."""
        name = self._hostnames.of(station, turn.now)
        called = "" if name is None else f", {name}"
        return f"ACK {station}: {address} for {life} s{called}"

    def _release_former(self, turn: Turn, event: DhcpReceived, key: bytes) -> None:
        """It has something else now than what it was told to leave: that is free."""
        station, client_id = event.source, event.message.client_id
        for datum in self._leases.of_station(station, IPV4_LEASE):
            if datum.key == key or datum.expires_at <= turn.now:
                continue
            if not self._leases.may_keep(datum.key, station, turn.now, client_id):
                self._leases.grant(turn, datum.key, station, 0)

    def _forget_offers(self, turn: Turn, station: Mac, but: bytes = b"") -> None:
        if not self._state.offers:
            return
        for datum in self._leases.of_station(station, IPV4_LEASE):
            if datum.key in self._state.offers and datum.key != but:
                self._state.offers.discard(datum.key)
                self._leases.grant(turn, datum.key, station, 0, store=False)

    # -- DECLINE, RELEASE, INFORM: sections 4.3.3 to 4.3.5

    def _decline(self, turn: Turn, event: DhcpReceived) -> None:
        """The address is in use by somebody unknown: nobody gets it for `decline_time`."""
        station, message = event.source, event.message
        address = message.requested_address or message.ciaddr
        # Table 5 asks for the identifier, which lwIP and connman leave out, and for option 50, in place of `ciaddr`.
        is_for_us = message.server_id is None or self._is_for_us(message)
        datum = self._state.database.live(ipv4_lease_key(address), turn.now)
        if datum is None or datum.value != station or not is_for_us:
            self._replies.ignore(turn, event, "decline-ignored", f"it does not have {address} of us")
        elif not self._declines.take(station, turn.now):
            self._replies.ignore(
                turn, event, "decline-limited", f"{address} stays its own: it declines one after the other"
            )
        else:
            self._state.offers.discard(datum.key)
            self._leases.grant(turn, datum.key, NO_MAC, self._state.config.dhcp4.decline_time)
            text = f"station {station} declined {address}: somebody else uses that address"
            self._decisions.note(turn, station, text, Level.WARNING)

    def _release(self, turn: Turn, event: DhcpReceived) -> None:
        """The lease ends now, but is remembered: the station gets the same address when it comes back."""
        address = event.message.ciaddr
        datum = self._state.database.live(ipv4_lease_key(address), turn.now)
        is_holder = datum is not None and datum.value == event.source and event.source_ip in (address, UNSPECIFIED)
        # systemd-networkd leaves the identifier out (table 5: it must not), and sends it to our address alone.
        is_for_us = event.message.server_id is None or self._is_for_us(event.message)
        if datum is None or not is_holder or not is_for_us:
            self._replies.ignore(turn, event, "release-ignored", f"it does not have {address} of us")
        elif self._may_publish(event.source, turn.now):
            self._leases.grant(turn, datum.key, event.source, 0)
            self._decisions.note(turn, event.source, f"station {event.source} released {address}")
        else:
            self._replies.silence(turn, event, TIRING)

    def _inform(self, turn: Turn, event: DhcpReceived) -> None:
        """Options only, to the address that the client has from elsewhere; no lease is touched."""
        if event.message.ciaddr == UNSPECIFIED:
            self._replies.ignore(turn, event, "malformed-inform", "it has no address")
            return
        self._replies.send(turn, event, MessageType.ACK, UNSPECIFIED, 0)
        self._decisions.note(turn, event.source, f"ACK {event.source}: options only, at {event.message.ciaddr}")

    def _is_for_us(self, message: DhcpMessage) -> bool:
        return message.server_id == self._state.config.network.ipv4_gateway


def _holder(datum: Datum) -> str:
    return "nobody" if datum.value == NO_MAC else str(Mac(datum.value))
