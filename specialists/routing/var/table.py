"""The fast path's table: what the expensive scorer has said by cluster, and how far to trust it.

A cluster is eligible for the fast path when three things hold:

- it has been seen often enough, and its mean routing entropy is low enough (thresholds fixed, or
  quantiles of what has been seen);
- the one-sided Clopper-Pearson bound (Clopper and Pearson 1934) of its disagreement with the
  expensive scorer is at most ``disagreement``. Evidence is every expensive score of the cluster,
  shadow audits included, each compared with what the table said *before* it learned from it.

With no disagreement the bound falls to 5% after 59 comparisons at 95% confidence. The bound is for
one look; a cluster that is looked at again after each audit is demoted a little too late in the long
run, never too early.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from specialists.routing.contract import Scores

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def clopper_pearson_upper(failures: Ints, trials: Ints, confidence: float = 0.95) -> Floats:
    """Upper limit of the one-sided interval of a proportion; 1 without trials."""
    from scipy.special import betaincinv

    with np.errstate(all="ignore"):
        bound = betaincinv(failures + 1.0, np.maximum(trials - failures, 1), confidence)
    found: Floats = np.where(failures >= trials, 1.0, bound)
    return found


class FastTable:
    """Statistics by cluster; clusters are small integers, the table grows as they appear."""

    def __init__(
        self,
        experts: int,
        *,
        min_count: int = 50,
        max_entropy: float = 0.5,
        disagreement: float = 0.05,
        confidence: float = 0.95,
        adaptive: bool = True,
        coverage: float = 0.85,
    ) -> None:
        self.experts = experts
        self.min_count, self.max_entropy = min_count, max_entropy
        self.disagreement, self.confidence = disagreement, confidence
        self.adaptive, self.coverage = adaptive, coverage
        self.traffic = np.zeros(0, dtype=np.int64)
        """Number of requests by cluster, on any path."""
        self.count = np.zeros(0, dtype=np.int64)
        """Number of expensive scores by cluster."""
        self.total = np.zeros((0, experts))
        self.entropy_sum = np.zeros(0)
        self.trials = np.zeros(0, dtype=np.int64)
        self.failures = np.zeros(0, dtype=np.int64)
        self.demotions = np.zeros(0, dtype=np.int64)
        self._eligible = np.zeros(0, dtype=np.bool_)

    def grow(self, clusters: int) -> None:
        """Extend the table to clusters 0 to ``clusters`` − 1."""
        more = clusters - len(self.count)
        if more <= 0:
            return
        for name in ("traffic", "count", "trials", "failures", "demotions"):
            setattr(self, name, np.pad(getattr(self, name), (0, more)))
        self.entropy_sum = np.pad(self.entropy_sum, (0, more))
        self._eligible = np.pad(self._eligible, (0, more))
        self.total = np.pad(self.total, ((0, more), (0, 0)))

    @property
    def eligible(self) -> NDArray[np.bool_]:
        """Clusters that the fast path may answer for."""
        return self._eligible

    def visit(self, clusters: Ints) -> None:
        """Count requests, on any path."""
        np.add.at(self.traffic, clusters, 1)

    def rows(self, clusters: Ints) -> Scores:
        """Mean scores (N, experts) of the clusters; of all clusters where one is unknown.

        NaN when nothing at all is known.
        """
        counts = self.count[clusters]
        with np.errstate(all="ignore"):
            everything = self.total.sum(axis=0) / self.count.sum()
            found: Scores = self.total[clusters] / counts[:, None]
        found[counts == 0] = everything
        return found

    def learn(self, clusters: Ints, scores: Scores, entropy: Floats) -> NDArray[np.bool_]:
        """Learn from expensive scores (N, experts), entropies in nats; returns which rows
        disagreed.

        A row is compared with the table before this batch; a cluster that is new in the batch gives
        no evidence.
        """
        known = self.count[clusters] > 0
        said = self.rows(clusters).argmax(axis=1) if known.any() else np.zeros(len(clusters), int)
        differs: NDArray[np.bool_] = known & (said != scores.argmax(axis=1))
        np.add.at(self.trials, clusters, known.astype(np.int64))
        np.add.at(self.failures, clusters, differs.astype(np.int64))
        np.add.at(self.count, clusters, 1)
        np.add.at(self.total, clusters, scores)
        np.add.at(self.entropy_sum, clusters, entropy)
        self.refresh()
        return differs

    def thresholds(self) -> tuple[float, float]:
        """(count, entropy) in force.

        With ``adaptive`` these are the fixed thresholds, loosened just so far that clusters with
        ``coverage`` of the traffic can pass each of them; the bound on disagreement then decides.
        """
        seen = self.count > 0
        if not self.adaptive or not seen.any():
            return float(self.min_count), self.max_entropy
        traffic = np.maximum(self.traffic[seen], self.count[seen]).astype(np.float64)
        entropy = self.entropy_sum[seen] / self.count[seen]
        frequent = -_weighted_quantile(-self.count[seen].astype(np.float64), traffic, self.coverage)
        calm = _weighted_quantile(entropy, traffic, self.coverage)
        return min(float(self.min_count), frequent), max(self.max_entropy, calm)

    def bounds(self) -> Floats:
        """Upper limit of the disagreement of each cluster."""
        return clopper_pearson_upper(self.failures, self.trials, self.confidence)

    def refresh(self) -> None:
        """Decide again which clusters are eligible; a cluster that fails its bound loses all its
        evidence."""
        least, most = self.thresholds()
        with np.errstate(all="ignore"):
            entropy = self.entropy_sum / self.count
        trusted = self.bounds() <= self.disagreement
        fit = (self.count >= max(1.0, least)) & (entropy <= most) & trusted
        fallen = self._eligible & ~trusted
        self.demotions += fallen
        for evidence in (self.trials, self.failures):
            evidence[fallen] = 0
        self._eligible = fit & ~fallen

    def state(self) -> dict[str, Any]:
        """All learned values, as arrays."""
        names = ("traffic", "count", "total", "entropy_sum", "trials", "failures", "demotions")
        return {name: getattr(self, name) for name in names} | {"eligible": self._eligible}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the values of :meth:`state`."""
        for name, value in state.items():
            setattr(self, "_eligible" if name == "eligible" else name, np.array(value))


def _weighted_quantile(values: Floats, weights: Floats, share: float) -> float:
    """The smallest value at or below which ``share`` of the weight lies."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    at = int(np.searchsorted(reached, share * reached[-1] * (1 - 1e-12)))
    return float(values[order[min(at, len(order) - 1)]])
