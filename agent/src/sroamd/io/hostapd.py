"""Which stations are authorised, from hostapd, and from nowhere else.

After every attachment the whole list is told, so what happened while hostapd was away, or we were, is caught up with.
While hostapd is away nothing is told: a crashed hostapd takes nobody's routes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import assert_never

from sroamd.addresses import Mac
from sroamd.core.events import Event, Probe, ProbeAnswered, StationAuthorized, StationLeft, StationsListed
from sroamd.io.hostapd_socket import HostapdSocket, remove_stale_sockets
from sroamd.wire.cursor import DecodeError
from sroamd.wire.hostapd import (
    EapSucceeded,
    HostapdEvent,
    StationConnected,
    StationDisconnected,
    StationPolled,
    Terminating,
    parse_event,
    parse_station,
)

log = logging.getLogger(__name__)

RETRY_INTERVAL = 0.25
# Events that overflow the socket's buffer are lost without a word, and a listener that cannot keep up is detached: so
# the list is compared with what the events made of it now and then.
AUDIT_INTERVAL = 30.0
LISTINGS_MAX = 8  # a station that leaves in the middle of a listing makes hostapd lose the thread; then once more
LIST_MAX = 4096


class HostapdMonitor:
    """Emits StationsListed after each attachment, then StationAuthorized, StationLeft and ProbeAnswered.

    `socket_path` is hostapd's socket for the interface, `runtime_dir` a directory in which hostapd can reach ours.
    Nothing of it blocks and nothing raises: where hostapd is not there, it is tried again four times a second.
    """

    def __init__(self, interface: str, socket_path: str, runtime_dir: str, emit: Callable[[Event], None]) -> None:
        self.counters: Counter[str] = Counter()
        self._interface = interface
        self._path = socket_path
        self._runtime_dir = runtime_dir
        self._emit = emit
        self._loop: asyncio.AbstractEventLoop | None = None
        self._socket: HostapdSocket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._told_absent = False
        self._authorized: set[Mac] = set()  # what we have told, and the events since
        self._listed: set[Mac] | None = None  # a listing under way, and the events since
        self._listings = 0  # begun since the attachment or the audit began
        self._entries = 0  # seen in this one
        self._attached = False
        self._wired = False
        self._returned: set[Mac] = set()  # said EAP-Success before we knew whether they had been authorised before

    @property
    def attached(self) -> bool:
        """Whether hostapd is there, and its list has been told."""
        return self._attached

    def start(self) -> None:
        """Attach, now if hostapd is there. Call it in the loop's thread."""
        self._loop = asyncio.get_running_loop()
        remove_stale_sockets(self._runtime_dir, self._interface)
        self._open()

    def stop(self) -> None:
        """Detach and leave nothing behind."""
        self._loop = None
        self._close("DETACH")

    def poll(self, station: Mac) -> None:
        """Ask at layer 2 whether the station is there; where the driver can, ProbeAnswered follows."""
        self._command(f"POLL_STA {station}", self._polled)

    def disassociate(self, station: Mac) -> None:
        """Let the station know that it is not connected here; StationLeft follows, also if hostapd does not know it.

        Nothing happens with hostapd's wired driver: it cannot tell the station, and the timer that the command starts
        would end the login of one that comes back within half a minute.
        """
        if self._wired:
            return

        def done(_reply: str) -> None:
            # AP-STA-DISCONNECTED comes before the reply, unless the station was not authorised, or is not there at all.
            if station in self._authorized:
                self._left(station)

        self._command(f"DISASSOCIATE {station}", done)

    def _command(self, command: str, on_reply: Callable[[str], None]) -> None:
        if self._socket is None or not self._attached:
            self.counters["hostapd.commands_dropped"] += 1
        else:
            self._socket.request(command, on_reply, urgent=True)

    def _polled(self, reply: str) -> None:
        if reply.strip() != "OK":
            self.counters["hostapd.polls_refused"] += 1

    # -- attachment

    def _open(self) -> None:
        if self._loop is None:
            return
        try:
            self._socket = HostapdSocket(
                self._loop, self._path, self._runtime_dir, self._interface, self._heard, self._lost
            )
        except OSError as error:
            if not self._told_absent:
                self._told_absent = True
                log.warning("%s: hostapd is not at %s: %s", self._interface, self._path, error.strerror)
            self._timer = self._loop.call_later(RETRY_INTERVAL, self._open)
            return
        self._socket.request("ATTACH", self._attach_answered)

    def _close(self, farewell: str | None = None) -> None:
        self._attached = False
        self._listed = None
        self._returned.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            self._socket.close(farewell)
            self._socket = None

    def _lost(self, reason: str) -> None:
        """hostapd is gone, or we must begin anew: attach again, in a moment."""
        if self._attached:
            log.warning("%s: lost hostapd: %s", self._interface, reason)
            self.counters["hostapd.lost"] += 1
        self._close()
        if self._loop is not None:
            self._timer = self._loop.call_later(RETRY_INTERVAL, self._open)

    def _attach_answered(self, reply: str) -> None:
        if reply.strip() != "OK" or self._socket is None:
            self._lost(f"it answers ATTACH with {reply.strip()!r}")
            return
        self._socket.request("DRIVER_FLAGS", self._driver_told)
        self._listings = 0
        self._list()

    def _driver_told(self, reply: str) -> None:
        self._wired = "WIRED" in reply.split()

    # -- the list

    def _list(self) -> None:
        if self._socket is None:
            return
        self._listings += 1
        self._entries = 0
        self._listed = set()
        self._socket.request("STA-FIRST", self._station_listed)

    def _station_listed(self, reply: str) -> None:
        if self._listed is None or self._socket is None:
            return
        if reply.strip() == "FAIL":
            # The station after which we asked has gone.
            if self._listings < LISTINGS_MAX:
                self._list()
            else:
                self._lost("its list does not come to rest")
            return
        try:
            entry = parse_station(reply)
        except DecodeError as error:
            self.counters["hostapd.malformed"] += 1
            self._lost(f"malformed list: {error}")
            return
        if entry is None:
            self._list_complete(self._listed)
            return
        if entry.authorized:
            self._listed.add(entry.mac)
        self._entries += 1
        if self._entries > LIST_MAX:
            self._lost("its list has no end")
            return
        self._socket.request(f"STA-NEXT {entry.mac}", self._station_listed)

    def _list_complete(self, listed: set[Mac]) -> None:
        self._listed = None
        if self._attached and listed != self._authorized:
            self.counters["hostapd.events_missed"] += 1
            self._lost("events were lost")
            return
        if not self._attached:
            self._attached = True
            self._told_absent = False
            self._authorized = listed
            log.info("%s: attached to hostapd, %d stations", self._interface, len(listed))
            returned, self._returned = self._returned & listed, set()
            self._emit(StationsListed(self._interface, frozenset(listed)))
            for station in returned:
                self._emit(StationAuthorized(self._interface, station))
        if self._loop is not None:
            self._timer = self._loop.call_later(AUDIT_INTERVAL, self._audit)

    def _audit(self) -> None:
        self._listings = 0
        self._list()

    # -- events

    def _heard(self, text: str) -> None:
        try:
            event = parse_event(text)
        except DecodeError:
            self.counters["hostapd.malformed"] += 1
            return
        if event is not None:
            self._handle(event)

    def _handle(self, event: HostapdEvent) -> None:
        match event:
            case StationConnected(mac):
                self._returned.discard(mac)
                self._arrived(mac)
            case StationDisconnected(mac):
                self._returned.discard(mac)
                self._left(mac)
            case EapSucceeded(mac):
                # It comes before AP-STA-CONNECTED, and alone if the station was authorised all the time: then it has
                # been away without a word, and is back.
                if not self._attached:
                    self._returned.add(mac)
                elif mac in self._authorized:
                    self._arrived(mac)
            case StationPolled(mac):
                self._emit(ProbeAnswered(self._interface, mac, Probe.POLL))
            case Terminating():
                self._lost("it ends, or disables the interface")
            case _:
                assert_never(event)

    def _arrived(self, station: Mac) -> None:
        self._authorized.add(station)
        if self._listed is not None:
            self._listed.add(station)
        self._emit(StationAuthorized(self._interface, station))

    def _left(self, station: Mac) -> None:
        self._authorized.discard(station)
        if self._listed is not None:
            self._listed.discard(station)
        self._emit(StationLeft(self._interface, station))
