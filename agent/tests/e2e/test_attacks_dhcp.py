"""DHCP as an attack, by stations that are authorised: nothing is given away, and their neighbour feels nothing."""

from __future__ import annotations

import contextlib
import random
import socket
import time
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from scapy.layers.dhcp import BOOTP
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

from sroamd import cli
from sroamd.constants import MUTE_TIME
from sroamd.wire.datum import ipv4_lease_key
from tests.e2e.air import (
    BROADCAST,
    SERVER,
    Ear,
    Heard,
    answer,
    dhcp,
    is_reply,
    link_local,
    options_of,
    send,
    solicitation,
)
from tests.e2e.cell import AP_MAC, BYSTANDER_MAC, Cell, Device, flood, measured_again, resting
from tests.e2e.fleet import eventually
from tests.e2e.test_hostile import with_wrong_checksum

STARVATION = 50_000
UNKNOWN_SOURCES = 2_000
CROWD_FRAMES = 300
AIR = 5_000.0  # frames of a crowd that an access point hears in a second; one station has no such bound here
MANY = 5.0  # s
CHADDR_AT = 14 + 20 + 8 + 28
THIRD_PARTY = "198.51.100.9"
OFFER, ACK = 2, 5
PACKET_MIN = 576  # RFC 2131 section 2: what every client takes
MTU = 1500
CPU_MAX = 0.002  # s for one packet


def discovers(device: Device, count: int, seed: int, *, forged_source: bool = False) -> list[bytes]:
    """Of so many clients that do not exist, from the device's own MAC or from theirs."""
    frame, rng = bytearray(bytes(dhcp(device, "discover"))), random.Random(seed)
    frame[40:42] = bytes(2)  # no checksum
    found = []
    for _ in range(count):
        client = b"\x02\x77" + rng.randbytes(4)
        frame[CHADDR_AT : CHADDR_AT + 6] = client
        if forged_source:
            frame[6:12] = client
        found.append(bytes(frame))
    return found


def counted_by(cell: Cell, before: dict[str, int], *names: str) -> dict[str, int]:
    now = cell.counters()
    return {name: now.get(name, 0) - before.get(name, 0) for name in names}


def bound(device: Device, ear: Ear, xid: int) -> str:
    """The address that it gets by DISCOVER and REQUEST."""
    offer = answer(device, ear, dhcp(device, "discover", xid=xid))
    address: str = offer[BOOTP].yiaddr
    selecting = (("requested_addr", address), ("server_id", SERVER))
    ack = answer(device, ear, dhcp(device, "request", xid=xid + 1, options=selecting))
    assert options_of(ack)["message-type"] == ACK
    return address


@pytest.mark.conformance("c01")
@measured_again
def test_c01_50000_clients_that_do_not_exist_get_nothing(cell: Cell) -> None:
    """chaddr is not the Ethernet source. Whoever sends so much is soon not heard at all, and others are."""
    before, counters = cell.records(), cell.counters()
    with cell.undisturbed("C01, 50,000 DISCOVERs of invented clients"), Ear(cell.attacker) as ear:
        flood(cell.attacker, discovers(cell.attacker, STARVATION, 1))
        resting(lambda: cell.counted("frame.flooded"))
        assert not ear.heard(is_reply)
    counted = counted_by(cell, counters, "dhcp4.chaddr_mismatch", "frame.muted")
    assert counted["dhcp4.chaddr_mismatch"] > 0
    assert counted["frame.muted"] > 0
    assert cell.records() <= before
    assert f"station {cell.attacker.mac} sends too many frames" in cell.log()


@pytest.mark.conformance("c01")
@measured_again
def test_c01_30_stations_flood_at_once(cell: Cell) -> None:
    """Until the last of them is muted, each waits for itself."""
    counters = cell.counters()
    floods = [discovers(device, CROWD_FRAMES, 3) for device in cell.crowd]
    with cell.undisturbed(f"C01, {len(floods)} stations flood at once"):
        flood(cell.attacker, [frame for together in zip(*floods, strict=True) for frame in together], AIR)
        resting(lambda: cell.counted("frame.flooded"))
    assert counted_by(cell, counters, "frame.muted")["frame.muted"] >= len(floods)


@pytest.mark.conformance("c01")
@measured_again
def test_c01_who_is_not_associated_gets_nothing(cell: Cell) -> None:
    """Which hostapd's wired driver lets through; on the air such frames do not get as far."""
    before, counters = cell.records(), cell.counters()
    with cell.undisturbed("C01, 2,000 DISCOVERs from nobody"), Ear(cell.attacker) as ear:
        flood(cell.attacker, discovers(cell.attacker, UNKNOWN_SOURCES, 2, forged_source=True), rate=AIR / 2)
        eventually(lambda: assert_counted(cell, counters, "dhcp4.unauthorised", UNKNOWN_SOURCES), MANY)
        assert not ear.heard(is_reply)
    assert cell.records() <= before


def assert_counted(cell: Cell, before: dict[str, int], name: str, wanted: int) -> None:
    assert counted_by(cell, before, name) == {name: wanted}


@pytest.mark.conformance("c02")
@measured_again
def test_c02_offers_that_nobody_takes_are_neither_leases_nor_routes(cell: Cell) -> None:
    """Of stations that are really associated."""
    with cell.undisturbed("C02, 30 associated stations that only discover"), Ear(cell.attacker) as ear:
        for _ in range(3):
            send(cell.attacker, *(dhcp(device, "discover", xid=0xC02) for device in cell.crowd))
        eventually(lambda: assert_offered(ear, cell.crowd), MANY)
        addresses = {each.frame[BOOTP].yiaddr for each in ear.heard(is_reply)}
    assert len(addresses) == len(cell.crowd), "one for each, however often it asks"
    assert addresses.isdisjoint(cell.routes())
    on_disk = b"".join(path.read_bytes() for path in Path(cell.directory, "state").iterdir())
    assert ipv4_lease_key(IPv4Address(cell.bystanders_address)) in on_disk
    assert not [address for address in addresses if ipv4_lease_key(IPv4Address(address)) in on_disk]


def assert_offered(ear: Ear, stations: list[Device]) -> None:
    offered = {each.frame.dst for each in ear.heard(is_reply) if options_of(each.frame)["message-type"] == OFFER}
    assert offered == {device.mac for device in stations}


@pytest.mark.conformance("c03", "c05")
@measured_again
def test_c05_nobody_gives_up_or_takes_the_address_of_a_neighbour(cell: Cell) -> None:
    """By a forged chaddr, or from its own MAC in the neighbour's address; also unicast, as a client releases."""
    address, counters = cell.bystanders_address, cell.counters()
    options = (("requested_addr", address), ("server_id", SERVER))
    release = {"ciaddr": address, "source_ip": address, "options": options[1:]}
    with cell.undisturbed("C03, C05, messages in the bystander's name"), Ear(cell.attacker) as ear:
        for chaddr in (BYSTANDER_MAC, cell.attacker.mac):
            send(
                cell.attacker,
                dhcp(cell.attacker, "release", chaddr=chaddr, **release),
                unicast(dhcp(cell.attacker, "release", chaddr=chaddr, **release)),
                unicast(dhcp(cell.attacker, "release", chaddr=chaddr, **{**release, "source_ip": "192.0.2.99"})),
                dhcp(cell.attacker, "decline", chaddr=chaddr, options=options),
                dhcp(cell.attacker, "request", chaddr=chaddr, options=options),
                dhcp(cell.attacker, "request", chaddr=chaddr, ciaddr=address, source_ip=address),
            )
        wanted = {"dhcp4.chaddr_mismatch": 6, "dhcp4.release-ignored": 3, "dhcp4.decline-ignored": 1, "dhcp4.nak": 2}
        eventually(lambda: assert_all_counted(cell, counters, wanted), MANY)
        assert [options_of(each.frame)["message-type"] for each in ear.heard(is_reply)] == [NAK, NAK]
    assert f"NAK {cell.attacker.mac}: {address} belongs to {BYSTANDER_MAC}" in cell.log()


def unicast(frame: Packet) -> Packet:
    """To the server itself."""
    frame[Ether].dst, frame[IP].dst = AP_MAC, SERVER
    return frame


def assert_all_counted(cell: Cell, before: dict[str, int], wanted: dict[str, int]) -> None:
    assert counted_by(cell, before, *wanted) == wanted


@pytest.mark.conformance("c06")
@measured_again
def test_c06_who_declines_all_he_is_offered_takes_three_addresses_at_most(cell: Cell) -> None:
    """And none at all that was not his."""
    counters, free = cell.counters(), "192.0.2.250"
    with cell.undisturbed("C06, a storm of declines"), Ear(cell.attacker) as ear:
        for number in range(6):
            address = bound(cell.attacker, ear, xid=0xC0600 + 2 * number)
            for declined in (address, free, cell.bystanders_address):
                options = (("requested_addr", declined), ("server_id", SERVER))
                send(cell.attacker, dhcp(cell.attacker, "decline", options=options))
        eventually(lambda: assert_all_counted(cell, counters, {"dhcp4.decline": 18, "dhcp4.decline-ignored": 12}), MANY)
        other = bound(cell.accomplice, ear, xid=0xC06FF)
    quarantined = {key for kind, key, value in cell.records() if kind == "ipv4" and value == "declined"}
    assert 1 <= len(quarantined) <= 3
    assert quarantined.isdisjoint({other, free, cell.bystanders_address})


@pytest.mark.conformance("c07")
@measured_again
def test_c07_10000_mutations_of_what_stations_send_change_nothing(cell: Cell) -> None:
    """Each from a MAC of its own, so that each of them is looked at. Parsers alone: wire/test_robustness.py."""
    rng, before, memory = random.Random(7), cell.records(), cell.memory()
    frames = [mutated(rng, rng.choice(SPECIMENS)) for _ in range(10_000)]
    with cell.undisturbed("C07, 10,000 mutated frames"), Ear(cell.attacker) as ear:
        flood(cell.attacker, frames, rate=AIR / 2)
        resting(lambda: sum(value for name, value in cell.counters().items() if name.endswith(".malformed")))
        assert not ear.heard(is_reply)
    assert cell.memory() - memory <= GROWTH_MAX
    assert cell.records() <= before


def mutated(rng: random.Random, frame: bytes) -> bytes:
    """Some octets set, cut out or repeated; from a station that nobody knows, which DHCP names too."""
    octets = bytearray(frame)
    for _ in range(rng.randrange(1, 6)):
        at, kind = rng.randrange(14, max(15, len(octets))), rng.randrange(3)
        if kind == 0:
            octets[at : at + 1] = rng.randbytes(1)
        elif kind == 1:
            del octets[at : at + rng.randrange(1, 16)]
        else:
            octets[at:at] = octets[at : at + rng.randrange(1, 64)]
    source = b"\x02\x77" + rng.randbytes(4)
    if rng.randrange(2) and len(octets) > CHADDR_AT + 6:
        octets[CHADDR_AT : CHADDR_AT + 6] = source
    octets[6:12] = source
    return bytes(octets[:MTU]).ljust(60, b"\0")


@pytest.mark.conformance("c08")
@measured_again
def test_c08_option_bombs_cost_little_and_answers_fit(cell: Cell) -> None:
    device = cell.attacker
    with cell.undisturbed("C08, option bombs"), Ear(device) as ear:
        address = bound(device, ear, xid=0xC0800)
        frames = [
            bytes(with_options(dhcp(device, "discover", xid=0xC0810 + number), options))
            for number, (options, _) in enumerate(BOMBS * REPEATED)
        ]
        answered = sum(1 for _, most in BOMBS if most) * REPEATED
        cpu = cell.cpu()
        send(device, *frames)
        replies = eventually(lambda: assert_answered(ear, 0xC0810, answered), MANY)
        spent = (cell.cpu() - cpu) / len(frames)
        sizes: dict[int, int] = {}
        for each in replies:
            assert each.frame[BOOTP].yiaddr == address
            bomb = (each.frame[BOOTP].xid - 0xC0810) % len(BOMBS)
            sizes[bomb] = max(sizes.get(bomb, 0), each.frame[IP].len)
    for number, (_, most) in enumerate(BOMBS):
        assert sizes.get(number, 0) <= most, f"bomb {number}"
    assert {number for number, (_, most) in enumerate(BOMBS) if most} == sizes.keys(), "what is right is answered"
    assert spent <= CPU_MAX


def assert_answered(ear: Ear, first: int, wanted: int) -> list[Heard]:
    """So many replies to messages of this xid and those behind it."""
    replies = ear.heard(lambda frame: is_reply(frame) and first <= frame[BOOTP].xid < first + 0x100)
    assert len(replies) == wanted
    return replies


def with_options(frame: Packet, options: bytes) -> Packet:
    """These octets in place of the options behind the message type."""
    head = Ether(src=frame.src, dst=frame.dst) / IP(src=frame[IP].src, dst=frame[IP].dst) / UDP(sport=68, dport=67)
    return head / Raw(bytes(frame[BOOTP])[:243] + options + b"\xff")


@pytest.mark.conformance("c09")
@measured_again
def test_c09_nothing_is_sent_to_a_third_party(cell: Cell) -> None:
    """Named as relay, as client, or by the port from which the request comes; odd hardware types."""
    device, counters = cell.attacker, cell.counters()
    third = Device(cell.spaces["corr"].name, AP_MAC, cell.attacker.wire)
    other_port = dhcp(device, "discover", xid=0xC0904)
    other_port[UDP].sport = 53
    with cell.undisturbed("C09, reflection"), Ear(device) as ear, Ear(third, "bb0") as elsewhere:
        send(
            device,
            dhcp(device, "discover", xid=0xC0901, giaddr=THIRD_PARTY),
            dhcp(device, "inform", xid=0xC0902, ciaddr=THIRD_PARTY),
            dhcp(device, "inform", xid=0xC0903, ciaddr=THIRD_PARTY, source_ip=THIRD_PARTY),
            other_port,
            *(changed(dhcp(device, "discover", xid=0xC0905), at, 7) for at in (1, 2)),  # htype, hlen
        )
        wanted = {"dhcp4.relayed": 1, "dhcp4.inform": 2, "dhcp4.malformed": 2, "dhcp4.discover": 1}
        eventually(lambda: assert_at_least(cell, counters, wanted), MANY)
        eventually(lambda: assert_heard(ear, {0xC0902, 0xC0903, 0xC0904}), MANY)
        replies = ear.heard(lambda frame: is_reply(frame) and frame[BOOTP].xid >> 8 == 0xC09)
        assert not elsewhere.heard(lambda frame: UDP in frame)
    assert {each.frame.dst for each in replies} == {device.mac}
    assert {each.frame[UDP].dport for each in replies} == {68}
    assert {each.frame[BOOTP].xid for each in replies} == {0xC0902, 0xC0903, 0xC0904}


def changed(frame: Packet, at: int, value: int) -> bytes:
    """One octet of the message, and no checksum."""
    octets = bytearray(bytes(frame))
    octets[42 + at] = value
    octets[40:42] = bytes(2)
    return bytes(octets)


def assert_at_least(cell: Cell, before: dict[str, int], wanted: dict[str, int]) -> None:
    found = counted_by(cell, before, *wanted)
    assert all(found[name] >= count for name, count in wanted.items()), found


def assert_heard(ear: Ear, xids: set[int]) -> None:
    assert xids <= {each.frame[BOOTP].xid for each in ear.heard(is_reply)}


@pytest.mark.conformance("c10")
@measured_again
def test_c10_host_names_write_to_no_terminal(cell: Cell) -> None:
    """Neither the log nor any page of sroamctl has a control character, a line or a direction of the station's."""
    device, before = cell.accomplice, len(cell.log())
    with cell.undisturbed("C10, hostile host names"), Ear(device) as ear:
        for number, name in enumerate(HOSTILE_NAMES):
            discover = dhcp(device, "discover", xid=0xC1000 + 2 * number)
            address = heard_answer(device, ear, discover, named(name))[BOOTP].yiaddr
            taken = bytes((50, 4, *IPv4Address(address).packed, 54, 4, *IPv4Address(SERVER).packed))
            request = dhcp(device, "request", xid=0xC1001 + 2 * number)
            ack = heard_answer(device, ear, request, taken + named(name))
            assert options_of(ack)["message-type"] == ACK
        pages = [cell.sroamctl(*options, topic) for topic in PAGES for options in ((), ("--json",))]
        pages.append(cell.sroamctl("where", device.mac))
    for text in (cell.log()[before:], *pages):
        for line in text.split("\n"):
            assert line.isprintable(), repr(line)
            assert not line.startswith("fake log"), line


HOSTILE_NAMES = (
    b"<script>alert(1)</script>",
    b"\x1b]0;owned\x07\x1b[2J",
    b"phone\r\nfake log line",
    b'"} label{x="',
    b"nul\0nul",
    "\u202egnp.exe".encode(),
    b"\xc2\x9b31m\x9b",
    b"x" * 255,
    "b\u00fccher".encode("idna"),
)
PAGES = [command for command in cli._COMMANDS if command not in ("where", "check")]


def named(name: bytes) -> bytes:
    """Options 12 and 81."""
    qualified = b"\0\0\0" + name[:252]
    return bytes((12, len(name))) + name + bytes((81, len(qualified))) + qualified


def heard_answer(device: Device, ear: Ear, request: Packet, options: bytes) -> Packet:
    send(device, with_options(request, options))
    eventually(lambda: assert_heard(ear, {request[BOOTP].xid}), MANY)
    return ear.heard(lambda frame: is_reply(frame) and frame[BOOTP].xid == request[BOOTP].xid)[-1].frame


@pytest.mark.conformance("c23")
@pytest.mark.parametrize("mac", [BROADCAST, "00:00:00:00:00:00", "01:00:5e:00:00:01", AP_MAC])
@measured_again
def test_c23_addresses_that_no_station_can_have_get_nothing(cell: Cell, mac: str) -> None:
    """As chaddr, and as Ethernet source too, which an access point would not let through."""
    before, counters = cell.records(), cell.counters()
    with cell.undisturbed(f"C23, {mac}"), Ear(cell.attacker) as ear:
        send(cell.attacker, dhcp(cell.attacker, "discover", chaddr=mac))
        with contextlib.suppress(OSError):
            send(cell.attacker, dhcp(cell.attacker, "discover", source=mac, chaddr=mac))
        eventually(lambda: assert_at_least(cell, counters, {"dhcp4.chaddr_mismatch": 1}), MANY)
        assert not ear.heard(is_reply)
    assert cell.records() <= before


@pytest.mark.conformance("c24")
@measured_again
def test_c24_frames_of_odd_shapes_leave_no_state(cell: Cell) -> None:
    """Longer than we take, in fragments, tagged, with a wrong checksum."""
    newcomer, counters = cell.newcomer, cell.counters()
    long = dhcp(newcomer, "discover") / Raw(bytes(3000))
    in_fragments = dhcp(newcomer, "discover", options=(("param_req_list", [1] * 200),))
    tagged = dhcp(newcomer, "discover")
    with cell.undisturbed("C24, long, fragmented, tagged and broken frames"), Ear(newcomer) as ear:
        send(newcomer, long, *fragment(in_fragments, fragsize=200))
        for vlan in (0, 5):
            send(newcomer, Ether(src=newcomer.mac, dst=BROADCAST) / Dot1Q(vlan=vlan) / tagged[IP].copy())
        send(newcomer, with_wrong_checksum(bytes(dhcp(newcomer, "discover"))))
        wanted = {"frame.too_long": 1, "dhcp4.malformed": 1}
        eventually(lambda: assert_at_least(cell, counters, wanted), MANY)
        assert not ear.heard(lambda frame: is_reply(frame) and frame.dst == newcomer.mac)
    assert not [record for record in cell.records() if record[0] == "ipv4" and record[2] == newcomer.mac]


@pytest.mark.conformance("c24")
@measured_again
def test_c24_no_checksum_is_no_fault(cell: Cell) -> None:
    """RFC 768: zero means that there is none."""
    with cell.undisturbed("C24, a UDP checksum of zero"), Ear(cell.accomplice) as ear:
        send(cell.accomplice, changed(dhcp(cell.accomplice, "discover", xid=0xC24), 0, 1))
        eventually(lambda: assert_heard(ear, {0xC24}), MANY)


@pytest.mark.conformance("c25")
@measured_again
def test_c25_1000_copies_of_a_request_make_one_lease(cell: Cell) -> None:
    device = cell.attacker
    with cell.undisturbed("C25, 1,000 copies of DISCOVER and REQUEST each"), Ear(device) as ear:
        address = bound(device, ear, xid=0xC2500)
        options = (("requested_addr", address), ("server_id", SERVER))
        for kind, xid, wanted in (("discover", 0xC2502, ()), ("request", 0xC2503, options)):
            start = time.monotonic()
            flood(device, [bytes(dhcp(device, kind, xid=xid, options=wanted))] * 1000)
            eventually(lambda xid=xid: assert_heard(ear, {xid}), MANY)  # type: ignore[misc]
            resting(lambda: len(ear.heard(is_reply)))
            answers = {bytes(each.frame) for each in ear.heard(is_reply) if each.frame[BOOTP].xid == xid}
            seconds = time.monotonic() - start
            assert len(answers) <= 2 + seconds, "but for what is left of the lease they are the same"
            assert {Ether(each)[BOOTP].yiaddr for each in answers} == {address}
            time.sleep(MUTE_TIME)
    held = {record for record in cell.records() if record[0] == "ipv4" and record[2] == device.mac}
    assert held == {("ipv4", address, device.mac)}


# -- what is sent, and how much is allowed

NAK = 6
REPEATED = 3
GROWTH_MAX = 5 << 20
# Options behind the message type, and the longest answer: none where they make the message malformed.
BOMBS: tuple[tuple[bytes, int], ...] = (
    (b"\x37\xff" + bytes(range(1, 256)) + (b"\x37\xff" + b"\x01" * 255) * 3, PACKET_MIN),
    (b"\x3d\x02ab" * 300, 0),
    (b"\x34\x01\x03", 0),  # file and sname hold options, and have no end
    (b"\x0c\xff" + b"x" * 255, PACKET_MIN),
    (b"\x52\x04\x01\x02ab", PACKET_MIN),
    (b"\x39\x02\0\0", PACKET_MIN),
    (b"\x39\x02\0\x01", PACKET_MIN),
    (b"\x39\x02\xff\xff", MTU),
)
_STATION = Device("", "02:77:00:00:00:01", socket.socket(socket.AF_UNIX))
SPECIMENS = [
    bytes(frame)
    for frame in (
        dhcp(_STATION, "discover", options=(("hostname", b"phone"), ("param_req_list", [1, 3, 6]))),
        dhcp(_STATION, "request", options=(("requested_addr", "192.0.2.9"), ("server_id", SERVER))),
        solicitation(_STATION),
        Ether(src=_STATION.mac, dst=AP_MAC)
        / IPv6(src=link_local(_STATION.mac), dst="fe80::1", hlim=255)
        / ICMPv6ND_NA(tgt=link_local(_STATION.mac), S=1, R=0)
        / ICMPv6NDOptDstLLAddr(lladdr=_STATION.mac),
        Ether(src=_STATION.mac, dst=AP_MAC) / ARP(op=2, hwsrc=_STATION.mac, psrc="192.0.2.9", pdst="192.0.2.1"),
    )
]
