"""Where stations are: claims, counter-claims, and the ping that decides between them.

The station table of the access point is the truth about this node; the database is what all nodes agree upon. Three
conditions, looked at whenever either changes, are the whole state machine:

    here, and the database does not name this node      ping; an answer is a new claim
    not here, and the database names this node          withdraw
    here, and the database names this node              the routes are ours

"Here" is only ever said by the list of authorised stations, never by a packet. An arrival is claimed at once; whatever
is only *found* to contradict the database is asked first. Claims and withdrawals are limited in number by
core.claim_limit, quarrels in which both sides are right (a cloned MAC, a copied node id) by core.backoff.
"""

from __future__ import annotations

from ipaddress import IPv6Address

from sroamd import constants
from sroamd.addresses import Mac, NodeId
from sroamd.core.agenda import Job
from sroamd.core.backoff import Backoffs
from sroamd.core.claim_limit import ClaimLimit
from sroamd.core.conflicts import Conflicts, Outcome
from sroamd.core.database import Datum, is_association
from sroamd.core.effects import Disassociate, Level
from sroamd.core.events import Probe
from sroamd.core.leases import Leases
from sroamd.core.nodes import Nodes
from sroamd.core.pings import Ping, Pings
from sroamd.core.turn import State, Turn
from sroamd.wire.datum import association_key, association_station


class Associations:
    def __init__(self, state: State, leases: Leases, nodes: Nodes) -> None:
        self._state = state
        self.pings = Pings(state, leases)
        self.conflicts = Conflicts(state, nodes)
        self._limit = ClaimLimit()
        # Versions that were made without anything new having been seen of the station itself.
        self._quarrels: Backoffs[Mac] = Backoffs(
            free=constants.RECLAIM_FREE,
            first=constants.RECLAIM_WAIT_MIN,
            longest=constants.RECLAIM_WAIT_MAX,
            quiet=constants.RECLAIM_QUIET,
        )
        self._waiting: set[Mac] = set()  # here, and to be claimed as soon as the limit lets us
        self._listed: set[str] = set()
        self._acknowledged: set[Mac] = set()  # claimed against another node on an acknowledgement, since they arrived

    # -- what hostapd says

    def appeared(self, turn: Turn, interface: str, station: Mac) -> bool:
        """Rule A1: claim it, also when it is ours already: our claim may be crossing another's. False: refused."""
        if not self._admit(turn, interface, station):
            return False
        self._quarrels.forgive(station)
        self._claim(turn, station)
        return True

    def left(self, turn: Turn, interface: str, station: Mac) -> None:
        """Rule A2."""
        if self._state.present.get(station) != interface:
            return
        self.conflicts.ended(station, Outcome.LEFT)
        self._absent(turn, station)
        turn.note(Level.INFO, f"station {station} left {interface}")

    def listed(self, turn: Turn, interface: str, stations: frozenset[Mac], routed: set[Mac]) -> list[Mac]:
        """The whole truth about an interface: who is missing has left. Returns the stations that are new.

        A list says who was authorised once, not who is there now: it may name one that has gone elsewhere long ago.
        So who can be asked is asked, unless it is among the `routed`, whose routes a former self of ours has left.
        """
        present = self._state.present
        for station in [mac for mac, where in present.items() if where == interface and mac not in stations]:
            self._absent(turn, station)
        arrived = [station for station in sorted(stations) if present.get(station) != interface]
        arrived = [station for station in arrived if self._found(turn, interface, station, station in routed)]
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

    def _admit(self, turn: Turn, interface: str, station: Mac) -> bool:
        present = self._state.present
        if not station.is_station or station in self._state.interfaces.values():
            turn.note(Level.WARNING, f"station {station} on {interface} refused: no station can have this address")
            return False
        if station not in present and len(present) >= constants.STATIONS_MAX:
            turn.note(Level.ERROR, f"station {station} refused: {constants.STATIONS_MAX} stations are here already")
            return False
        present[station] = interface
        turn.moved.add(station)
        self._acknowledged.discard(station)
        self.pings.end(station)
        return True

    def _found(self, turn: Turn, interface: str, station: Mac, routed: bool) -> bool:
        if not self._admit(turn, interface, station):
            return False
        rival = self._rival(station, turn.now)
        if self.pings.has_address(station, turn.now) and (rival is not None or not routed):
            self._ask(turn, station, "it was found in hostapd's list", rival)
        else:
            self._claim(turn, station)
        turn.touch(station)
        return True

    # -- what the database says

    def changed(self, turn: Turn, station: Mac) -> None:
        """The datum of this station has changed, from here or from a peer. Rules A3 and A5."""
        turn.touch(station)
        held = self._state.database.get(association_key(station))
        if held is not None:
            self._limit.saw(station, held.seqno, turn.now)
        owner = held.value if held is not None and held.expires_at > turn.now else b""
        if station not in self._state.present:
            if owner == self._state.node_id and self.all_listed:
                self._withdraw(turn, station)
        elif not owner:
            if station not in self._waiting:
                self._ask(turn, station, "it is nowhere, says the database", None)
        elif owner != self._state.node_id:
            # Whatever we have seen of it was before this claim.
            self._waiting.discard(station)
            self._contest(turn, station, NodeId(owner), "another node claims it")

    def tie_won(self, turn: Turn, station: Mac, rival: bytes) -> None:
        """Rule A4: a claim of our seqno has lost to ours; ask whether the station really is here.

        Not by acknowledgements, which both nodes would get and tie again for ever. A tombstone that has lost, the
        departure that is noticed after the roam, contradicts nothing.
        """
        ours = station in self._state.present and self.names_us(station, turn.now)
        if rival and ours and self.pings.has_address(station, turn.now):
            self._contest(turn, station, NodeId(rival), "another node claims it at the same time")

    def names_us(self, station: Mac, now: float) -> bool:
        datum = self.datum(station, now)
        return datum is not None and datum.value == self._state.node_id

    def datum(self, station: Mac, now: float) -> Datum | None:
        """Its living association; one with an empty value says that it is nowhere."""
        return self._state.database.live(association_key(station), now)

    def _rival(self, station: Mac, now: float) -> NodeId | None:
        """The other node that has it, says the database."""
        datum = self.datum(station, now)
        return NodeId(datum.value) if datum is not None and datum.value not in (b"", self._state.node_id) else None

    # -- what the station says

    def answered(self, turn: Turn, interface: str, station: Mac, by: Probe) -> None:
        """Rule A6: fresh evidence, so claim it (again).

        Of a station without any known address there is nothing but the acknowledgement, which both nodes may get. It
        is believed once: the node to which the station came first is the first that believes it no more.
        """
        ping = self.pings.answered(interface, station, by)
        if ping is None:
            return
        if by is Probe.POLL and (ping.rival is not None or not self.names_us(station, turn.now)):
            if station in self._acknowledged:
                return
            self._acknowledged.add(station)
        self.pings.end(station)
        if ping.rival is not None:
            wait = self._quarrels.done(station, turn.now)
            self.conflicts.reclaimed(turn, station, ping, by, wait)
        self._claim(turn, station)

    def solicited_from(self, station: Mac, source: IPv6Address) -> None:
        self.pings.solicited_from(station, source)

    # -- what the clock says

    def ping_due(self, turn: Turn, station: Mac) -> None:
        ping = self.pings.due(turn, station)
        if ping is None:
            return
        interface = self._state.present[station]
        turn.note(Level.INFO, f"station {station} does not answer on {interface} ({ping.why}): it is not here")
        turn.broken.append(Disassociate(interface, station))
        self.conflicts.ended(station, Outcome.SILENT, ping)
        self._absent(turn, station)

    def refresh_due(self, turn: Turn, station: Mac) -> None:
        """A claim is only ever renewed for a live station, so ask; where there is nothing to ask, hostapd must know."""
        if station not in self._state.present or not self.names_us(station, turn.now):
            return
        if self.pings.has_address(station, turn.now):
            self._ask(turn, station, "its claim is due for renewal", None)
        else:
            self._claim(turn, station)

    def claim_due(self, turn: Turn, station: Mac) -> None:
        """What had to wait is done if it is still true."""
        if station in self._state.present:
            if station in self._waiting:
                self._claim(turn, station)
        elif self.names_us(station, turn.now):
            self._withdraw(turn, station)

    # -- steps

    def _ask(self, turn: Turn, station: Mac, why: str, rival: NodeId | None) -> None:
        self.pings.begin(turn, station, Ping(why, rival), turn.now)

    def _contest(self, turn: Turn, station: Mac, rival: NodeId, why: str) -> None:
        """Ask at our place, later and later: the other node asks at its own when we claim."""
        self.conflicts.claimed(turn, station, rival)
        self.pings.begin(turn, station, Ping(why, rival), self._quarrels.ready_at(station, turn.now))

    def _claim(self, turn: Turn, station: Mac) -> None:
        ready_at = self._limit.ready_at(station, turn.now)
        if ready_at > turn.now:
            self._waiting.add(station)
            self._state.agenda.set(Job.CLAIM, station, ready_at)
            return
        self._waiting.discard(station)
        self._publish(turn, station, bytes(self._state.node_id), constants.ASSOCIATION_LIFE)
        due = turn.now + self._state.spread(constants.ASSOCIATION_REFRESH, constants.REFRESH_SPREAD)
        self._state.agenda.set(Job.REFRESH_CLAIM, station, due)

    def _absent(self, turn: Turn, station: Mac) -> None:
        self._state.present.pop(station, None)
        turn.moved.add(station)
        self._waiting.discard(station)
        self._acknowledged.discard(station)
        self._quarrels.forgive(station)  # that it has left is news, as its arrival is
        self.pings.forget(station)
        self._state.agenda.clear(Job.REFRESH_CLAIM, station)
        turn.touch(station)
        if self.names_us(station, turn.now):
            self._withdraw(turn, station)

    def _withdraw(self, turn: Turn, station: Mac) -> None:
        """Less urgent than a claim, since the routes are gone already. A node with our id may contradict for ever."""
        limit_at = self._limit.ready_at(station, turn.now, keep=constants.CLAIM_RESERVE)
        ready_at = max(limit_at, self._quarrels.ready_at(station, turn.now))
        if ready_at > turn.now:
            self._state.agenda.set(Job.CLAIM, station, ready_at)
            return
        self._quarrels.done(station, turn.now)
        self._publish(turn, station, b"", constants.TOMBSTONE_LIFE)

    def _publish(self, turn: Turn, station: Mac, value: bytes, life: float) -> None:
        datum = turn.publish(association_key(station), value, life)
        self._limit.saw(station, datum.seqno, turn.now)

    def _withdraw_unfounded(self, turn: Turn) -> None:
        """After a restart: claims of our former self for stations that are not here."""
        node_id, present = self._state.node_id, self._state.present
        ours = [d.key for d in self._state.database if is_association(d.key) and d.value == node_id]
        for station in map(association_station, ours):
            if station not in present and self.names_us(station, turn.now):
                self._withdraw(turn, station)
