"""DHCPv6 messages between clients and servers (RFC 8415 section 8), as far as a stateless server needs them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address

from sroamd.wire.cursor import DecodeError, Reader

CLIENT_PORT = 546
SERVER_PORT = 547
ALL_SERVERS = IPv6Address("ff02::1:2")  # All_DHCP_Relay_Agents_and_Servers

REPLY = 7
INFORMATION_REQUEST = 11
RELAY_FORW = 12  # from here on another format

# Options (RFC 8415 section 21 unless said otherwise)
OPTION_CLIENT_ID = 1
OPTION_SERVER_ID = 2
OPTION_IA_NA = 3
OPTION_IA_TA = 4
OPTION_ORO = 6
OPTION_DNS = 23  # RFC 3646
OPTION_DOMAIN_LIST = 24  # RFC 3646
OPTION_IA_PD = 25
OPTION_INFORMATION_REFRESH_TIME = 32
OPTION_NTP = 56  # RFC 5908
OPTION_CAPTIVE_PORTAL = 103  # RFC 8910

MESSAGE_MAX = 1452  # octets: 1500 without the headers of IPv6 and UDP
OPTIONS_MAX = 64
DUID_MIN, DUID_MAX = 3, 130  # octets: a type and at least one more (section 11.1)

_HEADER = struct.Struct("!I")  # type, and a transaction of three octets
_OPTION = struct.Struct("!HH")
_NTP_ADDRESS = 1  # suboption of OPTION_NTP


@dataclass(frozen=True, slots=True)
class Dhcp6Message:
    """`transaction`: 24 bits. `options`: values by number, in the order of the message; of a repeated one the first."""

    kind: int
    transaction: int
    options: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def option_request(self) -> tuple[int, ...]:
        """Option 6, whose length has been checked if the message was decoded."""
        value = self.options.get(OPTION_ORO, b"")
        return tuple(int.from_bytes(value[at : at + 2], "big") for at in range(0, len(value), 2))


def decode(payload: bytes) -> Dhcp6Message:
    """From a UDP payload. Relayed messages are refused: stations speak for themselves."""
    if not _HEADER.size <= len(payload) <= MESSAGE_MAX:
        raise DecodeError(f"a DHCPv6 message of {len(payload)} octets")
    (first,) = _HEADER.unpack_from(payload)
    kind, transaction = first >> 24, first & 0xFFFFFF
    if not 0 < kind < RELAY_FORW:
        raise DecodeError(f"message type {kind}")
    reader = Reader(payload[_HEADER.size :])
    options: dict[int, bytes] = {}
    count = 0
    while reader.remaining:
        count += 1
        if count > OPTIONS_MAX:
            raise DecodeError(f"more than {OPTIONS_MAX} options")
        code = reader.u16()
        options.setdefault(code, reader.take(reader.u16()))
    for code in (OPTION_CLIENT_ID, OPTION_SERVER_ID):
        if code in options and not DUID_MIN <= len(options[code]) <= DUID_MAX:
            raise DecodeError(f"a DUID of {len(options[code])} octets")
    if len(options.get(OPTION_ORO, b"")) % 2:
        raise DecodeError("half an option in the option request")
    return Dhcp6Message(kind, transaction, options)


def encode(message: Dhcp6Message) -> bytes:
    """The UDP payload."""
    parts = [_HEADER.pack(message.kind << 24 | message.transaction)]
    for code, value in message.options.items():
        parts += (_OPTION.pack(code, len(value)), value)
    return b"".join(parts)


def encode_ntp(servers: Iterable[IPv6Address]) -> bytes:
    """The value of option 56: a suboption for each address (RFC 5908 section 4.1)."""
    return b"".join(_OPTION.pack(_NTP_ADDRESS, 16) + server.packed for server in servers)
