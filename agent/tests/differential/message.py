"""DHCP messages of clients as octets, and what a reply says: RFC 2131 and 2132, with nothing of the agent."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

NOBODY = IPv4Address(0)
EVERYBODY = IPv4Address("255.255.255.255")
ALL = b"\xff" * 6
DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)
NAMES = {OFFER: "OFFER", ACK: "ACK", NAK: "NAK"}

MASK, ROUTER, DNS, DOMAIN, BROADCAST = 1, 3, 6, 15, 28
REQUESTED, LEASE_TIME, TYPE, SERVER, WANTED, MAX_SIZE, T1, T2, CLIENT = 50, 51, 53, 54, 55, 57, 58, 59, 61

_FIXED = struct.Struct("!BBBBIHH4s4s4s4s16s64x128x4s")
_COOKIE = bytes((99, 130, 83, 99))
_CLIENT_PORT, _SERVER_PORT = 68, 67
_BROADCAST_FLAG = 0x8000


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sends. `server_mac` None: to everybody."""

    kind: int
    xid: int
    mac: bytes
    broadcast: bool
    source: IPv4Address
    destination: IPv4Address
    server_mac: bytes | None
    ciaddr: IPv4Address
    options: Mapping[int, bytes]

    def frame(self) -> bytes:
        flags = _BROADCAST_FLAG if self.broadcast else 0
        addresses = (self.ciaddr.packed, bytes(4), bytes(4), bytes(4))
        fixed = _FIXED.pack(1, 1, 6, 0, self.xid, 0, flags, *addresses, self.mac, _COOKIE)
        options = {TYPE: bytes((self.kind,)), **self.options}
        body = fixed + b"".join(bytes((code, len(value))) + value for code, value in options.items()) + b"\xff"
        return _ethernet(self.server_mac or ALL, self.mac, 0x0800) + _udp(
            self.source, self.destination, body.ljust(300, b"\0")
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's message, as it came."""

    to_mac: bytes
    source: IPv4Address
    destination: IPv4Address
    ports: tuple[int, int]
    op: int
    hardware: tuple[int, int]
    hops: int
    xid: int
    secs: int
    broadcast: bool
    ciaddr: IPv4Address
    yiaddr: IPv4Address
    siaddr: IPv4Address
    giaddr: IPv4Address
    chaddr: bytes
    options: Mapping[int, bytes]  # in the order of their appearance

    @property
    def kind(self) -> str:
        return NAMES.get(self.options.get(TYPE, b"\0")[0], "nonsense")

    def address(self, code: int) -> IPv4Address | None:
        value = self.options.get(code)
        return IPv4Address(value) if value is not None and len(value) == 4 else None

    def number(self, code: int) -> int | None:
        value = self.options.get(code)
        return None if value is None else int.from_bytes(value, "big")


def read_reply(frame: bytes) -> Reply | None:
    """None: it is no message of a DHCP server."""
    if len(frame) < 14 + 20 + 8 + _FIXED.size or frame[12:14] != b"\x08\x00" or frame[23] != 17:
        return None
    at = 14 + 4 * (frame[14] & 15)
    ports = struct.unpack_from("!HH", frame, at)
    if ports[0] != _SERVER_PORT or len(frame) < at + 8 + _FIXED.size:
        return None
    body = frame[at + 8 :]
    op, htype, hlen, hops, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr, chaddr, cookie = _FIXED.unpack_from(body)
    if cookie != _COOKIE:
        return None
    ciaddr, yiaddr, siaddr, giaddr = map(IPv4Address, (ciaddr, yiaddr, siaddr, giaddr))
    return Reply(
        to_mac=frame[:6],
        source=IPv4Address(frame[26:30]),
        destination=IPv4Address(frame[30:34]),
        ports=ports,
        op=op,
        hardware=(htype, hlen),
        hops=hops,
        xid=xid,
        secs=secs,
        broadcast=bool(flags & _BROADCAST_FLAG),
        ciaddr=ciaddr,
        yiaddr=yiaddr,
        siaddr=siaddr,
        giaddr=giaddr,
        chaddr=chaddr[:6],
        options=_options(body[_FIXED.size :]),
    )


def _options(area: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at < len(area) and area[at] != 255:
        if area[at] == 0:
            at += 1
            continue
        code, length = area[at], area[at + 1]
        found[code] = found.get(code, b"") + area[at + 2 : at + 2 + length]
        at += 2 + length
    return found


def arp_reply(frame: bytes, holders: Mapping[IPv4Address, bytes]) -> bytes | None:
    """The answer of the client that has the address, if the frame asks for it; probes (RFC 5227) get none."""
    if frame[12:14] != b"\x08\x06" or frame[20:22] != b"\0\x01" or frame[28:32] == bytes(4):
        return None
    mac = holders.get(IPv4Address(frame[38:42]))
    if mac is None:
        return None
    asker = frame[22:28]
    return _ethernet(asker, mac, 0x0806) + frame[14:20] + b"\0\x02" + mac + frame[38:42] + asker + frame[28:32]


def _ethernet(destination: bytes, source: bytes, kind: int) -> bytes:
    return destination + source + kind.to_bytes(2, "big")


def _udp(source: IPv4Address, destination: IPv4Address, body: bytes) -> bytes:
    length = 8 + len(body)
    udp = struct.pack("!HHHH", _CLIENT_PORT, _SERVER_PORT, length, 0) + body
    pseudo = source.packed + destination.packed + struct.pack("!HH", 17, length)
    udp = udp[:6] + (_checksum(pseudo + udp) or 0xFFFF).to_bytes(2, "big") + body
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + length, 0, 0, 64, 17, 0, source.packed, destination.packed)
    return head[:10] + _checksum(head).to_bytes(2, "big") + head[12:] + udp


def _checksum(octets: bytes) -> int:
    """RFC 1071."""
    if len(octets) % 2:
        octets += b"\0"
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
