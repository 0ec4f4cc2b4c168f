"""A Babel neighbour on a real link is heard, and asked for its routes in a way that any Babel daemon accepts."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

import pytest

from sroamd.io.babel import ASK_AT, BabelPrompter
from sroamd.wire.babel import GROUP, PORT
from tests.e2e.netns import Namespace, namespace
from tests.io.events import until

HELLO = bytes.fromhex("2a02 0008 0406 0000 8682 0014")
# One for an address, and one for everything: to the neighbour for the peer's, to the own daemon for the node's own.
FOR_PEER = bytes.fromhex("2a02 000c 0906 0120 0aff0002 0902 0000")
FOR_OWN = bytes.fromhex("2a02 000c 0906 0120 0aff0001 0902 0000")
SOON = 0.6


@dataclass
class Backbone:
    """`daemon` holds Babel's port here, as babeld does; `neighbour` holds it at the other end of the link."""

    here: Namespace
    there: Namespace
    daemon: socket.socket
    neighbour: socket.socket

    def say_hello(self) -> None:
        with self.there.entered():
            index = socket.if_nametoindex("bb0")
        self.neighbour.sendto(HELLO, (GROUP, PORT, 0, index))

    def run(self, story: Callable[[BabelPrompter], Awaitable[None]], interface: str = "bb0") -> None:
        async def work() -> None:
            with self.here.entered():
                prompter = BabelPrompter([interface], [IPv4Address("10.255.0.1")], [IPv4Address("10.255.0.2")])
                prompter.start()
                try:
                    await story(prompter)
                finally:
                    prompter.stop()

        asyncio.run(work())


@pytest.fixture
def backbone() -> Iterator[Backbone]:
    with namespace() as here, namespace() as there:
        here.ip(f"link add bb0 type veth peer name bb0 netns {there.name}")
        for end in (here, there):
            switch_on(end, "bb0")
        wait_for_address(here, "bb0")
        wait_for_address(there, "bb0")
        with daemon(here) as ours, daemon(there) as theirs:
            yield Backbone(here, there, ours, theirs)


def switch_on(where: Namespace, interface: str) -> None:
    """Up, and with a link-local address as soon as the other end is up too."""
    where.sysctl(f"net.ipv6.conf.{interface}.disable_ipv6", 0)
    where.sysctl(f"net.ipv6.conf.{interface}.accept_dad", 0)
    where.ip(f"link set {interface} up")


def wait_for_address(where: Namespace, interface: str) -> None:
    deadline = time.monotonic() + 3.0
    while "fe80" not in where.ip(f"-6 address show dev {interface} -tentative"):
        assert time.monotonic() < deadline, f"{interface} gets no link-local address"
        time.sleep(0.02)


def daemon(where: Namespace) -> socket.socket:
    """A socket as babeld's."""
    with where.entered():
        made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setblocking(False)
    made.bind(("::", PORT))
    return made


def received(daemon: socket.socket) -> list[tuple[bytes, str, int]]:
    """(packet, source address without its zone, source port) of all that has come."""
    found = []
    while True:
        try:
            packet, address = daemon.recvfrom(2048)
        except BlockingIOError:
            return found
        found.append((packet, address[0].partition("%")[0], address[1]))


def test_both_daemons_are_asked_from_babels_port(backbone: Backbone) -> None:
    async def story(prompter: BabelPrompter) -> None:
        backbone.say_hello()
        await until(lambda: prompter.counters["babel.asked"] == 2 * len(ASK_AT), ASK_AT[-1] + SOON)

    backbone.run(story)
    there, here = received(backbone.neighbour), received(backbone.daemon)
    assert [packet for packet, _, _ in there] == [FOR_PEER] * len(ASK_AT)
    here = [each for each in here if each[0] != HELLO]
    assert here == [(FOR_OWN, *sender) for _, *sender in there], "the own daemon is asked from the same address"
    assert {port for _, _, port in there} == {PORT}
    assert all(source.startswith("fe80::") for _, source, _ in there)


def test_the_daemon_loses_nothing_to_us(backbone: Backbone) -> None:
    """What is sent to its own address reaches it, as if nobody listened beside it."""

    async def story(prompter: BabelPrompter) -> None:
        backbone.say_hello()
        await until(lambda: prompter.counters["babel.heard_anew"] == 1, SOON)
        await until(lambda: prompter.counters["babel.asked"] == 2, SOON)
        ((_, own, _), *_) = received(backbone.neighbour)
        with backbone.there.entered():
            index = socket.if_nametoindex("bb0")
        backbone.neighbour.sendto(HELLO, (own, PORT, 0, index))
        await until(lambda: HELLO in [packet for packet, _, _ in received(backbone.daemon)], SOON)

    backbone.run(story)


def test_what_is_no_babel_is_counted(backbone: Backbone) -> None:
    async def story(prompter: BabelPrompter) -> None:
        with backbone.there.entered():
            index = socket.if_nametoindex("bb0")
        backbone.neighbour.sendto(b"\x2a\x03 nonsense", (GROUP, PORT, 0, index))
        await until(lambda: prompter.counters["babel.malformed"] == 1, SOON)
        assert prompter.counters["babel.asked"] == 0

    backbone.run(story)


def test_an_interface_may_come_later_and_go(backbone: Backbone) -> None:
    async def story(prompter: BabelPrompter) -> None:
        await asyncio.sleep(0.2)
        assert not prompter.counters
        for asked in (2, 4):
            backbone.here.ip(f"link add bb7 type veth peer name bb7 netns {backbone.there.name}")
            for end in (backbone.here, backbone.there):
                switch_on(end, "bb7")
            wait_for_address(backbone.there, "bb7")
            with backbone.there.entered():
                index = socket.if_nametoindex("bb7")

            def say_hello_until_asked(asked: int = asked, index: int = index) -> bool:
                if prompter.counters["babel.heard_anew"] < asked // 2:
                    backbone.neighbour.sendto(HELLO, (GROUP, PORT, 0, index))
                return prompter.counters["babel.asked"] >= asked

            await until(say_hello_until_asked, 3.0)
            backbone.here.ip("link delete bb7")

    backbone.run(story, "bb7")
