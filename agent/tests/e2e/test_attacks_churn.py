"""Stations that come and go without end, and one that does not: its DHCP, its pings and its routes go on.

No real hostapd lets anybody in that often; this one says what the test says.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sroamd.constants import CLAIM_BURST, CLAIM_RATE
from tests.e2e.cell import PATIENCE, Cell, cell, measured_again
from tests.e2e.fleet import eventually, tell
from tests.io.fake_hostapd import FakeHostapd

MACS = [f"02:00:00:00:05:{number:02x}" for number in range(20)]
RATE = 200  # arrivals and departures a second, each
SECONDS = 3.0
CPU_SHARE_MAX = 0.8  # of a processor: an arrival costs a route, frames, a version of its claim


class FakeRadio:
    """A FakeHostapd in a thread of its own."""

    def __init__(self, directory: Path, _namespace: str) -> None:
        self.path = directory / "wlan0"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._hostapd = asyncio.run_coroutine_threadsafe(self._make(), self._loop).result()

    async def _make(self) -> FakeHostapd:
        return FakeHostapd(self.path)

    def join(self, _namespace: str, mac: str) -> None:
        self._loop.call_soon_threadsafe(self._hostapd.connect, mac)

    def leave(self, mac: str) -> None:
        self._loop.call_soon_threadsafe(self._hostapd.disconnect, mac)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._hostapd.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def quiet_cell(tmp_path: Path) -> Iterator[tuple[Cell, FakeRadio]]:
    radios: list[FakeRadio] = []

    def make(directory: Path, namespace: str) -> FakeRadio:
        radios.append(FakeRadio(directory, namespace))
        return radios[0]

    with cell(tmp_path, make) as made:
        yield made, radios[0]


def versions(made: Cell) -> dict[str, int]:
    """How often each station's whereabouts have been flooded."""
    return {each["key"]: each["seqno"] for each in made.asked("database") if each["kind"] == "association"}


@pytest.mark.conformance("c18")
@measured_again
def test_c18_20_stations_that_come_and_go_200_times_a_second(quiet_cell: tuple[Cell, FakeRadio]) -> None:
    made, radio = quiet_cell
    with made.undisturbed("C18, 200 associations a second"):
        for mac in MACS:
            radio.join("", mac)
        eventually(lambda: made.assert_here(*MACS), PATIENCE)
        before, counters, cpu, start = versions(made), made.counters(), made.cpu(), time.monotonic()
        for number in range(int(RATE * SECONDS)):
            if (ahead := start + number / RATE - time.monotonic()) > 0:
                time.sleep(ahead)
            radio.leave(MACS[number % len(MACS)])
            radio.join("", MACS[number % len(MACS)])
        took = time.monotonic() - start
        eventually(lambda: made.assert_here(*MACS), PATIENCE)
        spent, now, after = made.cpu() - cpu, made.counters(), versions(made)
    worst = max(after[mac] - before[mac] for mac in MACS)
    written = now["store.commits"] - counters["store.commits"]
    tell(f"  at most {worst} versions of a claim, {written} writes, {spent / took:.0%} of a processor in {took:.1f} s")
    assert worst <= CLAIM_BURST + CLAIM_RATE * took + 1
    assert written <= 10 * took
    assert spent <= CPU_SHARE_MAX * took
    assert now.get("event.shed", 0) == 0
    assert now.get("hostapd.lost", 0) == 0
