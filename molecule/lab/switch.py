"""The cables of a lab: network namespaces, veth pairs, and the bridges that stand for backbone and air.

All bridges but the management one live in a namespace of their own, so that the machine's firewall, IPv6 and
forwarding never see the traffic of the lab. On the machine itself there is one bridge, <prefix>-mgmt, with one
port for each node.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network
from pathlib import Path

from .errors import LabError, execute
from .netns import NAMESPACES, remove_namespaces, set_sysctls
from .topology import MANAGEMENT_BRIDGE, Link, Node, Topology

# group_fwd_mask bit 3 lets 01:80:c2:00:00:03 through: the group address of 802.1X.
_BRIDGE = "type bridge forward_delay 0 mcast_snooping 0 group_fwd_mask 8"


def namespace(topology: Topology, node: Node) -> str:
    """Name of a node's network namespace, as `ip netns` shows it."""
    return f"{topology.prefix}-{node.name}"


def switch_namespace(topology: Topology) -> str:
    """Name of the namespace in which the bridges are."""
    return f"{topology.prefix}-switch"


def port(node: Node, link: Link) -> str:
    """Name of the bridge end of a link inside the switch namespace."""
    return f"{node.name}.{link.name}"


def management_port(topology: Topology, node: Node) -> str:
    """Name of the bridge end of a management link, which is on the machine itself."""
    return f"{topology.prefix}-{node.name}"


def lay_cables(topology: Topology) -> None:
    """Make the bridges and every node's namespace and links. Nothing of this lab may be there yet."""
    _refuse_overlap(topology.management)
    bridge = f"{topology.prefix}-{MANAGEMENT_BRIDGE}"
    ip_batch([f"link add {bridge} {_BRIDGE}"])
    _without_ipv6(bridge)
    ip_batch([f"address add {topology.management_host} dev {bridge}", f"link set {bridge} up"])
    switch = switch_namespace(topology)
    ip_batch([f"netns add {switch}"])
    # The switch only passes frames on; it has nothing to say itself.
    set_sysctls(switch, {"ipv6/conf/default/disable_ipv6": "1"})
    commands = [f"link add {name} {_BRIDGE}" for name in topology.bridges]
    ip_batch([*commands, *(f"link set {name} up" for name in topology.bridges)], switch)
    connect(topology, topology.nodes)


def connect(topology: Topology, nodes: Sequence[Node]) -> None:
    """Make the namespaces and links of nodes; their inner ends stay down, but for the management link and lo."""
    outside: list[str] = []
    inside_switch: list[str] = []
    for node in nodes:
        outside.append(f"netns add {namespace(topology, node)}")
        for link in node.links:
            peer = f"type veth peer name {link.name} address {link.mac} netns {namespace(topology, node)}"
            if link.bridge == MANAGEMENT_BRIDGE:
                outside.append(f"link add {management_port(topology, node)} {peer}")
            else:
                outer = port(node, link)
                inside_switch.append(f"link add {outer} {peer}")
                inside_switch.append(f"link set {outer} master {link.bridge} up")
    ip_batch(outside)
    ip_batch(inside_switch, switch_namespace(topology))
    for node in nodes:
        commands = ["link set lo up"]
        for link in node.links:
            if link.bridge == MANAGEMENT_BRIDGE:
                _plug_management(topology, node)
                commands.append(f"address add {topology.management_address(node)} dev {link.name}")
                commands.append(f"link set {link.name} up")
        ip_batch(commands, namespace(topology, node))


def _plug_management(topology: Topology, node: Node) -> None:
    """Put a management link into its bridge, isolated: nodes reach each other over the backbone only."""
    outer = management_port(topology, node)
    _without_ipv6(outer)
    ip_batch(
        [
            f"link set {outer} master {topology.prefix}-{MANAGEMENT_BRIDGE} up",
            f"link set {outer} type bridge_slave isolated on",
        ]
    )


def _without_ipv6(interface: str) -> None:
    """Keep IPv6 off an interface of the machine itself, which must not hear what nodes advertise."""
    Path(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6").write_text("1")


def disconnect(topology: Topology, node: Node) -> None:
    """Remove one node's links and namespace, and with them every address and route that the node had set."""
    for link in node.links:
        if link.bridge == MANAGEMENT_BRIDGE:
            execute(["ip", "link", "delete", management_port(topology, node)], check=False)
        else:
            execute(["ip", "-n", switch_namespace(topology), "link", "delete", port(node, link)], check=False)
    remove_namespaces([namespace(topology, node)])


def move(topology: Topology, moves: Iterable[tuple[Node, str]], *, carrier_loss: bool = True) -> None:
    """Plug the wlan0 of stations into other bridges, all in one breath.

    With carrier_loss a station sees its carrier go and come, as at a change of access point: the kernel forgets
    its neighbours then (lab.md 9.3). Without, the air changes unnoticed.
    """
    down: list[str] = []
    up: list[str] = []
    for node, bridge in moves:
        outer = port(node, node.link("wlan0"))
        if carrier_loss:
            down.append(f"link set {outer} down")
        up.append(f"link set {outer} master {bridge} up")
    ip_batch([*down, *up], switch_namespace(topology))


def cut(topology: Topology, node: Node, link_name: str, *, silent: bool = False) -> None:
    """Interrupt a link. The node sees its carrier go, unless silent: then only the frames stop."""
    link = node.link(link_name)
    if link.bridge == MANAGEMENT_BRIDGE:
        ip_batch([f"link set {management_port(topology, node)} {'nomaster' if silent else 'down'}"])
    else:
        ip_batch([f"link set {port(node, link)} {'nomaster' if silent else 'down'}"], switch_namespace(topology))


def plug(topology: Topology, node: Node, link_name: str, bridge: str) -> None:
    """Plug a link into another bridge. The node forgets whom it knew there, as it does when a carrier goes.

    A cable pulled and plugged in again within a moment would not do: the kernel looks at carriers once a second.
    """
    ip_batch([f"link set {port(node, node.link(link_name))} master {bridge} up"], switch_namespace(topology))
    ip_batch([f"neighbour flush dev {link_name}"], namespace(topology, node))


def rewire(before: Topology, after: Topology) -> None:
    """Plug every cable that leads elsewhere now. Stations stay where they are."""
    switch = switch_namespace(after)
    listed = json.loads(execute(["ip", "-n", switch, "-j", "link", "show", "type", "bridge"]).stdout)
    present = {each.get("ifname") for each in listed}
    for name in after.bridges:
        if name not in present:
            ip_batch([f"link add {name} {_BRIDGE}", f"link set {name} up"], switch)
    for node in after.nodes:
        for link in node.links:
            if link.name in node.backbone and link.bridge != before.node(node.name).link(link.name).bridge:
                plug(after, node, link.name, link.bridge)


def heal(topology: Topology, node: Node, link_name: str) -> None:
    """Put a link back into its own bridge and up, however it was cut."""
    link = node.link(link_name)
    if link.bridge == MANAGEMENT_BRIDGE:
        _plug_management(topology, node)
    else:
        ip_batch([f"link set {port(node, link)} master {link.bridge} up"], switch_namespace(topology))


def ip_batch(commands: Iterable[str], inside: str | None = None) -> None:
    """Run several ip commands in one process, in the given namespace or on the machine itself."""
    where = ["-n", inside] if inside else []
    execute(["ip", *where, "-batch", "-"], stdin="\n".join(commands) + "\n")


def remove_network(prefix: str) -> None:
    """Remove every namespace and interface of this prefix, whatever made them, with all processes inside."""
    remove_namespaces([path.name for path in NAMESPACES.glob(f"{prefix}-*")])
    for name in os.listdir("/sys/class/net"):
        if name.startswith(f"{prefix}-"):
            execute(["ip", "link", "delete", name], check=False)


def _refuse_overlap(management: IPv4Network) -> None:
    """Raise LabError where the machine already has a route into the management network of this lab."""
    routes = execute(["ip", "-4", "route", "show", "root", str(management)]).stdout.strip()
    if routes:
        raise LabError(f"{management} is in use on this machine ({routes}); give the lab another management network")
