"""Another configuration for a whole lab, as after `systemctl reload` everywhere."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Network

from sroamd.addresses import Mac
from sroamd.config import Reservation
from sroamd.core import events as ev
from tests.core.harness import Lab


def reload(lab: Lab, *numbers: int, reservations: tuple[Reservation, ...] = (), **dhcp4: object) -> None:
    """On these nodes, or on all."""
    for host in [lab[number] for number in numbers] or lab.hosts:
        new = replace(host.config.dhcp4, **dhcp4)  # type: ignore[arg-type]
        host.config = replace(host.config, dhcp4=new, reservations=reservations)
        lab.do(host, ev.ConfigReloaded(host.config))


def kept_for(station: Mac, address: str | None = None, prefix: str | None = None) -> Reservation:
    return Reservation(
        mac=station,
        address=None if address is None else IPv4Address(address),
        prefix=None if prefix is None else IPv6Network(prefix),
    )
