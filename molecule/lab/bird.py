"""BIRD in place of babeld, to show that direct routes ask nothing of the daemon. The role does not set it up."""

from __future__ import annotations

from .lab import Lab
from .topology import CORRESPONDENT_IPV4, CORRESPONDENT_IPV6, ROUTER_IPV4, ROUTER_IPV6, Node

# What bird.conf(5) calls a prefix with everything that is more specific.
_OWN4 = f"[{ROUTER_IPV4}{{32,32}}, {CORRESPONDENT_IPV4.network}]"
_OWN6 = f"[{ROUTER_IPV6}{{128,128}}, {CORRESPONDENT_IPV6.network}]"


def configuration(node: Node, hello: float | None = None) -> str:
    """bird.conf of a node: Babel with router addresses, the correspondent's link, and stations that are here.

    Kernel routes of protocol 44 are announced, those of protocol 45 are not: a demoted station is withdrawn, since a
    high babel_metric on export was seen to have no effect. `hello` in seconds; None is BIRD's default, 4.
    """
    interval = "" if hello is None else f"hello interval {max(1, round(hello * 1000))} ms; "
    channels = "".join(_channels(version, own) for version, own in ((4, _OWN4), (6, _OWN6)))
    return f"""\
log syslog {{ warning, error, fatal, bug }};
router id {node.router_ipv4};
protocol device {{ scan time 5; }}
protocol direct {{ ipv4; ipv6; interface "bb*", "lan0"; }}
{channels}\
protocol babel {{
  randomize router id yes;
  interface "bb*" {{ type wired; {interval}}};
  ipv4 {{ import all; export where announced4(); }};
  ipv6 {{ import all; export where announced6(); }};
}}
"""


def _channels(version: int, own: str) -> str:
    return f"""\
function announced{version}() {{
  if source = RTS_BABEL then return true;
  if source = RTS_DEVICE then return net ~ {own};
  return source = RTS_INHERIT;
}}
protocol kernel kernel{version} {{
  learn;
  metric 1024;
  scan time 10;
  ipv{version} {{ import where krt_source = 44; export where source = RTS_BABEL; }};
}}
"""


def replace_babeld(lab: Lab, node: Node, hello: float | None = None) -> None:
    """Stop babeld on a node for good, and have BIRD speak Babel there."""
    machine = lab.machine(node.name)
    machine.run(["systemctl", "disable", "--now", "babeld"])
    machine.install("bird2")
    machine.write("etc/bird/bird.conf", configuration(node, hello))
    machine.run(["bird", "-p", "-c", "/etc/bird/bird.conf"])
    machine.run(["systemctl", "enable", "bird"])
    machine.run(["systemctl", "restart", "bird"])


def restore_babeld(lab: Lab, node: Node) -> None:
    """The inverse of replace_babeld, as far as a node has BIRD."""
    machine = lab.machine(node.name)
    machine.run(["systemctl", "disable", "--now", "bird"], check=False)
    machine.run(["systemctl", "enable", "babeld"])
    machine.run(["systemctl", "restart", "babeld"])
