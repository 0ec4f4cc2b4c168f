"""802.1X supplicants of all stations in one thread: each has a packet socket inside its own namespace."""

from __future__ import annotations

import contextlib
import fcntl
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from functools import cache

from . import eapol, stamps
from .errors import LabError
from .netns import inside

# Seconds to the second EAPOL-Start, doubled up to the most. 802.1X-2010 says 30, for links where nothing is lost.
_RETRANSMIT = 0.25
_RETRANSMIT_MOST = 1.0
_CARRIER_TIMEOUT = 2.0
_FRAME = 2048
_SIOCGIFFLAGS = 0x8913
_IFF_RUNNING = 0x40

# linux/if_packet.h; the socket module does not have them.
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP = 1
_PACKET_MR_MULTICAST = 0


class Supplicant:
    """Authenticates one station, and keeps answering its access point afterwards."""

    def __init__(
        self, loop: SupplicantLoop, namespace: str, interface: str, mac: bytes, secret: tuple[str, str]
    ) -> None:
        self._loop = loop
        self._mac = mac
        self._interface = interface
        self._identity, self._password = (part.encode() for part in secret)
        self._changed = threading.Condition()
        self._authorized_at: float | None = None
        self._failure = False
        self._wanted = False

        def open_socket() -> socket.socket:
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(eapol.ETHERTYPE))
            opened.bind((interface, eapol.ETHERTYPE))
            _join_group(opened, interface)
            stamps.ask_for(opened)
            opened.setblocking(False)
            return opened

        self._socket = inside(namespace, open_socket)
        loop.add(self._socket, self._receive)

    def begin(self, *, dormant: bool = False) -> float:
        """Open the conversation, without waiting for what follows; returns the moment, on the monotonic clock.

        `dormant`: the link has its carrier, but is not running before the login is done (operstates(5), RFC 2863).
        """
        with self._changed:
            self._authorized_at = None
            self._failure = False
            self._wanted = True
        if not dormant:
            self._wait_for_carrier()
        now = time.monotonic()
        self._send(eapol.start_frame(self._mac))
        return now

    def wait(self, timeout: float) -> float:
        """Return when EAP-Success has come since `begin`: that moment. Raises LabError on Failure or timeout."""
        deadline = time.monotonic() + timeout
        pause = _RETRANSMIT
        with self._changed:
            while self._authorized_at is None:
                left = deadline - time.monotonic()
                if self._failure:
                    raise LabError(f"{self._mac.hex(':')}: hostapd refused the login (EAP-Failure)")
                if left <= 0:
                    raise LabError(f"{self._mac.hex(':')}: hostapd did not let it in within {timeout} s")
                if not self._changed.wait(min(left, pause)):
                    self._send(eapol.start_frame(self._mac))
                    pause = min(2 * pause, _RETRANSMIT_MOST)
            return self._authorized_at

    def logoff(self) -> None:
        """Tell the access point that the station leaves, and answer it no more until the next `begin`.

        hostapd 2.10 disables the port 10 ms later and forgets the station 5 s later: until then no login succeeds.
        """
        with self._changed:
            self._wanted = False
            self._authorized_at = None
        self._send(eapol.logoff_frame(self._mac))

    def forget(self) -> None:
        """The station is near another access point: what the last one asked is of no account there."""
        with self._changed:
            self._authorized_at = None

    def close(self) -> None:
        self._loop.discard(self._socket)
        self._socket.close()

    def _receive(self) -> None:
        """In the loop's thread: take one frame and react."""
        frame, ancillary, _, address = self._socket.recvmsg(_FRAME, stamps.SPACE)
        if address[2] == socket.PACKET_OUTGOING:
            return
        packet = eapol.parse_frame(frame, self._mac)
        if packet is None:
            return
        if packet.code is eapol.Code.REQUEST:
            with self._changed:
                answer = self._wanted
            if answer:
                self._answer(packet)
        else:
            self._conclude(packet, stamps.received_at(ancillary, stamps.offset()))

    def _conclude(self, packet: eapol.Eap, received_at: float) -> None:
        with self._changed:
            if packet.code is eapol.Code.SUCCESS:
                self._authorized_at = received_at
            else:
                self._failure = self._wanted and self._authorized_at is None
            self._changed.notify_all()

    def _answer(self, request: eapol.Eap) -> None:
        reply = eapol.answer_frame(self._mac, request, self._identity, self._password)
        if reply is not None:
            self._send(reply)

    def _wait_for_carrier(self) -> None:
        """After a link has come up the kernel drops what is sent until its own link watch has noticed."""
        deadline = time.monotonic() + _CARRIER_TIMEOUT
        request = struct.pack("16s24x", self._interface.encode())
        while time.monotonic() < deadline:
            (flags,) = struct.unpack_from("H", fcntl.ioctl(self._socket, _SIOCGIFFLAGS, request), 16)
            if flags & _IFF_RUNNING:
                return
            time.sleep(0.001)

    def _send(self, frame: bytes) -> None:
        # A link without carrier or a full queue loses frames, as the air does; the next Start asks again.
        with contextlib.suppress(OSError):
            self._socket.send(frame)


class SupplicantLoop:
    """The thread that listens for all stations of this process. Started by the first, ends with the process."""

    def __init__(self) -> None:
        # epoll notices what other threads add and remove while it waits.
        self._selector = selectors.EpollSelector()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, opened: socket.socket, receive: Callable[[], None]) -> None:
        with self._lock:
            self._selector.register(opened, selectors.EVENT_READ, receive)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="supplicants", daemon=True)
                self._thread.start()

    def discard(self, opened: socket.socket) -> None:
        with self._lock, contextlib.suppress(KeyError):
            self._selector.unregister(opened)

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                # The station may have been closed, or its namespace removed, since select returned.
                with contextlib.suppress(OSError):
                    key.data()


@cache
def shared_loop() -> SupplicantLoop:
    """The one loop of this process."""
    return SupplicantLoop()


def _join_group(opened: socket.socket, interface: str) -> None:
    """Let frames to the 802.1X group address in (PACKET_ADD_MEMBERSHIP, packet(7))."""
    membership = struct.pack("iHH8s", socket.if_nametoindex(interface), _PACKET_MR_MULTICAST, 6, eapol.GROUP_ADDRESS)
    opened.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, membership)
