"""Sends a fixed schedule of numbered packets, or notes where and when they are seen, with the kernel's own times.

Run by downstream.py: `send` inside the sender's namespace, `listen` on the machine itself, from where it opens sockets
in other namespaces. Each works until its standard input ends. The kernel stamps what is received, so a listener that
has to wait for a processor measures nothing wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from . import stamps
from .netns import inside
from .records import Family
from .sightings import SENT, SIGHTING

PORT = 21000
_PACKET = struct.Struct("!4sI56x")  # 64 octets of payload
_MAGIC = b"srms"
_LOOK_INTERVAL = 0.02  # what has been received waits for so long in the sockets' buffers
_BUFFER = 8 << 20
_FRAME = 512
_ANCILLARY = 256

# The socket module does not have them (asm-generic/socket.h, linux/in.h).
_SO_RCVBUFFORCE = 33
_IP_RECVTTL = 12
_EVERYTHING = 3  # ETH_P_ALL
_ETHERNET, _IPV4, _IPV6, _UDP = 14, 20, 40, 8

# Of what was received, and the hops left that came beside it: family, hops left, payload. None for other packets.
Parse = Callable[[bytes, int], tuple[Family, int, bytes] | None]


def send(log: Path, rate: float, targets: Sequence[str], *, in_real_time: bool = False) -> None:
    """Send packet n at n / rate seconds to target n modulo their number: a pair of addresses, IPv4 and IPv6, each one.

    What is late is sent at once, so that the schedule holds on a machine that stands still for a moment; the log says
    when each was sent really. In real time it goes before everything else: on a machine that a crowd keeps busy the
    sender would be measured, and what it does not send meanwhile cannot be lost.
    """
    if in_real_time:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)]
    pairs = [target.split(",") for target in targets]
    noted = bytearray()
    begun = time.monotonic()
    number = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        while (now := time.monotonic()) >= begun + number / rate:
            noted += SENT.pack(number, now)
            for opened, address in zip(sockets, pairs[number % len(pairs)], strict=True):
                # Without a route, or with a full queue, the packet is simply lost.
                with contextlib.suppress(OSError):
                    opened.sendto(_PACKET.pack(_MAGIC, number), (address, PORT))
            number += 1
        time.sleep(max(0.0, begun + number / rate - time.monotonic()))
    log.write_bytes(noted)


def listen(log: Path, places: Sequence[str]) -> None:
    """Note every packet that is seen at a place: NAMESPACE for its UDP sockets, NAMESPACE/INTERFACE for its frames."""
    sockets = [
        (opened, parse, place)
        for place, name in enumerate(places)
        for opened, parse in _open(*name.partition("/")[::2])
    ]
    print("ready", flush=True)
    with open(log, "wb") as noted:
        while not select.select([sys.stdin], [], [], _LOOK_INTERVAL)[0]:
            ahead = stamps.offset()
            for opened, parse, place in sockets:
                _drain(opened, parse, place, ahead, noted.write)


def _open(namespace: str, interface: str) -> list[tuple[socket.socket, Parse]]:
    """The sockets of one place, and what each needs to make sense of what it receives."""
    if interface:
        frames = inside(namespace, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERYTHING)))
        frames.bind((interface, _EVERYTHING))
        return [(_ready(frames), _parse_frame)]
    families = (socket.AF_INET, socket.AF_INET6)
    opened = inside(namespace, lambda: [socket.socket(family, socket.SOCK_DGRAM) for family in families])
    opened[0].setsockopt(socket.IPPROTO_IP, _IP_RECVTTL, 1)
    opened[1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
    opened[1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    for each, address in zip(opened, ("0.0.0.0", "::"), strict=True):
        each.bind((address, PORT))
    return [
        (_ready(opened[0]), lambda data, hops: (Family.IPV4, hops, data)),
        (_ready(opened[1]), lambda data, hops: (Family.IPV6, hops, data)),
    ]


def _ready(opened: socket.socket) -> socket.socket:
    stamps.ask_for(opened)
    opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    opened.setblocking(False)
    return opened


def _drain(opened: socket.socket, parse: Parse, place: int, ahead: float, note: Callable[[bytes], object]) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            data, ancillary, _, address = opened.recvmsg(_FRAME, _ANCILLARY)
            if opened.family == socket.AF_PACKET and address[2] == socket.PACKET_OUTGOING:
                continue
            hops = next((value for _, kind, value in ancillary if kind in (socket.IP_TTL, socket.IPV6_HOPLIMIT)), b"")
            if (found := parse(data, int.from_bytes(hops, sys.byteorder))) is not None:
                family, left, payload = found
                if len(payload) == _PACKET.size and payload[:4] == _MAGIC:
                    number = _PACKET.unpack(payload)[1]
                    note(SIGHTING.pack(family, place, left, number, stamps.received_at(ancillary, ahead)))


def _parse_frame(frame: bytes, _: int) -> tuple[Family, int, bytes] | None:
    match frame[12:14]:
        case b"\x08\x00" if frame[23:24] == b"\x11":
            return Family.IPV4, frame[_ETHERNET + 8], frame[_ETHERNET + _IPV4 + _UDP :]
        case b"\x86\xdd" if frame[20:21] == b"\x11":
            return Family.IPV6, frame[_ETHERNET + 7], frame[_ETHERNET + _IPV6 + _UDP :]
    return None


def main() -> None:
    """Command line: send [--real-time] LOG RATE IPV4,IPV6..., or listen LOG PLACE..."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True, dest="command")
    sender = commands.add_parser("send")
    sender.add_argument("--real-time", action="store_true")
    sender.add_argument("log", type=Path)
    sender.add_argument("rate", type=float)
    sender.add_argument("target", nargs="+")
    listener = commands.add_parser("listen")
    listener.add_argument("log", type=Path)
    listener.add_argument("place", nargs="+")
    arguments = parser.parse_args()
    if arguments.command == "send":
        send(arguments.log, arguments.rate, arguments.target, in_real_time=arguments.real_time)
    else:
        listen(arguments.log, arguments.place)


if __name__ == "__main__":
    main()
