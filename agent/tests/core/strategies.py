"""Hypothesis strategies for everything that can happen to a node, sensible and hostile."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from hypothesis import strategies as st

from sroamd.addresses import BROADCAST, NO_MAC, Mac, NodeId
from sroamd.core import events as ev
from sroamd.core.values import KernelNextHop, NextHop, Route, RouteKind, StoredDatum, Towards
from sroamd.wire.census import Answer, Held, Question
from sroamd.wire.datum import (
    Evidence,
    NodeRecord,
    association_key,
    encode_links,
    evidence_key,
    ipv4_lease_key,
    ipv6_lease_key,
    links_key,
    node_key,
)
from sroamd.wire.dhcpv4 import DhcpMessage, MessageType
from sroamd.wire.dhcpv6 import Dhcp6Message
from sroamd.wire.flood import Hello, Update
from sroamd.wire.icmpv6 import RouterSolicitation
from tests.core.harness import ALICE, BOB, config_of, id_of, mac
from tests.core.messages import GATEWAY
from tests.wire.strategies import digests as digests_of_8
from tests.wire.strategies import summaries, wants

stations = st.sampled_from((ALICE, BOB, mac(1), NO_MAC, BROADCAST, Mac(b"\x03\0\0\0\0\x07")))
interfaces = st.sampled_from(("wlan0", "wlan1", "nowhere"))
peers = st.integers(1, 3)
node_ids = st.sampled_from((id_of(1), id_of(2), NodeId(bytes(8)), NodeId(b"\xff" * 8)))
ipv4 = st.sampled_from(
    [IPv4Address(f"192.0.2.{last}") for last in (0, 1, 2, 3, 77, 255)]
    + [IPv4Address(text) for text in ("0.0.0.0", "255.255.255.255", "198.51.100.1", "10.255.0.2")]
)
ipv6 = st.sampled_from([IPv6Address(text) for text in ("::", "fe80::7", "2001:db8:44:7::7", "fd00:255::2", "ff02::1")])
prefixes = st.one_of(
    ipv4.map(IPv4Network),
    ipv6.map(lambda address: IPv6Network((int(address) >> 64 << 64, 64))),
    st.sampled_from((IPv4Network("192.0.2.0/24"), IPv6Network("::/0"), IPv6Network("2001:db8::1/128"))),
)
texts = st.text(max_size=10)
records = st.builds(NodeRecord, texts, st.none() | ipv4, st.none() | ipv6).map(NodeRecord.encode)
counts = st.tuples(*3 * [st.integers(0, 70_000)])
evidence = st.builds(Evidence, node_ids, st.integers(0, 2**33), *2 * [st.integers(0, 70_000)], counts, counts).map(
    Evidence.encode
)
links = st.frozensets(st.sampled_from([IPv6Address(text) for text in ("fe80::7", "fe80::2:1", "fe80::2:2")]))
updates = st.one_of(
    st.tuples(ipv4.map(ipv4_lease_key), stations.map(bytes)),
    st.tuples(st.sampled_from([ipv6_lease_key(IPv6Network((n << 64, 64))) for n in (0, 7)]), stations.map(bytes)),
    st.tuples(stations.map(association_key), node_ids.map(bytes) | st.just(b"")),
    st.tuples(node_ids.map(node_key), records | st.just(b"")),
    st.tuples(node_ids.map(links_key), links.map(encode_links)),
    st.tuples(st.builds(evidence_key, stations, node_ids), evidence | st.sampled_from((b"", b"\x02later"))),
    st.tuples(st.binary(max_size=12), st.binary(max_size=40)),
).flatmap(
    lambda datum: st.builds(
        Update,
        st.integers(0, 65535) | st.integers(0, 3),
        st.sampled_from((0, 1, 30, 5400, 2**31, 2**32 - 1)),
        st.just(datum[0]),
        st.just(datum[1]),
    )
)
octets4 = ipv4.map(lambda address: address.packed)
options = st.fixed_dictionaries(
    {},
    optional={
        50: octets4,
        51: st.binary(min_size=4, max_size=4),
        54: octets4 | st.just(GATEWAY.packed),
        55: st.binary(max_size=20),
        57: st.binary(min_size=2, max_size=2),
        61: st.binary(min_size=2, max_size=10),
    },
)
messages = st.builds(
    DhcpMessage,
    op=st.sampled_from((1, 2)),
    message_type=st.sampled_from(MessageType),
    xid=st.integers(0, 2**32 - 1),
    chaddr=stations,
    broadcast=st.booleans(),
    ciaddr=ipv4,
    giaddr=ipv4,
    options=options,
)
nonces = st.sampled_from((bytes(8), b"12345678"))
parts = st.integers(0, 3).flatmap(lambda depth: st.tuples(st.just(depth), st.integers(0, 16**depth - 1)))
digests = st.sampled_from((bytes(128), b"\xff" * 128))
held = st.builds(
    Held,
    nonces,
    st.integers(0, 65535),
    st.integers(0, 2**32 - 1),
    st.binary(min_size=1, max_size=9),
    st.binary(max_size=9),
)
census = st.builds(Question, node_ids, nonces, st.none(), st.just(0), st.just(0)) | parts.flatmap(
    lambda part: (
        st.builds(Question, node_ids, nonces, node_ids, st.just(part[0]), st.just(part[1]))
        | st.builds(
            Answer,
            node_ids,
            nonces,
            node_ids,
            st.just(part[0]),
            st.just(part[1]),
            st.integers(0, 300),
            *((st.just(b""), st.none() | held) if part[0] == 3 else (digests,)),
        )
    )
)
next_hops = st.builds(NextHop, interfaces, st.none() | ipv4 | ipv6)
kernel_next_hops = st.builds(
    KernelNextHop, st.integers(1, 9), st.none() | node_ids, st.sampled_from((4, 6)), st.none() | next_hops
)
routes = st.builds(Route, prefixes, st.sampled_from(RouteKind), next_hops) | st.builds(
    Route, prefixes, st.just(RouteKind.DIRECT), st.builds(Towards, node_ids)
)
stored = st.builds(
    StoredDatum,
    ipv4.map(ipv4_lease_key) | st.binary(max_size=10),
    stations.map(bytes) | st.binary(max_size=8),
    st.integers(-1, 70_000),
    st.floats(-1e9, 1e9),
)
events = st.one_of(
    st.builds(ev.StationAuthorized, interfaces, stations),
    st.builds(ev.StationLeft, interfaces, stations),
    st.builds(ev.StationsListed, interfaces, st.frozensets(stations)),
    st.builds(ev.ProbeAnswered, interfaces, stations, st.sampled_from(ev.Probe)),
    stations.flatmap(lambda source: st.builds(ev.DhcpReceived, interfaces, st.just(source), ipv4, messages)),
    stations.flatmap(
        lambda source: st.builds(
            ev.DhcpReceived,
            st.just("wlan0"),
            st.just(source),
            ipv4,
            messages.map(lambda message: replace(message, chaddr=source)),
        )
    ),
    st.builds(ev.Dhcp6Received, interfaces, stations, ipv6, st.builds(Dhcp6Message, st.integers(1, 11), st.just(7))),
    st.builds(ev.RouterSolicited, interfaces, stations, ipv6, st.builds(RouterSolicitation, st.none() | stations)),
    st.builds(ev.PeerReady, peers, texts),
    st.builds(
        ev.PeerSaidHello,
        peers,
        st.builds(Hello, node_ids, st.just(3), digests_of_8, st.sampled_from((0, 3, 9000)), texts, st.booleans()),
    ),
    st.builds(ev.SummariesReceived, peers, st.lists(summaries | wants, max_size=3).map(tuple)),
    st.builds(ev.UpdatesReceived, peers, st.lists(updates, max_size=4).map(tuple)),
    st.builds(ev.CensusReceived, peers, census),
    st.builds(ev.CheckRequested, st.integers(0, 9)),
    st.builds(ev.RouteCheckRequested, st.integers(0, 9), st.booleans()),
    st.builds(
        ev.KernelRead,
        st.integers(0, 9),
        st.lists(routes, max_size=3).map(tuple),
        st.none() | st.lists(kernel_next_hops, max_size=2).map(tuple),
        st.booleans(),
        st.none() | texts,
    ),
    st.builds(ev.PeerBlocked, peers),
    st.builds(ev.PeerWritable, peers),
    st.builds(ev.PeerClosed, peers),
    st.builds(ev.KernelRoutesListed, st.frozensets(routes, max_size=4)),
    st.builds(ev.KernelRouteLost, routes),
    st.builds(ev.NextHopChanged, ipv4 | ipv6, st.none() | next_hops),
    st.builds(ev.NextHopObjectsLost, st.frozensets(st.tuples(node_ids, st.sampled_from((4, 6))))),
    st.builds(ev.LinkLocalsListed, links),
    st.builds(ev.InterfaceChanged, interfaces, st.none() | stations),
    st.builds(ev.LeasesLoaded, st.lists(stored, max_size=3).map(tuple)),
    st.builds(ev.LeasesStored, st.integers(0, 40), st.booleans()),
    st.just(ev.Tick()),
    st.just(ev.ConfigReloaded(config_of(1, interfaces=("wlan0", "wlan1"), pool=IPv4Network("192.0.2.0/29")))),
    st.just(ev.StopRequested()),
)
waits = st.sampled_from((0.0, 0.0, 0.0, 0.01, 0.3, 7.0, 70.0, 2000.0, 90_000.0, 700_000.0))
