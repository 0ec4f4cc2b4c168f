"""The role's variables: declared once, all of them with a default or required, all used, and the README's table true.

`UPDATE_README=1 pytest roles/sroamd/tests/test_variables.py` writes the table anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

ROLE = Path(__file__).parents[1]
BEGIN, END = "<!-- variables: made by tests/test_variables.py -->\n", "<!-- end of variables -->\n"

SPECIFICATION: dict[str, dict[str, Any]] = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())[
    "argument_specs"
]["main"]["options"]
DEFAULTS: dict[str, Any] = yaml.safe_load((ROLE / "defaults/main.yml").read_text())


def table() -> str:
    lines = ["| Variable | Type | Default | |", "|---|---|---|---|"]
    for name, option in SPECIFICATION.items():
        kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
        if "choices" in option:
            kind = " \\| ".join(f"`{choice}`" for choice in option["choices"])
        default = "**required**" if option.get("required") else shown(DEFAULTS[name])
        lines.append(f"| `{name}` | {kind} | {default} | {prose(option)} |")
    return "\n".join(lines) + "\n"


def shown(default: Any) -> str:
    if isinstance(default, str) and "{{" in default:
        return "derived"
    if default in ("", []):
        return "none"
    return f"`{default}`" if isinstance(default, str) else f"`{yaml.safe_dump(default).split()[0]}`"


def prose(option: dict[str, Any]) -> str:
    text = re.sub(r"C\((.*?)\)", r"`\1`", option["description"])
    if "options" in option:
        inner = [f"`{key}` ({re.sub(r'[.]$', '', prose(each))})" for key, each in option["options"].items()]
        text += f" Each has {', '.join(inner)}."
    return text


def test_every_variable_is_required_or_has_a_default() -> None:
    required = {name for name, option in SPECIFICATION.items() if option.get("required")}
    assert DEFAULTS.keys() | required == SPECIFICATION.keys()
    assert DEFAULTS.keys() & required == set()


def test_defaults_stand_in_the_order_of_their_descriptions() -> None:
    assert list(DEFAULTS) == [name for name in SPECIFICATION if name in DEFAULTS]


def test_every_variable_has_a_use_and_every_used_one_a_description() -> None:
    files = [*ROLE.glob("tasks/*.yml"), *ROLE.glob("templates/*"), *ROLE.glob("handlers/*.yml"), ROLE / "vars/main.yml"]
    files += [ROLE / "defaults/main.yml", ROLE / "filter_plugins/sroamd_flood.py"]
    text = "\n".join(path.read_text() for path in files)
    filters = {"sroamd_first_address", "sroamd_addresses", "sroamd_check_fleet", "sroamd_check_pools"}
    filters |= {"sroamd_status_table", "sroamd_status_problems"}
    elsewhere = {"sroamd_aps", "sroamd_servers", "sroamd_remove_state"}  # groups, and what a playbook takes
    used = set(re.findall(r"(?<![_\w])sroamd_[a-z0-9_]+", text)) - filters - elsewhere
    used_more_than_defined = {
        name for name in SPECIFICATION if len(re.findall(rf"(?<![_\w]){name}(?!\w)", text)) > (name in DEFAULTS)
    }
    assert used == SPECIFICATION.keys()
    assert used_more_than_defined == SPECIFICATION.keys()


def test_the_defaults_of_the_fleet_check_are_those_of_the_role(fleet: ModuleType) -> None:
    """It has to know some that need templating; an inventory that sets none of them is judged by these."""
    own = fleet.defaults_of("ap1", True, {"sroamd_ipv4_prefix": "192.0.2.0/24"})
    assert own["sroamd_ipv4_gateway"] == "192.0.2.1"
    assert own["sroamd_interfaces"] == [{"name": "wlan0"}]
    assert "'wlan0'" in DEFAULTS["sroamd_interfaces"]
    assert "sroamd_first_address" in DEFAULTS["sroamd_ipv4_gateway"]
    templated = {name for name, value in DEFAULTS.items() if "{{" in str(value)}
    judged = {"sroamd_node_name", "sroamd_interfaces", "sroamd_ipv4_gateway"}
    not_judged = {"sroamd_flood_address", "sroamd_flood_peers", "sroamd_flood_allow", "sroamd_flood_leaf"}
    assert templated == judged | not_judged | {"sroamd_agent_source", "sroamd_wheelhouse"}


def test_secrets_are_marked() -> None:
    secrets = {name for name, option in SPECIFICATION.items() if option.get("no_log")}
    assert secrets == {"sroamd_passphrase", "sroamd_eap_users"}


def test_the_table_in_the_readme_is_true() -> None:
    path = ROLE / "README.md"
    before, begin, rest = path.read_text().partition(BEGIN)
    written, end, after = rest.partition(END)
    assert begin
    assert end
    if os.environ.get("UPDATE_README"):
        path.write_text(before + begin + table() + end + after)
    else:
        assert written == table()
