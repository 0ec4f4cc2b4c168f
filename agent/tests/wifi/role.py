"""The role's templates as Ansible renders them for the access points of this test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from lab.topology import GATEWAY_IPV4, STATION_IPV4, STATION_IPV6
from lab.wifi.access_point import BACKBONE, AccessPoint

ROLE = Path(__file__).parents[3] / "roles/sroamd"
SSID = "Example"
PASSPHRASE = "correct horse battery"


def _variables() -> dict[str, Any]:
    loader = DataLoader()
    variables: dict[str, Any] = {}
    for name in ("defaults/main.yml", "vars/main.yml"):
        variables |= loader.load_from_file(str(ROLE / name), trusted_as_template=True)
    return variables


def render(template: str, ap: AccessPoint, aps: list[AccessPoint], **chosen: Any) -> str:
    """A template for one of several access points; `chosen` is what an operator would set in the inventory."""
    variables = {
        **_variables(),
        "inventory_hostname": ap.name,
        "group_names": ["sroamd_aps"],
        "ansible_managed": "Ansible managed",
        "item": {"name": "wlan0"},
        "sroamd_ipv4_prefix": str(STATION_IPV4),
        "sroamd_ipv6_prefix": str(STATION_IPV6),
        # The two defaults that come from the role's filters.
        "sroamd_ipv4_gateway": str(GATEWAY_IPV4),
        "sroamd_flood_peers": [f"[{other.router_ipv6}]:4444" for other in aps if other is not ap],
        "sroamd_router_ipv4": str(ap.router_ipv4),
        "sroamd_router_ipv6": str(ap.router_ipv6),
        "sroamd_backbone_interfaces": [BACKBONE],
        "sroamd_ssid": SSID,
        "sroamd_country": "DE",
        "sroamd_passphrase": PASSPHRASE,
        **chosen,
    }
    templar = Templar(loader=DataLoader(), variables=variables)
    source = trust_as_template((ROLE / "templates" / template).read_text())
    return str(templar.copy_with_new_env(searchpath=[str(ROLE / "templates")]).template(source))
