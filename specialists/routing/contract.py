"""What routing is made of: a scorer rates every specialist, a policy turns rates into a choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from specialists.backends.base import Frozen
from specialists.registry import Card
from state import UsageError

Scores = NDArray[np.float64]

Path = Literal["expensive", "fast", "cache", "degraded"]


class Decision(Frozen):
    """A choice and what it was made of."""

    specialist: str
    scores: dict[str, float]
    """Score of every card, by name."""
    confidence: float
    """In [0, 1]; how it was computed is the policy's business."""
    path: Path = "expensive"
    """Which part of an adaptive router decided; plain routers score every task."""


class Scorer(Protocol):
    """Rates specialists; higher is better, the scale is the scorer's own."""

    async def score(self, tasks: Sequence[str], cards: Sequence[Card]) -> Scores:
        """Scores (tasks, cards). Raises ``UsageError`` for an empty fleet."""
        ...


class Policy(Protocol):
    """Chooses for one task."""

    def choose(self, scores: Scores, cards: Sequence[Card]) -> Decision:
        """Turn one row of scores (cards,) into a decision.

        Raises ``UsageError`` for an empty fleet, a row of another length, or NaN.
        """
        ...


def check_fleet(cards: Sequence[Card]) -> None:
    """Raises ``UsageError`` when there is nobody to route to."""
    if not cards:
        raise UsageError("the fleet is empty: there is no specialist to route to")


def check_scores(scores: Scores, cards: Sequence[Card]) -> None:
    """Raises ``UsageError`` unless ``scores`` is one finite number for each card."""
    check_fleet(cards)
    if scores.shape != (len(cards),):
        raise UsageError(
            f"scores have shape {scores.shape}, the fleet has {len(cards)} specialists"
        )
    bad = [card.name for card, score in zip(cards, scores, strict=True) if not np.isfinite(score)]
    if bad:
        raise UsageError(f"scores of {', '.join(bad)} are not finite numbers")
