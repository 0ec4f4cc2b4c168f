"""What stations call themselves: learned when an address is acknowledged, flooded, and forgotten with the lease.

A name is told to the other nodes when it is new or has changed, and again when it would end sooner than the lease; not
at a roam. It decides nothing.
"""

from __future__ import annotations

from collections import Counter

from sroamd import constants
from sroamd.addresses import Mac
from sroamd.core.allowance import Allowance
from sroamd.core.leases import Leases
from sroamd.core.turn import State, Turn
from sroamd.printable import printable
from sroamd.wire.datum import hostname_key
from sroamd.wire.dhcpv4 import OPTION_CLIENT_FQDN, OPTION_HOSTNAME, DhcpMessage
from sroamd.wire.fqdn import fqdn_answer, name_of


class Hostnames:
    def __init__(self, state: State, leases: Leases) -> None:
        self._state = state
        self._leases = leases
        self._versions = Allowance(constants.HOSTNAMES_BURST, constants.HOSTNAME_INTERVAL)
        self.counters: Counter[str] = Counter()

    def learn(self, turn: Turn, message: DhcpMessage, life: int) -> None:
        """The station has an address for `life` seconds."""
        name = name_of(message)[: constants.HOSTNAME_MAX]
        if not name:
            return
        station, key = message.chaddr, hostname_key(message.chaddr)
        held = self._state.database.live(key, turn.now)
        if held is not None and held.value == name and held.expires_at >= turn.now + life:
            return
        if not self._versions.take(station, turn.now):
            self.counters["hostname.limited"] += 1
        elif not self._state.database.has_room(key):
            self.counters["hostname.full"] += 1
        else:
            turn.publish(key, name, min(2 * max(life, constants.LEASE_LIFE), constants.LEASE_LIFE_MAX))

    def of(self, station: Mac, now: float) -> str | None:
        """For people: that of its reservation, or its own; nothing that could steer a terminal."""
        reserved = self._leases.reservations.of(station, None)
        if reserved is not None and reserved.hostname is not None:
            return reserved.hostname
        datum = self._state.database.live(hostname_key(station), now)
        return shown(datum.value) if datum is not None and datum.value else None

    def answers(self, message: DhcpMessage) -> dict[int, bytes]:
        """Options of a reply: what its FQDN is answered with, and, if asked for, the name that is reserved for it."""
        options: dict[int, bytes] = {}
        fqdn = message.options.get(OPTION_CLIENT_FQDN)
        if fqdn is not None and (answer := fqdn_answer(fqdn)) is not None:
            options[OPTION_CLIENT_FQDN] = answer
        reserved = self._leases.reservations.of(message.chaddr, message.client_id)
        is_asked = OPTION_HOSTNAME in message.parameter_request_list
        if is_asked and reserved is not None and reserved.hostname is not None:
            options[OPTION_HOSTNAME] = reserved.hostname.encode()
        return options


def shown(name: bytes) -> str:
    """Octets of a station's choice, for people."""
    return printable(name.decode("utf-8", "backslashreplace"))
