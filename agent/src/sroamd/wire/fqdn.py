"""The name that a station gives itself: options 12 (RFC 2132 section 3.14) and 81 (RFC 4702) of its DHCP messages.

Octets of its choice, of which only the framing is judged here; escape them before people see them.
"""

from __future__ import annotations

from sroamd.wire.cursor import DecodeError
from sroamd.wire.dhcpv4 import OPTION_CLIENT_FQDN, DhcpMessage

# RFC 4702 section 2.1
FLAG_S = 0x01  # the server updates the A record
FLAG_O = 0x02  # and has its own will about it
FLAG_E = 0x04  # the name is encoded as in DNS
FLAG_N = 0x08  # the server updates nothing
RCODES = b"\xff\xff"  # section 2.2: whatever a server sends there means nothing any more

_HEADER = 3  # flags and two return codes
_LABEL_MAX, _NAME_MAX = 63, 255  # octets, RFC 1035 section 2.3.4


def name_of(message: DhcpMessage) -> bytes:
    """What the station calls itself; nothing if it does not. Option 81 goes before option 12 (RFC 4702 section 3.1).

    One that is malformed counts as none; the message is no worse for it.
    """
    option = message.options.get(OPTION_CLIENT_FQDN)
    try:
        name = b"" if option is None else fqdn_name(option)
    except DecodeError:
        name = b""
    return name or (message.hostname or b"").rstrip(b"\0")  # RFC 2132 section 2: zeros at the end do not count


def fqdn_name(option: bytes) -> bytes:
    """The labels with dots between, none at the end."""
    if len(option) < _HEADER:
        raise DecodeError(f"a client FQDN of {len(option)} octets")
    name = option[_HEADER:]
    if len(name) > _NAME_MAX:
        raise DecodeError(f"a name of {len(name)} octets")
    if option[0] & FLAG_E:
        return b".".join(_labels(name))
    plain = name.rstrip(b"\0").rstrip(b".")  # section 2.3.1
    if any(len(label) > _LABEL_MAX for label in plain.split(b".")):
        raise DecodeError("a label that is too long")
    return plain


def _labels(name: bytes) -> list[bytes]:
    """RFC 1035 section 3.1, without compression. A name without its root is a partial one (RFC 4702 section 2.3)."""
    labels: list[bytes] = []
    at = 0
    while at < len(name):
        length = name[at]
        if length == 0:
            if at + 1 != len(name):
                raise DecodeError("a name goes on after its root")
            break
        label = name[at + 1 : at + 1 + length]
        if length > _LABEL_MAX or len(label) != length:
            raise DecodeError(f"a label of {length} octets")
        labels.append(label)
        at += 1 + length
    return labels


def fqdn_answer(option: bytes) -> bytes | None:
    """What a server says that updates no DNS (RFC 4702 section 4): N, not S, O if the client wanted S, and its own name
    back, encoded as it was. None: there is nothing to answer to.
    """
    try:
        fqdn_name(option)
    except DecodeError:
        return None
    wanted = option[0]
    flags = FLAG_N | (wanted & FLAG_E) | (FLAG_O if wanted & FLAG_S else 0)
    return bytes((flags,)) + RCODES + option[_HEADER:]
