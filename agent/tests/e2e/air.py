"""What stations say and hear on the air, frame by frame: made and read by scapy, which is none of our own code."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from lab.netns import inside
from tests.e2e.fleet import eventually

BROADCAST = "ff:ff:ff:ff:ff:ff"
ALL_ROUTERS_MAC = "33:33:00:00:00:02"
SERVER = "192.0.2.1"
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("=qq")
_FRAME = 4096
_BUFFER = 1 << 22
_ETH_P_ALL = 0x0003


class Sender(Protocol):
    """A station of the lab, or whoever else has a MAC and sends frames."""

    namespace: str
    mac: str

    def send_frame(self, frame: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Heard:
    """A frame, and when the station's kernel got it: seconds on the clock of time.monotonic()."""

    time: float
    frame: Any  # scapy's Packet has no types


class Ear:
    """Hears all that reaches a station's interface from the moment it is made. Close it, or use it as a context."""

    def __init__(self, station: Sender, interface: str = "wlan0") -> None:
        self._heard: list[Heard] = []
        self._socket = inside(station.namespace, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.bind((interface, _ETH_P_ALL))

    def __enter__(self) -> Ear:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def heard(self, wanted: Callable[[Packet], bool] = lambda frame: True) -> list[Heard]:
        """Everything so far that is wanted, in the order of its arrival."""
        to_monotonic = time.monotonic() - time.time()
        while True:
            try:
                data, control, _, address = self._socket.recvmsg(_FRAME, 64)
            except BlockingIOError:
                return [each for each in self._heard if wanted(each.frame)]
            if address[2] != socket.PACKET_OUTGOING:
                seconds, nanoseconds = _TIMESPEC.unpack(control[0][2])
                self._heard.append(Heard(seconds + nanoseconds / 1e9 + to_monotonic, Ether(data)))


def dhcp(
    station: Sender,
    kind: str,
    *,
    source: str | None = None,
    chaddr: str | None = None,
    source_ip: str = "0.0.0.0",
    xid: int = 0x5A17,
    options: tuple[tuple[str, Any], ...] = (),
    **fields: Any,
) -> Packet:
    """A client's message: `source` and `chaddr` are the station's own MAC unless told otherwise; fields are BOOTP's."""
    mac = source or station.mac
    hardware = bytes.fromhex((chaddr or station.mac).replace(":", ""))
    return (
        Ether(src=mac, dst=BROADCAST)
        / IP(src=source_ip, dst="255.255.255.255")
        / UDP(sport=68, dport=67)
        / BOOTP(op=1, chaddr=hardware, xid=xid, **fields)
        / DHCP(options=[("message-type", kind), *options, "end"])
    )


def solicitation(station: Sender, *, source: str | None = None, link_layer: str | None = None) -> Packet:
    """A router solicitation from the station's link-local address."""
    mac = source or station.mac
    return (
        Ether(src=mac, dst=ALL_ROUTERS_MAC)
        / IPv6(src=link_local(station.mac), dst="ff02::2", hlim=255)
        / ICMPv6ND_RS()
        / ICMPv6NDOptSrcLLAddr(lladdr=link_layer or mac)
    )


def link_local(mac: str) -> str:
    """RFC 4291 appendix A."""
    octets = bytes.fromhex(mac.replace(":", ""))
    interface = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return socket.inet_ntop(socket.AF_INET6, bytes.fromhex("fe80") + bytes(6) + interface)


def send(station: Sender, *frames: Packet | bytes) -> None:
    for frame in frames:
        station.send_frame(bytes(frame))


def is_reply(frame: Packet) -> bool:
    """From a DHCP server."""
    return BOOTP in frame and frame[BOOTP].op == 2


def is_advertisement(frame: Packet) -> bool:
    return ICMPv6ND_RA in frame


def options_of(frame: Packet) -> dict[str, Any]:
    """DHCP options by scapy's names; those with several values as a tuple."""
    pairs = (each for each in frame[DHCP].options if isinstance(each, tuple))
    return {name: values[0] if len(values) == 1 else values for name, *values in pairs}


def answer(station: Sender, ear: Ear, request: Packet, within: float = 3.0) -> Packet:
    """The server's reply to this request, asked once. AssertionError if there is none."""
    send(station, request)
    xid = request[BOOTP].xid

    def replied() -> Packet:
        replies = [each.frame for each in ear.heard(is_reply) if each.frame[BOOTP].xid == xid]
        assert replies, f"no answer to {request.summary()}"
        return replies[-1]

    return eventually(replied, within)
