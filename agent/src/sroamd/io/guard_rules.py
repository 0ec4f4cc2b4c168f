"""The source guard as nftables rules, in the words of nft(8): what they are is what `nft list ruleset` shows.

They are text for nft, which loads them once; the elements that change with every station are put into their sets over
netlink (guard_elements). Hooks of the tables inet and arp see packets by the name of the interface, so a radio that
goes and comes back is guarded again; a chain of the device itself (netdev) would have vanished with it.

What is dropped is counted by its reason, and by station in the sets `dropped`. The hook is before the defragmentation
of conntrack, so fragments are seen as they come. IGMP (2) and ICMPv6 (58) are given as numbers: nft looks names of
protocols up in /etc/protocols, and a small Debian has none.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from sroamd import constants
from sroamd.config import NetworkConfig
from sroamd.core.values import Permit
from sroamd.io.guard_elements import SETS, elements_of, words_of
from sroamd.io.nfnetlink import ARP, INET, keys_by_set

TABLE = "sroamd-guard"

# Why a packet is dropped, each with a counter of that name.
REASONS = {
    INET: (
        "unauthorised",  # the Ethernet source is no authorised station of the interface
        "broadcast",  # a unicast IP packet in a broadcast or multicast frame
        "rogue_server",  # what only routers and DHCP servers say
        "headers",  # IPv6 headers that hide what follows; neighbour discovery behind any, or in fragments
        "ipv4_source",
        "ipv6_source",
        "link_local_source",  # the gateway's, or another station's
        "neighbour_claim",  # neighbour discovery for another's address, or that names another's MAC
        "neighbour_flood",  # too much of it, or too many new link-local addresses
        "scan",  # to new addresses of a station's prefix
        "isolated",  # to another station
    ),
    ARP: ("unauthorised", "arp_claim"),
}
_FAMILIES = {INET: "inet", ARP: "arp"}

_DROPPED = """\
  set dropped { type ifname . ether_addr; size @SENDERS@; flags dynamic,timeout; timeout 1d; counter; }
"""
# What is dropped goes to the chain of its reason, and from there to this one.
_REFUSE = """\
  chain refuse {
    update @dropped { iifname . ether saddr counter }
    drop
  }
"""

# By which an agent whose nft fails knows what the table in the kernel is made of.
_MADE_OF = "  set made_of { type mark; }\n"

_REASON = """\
  counter {0} {{ }}
  chain {0} {{
    counter name {0} goto refuse
  }}
"""

_INET_SETS = """\
  set interfaces { type ifname; }
  set stations { type ifname . ether_addr; }
  set ipv4 { type ifname . ether_addr . ipv4_addr; }
  set ipv6 { type ifname . ether_addr . ipv6_addr; }
  # Of neighbour discovery: upper halves of the addresses that a station may advertise, and its MAC as an option has it.
  set nd_targets { typeof iifname . ether saddr . @th,64,64; }
  set nd_macs { typeof iifname . ether saddr . @th,208,48; }
  # Who has used a link-local address first (RFC 6620); and from which addresses of stations there were packets.
  set link_locals { type ipv6_addr . ifname; size @ADDRESSES@; flags dynamic,timeout; timeout 3m; }
  set link_local_holders { type ipv6_addr . ifname . ether_addr; size @ADDRESSES@; flags dynamic,timeout; timeout 3m; }
  set link_local_rate { type ifname . ether_addr; size @SENDERS@; flags dynamic,timeout; timeout 1m; }
  set nd_rate { type ifname . ether_addr; size @SENDERS@; flags dynamic,timeout; timeout 1m; }
  set seen { type ipv6_addr; size @ADDRESSES@; flags dynamic,timeout; timeout 1h; }
  set seen_rate { type ifname . ether_addr; size @SENDERS@; flags dynamic,timeout; timeout 1m; }
  set scan_rate { type ipv6_addr; size @SENDERS@; flags dynamic,timeout; timeout 1m; }
"""

_INET_CHAINS = """\
  chain prerouting {
    type filter hook prerouting priority raw - 150; policy accept;
    iifname @interfaces goto from_station
  }
  chain from_station {
    iifname . ether saddr != @stations goto unauthorised
    meta nfproto vmap { ipv4 : goto ipv4_from_station, ipv6 : goto ipv6_from_station }
  }

  chain ipv4_from_station {
    meta pkttype != host ip daddr != { 224.0.0.0/4, 255.255.255.255, @SUBNET@ } goto broadcast
    udp sport 67 goto rogue_server
    udp dport 68 goto rogue_server
    ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp dport 67 accept
    ip saddr 0.0.0.0 ip daddr 224.0.0.0/4 ip protocol 2 accept
    iifname . ether saddr . ip saddr != @ipv4 goto ipv4_source
@ISOLATE4@
  }

  chain ipv6_from_station {
    meta pkttype != host ip6 daddr != ff00::/8 goto broadcast
    icmpv6 type { nd-router-advert, nd-redirect } goto rogue_server
    udp sport 547 goto rogue_server
    udp dport 546 goto rogue_server
    meta l4proto 58 ip6 nexthdr != 58 icmpv6 type { 133, 135, 136 } goto headers
    frag nexthdr { 0, 43, 44, 51, 60, 135, 139, 140 } goto headers
    meta l4proto != 255 goto ipv6_whole
    goto headers
  }
  chain ipv6_whole {
    icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } jump neighbour_discovery
    ip6 saddr :: goto ipv6_unspecified
    ip6 saddr fe80::/10 goto link_local
    iifname . ether saddr . ip6 saddr & ffff:ffff:ffff:ffff:: != @ipv6 goto ipv6_source
@ISOLATE6@
    ip6 saddr @seen accept
    update @seen_rate { iifname . ether saddr limit rate over @SEEN@ } accept
    add @seen { ip6 saddr }
  }
  # Duplicate address detection, solicitations and multicast reports before there is an address.
  chain ipv6_unspecified {
    icmpv6 type { nd-router-solicit, nd-neighbor-solicit, mld-listener-report, mld-listener-done, 143 } accept
    goto ipv6_source
  }
  chain link_local {
    ip6 saddr @GATEWAY6@ goto link_local_source
    ip6 saddr . iifname . ether saddr @link_local_holders goto link_local_used
    ip6 saddr . iifname @link_locals goto link_local_source
    update @link_local_rate { iifname . ether saddr limit rate over @LINK_LOCALS@ } goto neighbour_flood
    goto link_local_used
  }
  chain link_local_used {
    update @link_locals { ip6 saddr . iifname }
    update @link_local_holders { ip6 saddr . iifname . ether saddr }
    accept
  }

  # At most one option (RFC 4861 has no more for these), of the kind that belongs there, with the station's own MAC.
  chain neighbour_discovery {
    update @nd_rate { iifname . ether saddr limit rate over @DISCOVERY@ } goto neighbour_flood
    icmpv6 type nd-neighbor-advert @th,64,128 @GATEWAY6_HEX@ goto neighbour_claim
    icmpv6 type nd-neighbor-advert iifname . ether saddr . @th,64,64 != @nd_targets goto neighbour_claim
    icmpv6 type nd-router-solicit ip6 length 8 return
    icmpv6 type nd-router-solicit ip6 length 16 @th,64,16 0x0101 iifname . ether saddr . @th,80,48 @nd_macs return
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 length 24 return
    icmpv6 type nd-neighbor-solicit ip6 length 32 @th,192,16 0x0e01 return
    icmpv6 type nd-neighbor-solicit ip6 length 32 @th,192,16 0x0101 iifname . ether saddr . @th,208,48 @nd_macs return
    icmpv6 type nd-neighbor-advert ip6 length 32 @th,192,16 0x0201 iifname . ether saddr . @th,208,48 @nd_macs return
    goto neighbour_claim
  }

  # Each new address behind a radio costs an entry of the neighbour table, and a search for it. So packets to those from
  # which nothing ever came are few, for each station's prefix.
  chain forward {
    type filter hook forward priority filter; policy accept;
    oifname @interfaces meta nfproto ipv6 goto to_station
  }
  chain to_station {
    ip6 daddr @seen accept
    update @scan_rate { ip6 daddr & ffff:ffff:ffff:ffff:: limit rate over @SCAN@ } goto scan
  }
"""

_ARP = """\
  set interfaces { type ifname; }
  # Interface, Ethernet source, sender's MAC and address: of a probe (RFC 5227) the address is 0.0.0.0.
  set senders { type ifname . ether_addr . ether_addr . ipv4_addr; }
  set stations { type ifname . ether_addr; }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname @interfaces goto from_station
  }
  chain from_station {
    iifname . ether saddr . arp saddr ether . arp saddr ip @senders accept
    iifname . ether saddr != @stations goto unauthorised
    goto arp_claim
  }
"""


def _rate(limit: tuple[int, int]) -> str:
    return f"{limit[0]}/second burst {limit[1]} packets"


_LIMITS = {
    "@SENDERS@": str(constants.GUARD_SENDERS_MAX),
    "@ADDRESSES@": str(constants.GUARD_ADDRESSES_MAX),
    "@LINK_LOCALS@": _rate(constants.GUARD_LINK_LOCALS),
    "@DISCOVERY@": _rate(constants.GUARD_DISCOVERY),
    "@SEEN@": _rate(constants.GUARD_SEEN),
    "@SCAN@": _rate(constants.GUARD_SCAN),
}


@dataclass(frozen=True, slots=True)
class Guarded:
    """What the rules are about: the interfaces of stations, and what all access points have in common."""

    interfaces: tuple[str, ...]
    network: NetworkConfig
    isolate: bool


class What(Enum):
    """What becomes of the table that is there."""

    KEEP = "rules are made anew, and permits added to those that are there"
    RESTORE = "rules and permits are made anew; what packets put into sets is kept"
    REPLACE = "everything is made anew: it is another version's"


def rules(family: int, guarded: Guarded, permits: Iterable[Permit], what: What) -> str:
    """The table of one family with these permits, for `nft -f`: one transaction."""
    name = f"{_FAMILIES[family]} {TABLE}"
    if what is What.REPLACE:
        fresh = f"add table {name}\ndelete table {name}\n"
    else:
        sets = {"interfaces": "ifname", "made_of": "mark"}
        there = "".join(f"add set {name} {each} {{ type {kind}; }}\n" for each, kind in sets.items())
        flushed = "".join(f"flush set {name} {each}\n" for each in sets)
        fresh = f"add table {name}\n{there}flush table {name}\n{flushed}"
    table = _table(family, guarded)
    mark = f"add element {name} made_of {{ {_digest(table):#010x} }}\n"
    emptied = "".join(f"flush set {name} {each}\n" for each in SETS[family]) if what is What.RESTORE else ""
    return fresh + table + mark + emptied + _additions(family, permits)


def made_of(family: int, guarded: Guarded) -> int:
    """What the set of that name holds where the table was made by these very rules."""
    return _digest(_table(family, guarded))


def _digest(table: str) -> int:
    return zlib.crc32(table.encode())


def _table(family: int, guarded: Guarded) -> str:
    """Without permits."""
    name = f"{_FAMILIES[family]} {TABLE}"
    body = _inet(guarded) if family == INET else _ARP
    reasons = "".join(map(_REASON.format, REASONS[family]))
    names = ", ".join(f'"{interface}"' for interface in guarded.interfaces)
    own = _filled(f"{_MADE_OF}{_DROPPED}{_REFUSE}{reasons}{body}", _LIMITS)
    return f"table {name} {{\n{own}}}\nadd element {name} interfaces {{ {names} }}\n"


def _inet(guarded: Guarded) -> str:
    network, gateway = guarded.network, guarded.network.ipv6_gateway
    prefixes = ", ".join(map(str, (network.ipv6_prefix, *network.former_ipv6_prefixes)))
    isolate = (
        f"    ip daddr {network.ipv4_prefix} ip daddr != {network.ipv4_gateway} goto isolated\n",
        f"    ip6 daddr {{ {prefixes} }} goto isolated\n",
    )
    words = {
        "@SUBNET@": str(network.ipv4_prefix.broadcast_address),
        "@ISOLATE4@\n": isolate[0] if guarded.isolate else "",
        "@ISOLATE6@\n": isolate[1] if guarded.isolate else "",
        "@GATEWAY6@": str(gateway),
        "@GATEWAY6_HEX@": f"0x{gateway.packed.hex()}",
    }
    return _filled(_INET_SETS + _INET_CHAINS, words)


def _filled(text: str, words: Mapping[str, str]) -> str:
    for word, meaning in words.items():
        text = text.replace(word, meaning)
    return text


def _additions(family: int, permits: Iterable[Permit]) -> str:
    lines = []
    for found in keys_by_set(element for permit in permits for element in elements_of(permit)):
        if found.family == family:
            words = ", ".join(words_of(found.set, key) for key in found.keys)
            lines.append(f"add element {_FAMILIES[family]} {TABLE} {found.set} {{ {words} }}\n")
    return "".join(lines)
