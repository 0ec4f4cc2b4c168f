"""Packets under way while routes and nexthop objects change: none may be lost for it."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest

from sroamd.addresses import NodeId
from sroamd.core.effects import InstallRoute, RemoveNextHop, SetNextHop
from sroamd.core.values import NextHop, Route, RouteKind, Towards
from sroamd.io import netlink
from tests.e2e.kernel import Kernel, opened
from tests.e2e.netns import Namespace, namespace

AP2, AP3 = NodeId(bytes(7) + b"\2"), NodeId(bytes(7) + b"\3")
PREFIXES = {4: IPv4Network("192.0.2.7/32"), 6: IPv6Network("2001:db8:44:7::/64")}
STATION = {4: "192.0.2.7", 6: "2001:db8:44:7::7"}
PORT = 9999
CHANGES = 2000  # at least, and as many packets


@dataclass
class Backbone:
    """This node, and the station behind two links of it."""

    kernel: Kernel
    sink: Namespace


@pytest.fixture(params=[True, False], ids=["objects", "plain"])
def backbone(request: pytest.FixtureRequest) -> Iterator[Backbone]:
    with opened(objects=request.param) as kernel, namespace() as sink:
        sink.sysctl("net.ipv4.conf.all.rp_filter", 0)
        kernel.ns.ip("addr add 10.255.0.1/32 dev lo")
        for number, link in enumerate(("bb0", "bb1")):
            kernel.ns.ip(f"link set {link}-peer netns {sink.name}")
            sink.sysctl(f"net.ipv4.conf.{link}-peer.rp_filter", 0)
            sink.ip(f"link set {link}-peer up")
            mac = json.loads(sink.ip(f"-j link show {link}-peer"))[0]["address"]
            for gateway in (f"10.255.{number}.2", f"fe80::{number + 2}"):
                kernel.ns.ip(f"neigh replace {gateway} lladdr {mac} nud permanent dev {link}")
        kernel.ns.ip("-6 addr add fd00::1/128 dev lo nodad")
        for version in (4, 6):
            sink.ip(f"addr add {STATION[version]}/{'32 dev lo' if version == 4 else '128 dev lo nodad'}")
        yield Backbone(kernel, sink)


def way(version: int, number: int) -> NextHop:
    gateway = IPv4Address(f"10.255.{number}.2") if version == 4 else IPv6Address(f"fe80::{number + 2}")
    return NextHop(f"bb{number}", gateway)


class Stream:
    """Packets to the station, one after the other, from a thread of its own."""

    def __init__(self, backbone: Backbone, version: int) -> None:
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        with backbone.sink.entered():
            self._receiver = socket.socket(family, socket.SOCK_DGRAM)
        self._receiver.setsockopt(socket.SOL_SOCKET, netlink.SO_RCVBUFFORCE, 256 << 20)
        self._receiver.bind((STATION[version], PORT))
        self._receiver.setblocking(False)
        with backbone.kernel.ns.entered():
            self._sender = socket.socket(family, socket.SOCK_DGRAM)
        self._sender.bind(("10.255.0.1" if version == 4 else "fd00::1", 0))
        self._to = (STATION[version], PORT)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent = self.unsent = 0

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._sender.sendto(b"x", self._to)
                self.sent += 1
            except OSError:
                self.unsent += 1

    def stop(self) -> int:
        """How many have arrived; on these links they arrive within the call that sends them."""
        self._over.set()
        self._thread.join()
        received = 0
        with closing(self._receiver), closing(self._sender):
            while True:
                try:
                    self._receiver.recv(16)
                except BlockingIOError:
                    return received
                received += 1


@pytest.mark.parametrize("version", [4, 6])
def test_change_of_the_way_to_a_node_loses_no_packet(backbone: Backbone, version: int) -> None:
    do = backbone.kernel.do
    do(SetNextHop(AP2, version, way(version, 0)))
    do(InstallRoute(Route(PREFIXES[version], RouteKind.DIRECT, Towards(AP2))))
    stream = Stream(backbone, version)
    stream.start()
    for number in itertools.count():
        do(SetNextHop(AP2, version, way(version, number % 2)))
        if min(number, stream.sent) > CHANGES:
            break
    received = stream.stop()

    assert (stream.unsent, received) == (0, stream.sent)


@pytest.mark.parametrize("version", [4, 6])
def test_roam_from_node_to_node_and_every_kind_of_route_loses_no_packet(backbone: Backbone, version: int) -> None:
    do, prefix = backbone.kernel.do, PREFIXES[version]
    towards = [Route(prefix, RouteKind.DIRECT, Towards(node)) for node in (AP2, AP3)]
    demoted = Route(prefix, RouteKind.DEMOTED, way(version, 0))
    do(SetNextHop(AP3, version, way(version, 1)), InstallRoute(towards[1]))
    stream = Stream(backbone, version)
    stream.start()
    for number in itertools.count():
        do(SetNextHop(AP2, version, way(version, 0)), InstallRoute(towards[0]))
        do(InstallRoute(demoted))
        do(InstallRoute(towards[1]), RemoveNextHop(AP2, version))
        if min(4 * number, stream.sent) > CHANGES:
            break
    received = stream.stop()

    assert (stream.unsent, received) == (0, stream.sent)
