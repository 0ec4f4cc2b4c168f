"""What a node can be asked: JSON-ready answers for `sroamctl` and for the log. They change nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from sroamd import __version__
from sroamd.addresses import NO_MAC, Mac, NodeId
from sroamd.constants import ASSOCIATION_LIFE, EVIDENCE_LIFE
from sroamd.core.conflicts import Outcome
from sroamd.core.database import LEASE_TYPES, Datum
from sroamd.core.lease_list import LeaseList, Parts
from sroamd.core.node import Node
from sroamd.core.pools import STATION_PREFIX_LENGTH
from sroamd.core.route_list import RouteList
from sroamd.core.values import RouteKind
from sroamd.core.words import kind_of, meaning, subject
from sroamd.wire.cursor import DecodeError
from sroamd.wire.datum import (
    ASSOCIATION,
    IPV4_LEASE,
    IPV6_LEASE,
    Evidence,
    evidence_of,
    ipv4_lease_key,
    lease_prefix,
)

Json = Mapping[str, "Json"] | list["Json"] | str | int | float | bool | None


# Databases that move are seen to be equal every few Hellos, and what is missing is repaired within one or two minutes.
DIFFERENT_FOR_LONG = 180.0

_WITH_ARGUMENT = ("conflicts", "leases", "routes", "where")
_KINDS = {kind.name.lower(): kind for kind in RouteKind}


class NotFound(Exception):
    """Nobody knows the station that was asked for."""


class UnknownTopic(Exception):
    """There is no such question."""


def report(node: Node, topic: str, argument: str | None, now: float) -> Json | Iterator[Json]:
    """Answer one question; an iterator gives the elements of a list that may be very long.

    Raises NotFound or UnknownTopic, each with a sentence for people.
    """
    if topic == "where":
        return where(node, argument or "", now)
    if topic == "conflicts":
        return conflicts(node, argument, now)
    if topic == "routes":
        return routes(node, argument, now)
    if topic == "leases":
        return leases(node, argument, now)
    topics: dict[str, Callable[[Node, float], Json | Iterator[Json]]] = {
        "status": status,
        "stations": stations,
        "database": database,
        "peers": peers,
    }
    if topic not in topics:
        raise UnknownTopic(f"unknown topic {topic!r}; there are {', '.join(sorted([*topics, *_WITH_ARGUMENT]))}")
    return topics[topic](node, now)


def status(node: Node, now: float) -> Json:
    state = node.state
    found = problems(node, now)
    return {
        "node": {"name": state.config.node.name, "id": str(state.node_id), "version": __version__},
        "healthy": not found,
        "problems": list(found),
        "stations": len(state.present),
        "peers": len(node.peering.peers),
        "peers_configured": len(state.config.flood.peers),
        "records": node.database.alive,
        "digest": node.database.digest.hex(),
        "routes": len(node.routes.near),
        "direct_routes": len(node.routes.direct.installed),
        "counters": dict(sorted(node.counters.items())),
    }


def problems(node: Node, now: float) -> list[str]:
    """What an operator should look at, in sentences."""
    found = []
    config = node.state.config
    if not node.associations.all_listed:
        found.append("not attached to hostapd on every interface: is hostapd running?")
    for interface in config.interfaces:
        if interface.name not in node.state.interfaces:
            found.append(f"interface {interface.name} does not exist or is down")
    if not node.peering.peers and (config.flood.peers or node.nodes.records):
        found.append("no peer is connected: moves of stations are not known here" + _what_stays(node))
    twin = node.peering.twin(now) or node.own_record.twin(now)
    if twin is not None:
        found.append(f"another node has the id of this one, {node.state.node_id}: {twin}; give one of them a new id")
    for peer in node.peering.peers.values():
        since = peer.comparison.differs_since
        if since is not None and now - since >= DIFFERENT_FOR_LONG:
            minutes = int((now - since) // 60)
            found.append(
                f"peer {peer.node_name or peer.name} has held another database for {minutes} min: sroamctl check"
            )
    for network, vacancies in node.leases.short_pools():
        found.append(f"the pool {network} is nearly exhausted: {vacancies.left} of {vacancies.size} are left")
    if node.guard.problem is not None:
        found.append(f"the source guard: {node.guard.problem}")
    if node.store_failing:
        found.append(f"leases cannot be written to {config.node.state_dir}: a power loss would lose them")
    return found


def _what_stays(node: Node) -> str:
    """Of the direct routes, without a peer to say that they are wrong."""
    count = len(node.routes.direct.installed)
    minutes = ASSOCIATION_LIFE // 60
    return f"; its direct routes ({count}) stay until their data expire, {minutes} min at most" if count else ""


def stations(node: Node, now: float) -> Iterator[Json]:
    """Row by row, in no order: every station of the roaming domain that is somewhere, or has a living lease.

    Of one moment; what each row says of its station is so when the row is made.
    """
    data = [datum for datum in node.database if datum.expires_at > now]
    return (_station(node, station, now) for station in _named(list(node.state.present), data))


def _named(present: Iterable[Mac], data: Iterable[Datum]) -> Iterator[Mac]:
    """Each once. There may be 100,000 data to look at before the next that is new."""
    seen: set[bytes] = {b"", NO_MAC, *present}
    yield from present
    for datum in data:
        kind = datum.key[0]
        if kind in LEASE_TYPES:
            station = datum.value
        elif kind == ASSOCIATION and datum.value:
            station = datum.key[1:]
        else:
            continue
        if station not in seen:
            seen.add(station)
            yield Mac(station)


def where(node: Node, text: str, now: float) -> Json:
    """By MAC, IPv4 address, or any IPv6 address in the station's prefix."""
    station = _find(node, text, now)
    if station is None:
        raise NotFound(f"no station {text} is known")
    return _station(node, station, now)


def _find(node: Node, text: str, now: float) -> Mac | None:
    try:
        station = Mac.parse(text)
    except ValueError:
        return _holder(node, text, now)
    return station if is_known(node, station, now) else None


def is_known(node: Node, station: Mac, now: float) -> bool:
    """Whether it is somewhere, or has, or had, a lease."""
    if station in node.state.present or node.database.leases_of(station):
        return True
    return node.associations.datum(station, now) is not None


def _holder(node: Node, text: str, now: float) -> Mac | None:
    try:
        address = ip_address(text)
    except ValueError as error:
        raise NotFound(f"{text!r} is neither a MAC nor an IP address") from error
    datum = node.database.live(_lease_key(address), now)
    return Mac(datum.value) if datum is not None and datum.value != NO_MAC else None


def _lease_key(address: IPv4Address | IPv6Address) -> bytes:
    if isinstance(address, IPv4Address):
        return ipv4_lease_key(address)
    return bytes((IPV6_LEASE,)) + address.packed[: STATION_PREFIX_LENGTH // 8]


def _station(node: Node, station: Mac, now: float) -> dict[str, Json]:
    claim = node.associations.datum(station, now)
    leases = sorted(key for key in node.database.leases_of(station) if node.database.live(key, now))
    return {
        "station": str(station),
        "node": node.nodes.name(NodeId(claim.value)) if claim is not None and claim.value else None,
        "interface": node.state.present.get(station),
        "ipv4": [str(lease_prefix(key).network_address) for key in leases if key[0] == IPV4_LEASE],
        "ipv6": [str(lease_prefix(key)) for key in leases if key[0] == IPV6_LEASE],
        "hostname": node.hostnames.of(station, now),
        "seqno": claim.seqno if claim is not None else None,
        "remaining": claim.remaining(now) if claim is not None else None,
    }


def conflicts(node: Node, text: str | None, now: float) -> Json:
    """What each node that quarrels about a station has asked it, and what it answered; of one station, or of all."""
    station = None if text is None else _find(node, text, now)
    if text is not None and station is None:
        raise NotFound(f"no station {text} is known")
    rows = [*_own_conflicts(node, now), *_flooded_conflicts(node, now)]
    rows.sort(key=lambda row: (str(row["station"]), str(row["node"])))
    return [row for row in rows if station is None or row["station"] == str(station)]


def _own_conflicts(node: Node, now: float) -> Iterator[dict[str, Json]]:
    for station, conflict in node.associations.conflicts.stations.items():
        evidence, contested = conflict.evidence(now), conflict.told_at is not None
        row = _conflict(node, station, node.state.node_id, evidence, now - conflict.last)
        yield row | {"state": conflict.outcome.value, "contested": contested}


def _flooded_conflicts(node: Node, now: float) -> Iterator[dict[str, Json]]:
    for key in node.database.evidence:
        datum = node.database.live(key, now)
        station, teller = evidence_of(key)
        if datum is None or not datum.value or teller == node.state.node_id:
            continue
        try:
            evidence = Evidence.decode(datum.value)
        except DecodeError:
            continue  # of a later version
        age = max(0.0, EVIDENCE_LIFE - (datum.expires_at - now))
        yield _conflict(node, station, teller, replace(evidence, began=evidence.began + int(age)), age)


def _conflict(node: Node, station: Mac, teller: NodeId, evidence: Evidence, heard: float) -> dict[str, Json]:
    """As one who quarrels tells it. `heard`: seconds since then."""
    counts = zip(("arp", "nd", "poll"), evidence.asked, evidence.answered, strict=True)
    return {
        "station": str(station),
        "node": node.nodes.name(teller),
        "state": Outcome.ANSWERED.value,
        "contested": True,
        "against": node.nodes.name(evidence.rival),
        "claims": evidence.claims,
        "their_claims": evidence.rival_claims,
        **{name: {"asked": asked, "answered": answered} for name, asked, answered in counts},
        "since": evidence.began,
        "heard": round(heard, 1),
    }


def database(node: Node, now: float) -> Iterator[Json]:
    """Row by row, in no order: all that is held at this moment, also what has expired and is only remembered."""
    return (_datum(node, datum, now) for datum in list(node.database))


def _datum(node: Node, datum: Datum, now: float) -> dict[str, Json]:
    alive = datum.expires_at > now
    return {
        "kind": kind_of(datum.key),
        "key": subject(datum.key),
        "value": meaning(node.nodes, datum.key, datum.value) if datum.value != NO_MAC or alive else "free",
        "seqno": datum.seqno,
        "remaining": datum.remaining(now),
    }


def peers(node: Node, now: float) -> Json:
    return [
        {
            "peer": peer.name,
            "node": peer.node_name or None,
            "id": str(peer.node) if peer.node is not None else None,
            "since": round(now - peer.since, 1),
            "heard": round(now - peer.heard_at, 1),
            "waiting": peer.outbox.waiting(node.database),
            "updates_in": peer.updates_in,
            "updates_out": peer.updates_out,
        }
        for peer in node.peering.peers.values()
    ]


def routes(node: Node, text: str | None, now: float) -> Iterator[Json]:
    """Row by row, in no order: all, or of `text` "[here|demoted|direct] [STATION|PREFIX]" those of a kind, those of a
    station, those in a prefix.
    """
    words = (text or "").split()
    kind = _KINDS.get(words[0]) if words else None
    words = words[kind is not None :]
    if len(words) > 1:
        raise NotFound(f"{text!r} is not [{'|'.join(_KINDS)}] [STATION|PREFIX]")
    keys = _keys(node, words[0], now) if words else list(node.routes.keys())
    return RouteList(node.state, node.nodes, node.routes, now).rows(kind, keys)


def leases(node: Node, text: str | None, now: float) -> Iterator[Json]:
    """Row by row, in no order: all that are alive or reserved, or of `text` "[expired] [STATION|PREFIX]" also those
    that are remembered, those of a station, those in a prefix (an address is one).
    """
    words = (text or "").split()
    expired = words[:1] == ["expired"]
    words = words[expired:]
    if len(words) > 1:
        raise NotFound(f"{text!r} is not [expired] [STATION|PREFIX]")
    listed = LeaseList(Parts(node.state, node.nodes, node.leases, node.hostnames), now)
    return listed.rows(_leases(listed, words[0]) if words else listed.all_keys(), expired=expired)


def _leases(listed: LeaseList, text: str) -> Iterable[bytes]:
    try:
        return listed.keys_of(Mac.parse(text))
    except ValueError:
        pass
    try:
        within = ip_network(text)
    except ValueError:
        raise NotFound(f"{text!r} is neither a MAC, nor an IP address, nor a prefix") from None
    first, last = _lease_key(within[0]), _lease_key(within[-1])
    return [key for key in listed.all_keys() if first <= key <= last]


def _keys(node: Node, text: str, now: float) -> Iterable[bytes]:
    """Of the leases of a station, or of all routes in a prefix."""
    if "/" in text:
        try:
            within = ip_network(text)
        except ValueError as error:
            raise NotFound(f"{text!r} is no prefix: {error}") from error
        if within.version == 6 and within.prefixlen > STATION_PREFIX_LENGTH:
            return ()
        first, last = _lease_key(within[0]), _lease_key(within[-1])
        return (key for key in list(node.routes.keys()) if first <= key <= last)
    station = _find(node, text, now)
    if station is None:
        raise NotFound(f"no station {text} is known")
    return sorted(node.database.leases_of(station))
