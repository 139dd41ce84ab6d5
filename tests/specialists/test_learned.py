"""The learned router, the posteriors, their calibration, and what is kept on disk."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.routing.learning import evaluate, train
from specialists.registry import Card
from specialists.routing import (
    Ask,
    Embedder,
    LearnedModel,
    LearnedScorer,
    PlainRouter,
    Posterior,
    PosteriorScorer,
    WinnerTakeAll,
)
from specialists.routing.calibration import brier, expected_calibration_error, reliability
from specialists.routing.calllog import Example
from specialists.routing.stored import newest, save
from state import UsageError

CARDS = [Card(name=n, description=n, domain=n) for n in ("math", "code", "explain")]
WORDS = {"math": "sum", "code": "python", "explain": "why"}


class Words(Embedder):
    """Which of three words a text has, and a little of its length."""

    def embed(self, texts: Sequence[str]) -> Any:
        rows = [[*(float(w in t) for w in WORDS.values()), 0.01 * (len(t) % 7)] for t in texts]
        found = np.array(rows, dtype=np.float32).reshape(len(texts), 4)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)


def log(problems: int = 30, classes: int = 3) -> list[Example]:
    """Each specialist is verified on its own word, and fails on the next one's."""
    found = []
    for k in range(problems):
        for n, card in enumerate(CARDS[:classes]):
            text = f"{WORDS[card.name]} {'x' * (k % 5)}"
            found.append(Example(text, card.name, True, f"p{k}"))
            found.append(Example(text, CARDS[(n + 1) % classes].name, False, f"p{k}"))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 3])
def test_the_stored_arrays_say_what_scikit_learn_says(classes: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 6)).astype(np.float32)
    y = (x[:, :classes] + rng.normal(scale=0.7, size=(150, classes))).argmax(axis=1)
    names = np.array(["a", "b", "c"])[y]
    problems = [f"p{k // 3}" for k in range(150)]
    model = LearnedModel.fit(x, names.tolist(), problems)

    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    splits = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(x, y, problems)
    reference = CalibratedClassifierCV(
        LogisticRegression(C=10.0, max_iter=2000), method="temperature", cv=list(splits),
        ensemble=False,
    ).fit(x, y)  # fmt: skip
    assert model.probabilities(x) == pytest.approx(reference.predict_proba(x), abs=1e-6)
    again = LearnedModel.restore(model.state())
    assert (again.probabilities(x) == model.probabilities(x)).all()


def test_too_little_to_learn_from_is_refused() -> None:
    x = np.zeros((60, 2), dtype=np.float32)
    many = [f"p{k}" for k in range(60)]
    with pytest.raises(UsageError, match="49 verified outcomes are too few"):
        LearnedModel.fit(x[:49], ["a"] * 49, many[:49])
    with pytest.raises(UsageError, match="come from 1 problems"):
        LearnedModel.fit(x, ["a", "b"] * 30, ["p"] * 60)
    with pytest.raises(UsageError, match="all outcomes are a's"):
        LearnedModel.fit(x, ["a"] * 60, many)
    with pytest.raises(UsageError, match="it needs 50"):
        LearnedScorer(LearnedModel(["a"], np.zeros((2, 1)), np.zeros(1), 1.0, 3))


@pytest.mark.slow
def test_a_router_trained_from_the_log_routes_and_is_versioned(tmp_path: Path) -> None:
    made = train(log(), CARDS, Words(), tmp_path)
    assert [(m.kind, m.number) for m in made] == [("learned", 1), ("posterior", 1)]
    assert made[0].figures["accuracy"] > 0.95 > 0.5 > made[0].figures["base_rate"]
    assert [m.number for m in train(log(), CARDS, Words(), tmp_path)] == [2, 2]
    stored = newest(tmp_path, "learned").check(CARDS)
    scorer = LearnedScorer(LearnedModel.restore(stored.state), Words())
    stranger = Card(name="new", description="new", domain="new")
    scores = asyncio.run(scorer.score(["python xx", "why"], [*CARDS, stranger]))
    assert scores.argmax(axis=1).tolist() == [1, 2]
    assert np.exp(scores[:, :3]).sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert (scores[:, 3] < -13).all()
    with pytest.raises(UsageError, match="learned router 2 is stale, the fleet has changed"):
        stored.check(CARDS[:2])
    (tmp_path / "learned-3.npz").write_bytes(b"broken")
    with pytest.raises(UsageError, match="is no learned router"):
        newest(tmp_path, "learned")


def test_only_verified_outcomes_of_the_present_fleet_are_learned(tmp_path: Path) -> None:
    failed = [e for e in log(60) if not e.verified]
    with pytest.raises(UsageError, match="0 verified outcomes"):
        train(failed, CARDS, Words(), tmp_path)
    with pytest.raises(UsageError, match="0 verified outcomes"):
        train(log(), [Card(name="other", description="x", domain="x")], Words(), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_evaluation_never_trains_on_the_problem_it_judges() -> None:
    """Labels are noise that is the same within a problem: only leaking could beat chance."""
    rng = np.random.default_rng(3)
    rows = []
    for k in range(60):
        name = CARDS[int(rng.integers(3))].name
        rows += [Example(f"{'x' * k} {n}", name, True, f"p{k}") for n in range(3)]

    class Same(Embedder):
        def embed(self, texts: Sequence[str]) -> Any:
            found = np.random.default_rng(0).normal(size=(60, 16))
            rows = np.array([found[t.count("x")] for t in texts], dtype=np.float32)
            return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    judged = evaluate(rows, CARDS, Same())[0]
    assert judged.accuracy < 0.6
    assert judged.brier > 0.5


def test_the_posterior_counts_and_falls_back_to_its_prior() -> None:
    vectors = Words().embed(["sum", "sum", "sum", "python"])
    made = Posterior.fit(vectors, ["math", "math", "code", "code"], [True, True, False, True])
    found = made.mean(Words().embed(["sum", "python", "why"]), ["math", "code", "explain"])
    assert found[0] == pytest.approx([3 / 4, 1 / 3, 1 / 2])
    assert found[1] == pytest.approx([1 / 2, 2 / 3, 1 / 2])
    assert found[2] == pytest.approx([1 / 2] * 3)
    routed = PlainRouter(PosteriorScorer(made, Words()), WinnerTakeAll())
    cards = [c for c in CARDS if c.name in ("math", "code")]
    first, last = asyncio.run(routed.route([Ask(task="sum"), Ask(task="why")], cards))
    assert first.records == {"math": (3.0, 1.0), "code": (1.0, 2.0)}
    assert last.records == {"math": (1.0, 1.0), "code": (1.0, 1.0)}
    again = Posterior.restore(made.state())
    assert (again.parameters(vectors, ["math"]) == made.parameters(vectors, ["math"])).all()


def test_thompson_samples_explore_and_are_the_same_for_the_same_seed() -> None:
    tasks = [f"sum {'x' * k}" for k in range(200)]
    vectors = Words().embed(["sum"] * 12)
    made = Posterior.fit(vectors, ["math"] * 12, [True] * 8 + [False] * 4)
    first = asyncio.run(PosteriorScorer(made, Words()).score(tasks, CARDS))
    assert (first == asyncio.run(PosteriorScorer(made, Words()).score(tasks, CARDS))).all()
    assert (first != asyncio.run(PosteriorScorer(made, Words(), seed=1).score(tasks, CARDS))).any()
    assert first[:, 0].mean() == pytest.approx(9 / 14, abs=0.03)
    shares = np.bincount(first.argmax(axis=1), minlength=3) / 200
    assert shares[0] > shares[1] > 0.1


def test_brier_and_calibration_error_by_hand() -> None:
    stated = np.array([[0.9, 0.1], [0.6, 0.4]])
    assert brier(stated, np.array([0, 1])) == pytest.approx((0.02 + 0.72) / 2)
    sure, right = np.array([0.95, 0.95, 0.55, 0.55]), np.array([True, False, True, False])
    assert expected_calibration_error(sure, right) == pytest.approx((0.45 * 2 + 0.05 * 2) / 4)
    assert [(b.count, b.accuracy) for b in reliability(sure, right)] == [(2, 0.5), (2, 0.5)]
    assert np.isnan(brier(stated[:0], np.array([], dtype=int)))
    assert np.isnan(expected_calibration_error(sure[:0], right[:0]))


def test_versions_are_counted_by_kind(tmp_path: Path) -> None:
    assert save(tmp_path, "a", CARDS, {}, {}).number == 1
    assert save(tmp_path, "b", CARDS, {}, {}).number == 1
    assert save(tmp_path, "a", CARDS, {"x": np.ones(2)}, {"n": 1}).number == 2
    assert newest(tmp_path, "a").figures == {"n": 1}
    with pytest.raises(UsageError, match="there is no c router yet"):
        newest(tmp_path, "c")
