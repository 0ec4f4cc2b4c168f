"""The supplicant's frames, held to a login that hostapd 2.10 accepted, and to scapy."""

from __future__ import annotations

import hashlib

import pytest
from scapy.layers.eap import EAP, EAP_MD5, EAPOL
from scapy.layers.l2 import Ether

from lab import eapol
from lab.eapol import Code, Eap

STATION = bytes.fromhex("020000000103")
OTHER = bytes.fromhex("020000000104")
IDENTITY, PASSWORD = b"phone", b"secret"

# As captured, in this order, between this supplicant and hostapd 2.10 with driver=wired.
START = bytes.fromhex("0180c2000003 020000000103 888e 02010000")
IDENTITY_REQUEST = bytes.fromhex("020000000103 02000003a003 888e 02000005 01230005 01")
IDENTITY_RESPONSE = bytes.fromhex("0180c2000003 020000000103 888e 0200000a 0223000a 01 70686f6e65")
MD5_REQUEST = bytes.fromhex("020000000103 02000003a003 888e 02000016 01240016 04 10 8658b938d493eb7cf6383656f40eec94")
MD5_RESPONSE = bytes.fromhex(
    "0180c2000003 020000000103 888e 0200001b 0224001b 04 10 8e38ee8d3a969923cebf315627e83b86 70686f6e65"
)
SUCCESS = bytes.fromhex("020000000103 02000003a003 888e 02000004 03240004")


def answer(frame: bytes) -> bytes | None:
    request = eapol.parse_frame(frame, STATION)
    assert request is not None
    return eapol.answer_frame(STATION, request, IDENTITY, PASSWORD)


def test_a_login_goes_as_it_went_with_hostapd() -> None:
    assert eapol.start_frame(STATION) == START
    assert answer(IDENTITY_REQUEST) == IDENTITY_RESPONSE
    assert answer(MD5_REQUEST) == MD5_RESPONSE
    assert eapol.parse_frame(SUCCESS, STATION) == Eap(Code.SUCCESS, 0x24)
    assert answer(SUCCESS) is None


def test_scapy_reads_what_we_write() -> None:
    logoff = Ether(eapol.logoff_frame(STATION))
    assert (logoff.dst, logoff.src, logoff[EAPOL].type) == ("01:80:c2:00:00:03", "02:00:00:00:01:03", 2)
    response = Ether(MD5_RESPONSE)[EAP_MD5]
    challenge = Ether(MD5_REQUEST)[EAP_MD5].value
    assert response.value == hashlib.md5(b"\x24" + PASSWORD + challenge).digest()
    assert response.optional_name == IDENTITY


def test_a_method_that_we_do_not_speak_is_answered_by_a_proposal_of_md5() -> None:
    request = bytes(Ether(dst=STATION, src=OTHER) / EAPOL(version=2, type=0) / EAP(code=1, id=7, type=13))
    proposal = Ether(answer(request))[EAP]
    assert (proposal.code, proposal.id, proposal.type) == (EAP.RESPONSE, 7, 3)
    assert bytes(proposal)[5:] == b"\x04"


def test_other_peoples_frames_are_not_for_us() -> None:
    assert eapol.parse_frame(MD5_REQUEST, OTHER) is None
    assert eapol.parse_frame(START, STATION) is None
    assert eapol.parse_frame(MD5_REQUEST.replace(bytes.fromhex("888e"), bytes.fromhex("0800")), STATION) is None


def test_a_request_to_the_group_address_is_for_everybody() -> None:
    frame = eapol.GROUP_ADDRESS + IDENTITY_REQUEST[6:]
    assert eapol.parse_frame(frame, STATION) == Eap(Code.REQUEST, 0x23, 1)


def test_padding_to_the_shortest_ethernet_frame_is_ignored() -> None:
    assert eapol.parse_frame(SUCCESS + bytes(46), STATION) == eapol.parse_frame(SUCCESS, STATION)


@pytest.mark.parametrize("frame", [IDENTITY_REQUEST, MD5_REQUEST, SUCCESS], ids=["identity", "md5", "success"])
def test_a_frame_cut_anywhere_is_ignored(frame: bytes) -> None:
    for length in range(len(frame)):
        assert eapol.parse_frame(frame[:length], STATION) is None
