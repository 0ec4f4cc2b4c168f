"""The source guard's rules as they are loaded: what the core says while nft works, and an nft that fails.

The adapter alone, in a namespace; nft is the real one behind a door that the test keeps.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest

from sroamd.addresses import Mac
from sroamd.config import Config, GuardConfig, InterfaceConfig, NetworkConfig, NodeConfig
from sroamd.core.effects import AddPermit, RemovePermit
from sroamd.core.events import GuardListed
from sroamd.core.values import Permit
from sroamd.io import guard as io_guard
from sroamd.io.guard import SourceGuard
from sroamd.io.guard_elements import SETS
from sroamd.io.nfnetlink import ARP, INET
from tests.e2e.netns import Namespace, namespace
from tests.io.events import Collector, until

PATIENCE = 15.0
NFT = "/usr/sbin/nft"
NAMES = {INET: "inet", ARP: "arp"}


@dataclass
class Door:
    """Real nft, behind a script. Held: it waits with the tables of one family until it may go on."""

    ns: Namespace
    directory: Path

    def _script(self, *lines: str) -> None:
        script = self.directory / "nft"
        script.with_suffix(".new").write_text("\n".join(("#!/bin/sh", *lines, "")))
        script.with_suffix(".new").chmod(0o755)
        script.with_suffix(".new").rename(script)

    def open(self) -> None:
        self._script(f'exec {NFT} "$@"')

    def shut(self) -> None:
        self._script("echo 'line 1: Error: Out of memory' >&2; exit 1")

    def hold(self, family: str, code: int = 0) -> None:
        """`code`: it fails then."""
        for name in ("held", "go", "ended"):
            (self.directory / name).unlink(missing_ok=True)
        self._script(
            f"cd {self.directory}; cat > text",
            f"if grep -q '^table {family} ' text; then touch held; while [ ! -e go ]; do sleep 0.01; done; fi",
            f"test {code} = 0 && {NFT} -f text; code=$?; touch ended; exit $code",
        )

    async def held(self) -> None:
        await until((self.directory / "held").exists, PATIENCE)

    async def ended(self) -> None:
        await until((self.directory / "ended").exists, PATIENCE)

    def let_go(self) -> None:
        (self.directory / "go").touch()

    def tables(self) -> str:
        return self.ns.run(f"{NFT} list tables")


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with namespace() as ns, ns.entered():
        made = Door(ns, tmp_path)
        made.open()
        yield made


def config(*names: str, enabled: bool = True, isolate: bool = False) -> Config:
    network = NetworkConfig(
        ipv4_prefix=IPv4Network("192.0.2.0/24"),
        ipv6_prefix=IPv6Network("2001:db8:44::/48"),
        ipv4_gateway=IPv4Address("192.0.2.1"),
        ipv6_gateway=IPv6Address("fe80::1"),
    )
    interfaces = tuple(InterfaceConfig(name) for name in names or ("wlan0",))
    return Config(NodeConfig("ap1"), network, interfaces, guard=GuardConfig(enabled, isolate))


@pytest.fixture
def killed_too_late(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel commits what nft is in the middle of when it is killed."""
    monkeypatch.setattr(asyncio.subprocess.Process, "kill", lambda process: door.let_go())


@pytest.mark.usefixtures("killed_too_late")
def test_guard_that_is_switched_off_while_nft_works_leaves_no_rules(door: Door) -> None:
    door.hold("inet")
    emit = Collector()

    async def story() -> None:
        guard = SourceGuard(config())
        guard.start(emit)
        await door.held()
        guard.reconfigure(config(enabled=False))
        assert (await emit.first(GuardListed, PATIENCE)).problem is None
        await door.ended()
        assert door.tables() == ""
        await guard.close(remove=False)

    asyncio.run(story())


@pytest.mark.usefixtures("killed_too_late")
def test_guard_that_is_removed_at_the_end_while_nft_works_leaves_no_rules(door: Door) -> None:
    door.hold("inet")

    async def story() -> None:
        guard = SourceGuard(config())
        guard.start(Collector())
        await door.held()
        await guard.close(remove=True)
        await door.ended()
        assert door.tables() == ""

    asyncio.run(story())


def test_guard_that_ends_before_it_could_be_switched_off_leaves_no_rules(door: Door) -> None:
    emit = Collector()

    async def story() -> None:
        guard = await in_force(emit)
        guard.reconfigure(config(enabled=False))
        await guard.close(remove=False)
        assert door.tables() == ""

    asyncio.run(story())


@pytest.mark.usefixtures("killed_too_late")
def test_rules_of_the_last_configuration_stay_whatever_nft_is_still_at(door: Door) -> None:
    door.hold("inet")

    async def story() -> None:
        guard = SourceGuard(config())
        guard.start(Collector())
        await door.held()
        door.open()
        for changed in (config(enabled=False), config(isolate=True), config(enabled=False), config(isolate=True)):
            guard.reconfigure(changed)
        await until(lambda: guard.counters["guard.loads"] == 1, PATIENCE)
        await door.ended()
        assert "goto isolated" in door.ns.run(f"{NFT} list table inet sroamd-guard")
        await guard.close(remove=False)

    asyncio.run(story())


KEPT = {
    "inet": "IP packets of stations are checked by rules that could not be loaded anew: Out of memory",
    "arp": "ARP of stations is checked by rules that could not be loaded anew: Out of memory",
}
GONE = {
    "inet": "IP packets of stations are not checked: Out of memory",
    "arp": "ARP of stations is not checked: Out of memory",
}
ALICE, BOB = Mac.parse("02:00:00:00:00:0a"), Mac.parse("02:00:00:00:00:0b")


def permits(station: Mac) -> list[Permit]:
    """To be here, and its addresses."""
    last = station[-1]
    prefixes = (None, IPv4Network((f"192.0.2.{last}", 32)), IPv6Network((f"2001:db8:44:{last}::", 64)))
    return [Permit("wlan0", station, prefix) for prefix in prefixes]


async def in_force(emit: Collector) -> SourceGuard:
    """One whose first load is over."""
    guard = SourceGuard(config())
    guard.start(emit)
    await emit.first(GuardListed, PATIENCE)
    return guard


def let_in(guard: SourceGuard, station: Mac) -> None:
    guard.apply([AddPermit(permit) for permit in permits(station)])


def let_out(guard: SourceGuard, station: Mac) -> None:
    guard.apply([RemovePermit(permit) for permit in permits(station)])


def elements(door: Door) -> dict[tuple[str, str], int]:
    """(set, MAC of a station) -> how many elements the kernel has of that station."""
    listed = [one["set"] for one in json.loads(door.ns.run(f"{NFT} -j list sets"))["nftables"] if "set" in one]
    wanted = {(NAMES[family], name) for family, names in SETS.items() for name in names}
    found = Counter[tuple[str, str]]()
    for one in listed:
        if (one["family"], one["name"]) in wanted:
            found.update((f"{one['family']} {one['name']}", each["concat"][1]) for each in one.get("elem", []))
    return dict(found)


def expected(*stations: Mac) -> dict[tuple[str, str], int]:
    one_each = ("inet stations", "inet ipv4", "inet ipv6", "inet nd_macs", "arp stations")
    two_each = ("inet nd_targets", "arp senders")
    counted = [*((name, 1) for name in one_each), *((name, 2) for name in two_each)]
    return {(name, str(station)): number for name, number in counted for station in stations}


def test_refused_change_is_not_taken_for_the_answer_to_the_next(door: Door) -> None:
    """Of each refused set there is an answer."""

    async def story() -> None:
        emit = Collector()
        guard = await in_force(emit)
        let_out(guard, ALICE)
        assert guard.counters["guard.refused"] == 1
        let_in(guard, ALICE)
        assert guard.counters["guard.refused"] == 1
        await guard.close(remove=True)

    asyncio.run(story())


@pytest.mark.parametrize("family", ["inet", "arp"])
@pytest.mark.parametrize("blow", ["flush chain inet sroamd-guard prerouting", "flush ruleset"])
def test_permits_that_come_and_go_while_nft_works_are_as_the_core_said_last(door: Door, family: str, blow: str) -> None:
    """Alice goes; Bob comes; who comes and goes again is not there, who goes and comes again is."""
    carol, dave = Mac.parse("02:00:00:00:00:0c"), Mac.parse("02:00:00:00:00:0d")
    emit = Collector()

    async def story() -> None:
        guard = await in_force(emit)
        for station in (ALICE, dave):
            let_in(guard, station)
        assert elements(door) == expected(ALICE, dave)
        door.hold(family)
        door.ns.run(f"{NFT} {blow}")
        await door.held()
        let_out(guard, ALICE)
        for station in (BOB, carol):
            let_in(guard, station)
        let_out(guard, dave)
        let_out(guard, carol)
        let_in(guard, dave)
        door.let_go()
        await until(lambda: len(emit.of(GuardListed)) == 2, PATIENCE)
        assert elements(door) == expected(BOB, dave)
        assert emit.events[-1] == GuardListed(frozenset(permits(BOB) + permits(dave)), None)
        await guard.close(remove=True)

    asyncio.run(story())


@pytest.mark.parametrize(
    "blow",
    [
        "add chain inet sroamd-guard other",
        "flush set inet sroamd-guard stations",
        "flush set arp sroamd-guard senders",
        "flush chain arp sroamd-guard input",
    ],
)
def test_permits_go_on_where_rules_that_are_in_force_cannot_be_loaded_anew(door: Door, blow: str) -> None:
    """nft fails after a first good load: the kernel still drops whoever is not permitted."""
    emit = Collector()

    async def story() -> None:
        guard = await in_force(emit)
        let_in(guard, ALICE)
        door.shut()
        door.ns.run(f"{NFT} {blow}")
        await until(lambda: len(emit.of(GuardListed)) == 2, PATIENCE)
        assert emit.events[-1] == GuardListed(frozenset(permits(ALICE)), f"{KEPT['inet']}; {KEPT['arp']}")
        let_in(guard, BOB)
        assert elements(door) == expected(ALICE, BOB)
        let_out(guard, ALICE)
        assert elements(door) == expected(BOB)
        door.open()
        await until(lambda: guard.counters["guard.loads"] == 3, PATIENCE)
        assert emit.events[-1] == GuardListed(frozenset(permits(BOB)), None)
        assert elements(door) == expected(BOB)
        await guard.close(remove=True)

    asyncio.run(story())


def test_permits_that_come_and_go_while_nft_fails_are_as_the_core_said_last(door: Door) -> None:
    emit = Collector()

    async def story() -> None:
        guard = await in_force(emit)
        let_in(guard, ALICE)
        door.hold("inet", code=1)
        door.ns.run(f"{NFT} flush set inet sroamd-guard stations")
        await door.held()
        let_in(guard, BOB)
        let_out(guard, ALICE)
        door.let_go()
        await until(lambda: len(emit.of(GuardListed)) == 2, PATIENCE)
        assert elements(door) == expected(BOB)
        await guard.close(remove=True)

    asyncio.run(story())


def test_table_of_a_former_process_goes_on_where_nft_fails_from_the_start(door: Door) -> None:
    """The former's permits are still there, and the core hears of them."""

    async def former() -> None:
        emit = Collector()
        guard = await in_force(emit)
        let_in(guard, ALICE)
        await guard.close(remove=False)

    async def story() -> None:
        emit = Collector()
        guard = SourceGuard(config())
        guard.start(emit)
        let_in(guard, BOB)
        assert elements(door) == expected(ALICE, BOB), "nobody waits for nft"
        heard = await emit.first(GuardListed, PATIENCE)
        assert heard == GuardListed(frozenset(permits(ALICE) + permits(BOB)), f"{KEPT['inet']}; {KEPT['arp']}")
        let_out(guard, ALICE)
        assert elements(door) == expected(BOB)
        await guard.close(remove=True)

    asyncio.run(former())
    door.shut()
    asyncio.run(story())


@pytest.mark.parametrize(
    ("changed", "problem", "left"),
    [
        (config("wlan1"), f"{GONE['inet']}; {GONE['arp']}", ""),
        (config(isolate=True), f"{GONE['inet']}; {KEPT['arp']}", "table arp sroamd-guard\n"),  # ARP knows no isolation
    ],
    ids=["interfaces", "isolate"],
)
@pytest.mark.parametrize("restarted", [False, True])
def test_rules_of_another_configuration_go_where_their_successors_cannot_be_loaded(
    door: Door, changed: Config, problem: str, left: str, restarted: bool
) -> None:
    """So that what is said is true: stations are served, and not checked."""

    async def story() -> None:
        emit = Collector()
        guard = await in_force(emit)
        let_in(guard, ALICE)
        door.shut()
        if restarted:
            await guard.close(remove=False)
            guard = SourceGuard(changed)
            guard.start(emit)
        else:
            guard.reconfigure(changed)
        await until(lambda: len(emit.of(GuardListed)) == 2, PATIENCE)
        assert emit.events[-1] == GuardListed(frozenset(), problem)
        assert door.tables() == left
        let_in(guard, BOB)
        door.open()
        await until(lambda: guard.counters["guard.loads"] == (1 if restarted else 2) + 1, PATIENCE)
        assert set(expected(BOB)) <= set(elements(door))
        await guard.close(remove=True)

    asyncio.run(story())


def test_table_that_lacks_sets_goes_where_nft_fails(door: Door) -> None:
    emit = Collector()

    async def story() -> None:
        guard = await in_force(emit)
        let_in(guard, ALICE)
        door.shut()
        door.ns.run(f"{NFT} flush table arp sroamd-guard; delete set arp sroamd-guard senders")
        await until(lambda: len(emit.of(GuardListed)) == 2, PATIENCE)
        assert door.tables() == "table inet sroamd-guard\n"
        let_in(guard, BOB)
        assert emit.events[-1] == GuardListed(frozenset(permits(ALICE)), f"{KEPT['inet']}; {GONE['arp']}")
        assert elements(door) == {key: n for key, n in expected(ALICE, BOB).items() if key[0].startswith("inet ")}
        await guard.close(remove=True)

    asyncio.run(story())


def test_core_may_go_on_where_netfilter_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError(errno.EPROTONOSUPPORT, "Protocol not supported")

    monkeypatch.setattr(io_guard, "_open", refuse)
    emit = Collector()

    async def story() -> None:
        guard = SourceGuard(config())
        guard.start(emit)
        assert emit.events == [GuardListed(frozenset(), "netfilter cannot be reached: Protocol not supported")]
        let_in(guard, ALICE)
        let_out(guard, ALICE)
        await guard.close(remove=True)

    asyncio.run(story())
