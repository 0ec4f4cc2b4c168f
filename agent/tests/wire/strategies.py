"""Hypothesis strategies for every value of the wire, and the settings that the property tests share."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network

from hypothesis import settings
from hypothesis import strategies as st

from sroamd.addresses import Mac, NodeId
from sroamd.wire import arp, census, dhcpv4, dhcpv6, ethernet, flood, icmpv6, summary, udp4, udp6
from sroamd.wire.datum import NodeRecord
from sroamd.wire.ndisc_options import NAT64_LENGTHS

thorough = settings(max_examples=120, deadline=None)
# With scapy on the other side an example costs milliseconds.
against_scapy = settings(max_examples=40, deadline=None)

u8 = st.integers(0, 0xFF)
u4 = st.integers(0, 0xF)
u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
macs = st.binary(min_size=6, max_size=6).map(Mac)
node_ids = st.binary(min_size=8, max_size=8).map(NodeId)
ipv4 = u32.map(IPv4Address)
ipv6 = st.integers(0, 2**128 - 1).map(IPv6Address)
unicast_ipv6 = st.integers(0, 0xFF << 120).map(IPv6Address).filter(lambda address: not address.is_multicast)
link_local = st.integers(0, 2**64 - 1).map(lambda host: IPv6Address((0xFE80 << 112) + host))
names = st.text(max_size=63).filter(lambda name: len(name.encode()) <= 63)


def _keyed(key: bytes) -> st.SearchStrategy[flood.Update]:
    return st.builds(
        flood.Update,
        u16,
        st.integers(0, flood.LIFETIME_MAX),
        st.just(key),
        st.binary(max_size=flood.KEY_AND_VALUE_MAX - len(key)),
    )


updates = st.binary(min_size=1, max_size=flood.KEY_AND_VALUE_MAX).flatmap(_keyed)
digests = st.binary(min_size=8, max_size=8)
hellos = st.builds(flood.Hello, node_ids, u16, digests, u32, names, st.booleans())
nonces = st.binary(min_size=8, max_size=8)
questions = st.builds(
    census.Question, node_ids, nonces, node_ids.filter(any), st.just(3), st.integers(0, 4095)
) | st.builds(census.Question, node_ids, nonces, st.none(), st.just(0), st.just(0))
_held = st.builds(census.Held, nonces, u16, u32, st.binary(min_size=1, max_size=census.KEY_MAX), st.binary(max_size=48))
answers = st.builds(
    census.Answer, node_ids, nonces, node_ids, st.just(3), st.integers(0, 4095), u32, held=st.none() | _held
) | st.builds(census.Answer, node_ids, nonces, node_ids, st.just(1), u4, u32, st.binary(min_size=128, max_size=128))
_shorts = st.lists(st.binary(min_size=4, max_size=4), max_size=summary.SHORTS_MAX).map(tuple)
_buckets = st.integers(0, summary.BUCKETS - 1)
summaries = st.integers(0, summary.DEPTH - 1).flatmap(
    lambda depth: st.builds(
        summary.Summary,
        st.just(depth),
        st.integers(0, summary.FAN_OUT**depth - 1),
        st.lists(digests, min_size=summary.FAN_OUT, max_size=summary.FAN_OUT).map(tuple),
    )
) | st.builds(summary.Summary, st.just(summary.DEPTH), _buckets, _shorts)
wants = st.builds(summary.Wanted, _buckets, _shorts)
node_records = st.builds(
    NodeRecord,
    names,
    st.none() | ipv4.filter(lambda address: int(address) != 0),
    st.none() | ipv6.filter(lambda address: int(address) != 0),
)
frames = st.builds(ethernet.Frame, macs, macs, u16, st.binary(max_size=64))
arp_packets = st.builds(arp.ArpPacket, st.sampled_from((arp.REQUEST, arp.REPLY)), macs, ipv4, macs, ipv4)
datagrams = st.builds(udp4.Datagram, ipv4, u16, ipv4, u16, st.binary(max_size=300))

_EXACT = {50: 4, 51: 4, 54: 4, 57: 2}
_FRAMING = (0, 52, 53, 255)


def _option(code: int) -> st.SearchStrategy[tuple[int, bytes]]:
    if code in _EXACT:
        sizes = _EXACT[code], _EXACT[code]
    elif code == dhcpv4.OPTION_CLIENT_ID:
        sizes = dhcpv4.CLIENT_ID_MIN, dhcpv4.CLIENT_ID_MAX
    else:
        sizes = 0, 20
    return st.tuples(st.just(code), st.binary(min_size=sizes[0], max_size=sizes[1]))


dhcp_options = st.lists(
    st.integers(1, 254).filter(lambda code: code not in _FRAMING).flatmap(_option),
    max_size=12,
    unique_by=lambda option: option[0],
).map(dict)
dhcp_messages = st.builds(
    dhcpv4.DhcpMessage,
    op=st.sampled_from((1, 2)),
    message_type=st.sampled_from(dhcpv4.MessageType),
    xid=u32,
    chaddr=macs,
    secs=u16,
    broadcast=st.booleans(),
    ciaddr=ipv4,
    yiaddr=ipv4,
    siaddr=ipv4,
    giaddr=ipv4,
    options=dhcp_options,
)

_dhcp6_options = st.dictionaries(
    st.integers(0, 0xFFFF).filter(lambda code: code not in (1, 2, 6)), st.binary(max_size=20), max_size=8
)
_duids = st.binary(min_size=dhcpv6.DUID_MIN, max_size=dhcpv6.DUID_MAX)
_dhcp6_checked = st.fixed_dictionaries(
    {},
    optional={
        1: _duids,
        2: _duids,
        6: st.lists(u16, max_size=8).map(lambda codes: b"".join(code.to_bytes(2, "big") for code in codes)),
    },
)
dhcp6_messages = st.builds(
    dhcpv6.Dhcp6Message,
    st.integers(1, dhcpv6.RELAY_FORW - 1),
    st.integers(0, 0xFFFFFF),
    st.builds(lambda some, others: {**some, **others}, _dhcp6_checked, _dhcp6_options),
)
datagrams6 = st.builds(udp6.Datagram6, unicast_ipv6, u16, ipv6, u16, st.binary(max_size=300))

_labels = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20)
domains = st.lists(_labels, min_size=1, max_size=4).map(".".join)
ipv6_prefixes = st.builds(
    lambda address, length: IPv6Network((address, length), strict=False), ipv6, st.integers(0, 128)
)
prefix_informations = st.builds(icmpv6.PrefixInformation, ipv6_prefixes, st.booleans(), st.booleans(), u32, u32)
route_informations = st.builds(icmpv6.RouteInformation, ipv6_prefixes, st.sampled_from(("low", "medium", "high")), u32)
nat64_prefixes = st.builds(
    lambda address, length, scaled: icmpv6.Nat64Prefix(IPv6Network((address, length), strict=False), scaled * 8),
    ipv6,
    st.sampled_from(NAT64_LENGTHS),
    st.integers(0, 8191),
)
uris = st.text("abcdefghijklmnopqrstuvwxyz0123456789.:/?=-", min_size=1, max_size=255)


def _without_idle_lifetime(advertisement: icmpv6.RouterAdvertisement) -> bool:
    return bool(advertisement.rdnss or advertisement.search) or advertisement.rdnss_lifetime == 0


router_advertisements = st.builds(
    icmpv6.RouterAdvertisement,
    hop_limit=u8,
    managed=st.booleans(),
    other=st.booleans(),
    lifetime=u16,
    reachable=u32,
    retrans=u32,
    source_link_layer=st.none() | macs,
    mtu=st.none() | u32,
    prefixes=st.lists(prefix_informations, max_size=3).map(tuple),
    rdnss=st.lists(ipv6, max_size=3).map(tuple),
    rdnss_lifetime=st.just(0) | u32,
    search=st.lists(domains, max_size=3).map(tuple),
    routes=st.lists(route_informations, max_size=3).map(tuple),
    nat64=st.lists(nat64_prefixes, max_size=2).map(tuple),
    captive_portal=st.just("") | uris,
).filter(_without_idle_lifetime)
router_solicitations = st.builds(icmpv6.RouterSolicitation, st.none() | macs)
neighbor_solicitations = st.builds(icmpv6.NeighborSolicitation, unicast_ipv6, st.none() | macs)
neighbor_advertisements = st.builds(
    icmpv6.NeighborAdvertisement, unicast_ipv6, st.booleans(), st.booleans(), st.booleans(), st.none() | macs
)
discovery_messages = router_solicitations | router_advertisements | neighbor_solicitations | neighbor_advertisements
