"""All access points lose their power at once, and come back."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from lab.station import Station, roam_all
from lab.walk import addresses
from tests.e2e.fleet import APS, SETTLED_WITHIN, STATIONS, Fleet, assert_reaches, eventually, tell

BOOT_S = 90.0


def test_power_loss_gives_every_station_its_old_addresses_back(fleet: Fleet) -> None:
    """Nobody is left who remembers, but the disks: sixty stations find what they had, and nobody gets another's."""
    home = {number: APS[number % len(APS)] for number in range(1, STATIONS + 1)}
    everyone = fleet.all_joined(home.items())
    before = [addresses(station) for station in everyone]
    ids_before = {ap: fleet.ask(ap, "status")["node"]["id"] for ap in APS}
    leases_before = leases(fleet, APS[0])
    assert leases_before.keys() >= {address for pair in before for address in pair}

    off = time.monotonic()
    fleet.lab.power_off(*APS)
    fleet.lab.power_on(*APS)
    eventually(fleet.assert_well, BOOT_S)
    tell(f"power loss of all access points: agents well {time.monotonic() - off:.1f} s later")

    assert {ap: fleet.ask(ap, "status")["node"]["id"] for ap in APS} == ids_before
    for ap in APS:
        lost = leases_before.items() - leases(fleet, ap).items()
        assert not lost, f"{ap} has forgotten {sorted(lost)}"
        assert fleet.ask(ap, "status")["stations"] == 0
    bring_back(everyone, list(home.values()))
    eventually(lambda: fleet.assert_places(list(zip(everyone, home.values(), strict=True))), SETTLED_WITHIN)
    after = [addresses(station) for station in everyone]
    assert after == before
    assert len({ipv4 for ipv4, _ in after}) == len({prefix for _, prefix in after}) == STATIONS
    for ap in APS:
        assert leases_before.items() <= leases(fleet, ap).items()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda station: eventually(lambda: assert_reaches(station), SETTLED_WITHIN), everyone))


def leases(fleet: Fleet, ap: str) -> dict[str, str]:
    """Whose each address and each prefix is."""
    return {key: value for kind, key, value, _ in fleet.database(ap) if kind in ("ipv4", "ipv6")}


def bring_back(everyone: list[Station], homes: list[str]) -> None:
    """One half comes with clients that have run on and renew; the other was off too, and knows nothing any more."""
    renewing, fresh = everyone[::2], everyone[1::2]
    for station in fresh:
        station.dhcp_client.stop()
        station.run("ip", "-4", "address", "flush", "dev", "wlan0")
        station.run("ip", "link", "set", "wlan0", "down")
        station.run("ip", "link", "set", "wlan0", "up")
        assert addresses(station) == (None, None)
    roam_all(list(zip(everyone, homes, strict=True)))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda station: station.dhcp_client.renew(SETTLED_WITHIN), renewing))
        list(pool.map(lambda station: station.dhcp(SETTLED_WITHIN), fresh))
        list(pool.map(lambda station: station.wait_for_prefix(SETTLED_WITHIN), everyone))
