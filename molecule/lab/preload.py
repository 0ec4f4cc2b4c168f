"""Runs on a node, by the agent's own Python: tells the agent there of stations at an access point that does not exist.

Words on the command line: the address and port of the agent; how many stations; the router addresses under which the
pretended access point is reached, IPv4 and IPv6; its link-local addresses. Ends when the agent has taken everything.
"""

from __future__ import annotations

import socket
import sys
import threading
from ipaddress import IPv4Address, IPv6Address

from sroamd.addresses import NodeId
from sroamd.constants import NODE_LIFE
from sroamd.sim.preload import Population, data_of, id_of
from sroamd.wire.datum import NodeRecord, encode_links, links_key, node_key
from sroamd.wire.flood import HANDSHAKE, Hello, Update, encode_hello, encode_updates

_NAME = "pretended"
_INTERVAL = 300  # seconds until its next Hello, which never comes
_ANSWER_MAX = 65536


def data(stations: int, ipv4: str, ipv6: str, links: list[str]) -> list[Update]:
    """The pretended access point, and its stations with an address and a prefix for each."""
    population = Population(nodes=1, access_points=1, stations=stations, movers=stations)
    owner = id_of(0)
    record = NodeRecord(_NAME, IPv4Address(ipv4), IPv6Address(ipv6))
    ways = encode_links(IPv6Address(link) for link in links)
    # data_of begins with its one node, which has no addresses.
    return [
        Update(1, NODE_LIFE, node_key(owner), record.encode()),
        Update(1, NODE_LIFE, links_key(owner), ways),
        *data_of(population)[1:],
    ]


def tell(address: str, port: int, updates: list[Update]) -> None:
    """Send everything, and return when all has been read."""
    with socket.create_connection((address, port), 10.0) as connection:
        connection.settimeout(None)
        threading.Thread(target=_swallow, args=(connection,), daemon=True).start()
        hello = Hello(NodeId(b"\x02\0\0\xfe\0\0\0\1"), _INTERVAL, bytes(8), 0, _NAME)
        connection.sendall(HANDSHAKE + encode_hello(hello) + encode_updates(updates))
        connection.shutdown(socket.SHUT_WR)
        _finished.wait()


_finished = threading.Event()


def _swallow(connection: socket.socket) -> None:
    """What the agent says, until it closes: it does so when it has read to our end."""
    while connection.recv(_ANSWER_MAX):
        pass
    _finished.set()


def main() -> None:
    address, port, stations, ipv4, ipv6, *links = sys.argv[1:]
    tell(address, int(port), data(int(stations), ipv4, ipv6, links))


if __name__ == "__main__":
    main()
