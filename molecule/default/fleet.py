"""The fleet that Molecule has converged, and what its tests do with it.

The directory `work` holds the inventory lab.json, and is where changed copies of the agent are made.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.deploy import REPOSITORY, run_playbook
from lab.lab import Lab

DYING = 6  # seconds that the death of an agent takes systemd, against the one until it starts another


def must(condition: bool, what: object) -> None:
    if not condition:
        sys.exit(f"FAILED: {what}")


@dataclass(frozen=True)
class Fleet:
    """`version`: of the agent that the fleet is upgraded to."""

    lab: Lab
    work: Path
    version: str

    @classmethod
    def converged(cls, work: Path) -> Fleet:
        # Molecule asks for colours, which would get between the words that are looked for.
        os.environ.pop("ANSIBLE_FORCE_COLOR", None)
        os.environ["ANSIBLE_NOCOLOR"] = "1"
        # Newer each time, so that `molecule verify` can be repeated.
        return cls(Lab.running("ml"), work, f"99.{int(time.time())}")

    @property
    def inventory(self) -> Path:
        return self.work / "lab.json"

    @property
    def upgraded(self) -> tuple[str, str]:
        """For `play`: with the agent of `version`."""
        return self.with_agent(self.work / f"agent-{self.version}")

    @staticmethod
    def with_agent(source: Path) -> tuple[str, str]:
        return "--extra-vars", f"sroamd_agent_source={source}"

    def play(self, *options: str, check: bool = True) -> tuple[int, str]:
        """site.yml with the wheelhouse of this run: its exit status and output."""
        wheelhouse = ("--extra-vars", f"sroamd_wheelhouse={self.work / 'wheelhouse'}")
        done = run_playbook("site.yml", self.inventory, *wheelhouse, *options, check=check)
        return done.returncode, done.stdout

    def status(self, host: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.lab.run(host, ["sroamctl", "--json", "status"]).stdout)
        return answer

    def where(self, host: str, mac: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.lab.run(host, ["sroamctl", "--json", "where", mac]).stdout)
        return answer

    def restart(self, host: str) -> tuple[float, float]:
        """When the agent was last stopped, and when it was ready again: seconds of time.monotonic()."""
        names = ["InactiveEnterTimestampMonotonic", "ActiveEnterTimestampMonotonic"]
        shown = self.lab.run(host, ["systemctl", "show", f"--property={','.join(names)}", "sroamd.service"]).stdout
        values = dict(line.split("=", 1) for line in shown.splitlines())
        stopped, ready = (int(values[name]) / 1e6 for name in names)
        return stopped, ready

    def process(self, host: str, service: str) -> str:
        """The number of its main process."""
        return self.lab.run(host, ["systemctl", "show", "--value", "--property=MainPID", service]).stdout.strip()

    def release(self, host: str) -> str:
        return Path(self.lab.run(host, ["readlink", "/opt/sroamd/current"]).stdout.strip()).name

    def agent(self, version: str) -> Path:
        """A copy of the agent's sources that calls itself by this version."""
        copy = self.work / f"agent-{version}"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(REPOSITORY / "agent/src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "requirements-dev.txt"):
            shutil.copy(REPOSITORY / "agent" / name, copy / name)
        written = tomllib.loads((copy / "pyproject.toml").read_text())["project"]["version"]
        for path, pattern in (("pyproject.toml", 'version = "{}"'), ("src/sroamd/__init__.py", '__version__ = "{}"')):
            text = (copy / path).read_text()
            old = pattern.format(written)
            must(old in text, f"{path} does not hold {old}")
            (copy / path).write_text(text.replace(old, pattern.format(version)))
        return copy


@contextmanager
def dying_slowly(fleet: Fleet, host: str) -> Iterator[None]:
    """systemd is nearly always between two failed attempts at the agent when the role wants to start another."""
    dropin = Path("/run/systemd/system/sroamd.service.d/slow.conf")
    write = f"mkdir --parents {dropin.parent} && printf '[Service]\\nExecStopPost=/usr/bin/sleep {DYING}\\n' >{dropin}"
    fleet.lab.run(host, ["sh", "-c", f"{write} && systemctl daemon-reload"])
    yield
    fleet.lab.run(host, ["sh", "-c", f"rm {dropin} && systemctl daemon-reload"])
