"""Which services run that have not read what is written: a line for each.

    stale_services.py '{"babeld": ["/etc/babeld.conf", ...], ...}'

A file may have been written, and its service never restarted, by a run that was cut off: the next run sees no change.
A service that does not run is none of them, since it is started in any case.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path


def since(service: str) -> float | None:
    """When it has come to be as it is, in seconds since 1970; None if it is not active."""
    command = ["systemctl", "show", "--timestamp=us+utc", "--property=ActiveState,StateChangeTimestamp", service]
    lines = subprocess.run(command, check=False, capture_output=True, text=True).stdout.splitlines()
    told = dict(line.split("=", 1) for line in lines)
    return moment(told["StateChangeTimestamp"]) if told.get("ActiveState") == "active" else None


def moment(timestamp: str) -> float:
    """Of "Mon 2026-11-30 18:25:39.215736 UTC", the seconds since 1970."""
    return datetime.strptime(timestamp, "%a %Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=UTC).timestamp()


def has_newer(files: Iterable[str], moment: float) -> bool:
    return any(path.exists() and path.stat().st_mtime > moment for path in map(Path, files))


def stale(services: dict[str, list[str]]) -> Iterator[str]:
    for service, files in services.items():
        started = since(service)
        if started is not None and has_newer(files, started):
            yield service


if __name__ == "__main__":
    for service in stale(json.loads(sys.argv[1])):
        print(service)
