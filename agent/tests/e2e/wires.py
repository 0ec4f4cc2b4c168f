"""A packet socket on an interface of a namespace: what passes there, frame by frame."""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from scapy.layers.l2 import Ether
from scapy.packet import Packet

from tests.e2e.netns import Namespace


@dataclass
class Wire:
    """Everything that passes an interface; `send` writes to it."""

    socket: socket.socket

    def send(self, *frames: Packet | bytes) -> None:
        for frame in frames:
            self.socket.send(bytes(frame))

    def heard(self) -> list[Packet]:
        """What has come in since the last look."""
        found = []
        while select.select([self.socket], [], [], 0)[0]:
            data, sender = self.socket.recvfrom(65536)
            if sender[2] != socket.PACKET_OUTGOING:
                found.append(Ether(data))
        return found

    def stamped(self) -> Iterator[tuple[float, bytes]]:
        """Both what has come in and what has gone out, and when by the kernel's clock."""
        while select.select([self.socket], [], [], 0)[0]:
            data, control, _, _ = self.socket.recvmsg(4096, 64)
            seconds, nanoseconds = struct.unpack("ll", control[0][2])
            yield seconds + nanoseconds / 1e9, data


@contextmanager
def open_wire(ns: Namespace, interface: str) -> Iterator[Wire]:
    """Room for a crowd's frames; each is stamped by the kernel."""
    with ns.entered():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    with sock:
        sock.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
        sock.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
        sock.bind((interface, 3))
        yield Wire(sock)
