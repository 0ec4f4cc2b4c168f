"""Questions to the kernel: which links there are, which routes are ours, which way leads to an address.

The kernel answers inside send, so the answer only has to be picked up, and nothing here ever waits. Where an answer
cannot be had whole, for want of memory, its rest must not meet the next question: a new socket takes its place.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address

from sroamd.io import netlink, netlink_address, netlink_nexthop
from sroamd.io.netlink import Address, LinkMessage, Message, NetlinkError, RouteMessage
from sroamd.io.netlink_address import AddressMessage
from sroamd.io.netlink_nexthop import NextHopMessage
from sroamd.io.route_places import Place

RECEIVE_BUFFER = 1 << 20
DUMP_TRIES = 3  # a dump that the kernel calls inconsistent is made again
_NO_ANSWER = (errno.ENOBUFS, errno.ENOMEM)


class KernelQuery:
    """Every method raises OSError where the kernel refuses the question, or has no memory for an answer."""

    def __init__(self) -> None:
        self._socket = _open()
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def links(self) -> Iterator[LinkMessage]:
        """All interfaces."""
        body = netlink.IFINFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        found = (netlink.parse_link(message.body) for message in self._dump(netlink.RTM_GETLINK, body))
        return (link for link in found if link is not None)

    def addresses(self) -> Iterator[AddressMessage]:
        """All IPv6 addresses of this machine."""
        body = netlink_address.IFADDR.pack(socket.AF_INET6, 0, 0, 0, 0)
        found = (netlink_address.parse_address(one.body) for one in self._dump(netlink_address.RTM_GETADDR, body))
        return (address for address in found if address is not None)

    def routes_of(self, family: int, place: Place) -> Iterator[RouteMessage]:
        """The unicast routes there."""
        for message in self._dump(netlink.RTM_GETROUTE, routes_request(family, place)):
            route = netlink.parse_route(message.body)
            if route is not None and (route.protocol, route.table) == place:
                yield route

    def routes_behind(self, family: int, place: Place) -> Iterator[tuple[bytes, int, int, int]]:
        """The same, read no further than (destination, prefix length, metric, number of the nexthop object)."""
        for message in self._dump(netlink.RTM_GETROUTE, routes_request(family, place)):
            if len(message.body) < netlink.RTMSG.size:
                continue
            found = netlink.attributes(message.body, netlink.RTMSG.size)
            metric = netlink.u32(found.get(netlink.RTA_PRIORITY), 0)
            number = netlink.u32(found.get(netlink.RTA_NH_ID), 0)
            yield found.get(netlink.RTA_DST, b""), message.body[1], metric, number

    def nexthops(self) -> list[NextHopMessage] | None:
        """All nexthop objects; None where the kernel does not know what that is."""
        try:
            answers = self._dump(netlink_nexthop.RTM_GETNEXTHOP, netlink_nexthop.ALL)
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:
                return None
            raise
        found = (netlink_nexthop.parse_nexthop(message.body) for message in answers)
        return [one for one in found if one is not None]

    def route_to(self, address: Address) -> RouteMessage | None:
        """The route that a packet to the address would take, as it stands in its table; None where there is none."""
        v4 = isinstance(address, IPv4Address)
        family, bits = (socket.AF_INET, 32) if v4 else (socket.AF_INET6, 128)
        body = netlink.RTMSG.pack(family, bits, 0, 0, 0, 0, 0, 0, netlink.RTM_F_FIB_MATCH)
        body += netlink.attribute(netlink.RTA_DST, address.packed)
        with self._whole():
            self._ask(netlink.RTM_GETROUTE, 0, body)
            answer = self._answers()[0]
        if answer.kind == netlink.RTM_NEWROUTE:
            return netlink.parse_route(answer.body)
        error = netlink.error_of(answer) if answer.kind == netlink.NLMSG_ERROR else None
        if error is not None and error.errno in _NO_ANSWER:
            raise error
        return None

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """A question and its answer, after which nothing is left in the socket."""
        try:
            yield
        except NetlinkError:
            raise  # that was the answer
        except OSError:
            self._socket.close()
            with suppress(OSError):  # then the next question fails, and tries this again
                self._socket = _open()
            raise

    def _ask(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        self._socket.send(netlink.request(kind, flags, self._sequence, body))

    def _answers(self) -> list[Message]:
        """To the last question: those of one datagram. What answers an earlier one is passed over."""
        while True:
            data = self._socket.recv(netlink.MESSAGE_MAX)
            if found := [message for message in netlink.messages(data) if message.sequence == self._sequence]:
                return found

    def _dump(self, kind: int, body: bytes) -> list[Message]:
        """All answers to a dump request; none where there is no such table yet."""
        answers: list[Message] = []
        for _ in range(DUMP_TRIES):
            with self._whole():
                self._ask(kind, netlink.NLM_F_DUMP, body)
                answers, consistent = self._read_dump()
            if consistent:
                break
        return answers

    def _read_dump(self) -> tuple[list[Message], bool]:
        answers: list[Message] = []
        consistent = True
        while True:
            for message in self._answers():
                consistent = consistent and not message.flags & netlink.NLM_F_DUMP_INTR
                if message.kind not in (netlink.NLMSG_DONE, netlink.NLMSG_ERROR):
                    answers.append(message)
                    continue
                done = message.kind == netlink.NLMSG_DONE
                error = netlink.dump_error_of(message) if done else netlink.error_of(message)
                if error is not None and error.errno != errno.ENOENT:
                    raise error
                return answers, consistent


def _open() -> socket.socket:
    sock = netlink.open_socket(RECEIVE_BUFFER)
    sock.settimeout(1.0)  # never reached
    return sock


def routes_request(family: int, place: Place) -> bytes:
    """The body of a question for the unicast routes there."""
    scope, unicast = netlink.RT_SCOPE_UNIVERSE, netlink.RTN_UNICAST
    return netlink.RTMSG.pack(family, 0, 0, 0, place.table, place.protocol, scope, unicast, 0)
