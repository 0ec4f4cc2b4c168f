"""The source guard in the real kernel: a hostile station does what it can, while a bystander on the same radio goes on.

The rows C11 to C16, C21 and C24 are those of the list of threats from a client's radio.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from random import Random

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from sroamd.constants import GUARD_DISCOVERY, GUARD_SCAN
from tests.e2e.attacks import ATTACKS, DECENT, Attack, to_ap
from tests.e2e.guarded import (
    BOB_MAC,
    GATEWAY,
    GATEWAY6,
    MALLORY_MAC,
    SERVER,
    SERVER6,
    Bystander,
    Guest,
    Site,
    site,
)
from tests.e2e.test_io_daemon import PATIENCE, run
from tests.e2e.wires import Wire
from tests.io.events import until
from tests.io.fake_hostapd import FakeHostapd

SCANNED = 1 << 16  # addresses
SPOOFED = b"spoofed"
EXCHANGE_WITHIN = 0.1  # s: the bystander's worst DHCP exchange
COUNTED_WITHIN = 1.0  # s
Story = Callable[[FakeHostapd], Awaitable[None]]


@pytest.fixture
def radio(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        yield made


async def both_join(radio: Site, hostapd: FakeHostapd) -> None:
    await radio.access_point.ready()
    await guard_is_up(radio)
    for guest in (radio.mallory, radio.bob):
        hostapd.connect(guest.mac)
        await until(lambda mac=guest.mac: is_permitted(radio, mac), PATIENCE)
        await radio.admit(guest)


def is_permitted(radio: Site, mac: str) -> bool:
    return mac in radio.ap.run("nft list set inet sroamd-guard stations")


async def guard_is_up(radio: Site) -> None:
    await until(lambda: "table inet sroamd-guard" in radio.ap.run("nft list tables"), PATIENCE)


def assert_undisturbed(bystander: Bystander) -> None:
    assert bystander.end() == 0
    assert bystander.sent > 10
    assert bystander.unanswered == 0
    assert len(bystander.exchanges) > 5
    assert max(bystander.exchanges) <= EXCHANGE_WITHIN, sorted(bystander.exchanges)[-5:]


def carried_out(radio: Site, attack: Attack) -> tuple[dict[str, int], dict[str, int]]:
    """The guard's counters that the attack has moved, and those that it should have.

    On a busy machine the kernel lets frames wait on their way from one end of a cable to the other.
    """
    before = radio.drops()
    frames = attack.build(radio)
    assert frames, attack
    expected = {attack.reason: len(frames)} if attack.reason else {}
    radio.wire(radio.mallory.ns, "sta0").send(*frames)
    end = time.monotonic() + COUNTED_WITHIN
    while (moved := risen(before, radio.drops())) != expected and time.monotonic() < end:
        time.sleep(0.01)
    return moved, expected


def risen(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}


@pytest.mark.conformance("r7113", "r6980_5_frag", "c11", "c12", "c13", "c14", "c16", "c24")
def test_no_attack_passes_and_each_is_counted_while_the_bystander_goes_on(radio: Site) -> None:
    """C11, C12, C13, C14, C16, C24."""

    async def story(hostapd: FakeHostapd) -> None:
        with radio.access_point.daemon() as process:
            await both_join(radio, hostapd)
            bystander = Bystander(radio, process.pid)
            bystander.begin()
            outside, bob = radio.wire(radio.net, "eth0"), radio.wire(radio.bob.ns, "sta0")
            await until(lambda: len(bystander.exchanges) > 1, PATIENCE)
            before = radio.neighbours()
            wrong = {}
            for attack in ATTACKS:
                moved, expected = await asyncio.to_thread(carried_out, radio, attack)
                if moved != expected:
                    wrong[f"{attack.id} {attack.what}"] = (moved, expected)
            neighbours = radio.neighbours()
            assert_undisturbed(bystander)
            assert wrong == {}
            assert [frame.summary() for frame in outside.heard() if is_hers(radio, frame)] == []
            assert [frame.summary() for frame in bob.heard() if is_hers(radio, frame)] == []
            assert neighbours[radio.bob.ipv4] == BOB_MAC
            assert neighbours[radio.bob.ipv6] == BOB_MAC
            assert {a: m for a, m in neighbours.items() if a in before} == before
            rows = {row["station"]: row for row in radio.access_point.asked("stations")}
            assert rows[MALLORY_MAC]["dropped"] > 50
            assert rows[BOB_MAC]["dropped"] == 0

    run(radio.access_point, story)


def is_hers(radio: Site, frame: Packet) -> bool:
    """Mallory's: nobody else sends from anything but the addresses of the others."""
    others = {radio.bob.ipv4, radio.bob.ipv6, GATEWAY, SERVER, SERVER6, "203.0.113.1", "fd00:99::1", "::"}
    sources = {frame[layer].src for layer in (IP, IPv6) if layer in frame}
    spoofed = ICMP in frame and frame[ICMP].type == 8 and frame[ICMP].id != 77
    spoofed6 = ICMPv6EchoRequest in frame and frame[ICMPv6EchoRequest].id != 77
    own = all(source in others or source.startswith("fe80::") for source in sources)
    return frame.src == MALLORY_MAC or spoofed or spoofed6 or not own


def test_whatever_a_decent_station_sends_passes(radio: Site) -> None:
    async def story(hostapd: FakeHostapd) -> None:
        with radio.access_point.daemon():
            await both_join(radio, hostapd)
            outside, wire = radio.wire(radio.net, "eth0"), radio.wire(radio.mallory.ns, "sta0")
            before = radio.drops()
            for what, goes_on, build in DECENT:
                frames = build(radio)
                outside.heard()
                wire.send(*frames)
                assert radio.drops() == before, what
                if goes_on:
                    arrived: list[Packet] = []

                    def is_there(arrived: list[Packet] = arrived, wanted: int = len(frames)) -> bool:
                        arrived.extend(frame for frame in outside.heard() if is_to_server(frame))
                        return len(arrived) >= wanted

                    await until(is_there, PATIENCE)

    run(radio.access_point, story)


def is_to_server(frame: Packet) -> bool:
    return any(layer in frame and frame[layer].dst in (SERVER, SERVER6) for layer in (IP, IPv6))


@pytest.mark.conformance("c13")
def test_none_of_a_thousand_spoofed_packets_passes(radio: Site) -> None:
    """C13: any source but its own, drawn with one seed."""
    rng = Random(13)

    def spoofed4() -> Packet:
        network = rng.choice(("192.0.2.0/24", "203.0.113.0/24", "0.0.0.0/0", "10.255.0.0/24", "224.0.0.0/4"))
        source = IPv4Network(network)[rng.randrange(IPv4Network(network).num_addresses)]
        if str(source) == radio.mallory.ipv4:
            source += 1
        return to_ap(IP(src=str(source), dst=SERVER) / UDP(sport=rng.randrange(1, 65536), dport=9) / SPOOFED)

    def spoofed6() -> Packet:
        network = IPv6Network(
            rng.choice(("2001:db8:44::/48", str(radio.bob.prefix), "fd00:99::/64", "::/0", "fe80::/16"))
        )
        source = network[rng.randrange(1 << (128 - network.prefixlen))]
        if source in radio.mallory.prefix:
            source += 1 << 64
        return to_ap(IPv6(src=str(source), dst=SERVER6) / UDP(sport=rng.randrange(1, 65536), dport=9) / SPOOFED)

    async def story(hostapd: FakeHostapd) -> None:
        with radio.access_point.daemon():
            await both_join(radio, hostapd)
            outside, wire = radio.wire(radio.net, "eth0"), radio.wire(radio.mallory.ns, "sta0")
            wire.send(*[rng.choice((spoofed4, spoofed6))() for _ in range(1000)])
            wire.send(to_ap(IP(src=radio.mallory.ipv4, dst=SERVER) / UDP(sport=9, dport=9) / b"honest"))
            arrived: list[bytes] = []

            def the_last_is_there() -> bool:
                arrived.extend(bytes(frame) for frame in outside.heard())
                return any(b"honest" in frame for frame in arrived)

            await until(the_last_is_there, PATIENCE)
            assert [frame for frame in arrived if SPOOFED in frame] == []
            assert sum(radio.drops().values()) > 900, "the kernel has dropped the others"

    run(radio.access_point, story)


@pytest.mark.conformance("c21")
def test_scan_of_65536_addresses_leaves_the_neighbour_table_to_the_others(radio: Site) -> None:
    """C21: in one's own /64 and in another's, and by solicitations from ever new addresses."""

    async def story(hostapd: FakeHostapd) -> None:
        with radio.access_point.daemon() as process:
            await both_join(radio, hostapd)
            bystander = Bystander(radio, process.pid)
            bystander.begin()
            await until(lambda: len(bystander.exchanges) > 1, PATIENCE)
            wire = radio.wire(radio.mallory.ns, "sta0")
            began = time.monotonic()
            await asyncio.to_thread(scan, radio, wire)
            took = time.monotonic() - began
            entries = len(radio.ap.ip("neigh show dev wlan0").splitlines())
            assert_undisturbed(bystander)
            assert radio.drops()["scan"] > SCANNED // 2
            assert radio.drops()["neighbour_flood"] > 0
            # What the limits of the rules let through: bursts, and so many a second.
            passed = sum(at_once + rate * took for rate, at_once in (GUARD_SCAN, GUARD_SCAN, GUARD_DISCOVERY))
            assert entries < passed + 50, (entries, took)

    run(radio.access_point, story)


def scan(radio: Site, wire: Wire) -> None:
    """Echo requests, each octet string made once and patched: scapy alone would take a minute."""
    for prefix in (radio.mallory.prefix, radio.bob.prefix):
        frame = bytearray(bytes(to_ap(IPv6(src=radio.mallory.ipv6, dst=str(prefix[1])) / ICMPv6EchoRequest())))
        for number in range(SCANNED // 2):
            frame[52:54] = number.to_bytes(2, "big")  # the last octets of the destination
            wire.send(bytes(frame))
    option = ICMPv6NDOptSrcLLAddr(lladdr=MALLORY_MAC)
    sources = [radio.mallory.in_prefix(0x10000 + number) for number in range(600)]
    heads = [to_ap(IPv6(src=source, dst=GATEWAY6, hlim=255)) for source in sources]
    wire.send(*[bytes(head / ICMPv6ND_NS(tgt=GATEWAY6) / option) for head in heads])


@pytest.mark.conformance("c15")
@pytest.mark.parametrize("isolate", [False, True])
def test_stations_reach_each_other_through_the_gateway_unless_they_are_isolated(radio: Site, isolate: bool) -> None:
    """C15: what is sent to the gateway's MAC for another station."""

    async def story(hostapd: FakeHostapd) -> None:
        sections = f"[guard]\nisolate = {str(isolate).lower()}\n"
        with radio.access_point.daemon(sections=sections):
            await both_join(radio, hostapd)
            bob, outside = radio.wire(radio.bob.ns, "sta0"), radio.wire(radio.net, "eth0")
            wire = radio.wire(radio.mallory.ns, "sta0")
            to_bob = [
                to_ap(IP(src=radio.mallory.ipv4, dst=radio.bob.ipv4) / ICMP()),
                to_ap(IPv6(src=radio.mallory.ipv6, dst=radio.bob.ipv6) / ICMPv6EchoRequest()),
            ]
            wire.send(*to_bob, to_ap(IP(src=radio.mallory.ipv4, dst=SERVER) / ICMP()))
            await until(lambda: any(is_to_server(frame) for frame in outside.heard()), PATIENCE)
            arrived: list[Packet] = []

            def both_are_there() -> bool:
                arrived.extend(frame for frame in bob.heard() if is_hers(radio, frame))
                return len(arrived) == len(to_bob)

            if isolate:
                assert radio.drops() == {"isolated": 2}
                assert not both_are_there()
                assert arrived == []
            else:
                await until(both_are_there, PATIENCE)

    run(radio.access_point, story)


def test_another_stations_link_local_address_is_free_when_it_has_not_been_used_for_long(radio: Site) -> None:
    """Who comes first has it; where the first one has gone, nobody has."""

    async def story(hostapd: FakeHostapd) -> None:
        with radio.access_point.daemon():
            await both_join(radio, hostapd)
            wire = radio.wire(radio.mallory.ns, "sta0")
            theft = to_ap(IPv6(src="fe80::b0b", dst=GATEWAY6, hlim=255)) / ICMPv6ND_NS(tgt=GATEWAY6)
            wire.send(theft)
            assert radio.drops() == {}
            second = theft.copy()
            second[Ether].src = BOB_MAC
            radio.wire(radio.bob.ns, "sta0").send(second)
            assert radio.drops() == {"link_local_source": 1}
            for name in ("link_locals", "link_local_holders"):
                radio.ap.run(f"nft flush set inet sroamd-guard {name}")
            await until(lambda: radio.access_point.asked("status")["counters"]["guard.loads"] == 2, PATIENCE)

    run(radio.access_point, story)


# -- the guard's own life


def permitted(radio: Site) -> dict[str, list[list[object]]]:
    """What the sets have, as nft tells it."""
    listed = json.loads(radio.ap.run("nft -j list ruleset"))["nftables"]
    sets = [entry["set"] for entry in listed if "set" in entry]
    wanted = ("stations", "ipv4", "ipv6", "senders", "nd_targets", "nd_macs")
    return {
        f"{one['family']} {one['name']}": sorted(element["concat"] for element in one.get("elem", []))
        for one in sets
        if one["name"] in wanted
    }


def expected(*guests: Guest) -> dict[str, list[list[object]]]:
    """Of stations that are on wlan0 with all they have."""
    found: dict[str, list[list[object]]] = {
        name: [] for name in ("inet stations", "inet ipv4", "inet ipv6", "inet nd_targets", "inet nd_macs")
    } | {"arp stations": [], "arp senders": []}
    for guest in guests:
        on, mac = ["wlan0", guest.mac], guest.mac
        number = int.from_bytes(guest.prefix.network_address.packed[:8], "big")
        found["inet stations"].append([*on])
        found["arp stations"].append([*on])
        found["inet ipv4"].append([*on, guest.ipv4])
        found["inet ipv6"].append([*on, str(guest.prefix.network_address)])
        found["inet nd_macs"].append([*on, int(mac.replace(":", ""), 16)])
        found["inet nd_targets"] += [[*on, 0xFE80 << 48], [*on, number]]
        found["arp senders"] += [[*on, mac, "0.0.0.0"], [*on, mac, guest.ipv4]]
    for name, elements in found.items():
        found[name] = sorted([signed(part) for part in element] for element in elements)
    return found


def signed(part: object) -> object:
    """nft's JSON has numbers of 64 bits with a sign."""
    return part - (1 << 64) if isinstance(part, int) and part >= 1 << 63 else part


def test_kernel_has_what_the_database_implies_and_nft_can_read_it(radio: Site) -> None:
    async def story(hostapd: FakeHostapd) -> None:
        with radio.access_point.daemon():
            await both_join(radio, hostapd)
            assert permitted(radio) == expected(radio.mallory, radio.bob)
            hostapd.disconnect(MALLORY_MAC)
            await until(lambda: permitted(radio) == expected(radio.bob), PATIENCE)
            hostapd.connect(MALLORY_MAC)
            await until(lambda: permitted(radio) == expected(radio.mallory, radio.bob), PATIENCE)
            counters = radio.access_point.asked("status")["counters"]
            assert counters["guard.loads"] == 1, "nft runs at the start only"
            assert "guard.refused" not in counters

    run(radio.access_point, story)


@pytest.mark.parametrize(
    "blow", ["flush ruleset", "delete table arp sroamd-guard", "flush chain inet sroamd-guard prerouting"]
)
def test_what_somebody_flushes_is_restored_with_all_permits(radio: Site, blow: str) -> None:
    async def story(hostapd: FakeHostapd) -> None:
        with radio.access_point.daemon() as process:
            await both_join(radio, hostapd)
            rules = ruleset(radio)
            for _ in range(2):
                bystander = Bystander(radio, process.pid)
                bystander.begin()
                await until(lambda b=bystander: b.sent > 5, PATIENCE)
                radio.ap.run(f"nft {blow}")
                await until(lambda: ruleset(radio) == rules, PATIENCE)
                assert permitted(radio) == expected(radio.mallory, radio.bob)
                assert bystander.end() == 0, "nobody is cut off meanwhile"
            radio.wire(radio.mallory.ns, "sta0").send(to_ap(IP(src=radio.bob.ipv4, dst=SERVER) / ICMP()))
            assert radio.drops()["ipv4_source"] == 1

    run(radio.access_point, story)


def ruleset(radio: Site) -> list[str]:
    """Tables, sets, chains and rules, but for handles and elements."""
    kept = []
    for entry in json.loads(radio.ap.run("nft -s -j list ruleset"))["nftables"]:
        ((_, said),) = entry.items()
        kept.append(json.dumps({key: value for key, value in said.items() if key not in ("handle", "elem")}))
    return sorted(kept)


def test_dead_agent_leaves_known_stations_served_and_guarded_and_a_new_one_takes_over(radio: Site) -> None:
    async def story(hostapd: FakeHostapd) -> None:
        with radio.access_point.daemon() as process:
            await both_join(radio, hostapd)
            bystander = Bystander(radio, process.pid)
            bystander.begin()
            await until(lambda: bystander.sent > 5, PATIENCE)
            process.kill()
            process.wait()
        assert permitted(radio) == expected(radio.mallory, radio.bob)
        outside = radio.wire(radio.net, "eth0")
        wire = radio.wire(radio.mallory.ns, "sta0")
        wire.send(to_ap(IP(src=radio.bob.ipv4, dst=SERVER) / ICMP()))
        wire.send(to_ap(IP(src=radio.mallory.ipv4, dst=SERVER) / ICMP()))
        await until(lambda: any(is_from(radio.mallory, frame) for frame in outside.heard()), PATIENCE)
        with radio.access_point.daemon():
            await radio.access_point.ready()
            await until(lambda: radio.access_point.asked("status")["counters"].get("guard.loads") == 1, PATIENCE)
            assert permitted(radio) == expected(radio.mallory, radio.bob)
            assert radio.drops() == {"ipv4_source": 1}, "the counters are the kernel's"
            assert bystander.end() == 0, "nothing was lost over the death and the start"

    run(radio.access_point, story)


def is_from(guest: Guest, frame: Packet) -> bool:
    return IP in frame and frame[IP].src == guest.ipv4


def test_radio_that_goes_and_comes_back_is_guarded(radio: Site) -> None:
    """As a USB radio does: another device of the same name."""

    async def story(hostapd: FakeHostapd) -> None:
        with radio.access_point.daemon():
            await both_join(radio, hostapd)
            radio.ap.ip("link delete wlan0")
            radio.plug_in()
            await until(lambda: radio.access_point.asked("status")["healthy"], PATIENCE)
            wire = radio.wire(radio.mallory.ns, "sta0")
            wire.send(to_ap(IP(src=radio.bob.ipv4, dst=SERVER) / ICMP()))
            assert radio.drops()["ipv4_source"] == 1

    run(radio.access_point, story)


def test_guard_is_switched_off_and_on_by_a_reload(radio: Site) -> None:
    async def story(hostapd: FakeHostapd) -> None:
        with radio.access_point.daemon() as process:
            await both_join(radio, hostapd)
            radio.access_point.configure(sections="[guard]\nenabled = false\n")
            process.send_signal(signal.SIGHUP)
            await until(lambda: "sroamd-guard" not in radio.ap.run("nft list tables"), PATIENCE)
            radio.access_point.configure()
            process.send_signal(signal.SIGHUP)
            await until(lambda: permitted(radio) == expected(radio.mallory, radio.bob), PATIENCE)

    run(radio.access_point, story)


def test_stations_are_served_where_nft_cannot_be_had_and_the_status_says_so(
    radio: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "bin" / "nft"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'line 1: Error: Could not process rule: Operation not supported' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")

    async def story(hostapd: FakeHostapd) -> None:
        with radio.access_point.daemon():
            hostapd.connect(MALLORY_MAC)
            await until(lambda: "not supported" in radio.access_point.log(), PATIENCE)
            await radio.admit(radio.mallory)
            (problem,) = radio.access_point.asked("status")["problems"]
            assert problem.startswith("the source guard: IP packets of stations are not checked")
            assert "ARP of stations is not checked: Could not process rule: Operation not supported" in problem
            fake.unlink()
            await until(lambda: permitted(radio) == expected(radio.mallory), PATIENCE)
            assert radio.access_point.asked("status")["healthy"]

    run(radio.access_point, story)
