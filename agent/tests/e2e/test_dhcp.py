"""DHCP on any access point for leases made on any other: by udhcpc, and message by message with scapy as the client."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from scapy.packet import Packet

from lab.errors import execute
from lab.station import Station
from lab.walk import addresses
from tests.e2e.air import SERVER, Ear, answer, dhcp, is_reply, options_of, send
from tests.e2e.fleet import APS, INSIDER, SETTLED_WITHIN, Fleet, eventually

MESSAGE = {"offer": 2, "ack": 5, "nak": 6}
LEASE_S, T1_S, T2_S = 1800, 900, 1575
DECLINED_FOR_S = 1800


@pytest.mark.conformance("r2131_432_renew_anywhere")
def test_renewal_on_another_access_point_keeps_the_lease(fleet: Fleet) -> None:
    """udhcpc renews by unicast to the server that it knows: every access point is that server."""
    station = fleet.joined(10, "ap1")
    before = addresses(station)
    for ap in ("ap2", "ap3", "ap1"):
        station.roam(ap)
        assert station.dhcp_client.renew().address.ip == ip_address(before[0] or "")
        eventually(lambda ap=ap: fleet.assert_at(station, ap), SETTLED_WITHIN)  # type: ignore[misc]
        assert addresses(station) == before
        assert "nak" not in station.dhcp_client.events()


@pytest.mark.conformance("r2131_434_release")
def test_released_address_is_kept_for_its_station(fleet: Fleet) -> None:
    station = fleet.joined(11, "ap2")
    before, prefix = addresses(station)
    station.dhcp_client.release()
    eventually(lambda: assert_not_routed(fleet, before), SETTLED_WITHIN)
    station.roam("ap3")
    assert str(station.dhcp_client.renew().address.ip) == before
    eventually(lambda: fleet.assert_at(station, "ap3"), SETTLED_WITHIN)
    assert addresses(station) == (before, prefix)


def assert_not_routed(fleet: Fleet, address: str | None) -> None:
    """No access point says any more that this address is here."""
    assert not [ap for ap in APS if address in fleet.here(ap)]


def test_every_state_of_a_client_gets_its_answer(fleet: Fleet) -> None:
    """RFC 2131 section 4.3: DISCOVER, SELECTING, INIT-REBOOT on another access point, RENEWING, INFORM, and a NAK."""
    station = fleet.station(INSIDER)
    station.roam("ap1")
    with Ear(station) as ear:
        identifier = ("client_id", b"\x01" + bytes.fromhex(station.mac.replace(":", "")))
        wanted = ("param_req_list", [1, 3, 6, 51, 54, 58, 59, 121])
        offer = answer(station, ear, dhcp(station, "discover", xid=1, options=(identifier, wanted)))
        address = offer["BOOTP"].yiaddr
        assert options_of(offer)["message-type"] == MESSAGE["offer"]
        selecting = (("requested_addr", address), ("server_id", SERVER), identifier, wanted)
        ack = answer(station, ear, dhcp(station, "request", xid=2, options=selecting))
        assert_acknowledges(ack, address)
        options = options_of(ack)
        assert (options["lease_time"], options["renewal_time"], options["rebinding_time"]) == (LEASE_S, T1_S, T2_S)
        assert options["subnet_mask"] == "255.255.255.255"
        assert options["router"] == options["server_id"] == SERVER
        assert options["client_id"] == identifier[1]

        station.roam("ap3")
        reboot = (("requested_addr", address),)
        assert_acknowledges(answer(station, ear, dhcp(station, "request", xid=3, options=reboot)), address)
        renewing = dhcp(station, "request", xid=4, ciaddr=address, source_ip=address)
        assert_acknowledges(answer(station, ear, renewing), address)
        informed = answer(station, ear, dhcp(station, "inform", xid=5, ciaddr=address, source_ip=address))
        assert options_of(informed)["message-type"] == MESSAGE["ack"]
        assert "lease_time" not in options_of(informed)
        wrong = (("requested_addr", "198.51.100.77"),)
        refused = answer(station, ear, dhcp(station, "request", xid=6, options=wrong))
        assert options_of(refused)["message-type"] == MESSAGE["nak"]
        assert all(each.frame.dst == station.mac for each in ear.heard(is_reply))


def assert_acknowledges(reply: Packet, address: str) -> None:
    assert options_of(reply)["message-type"] == MESSAGE["ack"]
    assert reply["BOOTP"].yiaddr == address


@pytest.mark.conformance("r2131_433_decline")
def test_declined_address_is_nobodys_for_half_an_hour(fleet: Fleet) -> None:
    """The station that declines gets another one; the declined one is in quarantine on every access point."""
    station = fleet.station(INSIDER)
    station.roam("ap2")
    with Ear(station) as ear:
        first = bound(station, ear, xid=10)
        send(station, dhcp(station, "decline", xid=12, options=(("requested_addr", first), ("server_id", SERVER))))
        eventually(lambda: assert_declined(fleet, first), SETTLED_WITHIN)
        station.roam("ap3")
        second = bound(station, ear, xid=13)
        assert second != first
        eventually(lambda: assert_declined(fleet, first), SETTLED_WITHIN)
        assert fleet.ask("ap1", "where", second)["station"] == station.mac


def test_address_that_a_station_has_set_by_hand_is_offered_to_no_other(fleet: Fleet) -> None:
    """The real kernel of the station that squats on it answers the probe; the address is nobody's for a while."""
    squatter, newcomer = fleet.joined(12, "ap1"), fleet.station(INSIDER)
    newcomer.roam("ap1")
    with Ear(newcomer) as ear:
        former = bound(newcomer, ear, xid=20)
        release = dhcp(newcomer, "release", xid=22, source_ip=former, ciaddr=former, options=(("server_id", SERVER),))
        send(newcomer, release)
        eventually(lambda: assert_not_routed(fleet, former), SETTLED_WITHIN)
        before = fleet.counter("ap1", "dhcp4.squatters")
        execute(["ip", "-n", squatter.namespace, "addr", "add", f"{former}/32", "dev", "wlan0"])
        try:
            other = bound(newcomer, ear, xid=23)
        finally:
            execute(["ip", "-n", squatter.namespace, "addr", "del", f"{former}/32", "dev", "wlan0"])
    assert other != former
    assert fleet.counter("ap1", "dhcp4.squatters") == before + 1
    for ap in APS:
        (held,) = [record for record in fleet.ask(ap, "database") if record["key"] == former]
        assert held["value"] == "declined"


def bound(station: Station, ear: Ear, xid: int) -> str:
    """The address that a client gets by DISCOVER and REQUEST."""
    address: str = answer(station, ear, dhcp(station, "discover", xid=xid))["BOOTP"].yiaddr
    selecting = (("requested_addr", address), ("server_id", SERVER))
    assert_acknowledges(answer(station, ear, dhcp(station, "request", xid=xid + 1, options=selecting)), address)
    return address


def assert_declined(fleet: Fleet, address: str) -> None:
    for ap in APS:
        (held,) = [record for record in fleet.ask(ap, "database") if record["key"] == address]
        assert held["value"] == "declined", f"{ap}: {held}"
        assert DECLINED_FOR_S - 120 < held["remaining"] <= DECLINED_FOR_S
