"""The command line: what it refuses, and how it says so."""

from __future__ import annotations

import pytest

from lab.__main__ import main
from lab.errors import LabError, execute


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for command in ("create", "destroy", "status", "shell", "off", "on", "image", "preflight"):
        assert f"\n    {command}" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["create", "--prefix", "Not Ok"], "prefix 'Not Ok'"),
        (["create", "--aps", "0"], "at most"),
        (["destroy", "--prefix", "../etc"], "not a lab prefix"),
        (["shell", "--prefix", "nosuch", "ap1"], "no lab named nosuch"),
    ],
    ids=["prefix", "count", "escape", "absent"],
)
def test_a_mistake_is_told_in_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_failing_command_is_quoted_with_its_own_words() -> None:
    with pytest.raises(LabError, match=r"sh -c echo reason >&2; exit 3: exit status 3\nreason"):
        execute(["sh", "-c", "echo reason >&2; exit 3"])


def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(LabError, match="command not found: no-such-program"):
        execute(["no-such-program"])


def test_a_command_that_hangs_is_given_up() -> None:
    with pytest.raises(LabError, match=r"still running after 0\.05 s"):
        execute(["sleep", "5"], timeout=0.05)
