"""What an earlier process, of this release or another, has left in the kernel.

Direct routes are removed, the others go where they belong.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable

from sroamd.constants import ROUTE_METRIC, ROUTE_PROTOCOL_DIRECT
from sroamd.core.values import RouteKind
from sroamd.io import netlink, netlink_nexthop, route_templates
from sroamd.io.kernel_query import KernelQuery
from sroamd.io.netlink import RouteMessage
from sroamd.io.netlink_nexthop import NextHopMessage
from sroamd.io.request_socket import RequestSocket
from sroamd.io.route_places import TABLES, Place, Places

_FAMILIES = (socket.AF_INET, socket.AF_INET6)


def flush_direct(query: KernelQuery, requests: RequestSocket, objects: Iterable[NextHopMessage]) -> None:
    """Remove our nexthop objects, and with them the routes behind; then those that have none. Raises OSError."""
    ours = [one.number for one in objects if one.protocol == ROUTE_PROTOCOL_DIRECT]
    _send(requests, [netlink_nexthop.delete_request(requests.next(), number) for number in ours])
    for place in (Place(ROUTE_PROTOCOL_DIRECT, table) for table in TABLES):
        for family in _FAMILIES:
            prefixes = [route.prefix for route in query.routes_of(family, place)]
            _send(requests, [route_templates.remove(requests.next(), prefix, place) for prefix in prefixes])


def move(query: KernelQuery, requests: RequestSocket, places: Places) -> None:
    """Have the routes of our own stations in the right table: of another release, or of other settings, they may be in
    the other. Each is made there before it is removed here. Raises OSError.
    """
    for kind in (RouteKind.HERE, RouteKind.DEMOTED):
        to = places[kind]
        for wrong in (Place(kind, table) for table in TABLES if table != to.table):
            for family in _FAMILIES:
                found = [route for route in query.routes_of(family, wrong) if route.metric == ROUTE_METRIC]
                _send(requests, [_copy(requests, route, to) for route in found])
                _send(requests, [route_templates.remove(requests.next(), route.prefix, wrong) for route in found])


def _copy(requests: RequestSocket, route: RouteMessage, to: Place) -> bytes:
    return route_templates.install_via(requests.next(), route.prefix, to, route.interface_index, route.gateway)


def _send(requests: RequestSocket, encoded: list[bytes]) -> None:
    for reason in requests.send(encoded).values():
        if not netlink.is_missing(reason):
            raise reason
