"""Cascades on recorded answers: attempts in order until one passes the public checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from eval.routing.predict import folds
from eval.routing.recorded_answers import Ground

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cascade:
    """Attempts as (model, number of attempts), cheapest model first.

    ``unchecked`` is the stage that answers where a task has no public checks; 0 trusts the first
    model's answer, −1 asks the last model at once.
    """

    stages: tuple[tuple[int, int], ...]
    unchecked: int

    def named(self, models: Sequence[str]) -> str:
        """Description in words."""
        steps = " → ".join(models[m] + (f" ×{n}" if n > 1 else "") for m, n in self.stages)
        return f"{steps}; without checks {models[self.stages[self.unchecked][0]]}"


@dataclass(frozen=True)
class Spent:
    """Quality, cost and whether the most expensive model was asked, (tasks, runs) each."""

    quality: Floats
    cost: Floats
    strong: Floats


def play(ground: Ground, cascade: Cascade) -> Spent:
    """The results of ``cascade`` on every task and run.

    The n-th attempt of a model in run r is its recorded answer of run r + n. If no attempt passes,
    the last one is the answer. Raises ``ValueError`` on a ground without public verdicts.
    """
    if ground.public is None:
        raise ValueError(f"{ground.name} has no public verdicts to cascade on")
    tasks, _, runs = ground.passed.shape
    unchecked: NDArray[np.bool_] = np.all(ground.public < 0, axis=(1, 2))
    quality, cost, strong = (np.zeros((tasks, runs)) for _ in range(3))
    pending: NDArray[np.bool_] = np.tile(np.logical_not(unchecked)[:, None], (1, runs))
    for model, attempts in cascade.stages:
        for attempt in range(attempts):
            at = (np.arange(runs) + attempt) % runs
            answer, price = ground.passed[:, model, at], ground.cost[:, model, at]
            quality = np.where(pending, answer, quality)
            cost += np.where(pending, price, 0.0)
            strong = np.where(pending & (model == len(ground.models) - 1), 1.0, strong)
            pending &= ground.public[:, model, at] != 1
    model = cascade.stages[cascade.unchecked][0]
    quality[unchecked] = ground.passed[unchecked, model]
    cost[unchecked] = ground.cost[unchecked, model]
    strong[unchecked] = model == len(ground.models) - 1
    return Spent(quality, cost, strong)


def grid(models: int, most: int = 3) -> list[Cascade]:
    """Every cascade of up to ``most`` attempts for each model that ends with the most expensive
    model."""
    found = []
    for counts in product(*(range(most + 1) for _ in range(models - 1)), range(1, most + 1)):
        stages = tuple((m, n) for m, n in enumerate(counts) if n)
        found += [Cascade(stages, u) for u in ((0, -1) if len(stages) > 1 else (0,))]
    return found


def chosen(ground: Ground, seed: int) -> tuple[Spent, list[str]]:
    """For each fold, a cascade chosen on the other folds: (results on all tasks, choice by fold).

    The choice is the cheapest cascade that is at least as good as the most expensive model alone on
    the training tasks; the best one, if none is.
    """
    options = grid(len(ground.models))
    played = [play(ground, option) for option in options]
    best = ground.passed[:, -1].astype(np.float64)
    quality, cost, strong = (np.zeros_like(best) for _ in range(3))
    names = []
    for test in folds(len(ground.tasks), seed):
        train = np.setdiff1d(np.arange(len(ground.tasks)), test)
        goal = best[train].mean()
        good = [k for k, p in enumerate(played) if p.quality[train].mean() >= goal]
        if good:
            pick = min(good, key=lambda k: float(played[k].cost[train].mean()))
        else:
            pick = max(range(len(played)), key=lambda k: float(played[k].quality[train].mean()))
        for whole, part in zip(
            (quality, cost, strong),
            (played[pick].quality, played[pick].cost, played[pick].strong),
            strict=True,
        ):
            whole[test] = part[test]
        names.append(options[pick].named(ground.models))
    return Spent(quality, cost, strong), names
