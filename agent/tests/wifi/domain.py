"""A roaming domain of real radios: access points as the role sets them up, one station, and one who means no good."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface

from lab.errors import LabError
from lab.topology import CORRESPONDENT_IPV4, CORRESPONDENT_IPV6
from lab.wifi.access_point import AccessPoint
from lab.wifi.fleet import BABEL_HELLO_INTERVAL, Fleet
from tests.wifi.role import PASSPHRASE, SSID, render

# The first two on one channel: what is sent to a station there, all three radios hear.
CHANNELS = {"ap1": 6, "ap2": 6, "ap3": 11}
FREQUENCIES = "2437 2462"


@dataclass(frozen=True, slots=True)
class Move:
    """A roam, in seconds that mean something beside each other only: everything is emulated."""

    old: str
    new: str
    attempts: int
    pinged: float  # since the station was in: the first echo of both families came back
    noticed: float  # the old access point had let it go


def network(
    key_management: str, *, passphrase: str = PASSPHRASE, frequencies: str = FREQUENCIES, bssid: str = ""
) -> str:
    """Lines of wpa_supplicant's network block, as a phone that has been told the passphrase would have them."""
    lines = [f'ssid="{SSID}"', f"key_mgmt={key_management}", "ieee80211w=1", f"scan_freq={frequencies}"]
    lines.append(f'{"sae_password" if key_management == "SAE" else "psk"}="{passphrase}"')
    return "\n".join([*lines, f"bssid={bssid}"] if bssid else lines)


class Domain:
    """Three access points with everything on them; `station` is in, has its addresses, and keeps them."""

    def __init__(self, fleet: Fleet) -> None:
        self.aps = {ap.name: ap for ap in fleet.aps}
        self.station = fleet.stations["phone"]
        self.other = fleet.stations["other"]
        for ap in fleet.aps:
            self.start_hostapd(ap)
            hellos = {"sroamd_babel_hello_interval": BABEL_HELLO_INTERVAL}
            ap.start_babeld(render("babeld.conf.j2", ap, fleet.aps, **hellos))
            ap.start_agent(render("sroamd.toml.j2", ap, fleet.aps))
        self.mac = self.station.mac()
        self.station.join(network("FT-PSK"))
        self.station.start_dhcp()
        self.addresses = self.station.wait_for_addresses(timeout=120)
        for ap in fleet.aps:
            ap.wait_for(lambda ap=ap: self.prefixes <= _known_addresses(ap, self.mac), "hearing of the station", 120)
        self.wait_until_settled()

    def start_hostapd(self, ap: AccessPoint) -> None:
        aps = [*self.aps.values()]
        ap.start_hostapd(render("hostapd.conf.j2", ap, aps, sroamd_channel=CHANNELS[ap.name]))
        ap.set_up_network(render("sysctl.conf.j2", ap, aps))

    def ap(self) -> AccessPoint:
        """Where the station is, as it says itself."""
        bssid = self.station.link().bssid
        return next(ap for ap in self.aps.values() if ap.mac() == bssid)

    # -- facts --------------------------------------------------------------------------------------------------

    @property
    def prefixes(self) -> set[str]:
        """The two routes that lead to the station, as `ip route` prints them."""
        ipv4, ipv6 = self.addresses
        return {str(ipv4.ip), str(ipv6.network)}

    def kept(self) -> tuple[IPv4Interface | None, IPv6Interface | None]:
        return self.station.ipv4(), self.station.ipv6()

    def reaches_correspondent(self) -> bool:
        """Whether echoes come back from the correspondent, behind Babel, in both families."""
        return all(self.station.pings(end.ip) for end in (CORRESPONDENT_IPV4, CORRESPONDENT_IPV6))

    def seqno(self, ap: AccessPoint) -> int:
        return int(ap.where(self.mac)["seqno"])

    def wait_until_settled(self, timeout: float = 60.0) -> None:
        """Exactly one access point has the station on its list, and the routes to it; it is the one that it is at."""
        here = self.ap()

        def settled() -> bool:
            lists = {ap.name for ap in self.aps.values() if self.mac in ap.authorized()}
            routes = {ap.name: ap.routes_here() for ap in self.aps.values()}
            wanted = {name: self.prefixes if name == here.name else set() for name in self.aps}
            return lists == {here.name} and routes == wanted

        try:
            here.wait_for(settled, f"the station's being here and nowhere else ({self.prefixes})", timeout)
        except LabError as error:
            seen = {ap.name: (ap.authorized(), ap.routes_here()) for ap in self.aps.values()}
            raise LabError(f"{error}; lists and routes: {seen}") from None

    # -- deeds --------------------------------------------------------------------------------------------------

    def roam(self, name: str) -> Move:
        """Send the station to an access point; returns when it is there and nowhere else any more.

        Where it is there already it stays as it is: a reassociation would show nothing, and can fail in emulation.
        """
        old, new = self.ap(), self.aps[name]
        attempts = 0 if old is new else self.station.roam(new.mac())
        started = time.monotonic()
        assert self.reaches_correspondent(), f"no echo at {name}"
        pinged = time.monotonic() - started
        self.wait_until_settled()
        return Move(old.name, name, attempts, pinged, time.monotonic() - started)


def _known_addresses(ap: AccessPoint, station: str) -> set[str]:
    known = ap.where(station)
    return {*known.get("ipv4", ()), *known.get("ipv6", ())}


class Log:
    """What a program says from now on."""

    def __init__(self, read: Callable[[], str]) -> None:
        self._read = read
        self._from = len(read())

    def __contains__(self, text: str) -> bool:
        return text in self.text

    @property
    def text(self) -> str:
        return self._read()[self._from :]

    def count(self, pattern: str) -> int:
        return len(re.findall(pattern, self.text))


def agent_log(ap: AccessPoint) -> Log:
    assert ap.agent is not None
    agent = ap.agent
    return Log(lambda: agent.log)


def hostapd_log(ap: AccessPoint) -> Log:
    assert ap.hostapd is not None
    hostapd = ap.hostapd
    return Log(lambda: hostapd.log)
