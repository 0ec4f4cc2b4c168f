"""EAPOL (IEEE 802.1X-2010, 11) and EAP with MD5 (RFC 3748, 4 and 5.4) as a supplicant speaks them; bytes only."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum

ETHERTYPE = 0x888E
GROUP_ADDRESS = bytes.fromhex("0180c2000003")

_ETHERNET_HEADER = 14
_EAPOL_HEADER = struct.Struct("!BBH")
_EAP_HEADER = struct.Struct("!BBH")
_EAPOL_VERSION = 2
_IDENTITY = 1
_NAK = 3
_MD5_CHALLENGE = 4


class PacketType(IntEnum):
    """EAPOL packet types, 802.1X-2010 table 11-3."""

    EAP = 0
    START = 1
    LOGOFF = 2


class Code(IntEnum):
    """EAP codes, RFC 3748 section 4."""

    REQUEST = 1
    RESPONSE = 2
    SUCCESS = 3
    FAILURE = 4


@dataclass(frozen=True, slots=True)
class Eap:
    """An EAP packet that an authenticator sent. Success and Failure have no method: it is 0 there."""

    code: Code
    identifier: int
    method: int = 0
    data: bytes = b""


def start_frame(station: bytes) -> bytes:
    """EAPOL-Start: the station asks to be asked."""
    return _frame(station, PacketType.START, b"")


def logoff_frame(station: bytes) -> bytes:
    """EAPOL-Logoff: the station leaves."""
    return _frame(station, PacketType.LOGOFF, b"")


def parse_frame(frame: bytes, station: bytes) -> Eap | None:
    """The EAP packet in an Ethernet frame meant for this station; None for all that is something else or broken."""
    start = _ETHERNET_HEADER + _EAPOL_HEADER.size
    if len(frame) < start + _EAP_HEADER.size:
        return None
    destination, source = frame[:6], frame[6:12]
    if destination not in (station, GROUP_ADDRESS) or source == station:
        return None
    if frame[12:_ETHERNET_HEADER] != ETHERTYPE.to_bytes(2, "big"):
        return None
    _, packet_type, body_length = _EAPOL_HEADER.unpack_from(frame, _ETHERNET_HEADER)
    if packet_type != PacketType.EAP:
        return None
    return _parse_eap(frame[start : start + body_length])


def _parse_eap(body: bytes) -> Eap | None:
    if len(body) < _EAP_HEADER.size:
        return None
    code, identifier, length = _EAP_HEADER.unpack_from(body)
    if not _EAP_HEADER.size <= length <= len(body):
        return None
    content = body[_EAP_HEADER.size : length]
    if code in (Code.SUCCESS, Code.FAILURE):
        return Eap(Code(code), identifier)
    if code == Code.REQUEST and content:
        return Eap(Code.REQUEST, identifier, content[0], content[1:])
    return None


def answer_frame(station: bytes, request: Eap, identity: bytes, password: bytes) -> bytes | None:
    """The reply to a request: the identity, the MD5 response, or a Nak that proposes MD5. None where none is due."""
    if request.code is not Code.REQUEST:
        return None
    if request.method == _IDENTITY:
        method, data = _IDENTITY, identity
    elif request.method == _MD5_CHALLENGE:
        # RFC 1994 section 4.1: one octet of length, the challenge, then a name that we do not need.
        challenge = request.data[1 : 1 + request.data[0]] if request.data else b""
        digest = hashlib.md5(bytes([request.identifier]) + password + challenge, usedforsecurity=False).digest()
        method, data = _MD5_CHALLENGE, bytes([len(digest)]) + digest + identity
    else:
        method, data = _NAK, bytes([_MD5_CHALLENGE])
    header = _EAP_HEADER.pack(Code.RESPONSE, request.identifier, _EAP_HEADER.size + 1 + len(data))
    return _frame(station, PacketType.EAP, header + bytes([method]) + data)


def _frame(station: bytes, packet_type: PacketType, body: bytes) -> bytes:
    header = GROUP_ADDRESS + station + ETHERTYPE.to_bytes(2, "big")
    return header + _EAPOL_HEADER.pack(_EAPOL_VERSION, packet_type, len(body)) + body
