"""A bounds-checked reader, and the one error that every parser of this package raises."""

from __future__ import annotations

import struct
from types import TracebackType

_U16 = struct.Struct("!H")
_U32 = struct.Struct("!I")


class DecodeError(ValueError):
    """The bytes are not a well-formed message of the protocol that was asked for. The peer's fault, never ours."""


class Reader:
    """Reads big-endian fields from `data` in order; a read beyond the end is a DecodeError.

    `restrict(n)` gives a reader of the next n octets only and moves past them. Used as a context manager it must be
    consumed to its last octet, which is how a TLV or an option says that its length fits its content:

        with reader.restrict(length) as body:
            key = body.take(body.u8())
    """

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._end = len(data)

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._at != self._end:
            raise DecodeError(f"{self.remaining} octets left over")

    @property
    def remaining(self) -> int:
        """Octets not read yet."""
        return self._end - self._at

    def _advance(self, count: int) -> int:
        start = self._at
        if not 0 <= count <= self._end - start:
            raise DecodeError(f"{count} octets wanted, {self._end - start} left")
        self._at = start + count
        return start

    def u8(self) -> int:
        """The next octet."""
        return self._data[self._advance(1)]

    def u16(self) -> int:
        """The next two octets."""
        return int(_U16.unpack_from(self._data, self._advance(2))[0])

    def u32(self) -> int:
        """The next four octets."""
        return int(_U32.unpack_from(self._data, self._advance(4))[0])

    def take(self, count: int) -> bytes:
        """The next `count` octets."""
        start = self._advance(count)
        return self._data[start : start + count]

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(self.remaining)

    def restrict(self, count: int) -> Reader:
        """A reader of the next `count` octets, which this reader skips. See the class."""
        start = self._advance(count)
        part = Reader.__new__(Reader)
        part._data, part._at, part._end = self._data, start, start + count
        return part
