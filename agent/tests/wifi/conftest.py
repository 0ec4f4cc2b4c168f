"""One virtual machine for all tests, and what its programs have said where one fails."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from lab.wifi.fleet import Fleet
from lab.wifi.vm import Vm
from tests.wifi.domain import Domain

_FIGURES: pytest.StashKey[list[str]] = pytest.StashKey()
_TAIL = 40  # lines of each program in the report of a failure


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    """Radios and a backbone; nothing runs on the access points yet."""
    with Vm() as vm:
        yield Fleet(vm, aps=3, stations=("phone", "other"))


@pytest.fixture(scope="module")
def domain(fleet: Fleet) -> Domain:
    """Everything runs, and the station is in."""
    return Domain(fleet)


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> list[str]:
    """Lines for the person who reads the run; under emulation they are good for comparison with each other only."""
    return request.config.stash.setdefault(_FIGURES, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in terminalreporter.config.stash.get(_FIGURES, []):
        terminalreporter.write_line(f"wifi: {line}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the ends of all logs to the report of a failure."""
    report = yield
    fleet = getattr(item, "funcargs", {}).get("fleet")
    if report.failed and isinstance(fleet, Fleet):
        programs = [(ap.name, program) for ap in fleet.aps for program in (ap.hostapd, ap.agent) if program]
        programs += [(name, each.supplicant) for name, each in fleet.stations.items() if each.supplicant]
        for name, program in programs:
            report.sections.append((f"{program.name} of {name}", "\n".join(program.log.splitlines()[-_TAIL:])))
    return report
