"""A reply of the DHCPv4 server: its fields by RFC 2131 section 4.3.1 table 3, and whereto it goes by section 4.1."""

from __future__ import annotations

from ipaddress import IPv4Address

from sroamd.core.dhcp_options import ReplyOptions
from sroamd.core.effects import SendDhcp
from sroamd.core.events import DhcpReceived
from sroamd.wire.dhcpv4 import BOOTREPLY, PACKET_SIZE_MIN, DhcpMessage, MessageType

UNSPECIFIED = IPv4Address(0)
LIMITED_BROADCAST = IPv4Address("255.255.255.255")


def reply(made: ReplyOptions, event: DhcpReceived, kind: MessageType, address: IPv4Address, life: int) -> SendDhcp:
    """`address`: `yiaddr`; UNSPECIFIED in a NAK, in the answer to an INFORM, and in an offer of no address."""
    request = event.message
    destination = _destination(request, address)
    if kind is MessageType.NAK:
        destination, options = LIMITED_BROADCAST, made.nak(request)
    elif kind is MessageType.OFFER and address == UNSPECIFIED:
        options = made.without_address(request)
    else:
        options = made.parameters(request, kind, life)
    message = DhcpMessage(
        op=BOOTREPLY,
        message_type=kind,
        xid=request.xid,
        chaddr=request.chaddr,
        broadcast=request.broadcast,
        ciaddr=request.ciaddr if kind is MessageType.ACK else UNSPECIFIED,
        yiaddr=address,
        giaddr=request.giaddr,
        options=options,
    )
    size = request.max_message_size or PACKET_SIZE_MIN
    return SendDhcp(event.interface, event.source, made.server, destination, message, max_size=size)


def _destination(request: DhcpMessage, address: IPv4Address) -> IPv4Address:
    if request.ciaddr != UNSPECIFIED:
        return request.ciaddr
    return LIMITED_BROADCAST if request.broadcast or address == UNSPECIFIED else address
