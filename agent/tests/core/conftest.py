"""Fixtures of the core's tests."""

from __future__ import annotations

import pytest

from sroamd import constants
from tests.core.harness import ALICE, BOB, Lab


@pytest.fixture
def lab() -> Lab:
    """One node, Alice and Bob there."""
    lab = Lab()
    lab.join(1, ALICE)
    lab.join(1, BOB)
    return lab


@pytest.fixture
def no_database_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few data are compared as ninety thousand would be."""
    monkeypatch.setattr(constants, "SUMMARY_MIN", 0)
