"""What others change in the source guard's tables: its own changes do not get here."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Callable

from sroamd.io import bpf, netlink, nfnetlink
from sroamd.io.guard_rules import TABLE

EVENT_BUFFER = 1 << 20


class GuardEvents:
    """`port`: of the socket that changes them for us. Raises OSError where there is no netfilter."""

    def __init__(self, port: int) -> None:
        self._socket = netlink.open_socket(EVENT_BUFFER, ("nftables",), protocol=netlink.NETLINK_NETFILTER)
        self._socket.setblocking(False)
        bpf.attach(self._socket, bpf.not_caused_by(port))

    def close(self) -> None:
        self._socket.close()

    def listen(self, doubt: Callable[[str], None]) -> None:
        """`doubt` is told why: a counter's name. Not while nft works for us."""
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._readable, doubt)

    def ignore(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket.fileno())

    def drain(self) -> None:
        """What nft has just caused is no news. Were it flushed in this moment, the next look would not find it."""
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    self._socket.recv(netlink.MESSAGE_MAX)
                except OSError as error:
                    if error.errno != errno.ENOBUFS:
                        raise

    def _readable(self, doubt: Callable[[str], None]) -> None:
        try:
            data = self._socket.recv(netlink.MESSAGE_MAX)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            doubt("guard.overflows")
            return
        if any(nfnetlink.table_of(message) == TABLE for message in netlink.messages(data)):
            doubt("guard.touched")
