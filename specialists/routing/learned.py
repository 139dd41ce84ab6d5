"""A learned router: multinomial logistic regression on task embeddings, calibrated.

The router is trained on verified outcomes alone: a task's label is the specialist whose answer
passed its checks. The regression is scikit-learn's; its temperature is fitted on folds that share
no problem (``CalibratedClassifierCV``; Guo et al. 2017, arXiv 1706.04599). Only three arrays are
stored, so routing needs neither scikit-learn nor unpickling.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from specialists.registry import Card
from specialists.routing.contract import Scores, check_fleet
from specialists.routing.embedder import Embedder, Vectors
from state import UsageError

MIN_EXAMPLES = 50
"""Least number of verified outcomes for training."""
MIN_PROBLEMS = 10
"""Least number of different problems among these outcomes."""
MIN_EACH = 5
"""Least number of problems on which a specialist must have been verified to be a class of its
own."""
FOLDS = 5
UNSEEN = 1e-6
"""Probability of a specialist that was never verified in the training data."""

Floats = NDArray[np.float64]


class LearnedModel:
    """softmax(beta · (vectors · weights + bias)) over specialists by name."""

    def __init__(
        self, names: Sequence[str], weights: Floats, bias: Floats, beta: float, examples: int
    ) -> None:
        """Set the parameters: ``weights`` (dimension, specialists), ``bias`` (specialists,)."""
        self.names, self.weights, self.bias = tuple(names), weights, bias
        self.beta, self.examples = beta, examples

    @classmethod
    def fit(
        cls, vectors: Vectors, labels: Sequence[str], problems: Sequence[str], seed: int = 0
    ) -> LearnedModel:
        """Train on (N, dimension) vectors; the calibration keeps all examples of a problem in one
        fold.

        Raises ``UsageError`` where there are too few examples.
        """
        check_enough(labels, problems)
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedGroupKFold

        names = sorted(set(labels))
        y = np.array([names.index(label) for label in labels])
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
        splits = list(folds.split(vectors, y, list(problems)))
        if any(len(set(y[train].tolist())) < len(names) for train, _ in splits):
            raise UsageError("the router cannot be calibrated: some fold lacks a specialist")
        fitted: Any = CalibratedClassifierCV(
            LogisticRegression(C=10.0, max_iter=2000),
            method="temperature",
            cv=splits,
            ensemble=False,
        ).fit(vectors, y)
        (one,) = fitted.calibrated_classifiers_
        weights, bias = one.estimator.coef_.T, one.estimator.intercept_
        if len(names) == 2:
            weights, bias = np.hstack([-weights, weights]), np.array([-bias[0], bias[0]])
        return cls(names, weights, bias, float(one.calibrators[0].beta_), len(labels))

    def probabilities(self, vectors: Vectors) -> Floats:
        """Probabilities (N, specialists of :attr:`names`)."""
        logits = self.beta * (vectors @ self.weights + self.bias)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        found: Floats = powers / powers.sum(axis=1, keepdims=True)
        return found

    def state(self) -> dict[str, Any]:
        """The parameters as arrays to store."""
        return {
            "names": np.array(self.names), "weights": self.weights, "bias": self.bias,
            "beta": np.array(self.beta), "examples": np.array(self.examples),
        }  # fmt: skip

    @classmethod
    def restore(cls, state: dict[str, Any]) -> LearnedModel:
        """The model from the arrays of :meth:`state`."""
        names = [str(n) for n in state["names"]]
        beta, examples = float(state["beta"]), int(state["examples"])
        return cls(names, state["weights"], state["bias"], beta, examples)


class LearnedScorer:
    """Scores are log-probabilities; a specialist that is not in the training data has a very low
    score."""

    def __init__(self, model: LearnedModel, embedder: Embedder | None = None) -> None:
        if model.examples < MIN_EXAMPLES:
            raise UsageError(
                f"the learned router has {model.examples} examples, it needs {MIN_EXAMPLES}"
            )
        self._model, self._embedder = model, embedder or Embedder()

    async def score(self, tasks: Sequence[str], cards: Sequence[Card]) -> Scores:
        """Scores (tasks, cards). Raises ``UsageError`` for an empty fleet."""
        check_fleet(cards)
        vectors = await asyncio.to_thread(self._embedder.embed, list(tasks))
        known = self._model.probabilities(vectors)
        column = {name: k for k, name in enumerate(self._model.names)}
        scores = np.full((len(tasks), len(cards)), np.log(UNSEEN))
        for k, card in enumerate(cards):
            if card.name in column:
                scores[:, k] = np.log(np.maximum(known[:, column[card.name]], UNSEEN))
        return scores


def check_enough(labels: Sequence[str], problems: Sequence[str]) -> None:
    """Raise ``UsageError`` where verified outcomes are too few, or all of one specialist."""
    if len(labels) < MIN_EXAMPLES:
        raise UsageError(
            f"{len(labels)} verified outcomes are too few to train a router: it needs "
            f"{MIN_EXAMPLES} (make more runs)"
        )
    if len(set(problems)) < MIN_PROBLEMS:
        raise UsageError(
            f"the outcomes come from {len(set(problems))} problems, a router needs {MIN_PROBLEMS}"
        )
    if len(set(labels)) < 2:
        raise UsageError(f"all outcomes are {labels[0]}'s: there is nothing to choose between")


def keep_learnable(labels: Sequence[str], problems: Sequence[str]) -> list[int]:
    """Indices of the examples whose specialist was verified on :data:`MIN_EACH` problems or more."""
    where: dict[str, set[str]] = {}
    for label, problem in zip(labels, problems, strict=True):
        where.setdefault(label, set()).add(problem)
    return [k for k, label in enumerate(labels) if len(where[label]) >= MIN_EACH]
