"""Who has not been let in gets nothing and moves nothing: the list of authorised stations is all that counts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.errors import LabError
from lab.station import Station
from lab.supplicant import Supplicant, shared_loop
from lab.topology import EAP_IDENTITY
from lab.traffic import Traffic
from lab.walk import addresses
from tests.e2e.air import SERVER, Ear, dhcp, is_advertisement, is_reply, send, solicitation
from tests.e2e.fleet import OUTSIDER, SETTLED_WITHIN, Fleet, eventually

AP = "ap1"


@pytest.fixture
def outsider(fleet: Fleet) -> Iterator[Station]:
    """Near ap1, and not logged in. Whatever MAC it takes, it has its own again at the end."""
    station = fleet.station(OUTSIDER)
    station.attach(AP)
    yield station
    set_mac(station, station.mac)


def set_mac(station: Station, mac: str) -> None:
    for words in (("down",), ("address", mac), ("up",)):
        station.run("ip", "link", "set", "wlan0", *words)


def test_station_that_has_not_logged_in_gets_nothing(fleet: Fleet, outsider: Station) -> None:
    """Neither an offer nor an advertisement, not even that of an address which it can name."""
    before, counters = fleet.database(AP), fleet.counters(AP)
    with Ear(outsider) as ear:
        wanted = (("requested_addr", "192.0.2.200"),)
        send(
            outsider,
            dhcp(outsider, "discover"),
            dhcp(outsider, "request", options=wanted),
            dhcp(outsider, "request", options=(*wanted, ("server_id", SERVER))),
            solicitation(outsider),
        )

        def assert_refused() -> None:
            now = fleet.counters(AP)
            assert now["dhcp4.unauthorised"] - counters.get("dhcp4.unauthorised", 0) == 3
            # The kernel of the station solicits too.
            assert now["ra.unauthorised"] - counters.get("ra.unauthorised", 0) >= 1

        eventually(assert_refused, SETTLED_WITHIN)
        assert not ear.heard(lambda frame: is_reply(frame) or is_advertisement(frame))
    assert addresses(outsider) == (None, None)
    assert fleet.whereabouts(outsider) is None
    assert fleet.database(AP) == before


def test_wrong_password_moves_nobody(fleet: Fleet, outsider: Station) -> None:
    """Somebody with the MAC of a station tries to log in elsewhere: hostapd refuses, and the real one feels nothing."""
    victim = fleet.joined(OUTSIDER - 2, "ap2")
    before, where = fleet.database(AP), addresses(victim)
    set_mac(outsider, victim.mac)
    mac = bytes.fromhex(victim.mac.replace(":", ""))
    impostor = Supplicant(shared_loop(), outsider.namespace, "wlan0", mac, (EAP_IDENTITY, "guessed"))
    try:
        with Traffic(victim) as traffic, Ear(outsider) as ear:
            impostor.begin()
            with pytest.raises(LabError, match="refused"):
                impostor.wait(SETTLED_WITHIN)
            send(outsider, dhcp(victim, "discover"), solicitation(victim))
            eventually(lambda: assert_tried(fleet, victim), SETTLED_WITHIN)
            report = traffic.report()
            assert not ear.heard(lambda frame: is_reply(frame) or is_advertisement(frame))
    finally:
        impostor.close()
    assert report.lost == 0, report.flows
    assert fleet.database(AP) == before
    fleet.assert_at(victim, "ap2")
    assert addresses(victim) == where
    # hostapd bears this MAC a grudge for a minute, and forgets it when it starts again.
    fleet.run(AP, "systemctl", "restart", "hostapd")


def assert_tried(fleet: Fleet, victim: Station) -> None:
    assert victim.mac in fleet.journal(AP, "hostapd")
