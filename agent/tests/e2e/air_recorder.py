"""What passes between access points and stations: recorded as pcap files, and told while it goes on."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from lab.netns import inside
from tests.e2e.capture import Capture

_ETHERNET_HEADER = 14
_DHCP_PORTS = (b"\0\x43\0\x44", b"\0\x44\0\x43")
_KINDS = ("", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM")


@dataclass(frozen=True, slots=True)
class Dhcp:
    """A DHCP message between a station and an access point, at a moment of time.monotonic()."""

    time: float
    ap: str
    station: str
    kind: str
    unicast: bool
    packet: Packet

    @property
    def state(self) -> str:
        """Of the client that sent this REQUEST (RFC 2131 table 4)."""
        options = dict(each for each in self.packet[DHCP].options if isinstance(each, tuple) and len(each) == 2)
        if "server_id" in options:
            return "SELECTING"
        if self.packet[BOOTP].ciaddr == "0.0.0.0":
            return "INIT-REBOOT"
        return "RENEWING" if self.unicast else "REBINDING"

    def __str__(self) -> str:
        what = f" ({self.state})" if self.kind == "REQUEST" else ""
        boot = self.packet[BOOTP]
        return f"{self.time:.2f} {self.ap} {self.kind}{what} ciaddr {boot.ciaddr} yiaddr {boot.yiaddr}"


class Recorder:
    """Of the cables to the access points: port in the namespace -> file, which is complete when this is closed."""

    def __init__(self, namespace: str, files: dict[str, Path]) -> None:
        self._dhcp: list[Dhcp] = []
        self._news = threading.Condition()
        self._open = True
        self._threads = []
        for port, path in files.items():
            ear = inside(namespace, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
            ear.bind((port, 3))
            ear.settimeout(0.2)
            thread = threading.Thread(target=self._record, args=(port, ear, path), name=f"recorder-{port}")
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        self._open = False
        for thread in self._threads:
            thread.join()

    def of(self, station: str) -> list[Dhcp]:
        """All messages of and to a station, in their order."""
        with self._news:
            return [each for each in self._dhcp if each.station == station]

    def wait(self, station: str, wanted: Callable[[list[Dhcp]], bool], within: float, since: int = 0) -> list[Dhcp]:
        """Until what was heard of the station after the first `since` messages is as wanted: that."""
        deadline = time.monotonic() + within
        with self._news:
            while True:
                heard = [each for each in self._dhcp if each.station == station][since:]
                if wanted(heard):
                    return heard
                left = deadline - time.monotonic()
                assert left > 0, f"{station}: not heard within {within} s; but\n" + "\n".join(map(str, heard))
                self._news.wait(left)

    def _record(self, port: str, ear: socket.socket, path: Path) -> None:
        capture = Capture(path)
        with ear:
            while self._open:
                try:
                    frame = ear.recv(1 << 16)
                except TimeoutError:
                    continue
                capture.add(frame)
                self._tell(port, frame)
        capture.close()

    def _tell(self, port: str, frame: bytes) -> None:
        at = _ETHERNET_HEADER
        if frame[12:14] != b"\x08\0" or frame[23] != 17 or frame[at + 20 : at + 24] not in _DHCP_PORTS:
            return
        packet = Ether(frame)
        kind = next(each[1] for each in packet[DHCP].options if each[0] == "message-type")
        station = packet[BOOTP].chaddr[:6].hex(":")
        unicast = packet[IP].dst != "255.255.255.255"
        with self._news:
            self._dhcp.append(Dhcp(time.monotonic(), port, station, _KINDS[kind], unicast, packet))
            self._news.notify_all()
