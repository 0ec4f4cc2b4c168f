"""What `sroamctl check` is told of this node's routes, JSON-ready, with names instead of ids."""

from __future__ import annotations

from sroamd.core.effects import RouteCheckProgressed
from sroamd.core.nodes import Nodes
from sroamd.core.route_check_result import Fault, NextHopFault, RouteCheckResult, RouteFault
from sroamd.core.values import NextHop, Route, Towards

Object = dict[str, object]


def route_progress_json(progress: RouteCheckProgressed) -> Object:
    return {"look": progress.look, "routes": progress.compared}


def route_result_json(nodes: Nodes, result: RouteCheckResult) -> Object:
    """There may be thousands of faults, so they are iterators, and made while they are written."""
    return {
        "right": not result.faults and not result.is_cut,
        "installed": result.installed,
        "kernel": result.kernel,
        "nexthops": result.objects,
        "looks": result.looks,
        "seconds": round(result.seconds, 1),
        "faults": (_fault(nodes, fault) for fault in result.faults),
        "mended": (_fault(nodes, fault) for fault in result.mended),
        "more": result.is_cut,
    }


def _fault(nodes: Nodes, fault: Fault) -> Object:
    match fault:
        case RouteFault():
            return {
                "fault": fault.wrong.value,
                "what": "route",
                "subject": str(fault.prefix),
                "wanted": _route(nodes, fault.wanted),
                "installed": _route(nodes, fault.installed),
                "kernel": _route(nodes, fault.kernel),
            }
        case NextHopFault():
            towards = f" towards {nodes.name(fault.node)}" if fault.node is not None else ""
            return {
                "fault": fault.wrong.value,
                "what": "nexthop",
                "subject": f"{fault.number or ''}{towards} of IPv{fault.version}".strip(),
                "wanted": _way(fault.wanted),
                "installed": _way(fault.installed),
                "kernel": _way(fault.kernel),
            }


def _route(nodes: Nodes, route: Route | None) -> str | None:
    """As "here, dev wlan0"."""
    if route is None:
        return None
    via = route.next_hop
    way = f"towards {nodes.name(via.node)}" if isinstance(via, Towards) else _way(via)
    return f"{route.kind.name.lower()}, {way}"


def _way(hop: NextHop | None) -> str | None:
    """In the words of ip(8)."""
    if hop is None:
        return None
    return f"dev {hop.interface}" if hop.gateway is None else f"via {hop.gateway} dev {hop.interface}"
