"""How the agent of this host is before anything about it is changed, as JSON on standard output.

    agent_state.py ROOT SROAMCTL

    {"release": PATH|null,  what runs, or else what would: a directory of ROOT/releases
     "running": PATH|null,  what runs
     "state": STATE,        systemd's ActiveState
     "seconds": NUMBER,     for so long
     "problems": [TEXT...]|null} what it says that is not well; null where it says nothing

A run that was cut off may have left a link to a release that has never run. What there is to go back to is what runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SERVICE = "sroamd.service"
PATIENCE = 10  # seconds


def run(*command: str) -> str:
    """What it prints; nothing where there is no such command, or it takes too long."""
    try:
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def service_state() -> dict[str, str]:
    names = "ActiveState,MainPID,StateChangeTimestampMonotonic"
    lines = run("systemctl", "show", f"--property={names}", SERVICE).splitlines()
    return dict(line.split("=", 1) for line in lines)


def release_of(process: Path, releases: Path) -> str | None:
    """What a process runs: its interpreter is in there."""
    try:
        program = (process / "cmdline").read_bytes().split(b"\0", 1)[0].decode()
        return str(releases / Path(program).relative_to(releases).parts[0])
    except (OSError, ValueError, IndexError):
        return None


def linked(current: Path) -> str | None:
    try:
        return os.readlink(current)
    except OSError:
        return None


def problems(sroamctl: str) -> list[str] | None:
    try:
        found: list[str] = json.loads(run(sroamctl, "--json", "status"))["problems"]
    except (ValueError, KeyError):
        return None
    return found


def state(root: Path, sroamctl: str) -> dict[str, Any]:
    service = service_state()
    running = release_of(Path("/proc", service.get("MainPID", "0")), root / "releases")
    return {
        "release": running or linked(root / "current"),
        "running": running,
        "state": service.get("ActiveState", "inactive"),
        "seconds": int(time.monotonic() - int(service.get("StateChangeTimestampMonotonic", "0")) / 1e6),
        "problems": problems(sroamctl),
    }


if __name__ == "__main__":
    print(json.dumps(state(Path(sys.argv[1]), sys.argv[2])))
