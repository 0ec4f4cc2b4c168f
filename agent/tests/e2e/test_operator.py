"""What an operator does with a running access point: ask, reload, dump, check a file, and see it come back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sroamd.constants import LEASE_LIFE
from tests.e2e.fleet import SETTLED_WITHIN, Fleet, assert_reaches, eventually, prefixes_of, tell

AP = "ap3"
AGENT = "/opt/sroamd/current/bin/sroamd"
CONFIG = "/etc/sroamd/sroamd.toml"
WATCHDOG_S = 10 + 10 + 10  # WatchdogSec, then TimeoutStopSec for a process that cannot even abort, and the start


def sroamctl(fleet: Fleet, *words: str) -> tuple[int, str, str]:
    """Exit status, output, errors."""
    done = fleet.lab.run(AP, ["sroamctl", *words], check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("topic", ["status", "stations", "database", "peers", "routes"])
def test_every_topic_answers_in_text_and_in_json(fleet: Fleet, topic: str) -> None:
    station = fleet.joined(50, AP)
    status, text, errors = sroamctl(fleet, topic)
    assert (status, errors) == (0, "")
    known = {"status": "node", "peers": "ap1", "stations": station.mac, "database": station.mac, "routes": station.mac}
    assert known[topic] in text
    status, document, errors = sroamctl(fleet, "--json", topic)
    assert (status, errors) == (0, "")
    answer = json.loads(document)
    assert isinstance(answer, dict if topic == "status" else list)
    assert answer


def test_station_is_found_by_mac_and_by_each_address(fleet: Fleet) -> None:
    station = fleet.joined(50, AP)
    ipv4, ipv6 = station.ipv4(), station.ipv6()
    assert ipv4
    for name in (station.mac, str(ipv4.ip), str(ipv6[0].ip)):
        status, document, _ = sroamctl(fleet, "--json", "where", name)
        found = json.loads(document)
        assert status == 0
        assert (found["station"], found["node"], found["interface"]) == (station.mac, AP, "wlan0")
        assert {*found["ipv4"], *found["ipv6"]} == prefixes_of(station)


def test_exit_status_says_what_went_wrong(fleet: Fleet) -> None:
    """0 well, 1 not found or not well, 2 wrong usage, 3 not reachable."""
    assert sroamctl(fleet, "status")[0] == 0
    status, _, errors = sroamctl(fleet, "where", "02:00:00:00:0f:0f")
    assert status == 1
    assert "02:00:00:00:0f:0f" in errors
    assert sroamctl(fleet, "wherever")[0] == 2
    fleet.run(AP, "systemctl", "stop", "sroamd")
    status, _, errors = sroamctl(fleet, "status")
    assert status == 3
    assert "systemctl status sroamd" in errors
    fleet.run(AP, "systemctl", "start", "sroamd")
    # Not well: hostapd is gone when the agent starts, so it does not know who is here.
    fleet.run(AP, "systemctl", "mask", "--now", "--runtime", "hostapd")
    fleet.run(AP, "systemctl", "restart", "sroamd")
    status, text, _ = sroamctl(fleet, "status")
    assert status == 1
    assert "NOT WELL" in text
    assert "hostapd" in text
    fleet.run(AP, "systemctl", "unmask", "--runtime", "hostapd")
    fleet.run(AP, "systemctl", "start", "hostapd")
    eventually(lambda: assert_exit(fleet, 0), SETTLED_WITHIN)


def assert_exit(fleet: Fleet, wanted: int) -> None:
    status, text, errors = sroamctl(fleet, "status")
    assert status == wanted, text + errors


BAD_FILES = {
    "an unknown key": ("[ra]\n", '[ra]\ncolour = "blue"\n', "colour"),
    "an impossible prefix": ('ipv4_prefix = "192.0.2.0/24"', 'ipv4_prefix = "192.0.2.0/33"', "ipv4_prefix"),
    "a gateway outside its prefix": ('ipv4_gateway = "192.0.2.1"', 'ipv4_gateway = "198.51.100.1"', "ipv4_gateway"),
    "broken TOML": ("[network]", "[network", "sroamd.toml"),
}


@pytest.mark.parametrize("fault", BAD_FILES)
def test_bad_configuration_is_named_and_refused(fleet: Fleet, fault: str) -> None:
    """--check-config says what is wrong where, and a reload of the same file changes nothing."""
    before, after, named = BAD_FILES[fault]
    good = fleet.run(AP, "cat", CONFIG)
    assert before in good
    began, pid, status = time.time(), fleet.pid(AP), fleet.ask(AP, "status")
    assert fleet.lab.run(AP, [AGENT, "--check-config", "-c", CONFIG], check=False).returncode == 0
    with written(fleet, good.replace(before, after)):
        checked = fleet.lab.run(AP, [AGENT, "--check-config", "-c", CONFIG], check=False)
        assert checked.returncode == 2
        assert named in checked.stderr
        fleet.run(AP, "systemctl", "reload", "sroamd", check=False)
        eventually(lambda: assert_logged(fleet, began, "not reloaded: "), SETTLED_WITHIN)
    assert fleet.pid(AP) == pid
    assert fleet.ask(AP, "status")["stations"] == status["stations"]


def test_reload_takes_new_values(fleet: Fleet) -> None:
    """SIGHUP: the next lease is as long as the file now says, and the agent has not been restarted for it."""
    station = fleet.joined(51, AP)
    good = fleet.run(AP, "cat", CONFIG)
    pid, line = fleet.pid(AP), f"lease_time = {LEASE_LIFE}"
    assert line in good
    with written(fleet, good.replace(line, "lease_time = 600")):
        fleet.run(AP, "systemctl", "reload", "sroamd")
        eventually(lambda: assert_lease(station.dhcp_client.renew().seconds, 600), SETTLED_WITHIN)
    fleet.run(AP, "systemctl", "reload", "sroamd")
    eventually(lambda: assert_lease(station.dhcp_client.renew().seconds, LEASE_LIFE), SETTLED_WITHIN)
    assert fleet.pid(AP) == pid


def assert_lease(seconds: int, wanted: int) -> None:
    assert seconds == wanted


def test_dump_has_the_status_and_every_record(fleet: Fleet) -> None:
    """SIGUSR1: into the journal."""
    station = fleet.joined(50, AP)
    began, records = time.time(), fleet.database(AP)
    fleet.run(AP, "systemctl", "kill", "--kill-whom=main", "--signal=USR1", "sroamd")

    def assert_dumped() -> None:
        lines = fleet.journal(AP, since=began).splitlines()
        assert [line for line in lines if ": status {" in line]
        dumped = [json.loads(line.partition(": record ")[2]) for line in lines if ": record {" in line]
        assert {(each["kind"], each["key"]) for each in dumped} >= {record[:2] for record in records}
        assert station.mac in {each["key"] for each in dumped}

    eventually(assert_dumped, SETTLED_WITHIN)


def test_agent_that_hangs_is_started_again(fleet: Fleet) -> None:
    """The watchdog: a process that stands still is replaced, and its stations do not notice."""
    station = fleet.joined(50, AP)
    pid, routes = fleet.pid(AP), fleet.here(AP)
    stopped = time.monotonic()
    fleet.run(AP, "kill", "-STOP", str(pid))

    def assert_replaced() -> None:
        assert fleet.pid(AP) != pid
        fleet.assert_well()

    eventually(assert_replaced, WATCHDOG_S + SETTLED_WITHIN)
    took = time.monotonic() - stopped
    tell(f"an agent that stands still: another one {took:.1f} s later")
    assert took <= WATCHDOG_S
    assert fleet.here(AP) == routes
    assert_reaches(station)


def assert_logged(fleet: Fleet, since: float, text: str) -> None:
    assert text in fleet.journal(AP, since=since)


@contextmanager
def written(fleet: Fleet, content: str) -> Iterator[None]:
    """The configuration with other content, and then with its own again."""
    path = fleet.lab.machine(AP).root / CONFIG.lstrip("/")
    good = path.read_text()
    path.write_text(content)
    try:
        yield
    finally:
        path.write_text(good)
