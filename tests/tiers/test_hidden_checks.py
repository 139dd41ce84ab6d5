"""No hidden check can reach a prompt: neither by type nor in what a run leaves behind."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from eval import Problem, get
from harness import engine, routing, wiring
from harness.report import RunOptions
from state import BeadStore, Ledger, database_url
from state.compaction import compact
from tests.harness.memory_runs import CHAT, PLAN, Lab, chat, garden, prompts
from tests.oracle import CARDS, OracleBackend, by_form
from tests.state.words import WordEmbedding
from tiers.protocol import Check, Task

pytestmark = pytest.mark.slow

SENTINEL = 918273645


def test_a_task_has_no_field_for_hidden_checks() -> None:
    problem = get("pocket-code", "7")
    assert problem.hidden_checks
    assert set(Task.model_fields) == {
        "id", "kind", "statement", "entry_point", "signature", "public_checks",
    }  # fmt: skip
    hidden = json.dumps([c.model_dump() for c in problem.hidden_checks])
    assert hidden not in problem.task().model_dump_json()


def test_a_run_never_shows_a_hidden_check_to_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    backend = OracleBackend(fault=lambda request, text: "def f(xs):\n    return 0")

    async def open_backend(options: RunOptions) -> Any:
        return backend, CARDS

    monkeypatch.setattr(wiring, "open_backend", open_backend)
    monkeypatch.setattr(routing, "open_router", by_form)
    monkeypatch.setattr(wiring, "open_embedding", lambda embedder: WordEmbedding())
    public = {"entry_point": "f", "cases": [{"args": [[1]], "expected": 5}]}
    hidden = {"entry_point": "f", "cases": [{"args": [[SENTINEL]], "expected": SENTINEL}]}
    problem = Problem(
        id="secret", kind="code", statement="Write f(xs) for a list of numbers: return the sum.",
        entry_point="f", public_checks=(Check(kind="function", spec=public),),
        hidden_checks=(Check(kind="function", spec=hidden),), checker="function",
    )  # fmt: skip
    report = asyncio.run(engine.start(problem, RunOptions(), lambda e: None, stop=asyncio.Event()))
    assert report.verdict == "failed"
    assert report.calls >= 3
    assert report.reference_match is False
    store = BeadStore.open(database_url())
    assert len(Ledger(store).calls(report.run_id)) == report.calls
    asked = [m.content for r in backend.calls for m in r.messages]
    assert str(SENTINEL) not in "".join(asked)
    for bead in store.query(run_id=report.run_id):
        assert str(SENTINEL) not in bead.title + bead.body + json.dumps(bead.data)


def test_memory_carries_no_hidden_check_into_a_later_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    lab = Lab(monkeypatch)
    public = Check(kind="exact", spec={"expected": "34"})
    secret = Check(kind="exact", spec={"expected": str(SENTINEL)})
    problem = garden(checks=(public,)).model_copy(update={"hidden_checks": (secret,)})
    backend = chat(
        lambda prompt, request: PLAN if "Split the problem" in prompt
        else "34" if "That is not right" in prompt else "33"
    )  # fmt: skip
    for strategy in ("auto", "plan"):
        report = lab.run(problem, backend, CHAT, strategy=strategy)
        assert report.reference_match is False
        assert str(SENTINEL) not in "".join(prompts(backend))
    assert lab.beads(kind="insight")
    assert lab.beads(kind="routine")
    for bead in lab.beads():
        assert str(SENTINEL) not in bead.title + bead.body + json.dumps(bead.data)
    store = BeadStore.open(database_url())
    compact(store, report.run_id)
    summary = store.query(kind="insight", label="summary")
    assert str(SENTINEL) not in summary[0].body
