"""The part of the lab that no role configures: a plain Babel router without the agent, and who is behind it."""

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

# routing.md section 2, less what concerns stations: this router has none.
_BABELD = f"""\
default type wired split-horizon false hello-interval 0.19 update-interval 16
smoothing-half-life 0
redistribute ip {ROUTER_IPV4} ge 32 local allow
redistribute ip {ROUTER_IPV6} ge 128 local allow
redistribute ip {CORRESPONDENT_IPV4.network} eq {CORRESPONDENT_IPV4.network.prefixlen} allow
redistribute ip {CORRESPONDENT_IPV6.network} eq {CORRESPONDENT_IPV6.network.prefixlen} allow
redistribute local deny
redistribute deny
"""

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
    backbone = [link.name for link in node.links if link.name != "lan0"]
    machine.write("etc/babeld.conf", _BABELD + "".join(f"interface {name}\n" for name in backbone))
    machine.write("etc/sysctl.d/50-router.conf", _SYSCTL)
    machine.write("etc/systemd/networkd.conf.d/50-babel.conf", _NETWORKD)
    # The same addresses on all of them: Babel takes its IPv4 next hop from the interface over which it speaks.
    addresses = _network(" ".join(backbone), f"{node.router_ipv4}/32", f"{node.router_ipv6}/128")
    lan = _network("lan0", f"{_LAN_IPV4}/{CORRESPONDENT_IPV4.network.prefixlen}", f"{_LAN_IPV6}/64")
    machine.write("etc/systemd/network/10-backbone.network", addresses)
    machine.write("etc/systemd/network/20-lan0.network", lan)


def install_router(machine: Machine) -> None:
    """Install and start babeld from the feed; needs the router to be up. Survives its power cuts afterwards."""
    apt_get = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-y"]
    machine.run([*apt_get, "update"])
    keep = "-oDpkg::Options::=--force-confold"
    machine.run([*apt_get, "install", "--no-install-recommends", keep, "babeld"], timeout=120)
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
