"""Packets that circle: counted by the routers themselves, by the hops that a packet has left when it is forwarded.

Each packet passes each value once, so the count at one value is that of the packets which were forwarded so often.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from .lab import Lab
from .sightings import FIRST_HOPS
from .stream import PORT
from .topology import Kind

_TABLE = "inet sroamd_lab"


@dataclass(frozen=True, slots=True)
class Circling:
    """`circled`: packets that were forwarded more often than any way leads; `exhausted`: those of them that were until
    they had no hop left; `forwards`: how often, beyond that way, all of them together.
    """

    circled: int
    exhausted: int
    forwards: int


def watch(lab: Lab, most_forwards: int) -> None:
    """Count from now on, on every router: what is forwarded more than `most_forwards` times circles."""
    left = FIRST_HOPS - most_forwards - 1
    rules = "\n".join(
        f"udp dport {PORT} {hops} {condition} counter name {name}"
        for hops in ("ip ttl", "ip6 hoplimit")
        for name, condition in (("circled", f"{left}"), ("exhausted", "1"), ("forwards", f"<= {left}"))
    )
    counters = "\n".join(f"counter {name} {{}}" for name in ("circled", "exhausted", "forwards"))
    chain = f"chain forward {{ type filter hook forward priority filter; {rules}\n}}"
    for name in _routers(lab):
        text = f"table {_TABLE}\ndelete table {_TABLE}\ntable {_TABLE} {{ {counters}\n{chain}\n}}\n"
        lab.run(name, ["nft", "-f", "-"], stdin=text)


def count(lab: Lab) -> Circling:
    """What all routers have counted since `watch`."""
    totals = {"circled": 0, "exhausted": 0, "forwards": 0}
    for name in _routers(lab):
        listed = json.loads(lab.run(name, ["nft", "-j", "list", "counters", "table", *_TABLE.split()]).stdout)
        for entry in listed["nftables"]:
            if "counter" in entry:
                totals[entry["counter"]["name"]] += entry["counter"]["packets"]
    return Circling(**totals)


def _routers(lab: Lab) -> list[str]:
    return [node.name for node in lab.topology.of_kind(Kind.AP, Kind.SERVER, Kind.ROUTER)]
