"""Training and evaluation of routers on the call log: verified outcomes only, split by problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.routing.predict import folds
from specialists.registry import Card
from specialists.routing import Embedder, LearnedModel, Posterior
from specialists.routing.calibration import Bin, brier, expected_calibration_error, reliability
from specialists.routing.calllog import Example
from specialists.routing.learned import check_enough, keep_learnable
from specialists.routing.stored import Stored, save
from state import UsageError


@dataclass(frozen=True)
class Judged:
    """Evaluation of a router on problems that it was not trained on."""

    router: str
    examples: int
    problems: int
    brier: float
    """Brier score of all specialists' probabilities for ``learned``, of the probability of success
    for ``posterior``."""
    ece: float
    accuracy: float
    base_rate: float
    """Accuracy of always predicting the most frequent label."""
    bins: list[Bin]


def learnable(examples: Sequence[Example], cards: Sequence[Card]) -> list[Example]:
    """Verified outcomes of the present fleet, of specialists that have enough of them.

    Raises ``UsageError`` where there are too few outcomes to train a router.
    """
    names = {card.name for card in cards}
    won = [e for e in examples if e.verified and e.specialist in names]
    kept = keep_learnable([e.specialist for e in won], [e.problem for e in won])
    found = [won[k] for k in kept]
    check_enough([e.specialist for e in found], [e.problem for e in found])
    return found


def train(
    examples: Sequence[Example], cards: Sequence[Card], embedder: Embedder, folder: Path
) -> list[Stored]:
    """Train and store the next version of the learned router and of the posteriors.

    Raises ``UsageError`` with too little data.
    """
    won = learnable(examples, cards)
    figures = [_figures(one) for one in evaluate(examples, cards, embedder)]
    vectors = embedder.embed([e.task for e in won])
    model = LearnedModel.fit(vectors, [e.specialist for e in won], [e.problem for e in won])
    decided = _decided(examples, cards)
    posterior = Posterior.fit(
        embedder.embed([e.task for e in decided]), [e.specialist for e in decided],
        [e.verified for e in decided],
    )  # fmt: skip
    return [
        save(folder, "learned", cards, model.state(), figures[0]),
        save(folder, "posterior", cards, posterior.state(), figures[1]),
    ]


def evaluate(
    examples: Sequence[Example], cards: Sequence[Card], embedder: Embedder, seed: int = 0
) -> list[Judged]:
    """Both kinds of router by cross-validation over problems. Raises ``UsageError`` like
    :func:`train`."""
    return [_learned(learnable(examples, cards), embedder, seed),
            _posterior(_decided(examples, cards), embedder, seed)]  # fmt: skip


def _learned(won: Sequence[Example], embedder: Embedder, seed: int) -> Judged:
    vectors = embedder.embed([e.task for e in won])
    names = sorted({e.specialist for e in won})
    truth = np.array([names.index(e.specialist) for e in won])
    stated = np.zeros((len(won), len(names)))
    for inside, outside in _by_problem([e.problem for e in won], seed):
        model = LearnedModel.fit(
            vectors[inside], [won[k].specialist for k in inside], [won[k].problem for k in inside]
        )
        columns = np.array([names.index(name) for name in model.names])
        stated[np.ix_(outside, columns)] = model.probabilities(vectors[outside])
    top, hit = stated.max(axis=1), stated.argmax(axis=1) == truth
    return Judged(
        "learned", len(won), len({e.problem for e in won}), brier(stated, truth),
        expected_calibration_error(top, hit), float(hit.mean()),
        float(np.bincount(truth).max() / len(truth)), reliability(top, hit),
    )  # fmt: skip


def _posterior(decided: Sequence[Example], embedder: Embedder, seed: int) -> Judged:
    vectors = embedder.embed([e.task for e in decided])
    won = np.array([e.verified for e in decided])
    stated = np.zeros(len(decided))
    for inside, outside in _by_problem([e.problem for e in decided], seed):
        model = Posterior.fit(
            vectors[inside], [decided[k].specialist for k in inside], won[inside].tolist()
        )
        for k in outside.tolist():
            stated[k] = model.mean(vectors[k : k + 1], [decided[k].specialist])[0, 0]
    said = stated >= 0.5
    return Judged(
        "posterior", len(decided), len({e.problem for e in decided}),
        brier(np.stack([1 - stated, stated], axis=1), won.astype(np.int64)),
        expected_calibration_error(stated, won), float((said == won).mean()),
        float(max(won.mean(), 1 - won.mean())), reliability(stated, won),
    )  # fmt: skip


def _decided(examples: Sequence[Example], cards: Sequence[Card]) -> list[Example]:
    names = {card.name for card in cards}
    return [e for e in examples if e.specialist in names]


def _by_problem(
    problems: Sequence[str], seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(train, test) indices; no problem is in both. Raises ``UsageError`` for fewer than 5."""
    names = np.array(sorted(set(problems)))
    if len(names) < 5:
        raise UsageError(f"outcomes of {len(names)} problems cannot be split into 5 parts")
    of = np.searchsorted(names, list(problems))
    found = []
    for test in folds(len(names), seed):
        outside = np.isin(of, test)
        found.append((np.flatnonzero(~outside), np.flatnonzero(outside)))
    return found


def _figures(judged: Judged) -> dict[str, Any]:
    return {
        "examples": judged.examples, "problems": judged.problems, "brier": judged.brier,
        "ece": judged.ece, "accuracy": judged.accuracy, "base_rate": judged.base_rate,
    }  # fmt: skip
