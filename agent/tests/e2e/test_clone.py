"""Two devices that bear one MAC, and both know the password."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from scapy.layers.inet6 import ICMPv6ND_NS
from scapy.layers.l2 import ARP
from scapy.packet import Packet

from lab.station import Station
from lab.supplicant import Supplicant, shared_loop
from lab.topology import EAP_IDENTITY, EAP_PASSWORD
from lab.walk import addresses
from tests.e2e.air import Ear, link_local, send, solicitation
from tests.e2e.fleet import APS, OUTSIDER, SETTLED_WITHIN, Fleet, assert_reaches, eventually, tell

CONTEST_S = 10.0
# Each node claims once at the arrival, four times for the asking, and then 1, 2, 4 s later; a claim lost to a tie is
# made again.
CLAIMS_MAX = 24
SROAMCTL = "/opt/sroamd/current/bin/sroamctl"
RECOVERED_WITHIN_S = 20.0  # the longest wait that a contest of this length has led to


@pytest.fixture
def clone(fleet: Fleet) -> Iterator[Station]:
    """A second device with the MAC, the addresses and the password of station 23, off the air until it joins."""
    victim, station = fleet.joined(23, "ap1"), fleet.station(OUTSIDER)
    ipv4 = addresses(victim)[0]
    station.attach("ap2")
    set_mac(station, victim.mac)
    station.run("ip", "address", "add", f"{ipv4}/32", "dev", "wlan0")
    yield station
    station.run("ip", "address", "flush", "dev", "wlan0", "scope", "global")
    set_mac(station, station.mac)


def set_mac(station: Station, mac: str) -> None:
    for words in (("down",), ("address", mac), ("up",)):
        station.run("ip", "link", "set", "wlan0", *words)


@contextmanager
def logged_in(clone: Station, mac: str) -> Iterator[None]:
    """It has joined the access point of its cell, and at the end it falls silent without a word."""
    octets = bytes.fromhex(mac.replace(":", ""))
    supplicant = Supplicant(shared_loop(), clone.namespace, "wlan0", octets, (EAP_IDENTITY, EAP_PASSWORD))
    try:
        supplicant.begin()
        supplicant.wait(SETTLED_WITHIN)
        yield
    finally:
        supplicant.close()
        clone.run("ip", "link", "set", "wlan0", "down")


@pytest.mark.conformance("c17")
def test_c17_one_mac_alive_at_two_access_points(fleet: Fleet, clone: Station) -> None:
    """Both are asked, both answer, everybody can read so, and the claims stay few. The one that stays is found."""
    victim = fleet.joined(23, "ap1")
    eventually(lambda: assert_reaches(victim), SETTLED_WITHIN)
    where, before = addresses(victim), fleet.claims_of(victim)
    with Ear(victim) as at_home, Ear(clone) as abroad:
        with logged_in(clone, victim.mac):
            began = time.monotonic()
            send(clone, solicitation(victim))  # so that its access point knows at which IPv6 address to ask
            for ear in (at_home, abroad):
                eventually(lambda ear=ear: assert_asked(ear, victim), SETTLED_WITHIN)  # type: ignore[misc]
            time.sleep(max(0.0, began + CONTEST_S - time.monotonic()))
            eventually(fleet.assert_agreement, SETTLED_WITHIN)
            claims = fleet.claims_of(victim) - before
            asked = [len(ear.heard(lambda frame: is_question(frame, victim))) for ear in (at_home, abroad)]
            eventually(lambda: assert_evidence(fleet, victim), SETTLED_WITHIN)
            page = fleet.run("ap3", SROAMCTL, "conflicts", victim.mac)
        left = time.monotonic()
    eventually(lambda: fleet.assert_at(victim, "ap1"), RECOVERED_WITHIN_S)
    tell(f"one MAC at two access points for {CONTEST_S:.0f} s: {claims} claims, asked {asked[0]} and {asked[1]} times,")
    tell(f"  right {time.monotonic() - left:.2f} s after the clone has gone")
    assert claims <= CLAIMS_MAX
    assert all(ap in page for ap in ("ap1", "ap2")), page
    eventually(lambda: assert_reaches(victim), SETTLED_WITHIN)
    assert addresses(victim) == where


def is_question(frame: Packet, station: Station) -> bool:
    """ARP or a neighbour solicitation to this MAC, which only the access point's agent sends there without need."""
    return bool(frame.dst == station.mac and ((ARP in frame and frame[ARP].op == 1) or ICMPv6ND_NS in frame))


def assert_asked(ear: Ear, station: Station) -> None:
    """For its IPv4 address, and for its link-local one."""
    questions = [each.frame for each in ear.heard(lambda frame: is_question(frame, station))]
    ipv4, _ = addresses(station)
    assert any(ARP in frame and frame[ARP].pdst == ipv4 for frame in questions), "no ARP request"
    own = link_local(station.mac)
    assert any(ICMPv6ND_NS in frame and frame[ICMPv6ND_NS].tgt == own for frame in questions), "no solicitation"


def assert_evidence(fleet: Fleet, station: Station) -> None:
    """Every access point, also the one that has nothing to do with it, can tell what each side has seen."""
    for ap in APS:
        rows = {row["node"]: row for row in fleet.ask(ap, "conflicts", station.mac)}
        assert rows.keys() == {"ap1", "ap2"}, f"{ap}: {rows}"
        for here, there in (("ap1", "ap2"), ("ap2", "ap1")):
            row = rows[here]
            assert row["against"] == there
            assert row["contested"]
            assert min(row["claims"], row["arp"]["asked"], row["arp"]["answered"]) > 0, f"{ap}: {row}"
