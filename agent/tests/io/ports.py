"""Flooding ports on loopback for tests: those under test, and plain clients that knock at them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Network, IPv6Network, ip_network

from sroamd.addresses import NodeId
from sroamd.config import FloodConfig
from sroamd.io.peer_transport import PeerTransport
from sroamd.wire.flood import (
    HANDSHAKE,
    RESYNCHRONISATION,
    Hello,
    Update,
)
from tests.io.events import Collector

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
UPDATE = Update(7, 1800, b"\x00" + bytes((192, 0, 2, 7)), b"\x02\x00\x00\x00\x00\x07")
OPENING = len(HANDSHAKE + RESYNCHRONISATION)
HELLO = Hello(NodeId(bytes(7) + b"\x01"), 3, bytes(8), 0, "ap1")


@asynccontextmanager
async def transport(flood: FloodConfig, **options: object) -> AsyncIterator[tuple[PeerTransport, Collector]]:
    seen = Collector()
    one = PeerTransport(flood, ("wlan0",), seen, rng=random.Random(1), **options)  # type: ignore[arg-type]
    await one.start()
    try:
        yield one, seen
    finally:
        await one.stop()


@asynccontextmanager
async def dialling(server: PeerTransport) -> AsyncIterator[tuple[PeerTransport, Collector]]:
    async with transport(FloodConfig(peers=(("127.0.0.1", port_of(server)),))) as one:
        yield one


def listening(host: str = "::", allow: tuple[IPv4Network | IPv6Network, ...] = LOOPBACK) -> FloodConfig:
    return FloodConfig(listen=(host, 0), allow=allow)


def port_of(one: PeerTransport) -> int:
    assert one.listen_address is not None
    return one.listen_address[1]


class Clients:
    """Plain connections to a port under test; all are cut at the end of the test."""

    def __init__(self) -> None:
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(
        self, port: int, source: str = "127.0.0.2", target: str = "127.0.0.1"
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        local = (source, 0) if target == "127.0.0.1" else None
        reader, writer = await asyncio.open_connection(target, port, local_addr=local)
        self._writers.append(writer)
        return reader, writer

    async def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)
        self._writers.clear()


async def closed(reader: asyncio.StreamReader) -> bool:
    """Whether the other side ends the connection (what it said before is read away)."""
    try:
        while await asyncio.wait_for(reader.read(65536), 5):
            pass
    except ConnectionError:
        return True
    return True


def run(body: Callable[[Clients], Awaitable[None]]) -> None:
    async def whole() -> None:
        clients = Clients()
        try:
            async with asyncio.timeout(50):
                await body(clients)
        finally:
            await clients.cut()

    asyncio.run(whole())
