"""Fixtures of the core's tests."""

from __future__ import annotations

import pytest

from tests.core.harness import ALICE, BOB, Lab


@pytest.fixture
def lab() -> Lab:
    """One node, Alice and Bob there."""
    lab = Lab()
    lab.join(1, ALICE)
    lab.join(1, BOB)
    return lab
