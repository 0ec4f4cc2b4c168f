"""What is made of the kernel's events, also of those that were lost; on a kernel that does what the test says."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address

import pytest

from sroamd.addresses import Mac, NodeId
from sroamd.core.events import (
    ForeignRouteFound,
    InterfaceChanged,
    KernelRouteLost,
    KernelRoutesListed,
    LinkLocalsListed,
    NextHopChanged,
    NextHopObjectsLost,
)
from sroamd.core.values import NextHop, Route, RouteKind
from sroamd.io import netlink, patience, rtnetlink
from sroamd.io.direct_routes import DirectRoutes, key_of
from sroamd.io.netlink import RouteMessage
from sroamd.io.netlink_address import AddressMessage
from sroamd.io.netlink_nexthop import NextHopMessage
from sroamd.io.rtnetlink import KernelWatch
from tests.io.events import Collector, until
from tests.io.fake_kernel import UP, FakeKernel

OLD, NEW = Mac.parse("02:00:00:00:00:01"), Mac.parse("02:00:00:00:00:42")
BACKBONE = Mac.parse("02:00:00:00:00:08")
ROUTER, GATEWAY = IPv4Address("10.255.0.2"), IPv4Address("10.255.0.9")
WAY = RouteMessage(IPv4Network("10.255.0.2/32"), 254, 42, netlink.RTN_UNICAST, 1024, 7, GATEWAY)
LEASE = IPv4Network("192.0.2.7/32")
OWN = IPv6Address("fe80::7")
AP2 = NodeId(bytes(7) + b"\2")
TROUBLE = OSError(errno.ENOBUFS, "No buffer space available")
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
    monkeypatch.setattr(patience, "ASK_AGAIN", 0.01)
    monkeypatch.setattr(netlink, "open_socket", lambda *_: kernel)
    kernel.set_link("wlan0", 7, OLD)
    kernel.set_link("bb0", 8, BACKBONE)
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


def in_trouble(node: Node, asked: Callable[[], object], answered: Callable[[], bool]) -> None:
    """What is asked while the kernel has no memory is neither an error nor forgotten."""

    async def story() -> None:
        node.kernel.trouble = TROUBLE
        before = len(node.heard.events)
        asked()
        await until(lambda: node.watch.counters["netlink.unanswered"] >= 3)
        assert node.heard.events[before:] == [], "no answer is no news"
        node.kernel.trouble = None
        await until(answered)
        questions = len(node.kernel.asked)
        await asyncio.sleep(0.03)
        assert len(node.kernel.asked) == questions, "and then no more"

    node.run(story)


@pytest.mark.parametrize(("way", "hop"), [(WAY, NextHop("wlan0", GATEWAY)), (None, None)])
def test_address_that_the_kernel_could_not_be_asked_about_is_asked_about_again(
    node: Node, way: RouteMessage | None, hop: NextHop | None
) -> None:
    if way is not None:
        node.kernel.ways[ROUTER] = way
    in_trouble(
        node,
        lambda: node.watch.watch({ROUTER}),
        lambda: node.heard.of(NextHopChanged) == [NextHopChanged(ROUTER, hop)],
    )


def test_way_is_kept_while_the_kernel_cannot_be_asked(node: Node) -> None:
    node.kernel.ways[ROUTER] = WAY
    changed = RouteMessage(WAY.prefix, 254, 42, netlink.RTN_UNICAST, 1024, 7, None)

    def change() -> None:
        node.kernel.ways[ROUTER] = changed
        node.kernel.tell(netlink.RTM_NEWADDR, b"")  # all ways are in doubt

    async def story() -> None:
        node.watch.watch({ROUTER})
        node.kernel.trouble = TROUBLE
        change()
        await until(lambda: node.watch.counters["netlink.unanswered"] >= 3)
        assert [event.next_hop for event in node.heard.of(NextHopChanged)] == [NextHop("wlan0", GATEWAY)]
        node.kernel.trouble = None
        await until(lambda: node.heard.of(NextHopChanged)[1:] == [NextHopChanged(ROUTER, NextHop("wlan0", None))])

    node.run(story)


def test_search_for_a_foreign_route_is_made_later(node: Node) -> None:
    node.kernel.ways[LEASE.network_address] = RouteMessage(LEASE, 254, 42, netlink.RTN_UNICAST, 1024, 7, GATEWAY)
    in_trouble(node, lambda: node.watch.find(LEASE), lambda: node.heard.of(ForeignRouteFound) != [])


@pytest.mark.parametrize("direct", [False, True])
def test_routes_are_listed_later(node: Node, direct: bool) -> None:
    def change() -> None:
        node.kernel.routes = [
            RouteMessage(LEASE, 254, 44, netlink.RTN_UNICAST, 64, 7, None),
            RouteMessage(LEASE, 47, 47, netlink.RTN_UNICAST, 64, 7, None),
        ]
        node.watch.list_routes(direct=direct)

    here = KernelRoutesListed(frozenset({Route(LEASE, RouteKind.HERE, NextHop("wlan0", None))}), direct=False)
    kinds = (RouteKind.HERE, RouteKind.DIRECT)
    stray = KernelRoutesListed(frozenset(Route(LEASE, kind, NextHop("wlan0", None)) for kind in kinds), direct=True)
    in_trouble(node, change, lambda: node.heard.of(KernelRoutesListed)[1:] == [stray if direct else here])


def test_own_addresses_are_listed_later(node: Node) -> None:
    def change() -> None:
        node.kernel.own = [AddressMessage(OWN, 8, True)]
        node.kernel.tell(netlink.RTM_NEWADDR, b"")

    in_trouble(node, change, lambda: node.heard.of(LinkLocalsListed)[1:] == [LinkLocalsListed(frozenset({OWN}))])


def test_lost_object_is_found_missing_later_and_its_routes_are_no_loss_of_their_own(node: Node) -> None:
    books = DirectRoutes()
    kept, lost = (books.create(AP2, version, 7, GATEWAY) for version in (6, 4))
    for one in (kept, lost):
        books.put(key_of(LEASE), one.number)

    def remove() -> None:
        node.kernel.objects = [NextHopMessage(kept.number, 47, 7, GATEWAY)]
        gone = RouteMessage(LEASE, 47, 47, netlink.RTN_UNICAST, 64, 7, GATEWAY, lost.number)
        node.watch._handle_route(False, gone)
        node.kernel.tell(netlink.RTM_NEWADDR, b"")  # whatever it is, it ends the batch

    node.watch.follow({}, books, 4711)
    in_trouble(node, remove, lambda: node.heard.of(NextHopObjectsLost) == [NextHopObjectsLost(frozenset({(AP2, 4)}))])
    assert node.heard.of(KernelRouteLost) == []


def test_lost_events_are_made_up_for_later(node: Node) -> None:
    def change() -> None:
        overflow(node)
        node.kernel.set_link("wlan0", 7, NEW)

    in_trouble(node, change, lambda: node.macs == [OLD, NEW])
    assert node.watch.counters["netlink.overflows"] == 1


def test_whatever_was_asked_before_the_start_is_answered_after_it(node: Node) -> None:
    async def story() -> None:
        await until(lambda: node.heard.of(NextHopChanged) != [])

    node.kernel.ways[ROUTER] = WAY
    node.kernel.trouble = TROUBLE
    node.watch.watch({ROUTER})
    node.kernel.trouble = None
    node.run(story)


def test_trouble_is_told_once_and_its_end(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    in_trouble(node, lambda: node.watch.find(LEASE), lambda: "answers again" in caplog.text)
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.INFO]


def test_one_question_that_is_never_answered_keeps_no_other_waiting(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise TROUBLE

    async def story() -> None:
        monkeypatch.setattr(node.kernel, "addresses", refuse)
        node.kernel.tell(netlink.RTM_NEWADDR, b"")
        await until(lambda: node.watch.counters["netlink.unanswered"] > 0)
        node.kernel.tell(netlink.RTM_DELADDR, b"")
        await until(lambda: len(node.heard.of(KernelRoutesListed)) == 2)

    node.run(story)
