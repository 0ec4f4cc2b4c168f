"""systemd's notification protocol (sd_notify(3)): one datagram of assignments to the socket that it names."""

from __future__ import annotations

import logging
import os
import socket
import time

log = logging.getLogger(__name__)


class Notifier:
    """Silent where systemd did not start us. Reads NOTIFY_SOCKET and WATCHDOG_USEC once."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the zero octet of the abstract namespace.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watchdog = os.environ.get("WATCHDOG_USEC", "") if for_us else ""
        self.watchdog_interval = int(watchdog) / 2e6 if watchdog.isdecimal() and int(watchdog) else None

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """To be followed by `ready`."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def alive(self, status: str) -> None:
        """The watchdog wants to hear this at least every `2 * watchdog_interval` seconds."""
        self._send(f"WATCHDOG=1\nSTATUS={status}")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.setblocking(False)
                sock.sendto(text.encode(), self._address)
        except OSError as error:
            log.warning("systemd cannot be told %r: %s", text, error)
