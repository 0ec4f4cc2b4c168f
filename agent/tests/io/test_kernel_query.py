"""Questions whose answers get lost or come too late do not spoil the next; on a socket that does what the test says."""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network

import pytest

from sroamd.io import netlink
from sroamd.io.kernel_query import KernelQuery
from sroamd.io.netlink import RouteMessage
from sroamd.io.route_places import Place

A, B = IPv4Address("10.255.0.2"), IPv4Address("10.255.0.3")
MAIN = Place(44, 254)
NO_ROOM = OSError(errno.ENOBUFS, "No buffer space available")
Answer = bytes | OSError


def route(sequence: int, address: IPv4Address) -> bytes:
    body = netlink.RTMSG.pack(socket.AF_INET, 32, 0, 0, 254, 44, 0, 1, 0)
    return netlink.request(netlink.RTM_NEWROUTE, 0, sequence, body + netlink.attribute(netlink.RTA_DST, address.packed))


def done(sequence: int, code: int = 0) -> bytes:
    return netlink.request(netlink.NLMSG_DONE, 0, sequence, netlink.I32.pack(-code))


def refusal(sequence: int, code: int) -> bytes:
    return netlink.request(netlink.NLMSG_ERROR, 0, sequence, netlink.I32.pack(-code) + bytes(netlink.HEADER.size))


class Kernel:
    """`open` makes sockets of it. `answer` gives the datagrams that answer a question: its number, its address."""

    def __init__(self) -> None:
        self.answer: Callable[[int, IPv4Address], list[Answer]] = lambda number, address: [route(number, address)]
        self.sockets: list[Socket] = []
        self.descriptors = True

    def open(self, receive_buffer: int) -> Socket:
        if not self.descriptors:
            raise OSError(errno.EMFILE, "Too many open files")
        self.sockets.append(Socket(self))
        return self.sockets[-1]

    @property
    def open_sockets(self) -> int:
        return sum(not one.closed for one in self.sockets)


class Socket:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._queue: deque[Answer] = deque()
        self.closed = False

    def settimeout(self, seconds: float) -> None: ...

    def send(self, request: bytes) -> None:
        if self.closed:
            raise OSError(errno.EBADF, "Bad file descriptor")
        address = netlink.attributes(request, netlink.HEADER.size + netlink.RTMSG.size).get(netlink.RTA_DST, bytes(4))
        self._queue += self._kernel.answer(netlink.sequence_of(request), IPv4Address(address))

    def recv(self, size: int) -> bytes:
        if not self._queue:
            raise TimeoutError("timed out")
        answer = self._queue.popleft()
        if isinstance(answer, OSError):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(netlink, "open_socket", made.open)
    return made


def way(query: KernelQuery, address: IPv4Address) -> IPv4Address | None:
    found = query.route_to(address)
    return None if found is None else IPv4Address(found.prefix.network_address)


def main_routes(query: KernelQuery) -> list[RouteMessage]:
    return list(query.routes_of(socket.AF_INET, MAIN))


def test_answer_that_is_left_over_is_passed_over(kernel: Kernel) -> None:
    """One too many would otherwise have each later question read its predecessor's answer, and find no way."""
    query = KernelQuery()
    kernel.answer = lambda number, address: [route(number, address), route(number, address)]

    assert [way(query, address) for address in (A, B, A)] == [A, B, A]


def test_question_after_one_whose_answer_was_lost_gets_its_own(kernel: Kernel) -> None:
    query = KernelQuery()
    kernel.answer = lambda number, address: [NO_ROOM, route(number, address)]
    with pytest.raises(OSError, match="No buffer space"):
        query.route_to(A)
    kernel.answer = lambda number, address: [route(number, address)]

    assert way(query, B) == B
    assert (len(kernel.sockets), kernel.open_sockets) == (2, 1)


def test_question_after_a_dump_that_broke_off_is_asked_on_a_new_socket(kernel: Kernel) -> None:
    """On the old one the kernel would go on with that dump, and begin no other."""
    query = KernelQuery()
    kernel.answer = lambda number, address: [route(number, A), NO_ROOM, route(number, B), done(number)]
    with pytest.raises(OSError, match="No buffer space"):
        main_routes(query)
    kernel.answer = lambda number, address: [route(number, B) + done(number)]

    assert [found.prefix for found in main_routes(query)] == [IPv4Network(B)]
    assert (len(kernel.sockets), kernel.open_sockets) == (2, 1)


def test_new_socket_that_cannot_be_had_yet_is_had_later(kernel: Kernel) -> None:
    query = KernelQuery()
    kernel.answer = lambda number, address: [NO_ROOM]
    kernel.descriptors = False
    for _ in range(3):
        with pytest.raises(OSError, match=r"No buffer space|Bad file descriptor"):
            query.route_to(A)
    kernel.answer = lambda number, address: [route(number, address)]
    kernel.descriptors = True
    with pytest.raises(OSError, match="Bad file descriptor"):
        query.route_to(A)

    assert way(query, A) == A
    query.close()
    assert kernel.open_sockets == 0


@pytest.mark.parametrize("code", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EINVAL])
def test_no_way_is_an_answer(kernel: Kernel, code: int) -> None:
    query = KernelQuery()
    kernel.answer = lambda number, address: [refusal(number, code)]

    assert query.route_to(A) is None
    assert kernel.open_sockets == len(kernel.sockets) == 1


@pytest.mark.parametrize("code", [errno.ENOBUFS, errno.ENOMEM])
def test_no_memory_for_an_answer_is_not_no_way(kernel: Kernel, code: int) -> None:
    query = KernelQuery()
    kernel.answer = lambda number, address: [refusal(number, code)]
    with pytest.raises(OSError, match=r"memory|buffer space"):
        query.route_to(A)

    assert kernel.open_sockets == len(kernel.sockets) == 1


def test_dump_that_the_kernel_ends_with_an_error_is_not_taken_for_whole(kernel: Kernel) -> None:
    query = KernelQuery()
    kernel.answer = lambda number, address: [route(number, A), done(number, errno.ENOMEM)]
    with pytest.raises(OSError, match="memory"):
        main_routes(query)


@pytest.mark.parametrize("end", [done, refusal])
def test_table_that_is_not_there_has_no_routes(kernel: Kernel, end: Callable[[int, int], bytes]) -> None:
    """Linux 6.18 says so at the end of the dump."""
    query = KernelQuery()
    kernel.answer = lambda number, address: [end(number, errno.ENOENT)]

    assert main_routes(query) == []
    assert kernel.open_sockets == len(kernel.sockets) == 1
