"""Services that have not read what is written for them, because a run of the role was cut off."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

import pytest

STARTED = 1_796_063_139.215736
TIMESTAMP = "Mon 2026-11-30 18:25:39.215736 UTC"


def test_times_are_as_systemd_writes_them(stale_services: ModuleType) -> None:
    assert stale_services.moment(TIMESTAMP) == pytest.approx(STARTED, abs=1e-5)


@pytest.mark.parametrize(
    ("after", "found"),
    [pytest.param(0.2, ["babeld"], id="written later"), pytest.param(-0.2, [], id="written before it started")],
)
def test_a_service_is_stale_if_a_file_of_it_is_newer(
    stale_services: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, after: float, found: list[str]
) -> None:
    file = tmp_path / "babeld.conf"
    file.write_text("interface bb0")
    os.utime(file, (0, STARTED + after))
    monkeypatch.setattr(stale_services, "since", lambda service: STARTED)
    assert list(stale_services.stale({"babeld": [str(file), str(tmp_path / "none")]})) == found


def test_a_service_that_does_not_run_is_started_in_any_case(
    stale_services: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(stale_services, "since", lambda service: None)
    assert list(stale_services.stale({"babeld": [str(tmp_path)]})) == []
