"""How nft is run: whatever becomes of it, it is gone afterwards. Its work is shown by e2e/test_io_guard.py."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sroamd.io import nft
from sroamd.io.nft import run_nft
from tests.io.events import until


@pytest.fixture
def pid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int | None]:
    """An nft that never answers is in its place; its process, once it runs."""
    fake, wrote = tmp_path / "nft", tmp_path / "pid"
    fake.write_text(f"#!/bin/sh\necho $$ > {wrote}.new\nmv {wrote}.new {wrote}\nexec sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return lambda: int(wrote.read_text()) if wrote.exists() else None


def is_gone(pid: int | None) -> bool:
    """Also from the table of processes: nobody has to wait for it."""
    return pid is not None and not Path(f"/proc/{pid}").exists()


def test_nft_that_does_not_answer_is_gone_when_that_is_said(
    pid: Callable[[], int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nft, "TIMEOUT", 1.0)
    assert asyncio.run(run_nft("")) == "nft has not answered for 1 s"
    assert is_gone(pid())


def test_nft_is_gone_when_whoever_waits_for_it_has_been_cancelled(pid: Callable[[], int | None]) -> None:
    async def story() -> None:
        waiting = asyncio.get_running_loop().create_task(run_nft(""))
        await until(lambda: pid() is not None)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert is_gone(pid())

    asyncio.run(story())
