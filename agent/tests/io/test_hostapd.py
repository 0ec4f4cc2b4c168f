"""The watch on hostapd against one that does what the test says. The real one: tests/e2e/test_hostapd_monitor.py."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sroamd.addresses import Mac
from sroamd.core.events import Probe, ProbeAnswered, StationsListed
from sroamd.io import hostapd, hostapd_socket
from sroamd.io.hostapd import HostapdMonitor
from tests.io.events import Collector, authorized, left, listed, until
from tests.io.fake_hostapd import FakeHostapd

PHONE, LAPTOP, TABLET = "02:00:00:00:00:07", "02:00:00:00:00:08", "02:00:00:00:00:09"


class Place:
    """A directory with hostapd's socket in it, and the monitor of a test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runtime = path / "run"
        self.runtime.mkdir()
        self.seen = Collector()
        self.monitor = HostapdMonitor("wlan0", str(path / "wlan0"), str(self.runtime), self.seen)

    @contextmanager
    def hostapd(self) -> Iterator[FakeHostapd]:
        fake = FakeHostapd(self.path / "wlan0")
        try:
            yield fake
        finally:
            fake.close()

    async def attach(self) -> None:
        self.monitor.start()
        await until(lambda: self.monitor.attached)

    async def lists(self, count: int, timeout: float = 3.0) -> float:
        return await until(lambda: len(self.seen.of(StationsListed)) >= count, timeout)


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Callable[[Place], Awaitable[None]]], None]:
    def run_body(body: Callable[[Place], Awaitable[None]]) -> None:
        async def whole() -> None:
            place = Place(tmp_path)
            try:
                async with asyncio.timeout(30):
                    await body(place)
            finally:
                place.monitor.stop()
                await asyncio.sleep(0.01)
            assert list(place.runtime.iterdir()) == []

        asyncio.run(whole())

    return run_body


Run = Callable[[Callable[[Place], Awaitable[None]]], None]


def test_the_list_is_told_first_and_only_the_authorised_are_in_it(run: Run) -> None:
    async def body(place: Place) -> None:
        with place.hostapd() as fake:
            fake.stations = {PHONE: True, LAPTOP: False, TABLET: True}
            await place.attach()
            assert place.seen.events == [listed(PHONE, TABLET)]
            listing = ["STA-FIRST", *(f"STA-NEXT {mac}" for mac in fake.stations)]
            assert fake.commands == ["ATTACH", "DRIVER_FLAGS", *listing]

    run(body)


def test_comings_and_goings_are_told(run: Run) -> None:
    async def body(place: Place) -> None:
        with place.hostapd() as fake:
            await place.attach()
            fake.connect(PHONE)
            fake.disconnect(PHONE)
            fake.connect(PHONE)
            await until(lambda: len(place.seen.events) >= 4)
            assert place.seen.events == [listed(), authorized(PHONE), left(PHONE), authorized(PHONE)]

    run(body)


def test_a_silent_return_is_told_once_and_so_is_a_fresh_arrival(run: Run) -> None:
    async def body(place: Place) -> None:
        with place.hostapd() as fake:
            await place.attach()
            fake.connect(PHONE)  # EAP success and AP-STA-CONNECTED
            fake.connect(PHONE)  # EAP success alone
            fake.event(f"CTRL-EVENT-EAP-SUCCESS2 {LAPTOP}")  # what may still fail: it is not authorised yet
            fake.connect(TABLET)
            await until(lambda: len(place.seen.events) >= 4)
            assert place.seen.events == [listed(), authorized(PHONE), authorized(PHONE), authorized(TABLET)]

    run(body)


def test_what_happens_during_the_listing_is_neither_lost_nor_overtaken(run: Run) -> None:
    async def body(place: Place) -> None:
        with place.hostapd() as fake:
            fake.stations = {PHONE: True, LAPTOP: True, TABLET: False}
            fake.hooks[f"STA-NEXT {PHONE}"] = [lambda: fake.disconnect(PHONE), lambda: fake.connect(TABLET)]
            fake.hooks[f"STA-NEXT {TABLET}"] = [lambda: fake.disconnect(TABLET), lambda: fake.connect(LAPTOP)]
            await place.attach()
            await until(lambda: len(place.seen.events) >= 5)
            assert place.seen.events == [
                left(PHONE),
                authorized(TABLET),
                left(TABLET),
                listed(LAPTOP),
                authorized(LAPTOP),  # a silent return in the midst of it
            ]

    run(body)


def test_a_listing_begins_again_when_its_thread_is_lost(run: Run) -> None:
    async def body(place: Place) -> None:
        with place.hostapd() as fake:
            fake.stations = {PHONE: True, LAPTOP: True, TABLET: True}
            fake.hooks[f"STA-NEXT {LAPTOP}"] = [lambda: fake.stations.pop(LAPTOP)]
            await place.attach()
            assert place.seen.events == [listed(PHONE, TABLET)]
            assert fake.commands.count("STA-FIRST") == 2

    run(body)


def test_hostapd_may_come_later(run: Run) -> None:
    async def body(place: Place) -> None:
        place.monitor.start()
        await asyncio.sleep(0.6)
        assert not place.monitor.attached
        assert place.seen.events == []
        with place.hostapd() as fake:
            fake.stations = {PHONE: True}
            assert await place.lists(1) < 1.0
            assert place.seen.events == [listed(PHONE)]

    run(body)


def test_after_a_clean_restart_it_is_attached_again_within_two_seconds(run: Run) -> None:
    async def body(place: Place) -> None:
        with place.hostapd() as first:
            first.stations = {PHONE: True}
            await place.attach()
            first.terminate()
            await until(lambda: len(place.seen.events) == 2)
            assert place.seen.events == [listed(PHONE), left(PHONE)]
            assert not place.monitor.attached
        await asyncio.sleep(0.5)
        with place.hostapd() as second:
            second.stations = {LAPTOP: True}
            assert await place.lists(2) < 2.0
            second.connect(TABLET)
            await until(lambda: len(place.seen.events) == 4)
            assert place.seen.events[2:] == [listed(LAPTOP), authorized(TABLET)]
            assert place.monitor.counters["hostapd.lost"] == 1

    run(body)


def test_a_kill_and_restart_is_noticed_within_two_seconds_and_nothing_is_told_in_between(run: Run) -> None:
    async def body(place: Place) -> None:
        with place.hostapd() as first:
            first.stations = {PHONE: True}
            await place.attach()
            first.kill()
            assert place.seen.events == [listed(PHONE)]
        (place.path / "wlan0").unlink()  # as the next hostapd does
        with place.hostapd() as second:
            second.stations = {LAPTOP: True}
            assert await place.lists(2) < 2.0
            assert place.seen.events == [listed(PHONE), listed(LAPTOP)]

    run(body)


def test_a_killed_hostapd_takes_nobody_away(run: Run) -> None:
    async def body(place: Place) -> None:
        with place.hostapd() as fake:
            fake.stations = {PHONE: True}
            await place.attach()
            fake.kill()
        await until(lambda: not place.monitor.attached, 2.0)
        await asyncio.sleep(0.6)
        assert place.seen.events == [listed(PHONE)]

    run(body)


def test_a_hostapd_that_hangs_is_left_and_found_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostapd_socket, "PING_AFTER", 0.2)
    monkeypatch.setattr(hostapd_socket, "REPLY_TIMEOUT", 0.5)

    async def body(place: Place) -> None:
        with place.hostapd() as fake:
            await place.attach()
            fake.deaf = True
            await until(lambda: not place.monitor.attached, 4.5)
            fake.deaf = False
            fake.stations = {PHONE: True}
            await place.lists(2, 4.0)
            fake.connect(LAPTOP)
            await until(lambda: authorized(LAPTOP) in place.seen.events)
            # The first attachment's socket is gone, so its events come to nobody, and none comes twice.
            assert place.seen.events == [listed(), listed(PHONE), authorized(LAPTOP)]

    run(body)


def test_events_that_were_lost_are_found_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostapd, "AUDIT_INTERVAL", 0.1)

    async def body(place: Place) -> None:
        with place.hostapd() as fake:
            fake.stations = {PHONE: True}
            await place.attach()
            await asyncio.sleep(0.5)
            assert fake.commands.count("STA-FIRST") >= 3
            assert place.seen.events == [listed(PHONE)]  # an audit that finds all well is silent
            fake.listeners.clear()  # hostapd has detached us
            fake.disconnect(PHONE)
            fake.connect(LAPTOP)
            await place.lists(2)
            assert place.seen.events == [listed(PHONE), listed(LAPTOP)]
            assert place.monitor.counters["hostapd.events_missed"] == 1
            assert len(fake.listeners) == 1

    run(body)


def test_a_poll_is_answered(run: Run) -> None:
    async def body(place: Place) -> None:
        with place.hostapd() as fake:
            fake.stations = {PHONE: True, LAPTOP: True}
            await place.attach()
            place.monitor.poll(Mac.parse(PHONE))
            await place.seen.first(ProbeAnswered)
            fake.polls_answered = False
            place.monitor.poll(Mac.parse(LAPTOP))
            place.monitor.poll(Mac.parse(TABLET))
            await until(lambda: place.monitor.counters["hostapd.polls_refused"] == 1)
            assert place.seen.of(ProbeAnswered) == [ProbeAnswered("wlan0", Mac.parse(PHONE), Probe.POLL)]

    run(body)


def test_the_wired_driver_is_not_told_to_disassociate(run: Run) -> None:
    """It would throw a station out half a minute later, also one that has come back meanwhile."""

    async def body(place: Place) -> None:
        with place.hostapd() as fake:
            fake.driver_flags = "0000000000000010:\nWIRED\n"
            await place.attach()
            fake.connect(PHONE)
            await until(lambda: authorized(PHONE) in place.seen.events)
            place.monitor.disassociate(Mac.parse(PHONE))
            place.monitor.poll(Mac.parse(PHONE))
            await until(lambda: f"POLL_STA {PHONE}" in fake.commands)
            assert f"DISASSOCIATE {PHONE}" not in fake.commands

    run(body)


def test_disassociation_ends_in_a_departure_that_is_told_once(run: Run) -> None:
    async def body(place: Place) -> None:
        with place.hostapd() as fake:
            fake.stations = {PHONE: True, LAPTOP: True, TABLET: True}
            await place.attach()
            del fake.stations[LAPTOP]  # without a word
            fake.stations[TABLET] = False
            for mac in (PHONE, LAPTOP, TABLET):
                place.monitor.disassociate(Mac.parse(mac))
            await until(lambda: len(place.seen.events) >= 4)
            await asyncio.sleep(0.05)
            assert sorted(map(repr, place.seen.events[1:])) == sorted(map(repr, map(left, (PHONE, LAPTOP, TABLET))))
            assert not fake.stations[PHONE]

    run(body)


def test_commands_without_hostapd_are_counted(run: Run) -> None:
    async def body(place: Place) -> None:
        place.monitor.start()
        place.monitor.poll(Mac.parse(PHONE))
        place.monitor.disassociate(Mac.parse(PHONE))
        assert place.monitor.counters["hostapd.commands_dropped"] == 2

    run(body)


def test_hostapd_is_pinged_only_when_it_is_silent(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostapd_socket, "PING_AFTER", 0.3)

    async def body(place: Place) -> None:
        with place.hostapd() as fake:
            await place.attach()
            for _ in range(40):
                fake.event("AP-STA-POSSIBLE-PSK-MISMATCH 02:00:00:00:00:99")
                await asyncio.sleep(0.02)
            assert "PING" not in fake.commands
            await until(lambda: "PING" in fake.commands, 2.5)
            assert place.seen.events == [listed()]

    run(body)


@pytest.mark.parametrize("line", ["AP-STA-CONNECTED", "AP-STA-CONNECTED zz", "", "\xff\xfe", "AP-STA-CONNECTED 02:00"])
def test_what_cannot_be_read_is_dropped(run: Run, line: str) -> None:
    async def body(place: Place) -> None:
        with place.hostapd() as fake:
            await place.attach()
            fake.event(line)
            fake.connect(PHONE)
            await until(lambda: len(place.seen.events) == 2)
            assert place.seen.events == [listed(), authorized(PHONE)]
            assert place.monitor.counters["hostapd.malformed"] == ("CONNECTED" in line)

    run(body)


def test_nobody_but_hostapd_can_write_to_us(run: Run) -> None:
    async def body(place: Place) -> None:
        with place.hostapd():
            await place.attach()
            (ours,) = place.runtime.iterdir()
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger, pytest.raises(PermissionError):
                stranger.sendto(f"<3>AP-STA-CONNECTED {PHONE}".encode(), str(ours))
            await asyncio.sleep(0.05)
            assert place.seen.events == [listed()]

    run(body)


def test_sockets_of_a_killed_agent_are_removed_and_no_others(run: Run) -> None:
    async def body(place: Place) -> None:
        with place.hostapd(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as living:
            for name in ("hostapd-wlan0-dead", "hostapd-wlan1-dead"):
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
                    dead.bind(str(place.runtime / name))
            living.bind(str(place.runtime / "hostapd-wlan0-alive"))
            await place.attach()
            names = {path.name for path in place.runtime.iterdir()}
            assert {"hostapd-wlan0-alive", "hostapd-wlan1-dead"} <= names
            assert "hostapd-wlan0-dead" not in names
        for name in ("hostapd-wlan0-alive", "hostapd-wlan1-dead"):
            os.unlink(place.runtime / name)

    run(body)


def test_stopping_detaches(run: Run) -> None:
    async def body(place: Place) -> None:
        with place.hostapd() as fake:
            await place.attach()
            place.monitor.stop()
            await until(lambda: "DETACH" in fake.commands)
            assert fake.listeners == []

    run(body)
