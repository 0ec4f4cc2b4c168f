"""What holds for the repository as a whole: its top level, its commands, what may stand in no file."""

from __future__ import annotations

import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

import sroamd

ROOT = Path(__file__).parents[2]

TOP_LEVEL = frozenset(
    ".ansible-lint .ci .gitignore .yamllint CHANGELOG.md LICENSE Makefile README.md agent docs inventory.example "
    "molecule playbooks roles".split()
)
MAX_FILE_BYTES = 1 << 20

# Written so that no pattern matches its own line.
FORBIDDEN = {
    "a package registry's host": r"pypi[.]org|python[h]osted|deb[.]debian[.]org|npmjs[.]|--(extra-)?index[-]url",
    "a path of somebody's machine": r"/home/[a-z]+/|pyen[v]/|/wor[k]/main|/wor[k]/shared",
    "work left open": r"\bTO[D]O\b|\bFIX[M]E\b|\bX[X]X\b|\bNotImplemented[E]rror\b",
    "a test that may not run": r"pytest\.(skip|xfail|importorskip)|mark\.(skip|xfail)|unittest\.skip",
}


@cache
def tracked() -> tuple[Path, ...]:
    # As root in another user's clone git refuses to read, unless told that this tree is safe.
    command = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files", "-z"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    return tuple(ROOT / name for name in names if name and (ROOT / name).is_file())


def lines_of(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except UnicodeDecodeError:
        return []


def test_top_level_holds_only_what_the_design_names() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} - TOP_LEVEL == set()


def test_no_file_is_large() -> None:
    assert [path for path in tracked() if path.stat().st_size > MAX_FILE_BYTES] == []


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_tracked_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in tracked()
        for number, line in enumerate(lines_of(path), 1)
        if pattern.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("a package registry's host", "https://files.python" + "hosted.org/packages"),
        ("a path of somebody's machine", "cd /home/" + "somebody/sroamd"),
        ("work left open", "# TO" + "DO: later"),
        ("a test that may not run", "@pytest.mark." + "skipif(True)"),
    ],
)
def test_the_patterns_find_what_they_are_for(what: str, line: str) -> None:
    assert re.search(FORBIDDEN[what], line)


def test_every_make_command_in_the_documents_is_a_target() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))
    documents = [path for path in tracked() if path.suffix == ".md"]
    named = {
        (path.name, target)
        for path in documents
        for target in re.findall(r"(?:`|^\s*(?:\$ )?)make ([a-z][a-z0-9-]*)", path.read_text(), re.MULTILINE)
    }
    assert named, "no document names a command"
    assert {(name, target) for name, target in named if target not in targets} == set()


def test_every_test_is_in_a_stage_and_every_stage_but_that_in_a_virtual_machine_in_make_test() -> None:
    makefile = (ROOT / "Makefile").read_text()
    variables = dict(re.findall(r"^(\w+) *:= (.+)$", makefile, re.MULTILINE))
    quick = [ROOT / path for path in variables["QUICK_TESTS"].split()]
    tests = [path for path in tracked() if re.fullmatch(r"test_.+\.py", path.name)]
    assert [path for path in tests if not any(parent in path.parents for parent in quick)] == []

    rules = re.findall(r"^(test-[a-z0-9]+):.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    stages = {name: stage for stage, lines in rules for name in re.findall(r"(?<= agent/tests/)\w+(?=\s)", lines)}
    assert stages.keys() == set(variables["OTHER_TESTS"].split())
    (run,) = re.findall(r"stages\.py (.+)", makefile)
    assert set(stages.values()) - set(run.split()) == {"test-wifi"}


def test_every_development_requirement_is_pinned() -> None:
    lines = [line for line in lines_of(ROOT / "agent/requirements-dev.txt") if not line.startswith("#")]
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)] == []


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "agent/pyproject.toml").read_text())["project"]
    assert project["version"] == sroamd.__version__
