"""``harness bead context`` and ``harness bead compact``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import wiring
from state import BeadStore, Runs, StopReason, database_url
from tests.harness.conftest import Cli
from tests.state.words import WordEmbedding


@pytest.fixture
def store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BeadStore]:
    monkeypatch.setattr(wiring, "open_embedding", lambda embedder: WordEmbedding())
    store = BeadStore.open(database_url())
    yield store
    store.close_database()


def test_context_shows_the_pack_and_why_each_bead_is_in(cli: Cli, store: BeadStore) -> None:
    epic = store.create("epic", "paint the house")
    task = store.create("task", "paint the door", parent=epic.id)
    store.create("task", "sand the door")
    store.create("task", "feed cats")
    said = cli("bead", "context", task.id)
    assert said.code == 0
    assert said.out.startswith("Problem: paint the house\n")
    assert "sand the door" in said.out
    assert "feed cats" not in said.out
    said = cli("bead", "context", task.id, "--explain")
    assert "root objective" in said.out
    assert "relevance 0." in said.out
    assert "of 1024 tokens" in said.out
    pack = json.loads(cli("bead", "context", task.id, "--limit", "60", "--json").out)
    assert pack["tokens"] <= 60
    assert pack["entries"][0]["why"] == "root objective"
    assert "feed cats" in cli("bead", "context", task.id, "--recency").out


def test_context_counts_with_the_tokenizer_of_the_model_in_force(
    cli: Cli, store: BeadStore
) -> None:
    task = store.create("task", "x", body="1234 5678")
    entries = json.loads(cli("bead", "context", task.id, "--json").out)["entries"]
    digits = wiring.open_counter("local", None)("12345678")
    assert digits == 8
    assert entries[0]["tokens"] == wiring.open_counter("local", None)(entries[0]["line"])
    assert wiring.open_counter("openai", None)("abcdef") == 2


def test_compact_folds_a_finished_run_once(cli: Cli, store: BeadStore) -> None:
    runs = Runs(store)
    run = runs.start("p")
    root = store.create("epic", "p", run_id=run.id)
    store.create("step", "s", parent=root.id, run_id=run.id, status="closed")
    said = cli("bead", "compact", "--run", run.id)
    assert (said.code, "only a finished run" in said.err) == (2, True)
    store.close(root.id, "verified")
    runs.finish(run.id, verdict="verified", reason=StopReason(kind="done", text="done"))
    assert cli("bead", "compact", "--run", run.id).out.startswith("1 beads folded into hm-")
    assert json.loads(cli("bead", "compact", "--run", run.id, "--json").out)["folded"] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("context", "hm-none"), "unknown bead id 'hm-none'"),
        (("compact", "--run", "run-none"), "unknown run id 'run-none'"),
    ],
)
def test_what_is_unknown_is_refused_in_one_line(
    cli: Cli, store: BeadStore, words: tuple[str, ...], says: str
) -> None:
    said = cli("bead", *words)
    assert said.code == 2
    assert says in said.err
    assert said.err.count("\n") == 1
    bead = store.create("task", "x")
    assert "at least 1 token" in cli("bead", "context", bead.id, "--limit", "0").err
