"""Link-layer addresses and node ids. They are octets, so they compare, hash and sort as octets do on the wire."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address
from typing import Self

_PAIR = "[0-9a-fA-F]{2}"


class _Octets(bytes):
    """A fixed number of octets, written in hexadecimal with colons."""

    __slots__ = ()
    length = 0

    def __new__(cls, octets: bytes) -> Self:
        if len(octets) != cls.length:
            raise ValueError(f"{cls.__name__} needs {cls.length} octets, not {len(octets)}")
        return bytes.__new__(cls, octets)

    @classmethod
    def parse(cls, text: str) -> Self:
        """From "02:00:00:00:00:07". Raises ValueError with the reason."""
        if not re.fullmatch(f"{_PAIR}(:{_PAIR}){{{cls.length - 1}}}", text):
            raise ValueError(f"{text!r} is not {cls.length} octets in hexadecimal with colons between")
        return cls(bytes.fromhex(text.replace(":", "")))

    def __str__(self) -> str:
        return self.hex(":")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"


class Mac(_Octets):
    """A 48-bit link-layer address: a station's, or an interface's."""

    __slots__ = ()
    length = 6

    @property
    def is_station(self) -> bool:
        """Whether one station can have it: neither a group address (nor broadcast) nor all zero."""
        return not self[0] & 1 and any(self)


class NodeId(_Octets):
    """The 8 octets that name a node in the flooded database, for as long as its state directory lives."""

    __slots__ = ()
    length = 8


BROADCAST = Mac(b"\xff" * 6)
NO_MAC = Mac(bytes(6))


# The ipaddress module takes a microsecond to make one, and a message names the same few more than once.
@lru_cache(maxsize=1024)
def ipv4_address(packed: bytes) -> IPv4Address:
    """From its 4 octets. ValueError if there are not so many."""
    return IPv4Address(packed)
