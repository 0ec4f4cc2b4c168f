"""Frames in a file, and what tshark says of them."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.judges import Room

_HEADER = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 16, 1)  # pcap, Ethernet
_FIELDS = ("frame.number", "frame.protocols", "_ws.expert.severity", "_ws.expert.message")
_KINDS = {"dhcp.option.dhcp": "dhcp", "icmpv6.type": "icmpv6", "arp.opcode": "arp"}
_PI_NOTE = 0x400000  # Wireshark's epan/proto.h: below it are chats, which only say what a packet is about


class Capture:
    """A pcap file that is written to."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._file.write(_HEADER)

    def add(self, frame: bytes) -> None:
        now = time.time()
        self._file.write(struct.pack("=IIII", int(now), int(now % 1 * 1e6), len(frame), len(frame)) + frame)

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame as tshark reads it. `kind`: "dhcp 5", "icmpv6 134", "arp 1" and the like."""

    number: str
    protocols: str
    kind: str
    severities: tuple[int, ...]
    remarks: str

    @property
    def is_sound(self) -> bool:
        """Neither malformed nor worth an expert's note."""
        return "_ws.malformed" not in self.protocols and all(each < _PI_NOTE for each in self.severities)


def read(inside: Room, capture: Path, sender: str) -> list[Seen]:
    """What a MAC has sent, but for 802.1X: how hostapd logs in is not our affair."""
    (inside.root / capture.name).write_bytes(capture.read_bytes())
    fields = [word for name in (*_FIELDS, *_KINDS) for word in ("-e", name)]
    said = inside.run(
        *("tshark", "-n", "-r", f"/{capture.name}", "-Y", f"eth.src == {sender} && !eapol", "-T", "fields", *fields)
    )
    return [_seen(*line.split("\t")) for line in said.splitlines()]


def _seen(number: str, protocols: str, severities: str, remarks: str, *kinds: str) -> Seen:
    kind = next((f"{name} {value}" for name, value in zip(_KINDS.values(), kinds, strict=True) if value), "")
    return Seen(number, protocols, kind, tuple(int(each) for each in severities.split(",") if each), remarks)
