"""Predicts from a task's text whether a model will solve it, without the task's own answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]

FOLDS = 5
NEIGHBOURS = 10


def folds(tasks: int, seed: int, count: int = FOLDS) -> list[NDArray[np.int64]]:
    """Test indices of each fold; folds differ in size by one at most."""
    order = np.random.default_rng(seed).permutation(tasks)
    return [np.sort(part) for part in np.array_split(order, count)]


def knn(vectors: Vectors, rate: Floats, seed: int) -> Floats:
    """Mean pass rate of the nearest tasks of the other folds, by cosine: (tasks, models)."""
    found = np.empty_like(rate)
    for test in folds(len(rate), seed):
        train = np.setdiff1d(np.arange(len(rate)), test)
        near = np.argsort(-(vectors[test] @ vectors[train].T), axis=1)[:, :NEIGHBOURS]
        found[test] = rate[train][near].mean(axis=1)
    return found


def logistic(vectors: Vectors, rate: Floats, seed: int) -> Floats:
    """Logistic regression on embeddings, with each model's pass rate as soft label: (tasks,
    models)."""
    from sklearn.linear_model import LogisticRegression

    found = np.empty_like(rate)
    for test in folds(len(rate), seed):
        train = np.setdiff1d(np.arange(len(rate)), test)
        x = np.concatenate([vectors[train], vectors[train]])
        y = np.repeat([1, 0], len(train))
        for model in range(rate.shape[1]):
            won = rate[train, model]
            weights = np.concatenate([won, 1 - won])
            if not 0 < won.mean() < 1:
                found[test, model] = won.mean()
                continue
            fitted = LogisticRegression(C=1.0, max_iter=1000).fit(x, y, sample_weight=weights)
            found[test, model] = fitted.predict_proba(vectors[test])[:, 1]
    return found
