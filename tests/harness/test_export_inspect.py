"""``harness export inspect``: logs that Inspect itself reads, with the scores of the run reports."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from eval import get
from harness import routing, wiring
from state import BeadStore, Ledger, Runs, database_url
from tests.harness.conftest import Cli
from tests.harness.exported_runs import WRONG, garden, solve, stories
from tests.oracle import OracleBackend, by_form, horizon_story
from tests.state.words import WordEmbedding
from tiers.protocol import Check


@pytest.fixture(autouse=True)
def _light(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "open_router", by_form)
    monkeypatch.setattr(wiring, "open_embedding", lambda embedder: WordEmbedding())


@pytest.mark.slow
def test_without_inspect_it_is_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    garden()
    monkeypatch.setitem(sys.modules, "inspect_ai", None)
    said = cli("export", "inspect", "-o", "logs")
    assert said.code == 4
    assert said.err == "error: export inspect needs inspect_ai: pip install 'hi-moe[inspect]'\n"
    assert not Path("logs").exists()


def test_the_logs_say_what_the_reports_say(cli: Cli) -> None:
    log = pytest.importorskip("inspect_ai.log")
    reports = stories()
    lost = solve(get("horizon", "8-1"), OracleBackend([horizon_story(8, 1)], lambda r, t: WRONG))
    again = solve(get("horizon", "4-1"), OracleBackend([horizon_story(4, 1)]))
    other = Check(kind="exact", spec={"expected": "another answer altogether"})
    refused = garden(hidden=(other,))[1]
    unscored = garden(name="garden/2", statement="Double the 17 apples of the garden.")[1]
    every = {r.run_id: r for r in (*reports, lost, again, refused, unscored)}
    said = cli("export", "inspect", "-o", "logs", "--json")
    assert said.code == 0, said.err
    written = {row["suite"]: row for row in json.loads(said.out)["logs"]}
    assert set(written) == {"horizon", "garden"}
    store = BeadStore.open(database_url())
    seen: dict[str, Any] = {}
    for suite, row in written.items():
        read = log.read_eval_log(row["file"])
        assert (read.status, read.eval.task, read.eval.model) == ("success", suite, "oracle")
        assert len(read.samples) == row["samples"] == read.results.total_samples
        for sample in read.samples:
            seen[sample.uuid] = sample
        for score in read.results.scores:
            marks = [s.scores[score.name].value for s in read.samples if score.name in s.scores]
            assert score.metrics["accuracy"].value == marks.count("C") / len(marks)
            assert score.scored_samples == len(marks)
        assert sum(s.model_usage["oracle"].total_tokens for s in read.samples) == (
            read.stats.model_usage["oracle"].total_tokens
        )
    assert set(seen) == set(every)
    for id, sample in seen.items():
        report, run, calls = every[id], Runs(store).get(id), Ledger(store).calls(id)
        assert sample.id == report.problem == run.problem_id
        assert sample.scores["verified"].value == ("C" if report.verdict == "verified" else "I")
        assert sample.scores["verified"].metadata["verdict"] == report.verdict
        match = sample.scores.get("reference")
        expected = {True: "C", False: "I", None: None}[report.reference_match]
        assert (match.value if match else None) == expected
        assert sample.output.completion == (report.answer or "")
        assert sample.model_usage["oracle"].total_tokens == report.tokens
        answers = [m for m in sample.messages if m.role == "assistant" and m.source == "generate"]
        assert [m.content for m in answers] == [c.response for c in calls]
        assert [m.metadata["specialist"] for m in answers] == [c.specialist for c in calls]
        assert sample.target == ""
        assert "another answer altogether" not in sample.model_dump_json()
        assert sample.metadata["stop_reason"] == report.stop_reason
    store.close_database()
    assert seen[again.run_id].epoch == 2
    assert len(log.list_eval_logs("logs")) == 2
    assert sorted(f.name for f in Path("logs").iterdir()) == ["garden.eval", "horizon.eval"]


def test_runs_are_chosen_and_those_under_way_left_out(cli: Cli) -> None:
    log = pytest.importorskip("inspect_ai.log")
    _, report = garden()
    store = BeadStore.open(database_url())
    begun = Runs(store).start("garden/2", problem_json='{"statement": "Wait."}')
    store.close_database()
    said = cli("export", "inspect", "-o", "logs", "--run", begun.id)
    assert (said.code, said.err) == (2, "error: nothing to export: none of the runs has ended\n")
    assert cli("export", "inspect", "-o", "logs").code == 0
    (sample,) = log.read_eval_log("logs/garden.eval").samples
    assert sample.uuid == report.run_id
    Path("file").write_text("x")
    said = cli("export", "inspect", "-o", "file")
    assert said.code == 2
    assert "--output file: cannot be written" in said.err
