"""A hostapd that does what the test says: the control interface of one, on a UNIX datagram socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path


class FakeHostapd:
    """Answers ATTACH, DETACH, DRIVER_FLAGS, PING, STA-FIRST, STA-NEXT, POLL_STA and DISASSOCIATE as hostapd 2.10 does.

    `stations` maps MAC to authorised, in the order of the list. `commands` is what was asked. `deaf` swallows commands.
    `hooks` maps a command to something to do just before it is answered.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stations: dict[str, bool] = {}
        self.commands: list[str] = []
        self.driver_flags = "00000000000000C0:\nAP_MLME\n"
        self.listeners: list[str] = []
        self.hooks: dict[str, list[object]] = {}
        self.deaf = False
        self.polls_answered = True
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(path))
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def event(self, text: str) -> None:
        """Print a line to all that are attached."""
        for listener in list(self.listeners):
            try:
                self._socket.sendto(f"<3>{text}".encode(), listener)
            except OSError:
                self.listeners.remove(listener)

    def connect(self, mac: str) -> None:
        """A station authenticates: what hostapd prints depends on whether it thinks that it was there all the time."""
        self.event(f"CTRL-EVENT-EAP-STARTED {mac}")
        self.event(f"CTRL-EVENT-EAP-SUCCESS {mac}")
        if not self.stations.get(mac):
            self.stations[mac] = True
            self.event(f"AP-STA-CONNECTED {mac}")

    def disconnect(self, mac: str) -> None:
        """It leaves; as with the wired driver its entry stays, without the flag."""
        if self.stations.get(mac):
            self.stations[mac] = False
            self.event(f"AP-STA-DISCONNECTED {mac}")

    def terminate(self) -> None:
        """SIGTERM."""
        for mac in list(self.stations):
            self.disconnect(mac)
        self.event("AP-DISABLED ")
        self.event("CTRL-EVENT-TERMINATING ")
        self.kill()
        self.path.unlink()

    def kill(self) -> None:
        """SIGKILL: the socket's file stays."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self.kill()

    def _read(self) -> None:
        while self._socket.fileno() >= 0:
            try:
                data, sender = self._socket.recvfrom(4096)
            except BlockingIOError:
                return
            self.commands.append(data.decode())
            if not self.deaf:
                self._answer(data.decode(), sender)

    def _answer(self, command: str, sender: str) -> None:
        for hook in self.hooks.pop(command, []):
            assert callable(hook)
            hook()
        reply = self._reply(command, sender)
        if self._socket.fileno() >= 0:
            with contextlib.suppress(OSError):
                self._socket.sendto(reply.encode(), sender)

    def _reply(self, command: str, sender: str) -> str:
        word, _, argument = command.partition(" ")
        if word == "ATTACH":
            self.listeners.append(sender)
            return "OK\n"
        if word == "DETACH":
            self.listeners.remove(sender)
            return "OK\n"
        if word == "PING":
            return "PONG\n"
        if word == "STA-FIRST":
            return self._describe(next(iter(self.stations), None))
        if word == "STA-NEXT":
            macs = list(self.stations)
            if argument not in macs:
                return "FAIL\n"
            following = macs[macs.index(argument) + 1 :]
            return self._describe(following[0] if following else None)
        if word == "POLL_STA" and argument in self.stations:
            if self.polls_answered:
                self.event(f"AP-STA-POLL-OK {argument}")
            return "OK\n"
        if word == "DRIVER_FLAGS":
            return self.driver_flags
        if word == "DISASSOCIATE" and argument in self.stations:
            self.disconnect(argument)
            return "OK\n"
        return "FAIL\n" if word in ("POLL_STA", "DISASSOCIATE") else "UNKNOWN COMMAND\n"

    def _describe(self, mac: str | None) -> str:
        if mac is None:
            return ""
        flags = "[AUTHORIZED]" if self.stations[mac] else ""
        return f"{mac}\nflags={flags}\naid=0\ncapability=0x0\nlisten_interval=0\ntimeout_next=NULLFUNC POLL\n"
