"""The log: each decision about a DHCP message with its reason, and no more lines than a disk can take."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.wire.dhcpv4 import DhcpMessage, MessageType
from tests.core.answers import counted
from tests.core.harness import ALICE, BOB, Lab, mac
from tests.core.messages import GATEWAY, NOWHERE, decline, dhcp, discover, init_reboot, release, renew, select

FREE, OTHER = IPv4Address("192.0.2.200"), IPv4Address("192.0.2.2")
SELECTS_OTHER = select(ALICE, FREE, OTHER)


def lines(lab: Lab) -> list[str]:
    return [note.text for note in lab[1].all(do.Note)]


@pytest.fixture
def lab() -> Lab:
    lab = Lab()
    lab.join(1, ALICE)
    lab[1].forget()
    return lab


SILENT = {
    "another server": (SELECTS_OTHER, f"REQUEST {ALICE}: no answer: it has chosen the server {OTHER}"),
    "no address": (
        dhcp(MessageType.REQUEST, ALICE),
        f"REQUEST {ALICE}: no answer: it names no address, or two",
    ),
    "server and ciaddr": (
        dhcp(MessageType.REQUEST, ALICE, {54: GATEWAY.packed}, ciaddr=FREE),
        f"REQUEST {ALICE}: no answer: it has a server and an address, or wants none",
    ),
    "unknown client": (init_reboot(ALICE, FREE), f"REQUEST {ALICE}: no answer: nothing is known of it and {FREE}"),
    "decline": (decline(ALICE, FREE), f"DECLINE {ALICE}: no answer: it does not have {FREE} of us"),
    "release": (release(ALICE, FREE), f"RELEASE {ALICE}: no answer: it does not have {FREE} of us"),
    "inform": (dhcp(MessageType.INFORM, ALICE), f"INFORM {ALICE}: no answer: it has no address"),
    "a server's": (dhcp(MessageType.OFFER, ALICE), f"OFFER {ALICE}: no answer: that is for servers to say"),
    "not authorised": (discover(BOB), f"DISCOVER {BOB}: no answer: it is not authorised on wlan0"),
}


@pytest.mark.parametrize(("message", "line"), SILENT.values(), ids=SILENT.keys())
def test_silence_is_said_with_its_reason(lab: Lab, message: DhcpMessage, line: str) -> None:
    assert lab.dhcp(1, message) == []
    assert lines(lab) == [line]


def test_silence_to_who_speaks_for_another_is_said(lab: Lab) -> None:
    assert lab.dhcp(1, discover(BOB), source=ALICE) == []
    assert lines(lab) == [f"DISCOVER {ALICE}: no answer: it speaks for {BOB}"]


def test_every_answer_is_said_with_its_reason(lab: Lab) -> None:
    (offer,) = lab.dhcp(1, discover(ALICE))
    address = offer.message.yiaddr
    lab.dhcp(1, select(ALICE, address))
    lab.dhcp(1, dhcp(MessageType.INFORM, ALICE, ciaddr=address))
    lab.join(1, BOB)
    lab.dhcp(1, renew(BOB, address))
    lab.dhcp(1, release(ALICE, address))
    assert lines(lab) == [
        f"OFFER {ALICE}: {address} for 1800 s",
        f"ACK {ALICE}: {address} for 1800 s",
        f"ACK {ALICE}: options only, at {address}",
        f"station {BOB} is on wlan0",
        f"NAK {BOB}: {address} belongs to {ALICE}",
        f"station {ALICE} released {address}",
    ]


def test_a_station_that_asks_without_end_gets_its_lines_and_operators_a_number(lab: Lab) -> None:
    for _ in range(1000):
        lab.dhcp(1, dhcp(MessageType.INFORM, ALICE))
    assert len(lines(lab)) == constants.DECISIONS_BURST_EACH
    lab.join(1, BOB)
    lab[1].forget()
    lab.dhcp(1, dhcp(MessageType.INFORM, BOB))
    assert lines(lab) == [f"INFORM {BOB}: no answer: it has no address"]
    lab[1].forget()
    lab.wait(constants.DECISIONS_REPORT)
    assert lines(lab) == [
        "980 decisions about DHCP were not logged: of each station 20 at once are, then one in 10 s, "
        "and of all 10 a second"
    ]
    assert counted(lab, "dhcp4.not-logged") == 980
    lab[1].forget()
    lab.wait(1000)
    assert lines(lab) == []


def test_many_stations_get_no_more_lines_than_a_disk_can_take(lab: Lab) -> None:
    for number in range(2_000):
        lab[1].node.state.present[mac(number)] = "wlan0"
        lab.do(1, ev.DhcpReceived("wlan0", mac(number), NOWHERE, dhcp(MessageType.INFORM, mac(number))))
    assert len(lines(lab)) == constants.DECISIONS_BURST
    lab[1].forget()
    for _ in range(10):
        lab.wait(1)
        for number in range(100):
            lab.do(1, ev.DhcpReceived("wlan0", mac(number), NOWHERE, dhcp(MessageType.INFORM, mac(number))))
    assert len(lines(lab)) == 10 * constants.DECISIONS_RATE


def test_strangers_have_one_allowance_whatever_they_call_themselves(lab: Lab) -> None:
    for number in range(500):
        lab.do(1, ev.DhcpReceived("wlan0", mac(number), NOWHERE, discover(mac(number))))
    assert len(lines(lab)) == constants.DECISIONS_BURST_EACH
