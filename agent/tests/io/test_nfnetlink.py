"""The octets of nf_tables' netlink messages, against pyroute2's reading of them and its messages against ours."""

from __future__ import annotations

import struct
from ipaddress import IPv4Network, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.nfnetlink import nftsocket

from sroamd.addresses import Mac
from sroamd.core.values import Permit
from sroamd.io import netlink, nfnetlink
from sroamd.io.guard_elements import WHOLE, elements_of, permit_of, station_of, words_of
from sroamd.io.nfnetlink import ARP, INET, Elements, keys_by_set

TABLE = "sroamd-guard"
ALICE = Mac.parse("02:00:00:00:00:07")
ADDRESS = Permit("wlan0", ALICE, IPv4Network("192.0.2.9/32"))
PREFIX = Permit("wlan0", ALICE, IPv6Network("2001:db8:44:7::/64"))
HERE = Permit("wlan0", ALICE)
NAME = b"wlan0".ljust(16, b"\0")

permits = st.builds(
    Permit,
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=15),
    st.binary(min_size=6, max_size=6).map(Mac),
    st.none()
    | st.integers(1, 2**32 - 1).map(lambda number: IPv4Network((number, 32)))
    | st.integers(0, 2**64 - 1).map(lambda number: IPv6Network((number << 64, 64))),
)


def decoded(message: bytes) -> nftsocket.nft_set_elem_list_msg:
    """As pyroute2 reads it."""
    read = nftsocket.nft_set_elem_list_msg(message)
    read.decode()
    return read


def test_request_to_add_says_to_pyroute2_what_it_shall_say() -> None:
    keys = (b"k" * 28, b"l" * 28)
    message = nfnetlink.add_elements(7, TABLE, Elements(INET, "ipv4", keys), last=True)
    read = decoded(message)

    assert read["header"]["type"] == 0x0A0C
    assert read["header"]["flags"] == netlink.NLM_F_REQUEST | netlink.NLM_F_CREATE | netlink.NLM_F_ACK
    assert read["header"]["sequence_number"] == 7
    assert read["header"]["length"] == len(message)
    assert read["nfgen_family"] == INET
    assert read.get_attr("NFTA_SET_ELEM_LIST_TABLE") == TABLE
    assert read.get_attr("NFTA_SET_ELEM_LIST_SET") == "ipv4"
    elements = read.get_attr("NFTA_SET_ELEM_LIST_ELEMENTS")
    assert [one.get_attr("NFTA_SET_ELEM_KEY").get_attr("NFTA_DATA_VALUE") for one in elements] == list(keys)


def test_request_to_remove_differs_in_its_type_alone() -> None:
    elements = Elements(ARP, "senders", (b"k" * 36,))
    added, removed = (
        request(7, TABLE, elements, last=False) for request in (nfnetlink.add_elements, nfnetlink.remove_elements)
    )
    assert (added[:4], added[8:]) == (removed[:4], removed[8:])
    assert struct.unpack_from("=HH", added, 4) == (0x0A0C, netlink.NLM_F_REQUEST | netlink.NLM_F_CREATE)
    assert struct.unpack_from("=HH", removed, 4) == (0x0A0E, netlink.NLM_F_REQUEST)


def test_batch_begins_and_ends_for_nf_tables() -> None:
    inner = nfnetlink.remove_table(2, INET, TABLE)
    begin, one, end = netlink.messages(nfnetlink.batch(1, [inner]))
    assert (begin.kind, begin.body, end.kind, end.body) == (0x10, b"\0\0\0\x0a", 0x11, b"\0\0\0\x0a")
    assert nfnetlink.table_of(one) == TABLE


def answer(*, packets: int | None) -> bytes:
    """A set's element as the kernel lists it, made by pyroute2's classes."""
    counter = ["NFTA_EXPR_DATA", {"attrs": [["NFTA_COUNTER_BYTES", 1], ["NFTA_COUNTER_PACKETS", packets]]}]
    expression = {"attrs": [["NFTA_EXPR_NAME", "counter"], counter]}
    attributes: list[object] = [["NFTA_SET_ELEM_KEY", {"attrs": [["NFTA_DATA_VALUE", b"k" * 24]]}]]
    if packets is not None:
        attributes.append(["NFTA_SET_ELEM_EXPR", expression])
    message = nftsocket.nft_set_elem_list_msg()
    message["nfgen_family"] = INET
    message["attrs"] = [
        ["NFTA_SET_ELEM_LIST_TABLE", TABLE],
        ["NFTA_SET_ELEM_LIST_SET", "dropped"],
        ["NFTA_SET_ELEM_LIST_ELEMENTS", [{"attrs": attributes}]],
    ]
    message.encode()
    return bytes(message.data)[netlink.HEADER.size :]


def test_element_that_pyroute2_writes_is_read() -> None:
    for packets in (None, 0, 3, 1 << 40):
        (element,) = nfnetlink.parse_elements(answer(packets=packets))
        assert element == nfnetlink.Element(b"k" * 24, packets or 0)


@given(st.binary(max_size=200))
def test_whatever_octets_are_read_without_a_complaint(octets: bytes) -> None:
    list(nfnetlink.parse_elements(octets))
    nfnetlink.parse_counter(octets)
    for message in netlink.messages(octets):
        nfnetlink.table_of(message)


@given(permits)
def test_permit_is_found_again_in_the_set_that_says_all_of_it(permit: Permit) -> None:
    found = [permit_of(name, key) for family, name, key in elements_of(permit) if (family, name) in WHOLE]
    assert found == [permit]
    assert {station_of(key) for _, _, key in elements_of(permit)} == {permit.station}


@given(permits, permits)
def test_two_permits_share_no_element(one: Permit, other: Permit) -> None:
    shared = set(elements_of(one)) & set(elements_of(other))
    assert not shared or one == other


@pytest.mark.parametrize(
    ("permit", "expected"),
    [
        (
            HERE,
            [
                (INET, "stations", NAME + ALICE + b"\0\0"),
                (INET, "nd_macs", NAME + ALICE + b"\0\0" + ALICE + b"\0\0"),
                (INET, "nd_targets", NAME + ALICE + b"\0\0" + bytes.fromhex("fe80000000000000")),
                (ARP, "stations", NAME + ALICE + b"\0\0"),
                (ARP, "senders", NAME + ALICE + b"\0\0" + ALICE + b"\0\0" + bytes(4)),
            ],
        ),
        (
            ADDRESS,
            [
                (INET, "ipv4", NAME + ALICE + b"\0\0" + bytes((192, 0, 2, 9))),
                (ARP, "senders", NAME + ALICE + b"\0\0" + ALICE + b"\0\0" + bytes((192, 0, 2, 9))),
            ],
        ),
        (
            PREFIX,
            [
                (INET, "ipv6", NAME + ALICE + b"\0\0" + bytes.fromhex("20010db8004400070000000000000000")),
                (INET, "nd_targets", NAME + ALICE + b"\0\0" + bytes.fromhex("20010db800440007")),
            ],
        ),
    ],
    ids=["here", "address", "prefix"],
)
def test_permit_stands_in_these_sets(permit: Permit, expected: list[tuple[int, str, bytes]]) -> None:
    assert list(elements_of(permit)) == expected


def test_elements_in_the_words_of_nft() -> None:
    words = {(name, words_of(name, key)) for permit in (HERE, ADDRESS, PREFIX) for _, name, key in elements_of(permit)}
    on = '"wlan0" . 02:00:00:00:00:07'
    assert words == {
        ("stations", on),
        ("nd_macs", f"{on} . 0x020000000007"),
        ("nd_targets", f"{on} . 0xfe80000000000000"),
        ("nd_targets", f"{on} . 0x20010db800440007"),
        ("senders", f"{on} . 02:00:00:00:00:07 . 0.0.0.0"),
        ("senders", f"{on} . 02:00:00:00:00:07 . 192.0.2.9"),
        ("ipv4", f"{on} . 192.0.2.9"),
        ("ipv6", f"{on} . 2001:db8:44:7::"),
    }


def test_each_set_is_named_once() -> None:
    elements = [one for permit in (HERE, ADDRESS, PREFIX) for one in elements_of(permit)]
    gathered = keys_by_set(elements)
    assert len({(one.family, one.set) for one in gathered}) == len(gathered)
    assert sorted((one.family, one.set, key) for one in gathered for key in one.keys) == sorted(elements)
