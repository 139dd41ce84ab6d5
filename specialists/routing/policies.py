"""Policies: from scores to a choice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from specialists.registry import Card
from specialists.routing.contract import Decision, Scores, check_scores
from state import UsageError


class WinnerTakeAll:
    """The highest score wins, the earlier card in a tie.

    Confidence is the winner's share of softmax(scores / temperature): a margin in [1/cards, 1], not
    a calibrated probability.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        if not temperature > 0:
            raise UsageError(f"temperature must be positive, not {temperature}")
        self._temperature = temperature

    def choose(self, scores: Scores, cards: Sequence[Card]) -> Decision:
        """Turn one row of scores (cards,) into a decision.

        Raises ``UsageError`` for an empty fleet, a row of another length, or NaN.
        """
        check_scores(scores, cards)
        winner = int(scores.argmax())
        shares = np.exp((scores - scores[winner]) / self._temperature)
        return Decision(
            specialist=cards[winner].name,
            scores={card.name: float(s) for card, s in zip(cards, scores, strict=True)},
            confidence=float(1 / shares.sum()),
        )
