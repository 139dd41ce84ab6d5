"""Compaction: a finished run's beads folded into a summary, nothing deleted."""

from __future__ import annotations

import pytest

from state import BeadStore, Runs, StopReason, UsageError
from state.compaction import compact
from state.context import pack
from state.vectors import Vectors
from tests.state.words import WordEmbedding


def finished(store: BeadStore) -> str:
    runs = Runs(store)
    run = runs.start("garden")
    root = store.create("epic", "garden", body="count the apples", run_id=run.id)
    step = store.create(
        "step", "apples in the tree", parent=root.id, run_id=run.id, status="closed",
        data={"artifact": "17"},
    )  # fmt: skip
    store.create(
        "outcome", "math: failed", parent=step.id, run_id=run.id, status="closed",
        body="the apples do not add up", surprise=0.4,
    )  # fmt: skip
    store.create(
        "outcome", "math: failed", parent=step.id, run_id=run.id, status="closed",
        body="the apples sing", surprise=3.0,
    )  # fmt: skip
    store.close(root.id, "verified: every step is closed")
    runs.finish(
        run.id, verdict="verified", reason=StopReason(kind="done", text="every step is closed")
    )
    return run.id


def test_a_run_becomes_a_summary_and_what_surprised_stays(store: BeadStore) -> None:
    run_id = finished(store)
    vectors = Vectors(store, WordEmbedding())
    vectors.sync(run_id)
    before = len(store.query(run_id=run_id))
    done = compact(store, run_id)
    assert (done.folded, done.kept) == (2, 1)
    assert len(store.query(run_id=run_id)) == before + 1
    summary = store.get(done.summary)
    assert summary.title == "garden: verified: every step is closed"
    assert "apples in the tree → 17" in summary.body
    assert "1 × the apples do not add up" in summary.body
    later = store.create("task", "apples of this year")
    text = pack(
        store, later.id, 500, count_tokens=len, vectors=Vectors(store, WordEmbedding())
    ).text
    assert "apples in the tree → 17" in text
    inside = store.create("step", "the apples do sing", run_id=run_id)
    text = pack(
        store, inside.id, 900, count_tokens=len, vectors=Vectors(store, WordEmbedding())
    ).text
    assert "the apples sing" in text
    assert "Tried: math: failed: the apples do not add up" not in text


def test_compacting_again_changes_nothing(store: BeadStore) -> None:
    run_id = finished(store)
    first = compact(store, run_id)
    beads = store.query(run_id=run_id)
    second = compact(store, run_id)
    assert (second.summary, second.folded, second.kept) == (first.summary, 0, first.kept)
    assert store.query(run_id=run_id) == beads


def test_an_unfinished_run_is_not_compacted(store: BeadStore) -> None:
    run = Runs(store).start("garden")
    with pytest.raises(UsageError, match="only a finished run"):
        compact(store, run.id)
