"""What stations say in DHCP, as the core gets it."""

from __future__ import annotations

from ipaddress import IPv4Address

from sroamd.addresses import Mac
from sroamd.wire.dhcpv4 import DhcpMessage, MessageType

GATEWAY = IPv4Address("192.0.2.1")
NOWHERE = IPv4Address(0)

OPTION_REQUESTED, OPTION_SERVER = 50, 54


def dhcp(kind: MessageType, station: Mac, options: dict[int, bytes] | None = None, **fields: object) -> DhcpMessage:
    return DhcpMessage(op=1, message_type=kind, xid=7, chaddr=station, options=options or {}, **fields)  # type: ignore[arg-type]


def discover(station: Mac, requested: IPv4Address | None = None, **fields: object) -> DhcpMessage:
    options = {} if requested is None else {OPTION_REQUESTED: requested.packed}
    return dhcp(MessageType.DISCOVER, station, options, **fields)


def select(station: Mac, address: IPv4Address, server: IPv4Address = GATEWAY, **fields: object) -> DhcpMessage:
    options = {OPTION_REQUESTED: address.packed, OPTION_SERVER: server.packed}
    return dhcp(MessageType.REQUEST, station, options, **fields)


def init_reboot(station: Mac, address: IPv4Address) -> DhcpMessage:
    return dhcp(MessageType.REQUEST, station, {OPTION_REQUESTED: address.packed})


def renew(station: Mac, address: IPv4Address) -> DhcpMessage:
    """As it is sent when renewing (unicast) and when rebinding (broadcast)."""
    return dhcp(MessageType.REQUEST, station, ciaddr=address)


def decline(station: Mac, address: IPv4Address, server: IPv4Address = GATEWAY) -> DhcpMessage:
    return dhcp(MessageType.DECLINE, station, {OPTION_REQUESTED: address.packed, OPTION_SERVER: server.packed})


def release(station: Mac, address: IPv4Address, server: IPv4Address = GATEWAY) -> DhcpMessage:
    return dhcp(MessageType.RELEASE, station, {OPTION_SERVER: server.packed}, ciaddr=address)
