"""Asking a station whether it is still here, at every address that is known of it, until it answers or has been silent.

A radio acknowledges every frame that bears its address, also one from an access point that it has left, if both are on
one channel (seen in `make test-wifi`). So where two nodes claim a station, the acknowledgement of a POLL_STA decides
nothing: an answer to ARP or to a neighbour solicitation does, which takes the keys of this association. POLL_STA is
asked where nobody contests, and where there is no address at which to ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address

from sroamd import constants
from sroamd.addresses import Mac, NodeId
from sroamd.core.agenda import Job
from sroamd.core.effects import Effect, Level, PollStation, SendArpRequest, SendNeighborSolicitation
from sroamd.core.events import Probe
from sroamd.core.leases import Leases
from sroamd.core.turn import State, Turn
from sroamd.wire.datum import association_key


@dataclass(frozen=True, slots=True)
class Ping:
    """`tries` have been sent, the last of them just before the agenda's entry for this station; 0: it waits to begin.

    `rival`: the node that claims the station, None if nobody contests it. `asked`: by what means, once a question.
    """

    why: str
    rival: NodeId | None
    tries: int = 0
    asked: tuple[Probe, ...] = ()


class Pings:
    """At most one a station. A new one takes the place of the old: only what the station says from then on counts."""

    def __init__(self, state: State, leases: Leases) -> None:
        self._state = state
        self._leases = leases
        self._under_way: dict[Mac, Ping] = {}
        self._link_local: dict[Mac, IPv6Address] = {}

    def begin(self, turn: Turn, station: Mac, ping: Ping, at: float) -> None:
        """Now, or `at` a later time; what is under way ends. The station is here."""
        if at > turn.now:
            self._under_way[station] = ping
            self._state.agenda.set(Job.PING, station, at)
        else:
            turn.note(Level.DEBUG, f"pinging station {station}: {ping.why}")
            self._send(turn, station, ping)

    def end(self, station: Mac) -> None:
        if self._under_way.pop(station, None) is not None:
            self._state.agenda.clear(Job.PING, station)

    def forget(self, station: Mac) -> None:
        """It is not here any more."""
        self.end(station)
        self._link_local.pop(station, None)

    def answered(self, interface: str, station: Mac, by: Probe) -> Ping | None:
        """The ping that this answers; None if nothing of the kind has been asked. It goes on until `end`."""
        ping = self._under_way.get(station)
        if ping is None or by not in ping.asked or self._state.present.get(station) != interface:
            return None
        return ping

    def due(self, turn: Turn, station: Mac) -> Ping | None:
        """Ask again. Returns the ping when the station has been silent for all of its time."""
        ping = self._under_way.get(station)
        if ping is None:
            return None
        if ping.tries >= (constants.PING_TRIES_ALONE if ping.rival is None else constants.PING_TRIES):
            return ping
        self._send(turn, station, ping)
        return None

    def solicited_from(self, station: Mac, source: IPv6Address) -> None:
        """Remember the station's link-local address: the one IPv6 address at which a ping can ask."""
        if source.is_link_local:
            self._link_local[station] = source

    def has_address(self, station: Mac, now: float) -> bool:
        """Whether there is one at which it can be asked."""
        return station in self._link_local or self._leases.address_of(station, now) is not None

    def _send(self, turn: Turn, station: Mac, ping: Ping) -> None:
        questions, means = self._questions(station, ping, turn.now)
        self._under_way[station] = Ping(ping.why, ping.rival, ping.tries + 1, ping.asked + means)
        self._state.agenda.set(Job.PING, station, turn.now + constants.PING_INTERVAL)
        turn.said.extend(questions)

    def _questions(self, station: Mac, ping: Ping, now: float) -> tuple[list[Effect], tuple[Probe, ...]]:
        """What to send, and the means that it makes use of."""
        interface = self._state.present[station]
        network = self._state.config.network
        questions: list[Effect] = []
        means: tuple[Probe, ...] = ()
        addresses = self._leases.addresses_of(station, now)[: constants.PING_ADDRESSES_MAX]
        if addresses:
            gateway = network.ipv4_gateway
            questions += [SendArpRequest(interface, station, gateway, address) for address in addresses]
            means += (Probe.ARP,)
        link_local = self._link_local.get(station)
        if link_local is not None:
            questions.append(SendNeighborSolicitation(interface, station, network.ipv6_gateway, link_local))
            means += (Probe.NEIGHBOR,)
        if not means or (ping.rival is None and self._is_named_here(station, now)):
            questions.append(PollStation(interface, station))
            means += (Probe.POLL,)
        return questions, means

    def _is_named_here(self, station: Mac, now: float) -> bool:
        datum = self._state.database.live(association_key(station), now)
        return datum is not None and datum.value == self._state.node_id
