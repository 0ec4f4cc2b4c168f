"""Is somebody using what is about to be given out, of whom the database says nothing?

Two can be asked while an offer waits (CONTEST_TIME). The stations on our interfaces, by an ARP probe: one of them may
have set the address by hand (RFC 2131 sections 3.1 and 4.4.1). And the kernel: a host route that is not ours says that
another node serves a station with it, whose flood does not reach us though Babel does.

A /64 is asked about in the kernel only. No neighbour solicitation is about a prefix: a station makes up its addresses
in it (RFC 7217, RFC 8981), so there is no address to ask for. Nor would it help: a prefix that no node routes is of no
use to whoever has set an address of it by hand.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address

from sroamd import constants
from sroamd.addresses import NO_MAC, Mac
from sroamd.core.allowance import Allowance
from sroamd.core.effects import FindRoute, Level, SendArpProbe
from sroamd.core.leases import Leases, address_of_key
from sroamd.core.routes import key_of
from sroamd.core.turn import State, Turn
from sroamd.core.values import Prefix
from sroamd.wire.datum import IPV4_LEASE, ipv4_lease_key, lease_prefix


class Probes:
    def __init__(self, state: State, leases: Leases) -> None:
        self._state = state
        self._leases = leases
        self._squats = Allowance(constants.SQUATS_MAX, constants.SQUAT_INTERVAL)
        self.counters: Counter[str] = Counter()

    def ask(self, turn: Turn, key: bytes, *, had_it: bool) -> None:
        """Send what can be sent. `had_it`: it was the station's before, or may have been where we have not heard of it.

        Then a route to it is most likely its own, from the node where it was.
        """
        if key[0] == IPV4_LEASE:
            address = address_of_key(key)
            gateway = self._state.config.network.ipv4_gateway
            turn.said.extend(SendArpProbe(interface, gateway, address) for interface in sorted(self._state.interfaces))
        if not had_it:
            turn.said.append(FindRoute(lease_prefix(key)))

    def arp_answered(self, turn: Turn, interface: str, source: Mac, address: IPv4Address) -> None:
        """A station here says that the address is its own. While it is only offered to another, it is given to nobody.

        A station that claims one address after the other is believed a few times.
        """
        key = ipv4_lease_key(address)
        datum = self._state.database.live(key, turn.now)
        if key not in self._state.offers or datum is None or datum.value == source:
            return
        if self._state.present.get(source) != interface or not self._squats.take(source, turn.now):
            self.counters["dhcp4.squatter-ignored"] += 1
            return
        self.counters["dhcp4.squatters"] += 1
        self._avoid(turn, key, constants.SQUATTED_TIME)
        turn.note(Level.WARNING, f"station {source} uses {address}, of which it has no lease: it is given to nobody")

    def route_found(self, turn: Turn, prefix: Prefix) -> None:
        """Another node routes it to a station. Whose it is we shall know when we hear that node again."""
        key = key_of(prefix)
        if key in self._state.offers:
            self.counters["lease.routed-elsewhere"] += 1
            self._avoid(turn, key, constants.ROUTED_AVOIDED_TIME)
            turn.note(Level.WARNING, f"{prefix} is routed by a node that we do not hear: another is chosen")

    def _avoid(self, turn: Turn, key: bytes, life: float) -> None:
        """On all nodes, as after a DHCPDECLINE. It loses to a lease of the same seqno: no MAC is smaller than this."""
        self._state.offers.discard(key)
        self._leases.grant(turn, key, NO_MAC, life)
