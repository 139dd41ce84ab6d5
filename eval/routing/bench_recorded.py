"""`harness bench routing` on recorded answers: all policies and references, with intervals."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.routing import curves, predict
from eval.routing.cascades import Cascade, Spent, chosen, play
from eval.routing.recorded_answers import Ground

Floats = NDArray[np.float64]

PERFORMANCE = (0.5, 0.8)
"""Shares of the performance gap for which CPT is reported."""


@dataclass(frozen=True)
class PointRow:
    """One policy at its own cost and quality; intervals are 95%, over tasks."""

    policy: str
    quality: float
    quality_low: float
    quality_high: float
    cost: float
    """US dollars for each task."""
    cost_share: float
    """Cost as a share of the cost of always asking the most expensive model."""
    strong: float
    """Share of tasks on which the most expensive model was asked."""
    regret: float
    """Quality of the oracle minus quality."""
    over_mixture: float
    """Quality minus that of the best random mixture at the same cost."""
    over_low: float
    over_high: float


@dataclass(frozen=True)
class CurveRow:
    """A ranking of tasks between the weak and the strong model; intervals are 95%, over tasks."""

    router: str
    apgr: float
    apgr_low: float
    apgr_high: float
    cpt50: float
    cpt50_low: float
    cpt50_high: float
    cpt80: float
    cpt80_low: float
    cpt80_high: float
    quality: list[float]
    cost: list[float]


def measure(ground: Ground, vectors: NDArray[np.float32], *, seed: int = 0) -> dict[str, Any]:
    """All rows of one ground. ``vectors`` (tasks, dimension) embed the problem texts."""
    rate = ground.passed.mean(axis=2)
    predicted = {
        "kNN": predict.knn(vectors, rate, seed), "learned": predict.logistic(vectors, rate, seed),
    }  # fmt: skip
    spent: dict[str, Spent] = {
        f"always {m}": _always(ground, k) for k, m in enumerate(ground.models)
    }
    spent["oracle"] = oracle = _oracle(ground)
    for name, table in predicted.items():
        spent[f"{name} (best predicted)"] = _by_model(ground, table.argmax(axis=1))
    notes = list(ground.notes)
    weak, strong = pair(ground)
    if ground.public is not None:
        first, last = len(ground.models) - 2, len(ground.models) - 1
        spent["cascade of two, verified"] = play(ground, Cascade(((first, 1), (last, 1)), -1))
        spent["cascade, cross-validated"], picks = chosen(ground, seed)
        notes += [f"cascade chosen for fold {k + 1}: {pick}" for k, pick in enumerate(picks)]
    rows = [_row(name, s, oracle, ground, seed) for name, s in spent.items()]
    return {
        "ground": ground.name, "tasks": len(ground.tasks), "runs": ground.passed.shape[2],
        "models": list(ground.models), "native": ground.native, "notes": notes,
        "weak": ground.models[weak], "strong": ground.models[strong],
        "points": [asdict(row) for row in rows],
        "curves": [asdict(row) for row in _curves(ground, predicted, weak, strong, seed)],
        "mixture": curves.hull(
            ground.cost.mean(axis=(0, 2)).tolist(), ground.passed.mean(axis=(0, 2)).tolist()
        ),
    }  # fmt: skip


def pair(ground: Ground) -> tuple[int, int]:
    """(weak, strong): the two models with the steepest trade-off between cost and quality.

    Strong is the best model; weak is the next one below it on the hull of random mixtures.
    """
    costs, quality = ground.cost.mean(axis=(0, 2)), ground.passed.mean(axis=(0, 2))
    points = curves.hull(costs.tolist(), quality.tolist())
    index = {(float(c), float(q)): k for k, (c, q) in enumerate(zip(costs, quality, strict=True))}
    return index[points[max(0, len(points) - 2)]], index[points[-1]]


def _always(ground: Ground, model: int) -> Spent:
    return _by_model(ground, np.full(len(ground.tasks), model))


def _by_model(ground: Ground, model: NDArray[np.int64]) -> Spent:
    rows = np.arange(len(ground.tasks))
    strong = np.repeat((model == len(ground.models) - 1)[:, None], ground.passed.shape[2], axis=1)
    return Spent(
        ground.passed[rows, model].astype(np.float64), ground.cost[rows, model],
        strong.astype(np.float64),
    )  # fmt: skip


def _oracle(ground: Ground) -> Spent:
    """The cheapest model whose answer in that run passes; the cheapest of all where none passes."""
    price = np.where(ground.passed, ground.cost, np.inf)
    pick = np.where(ground.passed.any(axis=1), price.argmin(axis=1), ground.cost.argmin(axis=1))
    take = np.take_along_axis
    quality = take(ground.passed, pick[:, None], axis=1)[:, 0].astype(np.float64)
    cost = take(ground.cost, pick[:, None], axis=1)[:, 0]
    return Spent(quality, cost, (pick == len(ground.models) - 1).astype(np.float64))


def _row(name: str, spent: Spent, oracle: Spent, ground: Ground, seed: int) -> PointRow:
    quality, cost = spent.quality.mean(axis=1), spent.cost.mean(axis=1)
    by_model, price = ground.passed.mean(axis=2), ground.cost.mean(axis=2)

    def over(draw: NDArray[np.int64]) -> float:
        points = curves.hull(
            price[draw].mean(axis=0).tolist(), by_model[draw].mean(axis=0).tolist()
        )
        return float(quality[draw].mean() - curves.mixture_at(points, float(cost[draw].mean())))

    everything = np.arange(len(ground.tasks))
    (low, high), (over_low, over_high) = curves.bootstrap(
        lambda d: (float(quality[d].mean()), over(d)), len(quality), seed
    )
    return PointRow(
        name, float(quality.mean()), low, high, float(cost.mean()),
        float(cost.mean() / price[:, -1].mean()), float(spent.strong.mean()),
        float(oracle.quality.mean() - quality.mean()), over(everything), over_low, over_high,
    )  # fmt: skip


def _curves(
    ground: Ground, predicted: dict[str, Floats], weak: int, strong: int, seed: int
) -> list[CurveRow]:
    shape = ground.passed[:, 0].shape
    gains = {
        name: np.repeat((table[:, strong] - table[:, weak])[:, None], shape[1], axis=1)
        for name, table in predicted.items()
    }
    real = ground.passed[:, strong].astype(np.float64) - ground.passed[:, weak]
    rankings = {"random": np.zeros(shape), **gains, "oracle": real}
    rows = [
        _curve_row(name, ranks, ground, weak, strong, seed, cascade=False)
        for name, ranks in rankings.items()
    ]
    if ground.public is not None:
        failed = np.where(
            ground.public[:, weak] == 0, 2.0, np.where(ground.public[:, weak] < 0, 1.0, 0)
        )
        for name, gain in (("verified cascade", np.zeros(shape)), *(
            (f"verified cascade, then {name}", table) for name, table in gains.items()
        )):  # fmt: skip
            ranks = failed * 10 + gain
            rows.append(_curve_row(name, ranks, ground, weak, strong, seed, cascade=True))
    return rows


def _curve_row(
    name: str, ranks: Floats, ground: Ground, weak: int, strong: int, seed: int, *, cascade: bool
) -> CurveRow:
    low_q, high_q = (ground.passed[:, k].astype(np.float64) for k in (weak, strong))
    low_c, high_c = ground.cost[:, weak], ground.cost[:, strong]
    # A cascade has already paid for the weak answer.
    high_c = high_c + low_c if cascade else high_c

    def made(draw: NDArray[np.int64]) -> curves.Curve:
        parts = (ranks, low_q, high_q, low_c, high_c)
        return curves.curve(*(part[draw].ravel() for part in parts))

    def pgr(draw: NDArray[np.int64]) -> Floats:
        return made(draw).pgr(float(low_q[draw].mean()), float(high_q[draw].mean()))

    everything = np.arange(len(ground.tasks))
    whole, line = made(everything), pgr(everything)

    def told(draw: NDArray[np.int64]) -> tuple[float, ...]:
        found = pgr(draw)
        return curves.apgr(found), *(curves.cpt(found, share) for share in PERFORMANCE)

    spans = curves.bootstrap(told, len(everything), seed)
    return CurveRow(
        name, curves.apgr(line), *spans[0], curves.cpt(line, PERFORMANCE[0]), *spans[1],
        curves.cpt(line, PERFORMANCE[1]), *spans[2], whole.quality.tolist(), whole.cost.tolist(),
    )  # fmt: skip
