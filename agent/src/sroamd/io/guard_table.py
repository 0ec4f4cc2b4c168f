"""The source guard's tables in the kernel, over netlink: permits in and out, what is there, what was dropped.

The kernel handles a request inside send, so its answer lies in our buffer when that returns, and nothing here waits.
"""

from __future__ import annotations

import errno
import sys
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Protocol

from sroamd.addresses import Mac
from sroamd.core.values import Permit
from sroamd.io import netlink, nfnetlink
from sroamd.io.guard_elements import WHOLE, elements_of, permit_of, station_of
from sroamd.io.guard_rules import REASONS, TABLE
from sroamd.io.netlink import Message
from sroamd.io.nfnetlink import Elements, keys_by_set

RECEIVE_BUFFER = 1 << 20
BATCH = 128  # permits in one transaction: a request holds less than 64 KiB, a transaction less than the send buffer
DUMP_TRIES = 3  # a dump that the kernel calls inconsistent is made again


class Request(Protocol):
    def __call__(self, sequence: int, table: str, elements: Elements, *, last: bool) -> bytes: ...


class GuardTable:
    """Every method raises OSError where the kernel refuses; ENOENT where the table is not there."""

    def __init__(self) -> None:
        self._socket = netlink.open_socket(RECEIVE_BUFFER, protocol=netlink.NETLINK_NETFILTER)
        self._socket.setblocking(False)
        self._sequence = 0
        self.port: int = self._socket.getsockname()[0]

    def close(self) -> None:
        self._socket.close()

    def add(self, families: Iterable[int], permits: Iterable[Permit]) -> None:
        """In the tables of these families. Those that are there already stay."""
        self._change(nfnetlink.add_elements, families, permits)

    def remove(self, families: Iterable[int], permits: Iterable[Permit]) -> None:
        """ENOENT, and nothing done, where an element of them is not there."""
        self._change(nfnetlink.remove_elements, families, permits)

    def permits(self, families: Iterable[int]) -> set[Permit]:
        """Those in the sets that say all of a permit; the others follow from them."""
        wanted = set(families)
        return {
            permit_of(name, element.key)
            for family, name in WHOLE
            if family in wanted
            for element in self._elements(family, name)
        }

    def made_of(self, family: int) -> int | None:
        """Of which rules (`guard_rules.made_of`)."""
        return next((int.from_bytes(each.key, sys.byteorder) for each in self._elements(family, "made_of")), None)

    def dropped(self, families: Iterable[int], stations: Container[Mac]) -> Counter[Mac]:
        """How many packets of each of these, since it was last silent for a day."""
        total: Counter[Mac] = Counter()
        for family in families:
            # Who invents addresses has thousands of them there, and the loop waits while they are read.
            for element in self._elements(family, "dropped", lambda key: station_of(key) in stations):
                total[station_of(element.key)] += element.packets
        return total

    def reasons(self, families: Iterable[int]) -> Counter[str]:
        """How many packets for each of `guard_rules.REASONS`."""
        total: Counter[str] = Counter()
        for family in families:
            sequence = self._next()
            for message in self._dump(nfnetlink.list_counters(sequence, family, TABLE), sequence):
                counter = nfnetlink.parse_counter(message.body)
                if counter is not None and counter[0] in REASONS[family]:
                    total[counter[0]] += counter[1]
        return total

    def delete(self, family: int) -> None:
        """The whole table of a family, if it is there."""
        try:
            self._commit([nfnetlink.remove_table(self._next(), family, TABLE)])
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise

    # -- inside

    def _change(self, request: Request, families: Iterable[int], permits: Iterable[Permit]) -> None:
        wanted, waiting = set(families), list(permits)
        for start in range(0, len(waiting), BATCH):
            elements = (one for permit in waiting[start : start + BATCH] for one in elements_of(permit))
            gathered = keys_by_set(one for one in elements if one[0] in wanted)
            if gathered:
                self._commit([request(self._next(), TABLE, each, last=each is gathered[-1]) for each in gathered])

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _commit(self, requests: list[bytes]) -> None:
        """All or nothing; the first reason for which the kernel has refused it is raised."""
        self._socket.send(nfnetlink.batch(self._next(), requests))
        answered = False
        # Each request that is refused is answered. What is not read now would be taken for the answer to the next.
        for message in list(self._answers()):
            if message.kind == netlink.NLMSG_ERROR:
                answered = True
                if (reason := netlink.error_of(message)) is not None:
                    raise reason
        if not answered:
            raise netlink.NetlinkError(errno.EPROTO, "the kernel has not answered")

    def _elements(
        self, family: int, name: str, wanted: Callable[[bytes], bool] = lambda key: True
    ) -> Iterator[nfnetlink.Element]:
        sequence = self._next()
        for message in self._dump(nfnetlink.list_elements(sequence, family, TABLE, name), sequence):
            yield from nfnetlink.parse_elements(message.body, wanted)

    def _dump(self, request: bytes, sequence: int) -> list[Message]:
        answers: list[Message] = []
        for _ in range(DUMP_TRIES):
            self._socket.send(request)
            answers, consistent = self._read_dump(sequence)
            if consistent:
                break
        return answers

    def _read_dump(self, sequence: int) -> tuple[list[Message], bool]:
        answers: list[Message] = []
        consistent = True
        for message in self._answers():
            if message.sequence != sequence:
                continue
            if message.kind == netlink.NLMSG_ERROR:
                if (reason := netlink.error_of(message)) is not None:
                    raise reason
            elif message.kind == netlink.NLMSG_DONE:
                if (reason := netlink.dump_error_of(message)) is not None:
                    raise reason
                return answers, consistent
            else:
                consistent = consistent and not message.flags & netlink.NLM_F_DUMP_INTR
                answers.append(message)
        raise netlink.NetlinkError(errno.EPROTO, "the kernel's answer has no end")

    def _answers(self) -> Iterator[Message]:
        """All that is there now. Reading a part of a dump makes the kernel write the next."""
        while True:
            try:
                data = self._socket.recv(netlink.MESSAGE_MAX)
            except BlockingIOError:
                return
            yield from netlink.messages(data)
