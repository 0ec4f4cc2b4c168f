"""When the kernel received a packet, by the clock that everything else here goes by.

A reader that has to wait for a processor, as all do on a busy machine, then measures nothing wrong.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable

_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; the socket module does not have it
_TIMESPEC = struct.Struct("qq")
SPACE = socket.CMSG_SPACE(_TIMESPEC.size)  # what recvmsg has to have room for


def ask_for(opened: socket.socket) -> None:
    """Have every packet that this socket receives come with its time."""
    opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def offset() -> float:
    """What the clock of the stamps (CLOCK_REALTIME) is ahead of CLOCK_MONOTONIC, in seconds, at this moment."""
    return time.time() - time.monotonic()


def received_at(ancillary: Iterable[tuple[int, int, bytes]], ahead: float) -> float:
    """Monotonic seconds, from what recvmsg returned; now, where there is no stamp."""
    for level, kind, value in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
            seconds, nanoseconds = _TIMESPEC.unpack(value)
            return float(seconds - ahead + nanoseconds / 1e9)
    return time.monotonic()
