"""A process killed at any moment loses no row that it has acknowledged."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import sroamd
from sroamd.io.store import Store

WRITER = """
import asyncio, os, sys
from pathlib import Path
from sroamd.core.values import StoredDatum
from sroamd.io.store import Store

async def main():
    store = Store(Path(sys.argv[1]))
    store.node_id(())
    first = len(store.load())
    def stored(event):
        # One write, so that a line is there whole or not at all.
        os.write(1, b"%d\\n" % event.ticket)
    store.start(stored)
    ticket = first
    while True:
        for _ in range(5):
            ticket += 1
            store.put([StoredDatum(ticket.to_bytes(5, "big"), bytes(6), 1, 1000.0)], ticket)
        await asyncio.sleep(0.0005)

asyncio.run(main())
"""
KILLS = 8


def test_kill_at_any_moment_loses_no_acknowledged_row(tmp_path: Path) -> None:
    rng = random.Random(44)
    environment = {**os.environ, "PYTHONPATH": str(Path(sroamd.__file__).parents[1])}
    ids = set()
    acknowledged = 0
    for _ in range(KILLS):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, env=environment
        )
        assert writer.stdout is not None
        started = writer.stdout.readline()  # at least one commit, so that something is at stake
        time.sleep(rng.uniform(0, 0.02))
        writer.send_signal(signal.SIGKILL)
        told = [int(line) for line in (started + writer.stdout.read()).split()]
        writer.stdout.close()
        assert writer.wait() == -signal.SIGKILL
        acknowledged = max([acknowledged, *told])

        store = Store(tmp_path)
        ids.add(store.node_id(()))
        found = {int.from_bytes(datum.key, "big") for datum in store.load()}
        store.close()
        assert set(range(1, acknowledged + 1)) <= found
        assert found == set(range(1, max(found) + 1)), "commits come in order: nothing is missing before what is there"
    assert len(ids) == 1
    assert not list(tmp_path.glob("*corrupt*"))
