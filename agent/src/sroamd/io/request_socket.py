"""Requests to the kernel that change something: many in one write, their acknowledgements read at once.

The kernel handles a request inside sendmsg, so its answer lies in our buffer when that returns, and nothing here waits.
"""

from __future__ import annotations

from collections.abc import Sequence

from sroamd.io import netlink

BATCH = 128  # messages in one sendmsg: their acknowledgements (about 1 KiB of buffer each) must all fit at once
RECEIVE_BUFFER = 1 << 20


class RequestSocket:
    def __init__(self) -> None:
        self._socket = netlink.open_socket(RECEIVE_BUFFER)
        self._socket.setblocking(False)
        self._sequence = 0
        self.port: int = self._socket.getsockname()[0]

    def close(self) -> None:
        self._socket.close()

    def next(self) -> int:
        """The sequence number of the next request."""
        self._sequence += 1
        return self._sequence

    def send(self, requests: Sequence[bytes]) -> dict[int, OSError]:
        """In their order; of those that the kernel refused, their places in it and why."""
        refused: dict[int, OSError] = {}
        for start in range(0, len(requests), BATCH):
            for place, reason in self._exchange(requests[start : start + BATCH]).items():
                refused[start + place] = reason
        return refused

    def _exchange(self, requests: Sequence[bytes]) -> dict[int, OSError]:
        try:
            self._socket.sendmsg(requests)
        except OSError as error:
            return dict.fromkeys(range(len(requests)), error)
        waiting = {netlink.sequence_of(request): place for place, request in enumerate(requests)}
        refused: dict[int, OSError] = {}
        while waiting:
            try:
                data = self._socket.recv(netlink.MESSAGE_MAX)
            except OSError as error:
                refused.update(dict.fromkeys(waiting.values(), error))
                break
            for message in netlink.messages(data):
                if message.kind != netlink.NLMSG_ERROR or message.sequence not in waiting:
                    continue
                place = waiting.pop(message.sequence)
                if reason := netlink.error_of(message):
                    refused[place] = reason
        return refused
