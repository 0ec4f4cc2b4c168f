"""200 new clients in a /24, half of them at each of two access points, that all ask for an address in one instant.

Real daemons that flood over TCP, real hostapd, and the clients' frames from raw sockets: a class comes into a room. No
client has to ask a second time (after 4 s, less a second at random: RFC 2131 section 4.1).
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from scapy.layers.inet import UDP

from lab.image import image
from tests.e2e.air import dhcp
from tests.e2e.cell import Device
from tests.e2e.fleet import tell
from tests.e2e.netns import Namespace, namespace
from tests.e2e.real_hostapd import Phones, unpack
from tests.e2e.two_cells import APS, GATEWAY, Cells, cells, eventually
from tests.e2e.wires import Wire, open_wire

EACH = 100  # clients at each access point
ACK_MAX = 3.0  # s from the DISCOVER: no client has asked a second time before that
GIVEN_UP = 10.0  # s
OFFER, ACK, NAK = 2, 5, 6

# Where in a frame: an IPv4 header without options, BOOTP, and the message type first of the options.
OP, XID, YIADDR, TYPE = 42, slice(46, 50), slice(58, 62), slice(282, 285)
UDP_CHECKSUM = slice(40, 42)
NO_ADDRESS = b"\x32\4\0\0\0\0"  # option 50, which is filled in when an address has been offered


class Client:
    """One of the crowd. Times by the kernel's clock, at its interface."""

    def __init__(self, device: Device, number: int) -> None:
        self.mac, xid = device.mac, 0x5A170000 + number
        self.asked_at = self.acked_at = 0.0
        self.address: IPv4Address | None = None
        self.refused = 0
        self.discover = bytes(dhcp(device, "discover", xid=xid))
        selecting = dhcp(
            device, "request", xid=xid, options=(("server_id", str(GATEWAY)), ("requested_addr", "0.0.0.0"))
        )
        selecting[UDP].chksum = 0  # none, as the address is yet to come
        self._request = bytes(selecting)
        assert self._request[UDP_CHECKSUM] == b"\0\0"

    def hear(self, at: float, frame: bytes) -> bytes | None:
        """What it has sent, or was sent to it; what it says to that."""
        if frame[OP] == 1:
            self.asked_at = self.asked_at or at
            return None
        option, size, kind = frame[TYPE]
        assert (option, size) == (53, 1)
        if kind == OFFER:
            return self._request.replace(NO_ADDRESS, NO_ADDRESS[:2] + frame[YIADDR])
        self.refused += kind == NAK
        if kind == ACK:
            self.acked_at, self.address = at, IPv4Address(frame[YIADDR])
        return None

    @property
    def took(self) -> float:
        return self.acked_at - self.asked_at


class Crowd:
    """The clients of one access point, on one cable to it."""

    def __init__(self, made: Cells, ap: str) -> None:
        self.ap = ap
        place, port = made.stack.enter_context(namespace()), f"crowd-{ap}"
        place.ip(f"link add wlan0 type veth peer name {port} netns {made.air.name}")
        place.sysctl("net.ipv6.conf.wlan0.disable_ipv6", 1)
        place.ip("link set wlan0 up promisc on")
        made.air.ip(f"link set {port} master cell-{ap} up")
        self._mouth, self._ear = (self._open(made, place) for _ in range(2))
        self._phones = Phones(place.name, "wlan0")
        made.stack.callback(self._phones.close)
        numbers = range(APS.index(ap) * EACH, (APS.index(ap) + 1) * EACH)
        clients = [Client(Device(place.name, f"02:00:00:00:02:{n:02x}", self._mouth.socket), n) for n in numbers]
        self.clients = {client.mac: client for client in clients}
        self._by_xid = {client.discover[XID]: client for client in clients}

    def _open(self, made: Cells, place: Namespace) -> Wire:
        return made.stack.enter_context(open_wire(place, "wlan0"))

    def log_in(self) -> None:
        self._phones.join(*self.clients)

    def ask(self, together: threading.Barrier) -> None:
        """All at once, when the others do too; returns when each has an address, or after GIVEN_UP."""
        for _ in self._ear.stamped():
            pass  # what was before
        together.wait()
        self._mouth.send(*(client.discover for client in self.clients.values()))
        deadline = time.monotonic() + GIVEN_UP
        while not all(client.address for client in self.clients.values()) and time.monotonic() < deadline:
            select.select([self._ear.socket], [], [], 0.1)
            for at, frame in self._ear.stamped():
                client = self._by_xid.get(frame[XID])
                answer = client.hear(at, frame) if client is not None else None
                if answer is not None:
                    self._mouth.send(answer)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Cells]:
    with cells(unpack(image(), tmp_path / "unpacked"), tmp_path, recorded=False) as made:
        yield made


def at_once(crowds: Sequence[Crowd], work: Callable[[Crowd], None]) -> float:
    """Seconds until all are done."""
    began = time.monotonic()
    with ThreadPoolExecutor(len(crowds)) as pool:
        list(pool.map(work, crowds))
    return time.monotonic() - began


def records(made: Cells, ap: str) -> set[tuple[str, str, str, int]]:
    return {(each["kind"], each["key"], each["value"], each["seqno"]) for each in made.ask(ap, "database")}


def leases(made: Cells, ap: str) -> set[tuple[str, str]]:
    """MAC and IPv4 address of each that lives."""
    listed = made.ask(ap, "database")
    return {(each["value"], each["key"]) for each in listed if ":" not in each["key"] and each["remaining"] > 0}


def test_200_new_clients_at_two_access_points_at_once_have_200_leases_and_no_refusal(room: Cells) -> None:
    crowds = [Crowd(room, ap) for ap in APS]
    clients = {mac: client for crowd in crowds for mac, client in crowd.clients.items()}
    let_in = at_once(crowds, Crowd.log_in)
    eventually(lambda: all(len(room.ask(ap, "stations")) == len(clients) for ap in APS))

    together = threading.Barrier(len(crowds))
    at_once(crowds, lambda crowd: crowd.ask(together))

    took = sorted(client.took for client in clients.values() if client.address)
    tell(
        f"{len(clients)} new clients at two access points: let in within {let_in:.1f} s; {len(took)} ACKs after "
        f"{took[0] * 1000:.0f} to {took[-1] * 1000:.0f} ms, half of them within {took[len(took) // 2] * 1000:.0f} ms"
    )
    assert sum(client.refused for client in clients.values()) == 0
    given = {mac: str(client.address) for mac, client in clients.items()}
    assert len(set(given.values())) == len(took) == 2 * EACH
    assert took[-1] < ACK_MAX
    eventually(lambda: records(room, "ap1") == records(room, "ap2"))
    for ap in APS:
        assert leases(room, ap) == set(given.items())
