"""Filters for playbooks/status.yml: what `sroamctl --json status` said on each host, as a table and as problems.

Both take `hostvars` and the hosts; each host's registered answer is its variable `__sroamd_status`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

HEADER = ("HOST", "HEALTH", "VERSION", "STATIONS", "DIRECT", "PEERS", "RECORDS", "DIGEST")


def answer(variables: Mapping[str, Any]) -> dict[str, Any] | str:
    """The node's status, or why there is none."""
    registered = variables.get("__sroamd_status")
    if registered is None or registered.get("unreachable"):
        return "host unreachable"
    try:
        parsed = json.loads(registered.get("stdout") or "")
    except ValueError:
        said = (registered.get("stderr") or registered.get("msg") or "no answer").strip().splitlines()
        return said[-1] if said else "no answer"
    return parsed if isinstance(parsed, dict) else "no answer"


def table(hostvars: Mapping[str, Mapping[str, Any]], hosts: Sequence[str]) -> list[str]:
    """One line a host, under a header, in columns."""
    rows = [HEADER]
    for host in hosts:
        status = answer(hostvars[host])
        if isinstance(status, str):
            rows.append((host, status, *[""] * (len(HEADER) - 2)))
            continue
        rows.append(
            (
                host,
                "ok" if status["healthy"] else "not well",
                status["node"]["version"],
                str(status["stations"]),
                str(status.get("direct_routes", "-")),  # releases before direct routes
                f"{status['peers']} ({status['peers_configured']} dialled)",
                str(status["records"]),
                status["digest"],
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def problems(hostvars: Mapping[str, Mapping[str, Any]], hosts: Sequence[str]) -> list[str]:
    """Hosts that are not well, and databases that differ from that of most."""
    found = []
    digests: dict[str, list[str]] = {}
    for host in hosts:
        status = answer(hostvars[host])
        if isinstance(status, str):
            found.append(f"{host}: {status}")
            continue
        digests.setdefault(status["digest"], []).append(host)
        found += [f"{host}: {problem}" for problem in status["problems"]]
    most, *others = sorted(digests.values(), key=len, reverse=True) or [[]]
    found += [
        f"{', '.join(other)}: another database than {', '.join(most)}; ask again, a change may have been on its way"
        for other in others
    ]
    return found


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Any]:
        return {"sroamd_status_table": table, "sroamd_status_problems": problems}
