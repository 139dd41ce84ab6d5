"""Embeddings kept beside the beads: made once, renewed when a text changes, searched exactly."""

from __future__ import annotations

import numpy as np
import pytest

from state import BeadStore
from state import vectors as module
from state.vectors import INSIGHTS, Vectors
from tests.state.clock import Clock
from tests.state.words import WordEmbedding


def test_each_bead_is_embedded_once_and_again_when_its_text_changes(
    store: BeadStore, clock: Clock
) -> None:
    bead = store.create("step", "count the apples", run_id="r")
    words = WordEmbedding()
    assert Vectors(store, words).sync("r") == 1
    clock.advance(1)
    store.close(bead.id)
    assert Vectors(store, words).sync("r") == 0
    assert words.texts == ["count the apples"]
    clock.advance(1)
    store.update(bead.id, title="count the pears")
    again = Vectors(store, words)
    assert again.sync("r") == 1
    assert again.search(again.embed("pears"), ["r"], 1)[0][0] == bead.id
    assert again.search(again.embed("pears"), ["r"], 1)[0][1] > 0.4


def test_a_search_sees_its_scopes_only_and_nothing_quiet(store: BeadStore) -> None:
    mine = store.create("step", "red apples", run_id="r")
    store.create("step", "red apples", run_id="other")
    store.create("decision", "red apples", run_id="r", labels=["quiet"])
    lesson = store.create("insight", "red apples rot", run_id="other")
    vectors = Vectors(store, WordEmbedding())
    for scope in ("r", INSIGHTS):
        vectors.sync(scope)
    query = vectors.embed("red apples")
    assert [id for id, _ in vectors.search(query, ["r"], 9)] == [mine.id]
    assert [id for id, _ in vectors.search(query, ["r", INSIGHTS], 9)] == [mine.id, lesson.id]


def test_what_this_process_writes_later_is_found_after_touch(store: BeadStore) -> None:
    vectors = Vectors(store, WordEmbedding())
    vectors.sync(INSIGHTS)
    late = store.create("insight", "apples rot")
    assert vectors.sync(INSIGHTS) == 0
    vectors.touch([late.id], INSIGHTS)
    assert vectors.sync(INSIGHTS) == 1
    assert [id for id, _ in vectors.search(vectors.embed("apples"), [INSIGHTS], 9)] == [late.id]


@pytest.mark.slow
def test_the_shortlist_finds_what_a_full_search_finds(
    store: BeadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    nouns = [
        "apple",
        "pear",
        "plum",
        "fig",
        "nut",
        "rice",
        "corn",
        "oat",
        "rye",
        "bean",
        "pea",
        "leek",
    ]
    rng = np.random.default_rng(0)
    for _ in range(300):
        store.create("step", " ".join(rng.choice(nouns, 4)), run_id="r")
    full = Vectors(store, WordEmbedding())
    full.sync("r")
    query = full.embed("ripe fig and plum")
    expected = full.search(query, ["r"], 5)
    monkeypatch.setattr(module, "SHORTLIST", 60)
    short = Vectors(store, WordEmbedding())
    assert [s for _, s in short.search(query, ["r"], 5)] == [s for _, s in expected]


def test_another_embedder_shares_no_vectors(store: BeadStore) -> None:
    store.create("step", "count", run_id="r")
    assert Vectors(store, WordEmbedding()).sync("r") == 1
    other = WordEmbedding()
    other.name = "others"
    assert Vectors(store, other).sync("r") == 1
