"""What comes of comparing this node's routes: what should be, what is believed to be, and what the kernel has."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sroamd.addresses import NodeId
from sroamd.core.values import NextHop, Prefix, Route


class Wrong(Enum):
    """The value is for people."""

    MISSING = "missing"
    DIFFERENT = "wrong"
    STRAY = "stray"
    UNDERIVED = "underived"


@dataclass(frozen=True, slots=True)
class RouteFault:
    """`wanted` follows from the database, `installed` is what we believe, `kernel` what there is; None: no route."""

    wrong: Wrong
    prefix: Prefix
    wanted: Route | None
    installed: Route | None
    kernel: Route | None


@dataclass(frozen=True, slots=True)
class NextHopFault:
    """The same of a nexthop object. `node` None: it is none that we have made, only its `number` is known."""

    wrong: Wrong
    node: NodeId | None
    version: int
    number: int
    wanted: NextHop | None
    installed: NextHop | None
    kernel: NextHop | None


Fault = RouteFault | NextHopFault


@dataclass(frozen=True, slots=True)
class RouteCheckResult:
    """`installed`, `kernel`, `objects`: how many routes are believed to be, how many routes and objects there are.

    `faults` are there at the end, `mended` were, and are no more. `is_cut`: there were more than one check remembers.
    """

    looks: int
    seconds: float
    installed: int
    kernel: int
    objects: int
    faults: tuple[Fault, ...]
    mended: tuple[Fault, ...]
    is_cut: bool
