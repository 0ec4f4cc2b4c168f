"""The judge of the differential test (make diff-dhcp): can it fail?"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from tests.differential import message
from tests.differential.compare import Findings, Reason, compare, judge
from tests.differential.message import NOBODY, Reply, Request
from tests.differential.play import Answer
from tests.differential.sequences import SCRIPTS, Kind, Sequence, Step, sequences
from tests.differential.servers import SERVER

MAC = bytes.fromhex("020000000007")
MINE, OTHER = IPv4Address("10.15.0.7"), IPv4Address("10.0.0.99")
JOIN = Sequence(0, (Step(Kind.DISCOVER), Step(Kind.RENEW)))
REQUEST = Request(message.DISCOVER, 1, MAC, False, NOBODY, message.EVERYBODY, None, NOBODY, {})
OFFER = Reply(
    to_mac=MAC,
    source=SERVER,
    destination=MINE,
    ports=(67, 68),
    op=2,
    hardware=(1, 6),
    hops=0,
    xid=1,
    secs=0,
    broadcast=False,
    ciaddr=NOBODY,
    yiaddr=MINE,
    siaddr=NOBODY,
    giaddr=NOBODY,
    chaddr=MAC,
    options={message.TYPE: b"\2", message.LEASE_TIME: (600).to_bytes(4, "big")},
)


def answers(*replies: Reply | None) -> list[Answer | None]:
    return [Answer(REQUEST, None, MINE, None, None, () if reply is None else (reply,)) for reply in replies]


def test_what_all_say_is_no_difference() -> None:
    three = [answers(OFFER, None)] * 3
    findings = Findings()
    assert list(compare(JOIN, *three, findings)) == []
    assert findings.compared == 2


def test_difference_needs_a_reason_and_a_reason_a_difference() -> None:
    theirs, ours = answers(OFFER, None), answers(replace(OFFER, yiaddr=OTHER, destination=OTHER), None)
    (difference,) = compare(JOIN, theirs, theirs, ours, Findings())
    assert (difference.aspect, difference.theirs, difference.ours) == ("yiaddr", "its own", "one of the pool")
    fits = Reason("", "", "", lambda one: one.aspect == "yiaddr")
    other = Reason("", "", "", lambda one: one.aspect == "answer")
    assert judge([difference], [fits]) == ([], [])
    assert judge([difference], [other]) == ([difference], [other])


def test_silence_and_options_are_compared_but_not_where_the_two_disagree() -> None:
    silent, shorter = answers(None, None), answers(replace(OFFER, options={message.TYPE: b"\2"}), None)
    said = answers(OFFER, None)
    assert [each.aspect for each in compare(JOIN, silent, silent, said, Findings())] == ["answer"]
    assert [each.aspect for each in compare(JOIN, said, said, shorter, Findings())] == ["option 51"]
    assert list(compare(JOIN, said, silent, shorter, Findings())) == []


def test_frames_of_clients_are_read_by_scapy_as_they_are_meant() -> None:

    frame = replace(REQUEST, options={message.REQUESTED: MINE.packed}).frame()
    packet = Ether(frame)
    again = Ether(frame)
    del again[IP].chksum, again[UDP].chksum
    assert bytes(again) == frame, "the checksums are right"
    assert packet[BOOTP].xid == 1
    assert packet[DHCP].options[:3] == [("message-type", 1), ("requested_addr", str(MINE)), "end"]


def test_one_seed_makes_the_same_sequences() -> None:
    count = len(SCRIPTS) + 20
    assert list(sequences(1, count)) == list(sequences(1, count))
    assert list(sequences(1, count))[:-20] == list(sequences(2, count))[:-20]
    assert list(sequences(1, count))[-20:] != list(sequences(2, count))[-20:]
