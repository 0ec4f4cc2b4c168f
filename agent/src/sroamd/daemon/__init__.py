"""Floor 4: the process `sroamd`. `main` is its entry point; `runtime` is the loop, `service` builds what it drives."""

from __future__ import annotations

from sroamd.daemon.main import main

__all__ = ["main"]
