"""The runner of the models: what it takes for verified, and that no configuration says what its model does not know."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

MODELS = Path(__file__).parent / "model"

VERIFIED = """
State-vector 148 byte, depth reached 67, errors: 0
    23260 states, stored
"""
VIOLATED = """pan:1: assertion violated (value[0]==place) (at depth 19)
pan: wrote model.pml.trail
State-vector 148 byte, depth reached 19, errors: 1
"""


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`make model` runs it as a script, beside its table."""
    monkeypatch.syspath_prepend(str(MODELS))
    return importlib.import_module("check")


def configuration(check: ModuleType, found: str = "", steps: tuple[str, ...] = (), bitstate: bool = False) -> object:
    return check.Configuration("name", "associations", "", found=found, steps=steps, bitstate=bitstate)


def test_a_complete_search_without_an_error_verifies(check: ModuleType) -> None:
    sound = configuration(check)
    assert check.verdict_of(VERIFIED, sound) == "verified"
    assert check.is_expected(sound, "verified", ())


@pytest.mark.parametrize(
    "report",
    [
        "",
        "pan:1: max search depth too small\n" + VERIFIED,
        "error: max search depth too small\n" + VERIFIED,
        "pan: out of memory\n" + VERIFIED,
        VIOLATED,
    ],
    ids=["killed", "too deep", "too deep, said otherwise", "too large", "violated"],
)
def test_anything_else_does_not(check: ModuleType, report: str) -> None:
    sound = configuration(check)
    assert not check.is_expected(sound, check.verdict_of(report, sound), ())


def test_a_search_by_hashes_does_not_verify(check: ModuleType) -> None:
    assert check.verdict_of(VERIFIED, configuration(check, bitstate=True)) == "no error found"


def test_a_counterexample_is_expected_with_its_steps_in_their_order(check: ModuleType) -> None:
    broken = configuration(check, found="assertion violated", steps=("joins AP1", "claims"))
    verdict = check.verdict_of(VIOLATED, broken)
    assert check.is_expected(broken, verdict, ("station joins AP1", "AP1 claims (0,AP1)"))
    assert not check.is_expected(broken, verdict, ("AP1 claims (0,AP1)", "station joins AP1"))
    assert not check.is_expected(broken, check.verdict_of(VERIFIED, broken), ())


def test_every_option_of_a_configuration_is_one_of_its_model(check: ModuleType) -> None:
    known = {path.stem: set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", path.read_text())) for path in MODELS.glob("*.pml")}
    unknown = [
        (each.name, option)
        for each in check.CONFIGURATIONS
        for option in each.options.split()
        if option.partition("=")[0] not in known[each.model]
    ]
    assert unknown == []


def test_every_ablation_of_a_model_is_tried(check: ModuleType) -> None:
    ablations = {
        (path.stem, name)
        for path in MODELS.glob("*.pml")
        for name in re.findall(r"(?:ifn?def |defined\()((?:NO|POLL|FIX|EAGER|PUSH|TOLD)_[A-Z0-9_]+)", path.read_text())
    }
    tried = {(each.model, option) for each in check.CONFIGURATIONS for option in each.options.split()}
    assert ablations
    assert ablations - tried == set()


def test_names_are_told_apart(check: ModuleType) -> None:
    names = [each.name for each in check.CONFIGURATIONS]
    assert len(names) == len(set(names))
