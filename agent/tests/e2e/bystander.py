"""A well-behaved station that is measured while somebody else misbehaves: it pings through its access point all the
time, over both families, and goes through one whole DHCP exchange after the other.

Run by cell.py as `ip netns exec NAMESPACE python3 bystander.py LOG AGENT_PID`, with what it needs in the environment of
no other file: it is a process of its own, so that the attacker's work does not hold it up. Each line of its log is a
record; times are of time.monotonic().
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

INTERFACE = "wlan0"
SERVER = "192.0.2.1"
CORRESPONDENT = ("198.51.100.9", "2001:db8:ff::9")
PING_INTERVAL = 0.02
EXCHANGE_INTERVAL = 0.1  # from the end of one to the beginning of the next
GIVEN_UP_AFTER = 3.0  # a client would ask again; and a busy machine needs so long sometimes
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("=qq")
_COOKIE = bytes.fromhex("63825363")
_DISCOVER, _OFFER, _REQUEST, _ACK = 1, 2, 3, 5
_ETH_P_IP = 0x0800
_IDENT = 0x4279


class Log:
    def __init__(self, path: str) -> None:
        self._file = open(path, "a", buffering=1, encoding="ascii")  # noqa: SIM115, it ends with the process

    def write(self, kind: str, **fields: object) -> None:
        self._file.write(json.dumps({"kind": kind, **fields}) + "\n")


class RunDelay:
    """How long processes have been ready to run and had no processor: the machine's fault, and nobody else's."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = tuple(pids)

    def total(self) -> float:
        """Seconds, of all threads, since they began: the second figure of /proc/PID/schedstat (sched-stats.rst)."""
        found = 0
        for pid in self._pids:
            for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                try:
                    found += int(task.read_text().split()[1])
                except OSError:
                    continue
        return found / 1e9


class DhcpClient:
    """One exchange after the other: DISCOVER, OFFER, REQUEST, ACK. What the station itself takes does not count."""

    def __init__(self, mac: bytes, log: Log, delay: RunDelay) -> None:
        self.address: str | None = None
        self.begin_at = 0.0
        self._mac = mac
        self._log = log
        self._delay = delay
        self._xid = 0
        self._began = self._asked_at = 0.0
        self._took = self._waited = self._delay_before = 0.0
        self._expects = 0
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.socket.bind((INTERFACE, _ETH_P_IP))

    @property
    def is_waiting(self) -> bool:
        return bool(self._expects)

    def begin(self) -> None:
        self._xid += 1
        self._began = time.monotonic()
        self._took = self._waited = 0.0
        self._ask(_DISCOVER, _OFFER)

    def tick(self, now: float) -> None:
        """Begin when it is time, and give up when it is too late."""
        if self._expects and now - self._asked_at > GIVEN_UP_AFTER:
            waited = self._waited + self._delay.total() - self._delay_before
            self._log.write("exchange", at=self._began, took=None, waited=waited)
            self._expects = 0
            self.begin_at = now + EXCHANGE_INTERVAL
        elif not self._expects and now >= self.begin_at:
            self.begin()

    def readable(self) -> None:
        while True:
            try:
                frame, control, _, _ = self.socket.recvmsg(2048, 64)
            except BlockingIOError:
                return
            if (reply := self._reply(frame)) is not None:
                kind, address = reply
                seconds, nanoseconds = _TIMESPEC.unpack(control[0][2])
                self._answered(kind, address, seconds + nanoseconds / 1e9 + time.monotonic() - time.time())

    def _answered(self, kind: int, address: str, at: float) -> None:
        self._took += at - self._asked_at
        self._waited += min(self._delay.total() - self._delay_before, at - self._asked_at)
        if kind == _OFFER:
            self.address = self.address or address
            self._ask(_REQUEST, _ACK, bytes((50, 4)) + socket.inet_aton(address))
            return
        self._expects = 0
        self.begin_at = time.monotonic() + EXCHANGE_INTERVAL
        self._log.write("exchange", at=self._began, took=self._took, waited=self._waited, same=address == self.address)

    def _ask(self, kind: int, expected: int, options: bytes = b"") -> None:
        if kind == _REQUEST:
            options += bytes((54, 4)) + socket.inet_aton(SERVER)
        fixed = struct.pack("!BBBBIHH16s16s192s", 1, 1, 6, 0, self._xid, 0, 0, b"", self._mac, b"")
        message = fixed + _COOKIE + bytes((53, 1, kind)) + options + b"\xff"
        udp = struct.pack("!HHHH", 68, 67, 8 + len(message), 0) + message
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), b"\xff" * 4)
        header = header[:10] + _checksum(header) + header[12:]
        self._expects = expected
        self._delay_before = self._delay.total()
        self._asked_at = time.monotonic()
        self.socket.send(b"\xff" * 6 + self._mac + b"\x08\x00" + header + udp)

    def _reply(self, frame: bytes) -> tuple[int, str] | None:
        """The type and yiaddr of what is expected now."""
        bootp = frame[14 + 20 + 8 :]
        if frame[:6] != self._mac or frame[23:24] != b"\x11" or frame[36:38] != b"\x00\x44" or len(bootp) < 243:
            return None
        xid, kind = int.from_bytes(bootp[4:8], "big"), bootp[242]  # we write the type first, and so does our server
        if bootp[236:240] != _COOKIE or xid != self._xid or kind != self._expects:
            return None
        return kind, socket.inet_ntoa(bootp[16:20])


class Pings:
    """Numbered echoes to the correspondent, of both families in turn."""

    def __init__(self, log: Log) -> None:
        self.next_at = 0.0
        self._log = log
        self._number = 0
        self.sockets = {
            4: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
            6: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6),
        }
        for each in self.sockets.values():
            each.setblocking(False)

    def tick(self, now: float) -> None:
        if now < self.next_at:
            return
        self.next_at = max(self.next_at + PING_INTERVAL, now)
        self._number += 1
        number = self._number & 0xFFFF
        for family, kind, target in ((4, 8, CORRESPONDENT[0]), (6, 128, CORRESPONDENT[1])):
            echo = struct.pack("!BBHHH", kind, 0, 0, _IDENT, number)
            if family == 4:
                echo = echo[:2] + _checksum(echo) + echo[4:]
            self.sockets[family].sendto(echo, (target, 0))
            self._log.write("ping", at=now, family=family, number=number)

    def readable(self, family: int) -> None:
        while True:
            try:
                packet = self.sockets[family].recv(2048)
            except BlockingIOError:
                return
            echo = packet[20:28] if family == 4 else packet[:8]
            kind, _, _, ident, number = struct.unpack("!BBHHH", echo)
            if ident == _IDENT and kind in (0, 129):
                self._log.write("pong", family=family, number=number)


def _checksum(octets: bytes) -> bytes:
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)


def configure(client: DhcpClient) -> None:
    """Get an address, and tell the kernel; its IPv6 address is the kernel's own affair."""
    while client.address is None or client.is_waiting:
        client.tick(time.monotonic())
        if select.select([client.socket], [], [], 0.05)[0]:
            client.readable()
    for words in (
        f"address add {client.address}/32 dev {INTERFACE}",
        f"route add {SERVER} dev {INTERFACE}",
        f"route add default via {SERVER}",
    ):
        subprocess.run(["ip", *words.split()], check=True)
    while (
        "2001:db8:"
        not in subprocess.run(
            ["ip", "-6", "address", "show", "dev", INTERFACE, "-tentative"], check=True, capture_output=True, text=True
        ).stdout
    ):
        time.sleep(0.02)


def main(path: str, agent: int) -> None:
    log = Log(path)
    mac = bytes.fromhex(Path(f"/sys/class/net/{INTERFACE}/address").read_text().replace(":", ""))
    client = DhcpClient(mac, log, RunDelay((agent, os.getpid())))
    configure(client)
    log.write("ready", address=client.address)
    pings = Pings(log)
    react = {client.socket: client.readable}
    react |= {each: lambda family=family: pings.readable(family) for family, each in pings.sockets.items()}
    while True:
        for each in select.select(list(react), [], [], 0.005)[0]:
            react[each]()
        now = time.monotonic()
        client.tick(now)
        pings.tick(now)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
