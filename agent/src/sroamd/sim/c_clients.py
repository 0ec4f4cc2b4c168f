"""The C daemon's array of clients, octet by octet, for its one great defect: taking one out loses another (A6)."""

from __future__ import annotations

from collections.abc import Iterator

from sroamd.addresses import Mac

_ENTRY = 32  # a pointer to the interface (8), MAC (6), IPv4 address (4), IPv6 prefix (8), padding (6)
_MAC, _IPV4, _IPV6, _END = 8, 14, 18, 26


class Clients:
    def __init__(self) -> None:
        self._table = bytearray()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._count))

    def find(self, station: bytes) -> int | None:
        """Its index; the first if there are several."""
        return next((index for index in self if self.station(index) == station), None)

    def add(self, station: bytes) -> int:
        """The index of the one that is there, or of a new one."""
        found = self.find(station)
        if found is not None:
            return found
        at = self._count * _ENTRY
        self._table[at : at + _ENTRY] = bytes(_MAC) + station + bytes(_ENTRY - _IPV4)
        self._count += 1
        return self._count - 1

    def remove(self, index: int) -> None:
        """A6: as many *octets* move up as entries should. The entry stays, and the last one is lost."""
        octets = self._count - index - 1
        at = index * _ENTRY
        self._table[at : at + octets] = self._table[at + _ENTRY : at + _ENTRY + octets]
        self._count -= 1

    def station(self, index: int) -> Mac:
        return Mac(bytes(self._field(index, _MAC, _IPV4)))

    def address(self, index: int, *, ipv6: bool) -> bytes:
        """What it has a route for: 4 or 8 octets, zero if none."""
        return self._field(index, _IPV6, _END) if ipv6 else self._field(index, _IPV4, _IPV6)

    def set_address(self, index: int, address: bytes) -> None:
        """4 or 8 octets."""
        at = index * _ENTRY + (_IPV6 if len(address) == 8 else _IPV4)
        self._table[at : at + len(address)] = address

    def _field(self, index: int, begin: int, end: int) -> bytes:
        at = index * _ENTRY
        return bytes(self._table[at + begin : at + end])
