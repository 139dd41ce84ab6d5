"""Benchmarks still run, on next to nothing; what they measure is no matter for a test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("overhead", "--events", "8", "--rounds", "1"), '"bare_supersteps": 17'),
        (("beads", "--sizes", "600"), "| close of 100 |"),
        (("claims", "--beads", "32", "--rounds", "1"), '"beads": 32'),
        (("mixed", "--seconds", "1", "--each", "2"), "writes"),
        (("context", "--sizes", "400"), "400"),
    ],
)
def test_a_benchmark_runs(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{words[0]}", *words[1:]],
        cwd=ROOT, env={**os.environ, "HARNESS_HOME": str(tmp_path)}, capture_output=True, text=True,
        timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert says in done.stdout
