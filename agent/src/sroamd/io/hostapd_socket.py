"""hostapd's control interface as a socket: commands one at a time, their replies in order, events in between.

hostapd is one thread and sends everything for us from one socket, so what arrives here is in the order in which it came
to be true: a station that a reply lists as authorised was so after the event before it and before the event behind it.
Commands and events therefore share one socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path

PING_AFTER = 1.0  # seconds without a word from hostapd; the kernel does not tell when it dies
REPLY_TIMEOUT = 2.0
RESEND_DELAY = 0.02  # hostapd's queue is full
READS_MAX = 64  # datagrams in one turn of the loop
DATAGRAM_MAX = 8192  # hostapd's replies have at most 4096 octets

Reply = Callable[[str], None]


def remove_stale_sockets(directory: str, interface: str) -> None:
    """Remove what a process that was killed has left: sockets of ours at which nobody listens."""
    for path in Path(directory).glob(f"hostapd-{interface}-*"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
            except OSError:
                continue


class HostapdSocket:
    """One connection. Raises OSError if hostapd cannot be reached; after `on_lost` it is dead, and a new one is needed.

    `on_event` gets each line that hostapd sends unasked, `on_lost` the reason, once.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        path: str,
        runtime_dir: str,
        interface: str,
        on_event: Callable[[str], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._on_event = on_event
        self._on_lost = on_lost
        # A name that was never used: hostapd may still be sending to that of a process before us.
        self._local = f"{runtime_dir}/hostapd-{interface}-{secrets.token_hex(4)}"
        self._waiting: deque[tuple[bytes, Reply]] = deque()
        self._asked: tuple[bytes, Reply] | None = None
        self._asked_at = 0.0
        self._heard_at = loop.time()
        self._closed = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.bind(self._local)
            os.chmod(self._local, 0o660)  # hostapd may run as another user of our group
            self._socket.connect(path)  # from now on nobody else can write to us either
        except OSError:
            self._remove()
            raise
        loop.add_reader(self._socket, self._read)
        self._timer = loop.call_later(PING_AFTER, self._check)

    def request(self, command: str, on_reply: Reply, *, urgent: bool = False) -> None:
        """Send when all that was asked before is answered; `urgent` goes before what still waits."""
        entry = (command.encode(), on_reply)
        if urgent:
            self._waiting.appendleft(entry)
        else:
            self._waiting.append(entry)
        if self._asked is None:
            self._ask_next()

    def close(self, farewell: str | None = None) -> None:
        """End it; nothing is called any more."""
        if self._closed:
            return
        self._closed = True
        if farewell is not None:
            with contextlib.suppress(OSError):
                self._socket.send(farewell.encode())
        self._timer.cancel()
        self._loop.remove_reader(self._socket)
        self._remove()

    def _remove(self) -> None:
        self._socket.close()
        Path(self._local).unlink(missing_ok=True)

    def _lose(self, reason: str) -> None:
        if not self._closed:
            self.close()
            self._on_lost(reason)

    def _ask_next(self) -> None:
        if self._closed or not self._waiting:
            return
        self._asked = self._waiting.popleft()
        self._asked_at = self._loop.time()
        self._send()

    def _send(self) -> None:
        if self._closed or self._asked is None:
            return
        try:
            self._socket.send(self._asked[0])
        except BlockingIOError:
            self._loop.call_later(RESEND_DELAY, self._send)
        except OSError as error:
            self._lose(error.strerror or str(error))

    def _read(self) -> None:
        for _ in range(READS_MAX):
            try:
                data = self._socket.recv(DATAGRAM_MAX)
            except BlockingIOError:
                return
            except OSError as error:
                self._lose(error.strerror or str(error))
                return
            self._heard_at = self._loop.time()
            text = data.decode(errors="replace")
            if text.startswith(("<", "IFNAME=")):
                self._on_event(text)
            elif self._asked is not None:
                _command, on_reply = self._asked
                self._asked = None
                on_reply(text)
                if self._asked is None:
                    self._ask_next()
            if self._closed:
                return

    def _check(self) -> None:
        """Every second: is hostapd still there? A restarted one refuses what comes from an old connection."""
        now = self._loop.time()
        if self._asked is not None and now - self._asked_at >= REPLY_TIMEOUT:
            self._lose(f"no answer to {self._asked[0].decode()}")
            return
        self._timer = self._loop.call_later(PING_AFTER, self._check)
        if self._asked is None and now - self._heard_at >= PING_AFTER * 0.9:
            self.request("PING", _ignore)


def _ignore(reply: str) -> None:
    """That there is a reply is all we want to know."""
