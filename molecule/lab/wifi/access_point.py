"""An access point: hostapd on a radio, babeld and the agent, each as the role sets it up, less systemd."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lab.errors import LabError
from lab.topology import GATEWAY_IPV4, GATEWAY_IPV6, ROUTER_IPV4, ROUTER_IPV6

from .node import Node, Program
from .vm import Vm

RADIO = "wlan0"
BACKBONE = "bb0"
_BIN = "/opt/sroamd/current/bin"
_CAPABILITIES = "+net_admin,+net_raw,+net_bind_service"


class AccessPoint(Node):
    """Configurations are text, as the role's templates make it for this host."""

    def __init__(self, vm: Vm, number: int) -> None:
        super().__init__(vm, f"ap{number}")
        self.number = number
        self.router_ipv4 = ROUTER_IPV4.network_address + number
        self.router_ipv6 = ROUTER_IPV6.network_address + number
        self.hostapd: Program | None = None
        self.agent: Program | None = None

    # -- hostapd ------------------------------------------------------------------------------------------------

    def start_hostapd(self, configuration: str) -> None:
        """Start it with this configuration and wait until it serves stations. Raises LabError if it refuses."""
        self.write("/etc/hostapd/hostapd.conf", configuration, "0600")
        self.hostapd = self.start("hostapd", ["hostapd", "-t", "/etc/hostapd/hostapd.conf"])
        self.hostapd.wait_for("AP-ENABLED", timeout=90)

    def stop_hostapd(self) -> None:
        if self.hostapd is not None:
            self.hostapd.stop()
            self.hostapd = None

    def ask_hostapd(self, *words: str) -> str:
        """What hostapd answers to an operator's command."""
        return self.run(["hostapd_cli", "-p", "/run/hostapd", "-i", RADIO, *words]).stdout.strip()

    def authorized(self) -> set[str]:
        """MACs of the stations that hostapd has let in."""
        listed = self.run(["hostapd_cli", "-p", "/run/hostapd", "-i", RADIO, "all_sta"]).stdout
        found: set[str] = set()
        station = ""
        for line in listed.splitlines():
            if len(line) == 17 and line.count(":") == 5:
                station = line
            elif line.startswith("flags=") and "[AUTHORIZED]" in line:
                found.add(station)
        return found

    # -- the rest -----------------------------------------------------------------------------------------------

    def set_up_network(self, sysctls: str) -> None:
        """Addresses as networkd would set them. hostapd has to be up: its start takes them away."""
        self.run(["sysctl", "--quiet", "--ignore", "--load", "-"], stdin=sysctls)
        self.sh(
            f"""
            ip link set {BACKBONE} up
            ip address replace {self.router_ipv4}/32 dev {BACKBONE}
            ip address replace {self.router_ipv6}/128 dev {BACKBONE} nodad
            ip address replace {GATEWAY_IPV4}/32 dev {RADIO}
            ip address replace {GATEWAY_IPV6}/64 dev {RADIO} nodad
            """
        )

    def start_babeld(self, configuration: str) -> None:
        self.write("/run/babeld.conf", configuration)
        command = ["babeld", "-c", "/run/babeld.conf", "-I", "/run/babeld.pid", "-S", "/var/lib/babeld/state"]
        self.start("babeld", command)

    def start_agent(self, configuration: str) -> None:
        """Start it as the user and with the rights that its unit gives it, and wait until it is attached to hostapd."""
        self.write("/etc/sroamd/sroamd.toml", configuration)
        drop = ["setpriv", "--reuid", "sroamd", "--regid", "sroamd", "--clear-groups", "--no-new-privs"]
        drop += [f"--{kind}-caps={_CAPABILITIES}" for kind in ("inh", "ambient")]
        command = [*drop, f"{_BIN}/sroamd", "-c", "/etc/sroamd/sroamd.toml", "-d", "2"]
        self.agent = self.start("sroamd", command)
        self.agent.wait_for("attached to hostapd", timeout=120)

    def ask_agent(self, *words: str) -> Any:
        """What `sroamctl --json` says. None for what the agent does not know."""
        done = self.run([f"{_BIN}/sroamctl", "--json", *words], check=False)
        if done.status > 1:
            raise LabError(f"{self.name}: sroamctl {' '.join(words)}: {done.stderr.strip()}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def where(self, station: str) -> Mapping[str, Any]:
        """What this agent knows of a station; empty where it knows nothing."""
        found: Mapping[str, Any] | None = self.ask_agent("where", station)
        return found or {}

    def routes_here(self) -> set[str]:
        """Prefixes of the kernel's routes to stations that are here, of either family."""
        listed = self.sh("ip -4 route show proto 44; ip -6 route show proto 44")
        return {line.split()[0] for line in listed.splitlines()}
