"""Real agents and the C daemon in one fleet, over TCP: chains, reconnections, and what it floods without end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sroamd.cli import Unreachable, ask
from sroamd.constants import RAISE_DELAY
from sroamd.wire.datum import LINKS, NODE, association_key
from sroamd.wire.flood import TLV_HELLO, Update
from tests.core.harness import ALICE, id_of
from tests.daemon.c_daemon import CDaemon
from tests.daemon.process import Daemon, daemon
from tests.daemon.test_process import free_port

KEY = association_key(ALICE)
UNKNOWN = b"\xc8a kind of record that nobody knows"


class Fleet:
    """Agents without stations, and C daemons, on loopback."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory, self._stack = directory, stack
        self.c_daemons: list[CDaemon] = []

    def agent(self, name: str, port: int, *dials: int) -> Daemon:
        """Listening at `port`, dialling the others."""
        peers = ", ".join(f'"127.0.0.1:{other}"' for other in dials)
        config = f'[flood]\nlisten = "127.0.0.1:{port}"\npeers = [{peers}]\nallow = ["127.0.0.0/8"]\n'
        running = self._stack.enter_context(daemon(self._directory / name, config=config, name=name))
        self.until(lambda: bool(self.ask(name, "status")))
        return running

    def c_daemon(self, name: str, *, retry: float = 30.0) -> CDaemon:
        made = CDaemon(name, retry=retry)
        self._stack.callback(made.close)
        self.c_daemons.append(made)
        return made

    def ask(self, name: str, topic: str) -> Any:
        return ask(str(self._directory / name / "control.sock"), topic, None)["result"]

    def version(self, name: str, key: bytes) -> tuple[int, str] | None:
        """(seqno, value as it is shown) of an association."""
        for record in self.ask(name, "database"):
            if record["kind"] == "association" and record["key"] == str(ALICE) and key == KEY:
                return record["seqno"], record["value"]
        return None

    def until(self, condition: Callable[[], bool], within: float = 15.0) -> None:
        """Run the C daemons until it holds."""
        deadline = time.monotonic() + within
        while not self._holds(condition):
            assert time.monotonic() < deadline, "waited in vain"
            for each in self.c_daemons:
                each.pump(0.01)
            if not self.c_daemons:
                time.sleep(0.01)

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end, seconds + 5)

    @staticmethod
    def _holds(condition: Callable[[], bool]) -> bool:
        try:
            return condition()
        except Unreachable:
            return False


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with ExitStack() as stack:
        yield Fleet(tmp_path, stack)


def names(fleet: Fleet, agent: str) -> set[str]:
    return {record["value"].split()[0] for record in fleet.ask(agent, "database") if record["kind"] == "node"}


def test_c_daemon_between_two_agents_passes_all_records_on(fleet: Fleet) -> None:
    """Node records (128) and kinds that nobody knows; Hellos are nothing to it, and no connection breaks."""
    middle, far = fleet.c_daemon("middle"), fleet.c_daemon("far")
    fleet.agent("ap1", free_port(), middle.port)
    fleet.agent("ap2", free_port(), middle.port, far.port)
    fleet.until(lambda: names(fleet, "ap1") == names(fleet, "ap2") == {"ap1", "ap2"})
    far.learn(Update(3, 4000, UNKNOWN, b"value"), Update(7, 5400, KEY, bytes(id_of(5))))
    fleet.until(lambda: middle.version(UNKNOWN) == (3, b"value"))
    fleet.until(lambda: fleet.version("ap1", KEY) == (7, str(id_of(5))))
    far.learn(Update(8, 600, KEY, b""))
    fleet.until(lambda: fleet.version("ap1", KEY) == (8, "gone"))
    fleet.until(lambda: middle.skipped[TLV_HELLO] >= 4, 20)
    assert (middle.closed, far.closed) == (0, 0)
    for agent, peers in (("ap1", 1), ("ap2", 2)):
        connections = fleet.ask(agent, "peers")
        assert len(connections) == peers
        assert all(connection["node"] is None for connection in connections), "neither is taken for one of ours"


def test_agent_between_two_c_daemons_passes_on_what_they_would_not(fleet: Fleet) -> None:
    """They dial; the older claim is answered with the newer one, the tie is raised (rules R2 and R3)."""
    left, right = fleet.c_daemon("left", retry=0.2), fleet.c_daemon("right", retry=0.2)
    left.learn(Update(5, 5000, KEY, bytes(id_of(8))), Update(1, 4000, UNKNOWN, b"old"))
    right.learn(Update(5, 5000, KEY, bytes(id_of(9))), Update(2, 4000, UNKNOWN, b"new"))
    port = free_port()
    fleet.agent("ap1", port)
    left.dial(port)
    right.dial(port)
    fleet.until(lambda: left.version(UNKNOWN) == right.version(UNKNOWN) == (2, b"new"))
    fleet.until(lambda: left.version(KEY) == right.version(KEY) == (6, bytes(id_of(9))), RAISE_DELAY + 10)
    assert fleet.version("ap1", KEY) == (6, str(id_of(9)))


def test_c_daemon_that_was_refused_often_is_led_back_into_step(fleet: Fleet) -> None:
    """Defect T1: it loses an octet of the new stream for every refusal, and from the fifth on was lost itself."""
    dialler = fleet.c_daemon("dialler", retry=0.1)
    port = free_port()
    agent = fleet.agent("ap1", port)
    dialler.dial(port)
    fleet.until(lambda: dialler.connected == 1 and dialler.skipped[TLV_HELLO] > 0)
    agent.end(signal.SIGTERM)
    refused = dialler.refused
    fleet.until(lambda: dialler.refused >= refused + 7)
    known = {record.key for record in dialler.node.database.records()}
    witness = fleet.c_daemon("witness")
    fleet.agent("ap2", port, witness.port)
    fleet.until(lambda: len(fleet.ask("ap2", "peers")) == 2)
    witness.learn(Update(1, 5400, KEY, bytes(id_of(5))))
    fleet.until(lambda: dialler.version(KEY) == (1, bytes(id_of(5))))
    fleet.until(lambda: len(list(dialler.node.database.records())) >= len(known) + 2)
    read = {record.key for record in dialler.node.database.records()} - known - {KEY}
    assert NODE in {key[0] for key in read} <= {NODE, LINKS}, "it has read nothing that was not said"


def test_endless_ties_are_ended_and_leave_the_agent_answering(fleet: Fleet) -> None:
    """Defect M4: as C daemons in a ring do to each other, and to whoever is linked to them."""
    noisy = fleet.c_daemon("noisy")
    fleet.agent("ap1", free_port(), noisy.port)
    noisy.learn(Update(5, 5000, KEY, bytes(id_of(8))))
    fleet.until(lambda: fleet.version("ap1", KEY) == (5, str(id_of(8))))
    slowest = 0.0
    deadline = time.monotonic() + RAISE_DELAY + 10
    while noisy.version(KEY) != (6, bytes(id_of(9))):
        assert time.monotonic() < deadline, "nobody has raised the tie"
        for number in (9, 8) * 200:
            noisy.repeat(Update(5, 5000, KEY, bytes(id_of(number))))
        started = time.monotonic()
        fleet.ask("ap1", "status")
        slowest = max(slowest, time.monotonic() - started)
        fleet.run(0.02)
    assert slowest < 1.0
