"""Clients as people have them, side by side, on two access points: real daemons, real hostapd, Debian's clients.

Each joins, renews at T1, rebinds at T2 when its server is not to be found, roams, gives its address back and comes
again. What was sent to them meanwhile is read by tshark at the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv6Address, IPv6Network, ip_network
from pathlib import Path

import pytest
from scapy.layers.dhcp import BOOTP
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import ICMPv6ND_RA, IPv6
from scapy.layers.l2 import Ether

from lab.image import image
from tests.e2e.air_recorder import Dhcp
from tests.e2e.capture import Capture, read
from tests.e2e.judges import Room, room
from tests.e2e.real_clients import CLIENTS, Client
from tests.e2e.real_hostapd import unpack
from tests.e2e.two_cells import (
    APS,
    FAR,
    FAR6,
    MACS,
    PATIENCE,
    PREFIXES,
    RESOLVER,
    RESOLVER6,
    T1,
    T2,
    Cells,
    Station,
    cells,
    eventually,
)

NO_CLIENT = "none but the kernel"
LATE = 30.0  # s beyond its time that anything may come, on a machine that does other things too
STORY = 300.0
# What tshark calls them: OFFER, ACK, router, neighbour solicitation and advertisement, ARP.
KINDS_SENT = {"dhcp 2", "dhcp 5", "icmpv6 134", "icmpv6 135", "icmpv6 136", "arp 1", "arp 2"}


@dataclass
class Scene:
    """`stories`: what became of each client."""

    cells: Cells
    stories: dict[str, Future[None]] = field(default_factory=dict)
    rooms: dict[str, Room] = field(default_factory=dict)
    stations: dict[str, Station] = field(default_factory=dict)

    def told(self, name: str) -> None:
        """Wait for the end of a client's story; all that is known of it, if it did not end well."""
        try:
            self.stories[name].result(STORY)
        except Exception:
            print(*map(str, self.cells.recorder.of(self.stations[name].mac)), sep="\n")
            print("--", name, self.rooms[name].log()[-4000:], sep="\n")
            print(*(f"-- {ap}\n{self.cells.log(ap)}" for ap in APS), sep="\n")
            raise


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """All clients at work."""
    directory = tmp_path_factory.mktemp("clients")
    with cells(unpack(image(), directory / "hostapd"), directory) as made:
        scene = Scene(made)
        for name in (*CLIENTS, NO_CLIENT):
            station = scene.stations[name] = made.station()
            scene.rooms[name] = made.stack.enter_context(room(station.place.name))
            station.place.sysctl("net.ipv6.conf.wlan0.use_tempaddr", 2)
        with ThreadPoolExecutor(len(scene.stations)) as pool:
            for name, client in CLIENTS.items():
                story = Story(made, client(scene.stations[name], scene.rooms[name]))
                scene.stories[name] = pool.submit(story.tell)
            scene.stories[NO_CLIENT] = pool.submit(_slaac, scene.stations[NO_CLIENT], scene.rooms[NO_CLIENT], made)
            yield scene


@dataclass
class Story:
    """Of one client, told in a thread of its own."""

    cells: Cells
    client: Client

    @property
    def station(self) -> Station:
        return self.client.station

    def tell(self) -> None:
        self.client.prepare()
        if self.client.does_ipv6:
            self.station.place.sysctl("net.ipv6.conf.wlan0.accept_ra", 0)
        self.station.join("ap1")
        address = self._joins()
        addresses6 = self._makes_addresses()
        self._renews(address)
        self._rebinds(address)
        self._roams(address, addresses6)
        self._comes_back(address)
        kinds = {each.kind for each in self.cells.recorder.of(self.station.mac)}
        assert kinds <= {"DISCOVER", "OFFER", "REQUEST", "ACK", "RELEASE"}, "no NAK, and nothing declined"

    def _joins(self) -> str:
        """DISCOVER, OFFER, REQUEST, ACK; the address, the default route, the resolver."""
        self.client.start()
        heard = self._hears(_acknowledged("SELECTING"), PATIENCE)
        assert [each.kind for each in heard if each.kind != "DISCOVER"][:3] == ["OFFER", "REQUEST", "ACK"]
        address: str = heard[-1].packet["BOOTP"].yiaddr
        eventually(lambda: self.station.ipv4() == [address])
        assert address in self.cells.leases(self.station.mac)
        eventually(lambda: self.client.reaches(FAR, address))
        eventually(lambda: str(RESOLVER) in self.client.resolvers())
        return address

    def _makes_addresses(self) -> list[str]:
        """Of its own prefix, and goes through the router with each."""
        prefix = _prefix_of(self.cells, self.station)
        eventually(lambda: len(self.station.ipv6()) >= 2)  # one that lasts, and one for privacy
        addresses = self.station.ipv6()
        assert all(IPv6Address(each) in prefix for each in addresses)
        for each in addresses:
            eventually(lambda each=each: self.client.reaches(FAR6, each))  # type: ignore[misc]
        if self.client.does_ipv6:
            eventually(lambda: str(RESOLVER6) in self.client.resolvers())
        return addresses

    def _renews(self, address: str) -> None:
        """By unicast, when T1 is there."""
        before = len(self.cells.recorder.of(self.station.mac))
        self.client.renew()
        heard = self._hears(_acknowledged("RENEWING"), T1 + LATE, before)
        assert all(each.unicast for each in heard)
        assert self.station.ipv4() == [address]

    def _rebinds(self, address: str) -> None:
        """Its renewals are not answered: then it asks everybody."""
        before = len(self.cells.recorder.of(self.station.mac))
        self.station.lose_the_server()
        self.client.renew()
        heard = self._hears(_acknowledged("REBINDING"), max(T2, self.client.rebinds_after) + LATE, before)
        states = [each.state for each in heard if each.kind == "REQUEST"]
        assert states[0] == "RENEWING"
        assert heard[-1].packet["BOOTP"].yiaddr == address
        self.station.find_the_server()
        assert self.station.ipv4() == [address]

    def _roams(self, address: str, addresses6: list[str]) -> None:
        """It keeps all that it has, and is reached at the other access point."""
        before = len(self.cells.recorder.of(self.station.mac))
        self.station.join("ap2")
        self.client.roamed()
        heard = self._hears(lambda heard: heard[-1:] and heard[-1].kind == "ACK", PATIENCE, before)
        assert {each.ap for each in heard} == {"ap2"}
        assert {each.state for each in heard if each.kind == "REQUEST"} <= {"INIT-REBOOT", "RENEWING", "REBINDING"}
        assert heard[-1].packet["BOOTP"].yiaddr == address
        eventually(lambda: self.station.ipv4() == [address])
        eventually(lambda: self.client.reaches(FAR, address))
        eventually(lambda: self._keeps_one(addresses6))

    def _keeps_one(self, addresses6: list[str]) -> bool:
        """Some clients make themselves other addresses for privacy at each link; what lasts is reached."""
        kept = [each for each in addresses6 if each in self.station.ipv6()]
        return bool(kept) and all(self.client.reaches(FAR6, each) for each in kept)

    def _comes_back(self, address: str) -> None:
        before = len(self.cells.recorder.of(self.station.mac))
        self.client.release()
        if self.client.releases:
            self._hears(lambda heard: any(each.kind == "RELEASE" for each in heard), PATIENCE, before)
            eventually(lambda: address not in self.cells.leases(self.station.mac))
        self.station.leave()
        before = len(self.cells.recorder.of(self.station.mac))
        self.station.join("ap1")
        self.client.come_back()
        heard = self._hears(lambda heard: heard[-1:] and heard[-1].kind == "ACK", PATIENCE, before)
        assert heard[-1].packet["BOOTP"].yiaddr == address
        eventually(lambda: self.station.ipv4() == [address])

    def _hears(self, wanted: Callable[[list[Dhcp]], object], within: float, since: int = 0) -> list[Dhcp]:
        return self.cells.recorder.wait(self.station.mac, wanted, within, since)


def _acknowledged(state: str) -> Callable[[list[Dhcp]], bool]:
    """The last that was heard is the ACK to a REQUEST in this state."""

    def wanted(heard: list[Dhcp]) -> bool:
        return len(heard) > 1 and heard[-1].kind == "ACK" and heard[-2].kind == "REQUEST" and heard[-2].state == state

    return wanted


def _prefix_of(cells: Cells, station: Station) -> IPv6Network:
    """The /64 that is leased to it."""
    eventually(lambda: any(":" in key for key in cells.leases(station.mac)))
    (prefix,) = [ip_network(key) for key in cells.leases(station.mac) if ":" in key]
    assert isinstance(prefix, IPv6Network)
    assert prefix.prefixlen == 64
    assert prefix.subnet_of(PREFIXES)
    return prefix


def _slaac(station: Station, inside: Room, cells: Cells) -> None:
    """The kernel's own, with privacy addresses; and the tools of ndisc6."""
    station.join("ap1")
    prefix = _prefix_of(cells, station)
    eventually(lambda: len(station.ipv6()) == 2)
    before = station.ipv6()
    assert all(IPv6Address(each) in prefix for each in before)
    for ap in ("ap1", "ap2"):
        if ap == "ap2":
            station.join(ap)
        said = inside.run("rdisc6", "-1", "wlan0")
        assert f"Prefix                   : {prefix}" in said, said
        assert f"Source link-layer address: {MACS[ap].upper()}" in said, said
        assert f"Recursive DNS server     : {RESOLVER6}" in said, said
        assert re.search(r"Stateful address conf\.\s*: +No", said), said
        assert re.search(r"On-link\s*: +No", said), said
        assert re.search(r"Autonomous address conf\.: +Yes", said), said
        assert MACS[ap].upper() in inside.run("ndisc6", "-1", "fe80::1", "wlan0")
        assert station.ipv6() == before
        for each in before:
            eventually(
                lambda each=each: "1 received" in inside.run("ping", "-c1", "-W2", "-I", each, str(FAR6), check=False)
            )


@pytest.mark.spec("RFC 2131", "4.4")
@pytest.mark.conformance(
    "r2131_432_selecting_ok",
    "r2131_432_initreboot_ok",
    "r2131_432_renew_ok",
    "r2131_432_renew_anywhere",
    "r2131_432_rebind",
    "r2131_434_release",
    "r2131_431_previous",
    "r2131_431_time",
    "r3442_121",
)
@pytest.mark.parametrize("name", CLIENTS)
def test_client_joins_renews_rebinds_roams_and_comes_back(scene: Scene, name: str) -> None:
    scene.told(name)


@pytest.mark.spec("RFC 4862", "5.5")
@pytest.mark.conformance("r8273_4_flags", "r4861_627_consist", "r6059_dna")
def test_kernel_keeps_its_addresses_and_ndisc6_reads_what_we_advertise(scene: Scene) -> None:
    scene.told(NO_CLIENT)


@pytest.mark.conformance("r4861_42_src", "r2131_2_op", "r2131_41_end", "r8106_51")
def test_tshark_finds_nothing_wrong_in_what_we_have_sent(scene: Scene) -> None:
    """After all stories: DHCP, RA, ARP, NA and NS, each is there, and neither malformed nor of note to an expert."""
    for name in scene.stories:
        scene.told(name)
    scene.cells.recorder.close()
    sent = [
        frame for ap in APS for frame in read(scene.rooms[NO_CLIENT], scene.cells.directory / f"{ap}.pcap", MACS[ap])
    ]
    assert [frame for frame in sent if not frame.is_sound] == []
    assert {frame.kind for frame in sent} >= KINDS_SENT


def test_tshark_would_find_it(scene: Scene, tmp_path: Path) -> None:
    """An option that is cut off, and a checksum that is wrong."""
    station = "02:00:00:00:00:07"
    options = b"c\x82Sc" + bytes((53, 1, 5, 51, 4))
    cut = Ether(src=station) / IP(src="192.0.2.1") / UDP(sport=67, dport=68) / BOOTP(op=2, options=options)
    wrong = Ether(src=station) / IPv6(src="fe80::1", dst="fe80::2", hlim=255) / ICMPv6ND_RA(cksum=1)
    path = tmp_path / "wrong.pcap"
    capture = Capture(path)
    for frame in (cut, wrong):
        capture.add(bytes(frame))
    capture.close()
    assert [each.is_sound for each in read(scene.rooms[NO_CLIENT], path, station)] == [False, False]
