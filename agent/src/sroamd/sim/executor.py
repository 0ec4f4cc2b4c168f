"""What effects do in the simulator: to the kernel, the disk, the connections and the radio of one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from sroamd.core import effects as does
from sroamd.core.events import KernelRead
from sroamd.core.values import RouteKind

if TYPE_CHECKING:
    from sroamd.sim.machine import Machine


def apply(machine: Machine, effect: does.Effect) -> None:
    match effect:
        case does.SendUpdates(peer, updates, more):
            if peer in machine.connections:
                connection, end = machine.connections[peer]
                connection.send(end, updates, more)
        case does.Note() | does.CheckProgressed() | does.CheckEnded():
            pass
        case does.RouteCheckProgressed() | does.RouteCheckEnded() | does.RemoveStrayNextHop():
            pass  # nobody else makes nexthop objects there
        case does.ReadKernel(ticket):
            machine.kernel.tell(KernelRead(ticket, *machine.kernel.read(), last=True))
        case does.InstallRoute(route):
            machine.kernel.install(route)
            if route.kind is RouteKind.HERE:
                machine.world.checks.route_here(machine, route.prefix)
        case does.RemoveRoute(prefix):
            machine.kernel.remove(prefix)
        case does.SetNextHop(node, version, next_hop):
            machine.kernel.set_object(node, version, next_hop)
        case does.RemoveNextHop(node, version):
            machine.kernel.remove_object(node, version)
        case does.WatchNextHops(addresses):
            machine.kernel.watch(addresses)
        case does.FindRoute(prefix):
            machine.world.route_asked_for(machine, prefix)
        case does.SendHello(peer, hello):
            if peer in machine.connections:
                connection, end = machine.connections[peer]
                connection.send(end, (hello,))
        case does.SendSummaries(peer, summaries, more):
            if peer in machine.connections:
                connection, end = machine.connections[peer]
                connection.send(end, summaries, more)
        case does.SendCensus(peer, messages):
            if peer in machine.connections:
                connection, end = machine.connections[peer]
                connection.send(end, messages)
        case does.ClosePeer(peer, _reason, redial_after):
            if peer in machine.connections:
                connection, end = machine.connections[peer]
                connection.close(end, redial_after)
        case does.StoreLeases(data, ticket):
            machine.world.checks.claimed(machine, data)
            machine.disk.put(data, ticket, machine.moment())
        case does.ForgetLeases(keys):
            machine.disk.forget(keys)
        case does.AddPermit(permit):
            machine.kernel.permits.add(permit)
        case does.RemovePermit(permit):
            machine.kernel.permits.remove(permit)
        case does.Stop():
            machine.world.time.after(0.0, machine.stop)
        case _:
            _apply_to_station(machine, effect)


def _apply_to_station(
    machine: Machine,
    effect: does.SendGratuitousArp
    | does.SendNeighborAdvertisement
    | does.SendArpRequest
    | does.SendArpProbe
    | does.SendNeighborSolicitation
    | does.PollStation
    | does.Disassociate
    | does.SendDhcp
    | does.SendDhcp6
    | does.SendRouterAdvertisement,
) -> None:
    air = machine.world.air
    match effect:
        case does.SendGratuitousArp(_, station, address):
            air.gateway_announced(machine, station, address)
        case does.SendNeighborAdvertisement(_, station, address):
            air.gateway_announced(machine, station, address)
        case does.SendArpRequest(_, station, _source, target):
            air.asked_for(machine, station, target)
        case does.SendArpProbe(target=target):
            air.probed_for(machine, target)
        case does.SendNeighborSolicitation(_, station, _source, target):
            air.asked_for(machine, station, target)
        case does.PollStation(_, station):
            air.polled(machine, station)
        case does.Disassociate(_, station):
            air.disassociated(machine, station)
        case does.SendDhcp():
            machine.world.checks.reply_sent(machine, effect)
            air.dhcp_sent(machine, effect)
        case does.SendDhcp6():
            pass  # no station of the simulator asks
        case does.SendRouterAdvertisement(_, station, _source, advertisement):
            air.router_advertised(machine, station, advertisement)
        case _:
            assert_never(effect)
