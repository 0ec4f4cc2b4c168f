"""Keys and values of the flooded database."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given

from sroamd.addresses import Mac, NodeId
from sroamd.constants import HOSTNAME_MAX
from sroamd.wire import datum
from sroamd.wire.cursor import DecodeError
from sroamd.wire.datum import Evidence, NodeRecord
from tests.wire.strategies import node_records, thorough

STATION = Mac.parse("02:00:00:00:00:07")
NODE = NodeId.parse("02:00:00:ff:fe:00:00:01")
PREFIX = IPv6Network("2001:db8:44:7::/64")
RECORD = NodeRecord("ap1", IPv4Address("10.255.0.1"), IPv6Address("fd00:255::1"))
RECORD_OCTETS = bytes.fromhex("03 617031 0aff0001 fd000255000000000000000000000001")

EVIDENCE = Evidence(NODE, began=90, claims=5, rival_claims=4, asked=(6, 5, 0), answered=(4, 1, 0))
EVIDENCE_OCTETS = bytes.fromhex("01 020000fffe000001 0000005a 0005 0004 0006 0005 0000 0004 0001 0000")


def test_keys_have_exactly_these_octets() -> None:
    assert datum.ipv4_lease_key(IPv4Address("192.0.2.7")) == bytes.fromhex("00 c0000207")
    assert datum.ipv6_lease_key(PREFIX) == bytes.fromhex("01 20010db800440007")
    assert datum.association_key(STATION) == bytes.fromhex("02 020000000007")
    assert datum.node_key(NODE) == bytes.fromhex("80 020000fffe000001")


def test_keys_are_plain_octets_and_not_addresses() -> None:
    """A key that were a Mac would print as one, and compare by luck."""
    assert {type(datum.association_key(STATION)), type(datum.node_key(NODE))} == {bytes}


def test_what_a_key_is_about_is_read_back() -> None:
    assert datum.lease_prefix(bytes.fromhex("00 c0000207")) == IPv4Network("192.0.2.7/32")
    assert datum.lease_prefix(bytes.fromhex("01 20010db800440007")) == PREFIX
    assert datum.association_station(datum.association_key(STATION)) == STATION
    assert datum.node_id(datum.node_key(NODE)) == NODE


@pytest.mark.parametrize("prefix", ["2001:db8::/48", "2001:db8::/65", "2001:db8::1/128"])
def test_only_a_64_is_an_ipv6_lease(prefix: str) -> None:
    with pytest.raises(ValueError):
        datum.ipv6_lease_key(IPv6Network(prefix))


@pytest.mark.parametrize("inverse", [datum.lease_prefix, datum.association_station, datum.node_id])
@pytest.mark.parametrize("key", ["", "00c00002", "00c000020700", "0120010db8004400", "0202000000", "80ff", "03", "ff"])
def test_a_key_of_the_wrong_length_or_type_is_about_nothing(inverse: object, key: str) -> None:
    assert callable(inverse)
    with pytest.raises(DecodeError):
        inverse(bytes.fromhex(key))


def test_a_key_is_not_taken_for_one_of_another_type() -> None:
    """Types 1 and 128 have keys of the same length."""
    with pytest.raises(DecodeError):
        datum.lease_prefix(datum.node_key(NODE))
    with pytest.raises(DecodeError):
        datum.node_id(datum.ipv6_lease_key(PREFIX))


@pytest.mark.parametrize(
    ("record", "octets"),
    [
        (RECORD, RECORD_OCTETS),
        (NodeRecord("", None, None), bytes(21)),
        (NodeRecord("ü", None, RECORD.router_ipv6), b"\x02\xc3\xbc" + bytes(4) + RECORD_OCTETS[-16:]),
        (NodeRecord("n" * 63, RECORD.router_ipv4, None), b"\x3f" + b"n" * 63 + RECORD_OCTETS[4:8] + bytes(16)),
    ],
    ids=["all", "nothing", "IPv6 only", "long name"],
)
def test_node_records_have_exactly_these_octets(record: NodeRecord, octets: bytes) -> None:
    assert record.encode() == octets
    assert NodeRecord.decode(octets) == record


@thorough
@given(node_records)
def test_a_node_record_survives(record: NodeRecord) -> None:
    assert NodeRecord.decode(record.encode()) == record


def test_a_node_record_of_any_other_length_is_refused() -> None:
    for length in range(len(RECORD_OCTETS)):
        with pytest.raises(DecodeError):
            NodeRecord.decode(RECORD_OCTETS[:length])
    with pytest.raises(DecodeError):
        NodeRecord.decode(RECORD_OCTETS + b"\0")


@pytest.mark.parametrize("name", [b"\xff", b"\xed\xa0\x80", b"n" * 64], ids=["no UTF-8", "a surrogate", "too long"])
def test_a_node_record_with_a_bad_name_is_refused(name: bytes) -> None:
    with pytest.raises(DecodeError):
        NodeRecord.decode(bytes((len(name),)) + name + bytes(20))


def test_a_name_that_is_too_long_is_our_mistake() -> None:
    with pytest.raises(ValueError):
        NodeRecord("n" * 64, None, None).encode()


@pytest.mark.parametrize(
    ("evidence", "octets"),
    [
        (EVIDENCE, EVIDENCE_OCTETS),
        (
            Evidence(NODE, 1 << 40, 1 << 20, 70_000, (1 << 16, 0, 65_535), (0, 65_536, 0)),
            bytes.fromhex("01 020000fffe000001 ffffffff ffff ffff ffff 0000 ffff 0000 ffff 0000"),
        ),
    ],
    ids=["an ordinary one", "larger than what fits"],
)
def test_evidence_has_exactly_these_octets(evidence: Evidence, octets: bytes) -> None:
    assert evidence.encode() == octets


def test_evidence_is_read_back() -> None:
    assert Evidence.decode(EVIDENCE_OCTETS) == EVIDENCE
    assert datum.evidence_of(datum.evidence_key(STATION, NODE)) == (STATION, NODE)
    assert datum.evidence_key(STATION, NODE) == bytes.fromhex("81 020000000007 020000fffe000001")


@pytest.mark.parametrize(
    "value",
    [*(EVIDENCE_OCTETS[:length] for length in range(1, 29)), EVIDENCE_OCTETS + b"\0", b"\0" + EVIDENCE_OCTETS[1:]],
    ids=len,
)
def test_malformed_evidence_is_refused(value: bytes) -> None:
    with pytest.raises(DecodeError):
        datum.check_datum(datum.evidence_key(STATION, NODE), value)


@pytest.mark.parametrize("value", [b"", EVIDENCE_OCTETS, b"\x02", b"\xff" + bytes(100)], ids=len)
def test_evidence_that_is_none_any_more_or_of_a_later_version_is_passed_on(value: bytes) -> None:
    datum.check_datum(datum.evidence_key(STATION, NODE), value)


@pytest.mark.parametrize(
    ("key", "lengths"),
    [
        (datum.ipv4_lease_key(IPv4Address("192.0.2.7")), {6}),
        (datum.ipv6_lease_key(PREFIX), {6}),
        (datum.association_key(STATION), {0, 8}),
        (datum.node_key(NODE), {0, 21}),
    ],
    ids=["IPv4 lease", "IPv6 lease", "association", "node"],
)
def test_a_value_must_have_the_length_of_its_type(key: bytes, lengths: set[int]) -> None:
    for length in range(40):
        if length in lengths:
            datum.check_datum(key, bytes(length))
        else:
            with pytest.raises(DecodeError):
                datum.check_datum(key, bytes(length))


@pytest.mark.parametrize(
    "key_type", [datum.IPV4_LEASE, datum.IPV6_LEASE, datum.ASSOCIATION, datum.NODE, datum.EVIDENCE]
)
def test_a_key_must_have_the_length_of_its_type(key_type: int) -> None:
    values = {datum.ASSOCIATION: bytes(8), datum.NODE: b"", datum.EVIDENCE: b""}
    right = [
        length
        for length in range(249)
        if _accepted(bytes((key_type,)).ljust(length, b"\0")[:length], values.get(key_type, bytes(6)))
    ]
    assert right == [{0: 5, 1: 9, 2: 7, 128: 9, 129: 15}[key_type]]


def _accepted(key: bytes, value: bytes) -> bool:
    try:
        datum.check_datum(key, value)
    except DecodeError:
        return False
    return True


@pytest.mark.parametrize("kind", [3, 44, 127, 143, 255])
def test_a_type_of_the_future_is_passed_on_whatever_it_holds(kind: int) -> None:
    """B11: the C daemon does the same with our types 128 and 129."""
    for key, value in ((b"", b""), (b"k" * 247, b""), (b"", b"v" * 247)):
        datum.check_datum(bytes((kind,)) + key, value)


def test_links_and_names_are_kept_by_their_owner_and_have_bounds() -> None:
    links = [IPv6Address("fe80::2"), IPv6Address("fe80::1")]
    octets = datum.encode_links([*links, links[0]])
    assert datum.decode_links(octets) == tuple(sorted(links))
    assert datum.links_node(datum.links_key(NODE)) == NODE
    assert datum.hostname_station(datum.hostname_key(STATION)) == STATION
    datum.check_datum(datum.links_key(NODE), octets)
    datum.check_datum(datum.hostname_key(STATION), b"laptop")
    for key, value in (
        (datum.links_key(NODE), octets[1:]),
        (datum.links_key(NODE), octets * datum.LINKS_MAX),
        (datum.links_key(NODE), IPv6Address("2001:db8::1").packed),
        (datum.hostname_key(STATION), bytes(HOSTNAME_MAX + 1)),
    ):
        with pytest.raises(DecodeError):
            datum.check_datum(key, value)


def test_a_name_too_long_is_not_encoded() -> None:
    with pytest.raises(ValueError, match="64 octets"):
        NodeRecord("n" * 64, None, None).encode()
