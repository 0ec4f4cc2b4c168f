"""What adapters emit, collected; waiting for it; and what hostapd's say, in a word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sroamd.addresses import Mac
from sroamd.core.events import Event, StationAuthorized, StationLeft, StationsListed

E = TypeVar("E")


class Collector:
    """An `emit` that keeps what it is given, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    async def first(self, kind: type[E], timeout: float = 5.0) -> E:
        """The first of its kind, now or within `timeout` seconds."""
        await until(lambda: bool(self.of(kind)), timeout)
        return self.of(kind)[0]


async def until(condition: Callable[[], bool], timeout: float = 5.0) -> float:
    """Wait until it holds; the seconds it took. AssertionError if it does not come to hold in time."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    while not condition():
        assert loop.time() - start < timeout, "waited in vain"
        await asyncio.sleep(0.005)
    return loop.time() - start


def listed(*macs: str) -> StationsListed:
    return StationsListed("wlan0", frozenset(map(Mac.parse, macs)))


def authorized(mac: str) -> StationAuthorized:
    return StationAuthorized("wlan0", Mac.parse(mac))


def left(mac: str) -> StationLeft:
    return StationLeft("wlan0", Mac.parse(mac))
