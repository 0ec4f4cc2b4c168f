"""How dumps end that are read for a check, on a socket that says what the test says. See e2e/test_io_reader.py."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from sroamd.core.events import KernelRead
from sroamd.io import netlink
from sroamd.io.direct_routes import DirectRoutes
from sroamd.io.kernel_reader import KernelReader
from sroamd.io.link_table import LinkTable
from sroamd.io.route_meaning import RouteMeaning
from sroamd.io.route_places import places
from tests.io.events import Collector, until

DUMPS = 7  # of nexthop objects, and for each IP version of three kinds of routes


def read(monkeypatch: pytest.MonkeyPatch, kind: int, code: int) -> list[KernelRead]:
    """What is heard where the last dump ends like this, and those before it without an error."""

    async def story() -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        monkeypatch.setattr(netlink, "open_socket", lambda receive_buffer: ours)
        ends = [(netlink.NLMSG_DONE, 0)] * (DUMPS - 1) + [(kind, code)]
        with theirs:
            for end, errno_of_it in ends:
                theirs.send(netlink.request(end, 0, 0, netlink.I32.pack(-errno_of_it) + bytes(netlink.HEADER.size)))
            KernelReader(RouteMeaning(places(announced=True), LinkTable(), DirectRoutes()), heard).read(7)
            await until(lambda: any(event.last or event.error for event in heard.of(KernelRead)))

    heard = Collector()
    asyncio.run(story())
    return heard.of(KernelRead)


@pytest.mark.parametrize("kind", [netlink.NLMSG_DONE, netlink.NLMSG_ERROR])
def test_table_that_is_not_there_has_no_routes(monkeypatch: pytest.MonkeyPatch, kind: int) -> None:
    """Nobody has had a direct route of that IP version since the machine was started. Linux 6.18 ends the dump so."""
    found = read(monkeypatch, kind, errno.ENOENT)

    assert found[-1] == KernelRead(7, last=True)
    assert all(event.routes == () for event in found)


@pytest.mark.parametrize("kind", [netlink.NLMSG_DONE, netlink.NLMSG_ERROR])
def test_dump_that_ends_with_another_error_is_not_taken_for_whole(monkeypatch: pytest.MonkeyPatch, kind: int) -> None:
    found = read(monkeypatch, kind, errno.ENOMEM)

    assert found[-1] == KernelRead(7, error="the kernel cannot be read: Cannot allocate memory")
