"""What the DHCPv4 server says to a client, or not, and the log of it.

Fields of a reply are those of RFC 2131 section 4.3.1 table 3, and whereto it goes is said in section 4.1.
"""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address

from sroamd.addresses import Mac
from sroamd.core.decisions import Decisions
from sroamd.core.dhcp_options import ReplyOptions
from sroamd.core.effects import SendDhcp
from sroamd.core.events import DhcpReceived
from sroamd.core.hostnames import Hostnames
from sroamd.core.turn import State, Turn
from sroamd.wire.dhcpv4 import BOOTREPLY, PACKET_SIZE_MIN, DhcpMessage, MessageType

UNSPECIFIED = IPv4Address(0)
LIMITED_BROADCAST = IPv4Address("255.255.255.255")
LEASE_LIFE_MIN = 60
COUNTERS = {kind: f"dhcp4.{kind.name.lower()}" for kind in MessageType}  # of messages heard, and of those said


class DhcpReplies:
    def __init__(self, state: State, hostnames: Hostnames, decisions: Decisions) -> None:
        self._state = state
        self._hostnames = hostnames
        self._decisions = decisions
        self.counters: Counter[str] = Counter()
        self.config_changed()

    def config_changed(self) -> None:
        self.options = ReplyOptions(self._state.config)

    def life(self, message: DhcpMessage) -> int:
        """Of a lease, in seconds: what the client asks for, within limits."""
        most = self._state.config.dhcp4.lease_time
        asked = message.lease_time
        return most if asked is None else max(min(asked, most), min(LEASE_LIFE_MIN, most))

    def silence(self, turn: Turn, event: DhcpReceived, why: str, whose: Mac | None = None) -> None:
        """`whose` allowance of lines it is, in place of its own: who is not authorised can have any MAC."""
        kind = event.message.message_type.name
        self._decisions.note(turn, whose or event.source, f"{kind} {event.source}: no answer: {why}")

    def ignore(self, turn: Turn, event: DhcpReceived, counter: str, why: str, whose: Mac | None = None) -> None:
        """Silence that is counted."""
        self.counters[f"dhcp4.{counter}"] += 1
        self.silence(turn, event, why, whose)

    def refuse(self, turn: Turn, event: DhcpReceived, why: str) -> None:
        self._decisions.note(turn, event.source, f"NAK {event.source}: {why}")
        self.send(turn, event, MessageType.NAK, UNSPECIFIED, 0)

    def without_address(self, turn: Turn, event: DhcpReceived, why: str) -> None:
        """An offer of 0.0.0.0."""
        self._decisions.note(turn, event.source, f"OFFER {event.source}: no address: {why}")
        self.send(turn, event, MessageType.OFFER, UNSPECIFIED, 0)

    def send(self, turn: Turn, event: DhcpReceived, kind: MessageType, address: IPv4Address, life: int) -> None:
        turn.said.append(reply(self.options, event, kind, address, life, self._hostnames.answers(event.message)))
        self.counters[COUNTERS[kind]] += 1


def reply(
    made: ReplyOptions,
    event: DhcpReceived,
    kind: MessageType,
    address: IPv4Address,
    life: int,
    names: dict[int, bytes],
) -> SendDhcp:
    """`address`: `yiaddr`; UNSPECIFIED in a NAK, in the answer to an INFORM, and in an offer of no address. `names`:
    options that answer to the client's own names."""
    request = event.message
    destination = _destination(request, address)
    if kind is MessageType.NAK:
        destination, options = LIMITED_BROADCAST, made.nak(request)
    elif kind is MessageType.OFFER and address == UNSPECIFIED:
        options = made.without_address(request)
    else:
        options = made.parameters(request, kind, life)
        options.update(names)
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
