"""DHCPv4 exchanges a second of the whole daemon, every ACK durable: `make bench-kernel`, or

    PYTHONPATH=agent/src:agent python3 agent/tests/bench/dhcp.py [--stations 50000]

A daemon on core 0, in a network namespace of its own, with a hostapd of the tests behind each of its interfaces; the
stations on core 1, as precomputed frames on the other ends. The state directory has a lease of each station that is
half over, so that each renewal makes a new version that has to be on the disk before the station hears of it.

    renew     REQUEST, ACK: unicast, as at T1
    return    DISCOVER, OFFER, REQUEST, ACK of a station that has a lease

"saturated" keeps WINDOW exchanges under way; "half load" begins one every so often, at half of that rate. At the end
the daemon is killed, and whatever was acknowledged must be in the file that it leaves.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from statistics import median, quantiles

import sroamd
from sroamd.addresses import BROADCAST, Mac
from sroamd.cli import Unreachable, ask
from sroamd.io import store_file
from sroamd.stored import Row
from sroamd.wire import ethernet, udp4
from sroamd.wire.datum import ipv4_lease_key
from sroamd.wire.dhcpv4 import (
    BOOTREQUEST,
    OPTION_CLIENT_ID,
    OPTION_HOSTNAME,
    OPTION_PARAMETER_REQUEST_LIST,
    OPTION_REQUESTED_ADDRESS,
    OPTION_SERVER_ID,
    DhcpMessage,
    MessageType,
    encode,
)
from tests.e2e.netns import Namespace, namespace
from tests.io.events import until
from tests.io.fake_hostapd import FakeHostapd

DAEMON_CORE, STATIONS_CORE = 0, 1
INTERFACES = 2
WINDOW = 256
LATE = 1.0  # s without an answer, after which a station asks again
LEASES = 50_000
LEFT = 900.0  # s, of 1800
PREFIX = IPv4Network("198.18.0.0/15")
GATEWAY = IPv4Address("198.18.0.1")
NOBODY, EVERYBODY = IPv4Address(0), IPv4Address("255.255.255.255")
ASKED = bytes((1, 3, 6, 12, 15, 26, 28, 42, 51, 54, 58, 59, 108, 114, 119, 121))
CONFIG = """
[node]
name = "bench"
state_dir = "{directory}/state"
[network]
ipv4_prefix = "{prefix}"
ipv6_prefix = "2001:db8::/32"
ipv4_gateway = "{gateway}"
ipv6_gateway = "fe80::1"
nameservers = ["192.0.2.53", "192.0.2.54"]
[control]
socket = "{directory}/control.sock"
"""
INTERFACE = """
[[interface]]
name = "{name}"
stations = "hostapd"
hostapd_socket = "{directory}/{name}"
"""
# Else 2,000 stations could each renew once in half a minute, and nothing would be sustained; and lists of so many would
# be compared twice a minute.
WITHOUT_LIMITS = """
import sys
from sroamd import constants
from sroamd.daemon import main
from sroamd.io import hostapd
constants.STATIONS_MAX = 1 << 20
hostapd.AUDIT_INTERVAL = 3600.0
sys.exit(main())
"""

_XID = struct.Struct("!I")
_XID_AT = 14 + 28 + 4
_TYPE_AT = 14 + 28 + 240 + 2  # of the reply: option 53 comes first


def mac_of(number: int) -> Mac:
    return Mac(b"\x02\x51" + number.to_bytes(4, "big"))


def address_of(number: int) -> IPv4Address:
    return PREFIX[0x100 + number]


# -- what stations send


def frame(number: int, kind: MessageType, *, renew: bool = False) -> bytes:
    mac = mac_of(number)
    options = {OPTION_CLIENT_ID: b"\1" + mac, OPTION_PARAMETER_REQUEST_LIST: ASKED, OPTION_HOSTNAME: b"station"}
    source, destination = (address_of(number), GATEWAY) if renew else (NOBODY, EVERYBODY)
    if kind is MessageType.REQUEST and not renew:
        options |= {OPTION_SERVER_ID: GATEWAY.packed, OPTION_REQUESTED_ADDRESS: address_of(number).packed}
    message = DhcpMessage(op=BOOTREQUEST, message_type=kind, xid=number, chaddr=mac, ciaddr=source, options=options)
    packet = udp4.encode_datagram(udp4.Datagram(source, 68, destination, 67, encode(message)))
    return ethernet.encode_frame(ethernet.Frame(BROADCAST, mac, ethernet.ETHERTYPE_IPV4, packet))


@dataclass
class Load:
    """Exchanges of the stations `numbers`: what each sends first, and what it answers an offer with."""

    numbers: list[int]
    first: dict[int, bytes]
    second: dict[int, bytes] = field(default_factory=dict)
    began: dict[int, float] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    repeated: int = 0
    refused: int = 0
    seconds: float = 0.0


class Stations:
    """The other ends of all interfaces: one socket to each for sending, one for hearing all of them."""

    def __init__(self, ns: Namespace) -> None:
        self._out = []
        with ns.entered():
            for number in range(INTERFACES):
                out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
                out.bind((f"sta{number}", 0))
                self._out.append(out)
            self._in = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ethernet.ETHERTYPE_IPV4))
        self._in.setsockopt(263, 23, 1)  # PACKET_IGNORE_OUTGOING
        self._in.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)
        self._in.setblocking(False)

    def run(self, load: Load, *, rate: float | None = None) -> Load:
        """All of its exchanges: WINDOW at a time, or `rate` a second."""
        waiting = iter(load.numbers)
        under_way, last = load.began, {}
        done, total, buffer = 0, len(load.numbers), bytearray(2048)
        began = now = time.perf_counter()
        started, checked = 0, now
        while done < total:
            now = time.perf_counter()
            allowed = WINDOW - len(under_way) if rate is None else min(int((now - began) * rate) - started, WINDOW)
            for _ in range(min(allowed, total - started)):
                number = next(waiting)
                under_way[number] = now if rate is None else began + started / rate
                last[number] = octets = load.first[number]
                self._send(number, octets)
                started += 1
            select.select([self._in], [], [], 0.0005 if rate else 0.05)
            while True:
                try:
                    size = self._in.recv_into(buffer)
                except BlockingIOError:
                    break
                (number,) = _XID.unpack_from(buffer, _XID_AT)
                if size < _TYPE_AT or number not in under_way:
                    continue
                kind = buffer[_TYPE_AT]
                if kind == MessageType.OFFER and number in load.second:
                    last[number] = octets = load.second[number]
                    self._send(number, octets)
                else:
                    load.refused += kind != MessageType.ACK
                    load.latencies.append(time.perf_counter() - under_way.pop(number))
                    done += 1
            if now - checked > LATE:
                checked = now
                for number, at in under_way.items():
                    if now - at > LATE:
                        load.repeated += 1
                        self._send(number, last[number])
        load.seconds = time.perf_counter() - began
        return load

    def _send(self, number: int, octets: bytes) -> None:
        self._out[number % INTERFACES].send(octets)

    def close(self) -> None:
        for each in (*self._out, self._in):
            each.close()


# -- what surrounds them


def hostapds(directory: Path, stations: int, ready: object) -> None:
    """A process: authorises the stations, in turn on each interface, once the daemon has attached, at its pace."""
    os.sched_setaffinity(0, {STATIONS_CORE})

    def said(hostapd: FakeHostapd, text: str) -> bool:
        """Whether there was room for it. The monitor's socket holds a few lines only."""
        try:
            hostapd._socket.sendto(text.encode(), hostapd.listeners[0])
        except BlockingIOError:
            return False
        return True

    async def serve() -> None:
        made = [FakeHostapd(directory / f"wlan{number}") for number in range(INTERFACES)]
        ready.set()  # type: ignore[attr-defined]
        await until(lambda: all("STA-FIRST" in hostapd.commands for hostapd in made), 60.0)
        for number in range(stations):
            await until(partial(said, made[number % INTERFACES], f"<3>AP-STA-CONNECTED {mac_of(number)}"), 60.0)
        await asyncio.Event().wait()

    asyncio.run(serve())


def prepare(directory: Path, ns: Namespace, other: Namespace) -> None:
    text = CONFIG.format(directory=directory, prefix=PREFIX, gateway=GATEWAY)
    for number in range(INTERFACES):
        ns.ip(f"link add wlan{number} type veth peer name sta{number} netns {other.name}")
        other.sysctl(f"net.ipv6.conf.sta{number}.disable_ipv6", 1)
        ns.ip(f"link set wlan{number} up")
        other.ip(f"link set sta{number} up")
        text += INTERFACE.format(name=f"wlan{number}", directory=directory)
    (directory / "sroamd.toml").write_text(text)
    with closing(store_file.open_file(directory / "state")) as connection:
        now = store_file.now()
        rows = {ipv4_lease_key(address_of(n)): Row(bytes(mac_of(n)), 1, LEFT, now) for n in range(LEASES)}
        assert store_file.write(connection, rows) is None


@contextmanager
def daemon(directory: Path, ns: Namespace) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PYTHONPATH": str(Path(sroamd.__file__).parents[1])}
    python = [sys.executable, "-c", WITHOUT_LIMITS, "-c", str(directory / "sroamd.toml")]
    command = ["ip", "netns", "exec", ns.name, "taskset", "-c", str(DAEMON_CORE), *python]
    # In memory: the journal takes lines through a socket, while a file would make each wait for the disk's commits.
    log = os.memfd_create("log")
    process = subprocess.Popen(command, env=environment, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        os.close(log)


def status(directory: Path) -> dict[str, object]:
    answer = ask(str(directory / "control.sock"), "status", None)["result"]
    assert isinstance(answer, dict)
    return answer


def counters(directory: Path) -> dict[str, int]:
    found = status(directory)["counters"]
    assert isinstance(found, dict)
    return found


def cpu(process: subprocess.Popen[bytes]) -> float:
    """Seconds that the process has used, in user and kernel mode."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def settle(directory: Path, process: subprocess.Popen[bytes], stations: int) -> None:
    """Until all stations are known and the daemon has nothing more to do."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        time.sleep(0.5)
        try:
            if status(directory)["stations"] != stations:
                continue
        except Unreachable:
            continue
        before = cpu(process)
        time.sleep(1.0)
        if cpu(process) - before < 0.1:
            return
    sys.exit("the daemon does not come to rest")


def show(name: str, load: Load, spent: float, commits: int, written: int) -> float:
    count = len(load.numbers)
    cuts = quantiles(load.latencies, n=100)
    rate = count / load.seconds
    print(
        f"{name:<22}{rate:>8.0f}/s{spent / count * 1e6:>8.0f} us{spent / load.seconds:>7.0%}"
        f"{median(load.latencies) * 1e3:>9.2f}{cuts[98] * 1e3:>9.2f}{commits:>9,}{written:>9,}"
        f"{load.repeated:>9}{load.refused:>9}",
        flush=True,
    )
    return rate


def measure(directory: Path, process: subprocess.Popen[bytes], air: Stations, stations: int) -> None:
    columns = ("CPU us", "core", "p50 ms", "p99 ms", "commits", "rows", "again", "NAK")
    print(f"{'':<22}{'per s':>10}" + "".join(f"{column:>9}" for column in columns))
    part, rate = stations // 4, 0.0
    for index, (name, rated) in enumerate([(name, rated) for name in ("renew", "return") for rated in (False, True)]):
        numbers = list(range(index * part, (index + 1) * part))
        requests = {number: frame(number, MessageType.REQUEST, renew=name == "renew") for number in numbers}
        if name == "renew":
            load = Load(numbers, requests)
        else:
            load = Load(numbers, {number: frame(number, MessageType.DISCOVER) for number in numbers}, requests)
        before, used = counters(directory), cpu(process)
        air.run(load, rate=rate / 2 if rated else None)
        used, after = cpu(process) - used, counters(directory)
        written = [after.get(name, 0) - before.get(name, 0) for name in ("store.commits", "store.rows")]
        rate = show(f"{name}, {'half load' if rated else 'saturated'}", load, used, *written)


def lost(directory: Path, stations: int) -> int:
    """Of the leases that were acknowledged, those that are not in the file with their new lives."""
    with closing(store_file.open_file(directory / "state")) as connection:
        kept = {datum.key for datum in store_file.load(connection) if datum.remaining > LEFT}
    return sum(ipv4_lease_key(address_of(number)) not in kept for number in range(stations // 4 * 4))


def main() -> None:
    parser = argparse.ArgumentParser(description="DHCPv4 exchanges a second")
    parser.add_argument("--stations", type=int, default=LEASES, help="that are here")
    stations = parser.parse_args().stations
    os.sched_setaffinity(0, {STATIONS_CORE})
    with namespace() as ap, namespace() as sta, tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        prepare(directory, ap, sta)
        ready = multiprocessing.Event()
        hostapd = multiprocessing.Process(target=hostapds, args=(directory, stations, ready), daemon=True)
        hostapd.start()
        ready.wait(60)
        try:
            with daemon(directory, ap) as process:
                settle(directory, process, stations)
                measure(directory, process, Stations(sta), stations)
            print(f"after SIGKILL {lost(directory, stations)} acknowledged leases are missing")
        finally:
            hostapd.terminate()


if __name__ == "__main__":
    main()
