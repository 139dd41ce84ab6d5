"""The ablation and the drift benchmark, end to end on the oracle."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import routing, wiring
from scripts.research import ablate_memory, benchmark_drift
from tests.oracle import CARDS, OracleBackend, by_form, horizon_story
from tests.state.words import WordEmbedding

pytestmark = pytest.mark.slow


@pytest.fixture
def oracle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OracleBackend:
    """The fleet that both scripts open."""
    backend = OracleBackend([horizon_story(4, k) for k in (1, 16)])

    async def open_backend(options: Any) -> Any:
        return backend, CARDS

    monkeypatch.setattr(wiring, "open_backend", open_backend)
    monkeypatch.setattr(routing, "open_router", by_form)
    monkeypatch.setattr(wiring, "open_embedding", lambda embedder: WordEmbedding())
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return backend


def test_the_ablation_writes_a_row_for_each_variant(
    oracle: OracleBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "ablate --suites horizon/4 --variants all none --first 1 --count 1 --out memory.md"
    monkeypatch.setattr(sys, "argv", words.split())
    ablate_memory.main()
    rows = json.loads((tmp_path / "memory.json").read_text())["horizon/4"]
    assert {name: r["correct"] for name, r in rows.items()} == {"all": 1, "none": 1}
    text = (tmp_path / "memory.md").read_text()
    assert "| horizon/4 | none | 1 of 1 |" in text
    assert "no more correct answers" in text


def test_mcnemar_counts_the_pairs_that_differ() -> None:
    assert ablate_memory.paired_p([True] * 5, [True] * 5) == 1.0
    assert ablate_memory.paired_p([True] * 6, [False] * 6) == pytest.approx(2 / 64)


def test_the_drift_benchmark_says_that_pocket_prompts_take_no_pack(
    oracle: OracleBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "drift --steps 4 --first 1 --count 1 --out drift.md --no-plot"
    monkeypatch.setattr(sys, "argv", words.split())
    benchmark_drift.main()
    cells = json.loads((tmp_path / "drift.json").read_text())["4"]
    assert [cells[v]["correct"] for v in benchmark_drift.VARIANTS] == [1, 1, 1]
    assert "nothing can differ" in (tmp_path / "drift.md").read_text()


def test_the_plot_is_the_same_for_the_same_table(tmp_path: Path) -> None:
    cell = {"problems": 4, "correct": 3, "low": 0.3, "high": 0.95}
    table = {s: dict.fromkeys(benchmark_drift.VARIANTS, cell) for s in ("8", "16")}
    for name in ("a.svg", "b.svg"):
        benchmark_drift.plot(table, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
