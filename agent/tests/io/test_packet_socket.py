"""When packet sockets are opened, and again; what they hear and send is in tests/e2e/test_io_packets.py."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address

import pytest

from sroamd.addresses import Mac
from sroamd.io import packet_socket
from sroamd.io.packet_socket import PacketSockets
from tests.io.events import Collector, until

MAC = Mac.parse("02:00:00:00:00:01")
FAST = 0.01
Story = Callable[[], Awaitable[None]]


class Radio:
    """wlan0, and its packet sockets, which can be opened unless `descriptors` have run out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.links: dict[str, tuple[int, Mac]] = {"wlan0": (7, MAC)}
        self.sockets = PacketSockets(["wlan0"], IPv4Address("192.0.2.1"), self.links.get, Collector())
        self.descriptors = True
        self.opened: list[socket.socket] = []
        monkeypatch.setattr(packet_socket, "_open_packet_socket", self._open)
        monkeypatch.setattr(packet_socket, "_hold_dhcp_port", lambda interface: None)
        monkeypatch.setattr(packet_socket, "OPEN_RETRY", FAST)

    @property
    def failures(self) -> int:
        return self.sockets.counters["frame.socket_failed"]

    @property
    def is_open(self) -> bool:
        return any(one.fileno() >= 0 for one in self.opened)

    def _open(self, interface: str) -> socket.socket:
        if not self.descriptors:
            raise OSError(errno.EMFILE, "Too many open files")
        self.opened.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
        return self.opened[-1]

    def run(self, story: Story) -> None:
        async def work() -> None:
            try:
                await story()
            finally:
                self.sockets.close()

        asyncio.run(work())


@pytest.fixture
def radio(monkeypatch: pytest.MonkeyPatch) -> Radio:
    return Radio(monkeypatch)


def test_socket_that_cannot_be_opened_is_opened_later_without_any_news_of_the_link(
    radio: Radio, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        radio.descriptors = False
        radio.sockets.refresh("wlan0")
        await until(lambda: radio.failures >= 3)
        radio.descriptors = True
        await until(lambda: radio.is_open)
        failures = radio.failures
        await asyncio.sleep(3 * FAST)
        assert (radio.failures, len(radio.opened)) == (failures, 1)

    radio.run(story)
    assert [record.levelno for record in caplog.records if record.levelno >= logging.WARNING] == [logging.ERROR]


def test_each_interface_has_one_attempt_to_come_however_often_its_link_is_told_of(radio: Radio) -> None:
    async def story() -> None:
        radio.descriptors = False
        for _ in range(100):
            radio.sockets.refresh("wlan0")
        await asyncio.sleep(3.5 * FAST)
        assert 101 <= radio.failures <= 104
        radio.descriptors = True
        radio.sockets.refresh("wlan0")
        await asyncio.sleep(3 * FAST)
        assert len(radio.opened) == 1

    radio.run(story)


@pytest.mark.parametrize("how", ["the interface goes", "closed"])
def test_nothing_is_opened_any_more_for(radio: Radio, how: str) -> None:
    async def story() -> None:
        radio.descriptors = False
        radio.sockets.refresh("wlan0")
        if how == "closed":
            radio.sockets.close()
        else:
            del radio.links["wlan0"]
            radio.sockets.refresh("wlan0")
        radio.descriptors = True
        await asyncio.sleep(3 * FAST)
        assert (radio.failures, radio.opened) == (1, [])

    radio.run(story)


def test_packet_socket_does_not_stay_where_there_is_no_descriptor_for_the_one_beside_it(
    radio: Radio, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        def refuse(interface: str) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

        monkeypatch.setattr(packet_socket, "_hold_dhcp_port", refuse)
        radio.sockets.refresh("wlan0")
        assert radio.failures == len(radio.opened) == 1
        assert not radio.is_open

    radio.run(story)
