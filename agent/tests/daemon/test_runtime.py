"""The loop around the core: order, the timer, a full queue, and a bug."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import Any, cast

import pytest

from sroamd.addresses import Mac
from sroamd.core.effects import Effect, Level, Note
from sroamd.core.events import DhcpReceived, Event, PeerClosed, RouterSolicited, StationAuthorized, Tick
from sroamd.core.node import Node
from sroamd.daemon.runtime import LAST_EVENTS, Runtime
from sroamd.wire.dhcpv4 import DhcpMessage, MessageType
from sroamd.wire.icmpv6 import RouterSolicitation
from tests.io.events import until

STATION = Mac.parse("02:00:00:00:00:07")
SOLICITED = RouterSolicited("wlan0", STATION, IPv6Address("fe80::7"), RouterSolicitation())
DISCOVERED = DhcpReceived(
    "wlan0",
    STATION,
    IPv4Address(0),
    DhcpMessage(op=1, message_type=MessageType.DISCOVER, xid=1, chaddr=STATION),
)


def authorized(number: int) -> StationAuthorized:
    return StationAuthorized("wlan0", Mac(number.to_bytes(6, "big")))


class FakeNode:
    """Answers each event with one note that names it, and wants a Tick when it is told to."""

    def __init__(self) -> None:
        self.handled: list[Event] = []
        self.deadline: float | None = None
        self.bug: Exception | None = None

    def handle(self, event: Event, now: float) -> list[Effect]:
        self.handled.append(event)
        if isinstance(event, Tick):
            self.deadline = None
        if self.bug is not None:
            raise self.bug
        return [Note(Level.DEBUG, repr(event))]

    def next_deadline(self) -> float | None:
        return self.deadline


class FakeDoer:
    """Writes down how many effects came when how many events had been handled."""

    def __init__(self, node: FakeNode) -> None:
        self.node = node
        self.seen: list[int] = []
        self.on_apply: Callable[[], None] = lambda: None

    def apply(self, wanted: Iterable[Effect]) -> None:
        self.on_apply()
        self.seen += [len(self.node.handled)] * len(list(wanted))


def runtime_of(node: FakeNode, queue_max: int = 100, trace: bool = False) -> Runtime:
    return Runtime(cast(Node, node), trace=trace, queue_max=queue_max)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_event_is_handled_within_emit_and_effects_come_before_the_next_event() -> None:
    async def work() -> None:
        node = FakeNode()
        doer, runtime = FakeDoer(node), runtime_of(node)
        runtime.begin(doer)

        def emit_another() -> None:
            if len(node.handled) < 3:
                runtime.emit(authorized(len(node.handled)))

        doer.on_apply = emit_another
        runtime.emit(authorized(0))
        assert node.handled == [authorized(0), authorized(1), authorized(2)]
        assert doer.seen == [1, 2, 3]

    run(work())


def test_events_wait_for_the_beginning() -> None:
    async def work() -> None:
        node = FakeNode()
        runtime = runtime_of(node)
        runtime.emit(authorized(0))
        assert node.handled == []
        runtime.begin(FakeDoer(node))
        assert node.handled == [authorized(0)]

    run(work())


def test_tick_comes_at_the_deadline_and_not_before() -> None:
    async def work() -> None:
        node, loop = FakeNode(), asyncio.get_running_loop()
        runtime = runtime_of(node)
        runtime.begin(FakeDoer(node))
        node.deadline = loop.time() + 0.05
        runtime.emit(authorized(0))
        node.deadline = loop.time() + 0.02  # earlier: the timer moves
        runtime.emit(authorized(1))
        await until(lambda: Tick() in node.handled, 1.0)
        assert len(node.handled) == 3

    run(work())


def test_timer_that_has_become_too_early_is_set_again() -> None:
    async def work() -> None:
        node, loop = FakeNode(), asyncio.get_running_loop()
        runtime = runtime_of(node)
        runtime.begin(FakeDoer(node))
        start = loop.time()
        node.deadline = start + 0.01
        runtime.emit(authorized(0))
        node.deadline = start + 0.08
        runtime.emit(authorized(1))
        await until(lambda: Tick() in node.handled, 1.0)
        assert loop.time() >= start + 0.08

    run(work())


def test_full_queue_sheds_what_stations_ask_again_and_never_their_arrival() -> None:
    async def work() -> None:
        node = FakeNode()
        runtime = runtime_of(node, queue_max=3)
        for event in (SOLICITED, PeerClosed(1), DISCOVERED):
            runtime.emit(event)
        runtime.emit(SOLICITED)  # full: not let in
        runtime.emit(authorized(1))  # takes the first place that a request can give
        runtime.emit(authorized(2))
        runtime.emit(authorized(3))  # nothing left to shed, and yet it gets in
        runtime.begin(FakeDoer(node))
        assert node.handled == [PeerClosed(1), authorized(1), authorized(2), authorized(3)]
        assert runtime.counters["event.shed"] == 4

    run(work())


@pytest.mark.parametrize("where", ["core", "executor", "callback"])
def test_bug_ends_the_process_and_says_what_led_to_it(where: str, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        node = FakeNode()
        doer, runtime = FakeDoer(node), runtime_of(node)
        runtime.begin(doer)
        for number in range(LAST_EVENTS + 5):
            runtime.emit(authorized(number))
        if where == "core":
            node.bug = KeyError("no such thing")
            runtime.emit(authorized(99))
        elif where == "executor":
            doer.on_apply = {}.clear  # and a failing one:
            doer.on_apply = lambda: [][1]  # type: ignore[assignment]
            runtime.emit(authorized(99))
        else:
            asyncio.get_running_loop().call_soon(lambda: [][1])
        assert await asyncio.wait_for(runtime.ended, 1.0) == 1
        handled = len(node.handled)
        runtime.emit(authorized(100))
        assert len(node.handled) == handled, "nothing is handled after a bug"

    run(work())
    assert "a bug ends this process" in caplog.text
    assert "Error" in caplog.text
    assert caplog.text.count("before it: ") == LAST_EVENTS


def test_fault_of_the_world_in_a_callback_does_not_end_us(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise OSError(24, "Too many open files")

    async def work() -> None:
        runtime = runtime_of(FakeNode())
        asyncio.get_running_loop().call_soon(fail)
        await asyncio.sleep(0.01)
        assert not runtime.ended.done()

    run(work())
    assert "Too many open files" in caplog.text


def test_trace_shows_event_and_effects(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def work() -> None:
        node = FakeNode()
        runtime = runtime_of(node, trace=True)
        runtime.begin(FakeDoer(node))
        runtime.emit(authorized(7))

    run(work())
    assert "event StationAuthorized(interface='wlan0'" in caplog.text
    assert "effect Note(" in caplog.text


def test_what_is_put_off_does_not_happen_after_the_end() -> None:
    async def work() -> None:
        runtime = runtime_of(FakeNode())
        happened: list[str] = []
        runtime.later(0.0, lambda: happened.append("before"))
        await asyncio.sleep(0.01)
        runtime.later(0.0, lambda: happened.append("after"))
        runtime.end(0)
        await asyncio.sleep(0.01)
        assert happened == ["before"]
        assert await runtime.ended == 0

    run(work())
