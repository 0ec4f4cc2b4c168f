"""Access points on a backbone, a correspondent behind Babel, and radios left for stations."""

from __future__ import annotations

from lab.topology import CORRESPONDENT_IPV4, CORRESPONDENT_IPV6, ROUTER_IPV4, ROUTER_IPV6

from .access_point import BACKBONE, AccessPoint
from .node import Node
from .station import Station
from .vm import Vm

_BRIDGE = "backbone"
_CORRESPONDENT_NUMBER = 254
# Between hellos, in seconds. Emulation stands still for longer than the 0.2 s of the real thing now and then, and after
# each link that counts as lost babeld 1.12.1 may need a minute to find its feasible routes again.
BABEL_HELLO_INTERVAL = 1.0
# routing.md section 2, less what concerns stations. Both addresses of the correspondent are its own.
_BABELD = f"""\
default type wired split-horizon false hello-interval {BABEL_HELLO_INTERVAL} update-interval 16
smoothing-half-life 0
interface {BACKBONE}
redistribute ip {ROUTER_IPV4} ge 32 local allow
redistribute ip {ROUTER_IPV6} ge 128 local allow
redistribute ip {CORRESPONDENT_IPV4.ip}/32 local allow
redistribute ip {CORRESPONDENT_IPV6.ip}/128 local allow
redistribute local deny
redistribute deny
"""


class Fleet:
    """ap1..N with radios 0..N-1, a correspondent, and stations with the radios after."""

    def __init__(self, vm: Vm, *, aps: int, stations: tuple[str, ...]) -> None:
        self.vm = vm
        vm.run(["modprobe", "mac80211_hwsim", f"radios={aps + len(stations)}"])
        vm.run(["ip", "link", "add", _BRIDGE, "type", "bridge", "mcast_snooping", "0"])
        vm.run(["ip", "link", "set", _BRIDGE, "up"])
        self.aps = [AccessPoint(vm, number) for number in range(1, aps + 1)]
        for ap in self.aps:
            ap.take_radio(ap.number - 1)
            self._plug(ap)
        self.stations = {name: Station(vm, name, aps + place) for place, name in enumerate(stations)}
        self.correspondent = Node(vm, "corr")
        self._plug(self.correspondent)
        self._set_up_correspondent()

    def _plug(self, node: Node) -> None:
        port = f"port-{node.name}"
        self.vm.run(["ip", "link", "add", port, "type", "veth", "peer", "name", BACKBONE, "netns", node.pid])
        self.vm.run(["ip", "link", "set", port, "master", _BRIDGE, "up"])
        node.sh(f"ip link set {BACKBONE} up")

    def _set_up_correspondent(self) -> None:
        node = self.correspondent
        node.sh(
            f"""
            ip address add {ROUTER_IPV4.network_address + _CORRESPONDENT_NUMBER}/32 dev {BACKBONE}
            ip address add {ROUTER_IPV6.network_address + _CORRESPONDENT_NUMBER}/128 dev {BACKBONE} nodad
            ip address add {CORRESPONDENT_IPV4.ip}/32 dev lo
            ip address add {CORRESPONDENT_IPV6.ip}/128 dev lo
            """
        )
        node.write("/run/babeld.conf", _BABELD)
        command = ["babeld", "-c", "/run/babeld.conf", "-I", "/run/babeld.pid", "-S", "/var/lib/babeld/state"]
        node.start("babeld", command)
