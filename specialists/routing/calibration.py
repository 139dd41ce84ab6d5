"""Calibration of probabilities: Brier score, expected calibration error, reliability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bin:
    """One bar of a reliability plot."""

    confidence: float
    """Mean of the stated probabilities."""
    accuracy: float
    """Share of right answers."""
    count: int


def brier(probabilities: Floats, labels: NDArray[np.int64]) -> float:
    """Mean squared error of (N, classes) against the one-hot truth, in [0, 2] (Brier 1950).

    NaN without examples.
    """
    if not len(labels):
        return float("nan")
    truth = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def reliability(confidence: Floats, right: NDArray[np.bool_], bins: int = 10) -> list[Bin]:
    """Bins of equal width over stated confidence (N,); empty ones are left out."""
    at = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        Bin(float(confidence[at == k].mean()), float(right[at == k].mean()), int((at == k).sum()))
        for k in range(bins)
        if (at == k).any()
    ]


def expected_calibration_error(
    confidence: Floats, right: NDArray[np.bool_], bins: int = 10
) -> float:
    """Mean gap between confidence and accuracy over bins, by size (Naeini et al. 2015).

    NaN without examples.
    """
    if not len(right):
        return float("nan")
    rows = reliability(confidence, right, bins)
    return sum(abs(b.confidence - b.accuracy) * b.count for b in rows) / len(right)
