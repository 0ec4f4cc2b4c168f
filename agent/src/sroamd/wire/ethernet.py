"""Ethernet II frames, as an AF_PACKET socket gives and takes them: no preamble, no checksum, no minimum length."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from sroamd.addresses import Mac
from sroamd.wire.cursor import DecodeError

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETHERTYPE_VLAN = 0x8100  # a tagged frame is to us one of another protocol
ETHERTYPE_IPV6 = 0x86DD
ETHERTYPE_EAPOL = 0x888E

_HEADER = struct.Struct("!6s6sH")


@dataclass(frozen=True, slots=True)
class Frame:
    """`payload` may carry padding at its end: what is inside has to know its own length."""

    destination: Mac
    source: Mac
    ethertype: int
    payload: bytes


def decode_frame(data: bytes) -> Frame:
    """From the destination address to the end."""
    if len(data) < _HEADER.size:
        raise DecodeError(f"a frame of {len(data)} octets")
    destination, source, ethertype = _HEADER.unpack_from(data)
    return Frame(Mac(destination), Mac(source), ethertype, data[_HEADER.size :])


def encode_frame(frame: Frame) -> bytes:
    """The inverse of `decode_frame`; the interface pads."""
    return _HEADER.pack(frame.destination, frame.source, frame.ethertype) + frame.payload
