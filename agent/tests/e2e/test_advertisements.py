"""What an access point tells a station of its own accord: its gateway's MAC at once, and a prefix that is its alone."""

from __future__ import annotations

from ipaddress import IPv6Network

import pytest
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_RA,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet

from lab.topology import GATEWAY_IPV4, GATEWAY_IPV6, NAMESERVERS, STATION_IPV6
from lab.walk import addresses
from tests.e2e.air import Ear, is_advertisement, send, solicitation
from tests.e2e.fleet import SETTLED_WITHIN, Fleet, assert_reaches, eventually

ANNOUNCED_S = 0.1
ANNOUNCEMENTS = 4  # at 0, 10, 50 and 200 ms


def is_gratuitous_arp(frame: Packet) -> bool:
    return ARP in frame and frame[ARP].psrc == frame[ARP].pdst == str(GATEWAY_IPV4)


def is_unsolicited_na(frame: Packet) -> bool:
    return ICMPv6ND_NA in frame and frame[ICMPv6ND_NA].tgt == str(GATEWAY_IPV6) and not frame[ICMPv6ND_NA].S


@pytest.mark.conformance("r5227_23_ann")
def test_gateway_is_announced_within_100_ms(fleet: Fleet) -> None:
    """A station that has just been let in hears where its gateway is now, four times, and believes it."""
    station = fleet.joined(20, "ap1")
    with Ear(station) as ear:
        for ap in ("ap2", "ap3"):
            mac = fleet.lab.topology.node(ap).link("wlan0").mac
            roam = station.roam(ap)

            def assert_announced(mac: str = mac, since: float = roam.moved, let_in: float = roam.authorized) -> None:
                for is_announcement in (is_gratuitous_arp, is_unsolicited_na):
                    heard = [each for each in ear.heard(is_announcement) if each.time > since]
                    assert len(heard) == ANNOUNCEMENTS, f"{is_announcement.__name__}: {len(heard)}"
                    assert heard[0].time - let_in <= ANNOUNCED_S
                    assert {each.frame.dst for each in heard} == {station.mac}
                    assert {each.frame.src for each in heard} == {mac}

            eventually(assert_announced, SETTLED_WITHIN)
            assert_reaches(station, str(GATEWAY_IPV4), f"{GATEWAY_IPV6}%wlan0")
            for address in (str(GATEWAY_IPV4), str(GATEWAY_IPV6)):
                known = station.neighbour(address)
                assert known is not None
                assert known.mac == mac
        (last,) = [each.frame for each in ear.heard(is_unsolicited_na)][-1:]
        assert last[ICMPv6ND_NA].O
        assert last[ICMPv6NDOptDstLLAddr].lladdr == mac
        assert last[IPv6].hlim == 255


@pytest.mark.conformance("r8273_isol")
def test_each_station_hears_of_its_own_prefix_only(fleet: Fleet) -> None:
    """Two stations on one access point come, ask and ask again; neither ever hears what is meant for the other."""
    one, other = fleet.all_joined([(21, "ap1"), (22, "ap1")])
    with Ear(one) as first, Ear(other) as second:
        for ap in ("ap2", "ap1"):
            for station, ear in ((one, first), (other, second)):
                unasked = len(ear.heard(is_advertisement)) + 2  # at once, and 200 ms later
                station.roam(ap)
                eventually(lambda: assert_advertised(ear, unasked), SETTLED_WITHIN)  # noqa: B023
                send(station, solicitation(station))
                eventually(lambda: assert_advertised(ear, unasked + 1), SETTLED_WITHIN)  # noqa: B023
        for station, ear in ((one, first), (other, second)):
            own = IPv6Network(addresses(station)[1] or "")
            for each in ear.heard(is_advertisement):
                assert each.frame.dst == station.mac
                assert_content(each.frame, own)


def assert_advertised(ear: Ear, times: int) -> None:
    assert len(ear.heard(is_advertisement)) >= times


def assert_content(frame: Packet, own: IPv6Network) -> None:
    """RFC 4861 section 4.2, RFC 8273 section 4: on no link, but for addresses; with all that a station needs."""
    advertisement, information = frame[ICMPv6ND_RA], frame[ICMPv6NDOptPrefixInfo]
    assert frame[IPv6].src == str(GATEWAY_IPV6)
    assert frame[IPv6].hlim == 255
    assert advertisement.routerlifetime >= 1800
    assert (advertisement.M, advertisement.O) == (0, 0)
    assert IPv6Network((information.prefix, information.prefixlen)) == own
    assert own.prefixlen == 64
    assert own.subnet_of(STATION_IPV6)
    assert (information.L, information.A) == (0, 1)
    assert 0 < information.preferredlifetime <= information.validlifetime
    assert information.validlifetime >= 7200
    assert frame[ICMPv6NDOptSrcLLAddr].lladdr == frame[Ether].src
    assert ICMPv6NDOptMTU not in frame
    assert frame[ICMPv6NDOptRDNSS].dns == [name for name in NAMESERVERS if ":" in name]
    assert frame[ICMPv6NDOptRDNSS].lifetime >= 1800
    assert ICMPv6NDOptPrefixInfo not in information.payload


@pytest.mark.conformance("r4861_625_final")
def test_agent_that_stops_leaves_stations_their_router(fleet: Fleet) -> None:
    """Neither stop nor start says a router lifetime of zero, and the station keeps default route and prefix."""
    station = fleet.joined(23, "ap3")
    before = addresses(station)
    with Ear(station) as ear:
        fleet.run("ap3", "systemctl", "stop", "sroamd")
        assert "via fe80::1 " in station.run("ip", "-6", "route", "show", "default")
        assert addresses(station) == before
        fleet.run("ap3", "systemctl", "start", "sroamd")
        fleet.wait_until_well()
        send(station, solicitation(station))

        def lifetimes() -> list[int]:
            found = [each.frame[ICMPv6ND_RA].routerlifetime for each in ear.heard(is_advertisement)]
            assert found
            return found

        assert min(eventually(lifetimes, SETTLED_WITHIN)) > 0
    assert addresses(station) == before
