"""Two whole daemons on two links: direct routes follow the flood, the kernel's ways, and the daemon's own life."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.netns import namespace
from tests.e2e.test_io_daemon import PATIENCE, STATION, AccessPoint
from tests.io.events import until
from tests.io.fake_hostapd import FakeHostapd

PORT = 4321
LATER = 11.0 + PATIENCE  # s; what was here is demoted before it is direct
SOON = 1.0  # s, on a machine that does other things too; alone it is milliseconds


@dataclass
class Pair:
    """Two access points; bb0 is the better link between them, as a routing protocol would say it."""

    points: tuple[AccessPoint, AccessPoint]

    def node(self, number: int) -> str:
        """The lines of its configuration, from within [node] on."""
        other = 3 - number
        return (
            f'router_ipv4 = "10.255.0.{number}"\nrouter_ipv6 = "fd00:255::{number}"\n'
            f'[flood]\nlisten = "[::]:{PORT}"\npeers = ["[fd00:255::{other}]:{PORT}"]\n'
        )

    def way(self, verb: str, link: int) -> None:
        for number, point in enumerate(self.points, 1):
            to, by = 3 - number, f"dev bb{link} proto babel metric {1024 + link}"
            point.ap.ip(f"-6 route {verb} fd00:255::{to} via fe80::b{link}:{to} {by}")
            point.ap.ip(f"route {verb} 10.255.0.{to} via inet6 fe80::b{link}:{to} {by}")

    def direct(self, number: int) -> dict[str, str]:
        """Prefix -> interface of the node's routes of protocol 47."""
        found = {}
        for family in ("-4", "-6"):
            for route in json.loads(
                self.points[number - 1].ap.ip(f"-j {family} route show table all proto 47") or "[]"
            ):
                found[route["dst"]] = route["dev"]
        return found


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with namespace() as one, namespace() as two, namespace() as sta:
        for link in (0, 1):
            one.ip(f"link add bb{link} type veth peer name bb{link} netns {two.name}")
        points = []
        for number, ap in enumerate((one, two), 1):
            ap.sysctl("net.ipv6.conf.all.forwarding", 1)
            ap.ip(f"link add wlan0 type veth peer name sta{number} address {STATION} netns {sta.name}")
            ap.ip("link set wlan0 up")
            sta.ip(f"link set sta{number} up")
            ap.ip("addr add fe80::1/64 dev wlan0 nodad")
            ap.ip(f"addr add fd00:255::{number}/128 dev lo nodad")
            ap.ip(f"addr add 10.255.0.{number}/32 dev lo")
            for link in (0, 1):
                ap.sysctl(f"net.ipv6.conf.bb{link}.addr_gen_mode", 1)
                ap.ip(f"addr add fe80::b{link}:{number}/64 dev bb{link} nodad")
                ap.ip(f"link set bb{link} up")
            directory = tmp_path / f"ap{number}"
            directory.mkdir()
            points.append(AccessPoint(ap, sta, directory))
        made = Pair((points[0], points[1]))
        made.way("add", 0)
        made.way("add", 1)
        yield made


def run(pair: Pair, story: Callable[[list[FakeHostapd]], object]) -> None:
    async def work() -> None:
        hostapds = [FakeHostapd(point.directory / "wlan0") for point in pair.points]
        try:
            await story(hostapds)  # type: ignore[misc]
        finally:
            for hostapd in hostapds:
                hostapd.close()

    try:
        asyncio.run(work())
    finally:
        print(*(point.log() for point in pair.points), sep="\n--\n")


def test_direct_routes_follow_roams_links_and_the_life_of_the_daemon(pair: Pair) -> None:
    one, two = pair.points

    async def story(hostapds: list[FakeHostapd]) -> None:
        with one.daemon(pair.node(1)) as _, two.daemon(pair.node(2)) as second:
            await one.ready()
            await two.ready()
            hostapds[0].connect(STATION)
            await until(lambda: set(pair.direct(2).values()) == {"bb0"}, PATIENCE)
            (prefix,) = pair.direct(2)
            assert pair.direct(1) == {}

            for here, there, number in ((1, 0, 1), (0, 1, 2)):
                one.sta.ip(f"link set sta{there + 1} down")  # at the old place nobody answers
                one.sta.ip(f"link set sta{here + 1} up")
                hostapds[there].polls_answered, hostapds[here].polls_answered = False, True
                hostapds[here].connect(STATION)
                await until(lambda number=number: pair.direct(number) == {prefix: "bb0"}, LATER)  # type: ignore[misc]
                await until(lambda number=number: pair.direct(3 - number) == {}, SOON)  # type: ignore[misc]
                hostapds[there].disconnect(STATION)

            one.ap.ip("link set bb0 down")  # the other end loses the carrier, and with it object and routes
            two.ap.ip("-6 route del fd00:255::1 dev bb0")
            two.ap.ip("route del 10.255.0.1 dev bb0")
            await until(lambda: pair.direct(2) == {prefix: "bb1"}, SOON)

            second.send_signal(signal.SIGKILL)
            second.wait()
        assert pair.direct(2) == {prefix: "bb1"}, "nobody here does what the service manager does"
        with two.daemon(pair.node(2)):
            await until(lambda: two.log().count("attached to hostapd") == 2, PATIENCE)
            assert pair.direct(2) == {}, "there is no peer to say where the station is"
            with one.daemon(pair.node(1)):
                await until(lambda: pair.direct(2) == {prefix: "bb1"}, PATIENCE)

    run(pair, story)
