"""Cost-quality curves of a weak and a strong model, and the measures of RouteLLM on them.

Ong et al. 2024 (arXiv 2406.18665): with ``c`` the share of calls to the strong model and PGR(c) =
(q(c) − q_weak) / (q_strong − q_weak), APGR is the mean of PGR over c in [0, 1] (here by the
trapezoid rule, in one-hundredths) and CPT(x) the least c at which PGR reaches x. A random router
has APGR 0.5 and CPT(x) = x.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GRID = 100
RESAMPLES = 1000


@dataclass(frozen=True)
class Curve:
    """Quality and cost of a ranking of requests at every share of strong calls."""

    quality: Floats
    """(GRID + 1,) mean quality at shares 0, 0.01, …, 1."""
    cost: Floats
    """(GRID + 1,) mean cost in US dollars."""

    def pgr(self, weak: float, strong: float) -> Floats:
        """Performance gap recovered at each share; NaN where the two models are equally good."""
        if abs(strong - weak) < 1e-12:
            return np.full_like(self.quality, np.nan)
        found: Floats = (self.quality - weak) / (strong - weak)
        return found


def curve(
    priority: Floats, weak: Floats, strong: Floats, weak_cost: Floats, strong_cost: Floats
) -> Curve:
    """The curve of sending the requests of highest ``priority`` to the strong model, (N,) each.

    Requests of equal priority get the mean over their random orders. ``weak_cost`` is paid where
    the weak model answers, ``strong_cost`` where the strong one does.
    """
    order = np.argsort(-priority, kind="stable")
    ranked = priority[order]
    gain, extra = (
        _even((strong - weak)[order], ranked),
        _even((strong_cost - weak_cost)[order], ranked),
    )
    at = np.linspace(0, len(priority), GRID + 1)
    steps = np.arange(len(priority) + 1)
    total = np.interp(at, steps, np.concatenate([[0], np.cumsum(gain)]))
    spent = np.interp(at, steps, np.concatenate([[0], np.cumsum(extra)]))
    count = len(priority)
    return Curve(weak.mean() + total / count, weak_cost.mean() + spent / count)


def _even(values: Floats, ranked: Floats) -> Floats:
    """``values`` with each run of equal ``ranked`` replaced by its mean."""
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    sizes = np.diff(np.concatenate([starts, [len(values)]]))
    found: Floats = np.repeat(np.add.reduceat(values, starts) / sizes, sizes)
    return found


def apgr(pgr: Floats) -> float:
    """Mean of PGR over the share of strong calls."""
    return float(np.trapezoid(pgr, dx=1 / GRID))


def cpt(pgr: Floats, share: float) -> float:
    """Least share of strong calls at which PGR reaches ``share``; NaN if it never does."""
    reached = np.flatnonzero(pgr >= share - 1e-12)
    return float(reached[0]) / GRID if len(reached) else float("nan")


def hull(costs: Sequence[float], qualities: Sequence[float]) -> list[tuple[float, float]]:
    """Upper concave hull of (cost, quality) points: the best random mixtures, cheapest first."""
    points = sorted(zip(costs, qualities, strict=True))
    kept: list[tuple[float, float]] = []
    for cost, quality in points:
        if kept and quality <= kept[-1][1]:
            continue
        while len(kept) > 1 and _turns_up(kept[-2], kept[-1], (cost, quality)):
            kept.pop()
        kept.append((cost, quality))
    return kept


def _turns_up(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    return (b[1] - a[1]) * (c[0] - b[0]) <= (c[1] - b[1]) * (b[0] - a[0])


def mixture_at(points: Sequence[tuple[float, float]], cost: float) -> float:
    """Quality of the best random mixture that costs ``cost``; flat beyond the ends."""
    xs, ys = zip(*points, strict=True)
    return float(np.interp(cost, xs, ys))


def bootstrap(
    measure: Callable[[NDArray[np.int64]], Sequence[float]],
    tasks: int,
    seed: int,
    resamples: int = RESAMPLES,
) -> list[tuple[float, float]]:
    """95% percentile intervals of measures over tasks drawn with replacement (Efron 1979).

    ``measure`` returns its numbers for the drawn indices (tasks,). Draws for which a number is NaN
    are left out of its interval; (NaN, NaN) if none is left.
    """
    rng = np.random.default_rng(seed)
    drawn = np.array([measure(rng.integers(0, tasks, tasks)) for _ in range(resamples)])
    spans = []
    for column in drawn.T:
        told = column[np.isfinite(column)]
        low, high = np.percentile(told, [2.5, 97.5]) if len(told) else (np.nan, np.nan)
        spans.append((float(low), float(high)))
    return spans
