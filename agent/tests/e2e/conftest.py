"""One fleet for all end-to-end tests: three access points deployed by the playbook that operators use.

Each test begins and ends with a fleet that is well and of one mind; what a test breaks, it repairs. Where a test fails,
the journals of its time are in .reports/e2e/, and their ends in the test's report. E2E_KEEP=1 leaves the fleet up, and
takes the one that is up already, for whoever writes tests; it is another than that of complete runs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from lab.cache import CACHE, exclusively
from lab.deploy import REPOSITORY, run_playbook
from lab.errors import LabError
from lab.inventory import write_inventory
from lab.lab import Lab
from lab.topology import fleet as topology_of
from tests.e2e.cell import ACCOMPLICE_MAC, ATTACKER_MAC, CROWD_MACS, NEWCOMER_MAC, Cell
from tests.e2e.cell import cell as set_up_cell
from tests.e2e.fleet import APS, MEASURED, OUTSIDER, Fleet

KEEP = bool(os.environ.get("E2E_KEEP"))
PREFIX = "e2ekeep" if KEEP else "e2e"
LOGS = REPOSITORY / ".reports" / "e2e"
UNITS = ("sroamd", "hostapd", "babeld")
_TAIL = 40  # lines of a journal in the test's own report


@pytest.fixture(scope="session")
def deployed() -> Iterator[Fleet]:
    """The fleet, set up once. Gone afterwards, whatever happens. A second run on this machine waits for the first."""
    with exclusively(CACHE / "locks" / "e2e-session"):
        yield from _fleet()


def _fleet() -> Iterator[Fleet]:
    lab = Lab(topology_of(prefix=PREFIX, aps=len(APS), stations=OUTSIDER, spokes=True))
    fleet = Fleet(lab)
    try:
        if not (KEEP and _is_up(lab)):
            _deploy(lab)
        fleet.wait_until_well(within=60)
        yield fleet
    finally:
        fleet.close()
        if not KEEP:
            lab.destroy()


@pytest.fixture
def fleet(deployed: Fleet) -> Iterator[Fleet]:
    """The fleet, well before the test and after it."""
    deployed.wait_until_well()
    yield deployed
    deployed.wait_until_well()


def _is_up(lab: Lab) -> bool:
    try:
        return Lab.running(PREFIX).topology == lab.topology and all(lab.is_on(ap) for ap in APS)
    except LabError:
        return False


def _deploy(lab: Lab) -> None:
    lab.create()
    inventory = lab.state / "inventory.json"
    write_inventory(inventory, lab)
    run_playbook("site.yml", inventory)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the access points have logged since the test began to the report of its failure."""
    report = yield
    fleet = getattr(item, "funcargs", {}).get("fleet")
    if report.failed and isinstance(fleet, Fleet):
        began = call.start if report.when == "setup" else item.stash.get(_BEGAN, call.start)
        for title, text in _journals(fleet, item.name, began):
            report.sections.append((title, text))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if MEASURED:
        terminalreporter.section("measured")
        for line in MEASURED:
            terminalreporter.write_line(line)


_BEGAN: pytest.StashKey[float] = pytest.StashKey()


def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_BEGAN] = time.time()


def _journals(fleet: Fleet, test: str, since: float) -> Iterator[tuple[str, str]]:
    directory = LOGS / test.replace("/", "_")
    directory.mkdir(parents=True, exist_ok=True)
    for ap in APS:
        for unit in UNITS:
            try:
                text = fleet.run(
                    ap,
                    "journalctl",
                    "--quiet",
                    "--no-pager",
                    f"--unit={unit}",
                    f"--since=@{since:.3f}",
                    "-oshort-precise",
                )
            except LabError as error:
                text = f"no journal: {error}\n"
            Path(directory, f"{ap}-{unit}.log").write_text(text)
            if text:
                yield f"{unit} on {ap}", "\n".join(text.splitlines()[-_TAIL:])


@pytest.fixture(scope="session")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cell]:
    """One access point for all attacks, set up once, in network namespaces of its own: seconds, and no fleet."""
    with set_up_cell(tmp_path_factory.mktemp("cell")) as made:
        # Before anything else: the wired driver takes whoever sends DHCP for a station, until there are 2007 of them.
        made.join(ATTACKER_MAC, ACCOMPLICE_MAC, NEWCOMER_MAC, *CROWD_MACS)
        yield made
