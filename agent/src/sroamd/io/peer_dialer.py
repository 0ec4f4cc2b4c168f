"""Dials the configured peers, for as long as they are configured: whoever becomes reachable is connected soon."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sroamd.constants import DIAL_BACKOFF_MAX, DIAL_BACKOFF_MIN, DIAL_TIMEOUT
from sroamd.io.peer_admission import endpoint_text, host_address
from sroamd.io.peer_connection import PeerConnection, tune

if TYPE_CHECKING:
    from sroamd.io.peer_transport import PeerTransport

log = logging.getLogger(__name__)

Endpoint = tuple[str, int]

DIAL_JITTER = 0.2


class Dialer:
    """A task for each configured endpoint. It needs a running loop."""

    def __init__(self, owner: PeerTransport, rng: random.Random) -> None:
        self._owner = owner
        self._rng = rng
        self._tasks: dict[Endpoint, asyncio.Task[None]] = {}
        self._resting: set[asyncio.Future[None]] = set()  # of tasks that wait long, and would rather try sooner
        self._stopping = False

    def aim(self, endpoints: Iterable[Endpoint]) -> None:
        """Dial these, and no others; a connection with one that is not among them any more is cut."""
        wanted = dict.fromkeys(endpoints)
        for endpoint in [one for one in self._tasks if one not in wanted]:
            self._tasks.pop(endpoint).cancel()
        for endpoint in wanted:
            if endpoint not in self._tasks:
                self._tasks[endpoint] = asyncio.get_running_loop().create_task(self._keep_dialled(endpoint))

    def wake(self) -> None:
        """A peer is lost: who has not dialled because of it may try now."""
        for resting in self._resting:
            if not resting.done():
                resting.set_result(None)

    def stop(self) -> list[asyncio.Task[None]]:
        """Dial no more; what is connected stays. Returns the tasks, which end soon."""
        self._stopping = True
        for task in self._tasks.values():
            task.cancel()
        return list(self._tasks.values())

    async def _keep_dialled(self, endpoint: Endpoint) -> None:
        """For as long as the peer is configured: a connection, or the next attempt within DIAL_BACKOFF_MAX."""
        loop = asyncio.get_running_loop()
        delay = 0.0
        connection: PeerConnection | None = None
        try:
            while True:
                started = loop.time()
                connection = await self._dial(endpoint)
                if connection is not None:
                    await connection.lost
                lasted = loop.time() - started
                if connection is not None and connection.redial_after:
                    await self._rest(connection.redial_after)
                    continue
                if lasted >= DIAL_TIMEOUT and (connection is None or connection.ready):
                    delay = 0.0  # nobody has answered for that long; or a peer until now, which may have restarted
                else:
                    delay = min(max(delay * 2, DIAL_BACKOFF_MIN), DIAL_BACKOFF_MAX)
                await asyncio.sleep(delay * self._rng.uniform(1 - DIAL_JITTER, 1))
        finally:
            if connection is not None and not self._stopping:
                connection.abort()

    async def _rest(self, delay: float) -> None:
        """Until then, or until a peer is lost: perhaps the one that made this connection superfluous."""
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._resting.add(lost)
        try:
            await asyncio.wait([lost], timeout=delay)
        finally:
            self._resting.discard(lost)

    async def _dial(self, endpoint: Endpoint) -> PeerConnection | None:
        host, port = endpoint
        loop = asyncio.get_running_loop()
        try:
            sock, address = _dialling_socket(host, port)
        except OSError as error:  # the zone's interface is not there
            self._owner.counters["peer.dial_failed"] += 1
            log.debug("cannot dial %s: %s", endpoint_text(host, port), error)
            return None
        try:
            async with asyncio.timeout(DIAL_TIMEOUT):
                await loop.sock_connect(sock, address)
            connection = self._owner.dialled()
            connection.name = endpoint_text(host, port)
            await loop.create_connection(lambda: connection, sock=sock)
        except OSError as error:  # TimeoutError is one
            sock.close()
            self._owner.counters["peer.dial_failed"] += 1
            log.debug("cannot dial %s: %s", endpoint_text(host, port), str(error) or "no answer")
            return None
        except asyncio.CancelledError:
            sock.close()
            raise
        return connection


def _dialling_socket(host: str, port: int) -> tuple[socket.socket, tuple[str | int, ...]]:
    address = socket_address(host, port)
    family = socket.AF_INET if len(address) == 2 else socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    tune(sock)
    return sock, address


def socket_address(host: str, port: int) -> tuple[str | int, ...]:
    """Numbers only, so that nothing is ever looked up: (host, port) or (host, port, 0, index of the zone)."""
    address, zone = host_address(host), host.partition("%")[2]
    if address.version == 4:
        return str(address), port
    return str(address), port, 0, socket.if_nametoindex(zone) if zone else 0
