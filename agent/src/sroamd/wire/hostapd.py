"""hostapd's control interface: the lines it sends unasked, and its description of one station."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sroamd.addresses import Mac
from sroamd.wire.cursor import DecodeError


@dataclass(frozen=True, slots=True)
class StationConnected:
    """Authorised: association, authentication and key handshake are done."""

    mac: Mac


@dataclass(frozen=True, slots=True)
class StationDisconnected:
    mac: Mac


@dataclass(frozen=True, slots=True)
class EapSucceeded:
    """All that is said when a station returns that never left as far as this hostapd knows."""

    mac: Mac


@dataclass(frozen=True, slots=True)
class StationPolled:
    """The station acknowledged a POLL_STA."""

    mac: Mac


@dataclass(frozen=True, slots=True)
class Terminating:
    """hostapd ends, or takes its interface down: every station is gone, and has to be listed anew."""


HostapdEvent = StationConnected | StationDisconnected | EapSucceeded | StationPolled | Terminating


@dataclass(frozen=True, slots=True)
class StationEntry:
    """One station of hostapd's list. Being in the list says nothing, `authorized` does."""

    mac: Mac
    authorized: bool


_ABOUT_A_STATION: dict[str, type[StationConnected | StationDisconnected | EapSucceeded | StationPolled]] = {
    "AP-STA-CONNECTED": StationConnected,
    "AP-STA-DISCONNECTED": StationDisconnected,
    "CTRL-EVENT-EAP-SUCCESS": EapSucceeded,
    "CTRL-EVENT-EAP-SUCCESS2": EapSucceeded,
    "AP-STA-POLL-OK": StationPolled,
}
_ENDS = frozenset(("CTRL-EVENT-TERMINATING", "AP-DISABLED"))
# "<3>" is the level; hostapd's global socket puts the interface before it.
_PREFIX = re.compile(r"\A(?:IFNAME=\S+ )?(?:<\d+>)?")
_AUTHORIZED = "[AUTHORIZED]"


def _mac(text: str) -> Mac:
    try:
        return Mac.parse(text)
    except ValueError as error:
        raise DecodeError(str(error)) from error


def parse_event(text: str) -> HostapdEvent | None:
    """From one datagram of an attached control socket; None if it is about something else.

    AP-ENABLED is such a thing: after AP-DISABLED one attaches again, and lists.
    """
    words = _PREFIX.sub("", text).split(maxsplit=2)
    if not words:
        return None
    if words[0] in _ENDS:
        return Terminating()
    event = _ABOUT_A_STATION.get(words[0])
    if event is None:
        return None
    if len(words) < 2:
        raise DecodeError(f"{words[0]} without a station")
    return event(_mac(words[1]))


def parse_station(reply: str) -> StationEntry | None:
    """From the reply to STA-FIRST, STA-NEXT or STA: a line with the MAC, then lines "key=value". None: no station."""
    mac, *lines = reply.strip().split("\n")
    if mac in ("", "FAIL"):
        return None
    authorized = any(line.startswith("flags=") and _AUTHORIZED in line for line in lines)
    return StationEntry(_mac(mac), authorized)
