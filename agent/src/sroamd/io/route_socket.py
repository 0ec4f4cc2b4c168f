"""The hot path to the kernel's routing table: messages made once, patched, sent; acknowledgements read at once.

The kernel handles a netlink request inside sendmsg, so its answer lies in our buffer when that returns, and nothing
here ever waits. Our routes have a metric of their own (64), hence REPLACE swaps only our own route to a prefix, in one
step, and never Babel's (metric 1024): the prefix is never without a route.

`known` is what we believe the kernel has of ours; `rtnetlink` compares foreign events with it.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from sroamd.constants import ROUTE_METRIC
from sroamd.core.effects import InstallRoute, RemoveNextHop, RemoveRoute, SetNextHop
from sroamd.core.values import NextHop, Prefix, Route, RouteKind, Towards
from sroamd.io import netlink
from sroamd.io.netlink import NetlinkError, attribute

Change = InstallRoute | RemoveRoute | SetNextHop | RemoveNextHop

BATCH = 128  # messages in one sendmsg: their acknowledgements (about 1 KiB of buffer each) must all fit at once
RECEIVE_BUFFER = 1 << 20

_SEQUENCE_AT = 8
_LENGTH_AT = netlink.HEADER.size + 1
_PROTOCOL_AT = netlink.HEADER.size + 5
_DESTINATION_AT = netlink.HEADER.size + netlink.RTMSG.size + 4
_GATEWAY4 = attribute(netlink.RTA_GATEWAY, bytes(4))
_GATEWAY6 = attribute(netlink.RTA_GATEWAY, bytes(16))
_VIA6 = attribute(netlink.RTA_VIA, netlink.VIA_IPV6 + bytes(16))  # the address follows its family
_UNIVERSE = netlink.RT_SCOPE_UNIVERSE


@dataclass(frozen=True, slots=True)
class Failure:
    """A change that the kernel refused, and why."""

    change: Change
    error: OSError


class _Template:
    """One request of a fixed shape: family, with or without a gateway. Attributes stand at fixed offsets."""

    __slots__ = ("_buffer", "_gateway_at", "_index_at")

    def __init__(self, family: int, kind: int, flags: int, scope: int, gateway: bytes = b"", onlink: bool = False):
        """`gateway` is the gateway's attribute with zeros for the address, or empty."""
        width = 4 if family == socket.AF_INET else 16
        rtm_flags = netlink.RTNH_F_ONLINK if onlink else 0
        rtm_type = netlink.RTN_UNICAST
        body = netlink.RTMSG.pack(family, 0, 0, 0, netlink.RT_TABLE_MAIN, 0, scope, rtm_type, rtm_flags)
        body += attribute(netlink.RTA_DST, bytes(width))
        body += attribute(netlink.RTA_PRIORITY, netlink.U32.pack(ROUTE_METRIC))
        self._index_at = netlink.HEADER.size + len(body) + 4
        if kind == netlink.RTM_NEWROUTE:
            body += attribute(netlink.RTA_OIF, bytes(4))
        self._gateway_at = netlink.HEADER.size + len(body) + (6 if gateway == _VIA6 else 4)
        self._buffer = bytearray(netlink.request(kind, flags, 0, body + gateway))

    def encode(self, sequence: int, prefix: Prefix, protocol: int, index: int = 0, gateway: bytes = b"") -> bytes:
        """The request as bytes. `index` and `gateway` only where the shape has them."""
        buffer = self._buffer
        destination = prefix.network_address.packed
        netlink.U32.pack_into(buffer, _SEQUENCE_AT, sequence)
        struct.pack_into("B", buffer, _LENGTH_AT, prefix.prefixlen)
        struct.pack_into("B", buffer, _PROTOCOL_AT, protocol)
        buffer[_DESTINATION_AT : _DESTINATION_AT + len(destination)] = destination
        if index:
            netlink.U32.pack_into(buffer, self._index_at, index)
        if gateway:
            buffer[self._gateway_at : self._gateway_at + len(gateway)] = gateway
        return bytes(buffer)


def _install(family: int, scope: int, gateway: bytes = b"", onlink: bool = False) -> _Template:
    flags = netlink.NLM_F_ACK | netlink.NLM_F_CREATE | netlink.NLM_F_REPLACE
    return _Template(family, netlink.RTM_NEWROUTE, flags, scope, gateway, onlink)


class RouteSocket:
    """Installs and removes our host routes. `index_of` gives an interface's index, or None while there is none."""

    def __init__(self, index_of: Callable[[str], int | None]) -> None:
        self._index_of = index_of
        self._socket = netlink.open_socket(RECEIVE_BUFFER)
        self._socket.setblocking(False)
        self._sequence = 0
        self.port: int = self._socket.getsockname()[0]
        self.known: dict[Prefix, Route] = {}
        self.counters: Counter[str] = Counter()
        v4, v6 = socket.AF_INET, socket.AF_INET6
        # An IPv4 gateway is a /32 on no subnet of ours, so it has to be declared to be on the link.
        self._dev4 = _install(v4, netlink.RT_SCOPE_LINK)
        self._via4 = _install(v4, _UNIVERSE, _GATEWAY4, onlink=True)
        self._via46 = _install(v4, _UNIVERSE, _VIA6, onlink=True)
        self._dev6 = _install(v6, _UNIVERSE)
        self._via6 = _install(v6, _UNIVERSE, _GATEWAY6)
        self._via6_global = _install(v6, _UNIVERSE, _GATEWAY6, onlink=True)
        nowhere = netlink.RT_SCOPE_NOWHERE  # any scope
        self._delete4 = _Template(v4, netlink.RTM_DELROUTE, netlink.NLM_F_ACK, nowhere)
        self._delete6 = _Template(v6, netlink.RTM_DELROUTE, netlink.NLM_F_ACK, nowhere)

    def close(self) -> None:
        self._socket.close()

    def apply(self, changes: Sequence[Change]) -> list[Failure]:
        """Make the changes in their order, as few writes as possible. Returns those that the kernel refused."""
        failures: list[Failure] = []
        for start in range(0, len(changes), BATCH):
            self._apply_batch(changes[start : start + BATCH], failures)
        self.counters["route.refused"] += len(failures)
        return failures

    def _apply_batch(self, changes: Sequence[Change], failures: list[Failure]) -> None:
        requests: list[bytes] = []
        owners: list[Change] = []
        for change in changes:
            try:
                encoded = self._encode(change)
            except OSError as error:
                failures.append(Failure(change, error))
                continue
            requests += encoded
            owners += [change] * len(encoded)
        if not requests:
            return
        first = self._sequence - len(requests) + 1
        refused = self._exchange(requests, first)
        for number, change in enumerate(owners):
            reason = refused.get(first + number)
            if isinstance(change, RemoveRoute):
                if reason is None or netlink.is_missing(reason):
                    self.known.pop(change.prefix, None)
                    self.counters["route.removed"] += reason is None
                    continue
            elif reason is None and isinstance(change, InstallRoute):
                self.known[change.route.prefix] = change.route
                self.counters["route.installed"] += 1
            if reason is not None:
                failures.append(Failure(change, reason))

    def _encode(self, change: Change) -> list[bytes]:
        """Raises OSError where the interface is not there."""
        if isinstance(change, RemoveRoute):
            return self._encode_removal(change.prefix)
        if not isinstance(change, InstallRoute) or isinstance(change.route.next_hop, Towards):
            raise NetlinkError(errno.EOPNOTSUPP, "nexthop objects are not yet made")
        route, hop = change.route, change.route.next_hop
        index = self._index_of(hop.interface)
        if index is None:
            raise NetlinkError(errno.ENODEV, f"{os.strerror(errno.ENODEV)}: {hop.interface}")
        template, gateway = self._shape(route.prefix, hop)
        self._sequence += 1
        return [template.encode(self._sequence, route.prefix, route.kind, index, gateway)]

    def _encode_removal(self, prefix: Prefix) -> list[bytes]:
        """One request for the protocol that we know it has; for each of ours where we do not know."""
        template = self._delete4 if isinstance(prefix, IPv4Network) else self._delete6
        known = self.known.get(prefix)
        encoded = []
        for kind in [known.kind] if known else list(RouteKind):
            self._sequence += 1
            encoded.append(template.encode(self._sequence, prefix, kind))
        return encoded

    def _shape(self, prefix: Prefix, hop: NextHop) -> tuple[_Template, bytes]:
        gateway = hop.gateway
        if isinstance(prefix, IPv4Network):
            if gateway is None:
                return self._dev4, b""
            if isinstance(gateway, IPv4Address):
                return self._via4, gateway.packed
            return self._via46, gateway.packed
        if gateway is None:
            return self._dev6, b""
        return (self._via6 if gateway.is_link_local else self._via6_global), gateway.packed

    def _exchange(self, requests: list[bytes], first: int) -> dict[int, OSError]:
        """Send, read all acknowledgements; the refused by their sequence numbers."""
        try:
            self._socket.sendmsg(requests)
        except OSError as error:
            return {first + number: error for number in range(len(requests))}
        waiting = set(range(first, first + len(requests)))
        refused: dict[int, OSError] = {}
        while waiting:
            try:
                data = self._socket.recv(netlink.MESSAGE_MAX)
            except OSError as error:
                refused.update(dict.fromkeys(waiting, error))
                break
            for message in netlink.messages(data):
                if message.kind != netlink.NLMSG_ERROR or message.sequence not in waiting:
                    continue
                waiting.discard(message.sequence)
                if reason := netlink.error_of(message):
                    refused[message.sequence] = reason
        return refused
