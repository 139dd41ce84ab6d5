"""Routing by record: a Beta posterior of verified success for each specialist and task cluster.

Thompson sampling (Thompson 1933) explores without a separate rule: a specialist that was seldom
tried has a wide posterior, so its sample is high now and then. The mean is the estimate; −log p
under it, updated by the outcomes of the run itself, is the fleet's surprise.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from specialists.registry import Card
from specialists.routing.contract import Scores, check_fleet
from specialists.routing.embedder import Embedder
from specialists.routing.var.clusters import Clusters

PRIOR = 1.0
"""Successes and failures that every posterior starts with: Beta(1, 1) is flat."""


class Posterior:
    """Verified successes and failures by (cluster, specialist)."""

    def __init__(self, clusters: Clusters, counts: dict[str, NDArray[np.float64]]) -> None:
        """Set ``counts``: specialist → (clusters, 2) successes and failures."""
        self.clusters, self.counts = clusters, counts

    @classmethod
    def fit(
        cls, vectors: NDArray[np.float32], who: Sequence[str], won: Sequence[bool]
    ) -> Posterior:
        """Fit on task vectors (N, dimension), specialists, and whether each was verified."""
        clusters = Clusters()
        at = clusters.assign(vectors)
        counts = {name: np.zeros((len(clusters), 2)) for name in sorted(set(who))}
        for cluster, name, success in zip(at.tolist(), who, won, strict=True):
            counts[name][cluster, 0 if success else 1] += 1
        return cls(clusters, counts)

    def parameters(self, vectors: NDArray[np.float32], names: Sequence[str]) -> NDArray[np.float64]:
        """Parameters (N, specialists, 2): alpha and beta. A task far from every cluster has the
        prior alone."""
        near, cosine = self.clusters.nearest(vectors)
        found = np.full((len(vectors), len(names), 2), PRIOR)
        known = cosine >= self.clusters.radius
        for k, name in enumerate(names):
            if name in self.counts:
                found[known, k] += self.counts[name][near[known]]
        return found

    def mean(self, vectors: NDArray[np.float32], names: Sequence[str]) -> NDArray[np.float64]:
        """Expected success (N, specialists)."""
        alpha_beta = self.parameters(vectors, names)
        found: NDArray[np.float64] = alpha_beta[..., 0] / alpha_beta.sum(axis=-1)
        return found

    def state(self) -> dict[str, Any]:
        """The counts and clusters as arrays to store."""
        names = sorted(self.counts)
        return {
            "leaders": self.clusters.leaders, "names": np.array(names),
            "counts": np.array([self.counts[n] for n in names]),
        }  # fmt: skip

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Posterior:
        """The posterior from the arrays of :meth:`state`."""
        clusters = Clusters()
        clusters.restore(state["leaders"])
        names = [str(n) for n in state["names"]]
        return cls(clusters, dict(zip(names, state["counts"], strict=True)))


class PosteriorScorer:
    """Scores are Thompson samples in (0, 1), one for each task and specialist.

    Samples depend on ``seed``, the task and the specialist's name alone.
    """

    def __init__(
        self, posterior: Posterior, embedder: Embedder | None = None, *, seed: int = 0
    ) -> None:
        self._posterior, self._embedder, self._seed = posterior, embedder or Embedder(), seed
        self._last: tuple[tuple[str, ...], NDArray[np.float32]] | None = None

    async def score(self, tasks: Sequence[str], cards: Sequence[Card]) -> Scores:
        """Scores (tasks, cards). Raises ``UsageError`` for an empty fleet."""
        check_fleet(cards)
        parameters = await self._parameters(tasks, cards)
        scores = np.empty(parameters.shape[:2])
        for i, task in enumerate(tasks):
            for k, card in enumerate(cards):
                digest = hashlib.sha256(f"{self._seed}|{card.name}|{task}".encode()).digest()
                rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
                scores[i, k] = rng.beta(*parameters[i, k])
        return scores

    async def records(
        self, tasks: Sequence[str], cards: Sequence[Card]
    ) -> list[dict[str, tuple[float, float]]]:
        """See :class:`specialists.routing.contract.Remembers`."""
        names = [c.name for c in cards]
        return [
            {name: (float(a), float(b)) for name, (a, b) in zip(names, row, strict=True)}
            for row in await self._parameters(tasks, cards)
        ]

    async def _parameters(self, tasks: Sequence[str], cards: Sequence[Card]) -> NDArray[np.float64]:
        asked = tuple(tasks)
        if self._last is None or self._last[0] != asked:
            self._last = asked, await asyncio.to_thread(self._embedder.embed, list(tasks))
        return self._posterior.parameters(self._last[1], [c.name for c in cards])
