"""A station's DHCP client (RFC 2131 section 4.4): all of its states, and no more stubborn than common clients."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import IPv4Address
from random import Random
from typing import Protocol

from sroamd.addresses import Mac
from sroamd.sim.clock import VirtualTime
from sroamd.wire.dhcpv4 import (
    BOOTREQUEST,
    OPTION_PARAMETER_REQUEST_LIST,
    OPTION_REBINDING_TIME,
    OPTION_RENEWAL_TIME,
    OPTION_REQUESTED_ADDRESS,
    OPTION_SERVER_ID,
    DhcpMessage,
    MessageType,
)

RETRY_FIRST = 1.0  # s, doubled each time, +- 20 %
RETRY_MAX = 16.0
REQUEST_TRIES = 4
REBOOT_TRIES = 3
RENEW_RETRY_MIN = 60.0  # RFC 2131 section 4.4.5
_WANTED = bytes((1, 3, 6, 51, 54, 58, 59, 121))
_NOWHERE = IPv4Address(0)


class Phase(Enum):
    IDLE = auto()
    SELECTING = auto()
    REQUESTING = auto()
    BOUND = auto()
    RENEWING = auto()
    REBINDING = auto()
    REBOOTING = auto()


_HOLDING = (Phase.BOUND, Phase.RENEWING, Phase.REBINDING)


@dataclass(frozen=True, slots=True)
class Lease:
    """Times in the world's seconds."""

    address: IPv4Address
    server: IPv4Address | None
    renew_at: float
    rebind_at: float
    expires_at: float


class Wire(Protocol):
    """What the client needs of its station."""

    def send_dhcp(self, source: IPv4Address, message: DhcpMessage) -> None: ...

    def bound(self, lease: Lease) -> None: ...

    def unbound(self, address: IPv4Address, reason: str) -> None: ...

    def declined(self, address: IPv4Address) -> None: ...


class DhcpClient:
    def __init__(self, time: VirtualTime, rng: Random, mac: Mac, wire: Wire) -> None:
        self._time = time
        self._rng = rng
        self._mac = mac
        self._wire = wire
        self._timer = 0  # the number of the one that counts
        self._tries = 0
        self._xid = 0
        self._offer: DhcpMessage | None = None
        self.phase = Phase.IDLE
        self.lease: Lease | None = None

    # -- what the station says

    def link_up(self) -> None:
        """Associated anew, and it wants to be sure of its address."""
        self._start(Phase.SELECTING if self.lease is None else Phase.REBOOTING)

    def link_down(self) -> None:
        """Nothing can be sent; a lease is kept. An exchange under way is over."""
        if self.phase not in _HOLDING:
            self.phase = Phase.IDLE
            self._timer += 1
            self._watch_lease()

    def forget(self) -> None:
        """Switched off."""
        self.lease, self.phase = None, Phase.IDLE
        self._timer += 1

    @property
    def wants_link_up(self) -> bool:
        """An exchange was interrupted, or there never was one."""
        return self.phase is Phase.IDLE

    # -- what its user does

    def release(self) -> bool:
        """DHCPRELEASE, section 4.4.6: it has no address any more. False: it had none."""
        if self.lease is None or self.phase not in _HOLDING:
            return False
        self._tell_server(MessageType.RELEASE, ciaddr=self.lease.address)
        self.phase = Phase.IDLE
        self._drop("released")
        return True

    def decline(self) -> bool:
        """DHCPDECLINE, section 4.4.4: somebody else uses its address. False: it had none."""
        if self.lease is None or self.phase not in _HOLDING:
            return False
        self._tell_server(MessageType.DECLINE, requested=self.lease.address)
        self.phase = Phase.IDLE
        self._wire.declined(self.lease.address)
        self._drop("declined")
        return True

    def inform(self) -> None:
        """DHCPINFORM, section 4.4.3; what is answered does not matter to it."""
        if self.lease is not None and self.phase in _HOLDING:
            self._tell_server(MessageType.INFORM, ciaddr=self.lease.address)

    def _tell_server(
        self, kind: MessageType, *, ciaddr: IPv4Address = _NOWHERE, requested: IPv4Address | None = None
    ) -> None:
        """In an exchange of its own."""
        options = {} if requested is None else {OPTION_REQUESTED_ADDRESS: requested.packed}
        if self.lease is not None and self.lease.server is not None and kind is not MessageType.INFORM:
            options[OPTION_SERVER_ID] = self.lease.server.packed
        xid = self._rng.getrandbits(32)
        message = DhcpMessage(
            op=BOOTREQUEST, message_type=kind, xid=xid, chaddr=self._mac, ciaddr=ciaddr, options=options
        )
        self._wire.send_dhcp(ciaddr, message)

    # -- what the server says

    def received(self, message: DhcpMessage) -> None:
        if message.xid != self._xid or message.chaddr != self._mac:
            return
        kind = message.message_type
        if kind is MessageType.OFFER and self.phase is Phase.SELECTING:
            self._offer = message
            self._start(Phase.REQUESTING, same_exchange=True)
        elif kind is MessageType.ACK and self.phase not in (Phase.IDLE, Phase.SELECTING, Phase.BOUND):
            self._accept(message)
        elif kind is MessageType.NAK and self.phase not in (Phase.IDLE, Phase.SELECTING, Phase.BOUND):
            self._drop("NAK")
            self._start(Phase.SELECTING)

    def _accept(self, message: DhcpMessage) -> None:
        life = message.lease_time
        expected = self._expected()
        if life is None or (expected is not None and message.yiaddr != expected):
            return
        if self.lease is not None and self.lease.address != message.yiaddr:
            self._drop("another address")
        now = self._time.now
        renew = _seconds(message, OPTION_RENEWAL_TIME, life / 2)
        rebind = _seconds(message, OPTION_REBINDING_TIME, life * 7 / 8)
        self.lease = Lease(message.yiaddr, message.server_id, now + renew, now + rebind, now + life)
        self.phase = Phase.BOUND
        self._wire.bound(self.lease)
        self._watch_lease()

    def _expected(self) -> IPv4Address | None:
        if self.phase is Phase.REQUESTING:
            return self._offer.yiaddr if self._offer is not None else None
        return self.lease.address if self.lease is not None else None

    # -- what the clock says

    def _start(self, phase: Phase, *, same_exchange: bool = False) -> None:
        self.phase = phase
        self._tries = 0
        if not same_exchange:
            self._xid = self._rng.getrandbits(32)
        self._try()

    def _try(self) -> None:
        self._tries += 1
        self._send()
        wait = min(RETRY_MAX, RETRY_FIRST * 2 ** min(self._tries - 1, 8)) * self._rng.uniform(0.8, 1.2)
        self._timer += 1
        self._time.after(wait, self._unanswered, self._timer)

    def _unanswered(self, timer: int) -> None:
        if timer != self._timer:
            return
        if self.phase is Phase.REQUESTING and self._tries >= REQUEST_TRIES:
            self._start(Phase.SELECTING)
        elif self.phase is Phase.REBOOTING and self._tries >= REBOOT_TRIES:
            self.phase = Phase.BOUND  # RFC 2131 section 3.2: it may go on with what it has
            self._watch_lease()
        else:
            self._try()

    def _watch_lease(self) -> None:
        """Arm the timer for the lease's next turning point."""
        self._timer += 1
        if self.lease is None:
            return
        lease, now = self.lease, self._time.now
        if self.phase is Phase.IDLE:
            when = lease.expires_at
        elif now < lease.renew_at:
            when = lease.renew_at
        elif now < lease.rebind_at:
            when = min(lease.rebind_at, now + max(RENEW_RETRY_MIN, (lease.rebind_at - now) / 2))
        else:
            when = min(lease.expires_at, now + max(RENEW_RETRY_MIN, (lease.expires_at - now) / 2))
        self._time.at(when, self._lease_timer, self._timer)

    def _lease_timer(self, timer: int) -> None:
        lease = self.lease
        if timer != self._timer or lease is None:
            return
        now = self._time.now
        if now >= lease.expires_at:
            self._drop("expired")
            if self.phase is not Phase.IDLE:
                self._start(Phase.SELECTING)
            return
        self.phase = Phase.REBINDING if now >= lease.rebind_at else Phase.RENEWING
        self._xid = self._rng.getrandbits(32)
        self._send()
        self._watch_lease()

    def _drop(self, reason: str) -> None:
        if self.lease is not None:
            address, self.lease = self.lease.address, None
            self._timer += 1
            self._wire.unbound(address, reason)

    # -- what it sends

    def _send(self) -> None:
        options = {OPTION_PARAMETER_REQUEST_LIST: _WANTED}
        kind, source = MessageType.REQUEST, _NOWHERE
        ciaddr = _NOWHERE
        if self.phase is Phase.SELECTING:
            kind = MessageType.DISCOVER
        elif self.phase is Phase.REQUESTING and self._offer is not None:
            options[OPTION_REQUESTED_ADDRESS] = self._offer.yiaddr.packed
            if self._offer.server_id is not None:
                options[OPTION_SERVER_ID] = self._offer.server_id.packed
        elif self.phase is Phase.REBOOTING and self.lease is not None:
            options[OPTION_REQUESTED_ADDRESS] = self.lease.address.packed
        elif self.lease is not None:
            ciaddr = source = self.lease.address
        message = DhcpMessage(
            op=BOOTREQUEST, message_type=kind, xid=self._xid, chaddr=self._mac, ciaddr=ciaddr, options=options
        )
        self._wire.send_dhcp(source, message)


def _seconds(message: DhcpMessage, option: int, default: float) -> float:
    value = message.options.get(option)
    return default if value is None else float(int.from_bytes(value, "big"))
