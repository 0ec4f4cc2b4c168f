"""What operators configure of router advertisements, how often it is said, and what is said when it changes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

import pytest

from sroamd import constants
from sroamd.addresses import Mac
from sroamd.config import Ipv6Route
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.turn import Turn
from sroamd.core.values import RouteKind
from sroamd.wire.datum import ipv6_lease_key
from sroamd.wire.icmpv6 import (
    Nat64Prefix,
    PrefixInformation,
    RouteInformation,
    RouterAdvertisement,
    RouterSolicitation,
    encode_packet,
)
from tests.core.harness import ALICE, BOB, GATEWAY6, POOL6, Lab, mac
from tests.core.options import config_with, lab_with, reload

NAT64 = IPv6Network("64:ff9b::/96")
ELSEWHERE = IPv6Network("2001:db8:1::/48")
NEW6 = IPv6Network("2001:db8:55::/48")
EVERYTHING = {
    "mtu": 1400,
    "search": ("example.org", "lab.example.org"),
    "captive_portal": "https://portal.example.org/api",
    "nat64_prefix": NAT64,
    "routes6": (Ipv6Route(ELSEWHERE, "high"),),
}
MOVED = {"ipv6_prefix": NEW6, "former_ipv6_prefixes": (POOL6,)}


def told(lab: Lab, number: int = 1, station: Mac = ALICE) -> list[RouterAdvertisement]:
    return [sent.advertisement for sent in lab[number].all(do.SendRouterAdvertisement) if sent.station == station]


def prefixes(advertisement: RouterAdvertisement) -> dict[IPv6Network, PrefixInformation]:
    return {information.prefix: information for information in advertisement.prefixes}


# -- what is said


@pytest.mark.spec("RFC 4191", "2.3")
@pytest.mark.spec("RFC 8106", "5.2")
@pytest.mark.spec("RFC 8781", "4")
@pytest.mark.conformance("r4191_23", "r8781_4")
def test_what_is_configured_is_said_and_nothing_else() -> None:
    lab = lab_with(**EVERYTHING)
    lab.join(1, ALICE)
    (content,) = told(lab)
    assert (content.mtu, content.captive_portal) == (1400, "https://portal.example.org/api")
    assert content.search == ("example.org", "lab.example.org")
    assert content.routes == (RouteInformation(ELSEWHERE, "high", 3600),)
    assert content.nat64 == (Nat64Prefix(NAT64, 3600),)
    lab = lab_with()
    lab.join(1, ALICE)
    (content,) = told(lab)
    assert (content.mtu, content.captive_portal, content.search) == (None, "", ())
    assert (content.routes, content.nat64) == ((), ())


@pytest.mark.conformance("r4861_627_consist")
def test_r4861_627_consist_options_are_the_same_on_all_nodes() -> None:
    lab = lab_with(2, **EVERYTHING)
    lab.join(1, ALICE)
    lab.wait(10)
    lab.join(2, ALICE)
    one, other = told(lab, 1)[-1], told(lab, 2)[-1]
    assert replace(one, source_link_layer=None) == replace(other, source_link_layer=None)


@pytest.mark.spec("RFC 8106", "5.1")
@pytest.mark.conformance("r8106_51")
def test_r8106_51_lifetimes_are_three_intervals_by_default_and_the_routers_own() -> None:
    lab = lab_with(**EVERYTHING)
    lab.join(1, ALICE)
    (content,) = told(lab)
    assert content.rdnss_lifetime == content.lifetime == 3 * constants.RA_INTERVAL


@pytest.mark.spec("RFC 8200", "5")
def test_advertisement_with_all_that_may_be_configured_fits_the_smallest_mtu() -> None:
    lab = lab_with(
        nameservers=tuple(IPv6Address(0x20010DB8 << 96 | n) for n in range(constants.NAMESERVERS_MAX)),
        search=("a" * 63 + "." + "b" * 63, "c" * 60 + "." + "d" * 63),
        captive_portal="https://" + "p" * 247,
        mtu=1280,
        nat64_prefix=NAT64,
        routes6=tuple(Ipv6Route(IPv6Network((n << 64, 128))) for n in range(constants.ROUTES_MAX)),
    )
    lab.join(1, ALICE)
    (key,) = lab[1].node.database.leases_of(ALICE)
    datum = lab[1].node.database.get(key)
    assert datum is not None
    for number in range(10):
        lost = replace(datum, key=ipv6_lease_key(IPv6Network((number << 64, 64))))
        lab[1].node.router_advertiser.lost(Turn(lab[1].node.state, lab.now), lost)
    lab.do(1, ev.RouterSolicited("wlan0", ALICE, IPv6Address("fe80::7"), RouterSolicitation(None)))
    content = told(lab)[-1]
    assert len(content.prefixes) == 1 + constants.FORMER_PREFIXES_MAX
    assert len(encode_packet(GATEWAY6, IPv6Address("ff02::1"), content)) <= 1280


# -- how often


@pytest.mark.spec("RFC 4861", "6.2.4")
@pytest.mark.conformance("r4861_624_initial")
@pytest.mark.parametrize("nodes", [1, 2], ids=["prefix at once", "prefix after it may be contested"])
def test_r4861_624_initial_who_arrives_is_told_three_times_within_16_s(nodes: int) -> None:
    lab = lab_with(nodes)
    lab.join(1, ALICE)
    lab.wait(16)
    assert len(told(lab)) == 3
    lab.wait(0.8 * constants.RA_INTERVAL)
    assert len(told(lab)) == 3


@pytest.mark.conformance("r4861_624_initial")
def test_r4861_624_initial_three_times_also_at_the_next_node() -> None:
    lab = lab_with(2)
    lab.join(1, ALICE)
    lab.wait(1)
    lab.join(2, ALICE)
    lab.wait(16)
    assert len(told(lab, 2)) == 3


@pytest.mark.conformance("r4861_624_initial")
def test_an_interval_shorter_than_that_of_the_first_ones_holds_for_them_too() -> None:
    lab = lab_with(interval=4, router_lifetime=60)
    lab.join(1, ALICE)
    lab.wait(constants.ANNOUNCE_AT[-1] + 3.01)
    assert len(told(lab)) == 3


def test_who_is_perhaps_elsewhere_is_told_only_when_it_has_been_found_here() -> None:
    lab = lab_with(2)
    lab.join(1, ALICE)
    lab.wait(2.9)
    before = len(told(lab))
    assert before == 1
    lab.join(2, ALICE)
    lab.wait(10)
    assert len(told(lab)) == before, "it was not"
    lab.join(1, BOB)
    lab.wait(2.9)
    before = len(told(lab, station=BOB))
    lab.air = 0.3
    lab.do(2, ev.StationAuthorized("wlan0", BOB))  # an event that comes late: it has gone back to node 1 already
    lab.wait(0.29)
    assert len(told(lab, station=BOB)) == before
    lab.wait(4)
    assert len(told(lab, station=BOB)) > before, "it was"


def test_who_leaves_between_the_first_ones_is_forgotten() -> None:
    lab = lab_with()
    for number in range(30):
        lab.join(1, mac(number))
        lab.leave(1, mac(number))
    lab.wait(1)
    assert lab[1].node.router_advertiser._initial == {}


# -- when it changes


@pytest.mark.spec("RFC 4861", "6.2.4")
def test_all_stations_are_told_what_has_changed_within_seconds_and_not_in_one_burst() -> None:
    lab = lab_with()
    for number in range(100):
        lab.join(1, mac(number))
    lab.wait(60)
    lab[1].forget()
    reload(lab, 1, search=("example.net",))
    lab.wait(constants.RA_CHANGED_WITHIN / 4)
    assert 5 < len(lab[1].all(do.SendRouterAdvertisement)) < 60
    lab.wait(constants.RA_CHANGED_WITHIN * 3 / 4)
    sent = lab[1].all(do.SendRouterAdvertisement)
    assert {each.station for each in sent} == {mac(number) for number in range(100)}
    assert {each.advertisement.search for each in sent} == {("example.net",)}
    lab.wait(10)
    assert len(lab[1].all(do.SendRouterAdvertisement)) == 300


def test_reload_of_something_else_tells_stations_nothing() -> None:
    lab = lab_with()
    lab.join(1, ALICE)
    lab.wait(60)
    lab[1].forget()
    reload(lab, 1, lease_time=600)
    lab.wait(60)
    assert told(lab) == []


def test_reload_does_not_shorten_the_time_in_which_a_prefix_may_be_contested() -> None:
    lab = lab_with(2)
    lab.join(1, ALICE)
    reload(lab, 1, mtu=1400)
    lab.wait(constants.CONTEST_TIME * 0.9)
    assert told(lab) == []
    lab.wait(constants.CONTEST_TIME)
    assert told(lab)[0].mtu == 1400


@pytest.mark.spec("RFC 4862", "5.5.3")
@pytest.mark.conformance("r4862_553_2h")
@pytest.mark.parametrize("how", ["reload", "restart"])
def test_r4862_553_2h_former_prefix_is_deprecated_beside_the_new_one(how: str) -> None:
    lab = lab_with()
    lab.join(1, ALICE)
    lab.wait(60)
    ((old, before),) = prefixes(told(lab)[-1]).items()
    assert before.preferred > 0
    move(lab, how)
    lab.wait(10)
    now = prefixes(told(lab)[-1])
    (new,) = now.keys() - {old}
    assert new.subnet_of(NEW6)
    assert (now[new].preferred, now[new].valid) == (3600, 7200)
    assert (now[old].preferred, now[old].valid) == (0, 7200)
    assert {route.prefix for route in lab[1].kernel.values()} == {old, new}
    assert {route.kind for route in lab[1].kernel.values()} == {RouteKind.HERE}


@pytest.mark.spec("RFC 4862", "5.5.3")
@pytest.mark.conformance("r4862_553_2h")
def test_r4862_553_2h_former_prefix_is_never_valid_for_longer_than_it_is_routed_and_ends_at_last() -> None:
    lab = lab_with()
    lab.join(1, ALICE)
    lab.wait(60)
    (old,) = prefixes(told(lab)[-1])
    datum = lab[1].node.database.get(ipv6_lease_key(old))
    assert datum is not None
    move(lab, "reload")
    while lab.now < datum.expires_at:
        lab[1].forget()
        lab.wait(60)
        for sent in told(lab):
            if old in prefixes(sent):
                assert prefixes(sent)[old].preferred == 0
                assert prefixes(sent)[old].valid <= datum.expires_at - (lab.now - 60)
    lab.wait(60)
    (new,) = lab[1].kernel
    assert new != old


def test_former_prefix_is_deprecated_where_the_station_goes_too() -> None:
    lab = lab_with(2)
    lab.join(1, ALICE)
    lab.wait(60)
    (old,) = prefixes(told(lab)[-1])
    for number in (1, 2):
        reload(lab, number, **MOVED)
    lab.wait(10)
    lab.join(2, ALICE)
    now = prefixes(told(lab, 2)[-1])
    assert (len(now), now[old].preferred) == (2, 0)
    lab.wait(1)
    assert lab[2].here() == now.keys()
    assert lab[1].of_kind(RouteKind.DIRECT, RouteKind.DEMOTED) == now.keys()


def test_stations_of_other_nodes_keep_routes_to_their_former_prefixes_and_lose_them_when_these_are_forgotten() -> None:
    lab = lab_with(2)
    for number in range(120):
        lab.join(1, mac(number))
    lab.wait(60)
    old = lab[2].of_kind(RouteKind.DIRECT)
    assert len(old) == 120
    for number in (1, 2):
        reload(lab, number, **MOVED)
    lab.wait(30)
    assert len(lab[2].of_kind(RouteKind.DIRECT)) == 240
    for number in (1, 2):
        reload(lab, number, ipv6_prefix=NEW6)
    lab.wait(30)
    assert not old & (lab[2].of_kind(RouteKind.DIRECT) | lab[1].here())
    assert len(lab[2].of_kind(RouteKind.DIRECT)) == 120
    assert prefixes(told(lab, station=mac(7))[-1]).keys() & old != set(), "and yet stations hear not to use them"


def test_prefix_of_another_station_is_not_deprecated() -> None:
    lab = lab_with()
    for station in (ALICE, BOB):
        lab.join(1, station)
    move(lab, "reload")
    lab.wait(10)
    assert len(prefixes(told(lab)[-1]).keys() | prefixes(told(lab, station=BOB)[-1]).keys()) == 4


def test_back_to_the_former_prefix_its_stations_have_it_again() -> None:
    lab = lab_with()
    lab.join(1, ALICE)
    lab.wait(60)
    (old,) = prefixes(told(lab)[-1])
    move(lab, "reload")
    lab.wait(10)
    reload(lab, 1, former_ipv6_prefixes=(NEW6,))
    lab.wait(10)
    now = prefixes(told(lab)[-1])
    assert [information.preferred for information in now.values()] == [3600, 0]
    assert now[old].preferred == 3600


def move(lab: Lab, how: str) -> None:
    if how == "reload":
        reload(lab, 1, **MOVED)
    else:
        lab[1].config = config_with(**MOVED)
        lab.restart(1, stations=[ALICE])


# -- when the service ends for good


@pytest.mark.spec("RFC 4861", "6.2.5")
@pytest.mark.conformance("r4861_625_final")
def test_r4861_625_final_withdrawn_service_is_said_three_times_to_each_station_and_leaves_no_router() -> None:
    lab = lab_with(**EVERYTHING)
    for station in (ALICE, BOB):
        lab.join(1, station)
    lab.wait(60)
    lab[1].forget()
    reload(lab, 1, **EVERYTHING, withdraw=True)
    lab.wait(16)
    for station in (ALICE, BOB):
        assert len(told(lab, station=station)) == 3
        for content in told(lab, station=station):
            assert (content.lifetime, content.rdnss_lifetime) == (0, 0)
            assert [route.lifetime for route in content.routes] == [0]
            assert [nat64.lifetime for nat64 in content.nat64] == [0]
            assert [(prefix.preferred, prefix.valid) for prefix in content.prefixes] == [(0, 7200)]
