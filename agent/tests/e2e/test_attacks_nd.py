"""Neighbour discovery as an attack, by an authorised station: few answers, little work, nobody else concerned."""

from __future__ import annotations

import time

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_RS, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from sroamd.constants import RA_SOLICITED_BURST, RA_SOLICITED_INTERVAL
from tests.e2e.air import ALL_ROUTERS_MAC, Ear, is_advertisement, link_local, send, solicitation
from tests.e2e.cell import AP_MAC, BYSTANDER_MAC, Cell, Device, flood, measured_again
from tests.e2e.fleet import eventually

SOLICITATIONS = 10_000
RATE = 5_000.0  # 1/s
CPU_SHARE_MAX = 0.5  # of a processor
MANY = 5.0  # s


@pytest.mark.conformance("c04")
@measured_again
@measured_again
def test_c04_solicitations_in_the_name_of_a_neighbour_are_ignored(cell: Cell) -> None:
    """By the link-layer option, and from the neighbour's own address with the attacker's."""
    before, counters = cell.records(), cell.counters()
    as_neighbour = solicitation(cell.attacker, link_layer=BYSTANDER_MAC)
    as_neighbour[IPv6].src = link_local(BYSTANDER_MAC)
    claim = (
        Ether(src=cell.attacker.mac, dst=AP_MAC)
        / IPv6(src=link_local(BYSTANDER_MAC), dst="fe80::1", hlim=255)
        / ICMPv6ND_NA(tgt=link_local(BYSTANDER_MAC), S=1, R=0)
        / ICMPv6NDOptDstLLAddr(lladdr=BYSTANDER_MAC)
    )
    with cell.undisturbed("C04, solicitations in the bystander's name"), Ear(cell.attacker) as ear:
        send(cell.attacker, solicitation(cell.attacker, link_layer=BYSTANDER_MAC), as_neighbour, claim)
        wanted = {"icmpv6.source_mismatch": 2, "icmpv6.target_mismatch": 1}
        eventually(lambda: assert_counted(cell, counters, wanted), MANY)
        assert not ear.heard(lambda frame: is_advertisement(frame) and frame.dst == cell.attacker.mac)
    assert cell.records() <= before


def assert_counted(cell: Cell, before: dict[str, int], wanted: dict[str, int]) -> None:
    now = cell.counters()
    assert {name: now.get(name, 0) - before.get(name, 0) for name in wanted} == wanted


@pytest.mark.conformance("c19")
@measured_again
def test_c19_5000_solicitations_a_second_bring_few_advertisements_and_little_work(cell: Cell) -> None:
    device = cell.accomplice
    frame = bytes(solicitation(device))
    with cell.undisturbed("C19, 5,000 router solicitations a second"), Ear(device) as ear:
        start, cpu = time.monotonic(), cell.cpu()
        flood(device, [frame] * SOLICITATIONS, rate=RATE)
        took, spent = time.monotonic() - start, cell.cpu() - cpu
        time.sleep(0.2)
        advertisements = ear.heard(lambda frame: is_advertisement(frame) and frame.dst == device.mac)
    assert 1 <= len(advertisements) <= RA_SOLICITED_BURST * (1 + took / RA_SOLICITED_INTERVAL)
    assert spent / took <= CPU_SHARE_MAX


@pytest.mark.conformance("c20")
@measured_again
def test_c20_options_of_length_0_hang_nobody(cell: Cell) -> None:
    counters = cell.counters()
    broken = Raw(b"\x01\x00\x02\x00\x00\x00\x00\x01")
    frames = [discovery(cell.newcomer, ICMPv6ND_RS() / broken), discovery(cell.newcomer, ICMPv6ND_NA() / broken)]
    with cell.undisturbed("C20, options of length 0"), Ear(cell.newcomer) as ear:
        cpu = cell.cpu()
        send(cell.newcomer, *frames * 10)
        eventually(lambda: assert_counted(cell, counters, {"icmpv6.malformed": 20}), MANY)
        spent = (cell.cpu() - cpu) / 20
        assert not ear.heard(lambda frame: is_advertisement(frame) and frame.dst == cell.newcomer.mac)
    assert spent <= 0.002, "with what the bystander and our questions cost"


def discovery(device: Device, message: Packet) -> Packet:
    packet = IPv6(src=link_local(device.mac), dst="ff02::2", hlim=255, nh=58) / message
    return Ether(src=device.mac, dst=ALL_ROUTERS_MAC) / packet
