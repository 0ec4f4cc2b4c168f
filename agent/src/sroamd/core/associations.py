"""Where stations are: claims, counter-claims, and the ping that decides between them.

The station table of the access point is the truth about this node; the database is what all nodes agree upon. Three
conditions, looked at whenever either changes, are the whole state machine:

    here, and the database does not name this node      ping; an answer is a new claim
    not here, and the database names this node          withdraw
    here, and the database names this node              the routes are ours

"Here" is only ever said by the list of authorised stations, never by a packet.

A radio acknowledges every frame that bears its address, also one from an access point that it has left, if both are on
one channel (seen in `make test-wifi`). So where two nodes claim a station, the acknowledgement of a POLL_STA decides
nothing: an answer to ARP or to a neighbour solicitation does, which takes the keys of this association.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address

from sroamd import constants
from sroamd.addresses import Mac
from sroamd.core.agenda import Job
from sroamd.core.database import Datum, is_association
from sroamd.core.effects import (
    Disassociate,
    Effect,
    Level,
    PollStation,
    SendArpRequest,
    SendNeighborSolicitation,
)
from sroamd.core.leases import Leases
from sroamd.core.turn import State, Turn
from sroamd.wire.datum import association_key, association_station


@dataclass(frozen=True, slots=True)
class Ping:
    """Under way. `tries` have been sent, the last of them just before the agenda's entry for this station."""

    tries: int
    why: str


class Associations:
    def __init__(self, state: State, leases: Leases) -> None:
        self._state = state
        self._leases = leases
        self._pings: dict[Mac, Ping] = {}
        self._listed: set[str] = set()
        self._link_local: dict[Mac, IPv6Address] = {}
        self._acknowledged: set[Mac] = set()  # claimed against another node on an acknowledgement, since they arrived

    # -- what hostapd says

    def appeared(self, turn: Turn, interface: str, station: Mac) -> bool:
        """Rule A1: claim it, also when it is ours already: our claim may be crossing another's. False: refused."""
        present = self._state.present
        if not station.is_station or station in self._state.interfaces.values():
            turn.note(Level.WARNING, f"station {station} on {interface} refused: no station can have this address")
            return False
        if station not in present and len(present) >= constants.STATIONS_MAX:
            turn.note(Level.ERROR, f"station {station} refused: {constants.STATIONS_MAX} stations are here already")
            return False
        present[station] = interface
        self._acknowledged.discard(station)
        self._stop_ping(station)
        self._claim(turn, station)
        return True

    def left(self, turn: Turn, interface: str, station: Mac) -> None:
        """Rule A2."""
        if self._state.present.get(station) != interface:
            return
        self._absent(turn, station)
        turn.note(Level.INFO, f"station {station} left {interface}")

    def listed(self, turn: Turn, interface: str, stations: frozenset[Mac]) -> list[Mac]:
        """The whole truth about an interface: who is missing has left. Returns the stations that are new."""
        present = self._state.present
        for station in [mac for mac, where in present.items() if where == interface and mac not in stations]:
            self._absent(turn, station)
        arrived = [station for station in sorted(stations) if present.get(station) != interface]
        arrived = [station for station in arrived if self.appeared(turn, interface, station)]
        self._listed.add(interface)
        if self.all_listed:
            self._withdraw_unfounded(turn)
        return arrived

    def interfaces_changed(self, turn: Turn) -> None:
        """Of an interface that is configured no more nobody will say who leaves: its stations have left."""
        left = {interface.name for interface in self._state.config.interfaces}
        for station in [mac for mac, where in self._state.present.items() if where not in left]:
            self._absent(turn, station)
        self._listed &= left

    @property
    def all_listed(self) -> bool:
        """Whether absence means something: each interface's stations have been listed once."""
        return all(interface.name in self._listed for interface in self._state.config.interfaces)

    # -- what the database says

    def changed(self, turn: Turn, station: Mac) -> None:
        """The datum of this station has changed, from here or from a peer. Rules A3 and A5."""
        turn.touch(station)
        named_here = self.names_us(station, turn.now)
        if station in self._state.present:
            if not named_here:
                self._ping(turn, station, "another node claims it")
        elif named_here and self.all_listed:
            self._withdraw(turn, station)

    def tie_won(self, turn: Turn, station: Mac) -> None:
        """Rule A4: another claim of our seqno has lost to ours; ask whether the station really is here."""
        if station in self._state.present and self.names_us(station, turn.now):
            self._ping(turn, station, "another node claims it at the same time")

    def names_us(self, station: Mac, now: float) -> bool:
        datum = self.datum(station, now)
        return datum is not None and datum.value == self._state.node_id

    def datum(self, station: Mac, now: float) -> Datum | None:
        """Its living association; one with an empty value says that it is nowhere."""
        return self._state.database.live(association_key(station), now)

    # -- what the station says

    def answered(self, turn: Turn, interface: str, station: Mac) -> None:
        """Rule A6: fresh evidence, so claim it (again).

        Of a station without any known address there is nothing but the acknowledgement, which both nodes may get. It
        is believed once: the node to which the station came first is the first that believes it no more.
        """
        if station not in self._pings or self._state.present.get(station) != interface:
            return
        if not self.names_us(station, turn.now) and not self._has_address(turn, station):
            if station in self._acknowledged:
                return
            self._acknowledged.add(station)
        self._stop_ping(station)
        self._claim(turn, station)

    def solicited_from(self, station: Mac, source: IPv6Address) -> None:
        """Remember the station's link-local address: the one IPv6 address at which a ping can ask."""
        if source.is_link_local:
            self._link_local[station] = source

    # -- what the clock says

    def ping_due(self, turn: Turn, station: Mac) -> None:
        ping = self._pings.get(station)
        if ping is None:
            return
        if ping.tries < constants.PING_TRIES:
            self._send_ping(turn, station, Ping(ping.tries + 1, ping.why))
            return
        interface = self._state.present[station]
        turn.note(Level.INFO, f"station {station} does not answer on {interface} ({ping.why}): it is not here")
        turn.broken.append(Disassociate(interface, station))
        self._absent(turn, station)

    def refresh_due(self, turn: Turn, station: Mac) -> None:
        """A claim is only ever renewed for a live station, so ask; where there is nothing to ask, hostapd must know."""
        if station not in self._state.present or not self.names_us(station, turn.now):
            return
        if self._has_address(turn, station):
            self._ping(turn, station, "its claim is due for renewal")
        else:
            self._claim(turn, station)

    # -- steps

    def _claim(self, turn: Turn, station: Mac) -> None:
        turn.publish(association_key(station), bytes(self._state.node_id), constants.ASSOCIATION_LIFE)
        due = turn.now + self._state.spread(constants.ASSOCIATION_REFRESH, constants.REFRESH_SPREAD)
        self._state.agenda.set(Job.REFRESH_CLAIM, station, due)

    def _absent(self, turn: Turn, station: Mac) -> None:
        self._state.present.pop(station, None)
        self._link_local.pop(station, None)
        self._acknowledged.discard(station)
        self._stop_ping(station)
        self._state.agenda.clear(Job.REFRESH_CLAIM, station)
        turn.touch(station)
        if self.names_us(station, turn.now):
            self._withdraw(turn, station)

    def _withdraw(self, turn: Turn, station: Mac) -> None:
        turn.publish(association_key(station), b"", constants.TOMBSTONE_LIFE)

    def _withdraw_unfounded(self, turn: Turn) -> None:
        """After a restart: claims of our former self for stations that are not here."""
        node_id, present = self._state.node_id, self._state.present
        ours = [d.key for d in self._state.database if is_association(d.key) and d.value == node_id]
        for station in map(association_station, ours):
            if station not in present and self.names_us(station, turn.now):
                self._withdraw(turn, station)

    def _ping(self, turn: Turn, station: Mac, why: str) -> None:
        """Start, or start again: only what the station says from now on counts."""
        turn.note(Level.DEBUG, f"pinging station {station}: {why}")
        self._send_ping(turn, station, Ping(1, why))

    def _send_ping(self, turn: Turn, station: Mac, ping: Ping) -> None:
        self._pings[station] = ping
        self._state.agenda.set(Job.PING, station, turn.now + constants.PING_INTERVAL)
        turn.said.extend(self._questions(turn, station))

    def _has_address(self, turn: Turn, station: Mac) -> bool:
        """Whether there is one at which it can be asked."""
        return station in self._link_local or self._leases.address_of(station, turn.now) is not None

    def _questions(self, turn: Turn, station: Mac) -> list[Effect]:
        interface = self._state.present[station]
        questions: list[Effect] = []
        if self.names_us(station, turn.now) or not self._has_address(turn, station):
            questions.append(PollStation(interface, station))
        address = self._leases.address_of(station, turn.now)
        if address is not None:
            gateway = self._state.config.network.ipv4_gateway
            questions.append(SendArpRequest(interface, station, gateway, address))
        link_local = self._link_local.get(station)
        if link_local is not None:
            source = self._state.config.network.ipv6_gateway
            questions.append(SendNeighborSolicitation(interface, station, source, link_local))
        return questions

    def _stop_ping(self, station: Mac) -> None:
        if self._pings.pop(station, None) is not None:
            self._state.agenda.clear(Job.PING, station)
