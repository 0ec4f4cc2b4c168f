"""Where each kind of route stands in the kernel: its protocol, and its table.

babeld 1.12.1 reads all tables anew after each change of `main`, whoever made it: 35 ms of work with 30,000 stations.
What it does not have to see is therefore in a table of our own, which is looked up first (`route_rules`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sroamd.constants import ROUTE_TABLE
from sroamd.core.values import RouteKind
from sroamd.io.netlink import RT_TABLE_MAIN


class Place(NamedTuple):
    protocol: int
    table: int


TABLES = (RT_TABLE_MAIN, ROUTE_TABLE)

Places = Mapping[RouteKind, Place]


def places(*, announced: bool) -> Places:
    """`announced`: a routing daemon is to find the routes of our own stations in `main`, to tell others of them."""
    seen = RT_TABLE_MAIN if announced else ROUTE_TABLE
    return {kind: Place(kind, ROUTE_TABLE if kind is RouteKind.DIRECT else seen) for kind in RouteKind}
