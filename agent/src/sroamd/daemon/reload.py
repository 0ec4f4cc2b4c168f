"""What SIGHUP can change and what it cannot: the difference of two configurations, in words."""

from __future__ import annotations

from dataclasses import fields, replace

from sroamd.config import Config

# What sockets, the database or the other nodes hold on to. The rest is read anew by whoever uses it.
_FIXED = {
    "node": ("name", "id", "state_dir", "router_ipv4", "router_ipv6"),
    "network": ("ipv4_prefix", "ipv4_gateway", "ipv6_gateway"),
    "flood": ("listen",),
    "control": ("socket",),
    "babel": ("interfaces",),
    "routes": ("announced",),
}


def adopt(running: Config, loaded: Config) -> tuple[Config, list[str]]:
    """(what to run with from now on, the keys whose new values wait for a restart)."""
    waiting: list[str] = []
    sections = {}
    for section in fields(Config):
        before, after = getattr(running, section.name), getattr(loaded, section.name)
        kept = {}
        for key in _FIXED.get(section.name, ()):
            if getattr(before, key) != getattr(after, key):
                kept[key] = getattr(before, key)
                waiting.append(f"{section.name}.{key}")
        sections[section.name] = replace(after, **kept) if kept else after
    if loaded.interfaces != running.interfaces:
        sections["interfaces"] = running.interfaces
        waiting.append("interface")
    return Config(**sections), waiting
