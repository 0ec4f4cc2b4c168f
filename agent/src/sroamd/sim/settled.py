"""What must hold once nothing has gone wrong for a while: agreement, and agreement upon the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Network

from sroamd.constants import DEMOTED_TIME
from sroamd.core.node import Node
from sroamd.core.routes import key_of
from sroamd.core.values import Prefix, RouteKind
from sroamd.sim.forwarding import End, trace
from sroamd.sim.machine import Machine
from sroamd.sim.station import Station
from sroamd.sim.world import World
from sroamd.wire.datum import association_key, ipv4_lease_key, ipv6_lease_key, lease_prefix

# Lifetimes of one version may differ between nodes by the hops it took and by what is no refresh yet (constants.SLACK);
# what has less than this left somewhere may be over elsewhere.
ENDS_SOON = 45.0


def databases_equal(world: World) -> list[str]:
    """Byte for byte: key, seqno and value of all that is alive. "It is gone" is the same as nothing: tombstones are no
    part of a digest, and a node that was down while one was flooded may do without.
    """
    problems = []
    tables = [
        {datum.key: (datum.seqno, datum.value) for datum in machine.node.database if datum.value}
        for machine in world.machines
        if machine.node is not None
    ]
    alive = {
        datum.key
        for machine in world.machines
        if machine.node is not None
        for datum in machine.node.database
        if datum.value and datum.expires_at > machine.clock() + ENDS_SOON
    }
    for key in sorted(alive):
        versions = [table.get(key) for table in tables]
        if len(set(versions)) > 1:
            seen = ", ".join(
                f"{machine.name} {'-' if v is None else f'{v[0]}/{v[1].hex()}'}"
                for machine, v in zip(world.machines, versions, strict=True)
            )
            problems.append(f"{key.hex()}: {seen}")
    return problems


def stations_found(world: World) -> list[str]:
    """Every database names the AP where each station is."""
    problems = []
    for station in world.stations:
        if station.ap is None:
            problems.append(f"{station.name} is nowhere")
            continue
        key = association_key(station.mac)
        for machine in world.machines:
            assert machine.node is not None
            datum = machine.node.database.live(key, machine.clock())
            if datum is None or datum.value != station.ap.node_id:
                said = "nothing" if datum is None else datum.value.hex() or "gone"
                problems.append(f"{station.name} is at {station.ap.name}, {machine.name} believes {said}")
    return problems


def routes_true(world: World) -> list[str]:
    """Each AP has routes of kind *here* for exactly the leases of exactly its stations, and they are in its kernel.

    Nobody can say so of an AP that runs the C daemon.
    """
    problems = []
    for machine in world.machines:
        assert machine.node is not None
        if not isinstance(machine.node, Node):
            continue
        now = machine.clock()
        desired: set[Prefix] = set()
        optional: set[Prefix] = set()
        for station in world.stations:
            if station.ap is not machine:
                continue
            for key in machine.node.database.leases_of(station.mac):
                datum = machine.node.database.get(key)
                if datum is not None and datum.expires_at > now and _can_be_a_stations(machine, key):
                    (desired if datum.expires_at > now + 60 else optional).add(lease_prefix(key))
        here = {prefix for prefix, route in machine.kernel.routes.items() if route.kind is RouteKind.HERE}
        problems += [f"{machine.name} lacks {prefix}" for prefix in sorted(desired - here, key=str)]
        problems += [f"{machine.name} routes {prefix}" for prefix in sorted(here - desired - optional, key=str)]
        if {route.prefix: route for route in machine.node.routes.installed()} != machine.kernel.routes:
            problems.append(f"{machine.name} believes in other routes than its kernel has")
    return problems


def _can_be_a_stations(machine: Machine, key: bytes) -> bool:
    """Whether it is in a pool: other leases are lies, and nobody announces them."""
    prefix, network = lease_prefix(key), machine.config.network
    if not isinstance(prefix, IPv4Network):
        return prefix.subnet_of(network.ipv6_prefix)
    pool, address = network.ipv4_prefix, prefix.network_address
    return address in pool and address not in (pool.network_address, pool.broadcast_address, network.ipv4_gateway)


def nothing_demoted(world: World) -> list[str]:
    """Nobody moves any more, so only what has just ended may be on its way out: a lease that a liar has invented, or
    that a partition left to a station beside its own, is renewed by nobody and ends at whatever time it ends.
    """
    return [
        f"{machine.name} still has {prefix} demoted"
        for machine in world.machines
        for prefix, route in sorted(machine.kernel.routes.items(), key=str)
        if route.kind is RouteKind.DEMOTED and not _has_just_ended(machine, prefix)
    ]


def _has_just_ended(machine: Machine, prefix: Prefix) -> bool:
    assert isinstance(machine.node, Node)  # no other demotes
    lease, now = machine.node.database.get(key_of(prefix)), machine.clock()
    return lease is not None and now - DEMOTED_TIME <= lease.expires_at <= now


def stations_served(world: World) -> list[str]:
    """Every station has an address and a prefix, nobody else has them, and every database says so."""
    problems = []
    holders: dict[object, Station] = {}
    for station in world.stations:
        address, prefix = station.address, station.prefix
        if address is None or prefix is None:
            problems.append(f"{station.name} has {address} and {prefix}")
            continue
        for resource, key in ((address, ipv4_lease_key(address)), (prefix, ipv6_lease_key(prefix))):
            other = holders.setdefault(resource, station)
            if resource in world.checks.disputed:  # given twice while nobody could know
                world.counters["shared in the end"] += other is not station  # its loser keeps it until it asks again
                continue
            if other is not station:
                problems.append(f"{station.name} and {other.name} both have {resource}")
            problems += [
                f"{station.name} has {resource}, not so {machine.name}"
                for machine in world.machines
                if not _names(machine, key, station)
            ]
    return problems


def _names(machine: Machine, key: bytes, station: Station) -> bool:
    assert machine.node is not None
    datum = machine.node.database.live(key, machine.clock())
    return datum is not None and datum.value == station.mac


def stations_reachable(world: World) -> list[str]:
    """From every router packets to every station arrive where its radio is, by what is in the kernels and what Babel
    has made of it."""
    problems = []
    for station, prefix in undisputed(world):
        for router in world.backbone.routers:
            path, end = trace(world, router, prefix)
            if end is not End.RADIO or world.machines[path[-1]] is not station.ap:
                way = " ".join(map(world.name_of, path))
                problems.append(f"{prefix} of {station.name} from {world.name_of(router)}: {way}, {end}")
    return problems


def undisputed(world: World) -> Iterator[tuple[Station, Prefix]]:
    """What stations have and nobody else was given."""
    for station in world.stations:
        if station.address is None or station.address in world.checks.disputed:
            continue
        yield station, IPv4Network(station.address)
        if station.prefix is not None and station.prefix not in world.checks.disputed:
            yield station, station.prefix


def direct_where_possible(world: World) -> list[str]:
    """A node has a direct route to a station elsewhere, which leads where Babel leads to the node that has it, if that
    has an agent of ours; else it leaves the station to Babel."""
    problems = []
    for station, prefix in undisputed(world):
        for machine in world.machines:
            owner = station.ap
            if owner is None or owner is machine or machine.runs_c:
                continue
            way = world.babel.ways[machine.index].get(owner.index)
            desired = way.neighbour if way is not None and not owner.runs_c else None
            route = machine.kernel.routes.get(prefix)
            leads_to = None
            if route is not None and route.kind is RouteKind.DIRECT:
                leads_to = world.backbone.behind(machine.index, machine.kernel.way(route))
            if leads_to != desired:
                problems.append(f"{machine.name} has {route} for {prefix} of {station.name} at {owner.name}")
    return problems


AGREEMENT: dict[str, Callable[[World], list[str]]] = {
    "databases equal": databases_equal,
    "stations found": stations_found,
    "routes true": routes_true,
}
SERVICE: dict[str, Callable[[World], list[str]]] = {
    **AGREEMENT,
    "nothing demoted": nothing_demoted,
    "stations served": stations_served,
    "stations reachable": stations_reachable,
    "direct routes": direct_where_possible,
}
