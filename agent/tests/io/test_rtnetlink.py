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
from tests.io.events import Collector
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
        async def work() -> None:
            self.watch.start(self.heard)
            try:
                await story()
            finally:
                self.watch.close()

        asyncio.run(work())

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
