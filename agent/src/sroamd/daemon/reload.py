"""What SIGHUP can change and what it cannot: the difference of two configurations, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from sroamd.config import Config

Keys = Mapping[str, tuple[str, ...]]  # by section; "" is all of a list

# What sockets, the database or the other nodes hold on to. The rest is read anew by whoever uses it.
_FIXED: Keys = {
    "node": ("name", "id", "state_dir", "router_ipv4", "router_ipv6"),
    "network": ("ipv4_prefix", "ipv4_gateway", "ipv6_gateway"),
    "flood": ("listen",),
    "control": ("socket",),
    "babel": ("interfaces",),
    "routes": ("announced",),
    "interfaces": ("",),
}
# Where addresses wait, so does all that was written to go with them, or what is given out would lead nowhere.
_ADDRESSES = frozenset(
    {("network", "ipv4_prefix"), ("network", "ipv4_gateway"), ("node", "router_ipv4"), ("node", "router_ipv6")}
)
_WITH_ADDRESSES: Keys = {
    "network": ("ipv6_prefix", "former_ipv6_prefixes"),
    "dhcp4": ("netmask", "ranges", "exclude", "routes"),
    "reservations": ("",),
}


def adopt(running: Config, loaded: Config) -> tuple[Config, list[str]]:
    """(what to run with from now on, the keys whose new values wait for a restart)."""
    waiting = list(_differing(running, loaded, _FIXED))
    if not _ADDRESSES.isdisjoint(waiting):
        waiting += _differing(running, loaded, _WITH_ADDRESSES)
    sections = {}
    for section in fields(Config):
        before, after = getattr(running, section.name), getattr(loaded, section.name)
        kept = [key for name, key in waiting if name == section.name]
        if kept == [""]:
            sections[section.name] = before
        else:
            sections[section.name] = replace(after, **{key: getattr(before, key) for key in kept}) if kept else after
    # A list is called by its brackets in the file: [[interface]].
    return Config(**sections), [f"{section}.{key}" if key else section.removesuffix("s") for section, key in waiting]


def _differing(running: Config, loaded: Config, keys: Keys) -> Iterator[tuple[str, str]]:
    for section, names in keys.items():
        for key in names:
            if _value(running, section, key) != _value(loaded, section, key):
                yield section, key


def _value(config: Config, section: str, key: str) -> Any:
    whole = getattr(config, section)
    return getattr(whole, key) if key else whole
