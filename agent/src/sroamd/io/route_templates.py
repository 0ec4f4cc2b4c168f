"""Requests to install and to remove a host route: made once for each shape, then only patched."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv4Network

from sroamd.constants import ROUTE_METRIC
from sroamd.core.values import Prefix
from sroamd.io import netlink
from sroamd.io.netlink import Address, attribute
from sroamd.io.netlink_nexthop import needs_onlink
from sroamd.io.route_places import Place

_SEQUENCE_AT = 8
_LENGTH_AT = netlink.HEADER.size + 1
_TABLE_AT = netlink.HEADER.size + 4  # and the protocol behind it
_DESTINATION_AT = netlink.HEADER.size + netlink.RTMSG.size + 4
_GATEWAY4 = attribute(netlink.RTA_GATEWAY, bytes(4))
_GATEWAY6 = attribute(netlink.RTA_GATEWAY, bytes(16))
_VIA6 = attribute(netlink.RTA_VIA, netlink.VIA_IPV6 + bytes(16))  # the address follows its family
_UNIVERSE = netlink.RT_SCOPE_UNIVERSE
_INSTALL = netlink.NLM_F_ACK | netlink.NLM_F_CREATE | netlink.NLM_F_REPLACE


class _Template:
    """One request of a fixed shape. Attributes stand at fixed offsets."""

    __slots__ = ("_buffer", "_gateway_at", "_number_at")

    def __init__(self, request: tuple[int, int], family: int, scope: int, number: int, gateway: bytes, onlink: bool):
        """`request`: type and flags. `number`: the attribute with the interface's index or the nexthop object's number,
        or 0. `gateway`: the gateway's attribute with zeros for the address, or empty.
        """
        kind, flags = request
        width = 4 if family == socket.AF_INET else 16
        rtm_flags = netlink.RTNH_F_ONLINK if onlink else 0
        rtm_type = netlink.RTN_UNICAST
        body = netlink.RTMSG.pack(family, 0, 0, 0, 0, 0, scope, rtm_type, rtm_flags)
        body += attribute(netlink.RTA_DST, bytes(width))
        body += attribute(netlink.RTA_PRIORITY, netlink.U32.pack(ROUTE_METRIC))
        self._number_at = netlink.HEADER.size + len(body) + 4
        if number:
            body += attribute(number, bytes(4))
        self._gateway_at = netlink.HEADER.size + len(body) + (6 if gateway == _VIA6 else 4)
        self._buffer = bytearray(netlink.request(kind, flags, 0, body + gateway))

    def encode(self, sequence: int, prefix: Prefix, place: Place, number: int = 0, gateway: bytes = b"") -> bytes:
        """The request as bytes. `number` and `gateway` only where the shape has them."""
        buffer = self._buffer
        destination = prefix.network_address.packed
        netlink.U32.pack_into(buffer, _SEQUENCE_AT, sequence)
        struct.pack_into("B", buffer, _LENGTH_AT, prefix.prefixlen)
        struct.pack_into("BB", buffer, _TABLE_AT, place.table, place.protocol)
        buffer[_DESTINATION_AT : _DESTINATION_AT + len(destination)] = destination
        if number:
            netlink.U32.pack_into(buffer, self._number_at, number)
        if gateway:
            buffer[self._gateway_at : self._gateway_at + len(gateway)] = gateway
        return bytes(buffer)


def _install(family: int, scope: int, gateway: bytes = b"", onlink: bool = False) -> _Template:
    return _Template((netlink.RTM_NEWROUTE, _INSTALL), family, scope, netlink.RTA_OIF, gateway, onlink)


def _behind(family: int) -> _Template:
    return _Template((netlink.RTM_NEWROUTE, _INSTALL), family, _UNIVERSE, netlink.RTA_NH_ID, b"", False)


def _delete(family: int) -> _Template:
    any_scope = netlink.RT_SCOPE_NOWHERE
    return _Template((netlink.RTM_DELROUTE, netlink.NLM_F_ACK), family, any_scope, 0, b"", False)


_V4, _V6 = socket.AF_INET, socket.AF_INET6
_DEV4, _DEV6 = _install(_V4, netlink.RT_SCOPE_LINK), _install(_V6, _UNIVERSE)
_VIA4_BY_4, _VIA4_BY_6 = _install(_V4, _UNIVERSE, _GATEWAY4, True), _install(_V4, _UNIVERSE, _VIA6, True)
_VIA6_LOCAL, _VIA6_GLOBAL = _install(_V6, _UNIVERSE, _GATEWAY6), _install(_V6, _UNIVERSE, _GATEWAY6, True)
_BEHIND4, _BEHIND6 = _behind(_V4), _behind(_V6)
_DELETE4, _DELETE6 = _delete(_V4), _delete(_V6)


def install_via(sequence: int, prefix: Prefix, place: Place, index: int, gateway: Address | None) -> bytes:
    """Create it or replace ours, by way of an interface and perhaps a gateway there."""
    if isinstance(prefix, IPv4Network):
        if gateway is None:
            return _DEV4.encode(sequence, prefix, place, index)
        template = _VIA4_BY_4 if isinstance(gateway, IPv4Address) else _VIA4_BY_6
    elif gateway is None:
        return _DEV6.encode(sequence, prefix, place, index)
    else:
        template = _VIA6_GLOBAL if needs_onlink(gateway) else _VIA6_LOCAL
    return template.encode(sequence, prefix, place, index, gateway.packed)


def install_behind(sequence: int, prefix: Prefix, place: Place, nexthop: int) -> bytes:
    """Create it or replace ours, by way of a nexthop object."""
    template = _BEHIND4 if isinstance(prefix, IPv4Network) else _BEHIND6
    return template.encode(sequence, prefix, place, nexthop)


def remove(sequence: int, prefix: Prefix, place: Place) -> bytes:
    """Remove the route of our metric there, whatever its way."""
    template = _DELETE4 if isinstance(prefix, IPv4Network) else _DELETE6
    return template.encode(sequence, prefix, place)
