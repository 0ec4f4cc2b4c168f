"""DHCPv4 messages (RFC 2131) and their options (RFC 2132, RFC 3396): the framing, not what a server does with them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network

from sroamd.addresses import Mac, ipv4_address
from sroamd.wire.cursor import DecodeError

SERVER_PORT = 67
CLIENT_PORT = 68

BOOTREQUEST = 1
BOOTREPLY = 2

# Option numbers (RFC 2132 unless said otherwise)
OPTION_PAD = 0
OPTION_SUBNET_MASK = 1
OPTION_ROUTER = 3
OPTION_DNS = 6
OPTION_HOSTNAME = 12
OPTION_DOMAIN_NAME = 15
OPTION_MTU = 26
OPTION_BROADCAST = 28
OPTION_NTP = 42
OPTION_REQUESTED_ADDRESS = 50
OPTION_LEASE_TIME = 51
OPTION_OVERLOAD = 52
OPTION_MESSAGE_TYPE = 53
OPTION_SERVER_ID = 54
OPTION_PARAMETER_REQUEST_LIST = 55
OPTION_MESSAGE = 56
OPTION_MAX_MESSAGE_SIZE = 57
OPTION_RENEWAL_TIME = 58
OPTION_REBINDING_TIME = 59
OPTION_VENDOR_CLASS = 60
OPTION_CLIENT_ID = 61
OPTION_RAPID_COMMIT = 80  # RFC 4039
OPTION_CLIENT_FQDN = 81  # RFC 4702
OPTION_RELAY_AGENT = 82  # RFC 3046
OPTION_IPV6_ONLY = 108  # RFC 8925
OPTION_CAPTIVE_PORTAL = 114  # RFC 8910
OPTION_AUTO_CONFIGURE = 116  # RFC 2563
OPTION_DOMAIN_SEARCH = 119  # RFC 3397
OPTION_CLASSLESS_ROUTES = 121  # RFC 3442
OPTION_END = 255

MESSAGE_MAX = 1500  # octets; nothing longer comes over a radio in one piece, and fragments are refused
OPTION_INSTANCES_MAX = 128  # a long option counts once for each of its parts
# A server echoes the identifier, and a reply of 576 octets must hold it beside all that a client cannot do without.
# The longest in use is type 255, an IAID and a DUID of 130 octets (RFC 4361 section 6.1, RFC 8415 section 11.1).
CLIENT_ID_MAX = 135
CLIENT_ID_MIN = 2  # RFC 2132 section 9.14
PACKET_SIZE_MIN = 576  # every client takes an IP packet of this size (RFC 2131 section 2)
BOOTP_LENGTH = 300  # shorter messages are dropped by old relays and clients (RFC 1542 section 2.1)

_HEADERS = 28  # of IPv4 and UDP, which RFC 2131 counts in the size that a client can take
_FIXED = struct.Struct("!BBBBIHH4s4s4s4s6s10x64s128s4s")
_COOKIE = bytes((99, 130, 83, 99))
_HTYPE_ETHERNET = 1
_BROADCAST_FLAG = 0x8000
_OPTION_PART_MAX = 255
_FILE_HOLDS_OPTIONS, _SNAME_HOLDS_OPTIONS = 1, 2  # bits of option 52
_EXACT_LENGTH = {
    OPTION_REQUESTED_ADDRESS: 4,
    OPTION_LEASE_TIME: 4,
    OPTION_MESSAGE_TYPE: 1,
    OPTION_SERVER_ID: 4,
    OPTION_MAX_MESSAGE_SIZE: 2,
    OPTION_OVERLOAD: 1,
}
_FRAMING = frozenset((OPTION_PAD, OPTION_OVERLOAD, OPTION_MESSAGE_TYPE, OPTION_END))
# fmt: off
_ESSENTIAL = frozenset((
    OPTION_SERVER_ID, OPTION_CLIENT_ID, OPTION_REQUESTED_ADDRESS, OPTION_LEASE_TIME, OPTION_RENEWAL_TIME,
    OPTION_REBINDING_TIME, OPTION_SUBNET_MASK, OPTION_ROUTER, OPTION_CLASSLESS_ROUTES, OPTION_RAPID_COMMIT,
    OPTION_IPV6_ONLY, OPTION_AUTO_CONFIGURE,
))
# fmt: on
_NO_IPV4 = IPv4Address(0)


class MessageType(IntEnum):
    """Option 53: RFC 2132 section 9.6, RFC 3203, RFC 4388."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8
    FORCERENEW = 9
    LEASEQUERY = 10
    LEASEUNASSIGNED = 11
    LEASEUNKNOWN = 12
    LEASEACTIVE = 13


_MESSAGE_TYPES = {int(kind): kind for kind in MessageType}  # looking there takes a fifth of MessageType(number)


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpMessage:
    """A message over Ethernet, request (`op` 1) or reply (`op` 2).

    `options` holds the values by number, joined where they came in parts, in the order of their first appearance and
    without those that are framing: 53 is `message_type`; 52, padding and end are the codec's. The lengths of the
    options behind the properties have been checked if the message was decoded.
    """

    op: int
    message_type: MessageType
    xid: int
    chaddr: Mac
    secs: int = 0
    broadcast: bool = False
    ciaddr: IPv4Address = _NO_IPV4
    yiaddr: IPv4Address = _NO_IPV4
    siaddr: IPv4Address = _NO_IPV4
    giaddr: IPv4Address = _NO_IPV4
    options: Mapping[int, bytes] = field(default_factory=dict)

    def _address(self, option: int) -> IPv4Address | None:
        value = self.options.get(option)
        return None if value is None else ipv4_address(value)

    def _number(self, option: int) -> int | None:
        value = self.options.get(option)
        return None if value is None else int.from_bytes(value, "big")

    @property
    def requested_address(self) -> IPv4Address | None:
        """Option 50."""
        return self._address(OPTION_REQUESTED_ADDRESS)

    @property
    def server_id(self) -> IPv4Address | None:
        """Option 54."""
        return self._address(OPTION_SERVER_ID)

    @property
    def client_id(self) -> bytes | None:
        """Option 61, opaque (RFC 4361), CLIENT_ID_MIN to CLIENT_ID_MAX octets."""
        return self.options.get(OPTION_CLIENT_ID)

    @property
    def parameter_request_list(self) -> tuple[int, ...]:
        """Option 55, in the client's order."""
        return tuple(self.options.get(OPTION_PARAMETER_REQUEST_LIST, b""))

    @property
    def max_message_size(self) -> int | None:
        """Option 57 as sent: nonsense is possible, `encode` keeps its `max_size` within reason."""
        return self._number(OPTION_MAX_MESSAGE_SIZE)

    @property
    def lease_time(self) -> int | None:
        """Option 51, seconds."""
        return self._number(OPTION_LEASE_TIME)

    @property
    def hostname(self) -> bytes | None:
        """Option 12, whatever octets the client chose: escape it before people see it."""
        return self.options.get(OPTION_HOSTNAME)


def _scan(area: bytes, options: dict[int, bytes], before: int) -> int:
    """Adds the options of one field (RFC 2131 section 4.1: the last one is the end option), and joins what comes in
    parts (RFC 3396). `before`: how many there were in other fields. Returns how many there are with these."""
    at, size, count = 0, len(area), before
    while at < size:
        code = area[at]
        if code == OPTION_END:
            return count
        if code == OPTION_PAD:
            at += 1
            continue
        value_at = at + 2
        after = value_at + area[at + 1] if value_at <= size else value_at
        if after > size:
            raise DecodeError(f"option {code} runs over the end")
        if count == OPTION_INSTANCES_MAX:
            raise DecodeError(f"more than {OPTION_INSTANCES_MAX} options")
        count += 1
        if code not in options:
            options[code] = area[value_at:after]
        elif code == OPTION_OVERLOAD and not before:  # which of them would it be?
            raise DecodeError("option overload twice")
        else:
            options[code] += area[value_at:after]
        at = after
    raise DecodeError("options without an end")


def _decode_options(area: bytes, sname: bytes, file: bytes) -> dict[int, bytes]:
    """The options field, then `file`, then `sname` where option 52 says so."""
    options: dict[int, bytes] = {}
    count = _scan(area, options, 0)
    overload = options.get(OPTION_OVERLOAD)
    if overload is not None:
        if len(overload) != 1 or not 1 <= overload[0] <= 3:
            raise DecodeError("option overload is not one octet from 1 to 3")
        if overload[0] & _FILE_HOLDS_OPTIONS:
            count = _scan(file, options, count)
        if overload[0] & _SNAME_HOLDS_OPTIONS:
            _scan(sname, options, count)
    for code, value in options.items():
        if code in _EXACT_LENGTH and len(value) != _EXACT_LENGTH[code]:
            raise DecodeError(f"option {code} with {len(value)} octets")
    client_id = options.get(OPTION_CLIENT_ID)
    if client_id is not None and not CLIENT_ID_MIN <= len(client_id) <= CLIENT_ID_MAX:
        raise DecodeError(f"a client identifier of {len(client_id)} octets")
    return options


def decode(payload: bytes) -> DhcpMessage:
    """From a UDP payload. BOOTP without a message type is refused, as is everything that is not about Ethernet."""
    if not _FIXED.size < len(payload) <= MESSAGE_MAX:
        raise DecodeError(f"a DHCP message of {len(payload)} octets")
    fixed = _FIXED.unpack_from(payload)
    op, htype, hlen, _hops, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr, chaddr, sname, file, cookie = fixed
    if op not in (BOOTREQUEST, BOOTREPLY) or (htype, hlen) != (_HTYPE_ETHERNET, 6):
        raise DecodeError(f"op {op}, htype {htype}, hlen {hlen}")
    if cookie != _COOKIE:
        raise DecodeError("no magic cookie")
    options = _decode_options(payload[_FIXED.size :], sname, file)
    options.pop(OPTION_OVERLOAD, None)
    kind = options.pop(OPTION_MESSAGE_TYPE, b"\0")
    message_type = _MESSAGE_TYPES.get(kind[0])
    if message_type is None:
        raise DecodeError(f"message type {kind[0]}")
    return DhcpMessage(
        op=op,
        message_type=message_type,
        xid=xid,
        chaddr=Mac(chaddr),
        secs=secs,
        broadcast=bool(flags & _BROADCAST_FLAG),
        ciaddr=ipv4_address(ciaddr),
        yiaddr=ipv4_address(yiaddr),
        siaddr=ipv4_address(siaddr),
        giaddr=ipv4_address(giaddr),
        options=options,
    )


def _in_parts(code: int, value: bytes) -> bytes:
    """In parts of at most 255 octets (RFC 3396 section 5)."""
    parts = [value[at : at + _OPTION_PART_MAX] for at in range(0, len(value), _OPTION_PART_MAX)]
    return b"".join(bytes((code, len(part))) + part for part in parts)


def _encode_options(message: DhcpMessage, room: int) -> bytes:
    kind = bytes((OPTION_MESSAGE_TYPE, 1, message.message_type))
    encoded = [
        bytes((code, len(value))) + value if len(value) <= _OPTION_PART_MAX else _in_parts(code, value)
        for code, value in message.options.items()
    ]
    room -= len(kind) + 1  # and the end option
    octets = b"".join(encoded)
    if len(octets) > room:
        octets = b"".join(_what_fits(encoded, room))
    return b"%b%b%c" % (kind, octets, OPTION_END)


def _what_fits(encoded: list[bytes], room: int) -> Iterator[bytes]:
    """What is essential, and of the rest each that still fits when its turn comes."""
    room -= sum(len(octets) for octets in encoded if octets[0] in _ESSENTIAL)
    for octets in encoded:
        if octets[0] not in _ESSENTIAL:
            if len(octets) > room:
                continue
            room -= len(octets)
        yield octets


def encode(message: DhcpMessage, *, max_size: int = PACKET_SIZE_MIN) -> bytes:
    """The UDP payload: message type first, then the options in the order of the mapping, at least BOOTP_LENGTH octets.

    `max_size` is what the client said it takes (option 57), IPv4 and UDP headers included; below 576 it is taken as
    576, above MESSAGE_MAX as MESSAGE_MAX. What a client cannot live without (its address is no use without mask,
    router, routes and times, an answer is none without server and client identifier, and options 80, 108 and 116 say
    what kind of answer it is) is always sent; of the other options each goes in if it still fits when its turn comes,
    so those that stand first have the better chance.
    ValueError if `message.options` has a framing option (0, 52, 53, 255).
    """
    if not _FRAMING.isdisjoint(message.options):
        raise ValueError("pad, overload, message type and end are not given as options")
    room = min(max(max_size, PACKET_SIZE_MIN), MESSAGE_MAX) - _HEADERS - _FIXED.size
    addresses = message.ciaddr.packed, message.yiaddr.packed, message.siaddr.packed, message.giaddr.packed
    flags = _BROADCAST_FLAG if message.broadcast else 0
    start = message.op, _HTYPE_ETHERNET, 6, 0, message.xid, message.secs, flags
    fixed = _FIXED.pack(*start, *addresses, message.chaddr, b"", b"", _COOKIE)
    return (fixed + _encode_options(message, room)).ljust(BOOTP_LENGTH, b"\0")


def classless_routes(routes: Iterable[tuple[IPv4Network, IPv4Address]]) -> bytes:
    """The value of option 121 (RFC 3442): for each its prefix length, as many octets as that needs, and the router."""
    return b"".join(
        bytes((prefix.prefixlen,)) + prefix.network_address.packed[: (prefix.prefixlen + 7) // 8] + router.packed
        for prefix, router in routes
    )
