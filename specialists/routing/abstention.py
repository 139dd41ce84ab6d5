"""Routing by abstention: every specialist is asked how likely it is to decline the task.

A loss probe measures how well an adapter predicts the words of a task, which adapters that were
trained on answers alone never learned. Adapters that were also trained to decline the tasks of
other specialists have learned exactly what routing asks: whether the task is theirs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from specialists.backends.base import Backend, Message
from specialists.registry import Card
from specialists.routing.contract import Scores, check_fleet
from state import UsageError

LEAST = 1e-9
"""Distance that probabilities keep from 0 and 1, so that log-odds stay finite."""


class AbstentionScorer:
    """Log-odds that a specialist does not decline: log((1 − p) / p), p = P(its refusal | task).

    One forward pass of the task for each specialist, in one mixed batch; nothing is generated.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def score(self, tasks: Sequence[str], cards: Sequence[Card]) -> Scores:
        """Scores (tasks, cards). Raises ``UsageError`` for an empty fleet, and for a specialist that
        was not trained to decline."""
        check_fleet(cards)
        check_declines(cards)
        refusals = dict.fromkeys(str(card.declines) for card in cards)
        log_p = np.zeros((len(tasks), len(cards)))
        for refusal in refusals:  # There is one refusal in practice.
            those = [k for k, card in enumerate(cards) if card.declines == refusal]
            pairs = [((Message(role="user", content=task),), refusal) for task in tasks]
            scored = await self._backend.score(pairs, [cards[k].adapter for k in those])
            log_p[:, those] = [[sum(text.log_probs) for text in row] for row in scored]
        p = np.clip(np.exp(log_p), LEAST, 1 - LEAST)
        found: Scores = np.log1p(-p) - np.log(p)
        return found


def check_declines(cards: Sequence[Card]) -> None:
    """Raise ``UsageError`` for a specialist that was not trained to decline."""
    for card in cards:
        if card.declines is None:
            raise UsageError(
                f"--scorer abstention: specialist {card.name} was not trained to decline other tasks; "
                "use another scorer"
            )


def can_decline(cards: Sequence[Card]) -> bool:
    """Whether all of these specialists were trained to decline."""
    return all(card.declines is not None for card in cards)
