"""What the route socket makes of a kernel's answers that the one at hand does not give."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network

import pytest

from sroamd.addresses import NodeId
from sroamd.core.effects import InstallRoute, RemoveNextHop, SetNextHop
from sroamd.core.values import NextHop, Route, RouteKind, Towards
from sroamd.io import netlink, netlink_nexthop, route_socket
from sroamd.io.direct_routes import NUMBERS, key_of
from sroamd.io.kernel_query import KernelQuery
from sroamd.io.netlink import NetlinkError
from sroamd.io.netlink_nexthop import NextHopMessage
from sroamd.io.route_socket import RouteSocket

AP2 = NodeId(bytes(7) + b"\2")
INDEX = 5
ROUTES = [Route(IPv4Network(f"192.0.2.{last}/32"), RouteKind.DIRECT, Towards(AP2)) for last in (7, 8)]


def hop(last: int) -> NextHop:
    return NextHop("bb0", IPv4Address(f"10.255.0.{last}"))


class Kernel:
    """Answers in the kernel's place. `refuses`: by type of request, errors for the first ones."""

    def __init__(self) -> None:
        self.refuses: dict[int, list[int]] = {}
        self.asked: list[netlink.Message] = []

    def send(self, requests: Sequence[bytes]) -> dict[int, OSError]:
        refused: dict[int, OSError] = {}
        for place, request in enumerate(requests):
            (message,) = netlink.messages(request)
            self.asked.append(message)
            if errors := self.refuses.get(message.kind):
                number = errors.pop(0)
                refused[place] = NetlinkError(number, "no")
        return refused

    def routes(self) -> list[tuple[str, object, int]]:
        """Prefix, gateway and nexthop of each installation."""
        found = [netlink.parse_route(one.body) for one in self.asked if one.kind == netlink.RTM_NEWROUTE]
        return [(str(route.prefix.network_address), route.gateway, route.nexthop) for route in found if route]


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def table(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> Iterator[RouteSocket]:
    made = RouteSocket(lambda name: INDEX)
    monkeypatch.setattr(made._socket, "send", kernel.send)
    yield made
    made.close()


def test_kernel_without_objects_is_found_out_at_the_first_and_gets_plain_routes(
    kernel: Kernel, table: RouteSocket
) -> None:
    kernel.refuses[netlink_nexthop.RTM_NEWNEXTHOP] = [errno.EOPNOTSUPP]
    changes = [SetNextHop(AP2, 4, hop(2)), *map(InstallRoute, ROUTES), SetNextHop(AP2, 4, hop(3))]

    assert table.apply(changes) == []
    assert kernel.routes() == [(f"192.0.2.{to}", hop(by).gateway, 0) for by in (2, 3) for to in (7, 8)]
    assert len([one for one in kernel.asked if one.kind == netlink_nexthop.RTM_NEWNEXTHOP]) == 1
    assert table.apply([RemoveNextHop(AP2, 4)]) == []
    assert [one.kind for one in kernel.asked[-2:]] == [netlink.RTM_DELROUTE] * 2


def test_kernel_without_objects_is_found_out_by_asking_for_them(
    kernel: Kernel, table: RouteSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KernelQuery, "nexthops", lambda query: None)
    monkeypatch.setattr(KernelQuery, "routes_of", lambda query, family, place: iter(()))
    table.take_over()
    table.apply([SetNextHop(AP2, 4, hop(2)), InstallRoute(ROUTES[0])])

    assert kernel.routes() == [("192.0.2.7", hop(2).gateway, 0)]
    assert not [one for one in kernel.asked if one.kind == netlink_nexthop.RTM_NEWNEXTHOP]


def test_start_removes_our_objects_and_passes_over_the_numbers_of_others(
    kernel: Kernel, table: RouteSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [NextHopMessage(NUMBERS.start + n, 47 if n == 2 else 11, INDEX, None) for n in range(4)]
    monkeypatch.setattr(KernelQuery, "nexthops", lambda query: found)
    monkeypatch.setattr(KernelQuery, "routes_of", lambda query, family, place: iter(()))
    table.take_over()
    (removed,) = kernel.asked
    assert removed.kind == netlink_nexthop.RTM_DELNEXTHOP
    assert netlink_nexthop.parse_nexthop(removed.body) == NextHopMessage(NUMBERS.start + 2, 0, 0, None)
    table.apply([SetNextHop(AP2, 4, hop(2))])
    towards = table.direct.towards(AP2, 4)
    assert towards is not None
    assert towards.number == NUMBERS.start + 2


def test_number_that_is_taken_meanwhile_is_passed_over_and_that_has_an_end(kernel: Kernel, table: RouteSocket) -> None:
    kernel.refuses[netlink_nexthop.RTM_NEWNEXTHOP] = [errno.EEXIST] * 3
    assert table.apply([SetNextHop(AP2, 4, hop(2)), InstallRoute(ROUTES[0])]) == []
    assert kernel.routes() == [("192.0.2.7", None, NUMBERS.start + 3)], "never towards another's object"

    kernel.refuses[netlink_nexthop.RTM_NEWNEXTHOP] = [errno.EEXIST] * 1000
    failures = table.apply([SetNextHop(AP2, 6, hop(2))])
    assert [failure.error.errno for failure in failures] == [errno.EEXIST]
    assert len(kernel.refuses[netlink_nexthop.RTM_NEWNEXTHOP]) == 1000 - route_socket.NUMBERS_TRIED


def kinds(kernel: Kernel) -> list[tuple[int, int]]:
    """Type and protocol of each request about a route."""
    routes = (netlink.RTM_NEWROUTE, netlink.RTM_DELROUTE)
    return [(one.kind, one.body[5]) for one in kernel.asked if one.kind in routes]


def test_route_in_the_other_table_goes_when_the_new_one_is_there_and_only_then(
    kernel: Kernel, table: RouteSocket
) -> None:
    here = Route(ROUTES[0].prefix, RouteKind.HERE, NextHop("wlan0", None))
    table.apply([SetNextHop(AP2, 4, hop(2)), InstallRoute(ROUTES[0])])
    kernel.asked.clear()
    kernel.refuses[netlink.RTM_NEWROUTE] = [errno.ENOMEM]
    assert len(table.apply([InstallRoute(here)])) == 1
    assert kinds(kernel) == [(24, 44)], "the direct one is better than none"
    assert table.apply([InstallRoute(here), InstallRoute(ROUTES[1])]) == []
    assert kinds(kernel)[1:] == [(24, 44), (24, 47), (25, 47)]
    kernel.asked.clear()
    assert table.apply([InstallRoute(ROUTES[0])]) == []
    assert kinds(kernel) == [(24, 47), (25, 44)]


def test_route_in_the_other_table_that_would_not_go_is_removed_when_the_new_one_is_made_again(
    kernel: Kernel, table: RouteSocket
) -> None:
    here = InstallRoute(Route(ROUTES[0].prefix, RouteKind.HERE, NextHop("wlan0", None)))
    table.apply([SetNextHop(AP2, 4, hop(2)), InstallRoute(ROUTES[0])])
    kernel.refuses[netlink.RTM_DELROUTE] = [errno.ENOMEM]
    assert [failure.change for failure in table.apply([here])] == [here]
    assert table.direct.get(key_of(here.route.prefix)) is not None, "it is there"
    kernel.asked.clear()
    assert table.apply([here]) == []
    assert kinds(kernel) == [(24, 44), (25, 47)]
    assert table.direct.get(key_of(here.route.prefix)) is None


def test_of_several_routes_to_a_prefix_in_one_call_the_last_one_stays(kernel: Kernel, table: RouteSocket) -> None:
    here = InstallRoute(Route(ROUTES[0].prefix, RouteKind.HERE, NextHop("wlan0", None)))
    table.apply([SetNextHop(AP2, 4, hop(2))])
    kernel.asked.clear()
    assert table.apply([here, InstallRoute(ROUTES[0]), here]) == []
    assert kinds(kernel)[3:] == [(25, 47)]
    assert table.apply([InstallRoute(ROUTES[0]), here, InstallRoute(ROUTES[0])]) == []
    assert table.known == {}
    assert kernel.asked[-1].body[5] == 44


def test_refused_change_is_not_believed(kernel: Kernel, table: RouteSocket) -> None:
    table.apply([SetNextHop(AP2, 4, hop(2))])
    kernel.refuses[netlink.RTM_NEWROUTE] = [errno.ENOMEM]
    (failure,) = table.apply([InstallRoute(ROUTES[0]), InstallRoute(ROUTES[1])])

    assert failure.change == InstallRoute(ROUTES[0])
    assert [table.direct.get(key_of(route.prefix)) is not None for route in ROUTES] == [False, True]
    kernel.refuses[netlink_nexthop.RTM_NEWNEXTHOP] = [errno.EINVAL]
    assert len(table.apply([SetNextHop(AP2, 4, hop(3))])) == 1
    towards = table.direct.towards(AP2, 4)
    assert towards is not None
    assert towards.gateway == hop(2).gateway, "what the kernel has"
    assert table.give_up_refused() == {(AP2, 4)}
    assert table.direct.towards(AP2, 4) is None
    assert kernel.asked[-1].kind == netlink_nexthop.RTM_DELNEXTHOP
    assert table.give_up_refused() == frozenset()
