"""The role's hostapd configurations and the agent on real 802.11: nl80211, wpa_supplicant, and every frame in between.

`driver=wired`, which the other end-to-end tests use, has no association, no keys, no roaming and no POLL_STA. Facts
are asserted, never times. The tests share one virtual machine, and all but the first ones one station that stays in.
"""

from __future__ import annotations

import pytest

from lab.wifi.fleet import Fleet
from tests.wifi.domain import CHANNELS, Domain, agent_log, hostapd_log, network
from tests.wifi.role import render

# How the station shall come in, and the suite that hostapd then names (IEEE 802.11-2020, table 9-151).
AKM = {"WPA-PSK": "00-0f-ac-2", "FT-PSK": "00-0f-ac-4", "SAE": "00-0f-ac-8"}
KEY_MANAGEMENT = {"wpa2-psk": ("FT-PSK", "WPA-PSK"), "wpa3-sae": ("SAE",), "wpa2-wpa3": ("WPA-PSK", "SAE")}


@pytest.mark.parametrize(
    ("security", "band", "channel", "frequency"),
    [
        ("wpa2-psk", "g", 6, "2437"),
        ("wpa3-sae", "g", 6, "2437"),
        ("wpa2-wpa3", "g", 6, "2437"),
        ("wpa2-psk", "a", 36, "5180"),
    ],
)
def test_hostapd_takes_the_configuration_and_stations_come_in(
    fleet: Fleet, security: str, band: str, channel: int, frequency: str
) -> None:
    ap, phone = fleet.aps[0], fleet.stations["phone"]
    choice = {"sroamd_security": security, "sroamd_hw_mode": band, "sroamd_channel": channel}
    ap.start_hostapd(render("hostapd.conf.j2", ap, fleet.aps, **choice))
    try:
        for key_management in KEY_MANAGEMENT[security]:
            link = phone.join(network(key_management, frequencies=frequency))
            assert link.bssid == ap.mac()
            assert ap.authorized() == {phone.mac()}
            seen = ap.ask_hostapd("sta", phone.mac())
            assert f"AKMSuiteSelector={AKM[key_management]}" in seen
            assert "[MFP]" in seen, "management frames are not protected"
            phone.leave()
            ap.wait_for(lambda: not ap.authorized(), "the station's departure")
    finally:
        phone.leave()
        ap.stop_hostapd()


def test_station_gets_its_addresses_and_every_node_knows_where_it_is(fleet: Fleet, domain: Domain) -> None:
    ipv4, ipv6 = domain.addresses
    here = domain.ap()
    assert domain.reaches_correspondent()
    for ap in domain.aps.values():
        known = ap.where(domain.mac)
        assert (known["node"], known["ipv4"], known["ipv6"]) == (here.name, [str(ipv4.ip)], [str(ipv6.network)])
        assert known["interface"] == ("wlan0" if ap is here else None)


@pytest.mark.parametrize("key_management", ["FT-PSK", "WPA-PSK"])
def test_station_walks_and_keeps_everything(
    fleet: Fleet, domain: Domain, figures: list[str], key_management: str
) -> None:
    """Between channels and on one channel. The access point that is left hears nothing, asks, and lets it go."""
    domain.station.set_key_management(key_management)
    order = ["ap1", "ap2", "ap3"]
    at = order.index(domain.ap().name)
    for name in [order[(at + step) % 3] for step in (1, 2, 3, 4)]:
        old = domain.ap()
        left, disconnected = agent_log(old), hostapd_log(old)
        move = domain.roam(name)
        assert domain.station.link().key_management == {"WPA-PSK": "WPA2-PSK"}.get(key_management, key_management)
        assert domain.kept() == domain.addresses
        assert f"station {domain.mac} does not answer" in left
        assert f"AP-STA-DISCONNECTED {domain.mac}" in disconnected
        same = "one channel" if CHANNELS[old.name] == CHANNELS[name] else "another channel"
        figures.append(
            f"{key_management:<7} {move.old} -> {move.new} ({same}): {move.attempts} attempts, echoes after "
            f"{move.pinged:.1f} s, settled after {move.noticed:.1f} s (emulated)"
        )


@pytest.mark.parametrize("neighbour", ["ap2", "ap3"])
def test_station_returns_at_once(fleet: Fleet, domain: Domain, neighbour: str) -> None:
    domain.roam("ap1")
    home, away = domain.aps["ap1"].mac(), domain.aps[neighbour].mac()
    domain.station.scan(home)
    domain.station.roam(away)
    domain.station.roam(home)
    domain.wait_until_settled()
    assert domain.ap().name == "ap1"
    assert domain.kept() == domain.addresses
    assert domain.reaches_correspondent()


@pytest.mark.parametrize("target", ["ap2", "ap3"])
def test_somebody_with_the_stations_mac_but_not_the_passphrase_moves_nothing(
    fleet: Fleet, domain: Domain, target: str
) -> None:
    """The kernel reports a new station at 802.11 authentication, long before anybody has proved to know the key."""
    domain.roam("ap1")
    attacked, seqno = domain.aps[target], domain.seqno(domain.aps["ap1"])
    told, stayed = agent_log(attacked), hostapd_log(domain.aps["ap1"])
    refused = hostapd_log(attacked)
    domain.other.take_mac(domain.mac)
    domain.other.start_supplicant(network("WPA-PSK", passphrase="not this one", bssid=attacked.mac()))
    try:
        attacked.wait_for(lambda: refused.count("AP-STA-POSSIBLE-PSK-MISMATCH") >= 2, "a wrong passphrase, twice")
        assert refused.count(r"STA \S+ IEEE 802.11: associated") >= 1, "it never came so far"
        assert domain.mac not in attacked.authorized()
        assert domain.reaches_correspondent()
    finally:
        domain.other.leave()
    assert domain.mac not in told
    assert "AP-STA-DISCONNECTED" not in stayed
    assert domain.seqno(attacked) == seqno
    domain.wait_until_settled()
    assert (domain.ap().name, domain.kept()) == ("ap1", domain.addresses)
    domain.roam(target)  # and the station itself is welcome there
    assert (domain.ap().name, domain.kept()) == (target, domain.addresses)
    assert domain.reaches_correspondent()


def test_poll_is_acknowledged_by_a_station_that_is_there(fleet: Fleet, domain: Domain) -> None:
    domain.roam("ap1")
    ap = domain.aps["ap1"]
    said = hostapd_log(ap)
    assert ap.ask_hostapd("poll_sta", domain.mac) == "OK"
    ap.wait_for(lambda: f"AP-STA-POLL-OK {domain.mac}" in said, "the acknowledgement")


def test_claim_of_somebody_who_is_gone_again_is_answered_by_the_station_itself(fleet: Fleet, domain: Domain) -> None:
    """A clone that knows the passphrase claims the station elsewhere, and dies. Both nodes ask; the live one wins."""
    domain.roam("ap1")
    home, elsewhere = domain.aps["ap1"], domain.aps["ap3"]
    seqno, stayed, claimed = domain.seqno(home), hostapd_log(home), agent_log(elsewhere)
    domain.other.take_mac(domain.mac)
    domain.other.join(network("WPA-PSK", bssid=elsewhere.mac()))
    domain.other.vanish()
    try:
        elsewhere.wait_for(lambda: f"station {domain.mac} does not answer" in claimed, "its being missed", 90)
        domain.wait_until_settled()
        assert home.where(domain.mac)["node"] == "ap1"
        assert domain.seqno(home) >= seqno + 2, "a claim there, and the answer to it here"
        assert "AP-STA-DISCONNECTED" not in stayed
        assert domain.kept() == domain.addresses
        assert domain.reaches_correspondent()
    finally:
        domain.other.leave()
        domain.other.reappear()


def test_restart_of_hostapd_takes_the_radio_down_and_everything_comes_back(fleet: Fleet, domain: Domain) -> None:
    """The kernel removes the routes with the radio; the station comes in again by itself."""
    domain.roam("ap3")
    ap = domain.aps["ap3"]
    ap.stop_hostapd()
    domain.station.wait_for(lambda: domain.station.link().bssid != ap.mac(), "the end of the association")
    domain.start_hostapd(ap)
    domain.station.wait_until_in(timeout=120)
    domain.wait_until_settled()
    assert domain.kept() == domain.addresses
    assert domain.reaches_correspondent()
