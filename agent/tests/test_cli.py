"""sroamctl as a process of its own, against the real control server, with the answers of a node that the test makes."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

import pytest

import sroamd
from sroamd import cli
from sroamd.addresses import Mac, NodeId
from sroamd.config import Config, ControlConfig
from sroamd.config_file import parse
from sroamd.core import status
from sroamd.core.events import InterfaceChanged, KernelRoutesListed, LeasesLoaded, StationAuthorized, StationsListed
from sroamd.core.node import Node
from sroamd.core.values import StoredDatum
from sroamd.io.control import ControlServer
from sroamd.wire.datum import ipv4_lease_key

CONFIG = """
[node]
name = "ap1"
[network]
ipv4_prefix = "192.0.2.0/24"
ipv6_prefix = "2001:db8:44::/48"
ipv4_gateway = "192.0.2.1"
ipv6_gateway = "fe80::1"
[[interface]]
name = "wlan0"
"""
PHONE = Mac.parse("02:00:00:00:00:07")
SOURCE = str(Path(sroamd.__file__).parents[1])


def config() -> Config:
    return parse(CONFIG, "ap.toml")


def node(*, attached: bool = True) -> Node:
    """A node with one station, which has an address."""
    one = Node(config(), NodeId(bytes(7) + b"\x01"), random.Random(1))
    lease = StoredDatum(ipv4_lease_key(IPv4Address("192.0.2.7")), bytes(PHONE), 4, 1800.0)
    one.handle(LeasesLoaded((lease,)), 0.0)
    one.handle(InterfaceChanged("wlan0", Mac.parse("02:00:00:00:01:01")), 0.0)
    one.handle(KernelRoutesListed(frozenset()), 0.0)
    if attached:
        one.handle(StationsListed("wlan0", frozenset()), 0.0)
        one.handle(StationAuthorized("wlan0", PHONE), 0.0)
    return one


@contextmanager
def agent(
    path: Path, one: Node, check: Sequence[dict[str, object]] = (), *, repair: Sequence[dict[str, object]] = ()
) -> Iterator[None]:
    """The control server of a node, in a thread of its own as long as the context lasts.

    `check`, `repair`: the replies to those.
    """
    started, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def replies(said: Sequence[dict[str, object]]) -> AsyncGenerator[dict[str, object], None]:
        for reply in said:
            yield reply

    async def serve() -> None:
        server = ControlServer(
            str(path),
            lambda topic, argument: status.report(one, topic, argument, 1.0),
            {"check": partial(replies, check), "repair": partial(replies, repair)},
        )
        await server.start()
        started.set()
        await stop.wait()
        await server.stop()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert started.wait(5)
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def sroamctl(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sroamd.cli", "--socket", str(path), *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        env={**os.environ, "PYTHONPATH": SOURCE},
        check=False,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


def test_the_default_socket_is_the_daemon_s() -> None:
    assert ControlConfig().socket == cli.DEFAULT_SOCKET


@pytest.mark.parametrize("station", ["02:00:00:00:00:07", "192.0.2.7"])
def test_where_finds_a_station(path: Path, station: str) -> None:
    with agent(path, node()):
        found = sroamctl(path, "where", station)
    assert (found.returncode, found.stderr) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in found.stdout.splitlines())
    assert (lines["station"], lines["node"], lines["ipv4"]) == (str(PHONE), "ap1", "192.0.2.7")


@pytest.mark.parametrize("station", ["192.0.2.99", "02:00:00:00:00:99", "phone\x1b[2J"])
def test_where_of_a_stranger_says_so_and_exits_with_one(path: Path, station: str) -> None:
    with agent(path, node()):
        missing = sroamctl(path, "where", station)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("sroamctl: ")
    assert "\x1b" not in missing.stderr


def test_tables_have_a_line_for_each_record(path: Path) -> None:
    with agent(path, node()):
        stations, routes, database, peers = (
            sroamctl(path, topic).stdout.splitlines() for topic in ("stations", "routes", "database", "peers")
        )
    assert stations[0].split()[:4] == ["STATION", "NODE", "INTERFACE", "IPV4"]
    assert stations[1].split()[:4] == [str(PHONE), "ap1", "wlan0", "192.0.2.7"]
    assert routes[0].split() == ["PREFIX", "KIND", "STATION", "NODE", "VIA", "WHY", "SINCE"]
    assert routes[1].split(None, 4)[:4] == ["192.0.2.7/32", "here", str(PHONE), "ap1"]
    assert routes[1].endswith("  dev wlan0  authorised on wlan0     1s")
    assert any(line.split()[:3] == ["ipv4", "192.0.2.7", str(PHONE)] for line in database)
    assert peers == ["none"]


def test_json_is_the_result_itself(path: Path) -> None:
    with agent(path, node()):
        printed = sroamctl(path, "--json", "stations")
        missing = sroamctl(path, "--json", "where", "192.0.2.99")
    (station,) = json.loads(printed.stdout)
    assert (station["station"], station["ipv4"]) == (str(PHONE), ["192.0.2.7"])
    assert (missing.returncode, missing.stdout) == (1, "")


def test_status_tells_by_its_exit_whether_the_node_is_well(path: Path) -> None:
    with agent(path, node()):
        well = sroamctl(path, "status")
    assert well.returncode == 0
    assert ["health", "ok"] in [line.split() for line in well.stdout.splitlines()]
    with agent(path, node(attached=False)):
        unwell = sroamctl(path, "status")
        as_json = sroamctl(path, "--json", "status")
    assert (unwell.returncode, as_json.returncode) == (1, 1)
    assert ["health", "NOT", "WELL"] in [line.split() for line in unwell.stdout.splitlines()]
    assert "problems:\n  not attached to hostapd" in unwell.stdout
    assert json.loads(as_json.stdout)["healthy"] is False


@pytest.mark.parametrize("arguments", [[], ["weather"], ["where"], ["status", "now"], ["--colour", "status"]])
def test_wrong_usage_exits_with_two(path: Path, arguments: list[str]) -> None:
    wrong = sroamctl(path, *arguments)
    assert wrong.returncode == 2
    assert "usage: sroamctl" in wrong.stderr


def test_without_an_agent_it_says_what_to_do_and_exits_with_three(path: Path) -> None:
    absent = sroamctl(path, "status")
    assert (absent.returncode, absent.stdout) == (3, "")
    assert absent.stderr == (
        f"sroamctl: cannot reach sroamd at {path}: No such file or directory; see systemctl status sroamd\n"
    )
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert "Connection refused; see systemctl status sroamd" in sroamctl(path, "status").stderr


def test_an_answer_that_breaks_off_is_no_answer(path: Path) -> None:
    def hang_up(server: socket.socket) -> None:
        with server.accept()[0] as client:
            client.recv(100)
            client.sendall(b'{"result": [')

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        thread = threading.Thread(target=hang_up, args=(server,))
        thread.start()
        broken = sroamctl(path, "stations")
        thread.join()
    assert broken.returncode == 3
    assert "its answer broke off" in broken.stderr


def test_it_may_be_cut_short_by_its_reader(path: Path) -> None:
    with agent(path, node()):
        shown = subprocess.run(
            f"'{sys.executable}' -m sroamd.cli --socket '{path}' database | true",
            shell=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": SOURCE},
            check=False,
        )
    assert shown.stderr == ""


# -- check

PROGRESS: dict[str, object] = {"progress": {"look": 1, "nodes": 2, "answered": 1, "in_step": 1}}
IN_STEP: dict[str, object] = {
    "node": "ap2", "id": "02:00:00:ff:fe:00:00:02", "state": "in step", "known": True, "renewed_ago": 5,
    "records": 7, "differences": [], "more": False,
}  # fmt: skip
SILENT = {**IN_STEP, "node": "ap3\x1b[2J", "state": "no answer", "records": None}


def check_reply(
    *nodes: dict[str, object], faults: Sequence[dict[str, object]] = (), mended: Sequence[dict[str, object]] = ()
) -> dict[str, object]:
    in_step = all(node["state"] == "in step" for node in nodes)
    asker = {"name": "ap1", "id": "02:00:00:ff:fe:00:00:01"}
    counts = {"records": 7, "digest": "00" * 8, "looks": 3, "seconds": 4.5, "left_out": 0}
    fleet = {"in_step": in_step, "alone": False, "node": asker, **counts, "nodes": list(nodes)}
    return {"result": {"well": in_step and not faults, **fleet, "routes": routes_reply(faults, mended)}}


def routes_reply(faults: Sequence[dict[str, object]], mended: Sequence[dict[str, object]]) -> dict[str, object]:
    counts = {"installed": 2, "kernel": 2, "nexthops": 2, "looks": 2, "seconds": 1.2, "more": False}
    return {"right": not faults, **counts, "faults": list(faults), "mended": list(mended)}


def test_check_exits_with_0_only_if_all_are_in_step(path: Path) -> None:
    with agent(path, node(), [PROGRESS, check_reply(IN_STEP)]):
        well = sroamctl(path, "check")
    assert (well.returncode, well.stderr) == (0, "")
    assert well.stdout.startswith("All in step: ap1 and 1 other node")
    with agent(path, node(), [PROGRESS, PROGRESS, check_reply(IN_STEP, SILENT)]):
        unwell = sroamctl(path, "check")
        as_json = sroamctl(path, "--json", "check")
    assert (unwell.returncode, unwell.stderr, as_json.returncode) == (1, "", 1)
    assert "ap3\\x1b[2J does not answer." in unwell.stdout
    assert [one["state"] for one in json.loads(as_json.stdout)["nodes"]] == ["in step", "no answer"]


def test_check_that_cannot_begin_exits_with_3(path: Path) -> None:
    with agent(path, node(), [{"error": "too many checks run already", "code": "busy"}]):
        busy = sroamctl(path, "check")
    assert (busy.returncode, busy.stdout) == (3, "")
    assert "too many checks run already; try again" in busy.stderr
    assert sroamctl(path, "check").returncode == 3


def test_check_shows_a_terminal_how_far_it_is_and_leaves_nothing_of_it(path: Path) -> None:
    main_end, terminal = os.openpty()
    with agent(path, node(), [PROGRESS, check_reply(IN_STEP)]):
        shown = subprocess.run(
            [sys.executable, "-m", "sroamd.cli", "--socket", str(path), "check"],
            stdout=subprocess.PIPE,
            stderr=terminal,
            timeout=20,
            env={**os.environ, "PYTHONPATH": SOURCE},
            check=True,
        )
    os.close(terminal)
    with open(main_end, "rb", buffering=0) as screen:
        written = screen.read(4096)
    assert written == b"\r\x1b[Klook 1: 1 of 2 nodes have answered, 1 are in step\r\x1b[K"
    assert shown.stdout.startswith(b"All in step")


FAULT: dict[str, object] = {
    "fault": "stray", "what": "route", "subject": "192.0.2.200/32",
    "wanted": None, "installed": None, "kernel": "direct, via 10.255.0.9 dev bb0",
}  # fmt: skip


def test_check_exits_with_1_if_a_route_is_not_right(path: Path) -> None:
    with agent(path, node(), [check_reply(IN_STEP, faults=[FAULT])]):
        unwell = sroamctl(path, "check")
    assert unwell.returncode == 1
    assert "  stray     192.0.2.200/32\n    wanted    nothing\n" in unwell.stdout


def test_repair_is_asked_for_under_a_name_of_its_own_and_exits_with_0_if_it_mends_all(path: Path) -> None:
    with agent(path, node(), [check_reply(IN_STEP, faults=[FAULT])], repair=[check_reply(IN_STEP, mended=[FAULT])]):
        assert sroamctl(path, "check").returncode == 1
        mended = sroamctl(path, "check", "--repair")
        as_json = sroamctl(path, "--json", "check", "--repair")
    assert (mended.returncode, as_json.returncode) == (0, 0)
    assert "MENDED in the kernel of ap1:\n  stray     192.0.2.200/32" in mended.stdout
    assert json.loads(as_json.stdout)["routes"]["mended"] == [FAULT]
    with agent(path, node(), repair=[check_reply(IN_STEP, faults=[FAULT])]):
        assert sroamctl(path, "check", "--repair").returncode == 1


def test_routes_are_listed_by_kind_and_by_station_or_prefix(path: Path) -> None:
    with agent(path, node()):
        shown = sroamctl(path, "routes", "--kind", "here", "192.0.2.0/24")
        as_json = sroamctl(path, "--json", "routes", str(PHONE))
        none = sroamctl(path, "routes", "--kind", "direct")
        missing = sroamctl(path, "routes", "192.0.2.99")
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["PREFIX", "192.0.2.7/32"]
    assert {row["station"] for row in json.loads(as_json.stdout)} == {str(PHONE)}
    assert (none.returncode, none.stdout) == (0, "none\n")
    assert (missing.returncode, missing.stdout, missing.stderr) == (1, "", "sroamctl: no station 192.0.2.99 is known\n")


def test_leases_are_listed_by_address_and_by_station_or_prefix(path: Path) -> None:
    with agent(path, node()):
        shown = sroamctl(path, "leases")
        as_json = sroamctl(path, "--json", "leases", "--expired", str(PHONE))
        none = sroamctl(path, "leases", "192.0.2.8")
        wrong = sroamctl(path, "leases", "phone")
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert lines[0] == ["ADDRESS", "STATION", "HOSTNAME", "EXPIRES", "STATE", "WHERE"]
    assert [lines[1][at] for at in (0, 1, 2, 4, 5)] == ["192.0.2.7", str(PHONE), "-", "bound", "ap1"]
    assert "192.0.2.7" in {row["address"] for row in json.loads(as_json.stdout)}
    assert (none.returncode, none.stdout) == (0, "none\n")
    assert (wrong.returncode, wrong.stdout) == (1, "")


def test_help_of_routes_says_what_each_column_means(path: Path) -> None:
    shown = sroamctl(path, "routes", "--help")
    assert shown.returncode == 0
    for wanted in ("prefix", "here", "demoted", "direct", "station", "node", "via", "why", "since", "examples:"):
        assert f"  {wanted}" in shown.stdout or wanted == "examples:"


def test_help_of_check_says_what_its_words_and_its_exit_mean(path: Path) -> None:
    shown = sroamctl(path, "check", "--help")
    assert shown.returncode == 0
    for wanted in ("in step", "differs", "no answer", "missing", "stray", "--repair", "exit status:", "examples:"):
        assert wanted in shown.stdout
