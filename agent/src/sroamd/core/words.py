"""A datum in words, for people: what kind it is, what it is about, and what it says."""

from __future__ import annotations

from sroamd.addresses import NO_MAC, Mac, NodeId
from sroamd.core.hostnames import shown
from sroamd.core.nodes import Nodes
from sroamd.wire.cursor import DecodeError
from sroamd.wire.datum import (
    ASSOCIATION,
    EVIDENCE,
    HOSTNAME,
    IPV4_LEASE,
    IPV6_LEASE,
    LINKS,
    NODE,
    Evidence,
    NodeRecord,
    association_station,
    decode_links,
    evidence_of,
    hostname_station,
    lease_prefix,
    links_node,
    node_id,
)

KINDS = {
    IPV4_LEASE: "ipv4",
    IPV6_LEASE: "ipv6",
    ASSOCIATION: "association",
    NODE: "node",
    EVIDENCE: "evidence",
    LINKS: "links",
    HOSTNAME: "hostname",
}


def kind_of(key: bytes) -> str:
    """Its name, or the number of a type that we do not know."""
    return KINDS.get(key[0], str(key[0]))


def subject(key: bytes) -> str:
    """What the datum is about: an address, a prefix, a station, a node. Octets where the key is not as it should be."""
    try:
        if key[0] in (IPV4_LEASE, IPV6_LEASE):
            prefix = lease_prefix(key)
            return str(prefix.network_address if key[0] == IPV4_LEASE else prefix)
        if key[0] == ASSOCIATION:
            return str(association_station(key))
        if key[0] == NODE:
            return str(node_id(key))
        if key[0] == HOSTNAME:
            return str(hostname_station(key))
        if key[0] == LINKS:
            return str(links_node(key))
        if key[0] == EVIDENCE:
            station, node = evidence_of(key)
            return f"{station} at {node}"
    except DecodeError:
        pass
    return key[1:].hex()


def meaning(nodes: Nodes, key: bytes, value: bytes) -> str:
    """What it says: the station that holds a lease, the node where a station is, who a node is."""
    kind = key[0]
    if kind in (IPV4_LEASE, IPV6_LEASE) and len(value) == Mac.length:
        return "declined" if value == NO_MAC else str(Mac(value))
    if kind == ASSOCIATION and len(value) in (0, NodeId.length):
        return nodes.name(NodeId(value)) if value else "gone"
    if kind == NODE:
        return _record(value)
    if kind == HOSTNAME:
        return shown(value)
    if kind == EVIDENCE:
        return _evidence(nodes, value)
    if kind == LINKS:
        return _links(value)
    return value.hex()


def _evidence(nodes: Nodes, value: bytes) -> str:
    if not value:
        return "over"
    try:
        evidence = Evidence.decode(value)
    except DecodeError:
        return value.hex()
    return f"claimed {evidence.claims} times, against {nodes.name(evidence.rival)}"


def _links(value: bytes) -> str:
    try:
        return " ".join(map(str, decode_links(value))) or "gone"
    except DecodeError:
        return value.hex()


def _record(value: bytes) -> str:
    try:
        record = NodeRecord.decode(value)
    except DecodeError:
        return value.hex()
    return " ".join(str(part) for part in (record.name, record.router_ipv4, record.router_ipv6) if part)
