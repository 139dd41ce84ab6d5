"""SIGKILL at random moments: a resumed run equals one that was never killed."""

from __future__ import annotations

import sys

import pytest

from scripts.kill_test import trial


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ten_kills_change_nothing() -> None:
    run = [sys.executable, "-m", "tests.harness.oracle_run"]
    result = trial(10, [*run, "horizon/16-3"], [*run, "resume"], seed=1, earliest=0.4)
    assert result["verdict"] == "verified"
    assert result["same"] == 10, result["different"]
