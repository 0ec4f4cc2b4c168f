"""Ethernet frames, with scapy as the oracle."""

from __future__ import annotations

import pytest
from hypothesis import given
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from sroamd.addresses import Mac
from sroamd.wire import ethernet
from sroamd.wire.cursor import DecodeError
from sroamd.wire.ethernet import Frame, decode_frame, encode_frame
from tests.wire.strategies import against_scapy, frames, thorough

FRAME = Frame(Mac.parse("02:00:00:00:00:07"), Mac.parse("02:00:00:00:00:01"), ethernet.ETHERTYPE_IPV6, b"payload")
OCTETS = bytes.fromhex("020000000007 020000000001 86dd") + b"payload"


def test_a_frame_has_exactly_these_octets() -> None:
    assert encode_frame(FRAME) == OCTETS
    assert decode_frame(OCTETS) == FRAME


def test_a_header_cut_anywhere_is_refused() -> None:
    for length in range(14):
        with pytest.raises(DecodeError):
            decode_frame(OCTETS[:length])
    assert decode_frame(OCTETS[:14]).payload == b""


@thorough
@given(frames)
def test_a_frame_survives(frame: Frame) -> None:
    assert decode_frame(encode_frame(frame)) == frame


@against_scapy
@given(frames)
def test_scapy_writes_and_reads_the_same_frame(frame: Frame) -> None:
    theirs = Ether(dst=str(frame.destination), src=str(frame.source), type=frame.ethertype) / Raw(frame.payload)
    assert bytes(theirs) == encode_frame(frame)
    # scapy reads a number below 1536 as the length of an 802.3 frame, which has another class.
    if frame.ethertype >= 0x600:
        read = Ether(encode_frame(frame))
        assert (read.dst, read.src, read.type) == (str(frame.destination), str(frame.source), frame.ethertype)


def test_a_tagged_frame_is_of_another_protocol() -> None:
    """C24: what is inside a tag is never taken for untagged traffic."""
    tagged = Ether(dst=str(FRAME.destination), src=str(FRAME.source)) / Dot1Q(vlan=7, type=ethernet.ETHERTYPE_ARP)
    assert decode_frame(bytes(tagged)).ethertype == ethernet.ETHERTYPE_VLAN
