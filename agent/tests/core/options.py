"""Nodes that tell their stations more than an address."""

from __future__ import annotations

from dataclasses import replace

from sroamd.config import Config, Dhcp4Config, NetworkConfig, RaConfig
from sroamd.core import events as ev
from tests.core.harness import Lab, config_of


def config_with(number: int = 1, **keys: object) -> Config:
    """`keys` of `[network]`, `[dhcp4]` and `[ra]`, by the names of their fields; `routes4` and `routes6` are routes."""
    config = config_of(number)
    found: dict[type, dict[str, object]] = {NetworkConfig: {}, Dhcp4Config: {}, RaConfig: {}}
    for key, value in keys.items():
        if key in ("routes4", "routes6"):
            found[Dhcp4Config if key == "routes4" else RaConfig]["routes"] = value
            continue
        (section,) = (cls for cls in found if key in cls.__dataclass_fields__)
        found[section][key] = value
    return replace(
        config,
        network=replace(config.network, **found[NetworkConfig]),  # type: ignore[arg-type]
        dhcp4=replace(config.dhcp4, **found[Dhcp4Config]),  # type: ignore[arg-type]
        ra=replace(config.ra, **found[RaConfig]),  # type: ignore[arg-type]
    )


def lab_with(count: int = 1, **keys: object) -> Lab:
    lab = Lab(0)
    for number in range(1, count + 1):
        lab.add(config_with(number, **keys))
    for number in range(1, count):
        lab.connect(number, number + 1)
    return lab


def reload(lab: Lab, number: int, **keys: object) -> None:
    """SIGHUP, with another file."""
    lab[number].config = config_with(number, **keys)
    lab.do(number, ev.ConfigReloaded(lab[number].config))
