"""What is made of the kernel's events, also of those that were lost; on a kernel that does what the test says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import pytest

from sroamd.addresses import Mac
from sroamd.core.events import InterfaceChanged
from sroamd.io import netlink, rtnetlink
from sroamd.io.rtnetlink import KernelWatch
from tests.io.events import Collector, until
from tests.io.fake_kernel import UP, FakeKernel

OLD, NEW = Mac.parse("02:00:00:00:00:01"), Mac.parse("02:00:00:00:00:42")
Story = Callable[[], Awaitable[None]]


@dataclass
class Node:
    """A kernel with a station interface, and the watch on it; events gather in `heard`."""

    kernel: FakeKernel
    watch: KernelWatch
    heard: Collector = field(default_factory=Collector)

    def run(self, story: Story) -> None:
        bugs: list[object] = []

        async def work() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: bugs.append(context))
            self.watch.start(self.heard)
            try:
                await story()
            finally:
                self.watch.close()

        asyncio.run(work())
        assert bugs == []

    @property
    def macs(self) -> list[Mac | None]:
        """Of the station interface, one after the other."""
        return [event.mac for event in self.heard.of(InterfaceChanged)]


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    kernel = FakeKernel()
    monkeypatch.setattr(rtnetlink, "KernelQuery", lambda: kernel)
    monkeypatch.setattr(netlink, "open_socket", lambda *_: kernel)
    kernel.set_link("wlan0", 7, OLD)
    yield Node(kernel, KernelWatch(["wlan0"]))
    kernel.close()


def test_end_of_a_scan_does_not_take_the_interface_away(node: Node) -> None:
    async def story() -> None:
        named = netlink.IFINFO.pack(0, 1, 7, UP, 0) + netlink.attribute(3, b"wlan0\0")
        node.kernel.tell(netlink.RTM_NEWLINK, named + netlink.attribute(11, bytes.fromhex("1000198b") + bytes(12)))
        await asyncio.sleep(0.01)
        assert node.macs == [OLD]
        assert node.watch.lookup("wlan0") == (7, OLD)

    node.run(story)


def test_interface_that_leaves_a_bridge_is_still_there(node: Node) -> None:
    async def story() -> None:
        attributes = netlink.attribute(3, b"wlan0\0") + netlink.attribute(1, OLD)
        node.kernel.tell(netlink.RTM_DELLINK, netlink.IFINFO.pack(7, 1, 7, UP, 0) + attributes)
        await asyncio.sleep(0.01)
        assert node.macs == [OLD]
        assert node.watch.lookup("wlan0") == (7, OLD)

    node.run(story)


def overflow(node: Node) -> None:
    """Two events are kept, one of the interface as it was, and a third is lost."""
    node.kernel.room = 2
    for mac in (OLD, OLD, OLD):
        node.kernel.set_link("wlan0", 7, mac)
    assert node.kernel.congested


def test_what_happens_between_an_overflow_and_the_empty_queue_is_made_up_for(node: Node) -> None:
    """The kernel does not tell of it any more."""

    def while_reading() -> None:
        reads.append(len(node.kernel.asked))
        if len(reads) == 2:
            assert node.kernel.congested
            node.kernel.set_link("wlan0", 7, NEW)

    async def story() -> None:
        overflow(node)
        node.kernel.before_read = while_reading
        await until(lambda: node.macs == [OLD, NEW])
        assert reads == [reads[0]] * 4, "the error, two events, the end: and nothing was asked before that"
        assert node.watch.counters["netlink.overflows"] == 1

    reads: list[int] = []
    node.run(story)


def test_events_from_before_an_overflow_do_not_undo_what_was_asked_after_it(node: Node) -> None:
    async def story() -> None:
        overflow(node)
        node.kernel.set_link("wlan0", 7, NEW)
        await until(lambda: node.watch.counters["netlink.overflows"] > 0)
        await asyncio.sleep(0.01)
        assert node.macs == [OLD, NEW]
        assert node.watch.lookup("wlan0") == (7, NEW)

    node.run(story)


@pytest.mark.parametrize("reads_max", [1, 2, 3, 4])
def test_overflow_that_is_read_in_several_goes_is_made_up_for(
    node: Node, monkeypatch: pytest.MonkeyPatch, reads_max: int
) -> None:
    """Also where the last event is read at the end of one: nothing is readable then."""

    async def story() -> None:
        overflow(node)
        node.kernel.set_link("wlan0", 7, NEW)
        await until(lambda: node.macs == [OLD, NEW])

    monkeypatch.setattr(rtnetlink, "READS_MAX", reads_max)
    node.run(story)


def test_event_that_was_cut_off_counts_as_lost(node: Node) -> None:
    async def story() -> None:
        node.kernel.set_link("wlan0", 7, NEW)
        node.kernel.cut_off = True
        await until(lambda: node.macs == [OLD, NEW])
        assert node.watch.counters["netlink.overflows"] == 1

    node.run(story)
