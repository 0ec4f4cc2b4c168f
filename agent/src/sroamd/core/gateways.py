"""Which routers of the backbone are nodes of ours: by their router addresses, and by the link-local addresses that they
publish.

They know of a move when we do, and send packets on; a router without the agent still believes Babel's older word for a
while, and may send them back to us. So a demoted route leads to others only after a time, and a direct one only where
Babel tells them of stations at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

BackboneAddress = IPv4Address | IPv6Address


class Gateways:
    """What each datum says; an address is a node's as long as one of them says so."""

    def __init__(self) -> None:
        self._said: dict[bytes, frozenset[BackboneAddress]] = {}
        self._sayers: Counter[BackboneAddress] = Counter()

    def __contains__(self, address: BackboneAddress | None) -> bool:
        return address in self._sayers

    def said(self, key: bytes, addresses: Iterable[BackboneAddress]) -> set[BackboneAddress]:
        """The datum of this key names these now, or none. Returns those that are a node's only now, or no more."""
        before, after = self._said.get(key, frozenset()), frozenset(addresses)
        if after:
            self._said[key] = after
        else:
            self._said.pop(key, None)
        self._sayers.update(after - before)
        changed = {address for address in after - before if self._sayers[address] == 1}
        for address in before - after:
            self._sayers[address] -= 1
            if not self._sayers[address]:
                del self._sayers[address]
                changed.add(address)
        return changed
