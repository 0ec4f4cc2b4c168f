"""How the agent is before and after a change: what there is to go back to, and whether it is well."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SHOW = "systemctl show --property=ActiveState,MainPID,StateChangeTimestampMonotonic sroamd.service"


@pytest.fixture
def host(agent_state: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """What the host's programs say; /opt/sroamd is `tmp_path`, whose current release is new."""
    began = int((time.monotonic() - 7.5) * 1e6)
    answers = {
        SHOW: f"MainPID=0\nActiveState=active\nStateChangeTimestampMonotonic={began}\n",
        "sroamctl --json status": json.dumps({"healthy": True, "problems": []}),
    }
    monkeypatch.setattr(agent_state, "run", lambda *command: answers[" ".join(command)])
    (tmp_path / "current").symlink_to(tmp_path / "releases/new")
    return answers


def state(agent_state: ModuleType, root: Path) -> dict[str, Any]:
    found: dict[str, Any] = agent_state.state(root, "sroamctl")
    return found


def test_what_does_not_run_is_what_the_link_names(
    agent_state: ModuleType, host: dict[str, str], tmp_path: Path
) -> None:
    found = state(agent_state, tmp_path)
    assert (found["release"], found["running"]) == (str(tmp_path / "releases/new"), None)
    assert (found["state"], found["seconds"], found["problems"]) == ("active", 7, [])


def test_there_is_nothing_before_the_first_release(
    agent_state: ModuleType, host: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "current").unlink()
    host[SHOW] = "MainPID=0\nActiveState=inactive\nStateChangeTimestampMonotonic=0\n"
    host["sroamctl --json status"] = ""
    found = state(agent_state, tmp_path)
    assert (found["release"], found["state"], found["problems"]) == (None, "inactive", None)


def test_a_run_that_was_cut_off_goes_back_to_what_runs(agent_state: ModuleType, tmp_path: Path) -> None:
    """Its link names a release that nobody has ever tried."""
    releases = tmp_path / "releases"
    (tmp_path / "cmdline").write_bytes(f"{releases}/old/bin/python3\0-I\0{releases}/old/bin/sroamd\0".encode())
    assert agent_state.release_of(tmp_path, releases) == str(releases / "old")


@pytest.mark.parametrize("cmdline", [b"", b"/usr/bin/false\0", b"\xff\0"])
def test_another_program_is_no_release(agent_state: ModuleType, tmp_path: Path, cmdline: bytes) -> None:
    (tmp_path / "cmdline").write_bytes(cmdline)
    assert agent_state.release_of(tmp_path, tmp_path / "releases") is None
