"""A guarded radio: an access point with a hostile station and a bystander on one interface, and a backbone behind it.

The radio is a bridge whose ports are isolated, as hostapd's ap_isolate does: stations reach the access point and
nobody else. What a station sends is written octet by octet, past its own kernel.
"""

from __future__ import annotations

import asyncio
import re
import select
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from tests.e2e.bystander import RunDelay
from tests.e2e.netns import Namespace, namespace
from tests.e2e.test_io_daemon import PATIENCE, AccessPoint
from tests.e2e.wires import Wire, open_wire
from tests.io.events import until

MALLORY_MAC, BOB_MAC, AP_MAC = "02:00:00:00:00:66", "02:00:00:00:00:07", "02:00:00:00:00:01"
GATEWAY, GATEWAY6 = "192.0.2.1", "fe80::1"
_XID = slice(46, 50)  # of a DHCP message in a frame
SERVER, SERVER6 = "203.0.113.2", "fd00:99::2"


@dataclass
class Guest:
    """A station: its namespace, its MAC, and what it has got."""

    ns: Namespace
    mac: str
    ipv4: str = ""
    ipv6: str = ""  # of its own choice, within its prefix
    link_local: str = ""

    @property
    def prefix(self) -> IPv6Network:
        return IPv6Interface(f"{self.ipv6}/64").network

    def in_prefix(self, number: int) -> str:
        return str(self.prefix[number])

    def eui64(self) -> str:
        octets = bytes.fromhex(self.mac.replace(":", ""))
        host = bytes((octets[0] ^ 2,)) + octets[1:3] + b"\xff\xfe" + octets[3:]
        return str(IPv6Address(b"\xfe\x80" + bytes(6) + host))


@dataclass
class Site:
    """All of it, with the stations authorised and addressed."""

    access_point: AccessPoint
    air: Namespace
    net: Namespace
    mallory: Guest
    bob: Guest
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def ap(self) -> Namespace:
        return self.access_point.ap

    def plug_in(self) -> None:
        """The access point has its radio, with the addresses that networkd gives it."""
        self.ap.ip(f"link add wlan0 address {AP_MAC} type veth peer name ap netns {self.air.name}")
        self.air.ip("link set ap master br0 up")
        self.ap.ip("link set wlan0 up")
        self.ap.ip("addr add 192.0.2.1/32 dev wlan0")
        self.ap.ip("addr add fe80::1/64 dev wlan0 nodad")

    def wire(self, ns: Namespace, interface: str) -> Wire:
        return self.stack.enter_context(open_wire(ns, interface))

    def drops(self) -> dict[str, int]:
        """The guard's counters by reason, those that are not zero."""
        counters = self.access_point.asked("status")["counters"]
        own = ("guard.loads", "guard.touched", "guard.refused", "guard.overflows")
        return {name[6:]: n for name, n in counters.items() if name.startswith("guard.") and name not in own}

    def neighbours(self) -> dict[str, str]:
        """Address -> MAC of the access point's neighbour entries."""
        table = self.ap.ip("neigh show dev wlan0")
        return {line.split()[0]: line.split()[2] for line in table.splitlines() if " lladdr " in line}

    async def admit(self, guest: Guest) -> None:
        """An address by DHCP, one by autoconfiguration, routes to the gateway."""
        guest.ns.ip("link set sta0 up")
        client = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", guest.ns.name, "busybox", "udhcpc"),
            *("-f", "-n", "-q", "-t", "10", "-T", "1", "-i", "sta0", "-s", "/bin/true"),
            stderr=subprocess.PIPE,
        )
        _, said = await client.communicate()
        found = re.search(rb"lease of (\S+) obtained", said)
        assert found is not None, said
        guest.ipv4 = found[1].decode()
        guest.ns.ip(f"addr add {guest.ipv4}/32 dev sta0")
        guest.ns.ip(f"route add {GATEWAY} dev sta0 scope link src {guest.ipv4}")
        guest.ns.ip(f"route add default via {GATEWAY} dev sta0 src {guest.ipv4}")
        guest.link_local = guest.eui64()

        def has_prefix() -> bool:
            shown = re.search(r"inet6 (2001:db8:44:\S+)/64", guest.ns.ip("-6 addr show dev sta0 scope global"))
            guest.ipv6 = shown[1] if shown else ""
            return bool(shown) and "default" in guest.ns.ip("-6 route show")

        await until(has_prefix, PATIENCE)


@contextmanager
def site(directory: Path) -> Iterator[Site]:
    """Stations are not authorised yet, and have no addresses."""
    with namespace() as ap, namespace() as air, namespace() as net, namespace() as mallory, namespace() as bob:
        air.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
        air.ip("link add br0 type bridge forward_delay 0 mcast_snooping 0")
        air.ip("link set br0 up")
        for guest, mac, name in ((mallory, MALLORY_MAC, "mallory"), (bob, BOB_MAC, "bob")):
            guest.ip(f"link add sta0 address {mac} type veth peer name {name} netns {air.name}")
            guest.sysctl("net.ipv6.conf.sta0.dad_transmits", 0)
            guest.sysctl("net.ipv6.conf.sta0.addr_gen_mode", 0)
            air.ip(f"link set {name} master br0 up")
            air.ip(f"link set {name} type bridge_slave isolated on")
        ap.ip(f"link add bb0 type veth peer name eth0 netns {net.name}")
        made = Site(AccessPoint(ap, bob, directory), air, net, Guest(mallory, MALLORY_MAC), Guest(bob, BOB_MAC))
        made.plug_in()
        _address(ap, net)
        with made.stack:
            yield made


def _address(ap: Namespace, net: Namespace) -> None:
    ap.sysctl("net.ipv4.ip_forward", 1)
    ap.sysctl("net.ipv6.conf.all.forwarding", 1)
    for command in (
        "link set bb0 up",
        "addr add 203.0.113.1/24 dev bb0",
        "addr add fd00:99::1/64 dev bb0 nodad",
    ):
        ap.ip(command)
    for command in (
        "link set eth0 up",
        f"addr add {SERVER}/24 dev eth0",
        f"addr add {SERVER6}/64 dev eth0 nodad",
        "route add 192.0.2.0/24 via 203.0.113.1",
        "route add 2001:db8:44::/48 via fd00:99::1",
    ):
        net.ip(command)


@dataclass
class Bystander:
    """Bob, who pings the server in both families, and asks for his lease again and again.

    `agent`: its process. What it has waited for a processor of a machine that does other things too is not its time.
    """

    site: Site
    agent: int
    exchanges: list[float] = field(default_factory=list)  # s that each took
    unanswered: int = 0
    sent: int = 0
    _answered: set[tuple[type, int]] = field(default_factory=set)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def begin(self) -> None:
        for work in (self._ping, self._renew):
            wire = self.site.wire(self.site.bob.ns, "sta0")
            self._threads.append(threading.Thread(target=work, args=(wire,)))
        self.site.stack.callback(self._stop)  # before the wires are closed, however the test ends
        for thread in self._threads:
            thread.start()

    def _stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def end(self) -> int:
        """How many pings were lost."""
        self._stop()
        return 2 * self.sent - len(self._answered)

    def _ping(self, wire: Wire) -> None:
        bob = self.site.bob
        head = Ether(src=bob.mac, dst=AP_MAC)
        while not self._over.wait(0.02):
            self.sent += 1
            wire.send(head / IP(src=bob.ipv4, dst=SERVER) / ICMP(id=77, seq=self.sent))
            wire.send(head / IPv6(src=bob.ipv6, dst=SERVER6) / ICMPv6EchoRequest(id=77, seq=self.sent))
            self._listen(wire)
        deadline = time.monotonic() + 1.0
        while len(self._answered) < 2 * self.sent and time.monotonic() < deadline:
            select.select([wire.socket], [], [], 0.05)
            self._listen(wire)

    def _listen(self, wire: Wire) -> None:
        for frame in wire.heard():
            for layer in (ICMP, ICMPv6EchoReply):
                if layer in frame and frame[layer].id == 77:
                    self._answered.add((layer, frame[layer].seq))

    def _renew(self, wire: Wire) -> None:
        """INIT-REBOOT: a REQUEST of the address that it has, as a client that has just come back says it.

        The time is between the two frames on his interface, by the kernel's clock.
        """
        xid = 1
        out, delay = self.site.wire(self.site.bob.ns, "sta0"), RunDelay([self.agent])
        while not self._over.wait(0.05):
            xid += 1
            times: list[float] = []
            waited = delay.total()
            out.send(dhcp_request(self.site.bob, xid))
            deadline = time.monotonic() + 1.0
            while len(times) < 2 and time.monotonic() < deadline:
                select.select([wire.socket], [], [], 0.1)
                times += [at for at, data in wire.stamped() if data[_XID] == xid.to_bytes(4, "big")]
            if len(times) == 2:
                self.exchanges.append(times[1] - times[0] - (delay.total() - waited))
            else:
                self.unanswered += 1


def dhcp_request(guest: Guest, xid: int) -> Packet:
    return (
        Ether(src=guest.mac, dst="ff:ff:ff:ff:ff:ff")
        / IP(src="0.0.0.0", dst="255.255.255.255")
        / UDP(sport=68, dport=67)
        / BOOTP(chaddr=bytes.fromhex(guest.mac.replace(":", "")), xid=xid)
        / DHCP(options=[("message-type", "request"), ("requested_addr", guest.ipv4), "end"])
    )


def eventually(check: Callable[[], bool]) -> None:
    """Within PATIENCE, from a thread of its own."""
    deadline = time.monotonic() + PATIENCE
    while not check():
        assert time.monotonic() < deadline, "never"
        time.sleep(0.02)
