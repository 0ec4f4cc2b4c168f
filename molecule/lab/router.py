"""The part of the lab that no role configures: a plain Babel router without the agent, and the correspondent."""

from __future__ import annotations

from .machine import Machine
from .netns import set_sysctls
from .switch import ip_batch, namespace
from .topology import (
    CORRESPONDENT_IPV4,
    CORRESPONDENT_IPV6,
    ROUTER_IPV4,
    ROUTER_IPV6,
    Node,
    Topology,
)

_LAN_IPV4 = CORRESPONDENT_IPV4.network.network_address + 1
_LAN_IPV6 = CORRESPONDENT_IPV6.network.network_address + 1

# What is announced where the correspondent is, in babeld's words.
LAN = tuple(f"ip {each.network} eq {each.network.prefixlen}" for each in (CORRESPONDENT_IPV4, CORRESPONDENT_IPV6))

HELLO_INTERVAL = 0.19  # the role's own

# routing.md section 2. It has no stations, unless somebody pretends that it has.
_BABELD = "\n".join(
    (
        "default type wired split-horizon false hello-interval {hello} update-interval 16",
        "smoothing-half-life 0",
        f"redistribute ip {ROUTER_IPV4} ge 32 local allow",
        f"redistribute ip {ROUTER_IPV6} ge 128 local allow",
        *(f"redistribute {words} allow" for words in LAN),
        "redistribute proto 44 metric 256",
        "redistribute local deny",
        "redistribute deny",
    )
)

# networkd would remove babeld's routes when it is reconfigured (lab.md section 5).
_NETWORKD = "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n"
_SYSCTL = """\
net.ipv4.ip_forward = 1
net.ipv6.conf.all.forwarding = 1
net.ipv4.conf.all.rp_filter = 0
net.ipv4.conf.default.rp_filter = 0
net.ipv4.conf.all.send_redirects = 0
net.ipv4.conf.default.send_redirects = 0
"""


def prepare_router(machine: Machine, node: Node) -> None:
    """Write the router's configuration to its disk, before its first boot."""
    configure_babeld(machine, node)
    machine.write("etc/sysctl.d/50-router.conf", _SYSCTL)
    machine.write("etc/systemd/networkd.conf.d/50-babel.conf", _NETWORKD)
    # The same addresses on all of them: Babel takes its IPv4 next hop from the interface over which it speaks.
    addresses = _network(" ".join(node.backbone), f"{node.router_ipv4}/32", f"{node.router_ipv6}/128")
    machine.write("etc/systemd/network/10-backbone.network", addresses)


def configure_babeld(machine: Machine, node: Node, hello: float = HELLO_INTERVAL) -> None:
    """Write babeld's configuration, with its hello interval in seconds; the next start takes it."""
    interfaces = (f"interface {name}" for name in node.backbone)
    machine.write("etc/babeld.conf", "\n".join((_BABELD.format(hello=hello), *interfaces, "")))


def prepare_lan(machine: Machine) -> None:
    """Write the addresses towards the correspondent to the disk of whichever node it is behind."""
    lan = _network("lan0", f"{_LAN_IPV4}/{CORRESPONDENT_IPV4.network.prefixlen}", f"{_LAN_IPV6}/64")
    machine.write("etc/systemd/network/20-lan0.network", lan)


def install_router(machine: Machine) -> None:
    """Install babeld and nft from the feed, and start babeld; the router has to be up. Survives its power cuts."""
    machine.install("babeld", "nftables")
    machine.run(["systemctl", "enable", "--now", "systemd-networkd"])
    machine.run(["systemctl", "enable", "babeld"])
    # After networkd, so that bb0 has its address when babeld first looks at it.
    machine.run(["systemctl", "restart", "babeld"])


def configure_correspondent(topology: Topology, node: Node) -> None:
    """Give the correspondent its addresses and its way into the domain."""
    name = namespace(topology, node)
    configure_host(name, "eth0")
    ip_batch(
        [
            "link set eth0 up",
            f"address add {CORRESPONDENT_IPV4} dev eth0",
            f"address add {CORRESPONDENT_IPV6} dev eth0 nodad",
            f"route add default via {_LAN_IPV4}",
            f"route add default via {_LAN_IPV6}",
        ],
        name,
    )


def configure_host(name: str, interface: str) -> None:
    """Make a bare namespace an ordinary end system, whatever the machine's own IPv4 defaults are."""
    set_sysctls(
        name,
        {
            "ipv4/ip_forward": "0",
            "ipv4/conf/all/rp_filter": "0",
            f"ipv4/conf/{interface}/rp_filter": "0",
            "ipv6/conf/all/disable_ipv6": "0",
            f"ipv6/conf/{interface}/disable_ipv6": "0",
            f"ipv6/conf/{interface}/accept_ra": "1",
            f"ipv6/conf/{interface}/autoconf": "1",
        },
    )


def _network(interfaces: str, *addresses: object) -> str:
    listed = "".join(f"Address={address}\n" for address in addresses)
    return f"[Match]\nName={interfaces}\n[Network]\nIPv6AcceptRA=no\nConfigureWithoutCarrier=yes\n{listed}"
