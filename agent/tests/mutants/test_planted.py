"""The list of bugs stays true to the code: each of them still has its place. `make planted` shows what finds them."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from tests.mutants.plant import AGENT, Bug, judge, planted
from tests.mutants.planted import BUGS

SOURCE = AGENT / "src" / "sroamd"


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_bug_can_be_planted_and_has_tests(bug: Bug) -> None:
    ast.parse(planted((SOURCE / bug.file).read_text(), bug))
    assert bug.tests
    assert all((AGENT / "tests" / test.partition("::")[0]).is_file() for test in bug.tests)


def test_names_are_unique_and_there_are_thirty_and_more() -> None:
    names = [bug.name for bug in BUGS]
    assert len(set(names)) == len(names) >= 30


def test_every_defect_of_the_c_daemon_that_a_core_can_have_is_among_them() -> None:
    assert {bug.defect for bug in BUGS} >= {f"M{number}" for number in range(1, 12)}


def test_bug_that_is_none_is_not_found(tmp_path: Path) -> None:
    """So that "found" means something: the tests pass when nothing is wrong."""
    shutil.copytree(AGENT, tmp_path / "agent", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    none = Bug("none", "", "core/seqno.py", "HALF = 1 << 15\n", "HALF = 1 << 15 \n", ("core/test_seqno.py",))
    assert judge(tmp_path, none).found_by is None
