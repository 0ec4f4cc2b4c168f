"""One packet socket for each station interface: frames of stations in, frames to stations out.

A packet socket, because only it shows the Ethernet source of a DHCP request and reaches a station that has no address
yet. Beside it a UDP socket holds port 67 and never reads, so that the kernel does not answer a station's unicast
renewal with "port unreachable".
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address

from sroamd.addresses import Mac
from sroamd.core.events import Event
from sroamd.io import bpf
from sroamd.io.frame_limit import FrameLimit
from sroamd.io.frame_queue import FrameQueue
from sroamd.io.frames import DHCP_SERVER_PORT, Drop, FrameEffect, Receiver, encode_frame, read_frame

log = logging.getLogger(__name__)

READS_MAX = 512  # frames fetched in one wake-up: two milliseconds
FRAMES_AT_ONCE = 32  # looked at before others have their turn, so that a flood does not starve everything else
FRAME_MAX = 2048  # octets read of one frame; what we ask for fits, a longer one is counted and dropped
TELL_INTERVAL = 10.0  # s between two lines about stations that send too much
OPEN_RETRY = 1.0  # s after a socket that could not be opened; nobody tells when it can be
RECEIVE_BUFFER = 1 << 20  # some hundreds of DHCP requests: a whole hall that returns after a power cut

ALL_DHCP6_SERVERS = bytes.fromhex("333300010002")  # of ff02::1:2 (RFC 2464 section 7)

_MSG_TRUNC = int(socket.MSG_TRUNC)  # as a flag of an enum it would take microseconds
_Control = list[tuple[int, int, bytes]]
_SOURCE = slice(6, 12)  # of an Ethernet frame
_ETH_P_ALL = 0x0003
_SO_RCVBUFFORCE = 33
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP = 1
_PACKET_MR_MULTICAST = 0
_PACKET_AUXDATA = 8
_PACKET_IGNORE_OUTGOING = 23
_AUXDATA = struct.Struct("=IIIHHHH")  # status, length, captured, mac, net, vlan tci, vlan tpid
_TP_STATUS_CSUMNOTREADY = 1 << 3
_TP_STATUS_VLAN_VALID = 1 << 4
_CONTROL_SPACE = socket.CMSG_SPACE(_AUXDATA.size)


class PacketSockets:
    """Emits DhcpReceived, Dhcp6Received, RouterSolicited and ProbeAnswered; sends what stations shall hear.

    `lookup` gives an interface's (index, MAC) while it is up, else None. `refresh` follows it.
    """

    def __init__(
        self,
        interfaces: Iterable[str],
        ipv4_gateway: IPv4Address,
        lookup: Callable[[str], tuple[int, Mac] | None],
        emit: Callable[[Event], None],
    ) -> None:
        self._gateway = ipv4_gateway
        self._lookup = lookup
        self._emit = emit
        self._links: dict[str, _Link | None] = dict.fromkeys(interfaces)
        self._retries: dict[str, asyncio.TimerHandle] = {}  # of the interfaces whose last attempt has failed
        self.counters: Counter[str] = Counter()

    def refresh(self, name: str) -> None:
        """Open, keep or close the socket of an interface according to what is there now. Needs a running loop."""
        found = self._lookup(name)
        link = self._links[name]
        if link is not None and (found is None or link.index != found[0]):
            link.close()
            link = self._links[name] = None
        if found is None:
            self._end_retries(name)
            return
        index, mac = found
        receiver = Receiver(name, mac, self._gateway)
        if link is not None:
            link.receiver = receiver
            return
        self._open(index, receiver)

    def _open(self, index: int, receiver: Receiver) -> None:
        name = receiver.interface
        again = self._end_retries(name)
        try:
            self._links[name] = _Link(receiver, index, self._emit, self.counters)
        except OSError as error:
            # If it has gone since the kernel told of it, that ends the attempts when the kernel tells of that too.
            self.counters["frame.socket_failed"] += 1
            self._retries[name] = asyncio.get_running_loop().call_later(OPEN_RETRY, self.refresh, name)
            if not again:
                log.error("%s: no packet socket, trying again each second: %s", name, error.strerror)
        else:
            if again:
                log.info("%s: the packet socket is open now", name)

    def _end_retries(self, name: str) -> bool:
        """Whether there was one to come, or this is it."""
        retry = self._retries.pop(name, None)
        if retry is not None:
            retry.cancel()
        return retry is not None

    def send(self, effect: FrameEffect) -> None:
        """To the station, now or never: a lost frame is repeated by the schedule that sent it, or asked for again."""
        link = self._links.get(effect.interface)
        if link is None:
            self.counters["frame.no_interface"] += 1
            return
        try:
            link.send(encode_frame(link.receiver.mac, effect))
            self.counters["frame.sent"] += 1
        except OSError as error:
            self.counters["frame.not_sent"] += 1
            log.debug("%s: %s not sent: %s", effect.interface, type(effect).__name__, error.strerror)

    def close(self) -> None:
        for name, link in self._links.items():
            self._end_retries(name)
            if link is not None:
                link.close()
            self._links[name] = None


class _Link:
    """The two sockets of an interface that is there. Raises OSError where it is not (any more)."""

    def __init__(self, receiver: Receiver, index: int, emit: Callable[[Event], None], counters: Counter[str]) -> None:
        self.receiver = receiver
        self.index = index
        self._emit = emit
        self._counters = counters
        self._socket = _open_packet_socket(receiver.interface)
        try:
            self._port_holder = _hold_dhcp_port(receiver.interface)
        except OSError:
            self._socket.close()
            raise
        self._waiting: FrameQueue[tuple[bytes, _Control, int]] = FrameQueue()
        self._at_work = False  # there is more to do, in a moment
        self._limit = FrameLimit()
        self._tell_at = 0.0
        self._unmute: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def send(self, frame: bytes) -> None:
        self._socket.send(frame)

    def close(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        if self._unmute is not None:
            self._unmute.cancel()
        self._socket.close()
        self._waiting.clear()
        if self._port_holder is not None:
            self._port_holder.close()

    def _readable(self) -> None:
        """Empty the kernel's queue before anything is made of what was in it: what finds no room there is lost."""
        receive, now = self._socket.recvmsg, self._loop.time()
        for _ in range(READS_MAX):
            try:
                data, control, flags, _ = receive(FRAME_MAX, _CONTROL_SPACE)
            except BlockingIOError:
                break
            except OSError as error:
                # ENETDOWN comes once when the interface goes down; the link event does the rest.
                self._counters["frame.socket_errors"] += 1
                log.debug("%s: %s", self.receiver.interface, error.strerror)
                break
            source = data[_SOURCE]
            if not self._limit.take(source, now):
                self._flooded(Mac(source))  # the filter lets nothing through that is too short for one
            elif not self._waiting.put(source, (data, control, flags)):
                self._counters["frame.shed"] += 1
        if not self._at_work:
            self._work()

    def _work(self) -> None:
        """Some of what waits, and the rest when others have had their turn in the loop."""
        self._at_work = False
        for _ in range(min(FRAMES_AT_ONCE, len(self._waiting))):
            self._take(*self._waiting.take())
            if self._socket.fileno() < 0:
                return  # closed by what that frame led to
        if self._waiting:
            self._at_work = True
            self._loop.call_soon(self._work)

    def _flooded(self, source: Mac) -> None:
        now = self._loop.time()
        self._counters["frame.flooded"] += 1
        if self._limit.mute(source, now):
            self._counters["frame.muted"] += 1
            if now >= self._tell_at:
                self._tell_at = now + TELL_INTERVAL
                log.warning("%s: station %s sends too many frames: it is muted", self.receiver.interface, source)
            self._mute()

    def _mute(self) -> None:
        """Let the kernel know who is muted now, and see to it that it does not last."""
        next_at = self._limit.unmute(self._loop.time())
        bpf.attach(self._socket, bpf.station_frames(self._limit.muted))
        if self._unmute is not None:
            self._unmute.cancel()
        self._unmute = None if next_at is None else self._loop.call_at(next_at, self._mute)

    def _take(self, data: bytes, control: _Control, flags: int) -> None:
        status = _status(control)
        if flags & _MSG_TRUNC:
            outcome = Drop("frame.too_long")
        elif status & _TP_STATUS_VLAN_VALID:
            outcome = Drop("frame.tagged")
        else:
            read = read_frame(self.receiver, data, checksum_ready=not status & _TP_STATUS_CSUMNOTREADY)
            if not isinstance(read, Drop):
                self._counters["frame.received"] += 1
                self._emit(read)
                return
            outcome = read
        self._counters[outcome.reason] += 1


def _status(control: _Control) -> int:
    for level, kind, data in control:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA) and len(data) >= _AUXDATA.size:
            return int(_AUXDATA.unpack_from(data)[0])
    return 0


def _open_packet_socket(interface: str) -> socket.socket:
    """Filtered before it is bound, so that no frame gets past the filter."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    try:
        sock.setblocking(False)
        bpf.attach(sock, bpf.STATION_FRAMES)
        sock.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        _ask_for_room(sock)
        sock.bind((interface, _ETH_P_ALL))
        # What the kernel itself does not listen to; else an interface may filter it.
        group = struct.pack("=iHH8s", socket.if_nametoindex(interface), _PACKET_MR_MULTICAST, 6, ALL_DHCP6_SERVERS)
        sock.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, group)
    except OSError:
        sock.close()
        raise
    return sock


def _ask_for_room(sock: socket.socket) -> None:
    """More than net.core.rmem_max, which is 208 kB by default, where we may (CAP_NET_ADMIN)."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)


def _hold_dhcp_port(interface: str) -> socket.socket | None:
    """None where another process holds the port there already (hostapd's wired driver does), or we may not.

    Raises OSError where there is no descriptor for it.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        bpf.attach(sock, bpf.NOTHING)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        sock.bind(("", DHCP_SERVER_PORT))
    except OSError as error:
        sock.close()
        if error.errno != errno.EADDRINUSE:
            log.warning("%s: cannot hold UDP port 67: %s", interface, error.strerror)
        return None
    return sock
