"""Packets that nobody should send: counted, dropped, and nothing else happens, least of all to others."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from scapy.layers.dhcp import BOOTP
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_RS, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from lab.netns import inside
from lab.station import Station
from lab.traffic import Traffic
from lab.walk import addresses
from sroamd.wire.flood import HANDSHAKE
from tests.e2e.air import (
    ALL_ROUTERS_MAC,
    BROADCAST,
    SERVER,
    Ear,
    dhcp,
    is_advertisement,
    is_reply,
    link_local,
    send,
    solicitation,
)
from tests.e2e.fleet import APS, INSIDER, SETTLED_WITHIN, Fleet, assert_reaches, eventually

AP = "ap1"
PORT = 4444
TIMES = 3  # each frame is sent
GARBAGE = 15  # of each kind; a station that sends much more is muted (c01)
CONNECT_S = 2.0


@pytest.mark.conformance("c07")
def test_malformed_frames_are_counted_and_dropped(fleet: Fleet) -> None:
    """Of an authorised station. It gets no answer, the agent lives on, and its neighbour on the air notices nothing."""
    attacker, bystander = fleet.station(INSIDER), fleet.joined(4, AP)
    attacker.roam(AP)
    attacker.wait_for_prefix(SETTLED_WITHIN)  # its kernel asks until it has one, and is answered
    with quiet(fleet, attacker, bystander):
        for name, frame, counter in malformed(attacker):
            before = fleet.counter(AP, counter)
            send(attacker, *[frame] * TIMES)
            eventually(lambda: assert_counted(fleet, counter, before + TIMES, name), SETTLED_WITHIN)  # noqa: B023


@pytest.mark.conformance("c07")
def test_garbage_is_counted_and_dropped(fleet: Fleet) -> None:
    """The same with frames of random octets behind good headers, at whatever speed the link has."""
    attacker, bystander = fleet.station(INSIDER), fleet.joined(4, AP)
    attacker.roam(AP)
    attacker.wait_for_prefix(SETTLED_WITHIN)  # its kernel asks until it has one, and is answered
    with quiet(fleet, attacker, bystander):
        before = fleet.counters(AP)
        rng = random.Random(4)
        for _ in range(GARBAGE):
            send(attacker, to_server(attacker, rng.randbytes(rng.randrange(0, 1400))))
            send(attacker, icmpv6(attacker, Raw(bytes((133, 0, 0, 0)) + rng.randbytes(rng.randrange(4, 1400)))))

        def all_dropped() -> None:
            after = fleet.counters(AP)
            for counter in ("dhcp4.malformed", "icmpv6.malformed"):
                dropped = after.get(counter, 0) - before.get(counter, 0)
                assert dropped == GARBAGE, f"{counter}: {dropped} of {GARBAGE}"

        eventually(all_dropped, SETTLED_WITHIN)


def assert_counted(fleet: Fleet, counter: str, wanted: int, name: str) -> None:
    found = fleet.counter(AP, counter)
    assert found == wanted, f"{name}: {counter} is {found}, not {wanted}"


@contextmanager
def quiet(fleet: Fleet, attacker: Station, bystander: Station) -> Iterator[None]:
    """What happens meanwhile is answered by nobody, changes nothing that is known, and costs others nothing."""
    pid, before = fleet.pid(AP), fleet.database(AP)
    lease = addresses(bystander)
    with Traffic(bystander) as traffic, Ear(attacker) as ear:
        yield
        renewed = bystander.dhcp_client.renew(timeout=2.0)
        report = traffic.report()
        answers = ear.heard(lambda frame: is_reply(frame) or is_advertisement(frame))
    assert not answers, [each.frame.summary() for each in answers]
    assert fleet.pid(AP) == pid
    assert (str(renewed.address.ip), addresses(bystander)) == (lease[0], lease)
    assert report.lost == 0, report.flows
    assert_same_but_for(bystander, before, fleet.database(AP))


def assert_same_but_for(
    station: Station, before: list[tuple[str, str, str, int]], after: list[tuple[str, str, str, int]]
) -> None:
    """No record but this station's own lease, which it has renewed, differs."""
    changed = {record[:3] for record in set(before) ^ set(after)}
    lease = str(station.dhcp_client.lease() and station.dhcp_client.lease().address.ip)  # type: ignore[union-attr]
    assert changed <= {("ipv4", lease, station.mac)}, changed


def to_server(station: Station, payload: bytes, length: int | None = None) -> Packet:
    """Any octets, in a datagram to the DHCP server's port, with all checksums and lengths right unless one is given."""
    header = Ether(src=station.mac, dst=BROADCAST) / IP(src="0.0.0.0", dst="255.255.255.255")
    return header / UDP(sport=68, dport=67, len=length) / Raw(payload)


def icmpv6(station: Station, message: Packet, hop_limit: int = 255) -> Packet:
    """From the station's link-local address to all routers. scapy fills in the checksum of what it knows."""
    packet = IPv6(src=link_local(station.mac), dst="ff02::2", hlim=hop_limit, nh=58) / message
    return Ether(src=station.mac, dst=ALL_ROUTERS_MAC) / packet


def malformed(station: Station) -> Iterator[tuple[str, Packet | bytes, str]]:
    """What is wrong, the frame, and the counter in which it ends up."""
    good = bytes(dhcp(station, "discover")[BOOTP])
    fixed = good[:240]
    yield "no message at all", to_server(station, b""), "dhcp4.malformed"
    yield "cut off in its fixed part", to_server(station, good[:100]), "dhcp4.malformed"
    yield (
        "another magic cookie",
        to_server(station, good[:236] + b"\x01\x02\x03\x04\x35\x01\x01\xff"),
        "dhcp4.malformed",
    )
    yield "an option beyond the end", to_server(station, fixed + b"\x35\x01\x01\x32\xff\x01"), "dhcp4.malformed"
    yield "no message type", to_server(station, fixed + b"\x0c\x03abc\xff"), "dhcp4.malformed"
    yield "a message type of no octets", to_server(station, fixed + b"\x35\x00\xff"), "dhcp4.malformed"
    yield "hardware addresses of 16 octets", to_server(station, good[:2] + b"\x10" + good[3:]), "dhcp4.malformed"
    yield "a wrong UDP checksum", with_wrong_checksum(bytes(dhcp(station, "discover"))), "dhcp4.malformed"
    yield "longer than its packet", to_server(station, good, length=2000), "dhcp4.malformed"
    yield "a reply", to_server(station, b"\x02" + good[1:]), "dhcp4.reply_from_station"
    yield "by way of a relay", dhcp(station, "discover", giaddr="198.51.100.9"), "dhcp4.relayed"
    solicited = ICMPv6ND_RS()
    for name, option in (
        ("an option of length 0", b"\x01\x00\x02\x00\x00\x00\x00\x01"),
        ("an option beyond the end", b"\x01\x04\x02\x00\x00\x00\x00\x01"),
        ("half an option", b"\x01"),
    ):
        yield f"RS: {name}", icmpv6(station, solicited / Raw(option)), "icmpv6.malformed"
        advertised = ICMPv6ND_NA(tgt=link_local(station.mac)) / Raw(option)
        yield f"NA: {name}", icmpv6(station, advertised), "icmpv6.malformed"
    yield "RS: from off the link", icmpv6(station, solicited, hop_limit=254), "icmpv6.malformed"
    yield "RS: a wrong checksum", icmpv6(station, ICMPv6ND_RS(cksum=0x1234)), "icmpv6.malformed"
    arp = bytes.fromhex(f"{BROADCAST}{station.mac}0806".replace(":", ""))
    yield "ARP: cut off", arp + bytes.fromhex("0001080006040002") + b"\x00" * 4, "arp.malformed"


def with_wrong_checksum(frame: bytes) -> bytes:
    """UDP's is at 40 and 41, behind Ethernet, IPv4 and three fields of its own."""
    return frame[:40] + bytes((frame[40] ^ 0xFF,)) + frame[41:]


@pytest.mark.conformance("c03", "c04", "c05")
def test_nobody_acts_in_the_name_of_a_station_elsewhere(fleet: Fleet) -> None:
    """Its MAC as chaddr or link-layer option, or even as Ethernet source: lease, route and records stay as they are."""
    attacker, victim = fleet.station(INSIDER), fleet.joined(5, "ap2")
    attacker.roam(AP)
    ipv4, prefix = addresses(victim)
    assert ipv4
    before = records_of(fleet, victim)
    own = (("requested_addr", ipv4), ("server_id", SERVER))
    expected = {"dhcp4.chaddr_mismatch": 4, "dhcp4.unauthorised": 4, "icmpv6.source_mismatch": 1, "ra.unauthorised": 1}
    counters = fleet.counters(AP)
    with Traffic(victim) as traffic, Ear(attacker) as ear:
        for source in (attacker.mac, victim.mac):
            forged = {"source": source, "chaddr": victim.mac}
            send(
                attacker,
                dhcp(attacker, "discover", **forged),
                dhcp(attacker, "request", **forged, options=own),
                dhcp(attacker, "decline", **forged, options=own),
                dhcp(attacker, "release", **forged, ciaddr=ipv4, source_ip=ipv4, options=own[1:]),
                solicitation(attacker, source=source, link_layer=victim.mac),
            )

        def assert_all_counted() -> None:
            now = fleet.counters(AP)
            assert {name: now.get(name, 0) - counters.get(name, 0) for name in expected} == expected

        eventually(assert_all_counted, SETTLED_WITHIN)
        report = traffic.report()
        assert not ear.heard(lambda frame: is_reply(frame) or is_advertisement(frame))
    assert report.lost == 0, report.flows
    assert records_of(fleet, victim) == before
    fleet.assert_at(victim, "ap2")
    assert addresses(victim) == (ipv4, prefix)


def records_of(fleet: Fleet, station: Station) -> list[tuple[str, str, str, int]]:
    """Where it is and what it has, with the number of each version, alike on all access points."""
    fleet.assert_agreement()
    return [record for record in fleet.database(AP) if station.mac in record[1:3]]


def test_garbage_on_the_flooding_port_changes_nothing(fleet: Fleet) -> None:
    """From an address that may connect: the router's on the backbone."""
    rng = random.Random(4)
    pid, before = fleet.pid(AP), fleet.database(AP)
    address = str(fleet.lab.topology.node(AP).router_ipv4)
    refused = fleet.counter(AP, "peer.bad_handshake")
    for payload in (b"GET / HTTP/1.0\r\n\r\n", rng.randbytes(1000), b"\x16\x03\x01" + rng.randbytes(200)):
        assert closed_after(fleet, address, payload)
    assert fleet.counter(AP, "peer.bad_handshake") == refused + 3
    counters = fleet.counters(AP)
    assert closed_after(fleet, address, HANDSHAKE + b"".join(BROKEN_TLVS), hang_up=True)
    for counter, tlvs in (("peer.malformed", 5), ("peer.ignored", 2)):
        assert fleet.counter(AP, counter) - counters.get(counter, 0) == tlvs
    assert fleet.pid(AP) == pid
    eventually(fleet.assert_well, SETTLED_WITHIN)
    assert fleet.database(AP) == before


# Update (2): of no octets, cut off, with a key beyond its end, with no key. Hello (128) of four octets. The last one's
# body never comes. Types 77 and 201 do not exist yet.
BROKEN_TLVS = (
    bytes.fromhex("0200"),
    bytes.fromhex("0203 000100"),
    bytes.fromhex("0208 0001 00000e10 20 04"),
    bytes.fromhex("0207 0001 00000e10 00"),
    bytes.fromhex("8004 01000000"),
    bytes.fromhex("4d05 6869 6869 68"),
    bytes.fromhex("c900"),
    bytes.fromhex("02ff 0001"),
)


def closed_after(fleet: Fleet, address: str, payload: bytes, *, hang_up: bool = False) -> bool:
    """Send octets to the port from the router, hang up if told so, and read until the agent has closed too."""
    with inside(
        f"{fleet.lab.topology.prefix}-gw", lambda: socket.create_connection((address, PORT), CONNECT_S)
    ) as connection:
        connection.sendall(payload)
        if hang_up:
            connection.shutdown(socket.SHUT_WR)
        connection.settimeout(CONNECT_S)
        try:
            while connection.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True


def test_station_cannot_reach_the_flooding_port(fleet: Fleet) -> None:
    """Of its own access point or another: the packet filter drops it, and without the filter the agent refuses it."""
    station = fleet.joined(6, AP)
    targets = ["192.0.2.1"]
    for ap in ("ap1", "ap2"):
        node = fleet.lab.topology.node(ap)
        targets += [str(node.router_ipv4), str(node.router_ipv6)]
    assert_reaches(station, *targets)
    for target in targets:
        assert connection_from(station, target) == "no answer", target
    refused = {ap: refusals(fleet, ap) for ap in APS}
    for ap in ("ap1", "ap2"):
        fleet.run(ap, "systemctl", "stop", "sroamd-firewall")
    try:
        for target in targets:
            assert connection_from(station, target) == "closed", target
    finally:
        for ap in ("ap1", "ap2"):
            fleet.run(ap, "systemctl", "start", "sroamd-firewall")
    assert {ap: refusals(fleet, ap) - refused[ap] for ap in APS} == {"ap1": 3, "ap2": 2, "ap3": 0}
    assert connection_from(station, targets[0]) == "no answer"


def refusals(fleet: Fleet, ap: str) -> int:
    counters = fleet.counters(ap)
    return counters.get("peer.refused.station_interface", 0) + counters.get("peer.refused.station_address", 0)


def connection_from(station: Station, target: str) -> str:
    """What becomes of a connection to the flooding port: no answer, closed without an octet, or what came."""
    try:
        opened = inside(station.namespace, lambda: socket.create_connection((target, PORT), 0.5))
    except TimeoutError:
        return "no answer"
    with opened:
        opened.settimeout(CONNECT_S)
        try:
            return repr(data) if (data := opened.recv(100)) else "closed"
        except ConnectionResetError:
            return "closed"
