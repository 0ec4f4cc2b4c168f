"""Ansible as an operator runs it, against a lab: ansible-playbook over ssh, with the repository's own playbooks."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from .errors import LabError

REPOSITORY = Path(__file__).resolve().parents[2]
_TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(?:sroamd : )?(.*)\] \*+$")


def run_playbook(
    playbook: str,
    inventory: Path,
    *options: str,
    on_task: Callable[[str], None] = lambda name: None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run playbooks/PLAYBOOK and return it with its whole output; `on_task` hears the name of each task as it begins.

    Raises LabError with the end of the output when it fails and check is set, and when Ansible is not installed.
    """
    program = shutil.which("ansible-playbook")
    if program is None:
        raise LabError("ansible-playbook is not on the PATH: run this through make, or activate .venv")
    argv = [program, "-i", str(inventory), f"playbooks/{playbook}", *options]
    lines: list[str] = []
    with subprocess.Popen(
        argv,
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if found := _TASK.match(line.rstrip()):
                on_task(found[1])
    output = "".join(lines)
    if check and process.returncode != 0:
        raise LabError(f"{' '.join(argv)}: exit status {process.returncode}\n{output[-6000:]}")
    return subprocess.CompletedProcess(argv, process.returncode, output, "")


def recap(output: str) -> dict[str, dict[str, int]]:
    """The counts of Ansible's PLAY RECAP by host: ok, changed, unreachable, failed, skipped, rescued, ignored."""
    counts: dict[str, dict[str, int]] = {}
    for line in output.partition("PLAY RECAP")[2].splitlines():
        host, separator, rest = line.partition(" : ")
        if separator:
            counts[host.strip()] = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", rest)}
    return counts
