"""Where a router sends a packet for a station: by the agent's route if there is one, else by Babel's."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from sroamd.core.values import Prefix
from sroamd.sim.machine import INTERFACE

if TYPE_CHECKING:
    from sroamd.sim.world import World


class End(Enum):
    """Of a packet's way, where it goes to no other router."""

    RADIO = "over the radio"
    NOWHERE = "nowhere"


def following(world: World, router: int, prefix: Prefix) -> int | End:
    """The next router, for a packet that is at this one."""
    machines = world.network.machines
    if router < len(machines):
        machine = machines[router]
        if not machine.powered:
            return End.NOWHERE
        route = machine.kernel.routes.get(prefix)
        if route is not None:
            way = machine.kernel.way(route)
            if way.interface == INTERFACE:
                return End.RADIO
            other = world.backbone.behind(router, way)
            return End.NOWHERE if other is None else other
    best = world.babel.best(prefix, router)
    if best is None:
        return End.NOWHERE
    on = world.babel.ways[router][best]
    return on.neighbour if world.backbone.linked(router, on.neighbour, on.segment) else End.NOWHERE


def trace(world: World, router: int, prefix: Prefix) -> tuple[list[int], End | None]:
    """The routers that a packet passes if nothing changes meanwhile, and how it ends. None: it is back at the last of
    them, and goes round."""
    path: list[int] = []
    while router not in path:
        path.append(router)
        step = following(world, router, prefix)
        if isinstance(step, End):
            return path, step
        router = step
    return [*path, router], None
