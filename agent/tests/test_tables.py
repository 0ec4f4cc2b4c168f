"""What an operator reads."""

from __future__ import annotations

import pytest

from sroamd import tables


def test_columns_are_aligned_and_numbers_stand_to_the_right() -> None:
    rows = [
        {"station": "02:00:00:00:00:07", "node": "ap1", "ipv4": ["192.0.2.7"], "seqno": 3, "remaining": 5399},
        {
            "station": "02:00:00:00:00:08",
            "node": None,
            "ipv4": ["192.0.2.8", "192.0.2.9"],
            "seqno": 65535,
            "remaining": -5,
        },
    ]
    assert tables.table(rows).splitlines() == [
        "STATION            NODE  IPV4                  SEQNO  REMAINING",
        "02:00:00:00:00:07  ap1   192.0.2.7                 3      1h29m",
        "02:00:00:00:00:08  -     192.0.2.8, 192.0.2.9  65535        -5s",
    ]


def test_a_column_that_only_some_rows_have_is_shown() -> None:
    assert tables.table([{"a": 1}, {"a": 2, "b_c": True}]).splitlines() == ["A  B C", "1  -", "2  yes"]


def test_no_rows_are_said_to_be_none() -> None:
    assert tables.table([]) == "none"


def test_the_network_cannot_write_to_the_terminal() -> None:
    shown = tables.table([{"node": "ap\x1b[2J\n\x9b1m\u202eevil\x00"}])
    assert shown.splitlines() == ["NODE", r"ap\x1b[2J\x0a\x9b1m\u202eevil\x00"]
    assert r"\x07" in tables.fields({"x\x07": ["\x07"], "y": {"\x07": "\x07"}})
    hostile = {"node": {"name": "\x1b"}, "problems": ["\x1b"], "counters": {"\x1b": 1}, "\x1b": "\x1b"}
    assert "\x1b" not in tables.status(hostile)


def test_stations_and_records_stand_in_order_though_the_agent_tells_them_in_none() -> None:
    keys = ("192.0.2.10", "192.0.2.9", "abcd")
    rows: list[dict[str, object]] = [{"kind": "ipv4", "key": key} for key in keys]
    rows = [{"kind": "node", "key": "02"}, {"kind": "association", "key": "02:07"}, *rows]
    rows.insert(0, {"kind": "ipv6", "key": "2001:db8::/64"})
    assert [line.split()[1] for line in tables.database(rows).splitlines()[1:]] == [
        "abcd", "192.0.2.9", "192.0.2.10", "2001:db8::/64", "02:07", "02",
    ]  # fmt: skip
    assert tables.stations([{"station": "02:08"}, {"station": "02:07"}]).splitlines() == ["STATION", "02:07", "02:08"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (59.9, "59s"), (60, "1m"), (1798, "29m58s"), (3600, "1h"), (5400, "1h30m"), (86399, "23h59m"),
        (86400, "1d"), (604799, "6d23h"), (-90, "-1m30s"),
    ],
)  # fmt: skip
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert tables.duration(seconds) == text


def test_status_says_what_is_wrong() -> None:
    answer = {
        "node": {"name": "ap1", "id": "02:00:00:ff:fe:00:00:01", "version": "0.1.0"},
        "healthy": False,
        "problems": ["no peer is connected", "interface wlan0 does not exist or is down"],
        "stations": 2,
        "peers": 0,
        "peers_configured": 3,
        "records": 12,
        "counters": {"dhcp.acks": 2, "peer.refused.source": 100},
    }
    assert tables.status(answer).splitlines() == [
        "node      ap1  02:00:00:ff:fe:00:00:01  0.1.0",
        "health    NOT WELL",
        "stations  2",
        "peers     0 of 3 configured",
        "records   12",
        "",
        "problems:",
        "  no peer is connected",
        "  interface wlan0 does not exist or is down",
        "",
        "counters:",
        "  dhcp.acks              2",
        "  peer.refused.source  100",
    ]
