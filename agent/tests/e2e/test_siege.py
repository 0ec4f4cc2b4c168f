"""Somebody on the backbone does to the flooding port what he can, while a station walks: nobody else feels it."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lab.netns import inside
from lab.traffic import Traffic
from lab.walk import Walk, round_trip, walk
from sroamd.wire.flood import HANDSHAKE
from tests.e2e.fleet import APS, SETTLED_WITHIN, Fleet, assert_reaches, eventually, tell, undisturbed

PORT = 4444
HALF_OPEN = 2000
HOSTILE_OCTETS = 1_000_000
TLV_BODY_MAX = 255
WORST_MS = 1000.0  # as without a siege


@dataclass
class Siege:
    """From the router on the backbone, whose address may connect: half-open connections, then hostile octets.

    It begins anew for as long as it is not lifted. What was sent, and how many connections stood at once, is counted.
    """

    namespace: str
    targets: tuple[str, ...]
    rng: random.Random = field(default_factory=lambda: random.Random(3))
    opened: int = 0
    octets: int = 0
    _lifted: threading.Event = field(default_factory=threading.Event)

    def lay(self) -> None:
        while not self._lifted.is_set():
            for target in self.targets:
                self._half_open(target)
                self._talk(target)

    def lift(self) -> None:
        self._lifted.set()

    def _half_open(self, target: str) -> None:
        """Connections over which nothing is said, all of them held."""
        with contextlib.ExitStack() as held:
            for _ in range(HALF_OPEN // len(self.targets)):
                if self._lifted.is_set():
                    return
                with contextlib.suppress(OSError):
                    held.enter_context(socket.create_connection((target, PORT), 1.0))
                    self.opened += 1

    def _talk(self, target: str) -> None:
        """TLVs of any type and length with any body, for as long as they are taken."""
        with contextlib.suppress(OSError), socket.create_connection((target, PORT), 1.0) as connection:
            connection.sendall(HANDSHAKE)
            for _ in range(HOSTILE_OCTETS // len(self.targets) // TLV_BODY_MAX):
                if self._lifted.is_set():
                    return
                body = self.rng.randbytes(self.rng.randrange(TLV_BODY_MAX))
                connection.sendall(bytes((self.rng.randrange(256), len(body))) + body)
                self.octets += len(body) + 2


@contextmanager
def besieged(fleet: Fleet) -> Iterator[Siege]:
    targets = tuple(str(fleet.lab.topology.node(ap).router_ipv4) for ap in APS)
    siege = Siege(f"{fleet.lab.topology.prefix}-gw", targets)
    attacker = threading.Thread(target=lambda: inside(siege.namespace, siege.lay))
    attacker.start()
    try:
        yield siege
    finally:
        siege.lift()
        attacker.join()


def test_siege_of_the_flooding_port_disturbs_neither_peers_nor_roams(fleet: Fleet) -> None:
    station = fleet.joined(7, APS[0])
    eventually(lambda: assert_reaches(station), SETTLED_WITHIN)
    peers, pids, heard = established(fleet), {ap: fleet.pid(ap) for ap in APS}, nonsense(fleet)

    with besieged(fleet) as siege:

        def once() -> Walk:
            with Traffic(station) as traffic:
                return walk(station, traffic, round_trip(APS))

        found = undisturbed(once, lambda walked: walked.whole)
        eventually(lambda: assert_laid(siege), SETTLED_WITHIN)

    tell(f"siege: {siege.opened} half-open connections, {siege.octets} octets; worst silence {found.longest_ms:.0f} ms")
    assert found.survived
    assert found.longest_ms <= WORST_MS
    assert established(fleet) == peers, "the real peers have stayed connected"
    assert {ap: fleet.pid(ap) for ap in APS} == pids
    assert all(count > heard[ap] for ap, count in nonsense(fleet).items()), "it was read"
    fleet.wait_until_well()
    fleet.assert_at(station, APS[0])


def assert_laid(siege: Siege) -> None:
    assert siege.opened >= HALF_OPEN
    assert siege.octets >= HOSTILE_OCTETS


def nonsense(fleet: Fleet) -> dict[str, int]:
    """TLVs of no meaning that each access point has counted."""
    return {ap: fleet.counter(ap, "peer.ignored") + fleet.counter(ap, "peer.malformed") for ap in APS}


def established(fleet: Fleet) -> dict[str, set[str]]:
    """The connections between our nodes, by both ends' address and port."""
    return {
        ap: {f"{found['node']} at {found['peer']}" for found in fleet.ask(ap, "peers") if found["node"] in APS}
        for ap in APS
    }
