"""Sends and receives numbered packets and lines inside one namespace, and writes down when.

Run by traffic.py as `ip netns exec NAMESPACE python3 -m lab.probe LOG PORT ...`. It sends until its standard input
ends, then only listens until it is terminated, or until the one that started it has long been gone.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import selectors
import signal
import socket
import struct
import sys
import time

from .records import Family, Kind, Record, encode

_PACKET = struct.Struct("!4sI56x")  # 64 octets of payload
_MAGIC = b"srmd"
_LINE_INTERVAL = 0.05
_FLUSH_INTERVAL = 0.1
_LINGER = 30.0
_MOST_AT_ONCE = 5
_SOCKET_FAMILY = {Family.IPV4: socket.AF_INET, Family.IPV6: socket.AF_INET6}


class Probe:
    """One end of the traffic. Addresses is where to send to; without any, it only receives and echoes."""

    def __init__(self, log: int, port: int, rate: float, addresses: dict[Family, str], *, dial: bool) -> None:
        self._log = log
        self._buffer = bytearray()
        self._port = port
        self._interval = 1 / rate
        self._addresses = addresses
        self._selector = selectors.DefaultSelector()
        self._datagrams = {family: self._open_datagram(family) for family in Family}
        self._lines: dict[Family, LineClient] = {}
        self._stop_at: float | None = None
        self._number = 0
        if dial:
            for family, address in addresses.items():
                self._lines[family] = LineClient(self, family, address, port)
        else:
            for family in Family:
                self._listen(family)
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self._stop_sending)

    def note(self, kind: Kind, family: Family, number: int) -> None:
        """Write an event down, with the present moment."""
        self._buffer += encode(Record(kind, family, number, time.monotonic()))

    def watch(self, opened: socket.socket, events: int, react: object) -> None:
        """Have react() called for events of a socket, instead of what was called before."""
        with contextlib.suppress(KeyError):
            self._selector.unregister(opened)
        if events:
            self._selector.register(opened, events, react)

    def run(self) -> None:
        """Send, receive and write down until terminated."""
        now = time.monotonic()
        next_packet, next_line, next_flush = now, now, now + _FLUSH_INTERVAL
        while self._stop_at is None or now < self._stop_at:
            deadline = next_flush if self._stop_at is not None else min(next_packet, next_line, next_flush)
            for key, _ in self._selector.select(max(0.0, deadline - time.monotonic())):
                key.data()
            now = time.monotonic()
            if self._stop_at is None:
                next_packet = self._send_due(next_packet, now)
                if now >= next_line:
                    for client in self._lines.values():
                        client.send_line()
                    next_line = now + _LINE_INTERVAL
            if now >= next_flush:
                self.flush()
                next_flush = now + _FLUSH_INTERVAL

    def end(self) -> None:
        """Have run() return soon; may be called from a signal handler."""
        self._stop_at = 0.0

    def flush(self) -> None:
        os.write(self._log, self._buffer)
        self._buffer.clear()

    def _send_due(self, due: float, now: float) -> float:
        """Send what the schedule asks for; returns the next moment. After a long pause it does not catch up."""
        due = max(due, now - _MOST_AT_ONCE * self._interval)
        while due <= now:
            self._number += 1
            for family, address in self._addresses.items():
                self.note(Kind.SENT, family, self._number)
                # Without a route, or with a full queue, the packet is simply lost.
                with contextlib.suppress(OSError):
                    self._datagrams[family].sendto(_PACKET.pack(_MAGIC, self._number), (address, self._port))
            due += self._interval
        return due

    def _open_datagram(self, family: Family) -> socket.socket:
        opened = socket.socket(_SOCKET_FAMILY[family], socket.SOCK_DGRAM)
        _bind(opened, family, self._port)
        self._selector.register(opened, selectors.EVENT_READ, lambda: self._receive(opened, family))
        return opened

    def _receive(self, opened: socket.socket, family: Family) -> None:
        with contextlib.suppress(OSError):
            while True:
                data = opened.recv(2048)
                if len(data) == _PACKET.size and data[:4] == _MAGIC:
                    self.note(Kind.RECEIVED, family, _PACKET.unpack(data)[1])

    def _listen(self, family: Family) -> None:
        listener = socket.socket(_SOCKET_FAMILY[family], socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind(listener, family, self._port)
        listener.listen()
        self._selector.register(listener, selectors.EVENT_READ, lambda: self._accept(listener))

    def _accept(self, listener: socket.socket) -> None:
        opened, _ = listener.accept()
        opened.setblocking(False)
        self._selector.register(opened, selectors.EVENT_READ, lambda: self._echo(opened))

    def _echo(self, opened: socket.socket) -> None:
        try:
            data = opened.recv(65536)
            opened.send(data)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(opened)
            opened.close()

    def _stop_sending(self) -> None:
        self._selector.unregister(sys.stdin.fileno())
        if self._stop_at is None:
            self._stop_at = time.monotonic() + _LINGER


class LineClient:
    """A TCP connection that sends a numbered line now and then, and expects each to come back."""

    def __init__(self, probe: Probe, family: Family, address: str, port: int) -> None:
        self._probe = probe
        self._family = family
        self._sent = 0
        self._open = False
        self._partial = b""
        self._socket = socket.socket(_SOCKET_FAMILY[family], socket.SOCK_STREAM)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            self._socket.connect((address, port))
        probe.watch(self._socket, selectors.EVENT_WRITE, self._connected)

    def send_line(self) -> None:
        if not self._open:
            return
        try:
            # A line is shorter than any free space that a socket admits to, so it goes whole or not at all.
            self._socket.send(b"%d\n" % (self._sent + 1))
        except BlockingIOError:
            return
        except OSError:
            self._close()
            return
        self._sent += 1
        self._probe.note(Kind.TCP_SENT, self._family, self._sent)

    def _connected(self) -> None:
        if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0:
            self._close()
            return
        self._open = True
        self._probe.note(Kind.TCP_OPENED, self._family, 0)
        self._probe.watch(self._socket, selectors.EVENT_READ, self._read)

    def _read(self) -> None:
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close()
            return
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._probe.note(Kind.TCP_ECHOED, self._family, int(line))

    def _close(self) -> None:
        self._open = False
        self._probe.watch(self._socket, 0, None)
        self._socket.close()
        self._probe.note(Kind.TCP_CLOSED, self._family, self._sent)


def _bind(opened: socket.socket, family: Family, port: int) -> None:
    if family is Family.IPV6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    opened.setblocking(False)
    opened.bind(("::" if family is Family.IPV6 else "0.0.0.0", port))


def main() -> None:
    """Command line: LOG PORT --rate PPS [--ipv4 ADDRESS] [--ipv6 ADDRESS] [--dial]."""
    parser = argparse.ArgumentParser()
    parser.add_argument("log")
    parser.add_argument("port", type=int)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--ipv4")
    parser.add_argument("--ipv6")
    parser.add_argument("--dial", action="store_true")
    arguments = parser.parse_args()
    named = {Family.IPV4: arguments.ipv4, Family.IPV6: arguments.ipv6}
    addresses = {family: address for family, address in named.items() if address}
    log = os.open(arguments.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    probe = Probe(log, arguments.port, arguments.rate, addresses, dial=arguments.dial)

    signal.signal(signal.SIGTERM, lambda *_: probe.end())
    probe.run()
    probe.flush()


if __name__ == "__main__":
    main()
