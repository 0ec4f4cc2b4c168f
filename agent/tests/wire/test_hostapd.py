"""What hostapd 2.10 says, with a radio and with `driver=wired`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sroamd.addresses import Mac
from sroamd.wire.cursor import DecodeError
from sroamd.wire.hostapd import (
    EapSucceeded,
    HostapdEvent,
    StationConnected,
    StationDisconnected,
    StationEntry,
    StationPolled,
    Terminating,
    parse_event,
    parse_station,
)
from tests.wire.strategies import macs, thorough

STATION = Mac.parse("02:00:00:00:00:07")

RADIO = """02:00:00:00:00:07
flags=[AUTH][ASSOC][AUTHORIZED][WMM][HT]
aid=1
capability=0x431
listen_interval=5
supported_rates=82 84 8b 96 0c 12 18 24 30 48 60 6c
timeout_next=NULLFUNC POLL
dot11RSNAStatsSTAAddress=02:00:00:00:00:07
AKMSuiteSelector=00-0f-ac-2
rx_packets=28
"""
WIRED = "02:00:00:00:00:07\nflags=[AUTHORIZED]\naid=0\nlisten_interval=0\n"


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ("<3>AP-STA-CONNECTED 02:00:00:00:00:07", StationConnected(STATION)),
        ("<3>AP-STA-CONNECTED 02:00:00:00:00:07 auth_alg=sae", StationConnected(STATION)),
        ("<3>AP-STA-CONNECTED 02:00:00:00:00:07 keyid=guest AP-STA-DISCONNECTED", StationConnected(STATION)),
        ("<3>AP-STA-DISCONNECTED 02:00:00:00:00:07", StationDisconnected(STATION)),
        ("<3>CTRL-EVENT-EAP-SUCCESS 02:00:00:00:00:07", EapSucceeded(STATION)),
        ("<3>CTRL-EVENT-EAP-SUCCESS2 02:00:00:00:00:07", EapSucceeded(STATION)),
        ("<3>AP-STA-POLL-OK 02:00:00:00:00:07", StationPolled(STATION)),
        ("<3>AP-STA-POLL-OK 02:00:00:00:00:07\n", StationPolled(STATION)),
        ("<3>AP-STA-CONNECTED 02:00:00:FF:FE:07", StationConnected(Mac.parse("02:00:00:ff:fe:07"))),
        ("AP-STA-CONNECTED 02:00:00:00:00:07", StationConnected(STATION)),
        ("IFNAME=wlan0 <3>AP-STA-CONNECTED 02:00:00:00:00:07", StationConnected(STATION)),
        ("IFNAME=wlan0 AP-STA-CONNECTED 02:00:00:00:00:07", StationConnected(STATION)),
        ("<3>CTRL-EVENT-TERMINATING ", Terminating()),
        ("<3>AP-DISABLED ", Terminating()),
        ("<3>AP-ENABLED ", None),
        ("<3>CTRL-EVENT-EAP-STARTED 02:00:00:00:00:07", None),
        ("<3>CTRL-EVENT-EAP-FAILURE 02:00:00:00:00:07", None),
        ("<3>CTRL-EVENT-EAP-PROPOSED-METHOD vendor=0 method=4", None),
        ("<3>AP-STA-POSSIBLE-PSK-MISMATCH 02:00:00:00:00:07", None),
        ("<3>AP-STA-CONNECTED-NOT 02:00:00:00:00:07", None),
        ("<3>WPS-AP-SETUP AP-STA-CONNECTED 02:00:00:00:00:07", None),
        ("<3>", None),
        ("", None),
        ("OK\n", None),
    ],
)
def test_an_event_is_read_as_what_it_is(line: str, event: HostapdEvent | None) -> None:
    assert parse_event(line) == event


@pytest.mark.parametrize("rest", ["", " ", " nobody", " 02:00:00:00:00", " 02:00:00:00:00:0g", " 02-00-00-00-00-07"])
def test_an_event_about_a_station_without_a_station_is_refused(rest: str) -> None:
    with pytest.raises(DecodeError):
        parse_event("<3>AP-STA-CONNECTED" + rest)


@pytest.mark.parametrize(
    ("reply", "entry"),
    [
        (RADIO, StationEntry(STATION, True)),
        (WIRED, StationEntry(STATION, True)),
        (RADIO.replace("[AUTHORIZED]", ""), StationEntry(STATION, False)),
        (RADIO.replace("[AUTHORIZED]", "").replace("aid=1", "note=[AUTHORIZED]"), StationEntry(STATION, False)),
        (WIRED.replace("[AUTHORIZED]", ""), StationEntry(STATION, False)),
        ("02:00:00:00:00:07", StationEntry(STATION, False)),
        ("", None),
        ("\n", None),
        ("FAIL", None),
        ("FAIL\n", None),
    ],
    ids=[
        "radio", "wired", "radio, associated only", "the word elsewhere", "wired, not authorised", "MAC only",
        "end of list", "blank line", "failed", "failed and newline",
    ],
)  # fmt: skip
def test_presence_is_the_authorized_flag_and_not_being_listed(reply: str, entry: StationEntry | None) -> None:
    assert parse_station(reply) == entry


@pytest.mark.parametrize("reply", ["UNKNOWN COMMAND\n", "flags=[AUTHORIZED]\n" + WIRED, "FAIL-BUSY\n"])
def test_a_reply_that_is_not_about_a_station_is_refused(reply: str) -> None:
    with pytest.raises(DecodeError):
        parse_station(reply)


@thorough
@given(macs, st.text(max_size=20))
def test_what_follows_the_station_does_not_matter(mac: Mac, rest: str) -> None:
    assert parse_event(f"<3>AP-STA-CONNECTED {mac} {rest}") == StationConnected(mac)


@thorough
@given(st.text(max_size=60), st.sampled_from(("", "<3>", "<3>AP-STA-CONNECTED ", "02:00:00:00:00:07\nflags=")))
def test_any_text_is_read_or_refused_with_a_decode_error(text: str, start: str) -> None:
    for parse in (parse_event, parse_station):
        try:
            parse(start + text)
        except DecodeError:
            continue
