"""Routing by likeness: the cosine of a task to each specialist's card."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import Field

from specialists.backends.base import Frozen
from specialists.registry import Card
from specialists.routing.contract import Scores, check_fleet
from specialists.routing.embedder import Embedder, Vectors


class EmbeddingWeights(Frozen):
    """Weights of the two similarities; the defaults were never fitted, so fit them on outcomes."""

    centroid: float = Field(default=0.6, ge=0.0)
    """Weight of the cosine to the mean of description, example tasks and prototypes."""
    prototype: float = Field(default=0.4, ge=0.0)
    """Weight of the highest cosine to a single example task or prototype."""


class EmbeddingScorer:
    """``centroid · cos(task, mean) + prototype · max cos(task, example)``, batched.

    ``prototypes`` are, by specialist, tasks that it has verifiably solved. A card with neither
    examples nor prototypes is represented by its description alone.
    """

    def __init__(
        self,
        embedder: Embedder | None = None,
        *,
        weights: EmbeddingWeights | None = None,
        prototypes: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._embedder = embedder or Embedder()
        self._weights = weights or EmbeddingWeights()
        self._prototypes = {name: tuple(tasks) for name, tasks in (prototypes or {}).items()}
        self._cards: dict[tuple[str, ...], tuple[Vectors, Vectors]] = {}

    async def score(self, tasks: Sequence[str], cards: Sequence[Card]) -> Scores:
        """Scores (tasks, cards), each within ± the sum of the weights.

        Raises ``UsageError`` for an empty fleet, ``SetupError`` without an embedder.
        """
        check_fleet(cards)
        return await asyncio.to_thread(self._score, tuple(tasks), tuple(cards))

    def _score(self, tasks: Sequence[str], cards: Sequence[Card]) -> Scores:
        texts = [
            (card.description, *card.examples, *self._prototypes.get(card.name, ()))
            for card in cards
        ]
        fresh = [t for t in dict.fromkeys(texts) if t not in self._cards]
        vectors = self._embedder.embed([*tasks, *(text for t in fresh for text in t)])
        start = len(tasks)
        for t in fresh:
            rows = vectors[start : start + len(t)]
            start += len(t)
            mean = rows.mean(axis=0)
            norm = float(np.linalg.norm(mean))
            self._cards[t] = (mean / norm if norm else mean, rows[1:] if len(t) > 1 else rows)
        asked = vectors[: len(tasks)]
        scores = np.empty((len(tasks), len(cards)), dtype=np.float64)
        for k, t in enumerate(texts):
            mean, examples = self._cards[t]
            best = (asked @ examples.T).max(axis=1)
            scores[:, k] = self._weights.centroid * (asked @ mean) + self._weights.prototype * best
        return scores
