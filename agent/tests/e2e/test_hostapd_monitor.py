"""The watch on hostapd against the real one: what it says, and what becomes of its deaths."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from lab.image import image
from sroamd.addresses import Mac
from sroamd.core.events import Event
from sroamd.io.hostapd import HostapdMonitor
from tests.e2e.real_hostapd import Phones, RealHostapd, make_link, remove_link, unpack
from tests.io.events import Collector, authorized, left, listed, until

PHONE, LAPTOP = "02:00:00:00:00:07", "02:00:00:00:00:08"


class Scene:
    """A running hostapd, stations, and a monitor that has not been started yet."""

    def __init__(self, hostapd: RealHostapd, phones: Phones, runtime: Path) -> None:
        self.hostapd = hostapd
        self.phones = phones
        self.seen = Collector()
        self.monitor = HostapdMonitor("wlan0", str(hostapd.path), str(runtime), self.seen)

    async def join(self, mac: str) -> None:
        await asyncio.to_thread(self.phones.join, mac)

    async def throw_out(self, mac: str) -> None:
        """By somebody else's command: the monitor does not do that with the wired driver."""
        assert await asyncio.to_thread(self.hostapd.command, f"DISASSOCIATE {mac}") == "OK\n"

    async def attach(self) -> None:
        self.monitor.start()
        await until(lambda: self.monitor.attached)

    async def expect(self, *events: Event, timeout: float = 2.0) -> float:
        """Exactly these since the last time, in this order. Returns the seconds that they took."""
        took = await until(lambda: len(self.seen.events) >= len(events), timeout)
        await asyncio.sleep(0.05)  # for what should not come
        assert self.seen.events == list(events)
        self.seen.events.clear()
        return took


Play = Callable[[Callable[[Scene], Awaitable[None]]], None]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return unpack(image(), tmp_path_factory.mktemp("hostapd"))


@pytest.fixture
def play(command: list[str], tmp_path: Path) -> Iterator[Play]:
    make_link()
    hostapd, phones, runtime = RealHostapd(command, tmp_path), Phones(), tmp_path / "run"
    runtime.mkdir()
    hostapd.start()

    def run(body: Callable[[Scene], Awaitable[None]]) -> None:
        async def whole() -> None:
            scene = Scene(hostapd, phones, runtime)
            try:
                async with asyncio.timeout(50):
                    await body(scene)
            finally:
                scene.monitor.stop()

        asyncio.run(whole())
        assert list(runtime.iterdir()) == []

    try:
        yield run
    finally:
        phones.close()
        hostapd.end(signal.SIGKILL)
        remove_link()


def test_a_station_comes_returns_silently_is_thrown_out_and_comes_again(play: Play) -> None:
    async def body(scene: Scene) -> None:
        await scene.join(LAPTOP)
        await scene.attach()
        await scene.expect(listed(LAPTOP))
        await scene.join(PHONE)
        assert await scene.expect(authorized(PHONE)) < 0.1
        # It has been elsewhere, hostapd has not noticed, and says nothing but EAP-SUCCESS.
        await scene.join(PHONE)
        assert await scene.expect(authorized(PHONE)) < 0.1
        await scene.throw_out(PHONE)
        await scene.expect(left(PHONE))
        await scene.join(PHONE)
        await scene.expect(authorized(PHONE))
        scene.monitor.poll(Mac.parse(PHONE))  # the wired driver takes it, and never answers
        scene.phones.leave(LAPTOP)
        await scene.expect(left(LAPTOP))
        assert scene.monitor.counters == {}

    play(body)


def test_an_entry_of_the_list_that_is_not_authorised_is_not_there(play: Play) -> None:
    async def body(scene: Scene) -> None:
        await scene.join(LAPTOP)
        await scene.join(PHONE)
        await scene.attach()
        await scene.expect(listed(LAPTOP, PHONE))
        await scene.throw_out(PHONE)
        await scene.expect(left(PHONE))
        scene.monitor.stop()
        again = HostapdMonitor("wlan0", str(scene.hostapd.path), str(scene.hostapd.path.parents[1] / "run"), scene.seen)
        again.start()
        await scene.expect(listed(LAPTOP))
        again.stop()

    play(body)


def test_the_wired_driver_is_left_alone_and_a_return_is_told_all_the_same(play: Play) -> None:
    async def body(scene: Scene) -> None:
        await scene.join(PHONE)
        await scene.attach()
        await scene.expect(listed(PHONE))
        assert "WIRED" in await asyncio.to_thread(scene.hostapd.command, "DRIVER_FLAGS")
        scene.monitor.disassociate(Mac.parse(PHONE))
        await scene.expect()
        assert "[AUTHORIZED]" in await asyncio.to_thread(scene.hostapd.command, f"STA {PHONE}")
        await scene.join(PHONE)
        await scene.expect(authorized(PHONE))

    play(body)


def test_a_restart_of_hostapd_is_followed_within_two_seconds(play: Play) -> None:
    async def body(scene: Scene) -> None:
        await scene.join(PHONE)
        await scene.attach()
        await scene.expect(listed(PHONE))
        await asyncio.to_thread(scene.hostapd.end)
        await scene.expect(left(PHONE))
        await asyncio.to_thread(scene.hostapd.start)
        assert await scene.expect(listed()) < 2.0
        await scene.join(PHONE)
        await scene.expect(authorized(PHONE))

    play(body)


def test_a_killed_hostapd_takes_nobody_along_until_the_next_one_says_so(play: Play) -> None:
    async def body(scene: Scene) -> None:
        await scene.join(PHONE)
        await scene.attach()
        await scene.expect(listed(PHONE))
        await asyncio.to_thread(scene.hostapd.end, signal.SIGKILL)
        await until(lambda: not scene.monitor.attached)
        await scene.expect()
        await asyncio.to_thread(scene.hostapd.start)
        assert await scene.expect(listed()) < 2.0
        # Killed and there again at once, with a station already: the old socket must not be taken for the new one.
        await asyncio.to_thread(scene.hostapd.end, signal.SIGKILL)
        await asyncio.to_thread(scene.hostapd.start)
        await scene.join(LAPTOP)
        assert await scene.expect(listed(LAPTOP)) < 2.0

    play(body)


def test_a_crowd_is_told_to_the_last_one(play: Play) -> None:
    crowd = [f"02:00:00:00:01:{number:02x}" for number in range(40)]

    async def body(scene: Scene) -> None:
        await scene.attach()
        await scene.expect(listed())
        await asyncio.gather(*(scene.join(mac) for mac in crowd))
        await until(lambda: len(scene.seen.events) >= len(crowd))
        assert sorted(map(repr, scene.seen.events)) == sorted(repr(authorized(mac)) for mac in crowd)
        scene.seen.events.clear()
        for mac in crowd:
            await scene.throw_out(mac)
        await until(lambda: len(scene.seen.events) >= len(crowd))
        assert sorted(map(repr, scene.seen.events)) == sorted(repr(left(mac)) for mac in crowd)
        assert scene.monitor.counters == {}

    play(body)
