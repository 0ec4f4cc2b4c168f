"""Frames of stations, in and out: bytes to events, effects to bytes. Pure functions; `packet_socket` has the socket.

What comes in is believed as little as possible. A frame's Ethernet source is the only thing that the access point
vouches for (it has encrypted it for that station); whatever else in it names a MAC must name the same one. Whether the
source is an authorised station is the core's question, which has the list.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from sroamd.addresses import Mac
from sroamd.core.effects import (
    SendArpProbe,
    SendArpRequest,
    SendDhcp,
    SendDhcp6,
    SendGratuitousArp,
    SendNeighborAdvertisement,
    SendNeighborSolicitation,
    SendRouterAdvertisement,
)
from sroamd.core.events import Dhcp6Received, DhcpReceived, Probe, ProbeAnswered, RouterSolicited
from sroamd.wire import arp, dhcpv4, dhcpv6, ethernet, icmpv6, udp4, udp6
from sroamd.wire.cursor import DecodeError
from sroamd.wire.ethernet import Frame
from sroamd.wire.icmpv6 import NeighborAdvertisement, NeighborSolicitation, RouterSolicitation

FrameEvent = DhcpReceived | Dhcp6Received | RouterSolicited | ProbeAnswered
FrameEffect = (
    SendGratuitousArp
    | SendNeighborAdvertisement
    | SendArpRequest
    | SendArpProbe
    | SendNeighborSolicitation
    | SendDhcp
    | SendDhcp6
    | SendRouterAdvertisement
)

DHCP_SERVER_PORT = 67
BOOTREQUEST = 1
ALL_NODES = IPv6Address("ff02::1")
LIMITED_BROADCAST = IPv4Address("255.255.255.255")
NO_ADDRESS = IPv4Address(0)
EVERYBODY = Mac.parse("ff:ff:ff:ff:ff:ff")


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a frame was not believed: the name of a counter."""

    reason: str


@dataclass(frozen=True, slots=True)
class Receiver:
    """The interface that a frame came in on: its name, its MAC, and the IPv4 address that is the gateway there."""

    interface: str
    mac: Mac
    ipv4_gateway: IPv4Address


def read_frame(receiver: Receiver, data: bytes, *, checksum_ready: bool = True) -> FrameEvent | Drop:
    """What the frame means. `checksum_ready` False: the kernel has not filled in its checksum (see wire.udp4)."""
    protocol = "frame"
    try:
        frame = ethernet.decode_frame(data)
        if not frame.source.is_station:
            return Drop("frame.from_no_station")
        if frame.destination != receiver.mac and not frame.destination[0] & 1:
            return Drop("frame.to_another")
        match frame.ethertype:
            case ethernet.ETHERTYPE_ARP:
                protocol = "arp"
                return _read_arp(receiver, frame)
            case ethernet.ETHERTYPE_IPV4:
                protocol = "dhcp4"
                return _read_dhcp(receiver, frame, checksum_ready)
            case ethernet.ETHERTYPE_IPV6 if udp6.is_udp(frame.payload):
                protocol = "dhcp6"
                return _read_dhcp6(receiver, frame, checksum_ready)
            case ethernet.ETHERTYPE_IPV6:
                protocol = "icmpv6"
                return _read_icmpv6(receiver, frame, checksum_ready)
            case _:
                return Drop("frame.other_protocol")
    except DecodeError:
        return Drop(f"{protocol}.malformed")


def _read_arp(receiver: Receiver, frame: Frame) -> FrameEvent | Drop:
    """Only a reply to us shows that the station is here now: everything else may have been sent unasked."""
    packet = arp.decode_arp(frame.payload)
    if packet.sender_mac != frame.source:
        return Drop("arp.sender_mismatch")
    if packet.operation != arp.REPLY or frame.destination != receiver.mac:
        return Drop("arp.no_answer")
    return ProbeAnswered(receiver.interface, frame.source, Probe.ARP, packet.sender_ip)


def _read_dhcp(receiver: Receiver, frame: Frame, checksum_ready: bool) -> FrameEvent | Drop:
    datagram = udp4.decode_datagram(frame.payload, checksum_ready=checksum_ready)
    if datagram.destination_port != DHCP_SERVER_PORT:
        return Drop("frame.other_protocol")
    if datagram.destination not in (LIMITED_BROADCAST, receiver.ipv4_gateway):
        return Drop("dhcp4.to_another_server")
    message = dhcpv4.decode(datagram.payload)
    if message.op != BOOTREQUEST:
        return Drop("dhcp4.reply_from_station")
    if message.chaddr != frame.source:
        return Drop("dhcp4.chaddr_mismatch")
    if message.giaddr != NO_ADDRESS:
        return Drop("dhcp4.relayed")
    return DhcpReceived(receiver.interface, frame.source, datagram.source, message)


def _read_dhcp6(receiver: Receiver, frame: Frame, checksum_ready: bool) -> FrameEvent | Drop:
    """To all servers only (RFC 8415 section 16); a station has no need to say so from elsewhere."""
    datagram = udp6.decode_datagram(frame.payload, checksum_ready=checksum_ready)
    if datagram.destination_port != dhcpv6.SERVER_PORT:
        return Drop("frame.other_protocol")
    if datagram.destination != dhcpv6.ALL_SERVERS or not datagram.source.is_link_local:
        return Drop("dhcp6.not_from_here")
    return Dhcp6Received(receiver.interface, frame.source, datagram.source, dhcpv6.decode(datagram.payload))


def _read_icmpv6(receiver: Receiver, frame: Frame, checksum_ready: bool) -> FrameEvent | Drop:
    packet = icmpv6.decode_packet(frame.payload, checksum_ready=checksum_ready)
    match packet.message:
        case RouterSolicitation() as solicitation:
            if solicitation.source_link_layer not in (None, frame.source):
                return Drop("icmpv6.source_mismatch")
            return RouterSolicited(receiver.interface, frame.source, packet.source, solicitation)
        case NeighborAdvertisement() as advertisement:
            if advertisement.target_link_layer not in (None, frame.source):
                return Drop("icmpv6.target_mismatch")
            if not advertisement.solicited or frame.destination != receiver.mac:
                return Drop("icmpv6.no_answer")
            return ProbeAnswered(receiver.interface, frame.source, Probe.NEIGHBOR)
        case _:
            return Drop("frame.other_protocol")


def encode_frame(mac: Mac, effect: FrameEffect) -> bytes:
    """The frame from the interface with this MAC to the effect's station, and to nobody else (RFC 6085).

    But for an ARP probe: it asks whoever it may be that uses an address.
    """
    match effect:
        case SendGratuitousArp(address=address):
            return _frame(mac, effect.station, ethernet.ETHERTYPE_ARP, arp.encode_arp(arp.gratuitous(mac, address)))
        case SendArpRequest(source=source, target=target):
            request = arp.probe(mac, target, sender_ip=source)
            return _frame(mac, effect.station, ethernet.ETHERTYPE_ARP, arp.encode_arp(request))
        case SendArpProbe(source=source, target=target):
            request = arp.probe(mac, target, sender_ip=source)
            return _frame(mac, EVERYBODY, ethernet.ETHERTYPE_ARP, arp.encode_arp(request))
        case SendDhcp():
            return _frame(mac, effect.station, ethernet.ETHERTYPE_IPV4, _dhcp_packet(effect))
        case SendDhcp6():
            packet = _dhcp6_packet(effect)
        case SendNeighborAdvertisement(address=address):
            message = NeighborAdvertisement(
                target=address, router=True, solicited=False, override=True, target_link_layer=mac
            )
            packet = icmpv6.encode_packet(address, ALL_NODES, message)
        case SendNeighborSolicitation(source=source, target=target):
            packet = icmpv6.encode_packet(source, target, NeighborSolicitation(target, mac))
        case SendRouterAdvertisement(source=source, advertisement=advertisement):
            packet = icmpv6.encode_packet(source, ALL_NODES, advertisement)
    return _frame(mac, effect.station, ethernet.ETHERTYPE_IPV6, packet)


def _dhcp_packet(effect: SendDhcp) -> bytes:
    payload = dhcpv4.encode(effect.message, max_size=effect.max_size)
    datagram = udp4.Datagram(effect.source, DHCP_SERVER_PORT, effect.destination, effect.port, payload)
    return udp4.encode_datagram(datagram)


def _dhcp6_packet(effect: SendDhcp6) -> bytes:
    payload = dhcpv6.encode(effect.message)
    ports = dhcpv6.SERVER_PORT, dhcpv6.CLIENT_PORT
    return udp6.encode_datagram(udp6.Datagram6(effect.source, ports[0], effect.destination, ports[1], payload))


def _frame(mac: Mac, station: Mac, ethertype: int, payload: bytes) -> bytes:
    return ethernet.encode_frame(Frame(station, mac, ethertype, payload))
