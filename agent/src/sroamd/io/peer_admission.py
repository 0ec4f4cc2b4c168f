"""Who may connect to the flooding port: decided by addresses and by the interface, before a single octet is read.

The database that peers share says where every station is, so no station may ever speak to this port. Until connections
are authenticated by TLS that rests on three things: the source is a configured peer or inside `[flood] allow`, neither
end is an address that stations use, and the connection did not come in over a station interface.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from sroamd.config import FloodConfig, IpAddress, IpNetwork

# linux/in6.h and linux/in.h; Python has no names for them.
_IPV6_2292PKTOPTIONS = 6
_IP_PKTOPTIONS = 9
_IP_PKTINFO = 8
_CMSG_HEADER = struct.Struct("@Nii")  # struct cmsghdr: length, level, type
_CMSG_SPACE = 256


def host_address(host: str) -> IpAddress:
    """The address in a socket's name: without its zone, and IPv4 where a dual-stack socket shows ::ffff:a.b.c.d."""
    address = ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def endpoint_text(host: str, port: int) -> str:
    """For people: 10.255.0.2:4444, [fd00:255::2]:4444, [fe80::2%bb0]:4444."""
    address = host_address(host)
    zone = host.partition("%")[2]
    if address.version == 4:
        return f"{address}:{port}"
    return f"[{address}%{zone}]:{port}" if zone else f"[{address}]:{port}"


def note_arrivals(listener: socket.socket) -> None:
    """Make every connection that this socket accepts remember the interface of its handshake."""
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        listener.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)


def arrival_interface(connection: socket.socket) -> str | None:
    """The interface over which an accepted connection came in; None if the kernel cannot say, or it is gone.

    For TCP the kernel keeps the interface of the handshake's last packet and hands it out as packet options (ipv6(7);
    net/ipv4/ip_sockglue.c and net/ipv6/ipv6_sockglue.c). An IPv6 socket tells it for IPv4 too.
    """
    ipv6 = connection.family == socket.AF_INET6
    level, option = (socket.IPPROTO_IPV6, _IPV6_2292PKTOPTIONS) if ipv6 else (socket.IPPROTO_IP, _IP_PKTOPTIONS)
    try:
        data = connection.getsockopt(level, option, _CMSG_SPACE)
        index = _interface_index(data, level, socket.IPV6_PKTINFO if ipv6 else _IP_PKTINFO)
        return socket.if_indextoname(index) if index else None
    except OSError:
        return None


def _interface_index(data: bytes, level: int, wanted: int) -> int:
    """From control messages: struct in6_pktinfo ends with the index, struct in_pktinfo begins with it."""
    at = 0
    while at + _CMSG_HEADER.size <= len(data):
        length, found_level, kind = _CMSG_HEADER.unpack_from(data, at)
        if length < _CMSG_HEADER.size:
            break
        body = data[at + _CMSG_HEADER.size : at + length]
        if (found_level, kind) == (level, wanted) and len(body) >= 4:
            offset = 16 if level == socket.IPPROTO_IPV6 else 0
            return int(struct.unpack_from("@i", body, offset)[0])
        at += -(-length // 8) * 8
    return 0


@dataclass(frozen=True, slots=True)
class Arrival:
    """How an accepted connection came. `interface` None: unknown."""

    source: IpAddress
    local: IpAddress
    interface: str | None

    def text(self, port: int) -> str:
        """For people; a link-local address with its interface."""
        zone = f"%{self.interface}" if self.source.is_link_local and self.source.version == 6 else ""
        return endpoint_text(f"{self.source}{zone}", port)


@dataclass(frozen=True, slots=True)
class Admission:
    """The rule. `client_prefixes` and `gateways`: the addresses of stations, and the anycast ones that they talk to."""

    peers: tuple[tuple[IpAddress, str], ...]  # address and zone ("" unless link-local)
    allow: tuple[IpNetwork, ...]
    station_interfaces: frozenset[str]
    client_prefixes: tuple[IpNetwork, ...]
    gateways: frozenset[IpAddress]

    @classmethod
    def of(
        cls,
        flood: FloodConfig,
        station_interfaces: Iterable[str],
        client_prefixes: Iterable[IpNetwork],
        gateways: Iterable[IpAddress],
    ) -> Admission:
        """From the configuration."""
        peers = tuple((host_address(host), host.partition("%")[2]) for host, _port in flood.peers)
        prefixes, anycast = tuple(client_prefixes), frozenset(gateways)
        return cls(peers, flood.allow, frozenset(station_interfaces), prefixes, anycast)

    def refusal(self, arrival: Arrival) -> str | None:
        """Why such a connection is refused (the end of a counter's name), or None."""
        source = arrival.source
        if arrival.interface in self.station_interfaces:
            return "station_interface"
        if arrival.local in self.gateways or any(source in prefix for prefix in self.client_prefixes):
            return "station_address"
        if any(source == peer and zone in ("", arrival.interface) for peer, zone in self.peers):
            return None
        return None if any(source in prefix for prefix in self.allow) else "source"
